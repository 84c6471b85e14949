from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_store import GRID, TRAINED, WATCHED, configure, make_field, make_images, make_store, manifest

from sunpy_mag2euv.scaling import LinearScaling, LogScaling
from sunpy_mag2euv.training.config import model_record
from sunpy_mag2euv.training.sampling import Draws, Frames, Sampling

NOTHING = {"shift": 0, "mirror": False, "polarity": False, "gain": 0.0, "noise": 0.0, "clipping": 0.0}

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
    def draw(count, *, rows=TRAINED, seed=0, draws=None, start=0, **augmentation):
        return Draws(
            store,
            rows,
            model,
            augmentation=NOTHING | augmentation,
            draws=draws or {},
            seed=seed,
            numbers=range(start, start + count),
        )

    return draw


def same(one, other, rounding=0):
    return one.keys() == other.keys() and all(
        torch.allclose(one[name], other[name], rtol=0, atol=rounding, equal_nan=True) for name in one
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
        assert {tensor.dtype for tensor in example.values()} == {torch.float32}
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


@pytest.mark.parametrize(
    "variation", [{"mirror": True}, {"polarity": True}, {"shift": 2}, {"mirror": True, "polarity": True, "shift": 2}]
)
def test_field_targets_and_weight_are_varied_alike(draw, store, model, variation):
    frame = Frames(store, [0], model)[0]
    field, targets = frame["inputs"][0].numpy(), frame["targets"].numpy()
    mirrors, signs, shifts = set(), set(), set()
    for example in draw(60, rows=[0], **variation):
        rows, columns, inside = whence(example)
        example = {name: tensor.numpy() for name, tensor in example.items()}
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

    for other in fields(noise=4.0):
        assert np.std((other - field)[disk]) < 4.5
        np.testing.assert_allclose(np.where(disk, 0, other), 0, atol=1e-4)
    factors = []
    for other in fields(gain=0.1):
        factors.append(np.median((other / np.where(disk, field, np.nan))[disk]))
        np.testing.assert_allclose(other, factors[-1] * field, atol=0.01)
    assert np.std(np.log(factors)) == pytest.approx(0.1, abs=0.04)
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
