from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from training_store import BANDS, FINE_GRID, configure, make_coarse, make_field, make_images, make_store, manifest

from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.training.data import loading
from sunpy_mag2euv.training.data.loading import Sampling
from sunpy_mag2euv.training.data.sampling import Frames
from sunpy_mag2euv.training.data.windows import WindowDraws, answer, without_mean
from sunpy_mag2euv.training.learning.config import model_record

#: Pixels of a side of the windows.
CROP = 32

NOTHING = {"mirror": False, "turns": False, "polarity": False, "gain": 0.0, "noise": 0.0, "clipping": 0.0, "blur": 0.0}
NOTHING |= {"crop": CROP}

#: In Mm, of what is subtracted from what is missing; on the fine grid, some four pixels.
SCALE = 57.0
SIGMA = SCALE / 696 * 52

#: The only place that is known of one of the frames, near the limb.
PATCH = np.s_[20:25, 50:56]

#: Saturated from there on, in DN/s.
CEILING = 700.0

ROWS = range(4)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("windows")
    make_coarse(directory / "coarse.safetensors")
    return directory


@pytest.fixture(scope="module")
def store(directory):
    """
    Four frames: a whole one, one without a passband and with saturated pixels, a small patch, and one of larger pixels.

    The weight tells from every pixel where it was: its number, counted from 1.
    """
    frames = manifest()[:4]
    frames["binning"] = [1, 1, 1, 2]
    ramp = 1 + np.arange(FINE_GRID.shape[0] * FINE_GRID.shape[1]).reshape(FINE_GRID.shape)
    store = make_store(directory / "store", frames=frames, grid=FINE_GRID, weights={"toy": ramp})
    fields = [make_field(row, FINE_GRID) for row in ROWS]
    images = [make_images(field, grid=FINE_GRID) for field in fields]
    store.write(1, fields[1], {193: images[1][193]}, ceilings={193: CEILING})
    for image in images[2].values():
        part = image[PATCH].copy()
        image[:] = np.nan
        image[PATCH] = part
    store.write(2, fields[2], images[2])
    store.write(3, fields[3], {band: image[::2, ::2].repeat(2, 0).repeat(2, 1) for band, image in images[3].items()})
    return store


@pytest.fixture(scope="module")
def model(directory, store):
    return model_record(configure(directory, directory / "store", "detail"), store)


@pytest.fixture(scope="module")
def answers(store, model):
    return answer(store, ROWS, model, SCALE)


@pytest.fixture(scope="module")
def frames(store, model):
    return list(Frames(store, ROWS, model))


@pytest.fixture(scope="module")
def draw(store, model, answers):
    def draw(count, *, rows=ROWS, seed=0, start=0, **augmentation):
        numbers = range(start, start + count)
        augmentation = NOTHING | augmentation
        return WindowDraws(
            answers, store, rows, model, augmentation=augmentation, draws={}, evenness=0, seed=seed, numbers=numbers
        )

    return draw


def enlarged(blocks):
    """What four times larger images have at the centres of their pixels, by way of NumPy."""
    for axis in (-2, -1):
        size = blocks.shape[axis]
        at = (np.arange(4 * size) + 0.5) / 4 - 0.5
        blocks = np.apply_along_axis(lambda line, at=at: np.interp(at, np.arange(len(line)), line), axis, blocks)
    return blocks


# -- What is left without the mean around every pixel ------------------------------------------------------------------


@pytest.fixture
def values():
    """Some of which are not known, and their weights."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (40, 50)).astype(np.float32)
    values[5:12, 20:30] = np.nan
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, rng.uniform(0.2, 3, values.shape).astype(np.float32)


def test_nothing_is_left_of_a_constant(values):
    values, weight = values
    constant = np.where(np.isnan(values), np.nan, np.float32(-0.7))
    left = without_mean(constant, weight, 3.0)
    assert left.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(left), np.isnan(values))
    np.testing.assert_allclose(left[~np.isnan(left)], 0, atol=1e-5)


def test_the_mean_around_a_pixel_is_weighted(values):
    """By a Gaussian, by the weights, and by what is known."""
    values, weight = values
    left, sigma = without_mean(values, weight, 2.5), 2.5
    rows, columns = np.indices(values.shape)
    for row, column in ((20, 25), (13, 24), (29, 11)):
        share = weight * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2 / sigma**2) * np.isfinite(values)
        expected = values[row, column] - np.nansum(values * share) / share.sum()
        # Farther away than four standard deviations, it is cut off.
        assert left[row, column] == pytest.approx(expected, abs=2e-3)


def test_what_has_no_weight_does_not_matter_to_others(values):
    values, weight = values
    weight[15:20] = 0
    other = values.copy()
    other[15:20] += 100
    left, changed = without_mean(values, weight, 2.0), without_mean(other, weight, 2.0)
    rest = np.delete(np.arange(40), np.s_[15:20])
    np.testing.assert_array_equal(changed[rest], left[rest])


def test_what_varies_in_the_large_is_left_out_and_detail_is_kept():
    rows, _ = np.indices((200, 40))

    def left(period):
        wave = np.cos(2 * np.pi * rows / period).astype(np.float32)
        return without_mean(wave, np.ones(wave.shape), 5.0)[60:140] / wave[60:140].max()

    # Of a wave, the Gaussian leaves what its transform says.
    assert np.abs(left(100)).max() == pytest.approx(1 - np.exp(-2 * (np.pi * 5 / 100) ** 2), abs=0.01)
    assert np.abs(left(8)).max() == pytest.approx(1, abs=0.01)


# -- What the coarse part says of frames -------------------------------------------------------------------------------


def test_the_coarse_part_answers_as_by_itself(directory, store, answers):
    coarse = load_model(directory / "coarse.safetensors")
    assert list(answers) == list(ROWS)
    for row, answered in answers.items():
        blocks = store.field(row).reshape(32, 4, 32, 4).mean(axis=(1, 3))
        expected = coarse.run(blocks, torch.device("cpu")).numpy()
        assert answered.coarse.dtype == np.float16
        assert answered.coarse.shape == (4, 32, 32)
        assert np.ptp(expected[:2], axis=(1, 2)).min() > 0.05
        np.testing.assert_allclose(answered.coarse, expected, rtol=1e-3, atol=1e-3)


def test_what_is_missing_is_the_difference_without_its_mean(directory, store, frames, answers):
    coarse = load_model(directory / "coarse.safetensors")
    for row in ROWS:
        blocks = store.field(row).reshape(32, 4, 32, 4).mean(axis=(1, 3))
        images = enlarged(coarse.run(blocks, torch.device("cpu")).numpy()[:2].astype(float))
        weight, missing = store.weight(row), answers[row].missing
        assert missing.dtype == np.float16
        for band, target, image, ceiling, found in zip(
            BANDS, store.images(row), images, store.ceilings[row], missing, strict=True
        ):
            scaled = coarse.image_scalings[band].forward(target)
            known = np.isfinite(target) & (target < ceiling)
            np.testing.assert_array_equal(np.isfinite(found), known)
            if known.any():
                off = np.where(known, scaled - image, 0)
                share = np.where(known, weight, 0).astype(float)
                mean = gaussian_filter(off * share, SIGMA)[known] / gaussian_filter(share, SIGMA)[known]
                np.testing.assert_allclose(found[known], off[known] - mean, atol=2e-3)
                assert found[known].std() > 0.01
    # Of the second frame, one passband is missing altogether, and some of the other is saturated.
    known = np.isfinite(answers[1].missing)
    assert not known[0].any()
    saturated = np.isfinite(frames[1]["targets"][1].numpy()) & ~known[1]
    assert 10 < saturated.sum() < 5000


def test_the_rest_of_a_frame_is_as_it_is(store, frames, answers):
    for row, frame in zip(ROWS, frames, strict=True):
        answered = answers[row]
        np.testing.assert_array_equal(answered.field, store.field(row))
        np.testing.assert_allclose(answered.targets, frame["targets"], atol=1e-3)
        np.testing.assert_array_equal(answered.weight, frame["weight"])
        assert torch.equal(answered.ceiling, frame["ceiling"])
        assert answered.binning == [1, 1, 1, 2][row]


def test_places_are_where_something_is_known_on_the_disk_or_just_off_it(answers):
    for answered in answers.values():
        places = np.zeros(FINE_GRID.shape, dtype=bool)
        places.ravel()[answered.places] = True
        known = np.isfinite(answered.missing).any(axis=0)
        np.testing.assert_array_equal(places, known & (FINE_GRID.radius < 1.05))
    assert len(answers[2].places) == 30


# -- Windows -----------------------------------------------------------------------------------------------------------


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.allclose(*map(torch.as_tensor, (one[name], other[name])), rtol=0, atol=0, equal_nan=True) for name in one
    )


def whence(example):
    """Rows and columns of the frame that a window's pixels are from."""
    return np.divmod(example["weight"].numpy().astype(int) - 1, FINE_GRID.shape[1])


def row_of(example, answers):
    """Which frame a window is from."""
    at = whence(example)
    return [
        row
        for row, answered in answers.items()
        if np.array_equal(answered.targets[(slice(None), *at)], example["targets"].numpy().astype(np.float16), True)
    ]


def test_windows_are_parts_of_frames(draw, frames, answers, model):
    """Of the planes and answers that the network has for the whole frame, not of those of a part by itself."""
    fine = [frame["inputs"][model.architecture["coarse"]["in_channels"] :].numpy() for frame in frames]
    coarse = [enlarged(answered.coarse.astype(float)) for answered in answers.values()]
    seen = []
    for example in draw(40):
        at = (slice(None), *whence(example))
        (row,) = row_of(example, answers)
        assert {tensor.dtype for name, tensor in example.items() if name != "binning"} == {torch.float32}
        assert {name: tuple(example[name].shape) for name in ("planes", "coarse", "missing", "targets")} == {
            "planes": (4, CROP, CROP),
            **{"coarse": (4, CROP, CROP), "missing": (2, CROP, CROP), "targets": (2, CROP, CROP)},
        }
        np.testing.assert_allclose(example["planes"], fine[row][at], atol=1e-5)
        np.testing.assert_allclose(example["coarse"], coarse[row][at], atol=1e-3)
        np.testing.assert_array_equal(example["missing"], answers[row].missing[at])
        np.testing.assert_allclose(example["targets"], frames[row]["targets"].numpy()[at], atol=1e-3)
        assert torch.equal(example["ceiling"], frames[row]["ceiling"])
        assert example["binning"] == frames[row]["binning"]
        seen.append(row)
    assert set(seen) == set(ROWS)


def test_networks_say_of_windows_what_they_say_of_frames(draw, frames, model):
    """Away from a window's edges, beyond which the network does not see."""
    torch.manual_seed(0)
    network = build_network(**model.architecture).eval().requires_grad_(False)
    network.load_state_dict(model.state, strict=False)
    torch.nn.init.normal_(network.detail.read.weight, 0, 0.3)
    coarse, whole = network.scales(frames[0]["inputs"][None])
    expected = network.together(coarse, whole)[0].numpy()
    # Two levels see no farther than 30 pixels.
    middle = np.s_[..., 32:-32, 32:-32]
    for example in draw(8, rows=[0], crop=96):
        added = network.refine(example["planes"][None], example["coarse"][None])
        found = network.together(example["coarse"][None], added)[0].numpy()
        rows, columns = whence(example)
        assert np.ptp(whole[0].numpy()[:, rows, columns][middle], axis=(1, 2)).min() > 0.1
        np.testing.assert_allclose(found[middle], expected[:, rows, columns][middle], atol=3e-3)


def test_windows_are_of_whole_blocks_inside_the_frame(draw):
    starts = []
    for example in draw(150):
        rows, columns = whence(example)
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))
        np.testing.assert_array_equal(columns, np.broadcast_to(columns[:1], columns.shape))
        for edge in (rows[:, 0], columns[0]):
            np.testing.assert_array_equal(edge, edge[0] + np.arange(CROP))
            starts.append(edge[0])
    assert not np.mod(starts, 4).any()
    # A block is left on every side.
    assert (min(starts), max(starts)) == (4, 128 - 4 - CROP)


@pytest.mark.parametrize("row", ROWS)
def test_in_every_window_something_is_known(draw, row):
    """Also if all that is known of a frame is one small patch."""
    shares, places = [], set()
    for example in draw(60, rows=[row]):
        known = torch.isfinite(example["missing"]).any(dim=0)
        assert known.any()
        shares.append(known.float().mean().item())
        places.add(tuple(start.min() for start in whence(example)))
    # It is not always in the same place.
    assert len(places) > 10
    assert max(shares) == (30 / CROP**2 if row == 2 else 1)


def test_windows_of_the_largest_size_are_all_the_same(draw, frames, model):
    for example in draw(5, rows=[0], crop=120):
        rows, columns = whence(example)
        assert (rows[0, 0], columns[0, 0]) == (4, 4)
        fine = frames[0]["inputs"][model.architecture["coarse"]["in_channels"] :, 4:-4, 4:-4]
        torch.testing.assert_close(example["planes"], fine, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mirror", [False, True])
def test_all_of_a_window_is_turned_and_mirrored_alike(draw, frames, answers, model, mirror):
    fine = frames[0]["inputs"][model.architecture["coarse"]["in_channels"] :].numpy()
    coarse, ways = enlarged(answers[0].coarse.astype(float)), set()
    for example in draw(60, rows=[0], turns=True, mirror=mirror):
        rows, columns = whence(example)
        at = (slice(None), rows, columns)
        np.testing.assert_allclose(example["planes"], fine[at], atol=1e-5)
        np.testing.assert_allclose(example["coarse"], coarse[at], atol=1e-3)
        np.testing.assert_array_equal(example["missing"], answers[0].missing[at])
        np.testing.assert_array_equal(example["targets"], answers[0].targets[at])
        steps = [np.diff(numbers[:2, :2], axis=axis)[0, 0] for numbers in (rows, columns) for axis in (0, 1)]
        ways.add(tuple(steps))
    assert len(ways) == (8 if mirror else 4)


def test_fields_are_varied_and_what_the_coarse_part_says_is_not(draw, frames, answers, model):
    fine = frames[0]["inputs"][model.architecture["coarse"]["in_channels"] :].numpy()
    coarse = enlarged(answers[0].coarse.astype(float))
    disk = FINE_GRID.radius < 1
    for variation in ({"gain": 0.3}, {"noise": 20.0}, {"blur": 1.5}):
        changed = []
        for example in draw(12, rows=[0], **variation):
            rows, columns = whence(example)
            off = np.abs(example["planes"].numpy() - fine[:, rows, columns])
            # The plane mu is where it was, and off the limb there is no field.
            assert off[1].max() < 1e-6
            assert off[0][~disk[rows, columns]].max(initial=0) < 1e-6
            changed.append(off[0].max())
            np.testing.assert_allclose(example["coarse"], coarse[:, rows, columns], atol=1e-3)
            np.testing.assert_array_equal(example["missing"], answers[0].missing[:, rows, columns])
        assert max(changed) > 0.01, variation
    # Detail does not depend on polarity.
    for example, mirrored in zip(draw(6, rows=[0]), draw(6, rows=[0], polarity=True), strict=True):
        np.testing.assert_array_equal(whence(example), whence(mirrored))
        torch.testing.assert_close(example["planes"], mirrored["planes"], rtol=0, atol=1e-5)


def test_windows_depend_on_seed_and_number_alone(draw):
    everything = {"mirror": True, "turns": True, "gain": 0.1, "noise": 4.0, "blur": 1.0, "clipping": 0.5}
    first = list(draw(12, **everything))
    later = draw(6, start=6, **everything)
    for number in (5, 0, 3, 3):
        assert same(later[number], first[6 + number])
    others = list(draw(12, seed=1, **everything))
    assert not any(same(one, other) for one, other in zip(first, others, strict=True))
    assert not any(same(first[0], other) for other in first[1:])


def test_runs_of_two_scales_learn_from_windows(directory, store, model, answers, monkeypatch):
    """The coarse part is asked once, however many epochs there are; watched frames are seen as a whole."""
    config = configure(directory, directory / "store", "detail", loss={"detail_scale": SCALE})
    asked = []
    monkeypatch.setattr(loading, "answer", lambda *args: asked.append(args) or answers)
    sampling = Sampling(store, [0, 2, 3], [1], model, config)
    starts = []
    for epoch in (0, 1):
        sampling.trainer = SimpleNamespace(world_size=1, global_rank=0, current_epoch=epoch)
        batches = list(sampling.train_dataloader())
        assert [batch["planes"].shape for batch in batches] == [(2, 4, CROP, CROP)] * 2
        assert [batch["binning"].shape for batch in batches] == [(2,)] * 2
        starts += [batch["weight"][:, 0, 0] for batch in batches]
    assert asked == [(store, [0, 2, 3], model, SCALE)]
    assert len(torch.cat(starts).unique()) > 5
    (watched,) = sampling.val_dataloader()
    assert watched["inputs"].shape == (1, model.channels, *FINE_GRID.shape)
