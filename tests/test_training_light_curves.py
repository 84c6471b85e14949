"""Light curves beside observed ones, in a store whose sums are known."""

import numpy as np
import pytest
import torch
from browse_archives import as_command
from training_store import GRID, make_coarse, make_store, manifest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.light_curves import deviation_factor
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.recipe import light_curves
from sunpy_mag2euv.training.recipe.light_curves import Sums, compare_sums, find_sums

#: Twelve frames to train on, eleven of the gap and twelve that are scored, of 2011, and two brightened ones.
ROTATIONS = (*np.linspace(2107.1, 2108.9, 12), *np.linspace(2110.1, 2110.9, 11), *np.linspace(2111.1, 2111.9, 12))
LATER = (2160.1, 2160.2)

DISK = GRID.radius < 1

#: Of 193 angstrom in frame 30.
CEILING = 150.0


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    frames = manifest((*ROTATIONS, *LATER), source="daily_2011")
    # Fewer than there have to be for a curve.
    only = {193: [row for row in range(len(frames)) if not 12 <= row < 20]}
    store = make_store(tmp_path_factory.mktemp("curves") / "store", frames=frames, only=only)
    images = dict(zip((171, 193), store.images(30), strict=True))
    images[171][16, 10:14] = np.nan
    store.write(30, store.field(30), images, ceilings={193: CEILING})
    return store


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "coarse.safetensors"
    make_coarse(path)
    return load_model(path)


@pytest.fixture(scope="module")
def sums(model, store):
    return find_sums(model, store)


def test_only_images_whose_level_is_known(sums):
    assert list(sums) == [171, 193]
    assert list(sums[171].rows) == list(range(35))
    assert list(sums[193].rows) == [*range(12), *range(20, 35)]


@pytest.mark.parametrize("row", [0, 30])
def test_sums_are_of_what_is_known(sums, model, store, row):
    images, deviations = model.outputs(model.run(store.field(row), torch.device("cpu")))
    for number, (band, found) in enumerate(sums.items()):
        observed = store.images(row, [band])[0]
        known = DISK & np.isfinite(observed)
        top = CEILING if (band, row) == (193, 30) else np.inf
        assert (known.sum() < DISK.sum()) == ((band, row) == (171, 30))
        one = found.of([row])
        expected = {
            "observed": np.minimum(observed, top)[known],
            "synthetic": np.minimum(images[number].value, top)[known],
            "deviations": deviations[number].value[known],
            "flux": np.abs(store.field(row)[known]),
        }
        for name, values in expected.items():
            assert getattr(one, name) == pytest.approx(values.sum(dtype=float))


def made_up(observed, synthetic, deviations=1.0, flux=None):
    observed, synthetic = np.asarray(observed, dtype=float), np.asarray(synthetic, dtype=float)
    flux = observed if flux is None else flux
    return Sums(np.arange(len(observed)), observed, synthetic, np.broadcast_to(deviations, observed.shape), flux)


def test_the_baseline_is_a_power_of_the_flux():
    flux = np.array([1.0, 4.0, 9.0])
    trained = made_up(5 * flux**0.5, flux, flux=flux)
    predicted = made_up([1.0, 1.0], [1.0, 1.0], flux=np.array([16.0, 100.0])).from_flux(trained)
    np.testing.assert_allclose(predicted, [20, 50])


def test_errors_by_hand():
    sums = made_up([100.0, 200.0, 400.0], [110.0, 220.0, 440.0], deviations=[10.0, 10.0, 40.0])
    expected = {
        "level": 0.1,
        "scatter": 0,
        "error": np.sqrt((1 + 4 + 1) / 3),
        "within_68": 2 / 3,
        "within_95": 2 / 3,
    }
    assert light_curves._errors(sums, 1.001) == pytest.approx(expected, abs=1e-12)
    assert light_curves._errors(sums, 1.1)["within_95"] == 1


def test_variation_by_hand():
    """Sums whose logarithms vary half as much, of which those of other times than three days later say nothing."""
    times = np.datetime64("2012-01-01", "h") + 24 * np.arange(14)
    observed = np.exp(np.random.default_rng(0).normal(size=14))
    flux = np.exp(np.random.default_rng(1).normal(size=14))
    found = light_curves._variation(made_up(observed, observed**0.5), flux, times)
    assert found["amplitude"] == pytest.approx(0.5)
    assert found["correlation"] == pytest.approx(np.corrcoef(observed, observed**0.5)[0, 1])
    assert found["changes"] == pytest.approx(1)
    assert found["flux_scatter"] == pytest.approx(np.std(np.log(flux / observed)))
    logarithms = np.log([observed, flux])
    expected = np.corrcoef(logarithms[:, 3:] - logarithms[:, :-3])[0, 1]
    assert found["flux_changes"] == pytest.approx(expected)
    # Of one sum a week, there are none three days apart.
    weekly = light_curves._variation(made_up(observed, observed), flux, times[0] + 7 * (times - times[0]))
    assert np.isnan(weekly["changes"])
    assert np.isnan(weekly["flux_changes"])


def test_parts_are_compared_that_were_not_trained_on(model, store, sums):
    rows = list(compare_sums(model, store))
    assert [(row["passband"], row["part"], row["images"], row["rotations"]) for row in rows] == [
        (171, "gap", 11, 1),
        (171, "test", 12, 1),
        (193, "test", 12, 1),
    ]
    scored, trained = sums[193].of(range(23, 35)), sums[193].of(range(12))
    times = store.frames["time"].datetime64[23:35]
    expected = light_curves._errors(scored, deviation_factor(model, 193))
    expected |= light_curves._variation(scored, scored.from_flux(trained), times)
    assert {name: rows[-1][name] for name in expected} == pytest.approx(expected, nan_ok=True)
    assert {row["archive"] for row in rows} == {"daily_2011"}


def test_another_grid_is_refused(model, tmp_path):
    store = make_store(tmp_path / "store", frames=manifest([2100.5]), grid=Grid((32, 32), 12.0))
    with pytest.raises(ValueError, match="the model coarse works on"):
        find_sums(model, store)


def test_as_a_command(model, store, tmp_path, monkeypatch):
    monkeypatch.setattr("sunpy_mag2euv.models.load_model", lambda name: model)
    path = store._group.store.root
    paths = [tmp_path / "errors.inc", tmp_path / "variation.inc"]
    as_command(light_curves, path, *paths)
    for path_of_table, what in zip(paths, ("How far off", "How well"), strict=True):
        lines = path_of_table.read_text().splitlines()
        assert lines[2].startswith(f".. list-table:: {what} sums over the disk")
        assert [line for line in lines if line.startswith("   * -")][1:] == ["   * - 171", "   * - 171", "   * - 193"]
        assert "     - scored, ``daily_2011``" in lines
        # As many cells in every row as in the head.
        assert sum(line.lstrip().startswith(("* -", "-")) for line in lines) == 4 * 9
    assert Store.open(path).has.sum() == store.has.sum()


@pytest.mark.parametrize("arguments", [[], ["store", "errors"], ["store", "errors", "variation", "more"]])
def test_commands_that_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        as_command(light_curves, *arguments)
    assert refused.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m sunpy_mag2euv.training.recipe.light_curves")
