"""Days that are left out in turn: coarse weights without them, factors and scores of runs that have not seen them."""

import dataclasses
import itertools
import json
import tomllib

import numpy as np
import pytest
import torch
from browse_archives import as_command
from training_store import (
    BANDS,
    FINE_GRID,
    configure,
    make_coarse,
    make_field,
    make_images,
    make_run,
    make_store,
    manifest,
)

from astropy.table import Table, vstack

from sunpy_mag2euv.metrics import bin_image, coverage, standard_errors
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.scaling import LogScaling
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.calibration import deviation_factor, factors_of, find_errors
from sunpy_mag2euv.training.learning.card import BASELINES, SCORES, score_images, summarize, write_table
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.problems import usable_split
from sunpy_mag2euv.training.learning.readout import extend
from sunpy_mag2euv.training.learning.run import read_weights
from sunpy_mag2euv.training.recipe import folds as recipe
from sunpy_mag2euv.training.recipe.folds import SCARCE, Fold, calibrated, join, part, score, without, write_scores
from sunpy_mag2euv.training.recipe.sharp import strengthened

CPU = torch.device("cpu")

#: What intervals should hold, added up, as `deviation_factor` does it.
BOTH = 0.6827 + 0.95

# -- Coarse weights ----------------------------------------------------------------------------------------------------

#: When the frames of the coarse store are from: two are of one day.
COARSE_ROTATIONS = (2094.1, 2095.2, 2095.205, 2097.6, 2099.2)
LEFT_OUT = (1, 2)

#: Which frames have images of the scarce passbands.
ONLY = {335: (0, 1, 3, 4), 1600: (0, 2, 3), 1700: (0, 1, 2, 4)}


def make_coarse_store(path):
    settings = {"only": ONLY, "caveats": {band: f"few images of {band}" for band in SCARCE}}
    make_store(path, frames=manifest(COARSE_ROTATIONS), bands=(*BANDS, *SCARCE), **settings)
    return Store.open(path, "r+")


@pytest.fixture(scope="module")
def coarse_store(tmp_path_factory):
    return make_coarse_store(tmp_path_factory.mktemp("coarse") / "store")


@pytest.fixture(scope="module")
def day(coarse_store):
    """The day of the second frame, and of the third."""
    days = [str(time)[:10] for time in coarse_store.frames["time"]]
    assert [row for row in range(len(days)) if days[row] == days[1]] == list(LEFT_OUT)
    return days[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of the passbands that are not scarce."""
    path = tmp_path_factory.mktemp("coarse") / "trained.safetensors"
    make_coarse(path)
    return load_model(path)


@pytest.fixture(scope="module")
def scalings():
    return {band: LogScaling(1 + number, 9000) for number, band in enumerate(SCARCE)}


@pytest.fixture(scope="module")
def coarse(trained, coarse_store, scalings):
    """With all passbands, of which the scarce ones know every frame."""
    return extend(trained, coarse_store, scalings)


@pytest.mark.parametrize("passbands", [(193, 94, 1700), (1600,), (94, 131, 171, 193, 211, 304, 335, 1600, 1700)])
def test_part_of_a_model_says_of_its_passbands_what_the_model_says(tiny_model, passbands):
    field = make_field(0, tiny_model.grid)
    rows = [list(tiny_model.image_scalings).index(band) for band in passbands]
    few = part(tiny_model, passbands)
    assert tuple(band.angstrom for band in few.passbands) == passbands
    expected, found = (model.outputs(model.run(field, CPU)) for model in (tiny_model, few))
    for planes, those in zip(expected, found, strict=True):
        np.testing.assert_allclose(those.value, planes[rows].value, rtol=1e-4)
    # Not a weight is another one.
    for name, tensor in few.state.items():
        whole = tiny_model.state[name]
        chosen = [*rows, *(9 + row for row in rows)] if name.startswith("read.") else slice(None)
        assert torch.equal(tensor, whole[chosen])


def test_weights_without_a_day_are_read_from_all_others(trained, coarse, coarse_store, day, scalings, tmp_path):
    """As from a store that never had it."""
    rest = [row for row in range(len(COARSE_ROTATIONS)) if row not in LEFT_OUT]
    numbers = {band: [rest.index(row) for row in rows if row in rest] for band, rows in ONLY.items()}
    frames = coarse_store.frames[rest]["name", "time", "source"]
    make_store(tmp_path / "store", frames=frames, bands=(*BANDS, *SCARCE), only=numbers, caveats=coarse_store.caveats)
    other = Store.open(tmp_path / "store", "r+")
    for number, row in enumerate(rest):
        images = zip(coarse_store.passbands, coarse_store.images(row), coarse_store.has[row], strict=True)
        other.write(number, coarse_store.field(row), {band: image for band, image, has in images if has})
    found, expected = without(coarse, coarse_store, day), extend(trained, other, scalings)
    assert found.record() == expected.record()
    assert found.training_images == {171: 100, 193: 101, 335: 3, 1600: 2, 1700: 2}
    for name, tensor in expected.state.items():
        assert torch.equal(found.state[name], tensor)


def test_nothing_that_a_left_out_day_has_matters(coarse, coarse_store, day, tmp_path):
    changed = make_coarse_store(tmp_path / "store")
    for row in LEFT_OUT:
        field = make_field(100 + row)
        images = make_images(field, changed.passbands).items()
        changed.write(row, field, {band: 3 * image for band, image in images if row in ONLY.get(band, LEFT_OUT)})
    found = [without(coarse, store, day) for store in (coarse_store, changed)]
    assert found[0].record() == found[1].record()
    assert all(torch.equal(tensor, found[1].state[name]) for name, tensor in found[0].state.items())
    # Of another day, the scarce passbands know it, and no others.
    other = str(coarse_store.frames["time"][0])[:10]
    found = [without(coarse, store, other) for store in (coarse_store, changed)]
    for name in ("read.weight", "read.bias"):
        same = [bool(torch.equal(*planes)) for planes in zip(*(model.state[name] for model in found), strict=True)]
        assert same == [True, True, False, False, False] * 2
    factors = [model.deviation_factors for model in found]
    assert [band for band in factors[0] if factors[0][band] != factors[1][band]] == list(SCARCE)


def test_the_other_passbands_stay_what_they_are(coarse, coarse_store, day):
    found = without(coarse, coarse_store, day)
    assert list(found.image_scalings) == [*BANDS, *SCARCE]
    assert found.image_scalings == coarse.image_scalings
    field = coarse_store.field(3)
    for before, after in zip(*(model.outputs(model.run(field, CPU)) for model in (coarse, found)), strict=True):
        np.testing.assert_allclose(after[:2].value, before[:2].value, rtol=1e-4)
        scarce = zip(after[2:].value, before[2:].value, strict=True)
        assert not any(np.allclose(*planes, rtol=1e-3) for planes in scarce)
    # Others than the usual ones can be read anew.
    found = without(coarse, coarse_store, day, [1700])
    same = [torch.equal(*planes) for planes in zip(found.state["read.bias"], coarse.state["read.bias"], strict=True)]
    assert same == [True, True, True, True, False] * 2


def test_a_store_that_a_day_was_left_out_of_still_has_it(coarse, coarse_store, day):
    without(coarse, coarse_store, day)
    assert coarse_store.done.all()
    assert coarse_store.has[1].any()


@pytest.mark.parametrize("day", ["2010-03-05", "05.03.2010", ""])
def test_only_a_day_that_there_is_can_be_left_out(coarse, coarse_store, day):
    """Otherwise weights would be taken to be without it that are not."""
    with pytest.raises(ValueError, match=rf"the store has no frame of the day '{day}'; give one such as 2010-"):
        without(coarse, coarse_store, day)


# -- Folds -------------------------------------------------------------------------------------------------------------

#: When the frames are from, and the frames that each fold leaves out, by the rotation that it watches.
ROTATIONS = (2094.1, 2097.2, 2097.6)
WATCHED = {2094: [0], 2097: [1, 2]}

#: In DN/s: the lower limit that the last frame's images in 193 are at their brightest.
CEILING = 100.0

#: Pixels a side of the coarse part's blocks.
BLOCK = 4

#: The Sun's radius in pixels in the paper's evaluation, if blocks are to be what they are at full size.
RADIUS = 13


@pytest.fixture(scope="module", autouse=True)
def _paper_radius():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sunpy_mag2euv.metrics.scores.PAPER_RADIUS", RADIUS)
        yield


def made_up_strengths(folds):
    """Others for each fold, and for both: pixels are too large here to find any."""
    days = sum(1 + fold.watched[0] for fold in folds)
    return {171: 1 + days / 4, 193: 2.5 - days / 4}


@pytest.fixture(scope="module", autouse=True)
def _strengths():
    with pytest.MonkeyPatch.context() as patch:
        # Commands take it from there.
        for module in ("folds", "sharp"):
            patch.setattr(f"sunpy_mag2euv.training.recipe.{module}.find_strengths", made_up_strengths)
        yield


@pytest.fixture(scope="module")
def fine_store(tmp_path_factory):
    path = tmp_path_factory.mktemp("folds") / "store"
    make_store(path, frames=manifest(ROTATIONS), grid=FINE_GRID)
    store, last = Store.open(path, "r+"), len(ROTATIONS) - 1
    images = dict(zip(BANDS, store.images(last), strict=True))
    images[193] = np.minimum(images[193], CEILING)
    store.write(last, store.field(last), images, ceilings={193: CEILING})
    return path


@pytest.fixture(scope="module")
def directories(tmp_path_factory, fine_store):
    """Runs: two that leave out a day each, each with coarse weights of its own, and one on all days."""
    directory, directories = tmp_path_factory.mktemp("folds"), []
    for number, watched in enumerate(([2094], [2097], [])):
        # So that one can tell by which they are scored.
        make_coarse(directory / f"{number}.safetensors", name=f"coarse {number}", provenance=f"without {watched}")
        split = {"method": "rotations", "validation": watched, "test": [], "gap": 0}
        model = {"coarse": str(directory / f"{number}.safetensors")}
        config = configure(directory, fine_store, "detail", split=split, model=model)
        directories.append(make_run(directory / f"run {number}", config, seed=number))
    return directories


@pytest.fixture(scope="module")
def folds(directories):
    return [Fold.read(directory) for directory in directories[:2]]


def on_disk(errors, block=1):
    return errors[FINE_GRID.binned(block).radius < 1]


@pytest.mark.parametrize("number", [0, 1])
def test_folds_are_what_runs_have_made(folds, directories, fine_store, number):
    fold, store = folds[number], Store.open(fine_store)
    assert fold.config == json.loads((directories[number] / "config.json").read_text(encoding="utf-8"))
    assert list(fold.watched) == list(WATCHED.values())[number]
    record = dataclasses.replace(model_record(fold.config, store), state=read_weights(directories[number]))
    assert dataclasses.replace(fold.model, deviation_factors={}).record() == record.record()
    assert all(torch.equal(fold.model.state[name], tensor) for name, tensor in record.state.items())
    # Of pixels and of blocks, on the day that is left out, whatever factors there are.
    for errors, block in ((fold.pixels, 1), (fold.blocks, BLOCK)):
        expected = find_errors(record, store, fold.watched, block)
        assert errors.keys() == expected.keys() == set(BANDS)
        for band in BANDS:
            np.testing.assert_array_equal(errors[band], expected[band])
            assert len(errors[band]) == len(fold.watched) * np.count_nonzero(FINE_GRID.binned(block).radius < 1)


def test_errors_of_folds_as_by_hand(folds, fine_store):
    fold, store = folds[0], Store.open(fine_store)
    plain = dataclasses.replace(fold.model, deviation_factors={})
    images, deviations = plain.outputs(plain.run(store.field(0), CPU))
    for number, band in enumerate(BANDS):
        pair = store.images(0, [band])[0], images[number].value
        expected = on_disk(standard_errors(pair[1], deviations[number].value, pair[0]))
        np.testing.assert_allclose(fold.pixels[band], expected, rtol=1e-4)
        observed, synthetic, deviation = (bin_image(plane, BLOCK) for plane in (*pair, deviations[number].value))
        np.testing.assert_allclose(
            fold.blocks[band], on_disk((observed - synthetic) / deviation, BLOCK), rtol=1e-3, atol=1e-4
        )


def test_folds_can_be_strengthened(folds, fine_store):
    """The errors are those of what has become of the model, the rest is as it was."""
    fold, store = folds[1], Store.open(fine_store)
    strengths = {171: 1.0, 193: 2.0}
    found = fold.strengthened(strengths)
    assert found.config is fold.config
    assert found.watched is fold.watched
    expected = strengthened(fold.model, strengths)
    assert found.model.record() == fold.model.record()
    assert all(torch.equal(found.model.state[name], tensor) for name, tensor in expected.state.items())
    for errors, before, block in ((found.pixels, fold.pixels, 1), (found.blocks, fold.blocks, BLOCK)):
        np.testing.assert_array_equal(errors[193], find_errors(expected, store, fold.watched, block)[193])
        np.testing.assert_allclose(errors[171], before[171], rtol=1e-4, atol=1e-4)
        assert not np.allclose(errors[193], before[193], rtol=0.1)


def made_up(seed, **sizes):
    """A fold of errors alone, by passband as many of pixels and of blocks as is said, of some size."""
    rng = np.random.default_rng(seed)
    pixels = {int(band[1:]): rng.normal(0, size, count) for band, (size, _, count) in sizes.items()}
    blocks = {int(band[1:]): rng.normal(0, size, count) for band, (_, size, count) in sizes.items()}
    return Fold({}, None, np.arange(1), pixels, blocks)


def test_factors_are_of_all_folds_together(folds):
    model = dataclasses.replace(folds[0].model, deviation_factors={171: 9.0}, block_factors={171: 9.0})
    made = [made_up(0, b171=(2, 1, 1000), b193=(1, 3, 500)), made_up(1, b171=(4, 0.5, 4000))]
    found = calibrated(model, made)
    for band in (171, 193):
        pixels, blocks = (
            np.concatenate([errors[band] for errors in those if band in errors])
            for those in ([fold.pixels for fold in made], [fold.blocks for fold in made])
        )
        assert found.deviation_factors[band] == deviation_factor(pixels)
        # The deviations in a block have one factor already, with the other they hold what they say.
        of_blocks = found.block_factors[band] * found.deviation_factors[band]
        assert of_blocks == pytest.approx(deviation_factor(blocks))
        for errors, factor in ((pixels, found.deviation_factors[band]), (blocks, of_blocks)):
            shares = coverage(errors / factor, [0.6827, 0.95])
            assert sum(shares) == pytest.approx(BOTH, abs=0.01)
            np.testing.assert_allclose(shares, [0.6827, 0.95], atol=0.05)
    # Neither is that of one of them, and which comes first does not matter.
    assert calibrated(model, made[:1]).deviation_factors[171] < found.deviation_factors[171]
    assert calibrated(model, made[1:]).deviation_factors[171] > found.deviation_factors[171]
    assert calibrated(model, made[1:]).deviation_factors.keys() == {171}
    assert calibrated(model, made[::-1]).record() == found.record()
    # Nothing else is another.
    assert dataclasses.replace(found, deviation_factors={171: 9.0}, block_factors={171: 9.0}).record() == model.record()
    assert found.state is model.state


def test_joined_weights_are_of_the_run_on_all_days_and_factors_of_folds(folds, directories, fine_store):
    model = join(folds, directories[2])
    state = read_weights(directories[2])
    assert model.state.keys() == state.keys()
    assert all(torch.equal(model.state[name], tensor) for name, tensor in state.items())
    assert not torch.equal(state["detail.read.weight"], folds[0].model.state["detail.read.weight"])
    config = json.loads((directories[2] / "config.json").read_text(encoding="utf-8"))
    record = model_record(config, Store.open(fine_store))
    factors = factors_of(folds[0].pixels, folds[1].pixels)
    of_blocks = factors_of(folds[0].blocks, folds[1].blocks)
    assert model.deviation_factors == factors
    assert model.block_factors == {band: pytest.approx(of_blocks[band] / factors[band]) for band in BANDS}
    assert dataclasses.replace(model, deviation_factors={}, block_factors={}).record() == record.record()


def test_joined_weights_with_stronger_detail(folds, directories):
    plain, model = join(folds, directories[2]), join(folds, directories[2], sharp=True)
    assert model.name == f"{plain.name}-sharp"
    assert model.description == f"As {plain.name}, with detail as strong as in observed images"
    strengths = made_up_strengths(folds)
    assert strengths == {171: 1.75, 193: 1.75}
    for name, tensor in read_weights(directories[2]).items():
        expected = tensor.clone()
        if name.startswith("detail.read."):
            # Images come before the deviations, which are left alone.
            expected[: len(BANDS)] *= 1.75
        assert torch.equal(model.state[name], expected)
        assert torch.equal(plain.state[name], tensor)
    # Factors are of what has as much detail.
    expected = calibrated(plain, [fold.strengthened(strengths) for fold in folds])
    assert model.deviation_factors == expected.deviation_factors
    assert model.block_factors == expected.block_factors
    for band in BANDS:
        assert model.deviation_factors[band] != pytest.approx(plain.deviation_factors[band], rel=1e-3)
    same = {name: getattr(plain, name) for name in ("name", "description", "deviation_factors", "block_factors")}
    assert dataclasses.replace(model, **same).record() == plain.record()


# -- Scores ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[1, BLOCK])
def scored(request, folds, _paper_radius, _strengths):
    """How many pixels a side are binned, and the scores."""
    return request.param, score(folds, request.param)


def test_folds_are_scored_on_the_days_that_they_have_not_seen(folds, fine_store):
    store = Store.open(fine_store)
    for fold, (rotation, rows) in zip(folds, WATCHED.items(), strict=True):
        split = {name: list(numbers) for name, numbers in usable_split(fold.scoring, store).items()}
        rest = [row for row in range(len(ROTATIONS)) if row not in rows]
        # What baselines are fitted to is what the fold has learnt from.
        assert split == {"train": rest, "validation": [], "gap": [], "test": rows}
        assert list(usable_split(fold.config, store)["train"]) == rest
        assert fold.config["split"]["validation"] == [rotation]


def test_scores_have_both_scales_and_the_baselines(scored, folds):
    binning, table = scored
    assert table.meta["binning"] == binning
    disk = table[table["region"] == "disk"]
    methods = {"detail", "sharp", "coarse, enlarged", *BASELINES[:3]}
    for band in BANDS:
        for method in methods:
            chosen = disk[(disk["passband"] == band) & (disk["method"] == method)]
            assert sorted(chosen["frame"]) == ["toy 0", "toy 1", "toy 2"]
    # Neither day has an image one rotation before, nor others from which it could be put together.
    assert len(disk) == len(methods) * len(BANDS) * len(ROTATIONS)
    # Deviations are the fine models' alone.
    assert (np.isfinite(disk["within_68"]) == np.isin(disk["method"], ["detail", "sharp"])).all()


def test_each_fold_is_scored_by_its_own_networks(scored, folds):
    binning, table = scored
    expected = []
    for fold, other in zip(folds, folds[::-1], strict=True):
        # How strong detail is, is found on the day of the other one.
        sharp = strengthened(fold.model, made_up_strengths([other]))
        models = [fold.model, sharp, load_model(fold.config["model"]["coarse"])]
        names = ("detail", "sharp", "coarse")
        models = [dataclasses.replace(model, name=name) for name, model in zip(names, models, strict=True)]
        expected.append(score_images(models, fold.scoring, binning=binning))
    expected = vstack(expected, metadata_conflicts="silent")
    assert len(table) == len(expected)
    # Intervals are another matter.
    for name in ("passband", "frame", "method", "region", *SCORES[:-2]):
        np.testing.assert_array_equal(table[name], expected[name])


@pytest.mark.parametrize("method", ["detail", "sharp"])
def test_intervals_are_tested_with_the_factors_of_the_other_fold(scored, folds, method):
    binning, table = scored
    own = "pixels" if binning == 1 else "blocks"
    for pair in zip(folds, folds[::-1], strict=True):
        fold, other = pair
        if method == "sharp":
            strengths = made_up_strengths([other])
            fold, other = (one.strengthened(strengths) for one in pair)
        factors = factors_of(getattr(other, own))
        frames = [f"toy {row}" for row in fold.watched]
        for band in BANDS:
            chosen = table[
                (table["passband"] == band) & (table["method"] == method) & (table["region"] == "disk")
                & np.isin(table["frame"], frames)
            ]  # fmt: skip
            # All frames have as many pixels.
            expected = coverage(getattr(fold, own)[band] / factors[band], [0.6827, 0.95])
            found = [np.mean(chosen[name]) for name in ("within_68", "within_95")]
            np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("binning", [1, BLOCK])
def test_intervals_hold_what_they_say_on_days_that_they_were_found_on(folds, binning):
    """So scores count errors as the factors do, lower limits included."""
    limited = False
    for fold in folds:
        model = dataclasses.replace(calibrated(fold.model, [fold]), name="detail")
        table = score_images([model], fold.scoring, binning=binning)
        table = table[(table["method"] == "detail") & (table["region"] == "disk")]
        for band in BANDS:
            chosen = table[table["passband"] == band]
            assert np.mean(chosen["within_68"] + chosen["within_95"]) == pytest.approx(BOTH, abs=0.02)
        store = Store.open(fold.config["data"]["store"])
        limited |= bool(np.isfinite(store.ceilings[fold.watched]).any())
    assert limited


@pytest.fixture(scope="module")
def tables(directories, tmp_path_factory, _paper_radius, _strengths):
    """The folder that the command has written tables to."""
    folder = tmp_path_factory.mktemp("tables")
    as_command(recipe, "score", *directories[:2], folder)
    return folder


def test_tables_are_of_the_scores(tables, scored, tmp_path):
    binning, table = scored
    assert {path.name for path in tables.iterdir()} == {
        "scores_detail.inc", "scores_detail_binned.inc", "reliability_detail.ecsv",
    }  # fmt: skip
    name, words = ("", "1024 by 1024 pixels") if binning == 1 else ("_binned", "binned to 256 by 256")
    title = f"Scores of days left out, whole disk, {words}"
    write_table(summarize(table), tmp_path / "table", title)
    text = (tables / f"scores_detail{name}.inc").read_text(encoding="utf-8")
    assert text == (tmp_path / "table").read_text(encoding="utf-8")
    for method in ("detail", "sharp", "coarse, enlarged", *BASELINES[:3]):
        assert text.count(f"     - {method}\n") == len(BANDS)


def test_reliability_is_of_both_sizes_on_days_left_out(tables, scored):
    binning, table = scored
    reliability = Table.read(tables / "reliability_detail.ecsv")
    assert set(reliability["model"]) == {"detail", "sharp"}
    assert set(reliability["binning"]) == {1, BLOCK}
    for band, method in itertools.product(BANDS, ("detail", "sharp")):
        (found,) = reliability[
            (reliability["model"] == method) & (reliability["passband"] == band) & (reliability["binning"] == binning)
            & (reliability["region"] == "disk") & (reliability["share"] == 0.95)
        ]  # fmt: skip
        assert found["pixels"] == len(ROTATIONS) * np.count_nonzero(FINE_GRID.binned(binning).radius < 1)
        chosen = table[(table["passband"] == band) & (table["method"] == method) & (table["region"] == "disk")]
        assert found["coverage"] == pytest.approx(np.mean(chosen["within_95"]))


def test_tables_are_written_anew(folds, tmp_path, monkeypatch):
    """With the scores of what is asked for, of which there is one kind here."""
    asked = []
    images = score(folds, 1)
    monkeypatch.setattr(recipe, "score", lambda *arguments: asked.append(arguments) or images)
    for _ in range(2):
        write_scores(folds, tmp_path)
    assert [(given, binning) for given, binning, _ in asked] == [(folds, 1), (folds, BLOCK)] * 2
    # Both sizes are counted together, every time from the start.
    assert len({id(reliability) for *_, reliability in asked}) == 2
    assert len(list(tmp_path.iterdir())) == 3


# -- Commands ----------------------------------------------------------------------------------------------------------


def entry_of(text, path):
    """The only entry for the registry in a text, which is that of a file."""
    (entry,) = tomllib.loads(text).items()
    model = load_model(path)
    assert entry == (
        model.name,
        {
            "file": path.name,
            "sha256": model.sha256,
            "passbands": list(model.image_scalings),
            "description": model.description,
            "pixels": list(model.grid.shape),
            "arcsec": round(959.63 / model.grid.solar_radius, 1),
            "size": path.stat().st_size,
        },
    )
    return model


def test_coarse_weights_as_a_command(coarse, coarse_store, day, tmp_path, capsys, monkeypatch):
    names = []
    monkeypatch.setattr("sunpy_mag2euv.models.load_model", lambda name: names.append(name) or coarse)
    make_coarse_store(tmp_path / "store")
    as_command(recipe, "coarse", tmp_path / "store", day, tmp_path / "coarse.safetensors")
    assert names == ["shared-browse"]
    model = entry_of(capsys.readouterr().out, tmp_path / "coarse.safetensors")
    expected = without(coarse, coarse_store, day)
    assert model.record() == expected.record()
    assert all(torch.equal(tensor, expected.state[name].half()) for name, tensor in model.state.items())
    with pytest.raises(ValueError, match="no frame of the day '2024-11-27'"):
        as_command(recipe, "coarse", tmp_path / "store", "2024-11-27", tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


@pytest.mark.parametrize("sharp", [False, True])
def test_joined_weights_as_a_command(folds, directories, tmp_path, capsys, sharp):
    as_command(recipe, "join", *directories, tmp_path / "joined.safetensors", *(["--sharp"] if sharp else []))
    model = entry_of(capsys.readouterr().out, tmp_path / "joined.safetensors")
    expected = join(folds, directories[2], sharp)
    assert model.name.endswith("-sharp") == sharp
    assert model.record() == expected.record()
    assert model.block_factors.keys() == model.deviation_factors.keys() == set(BANDS)
    assert all(torch.equal(tensor, expected.state[name].half()) for name, tensor in model.state.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required"),
        (["train", "store"], "invalid choice: 'train'"),
        (["coarse", "store", "2024-11-26"], "the following arguments are required: weights"),
        (["join", "one", "two", "run"], "the following arguments are required: weights"),
        (["join", "one", "two", "run", "weights", "more"], "unrecognized arguments: more"),
        (["score", "one", "two"], "the following arguments are required: tables"),
        (["score", "one", "two", "three", "tables"], "unrecognized arguments: tables"),
    ],
)
def test_commands_that_are_refused(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as refused:
        as_command(recipe, *arguments)
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: python -m sunpy_mag2euv.training.recipe.folds")
    assert message in said
    assert not list(tmp_path.iterdir())


def test_what_has_not_been_trained_is_no_fold(directories, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        as_command(recipe, "join", directories[0], tmp_path, directories[2], tmp_path / "joined.safetensors")
    (tmp_path / "config.json").write_bytes((directories[1] / "config.json").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"has no last\.ckpt; train first with mag2euv train"):
        as_command(recipe, "score", directories[0], tmp_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
