from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from training_store import (
    GRID,
    TRAINED,
    WATCHED,
    QuickStore,
    configure,
    make_field,
    make_images,
    make_store,
    manifest,
)

import astropy.units as u
from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.scaling import LinearScaling, LogScaling
from sunpy_mag2euv.training.data.loading import Sampling
from sunpy_mag2euv.training.data.sampling import Draws, Frames, ImageDraws, ImageFrames, frames_as_they_are
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import model_record

NOTHING = {
    **{"shift": 0, "mirror": False, "turns": False, "polarity": False, "gain": 0.0, "noise": 0.0, "clipping": 0.0},
    **{"blur": 0.0, "window": 0.0, "few": 3},
}

#: For the range of the field to be known, in gauss.
RANGE = 3000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One source is "ramp", whose weight tells from every pixel where it was: its number, counted from 1."""
    frames = manifest()
    frames["source"] = ["ramp" if row < 3 else "toy" for row in range(len(frames))]
    ramp = 1 + np.arange(GRID.shape[0] * GRID.shape[1]).reshape(GRID.shape)
    store = make_store(tmp_path_factory.mktemp("sampling") / "store", frames=frames, weights={"ramp": ramp})
    field = make_field(1)
    store.write(1, field, {193: make_images(field)[193]}, ceilings={193: 500.0})
    return store


@pytest.fixture(scope="module")
def model(tmp_path_factory, store):
    config = configure(tmp_path_factory.mktemp("sampling"), "store", "model-a")
    return model_record(config, store)


@pytest.fixture(scope="module")
def draw(store, model):
    def draw(count, *, rows=TRAINED, seed=0, draws=None, evenness=0, start=0, **augmentation):
        return Draws(
            store,
            rows,
            model,
            augmentation=NOTHING | augmentation,
            draws=draws or {},
            evenness=evenness,
            seed=seed,
            numbers=range(start, start + count),
        )

    return draw


def same(one, other, rounding=0):
    return one.keys() == other.keys() and all(
        torch.allclose(*map(torch.as_tensor, (one[name], other[name])), rtol=0, atol=rounding, equal_nan=True)
        for name in one
    )


def test_frames_are_what_the_store_has_in_scaled_values(store, model):
    frames = Frames(store, [0, 1], model)
    assert len(frames) == 2
    for example, row in zip((frames[0], frames[1]), (0, 1), strict=True):
        field = store.field(row)
        np.testing.assert_allclose(example["inputs"], LinearScaling(-RANGE, RANGE).forward(field)[None], atol=1e-6)
        expected = LogScaling(0, 2**14 - 1, offset=1).forward(store.images(row))
        np.testing.assert_allclose(example["targets"], expected, atol=1e-6)
        np.testing.assert_array_equal(example["weight"], store.weight(row))
        assert example["binning"] == 1
        assert {tensor.dtype for name, tensor in example.items() if name != "binning"} == {torch.float32}
    assert torch.isnan(frames[1]["targets"][0]).all()
    assert torch.isinf(frames[0]["ceiling"]).all()
    assert torch.isinf(frames[1]["ceiling"][0])
    assert frames[1]["ceiling"][1].item() == pytest.approx(np.log2(501) / 7 - 1)


def test_draws_depend_on_seed_and_number_alone(draw):
    everything = {"shift": 3, "mirror": True, "polarity": True, "gain": 0.1, "noise": 4.0, "clipping": 0.5}
    first = list(draw(12, **everything))
    # In another order, from another beginning, or a second time.
    later = draw(6, start=6, **everything)
    for number in (5, 0, 3, 3):
        assert same(later[number], first[6 + number])
    others = list(draw(12, seed=1, **everything))
    assert not any(same(one, other) for one, other in zip(first, others, strict=True))
    assert not any(same(first[0], other) for other in first[1:])


def test_what_is_not_varied_is_drawn_as_it_is(draw, store, model):
    frames = list(Frames(store, TRAINED, model))
    seen = [[number for number, frame in enumerate(frames) if same(frame, example, 1e-6)] for example in draw(80)]
    assert all(len(matches) == 1 for matches in seen)
    assert {number for (number,) in seen} == set(TRAINED)


def whence(example):
    """Rows and columns that the pixels of a frame of the source "ramp" had, and where there are such."""
    number = example["weight"].numpy().astype(int) - 1
    return *np.divmod(number, GRID.shape[1]), number >= 0


def test_examples_say_how_many_pixels_have_one_value(tmp_path, model):
    frames = manifest()[:3]
    frames["binning"] = [1, 4, 2]
    store = make_store(tmp_path / "store", frames=frames)
    assert [Frames(store, [2, 0, 1], model)[number]["binning"] for number in range(3)] == [2, 1, 4]


def test_fields_are_drawn_in_any_of_eight_orientations(draw, store, model):
    """If quarter turns and mirror images are asked for; in four, if only turns are."""
    frame = Frames(store, [0], model)[0]
    field, targets = frame["inputs"][0].numpy(), frame["targets"].numpy()
    for mirror, expected in ((False, 4), (True, 8)):
        ways = set()
        for example in draw(60, rows=[0], turns=True, mirror=mirror):
            rows, columns, inside = whence(example)
            assert inside.all()
            np.testing.assert_allclose(example["inputs"][0], field[rows, columns], atol=1e-6)
            np.testing.assert_array_equal(example["targets"], targets[:, rows, columns])
            ways.add((rows[1, 0] - rows[0, 0], columns[1, 0] - columns[0, 0], rows[0, 1] - rows[0, 0], columns[0, 0]))
        assert len(ways) == expected


@pytest.mark.parametrize(
    "variation", [{"mirror": True}, {"polarity": True}, {"shift": 2}, {"mirror": True, "polarity": True, "shift": 2}]
)
def test_field_targets_and_weight_are_varied_alike(draw, store, model, variation):
    frame = Frames(store, [0], model)[0]
    field, targets = frame["inputs"][0].numpy(), frame["targets"].numpy()
    mirrors, signs, shifts = set(), set(), set()
    for example in draw(60, rows=[0], **variation):
        rows, columns, inside = whence(example)
        example = {name: np.asarray(tensor) for name, tensor in example.items()}
        sign = np.sign((example["inputs"][0] * field[rows, columns])[inside].sum())
        np.testing.assert_allclose(example["inputs"][0][inside], sign * field[rows, columns][inside], atol=1e-6)
        np.testing.assert_array_equal(example["targets"][:, inside], targets[:, rows, columns][:, inside])
        # Nothing that has gone out on one side comes in on the other.
        assert np.isnan(example["targets"][:, ~inside]).all()
        assert not example["inputs"][0][~inside].any()
        step = np.array([np.diff(rows[:, 16])[10], np.diff(columns[16])[10]])
        mirrors.add(tuple(step))
        signs.add(sign)
        # Where the pixel in the middle of the frame has gone, before which the mirror came.
        start = np.array([rows[16, 16], columns[16, 16]])
        mirrored = np.where(step > 0, start, 31 - start)
        shifts.add(tuple(16 - mirrored))
        assert inside.sum() == np.prod(32 - np.abs(16 - mirrored))
    assert mirrors == ({(1, 1), (1, -1), (-1, 1), (-1, -1)} if variation.get("mirror") else {(1, 1)})
    assert signs == ({1, -1} if variation.get("polarity") else {1})
    far = variation.get("shift", 0)
    for axis in range(2):
        assert {shift[axis] for shift in shifts} == set(range(-far, far + 1))


def test_fields_get_the_noise_gain_and_clipping_of_other_magnetograms(draw, store):
    field = store.field(0)
    disk = GRID.radius < 1

    def fields(**variation):
        return [example["inputs"][0].numpy() * RANGE for example in draw(25, rows=[0], **variation)]

    alike = []
    for other in fields(noise=4.0):
        noise = other - field
        assert np.std(noise[disk]) < 4.5
        np.testing.assert_allclose(np.where(disk, 0, other), 0, atol=1e-4)
        pairs = disk[:, 1:] & disk[:, :-1]
        alike.append(np.corrcoef(noise[:, 1:][pairs], noise[:, :-1][pairs])[0, 1])
    # Neighbouring pixels are alike in some fields, by as much as the average over a pixel or less makes them.
    assert sum(correlation < 0.2 for correlation in alike) > 5
    assert sum(correlation > 0.3 for correlation in alike) > 3
    assert max(alike) < 0.9
    factors = []
    for other in fields(gain=0.1):
        factors.append(np.median((other / np.where(disk, field, np.nan))[disk]))
        np.testing.assert_allclose(other, factors[-1] * field, atol=0.01)
    assert np.std(np.log(factors)) == pytest.approx(0.1, abs=0.04)
    # Half of the fields are less sharp, by a pixel at most, and have the flux that they had.
    blurred = [other for other in fields(blur=1.0) if not np.allclose(other, field, atol=0.01)]
    assert 6 < len(blurred) < 20
    peaks = [np.abs(other).max() / np.abs(field).max() for other in blurred]
    assert np.ptp(peaks) > 0.1
    most = np.abs(gaussian_filter(field, 1.0)).max() / np.abs(field).max()
    assert most - 0.01 < min(peaks) < max(peaks) <= 1
    for other in blurred:
        assert other.sum() == pytest.approx(field.sum(), abs=0.05 * float(np.abs(field).sum()))
    limits = [np.abs(other).max() for other in fields(clipping=1.0)]
    assert min(limits) > 140
    assert max(limits) <= min(1000, np.abs(field).max()) + 1
    assert len(np.unique(limits)) > 10
    assert sum(np.abs(other).max() < 0.9 * np.abs(field).max() for other in fields(clipping=0.0)) == 0


def test_sources_are_drawn_as_often_as_the_configuration_says(draw):
    def share(**settings):
        # Whether the weight is one everywhere tells the sources apart.
        return np.mean([example["weight"].max() > 1 for example in draw(100, **settings)])

    # Three frames of either source.
    assert share() == pytest.approx(1 / 2, abs=0.12)
    assert share(draws={"ramp": 9}) == pytest.approx(9 / 10, abs=0.08)
    assert share(draws={"toy": 1, "ramp": 0}) == 0


def test_days_of_rare_activity_are_drawn_more_often(tmp_path, model):
    """Of nine quiet frames and an active one, a tenth, half, or what is in between."""
    store = Store.create(
        tmp_path / "store",
        model.grid,
        Table(
            {
                "name": [str(number) for number in range(10)],
                "time": Time("2012-01-01") + np.arange(10) * u.day,
                "source": ["toy"] * 10,
            }
        ),
        list(model.image_scalings),
        provenance="",
        calibration=dict.fromkeys(model.image_scalings, ""),
    )
    images = {band: np.ones(model.grid.shape) for band in model.image_scalings}
    for row in range(10):
        store.write(row, np.full(model.grid.shape, 100.0 if row == 4 else 5.0), images)

    def chance(evenness):
        return Draws(
            store, range(10), model, augmentation={}, draws={}, evenness=evenness, seed=0, numbers=range(1)
        ).chance

    np.testing.assert_allclose(chance(0), 0.1)
    np.testing.assert_allclose(chance(1), [1 / 18] * 4 + [1 / 2] + [1 / 18] * 5, rtol=1e-6)
    np.testing.assert_allclose(chance(0.5), np.array([1 / 3] * 4 + [1] + [1 / 3] * 5) / 4, rtol=1e-6)


# -- Sampling ----------------------------------------------------------------------------------------------------------


def batches(store, model, directory, *, batch, world_size=1, rank=0, epoch=0, length=4):
    """All of one process in one epoch."""
    config = configure(directory, "store", "model-a", run={"steps": 6, "epoch": length, "batch": batch})
    sampling = Sampling(store, TRAINED, list(WATCHED), model, config)
    sampling.trainer = SimpleNamespace(world_size=world_size, global_rank=rank, current_epoch=epoch)
    return list(sampling.train_dataloader())


def frames_of(*batches):
    """What is in batches, in an order of its own."""
    inputs = torch.cat([batch["inputs"] for batch in batches])
    return sorted(bytes(image.numpy()) for image in inputs)


def test_processes_draw_together_what_one_would_draw(store, model, tmp_path):
    for epoch in (0, 1):
        alone = batches(store, model, tmp_path, batch=4, epoch=epoch)
        shares = [batches(store, model, tmp_path, batch=2, world_size=2, rank=rank, epoch=epoch) for rank in (0, 1)]
        assert len(alone) == len(shares[0]) == len(shares[1])
        for one, *parts in zip(alone, *shares, strict=True):
            assert [len(part["inputs"]) for part in parts] == [2, 2]
            assert frames_of(one) == frames_of(*parts)


def test_epochs_follow_each_other_and_the_last_may_be_short(store, model, tmp_path):
    epochs = [batches(store, model, tmp_path, batch=2, epoch=epoch) for epoch in (0, 1)]
    assert [len(epoch) for epoch in epochs] == [4, 2]
    whole = batches(store, model, tmp_path, batch=2, length=6)
    assert len(whole) == 6
    assert all(same(one, other) for one, other in zip(whole, epochs[0] + epochs[1], strict=True))


def test_watched_frames_come_one_by_one(store, model, tmp_path):
    config = configure(tmp_path, "store", "model-a", run={"batch": 4})
    loader = Sampling(store, TRAINED, list(WATCHED), model, config).val_dataloader()
    expected = Frames(store, WATCHED, model)
    seen = [{name: tensor[0] for name, tensor in batch.items()} for batch in loader]
    assert len(seen) == len(WATCHED)
    assert all(same(one, expected[number]) for number, one in enumerate(seen))


# -- Sets of images ----------------------------------------------------------------------------------------------------

SETS = (131, 171, 193, 304)

#: Passbands that only some rows have.
ONLY = {131: [0, 2, 3, 4, 6, 7, 8], 304: [0, 1, 2, 4, 5, 7, 8]}

#: In DN/s, the upper end of a linear scaling from 0, which nothing reaches.
BRIGHTEST = 20000.0


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Nine sets of two to four images without fields; the first three are of the source "ramp", as above."""
    frames = manifest()[:9]
    frames["source"] = ["ramp" if row < 3 else "toy" for row in range(len(frames))]
    ramp = 1 + np.arange(GRID.shape[0] * GRID.shape[1]).reshape(GRID.shape)
    path = tmp_path_factory.mktemp("sets") / "store"
    make_store(path, frames=frames, bands=SETS, only=ONLY, fields=False, weights={"ramp": ramp})
    return QuickStore.open(path)


def translator(directory, store, inputs=SETS, passbands=SETS, planes=("image", "known", "mu")):
    scaling = {str(band): {"kind": "linear", "low": 0.0, "high": BRIGHTEST} for band in SETS}
    network = {"kind": "any-to-any" if "known" in planes else "shared-unet", "widths": [4, 8], "head": 4}
    config = configure(
        directory,
        "store",
        "translation",
        data={"inputs": list(inputs), "passbands": list(passbands)},
        model={"planes": list(planes), "image_scaling": scaling, "network": {**network, "deviations": True}},
        augmentation={"window": 0.0},
    )
    return model_record(config, store)


@pytest.fixture(scope="module")
def any_to_any(tmp_path_factory, sets):
    """Takes any, and makes the rest."""
    return translator(tmp_path_factory.mktemp("sets"), sets)


@pytest.fixture(scope="module")
def two_to_one(tmp_path_factory, sets):
    """Takes 193 and 171, in that order, and makes 304."""
    return translator(tmp_path_factory.mktemp("sets"), sets, (193, 171), (304,), ("image",))


@pytest.fixture(scope="module")
def draw_sets(sets, any_to_any):
    def draw(count, *, rows=range(9), model=any_to_any, seed=0, draws=None, start=0, **augmentation):
        numbers = range(start, start + count)
        augmentation = NOTHING | augmentation
        return ImageDraws(
            sets, rows, model, augmentation=augmentation, draws=draws or {}, evenness=0, seed=seed, numbers=numbers
        )

    return draw


def dn(planes):
    """What scaled values are in DN/s."""
    return (np.asarray(planes) + 1) / 2 * BRIGHTEST


def parts(example, bands=SETS):
    """Images given in DN/s, NaN where they are not known, and those to learn, by passband."""
    images, known = example["inputs"].numpy()[: 2 * len(bands)].reshape(2, len(bands), *GRID.shape)
    given = np.where(known, dn(images), np.nan)
    return tuple(
        {band: image for band, image in zip(bands, planes, strict=True) if np.isfinite(image).any()}
        for planes in (given, dn(example["targets"]))
    )


def those_of(store, row):
    return {band: image for band, image in zip(SETS, store.images(row), strict=True) if np.isfinite(image).any()}


def assert_images(images, expected, seen=True):
    """Every image is the one expected of its passband, and NaN where it is not seen."""
    for band, image in images.items():
        np.testing.assert_allclose(image, np.where(seen, expected[band], np.nan), rtol=1e-4, atol=1e-2)


def test_a_fixed_half_of_a_set_is_given_and_the_rest_is_to_be_made(sets, any_to_any):
    frames = ImageFrames(sets, range(9), any_to_any)
    assert len(frames) == 9
    halves = []
    for row in range(9):
        example, images = frames[row], those_of(sets, row)
        given, asked = parts(example)
        assert given.keys() | asked.keys() == images.keys()
        assert not given.keys() & asked.keys()
        assert len(given) == len(images) // 2
        assert_images(given | asked, images)
        assert sorted(frames.given(row)) == sorted(given)
        assert frames.asked(row) == sorted(asked)
        assert example["binning"] == 1
        assert {tensor.dtype for name, tensor in example.items() if name != "binning"} == {torch.float32}
        np.testing.assert_array_equal(example["weight"], sets.weight(row))
        assert same(example, ImageFrames(sets, [row], any_to_any)[0])
        halves.append(tuple(sorted(given)))
    # Not the same half of every set.
    assert len(set(halves)) > 3


def test_networks_that_need_all_their_inputs_are_given_them(sets, two_to_one):
    frames = ImageFrames(sets, [2, 0], two_to_one)
    for example, row in zip((frames[0], frames[1]), (2, 0), strict=True):
        images = sets.images(row, [193, 171, 304])
        known = np.isfinite(images[:2])
        np.testing.assert_allclose(dn(example["inputs"])[known], images[:2][known], rtol=1e-4, atol=1e-2)
        assert not example["inputs"].numpy()[~known].any()
        np.testing.assert_allclose(dn(example["targets"]), images[2:], rtol=1e-4, atol=1e-2)
        assert list(frames.given(row)) == [193, 171]
        assert frames.asked(row) == [304]


def test_models_are_shown_what_they_answer_to(store, model, sets, any_to_any, tmp_path):
    assert type(frames_as_they_are(store, [0], model)) is Frames
    assert type(frames_as_they_are(sets, [0], any_to_any)) is ImageFrames
    config = configure(tmp_path, "store", "translation", data={"inputs": SETS, "passbands": SETS})
    sampling = Sampling(sets, range(7), [7, 8], any_to_any, config)
    sampling.trainer = SimpleNamespace(world_size=1, global_rank=0, current_epoch=0)
    assert type(sampling.train_dataloader().dataset) is ImageDraws
    assert type(sampling.val_dataloader().dataset) is ImageFrames
    batches = list(sampling.train_dataloader())
    assert [batch["inputs"].shape for batch in batches] == [(2, 9, 32, 32)] * 2
    assert [batch["targets"].shape for batch in batches] == [(2, 4, 32, 32)] * 2


def test_draws_of_sets_depend_on_seed_and_number_alone(draw_sets):
    everything = {"mirror": True, "gain": 0.2, "window": 0.5}
    first = list(draw_sets(12, **everything))
    later = draw_sets(6, start=6, **everything)
    for number in (5, 0, 3, 3):
        assert same(later[number], first[6 + number])
    others = list(draw_sets(12, seed=1, **everything))
    assert not any(same(one, other) for one, other in zip(first, others, strict=True))
    assert not any(same(first[0], other) for other in first[1:])


def test_what_is_given_is_never_to_be_made(draw_sets, sets):
    """Any subset, of which one at least is left over; and what is to be made is the rest, as it was observed."""
    counts = {}
    for row in range(9):
        images = those_of(sets, row)
        for example in draw_sets(60 if row in (0, 3) else 5, rows=[row]):
            given, asked = parts(example)
            assert given
            assert asked
            assert not given.keys() & asked.keys()
            assert given.keys() | asked.keys() == images.keys()
            assert_images(given | asked, images)
            counts.setdefault(row, set()).add(tuple(given))
    # Of four, fourteen subsets leave one over; of three, six.
    assert len(counts[0]) > 10
    assert {len(given) for given in counts[0]} == {1, 2, 3}
    assert counts[3] == {(131,), (171,), (193,), (131, 171), (131, 193), (171, 193)}


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """One set of eight images, and a model that takes any of them."""
    bands = (94, 131, 171, 193, 211, 304, 335, 1600)
    directory = tmp_path_factory.mktemp("eight")
    make_store(directory / "store", frames=manifest()[:1], bands=bands, fields=False)
    store = QuickStore.open(directory / "store")
    data = {"inputs": bands, "passbands": bands}
    return bands, store, model_record(configure(directory, "store", "translation", data=data), store)


@pytest.mark.parametrize("few", [1, 3, 9])
def test_half_of_the_draws_are_of_few_images(eight, few):
    """Of any number up to that, whatever there is; the rest of any number that leaves one over."""
    bands, store, model = eight
    augmentation = NOTHING | {"few": few}
    draws = ImageDraws(store, [0], model, augmentation=augmentation, draws={}, evenness=0, seed=0, numbers=range(300))
    counts = np.array([len(parts(example, bands)[0]) for example in draws])
    assert set(counts) == set(range(1, 8))
    few = min(few, 7)
    assert np.mean(counts <= few) == pytest.approx(1 / 2 + 1 / 2 * few / 7, abs=0.08)


def test_networks_that_need_all_their_inputs_draw_nothing_else(draw_sets, sets, two_to_one):
    rows = [0, 1, 2, 4]
    frames = list(ImageFrames(sets, rows, two_to_one))
    seen = [
        [number for number, frame in enumerate(frames) if same(frame, example, 1e-6)]
        for example in draw_sets(40, rows=rows, model=two_to_one)
    ]
    assert all(len(matches) == 1 for matches in seen)
    assert {number for (number,) in seen} == set(range(4))


def test_sets_of_sources_are_drawn_as_often_as_the_configuration_says(draw_sets):
    def share(**settings):
        return np.mean([example["weight"].max() > 1 for example in draw_sets(100, **settings)])

    # Three sets of nine.
    assert share() == pytest.approx(1 / 3, abs=0.12)
    assert share(draws={"ramp": 8, "toy": 1}) == pytest.approx(24 / 30, abs=0.1)
    assert share(draws={"ramp": 0}) == 0


def test_quarter_turns_and_mirrors_are_those_of_all_images_alike(draw_sets, sets):
    """In whatever of eight ways the Sun is seen, a pixel of every image is from where its weight says it is from."""
    images, ways = those_of(sets, 0), set()
    for example in draw_sets(80, rows=[0], mirror=True):
        rows, columns, inside = whence(example)
        assert inside.all()
        given, asked = parts(example)
        assert_images(given | asked, {band: image[rows, columns] for band, image in images.items()})
        ways.add((rows[1, 0] - rows[0, 0], columns[1, 0] - columns[0, 0], rows[0, 1] - rows[0, 0], columns[0, 0]))
        # Planes of geometry stay where they are.
        np.testing.assert_allclose(example["inputs"][8], GRID.mu, atol=1e-6)
    assert len(ways) == 8


def test_every_image_that_is_given_has_a_gain_of_its_own(draw_sets, sets):
    images, factors, differences = those_of(sets, 0), [], []
    for example in draw_sets(120, rows=[0], gain=0.2):
        given, asked = parts(example)
        assert_images(asked, images)
        ratios = [image / images[band] for band, image in given.items()]
        typical = [np.nanmedian(ratio) for ratio in ratios]
        for ratio, factor in zip(ratios, typical, strict=True):
            # But for the corner that was not observed.
            assert np.isclose(ratio, factor, rtol=1e-3).mean() > 0.9
        factors += typical
        differences += list(np.diff(np.log(typical)))
    assert np.mean(np.log(factors)) == pytest.approx(0, abs=0.05)
    assert np.std(np.log(factors)) == pytest.approx(0.2, abs=0.04)
    assert np.std(differences) == pytest.approx(0.2 * np.sqrt(2), abs=0.06)


def test_a_window_hides_all_images_that_are_given_and_takes_weight_away(draw_sets, sets):
    images, sides, centers = those_of(sets, 0), set(), set()
    for example in draw_sets(60, rows=[0], window=1.0):
        weight = example["weight"].numpy()
        rows, columns = np.nonzero(weight)
        window = np.zeros(GRID.shape, dtype=bool)
        window[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        # A rectangle, in which everything is as it was.
        np.testing.assert_array_equal(weight, np.where(window, sets.weight(0), 0))
        given, asked = parts(example)
        assert_images(given, images, window)
        assert_images(asked, images)
        sides |= {int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1}
        centers.add((rows.mean(), columns.mean()))
    # From a quarter to three quarters of either side, and anywhere.
    assert min(sides) == 8
    assert 20 <= max(sides) <= 24
    assert len(centers) > 40


def test_windows_are_as_frequent_as_the_configuration_says(draw_sets):
    for share in (0, 0.3):
        examples = list(draw_sets(150, rows=[3], window=share))
        assert np.mean([bool((example["weight"] == 0).any()) for example in examples]) == pytest.approx(share, abs=0.1)


def test_sets_are_shifted_alike_and_what_comes_in_is_unknown(tmp_path, draw_sets, sets):
    model = translator(tmp_path, sets, planes=("image", "known"))
    images, shifts = those_of(sets, 0), set()
    for example in draw_sets(60, rows=[0], model=model, shift=2):
        rows, columns, inside = whence(example)
        given, asked = parts(example)
        assert given.keys() | asked.keys() == set(SETS)
        assert_images(given | asked, {band: image[rows, columns] for band, image in images.items()}, inside)
        assert not example["weight"].numpy()[~inside].any()
        shifts.add((16 - rows[16, 16], 16 - columns[16, 16]))
    for axis in range(2):
        assert {shift[axis] for shift in shifts} == {-2, -1, 0, 1, 2}


def test_saturated_pixels_are_given_to_nobody(tmp_path, any_to_any):
    """They are lower limits for those who make them, and none of the numbers is varied."""
    store = make_store(tmp_path / "store", frames=manifest()[:1], bands=SETS, fields=False)
    images = make_images(make_field(0), SETS)
    ceiling = float(np.nanquantile(images[171], 0.9))
    store.write(0, None, images, ceilings={171: ceiling})
    gain = NOTHING | {"gain": 0.5, "mirror": True}
    draws = ImageDraws(store, [0], any_to_any, augmentation=gain, draws={}, evenness=0, seed=0, numbers=range(12))
    seen = {"given": 0, "asked": 0}
    for frames in (ImageFrames(store, [0], any_to_any), draws):
        for number in range(len(frames)):
            example = frames[number]
            given, asked = parts(example)
            expected = [np.inf, ceiling / BRIGHTEST * 2 - 1, np.inf, np.inf]
            np.testing.assert_allclose(example["ceiling"], expected, rtol=1e-6)
            for name, found in (("given", given), ("asked", asked)):
                for band, image in found.items():
                    saturated = images[band] >= ceiling if band == 171 and name == "given" else np.zeros(GRID.shape)
                    known = np.isfinite(images[band]) & ~saturated.astype(bool)
                    assert np.isfinite(image).sum() == known.sum()
                seen[name] += 171 in found
    assert min(seen.values()) > 2
