"""Detail that is made as strong as in observed images."""

import dataclasses

import numpy as np
import pytest
import torch
from training_store import BANDS, FINE_GRID, configure, make_coarse, make_store, manifest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import structure_ratio
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.recipe import sharp as recipe
from sunpy_mag2euv.training.recipe.folds import Fold
from sunpy_mag2euv.training.recipe.sharp import find_strengths, strengthened

CPU = torch.device("cpu")

#: Pixels of 9.7 Mm, so that waves of 20 Mm are resolved.
GRID = Grid((160, 160), 72.0)

#: Pixels a side of the coarse part's blocks.
BLOCK = 4

#: What is wanted of the power in observed images.
WANTED = 0.75


def make_model(directory, grid=GRID):
    """
    A store of two days, a frame each, and a model on its grid.

    The model has learnt nothing, but has detail of its own, less than what takes pixels out of the range of brightness.
    """
    path, coarse = directory / "store", directory / "coarse.safetensors"
    make_store(path, frames=manifest((2094.1, 2097.2)), grid=grid)
    make_coarse(coarse, grid=grid.binned(BLOCK))
    split = {"method": "rotations", "validation": [2094], "test": [], "gap": 0}
    config = configure(directory, path, "detail", split=split, model={"coarse": str(coarse)})
    record = model_record(config, Store.open(path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_network(**record.architecture).state_dict() | record.state
        for name in ("detail.read.weight", "detail.read.bias"):
            state[name] = 0.02 * torch.randn(state[name].shape)
    return path, dataclasses.replace(record, state=state)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("sharp"))


@pytest.fixture(scope="module")
def path(made):
    """Of the store."""
    return made[0]


@pytest.fixture(scope="module")
def model(made):
    return made[1]


def both_scales(model, store, row=0):
    """What the network says in the large, and the detail: images, then logarithms of deviations."""
    with torch.inference_mode():
        coarse, detail = model.network(CPU).scales(model.inputs(store.field(row))[None])
    return coarse[0], detail[0]


def images_of(model, store, row):
    """By passband, in DN/s."""
    images, _ = model.estimate(model.run(store.field(row), CPU))
    return dict(zip(model.image_scalings, images.numpy(), strict=True))


def folds_of(model, path, observed, ceilings=None):
    """
    A fold for each day, on which a model of more detail has been observed.

    Parameters
    ----------
    model : FieldModel
    path : path-like
        Of the store, in which images are written anew.
    observed : sequence of dict
        For each day, by passband, how much stronger detail is than the model's.
    ceilings : dict, optional
        For some passbands, the DN/s at which values are lower limits.
    """
    store = Store.open(path, "r+")
    for row, strengths in enumerate(observed):
        images = images_of(strengthened(model, strengths), store, row)
        cut = {band: np.minimum(image, (ceilings or {}).get(band, np.inf)) for band, image in images.items()}
        store.write(row, store.field(row), cut, ceilings=ceilings)
    return [Fold({"data": {"store": str(path)}}, model, np.array([row]), {}, {}) for row in range(len(observed))]


# -- Models ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strengths", [{171: 2.0, 193: 0.5}, {171: 4.0, 193: 1.0}, {171: 1.7, 193: 2.9}])
def test_detail_of_images_is_multiplied(model, path, strengths):
    store, count = Store.open(path), len(BANDS)
    before, after = (both_scales(each, store) for each in (model, strengthened(model, strengths)))
    # Neither what is large nor a deviation is another.
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[1][count:], before[1][count:])
    assert before[1].std(dim=(1, 2)).min() > 1e-3
    for found, detail, strength in zip(after[1][:count], before[1][:count], strengths.values(), strict=True):
        # Powers of two are not even rounded.
        tolerance = 0 if strength in (0.5, 1, 2, 4) else 1e-6
        torch.testing.assert_close(found, strength * detail, rtol=tolerance, atol=tolerance)


def test_images_have_more_detail(model, path):
    """In the passband that is strengthened."""
    store = Store.open(path)
    before, after = (images_of(each, store, 0) for each in (model, strengthened(model, {171: 1.0, 193: 2.0})))
    np.testing.assert_array_equal(after[171], before[171])
    assert structure_ratio(after[193], before[193], GRID.radius, GRID.solar_radius) > 2


def test_strengths_of_one_change_nothing(model, path):
    same = strengthened(model, dict.fromkeys(BANDS, 1.0))
    assert same.record() == model.record()
    assert same.state.keys() == model.state.keys()
    assert all(torch.equal(same.state[name], tensor) for name, tensor in model.state.items())


def test_only_rows_of_images_are_others_and_the_given_model_stays(model):
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    found = strengthened(model, {171: 1.5, 193: 3.0})
    assert found.record() == model.record()
    for name, tensor in state.items():
        assert torch.equal(model.state[name], tensor)
        if name.startswith("detail.read."):
            factors = torch.tensor([1.5, 3.0, 1.0, 1.0]).reshape(-1, *[1] * (tensor.ndim - 1))
            assert torch.equal(found.state[name], tensor * factors)
        else:
            assert torch.equal(found.state[name], tensor)


# -- Strengths ---------------------------------------------------------------------------------------------------------


def made_up(monkeypatch, model, *ratios):
    """Strengths where the ratio of power in each passband is some function of the strength."""
    asked = []

    def structure(folds, strength):
        asked.append(folds)
        return np.array([ratio(strength) for ratio in ratios])

    monkeypatch.setattr(recipe, "_structure", structure)
    folds = [Fold({}, model, np.arange(1), {}, {})]
    found = find_strengths(folds)
    assert all(given is folds for given in asked)
    assert list(found) == list(BANDS)
    assert all(type(strength) is float for strength in found.values())
    return tuple(found.values())


def test_strengths_are_from_one_to_three(model, monkeypatch):
    assert made_up(monkeypatch, model, lambda strength: 0.8 * strength, lambda strength: 0.2 * strength) == (1, 3)
    # The limits are met where they are.
    found = made_up(monkeypatch, model, lambda strength: WANTED * strength, lambda strength: WANTED * strength / 3)
    assert found == pytest.approx((1, 3))


@pytest.mark.parametrize("strength", [1.1, 1.5, 1.8, 2.4, 2.9])
def test_strengths_in_between(model, monkeypatch, strength):
    """Power goes as the square where there is nothing but detail."""
    found = made_up(
        monkeypatch,
        model,
        lambda given: WANTED * given / strength,
        lambda given: WANTED * (given / strength) ** 2,
    )
    assert found[0] == pytest.approx(strength)
    assert found[1] == pytest.approx(strength, abs=0.05)


def test_the_first_strength_that_is_enough_counts(model, monkeypatch):
    """If detail is too strong, it can be lost again where pixels leave the range of brightness."""

    def rising_and_falling(strength):
        return {1: 0.5, 1.5: 1.0}.get(float(strength), 0.6 / strength)

    assert made_up(monkeypatch, model, rising_and_falling, lambda strength: 0.9 / strength) == (1.25, 1)


def test_what_nothing_is_known_of_is_left_alone(model, monkeypatch):
    """As where pixels are too large, or an image is missing."""
    assert made_up(monkeypatch, model, lambda strength: np.nan, lambda strength: strength / 2) == (1, 1.5)


def test_power_is_compared_as_by_hand(model, path):
    """On the day that each fold watches, both images cut where observed ones are lower limits; mean over folds."""
    ceiling = float(np.percentile(images_of(model, Store.open(path), 0)[193], 80))
    folds = folds_of(model, path, [{171: 1.3, 193: 2.0}, {171: 2.0, 193: 1.6}], {193: ceiling})
    store, stronger, ratios = Store.open(path), strengthened(model, dict.fromkeys(BANDS, 1.5)), []
    for row in range(2):
        images, observed = images_of(stronger, store, row), dict(zip(BANDS, store.images(row), strict=True))
        assert observed[193].max() == pytest.approx(ceiling)
        assert images[193].max() > 1.1 * ceiling
        images[193] = np.minimum(images[193], ceiling)
        scale = GRID.radius, GRID.solar_radius
        ratios.append([structure_ratio(images[band], observed[band], *scale) for band in BANDS])
    np.testing.assert_allclose(recipe._structure(folds, 1.5), np.mean(ratios, axis=0), rtol=1e-4)
    np.testing.assert_allclose(recipe._structure(folds[1:], 1.5), ratios[1], rtol=1e-4)
    assert not np.allclose(*ratios, rtol=0.1)


@pytest.mark.parametrize("observed", [1.6, 2.2, 3.0])
def test_detail_is_made_as_strong_as_is_wanted(model, path, observed):
    folds = folds_of(model, path, [dict.fromkeys(BANDS, observed)] * 2)
    found = find_strengths(folds)
    for number, band in enumerate(BANDS):
        assert 1 < found[band] < observed
        assert recipe._structure(folds, 1)[number] < WANTED - 0.1
        assert recipe._structure(folds, found[band])[number] == pytest.approx(WANTED, abs=0.03)


def test_detail_that_is_strong_enough_and_detail_that_is_too_faint(model, path):
    assert find_strengths(folds_of(model, path, [{171: 1.0, 193: 5.0}] * 2)) == {171: 1, 193: 3}
    assert find_strengths(folds_of(model, path, [{171: 5.0, 193: 0.8}] * 2)) == {171: 3, 193: 1}


def test_folds_count_together(model, path):
    """On one day there is more power than wanted, on the other less."""
    folds = folds_of(model, path, [{171: 1.5, 193: 3.0}, {171: 2.5, 193: 1.8}])
    both, *each = (find_strengths(given) for given in (folds, folds[:1], folds[1:]))
    for number, band in enumerate(BANDS):
        low, high = sorted(strengths[band] for strengths in each)
        assert 1 < low + 0.1 < both[band] < high - 0.1
        ratios = [recipe._structure([fold], both[band])[number] for fold in folds]
        assert np.mean(ratios) == pytest.approx(WANTED, abs=0.03)
        assert max(ratios) - min(ratios) > 0.2
    assert find_strengths(folds[::-1]) == pytest.approx(both)


def test_nothing_is_found_where_pixels_are_too_large(tmp_path):
    """Waves of 20 Mm need pixels of 10 Mm."""
    path, model = make_model(tmp_path, FINE_GRID)
    folds = folds_of(model, path, [dict.fromkeys(BANDS, 2.0)])
    assert np.isnan(recipe._structure(folds, 1)).all()
    assert find_strengths(folds) == {171: 1, 193: 1}
