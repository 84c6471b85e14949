import ast
import dataclasses
import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from docutils.core import publish_doctree
from training_store import (
    BANDS,
    FINE_GRID,
    GRID,
    SPLIT,
    configure,
    make_coarse,
    make_images,
    make_store,
    manifest,
    write_config,
)

import astropy.units as u
from astropy.table import Table, vstack
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv
from sunpy_mag2euv.cli import main
from sunpy_mag2euv.field_kinds import SDOML_BZ
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import (
    FINEST_SCALES,
    bin_image,
    coverage,
    relative_error,
    standard_errors,
    structure_ratio,
)
from sunpy_mag2euv.models import FieldModel, ImageModel, load_model, save_model
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning import card
from sunpy_mag2euv.training.learning.calibration import find_factors
from sunpy_mag2euv.training.learning.card import (
    BASELINES,
    REFERENCES,
    SCORES,
    has_intervals,
    score_images,
    score_pair,
    summarize,
    write_table,
)
from sunpy_mag2euv.training.learning.combinations import score_model
from sunpy_mag2euv.training.learning.combinations import summarize as summarize_combinations
from sunpy_mag2euv.training.learning.config import load_config, model_record
from sunpy_mag2euv.training.learning.export import disk_levels, export, trained_model
from sunpy_mag2euv.training.learning.problems import ProblemsError, usable_split
from sunpy_mag2euv.training.learning.reliability import Reliability
from sunpy_mag2euv.training.learning.run import CHECKPOINT, train

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "store"
    make_store(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, store):
    """A configuration, and the directory of its run."""
    directory = tmp_path_factory.mktemp("export")
    config = configure(directory, store, model={"name": "toy", "network": {"widths": [4, 8], "head": 4}})
    train(config, directory / "run")
    return config, directory / "run"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, run):
    """The model, and the weights beside which its entry and its table are."""
    weights = tmp_path_factory.mktemp("export") / "toy.safetensors"
    return export(run[1], weights), weights


@pytest.fixture(scope="module")
def truth(run, store):
    """A model that knows what the toy images are made of; it has no network."""

    class Truth(FieldModel):
        def run(self, field, device):
            images = make_images(field, grid=self.grid)
            scaled = [scaling.forward(images[band]) for band, scaling in self.image_scalings.items()]
            return torch.tensor(np.nan_to_num(np.stack(scaled)))

    config = run[0]
    scaling = {"kind": "linear", "low": 0.0, "high": 5000.0}
    config = {**config, "model": {**config["model"], "image_scaling": scaling, "name": "truth"}}
    record = model_record(config, Store.open(store))
    return Truth(**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)})


# -- Export ------------------------------------------------------------------------------------------------------------


def test_exported_weights_are_the_averaged_ones(run, exported):
    config, directory = run
    checkpoint = torch.load(directory / CHECKPOINT, weights_only=True)
    model = load_model(exported[1])
    assert config["optimizer"]["averaging"] > 0
    differs = False
    for name, tensor in model.state.items():
        assert torch.equal(tensor, checkpoint["state_dict"][f"network.{name}"].half())
        differs |= not torch.equal(tensor, checkpoint["current_model_state"][f"network.{name}"].half())
    assert differs
    count = sum(name.startswith("network.") for name in checkpoint["state_dict"])
    assert len(model.state) == count


def test_exported_weights_can_be_used_at_once(exported, make_magnetogram):
    model = load_model(exported[1])
    assert (model.name, model.sha256) == ("toy", exported[0].sha256)
    image = sunpy_mag2euv.generate(make_magnetogram(size=64), passband=193, model=model)
    assert image.data.shape == GRID.shape
    assert image.unit == "DN / s"
    assert np.isfinite(image.data).any()
    assert image.meta["instrume"] == "AIA_SYNTHETIC"


def test_the_registry_entry_is_that_of_the_file(exported):
    model, weights = exported
    entries = tomllib.loads(weights.with_suffix(".toml").read_text(encoding="utf-8"))
    assert list(entries) == ["toy"]
    # Those of the table, which has them as they are printed.
    scores = entries["toy"].pop("scores")
    rows = {row[0]: row for row in cells(weights.with_suffix(".rst")) if row[1] == "toy"}
    assert scores.keys() == rows.keys() == {str(band) for band in BANDS}
    for band, (images, *means) in scores.items():
        said = [float(cell.split()[0].replace("−", "-")) for cell in rows[band][3:6]]
        assert (images, means) == (int(rows[band][2]), said)
    assert entries["toy"] == {
        "file": "toy.safetensors",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "passbands": list(BANDS),
        "description": model.description,
        "pixels": list(model.grid.shape),
        "arcsec": round(959.63 / model.grid.solar_radius, 1),
        "size": weights.stat().st_size,
        "scored": "frames held out; whole disk, means over 1 by 1 pixels",
    }


@pytest.fixture(scope="module")
def detailed(tmp_path_factory):
    """A configuration of two scales, and the directory of its run."""
    directory = tmp_path_factory.mktemp("detailed")
    make_coarse(directory / "coarse.safetensors", caveats={171: "coarse"})
    frames = manifest([2094.1, 2094.3, 2097.2, 2097.6, 2099.5])
    make_store(directory / "store", frames=frames, grid=FINE_GRID, caveats={193: "scarce"})
    config = configure(directory, directory / "store", "detail", optimizer={"learning_rate": 0.01})
    train(config, directory / "run")
    return config, directory / "run"


def test_exported_models_of_two_scales_know_what_their_coarse_part_knows(detailed):
    config, directory = detailed
    model, coarse = trained_model(directory, config), load_model(config["model"]["coarse"])
    store = Store.open(config["data"]["store"])
    assert (model.grid, model.training_images) == (FINE_GRID, {171: 100, 193: 101})
    assert (model.strongest_field, model.valid_radius) == (coarse.strongest_field, coarse.valid_radius)
    assert model.caveats == {171: "coarse", 193: "scarce"}
    assert all(torch.equal(model.state[f"coarse.{name}"].half(), tensor) for name, tensor in coarse.state.items())
    assert model.state["detail.read.weight"].any()
    # How far it is off is found on its own grid, for its own images.
    unsure = dataclasses.replace(model, deviation_factors={})
    assert model.deviation_factors == find_factors(unsure, store, [2, 3])
    assert model.deviation_factors.keys() == set(BANDS)
    assert model.deviation_factors != coarse.deviation_factors


def test_exported_weights_of_two_scales_can_be_used_at_once(detailed, tmp_path, make_magnetogram):
    config, directory = detailed
    model = export(directory, tmp_path / "detail.safetensors")
    assert model.record() == {
        **trained_model(directory, config).record(),
        # Of what is written, in half precision.
        "deviation_factors": model.record()["deviation_factors"],
    }
    with pytest.warns(SunpyUserWarning, match="193 Å: scarce"):
        image = sunpy_mag2euv.generate(make_magnetogram(size=128), passband=193, model=tmp_path / "detail.safetensors")
    assert image.data.shape == FINE_GRID.shape
    assert image.unit == "DN / s"
    assert np.isfinite(image.data).any()
    entry = tomllib.loads((tmp_path / "detail.toml").read_text(encoding="utf-8"))["detail"]
    assert entry["passbands"] == list(BANDS)
    assert len(cells(tmp_path / "detail.rst")) > len(BANDS)


def cells(path):
    """Of the one table in a document, row by row."""
    document = publish_doctree(path.read_text(encoding="utf-8"), settings_overrides={"halt_level": 2})
    (table,) = document.findall(lambda node: node.tagname == "table")
    return [
        [cell.astext() for cell in row.findall(lambda node: node.tagname == "entry")]
        for row in table.findall(lambda node: node.tagname == "row")
    ]


def test_the_table_has_the_model_beside_the_baselines(exported):
    head, *rows = cells(exported[1].with_suffix(".rst"))
    assert head == [
        *("Passband (Å)", "Method", "Images", "CC", "RE", "PPE10", "Structure", "Within 68 %, 95 %", "Skill (CC)")
    ]
    assert [row[:2] for row in rows] == [[str(band), method] for band in BANDS for method in ("toy", *BASELINES)]
    # Three frames are scored, for one of which there is an image of the last rotation.
    assert [row[2] for row in rows] == ["3", "3", "3", "3", "1"] * 2
    assert all(-1 <= float(row[3].split()[0].replace("−", "-")) <= 1 for row in rows)
    # Skill is against the baselines, which give no deviations either.
    for column in (-2, -1):
        assert [bool(row[column]) for row in rows] == [True, False, False, False, False] * 2
    # The toy's pixels are too large for the scales.
    assert {row[6] for row in rows} == {""}
    assert exported[0].sha256[:16] in exported[1].with_suffix(".rst").read_text(encoding="utf-8")


def test_only_finished_epochs_can_be_exported(tmp_path, run):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json; train first with mag2euv train"):
        export(tmp_path, tmp_path / "toy.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(run[0]), encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"has no last\.ckpt; train first"):
        export(tmp_path, tmp_path / "toy.safetensors")
    assert not (tmp_path / "toy.safetensors").exists()


def test_configurations_are_not_replaced(tmp_path, run):
    """As they would be if they were called as their weights are."""
    config = write_config(tmp_path / "toy.toml", "shared", data={"store": "frames.zarr", "passbands": [193]})
    told = config.read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"toy\.toml is what a training run is told; give the weights another"):
        export(run[1], tmp_path / "toy.safetensors")
    assert config.read_text(encoding="utf-8") == told
    assert list(tmp_path.iterdir()) == [config]


def test_nothing_is_written_unless_there_are_scores(tmp_path, run):
    """The split is changed after training, so that no frame is left to test."""
    shutil.copytree(run[1], tmp_path / "run")
    config = {**run[0], "split": {**run[0]["split"], "test": []}}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ValueError, match=r"no frame to test; look at split\.test"):
        export(tmp_path / "run", tmp_path / "toy.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# -- Export of translators ---------------------------------------------------------------------------------------------

SETS = (131, 171, 193)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Sets of images without fields, two of which lack 131: one to train on and one to score."""
    path = tmp_path_factory.mktemp("export") / "store"
    rows = [row for row in range(13) if row not in (1, 12)]
    make_store(path, bands=SETS, fields=False, only={131: rows}, caveats={131: "scarce"})
    return path


def train_translator(directory, store, protocol, **tables):
    config = configure(directory, store, protocol, run={"steps": 2, "epoch": 1, "batch": 2}, **tables)
    train(config, directory / "run")
    return config, directory / "run"


@pytest.fixture(scope="module")
def any_run(tmp_path_factory, sets):
    """Of a network that takes any of three passbands."""
    data = {"inputs": SETS, "passbands": SETS}
    return train_translator(tmp_path_factory.mktemp("export"), sets, "translation", data=data)


@pytest.fixture(scope="module")
def one_run(tmp_path_factory, sets):
    """Of a network of the paper's that makes 171 of 193 and 131."""
    return train_translator(
        tmp_path_factory.mktemp("export"),
        sets,
        "model-a",
        data={"inputs": [193, 131], "passbands": [171], "complete": False},
        model={"name": "two", "planes": ["image"], "network": {"levels": 5, "width": 2, "normalization": "running"}},
    )


@pytest.fixture(scope="module")
def any_exported(tmp_path_factory, any_run):
    weights = tmp_path_factory.mktemp("export") / "any.safetensors"
    return export(any_run[1], weights), weights


def test_what_is_found_out_about_a_translator_after_training(any_run, sets):
    config, directory = any_run
    store = Store.open(sets)
    model, split = trained_model(directory, config), usable_split(config, store)
    assert type(model) is ImageModel
    assert list(split["train"]) == list(range(6))
    assert model.training_images == {131: 5, 171: 6, 193: 6}
    assert model.caveats == {131: "scarce"}
    # Of the images trained on, the median of the disks' medians.
    for band in SETS:
        rows = [row for row in range(6) if (band, row) != (131, 1)]
        medians = [np.nanmedian(store.images(row, [band])[0][GRID.radius < 1]) for row in rows]
        assert model.levels[band] == pytest.approx(np.median(medians))
    # From frames that were neither trained on nor scored.
    plain = dataclasses.replace(model, deviation_factors={})
    assert model.deviation_factors == find_factors(plain, store, [7, 8, 6, 9])
    assert len(model.deviation_factors) > 1
    assert all(np.isfinite(factor) and factor > 0 for factor in model.deviation_factors.values())
    # A split that is known need not be found out again.
    assert trained_model(directory, config, {**split, "train": split["train"][:2]}).training_images[131] == 1


def test_what_is_found_out_about_a_translator_without_deviations(one_run):
    config, directory = one_run
    model = trained_model(directory, config)
    assert type(model) is ImageModel
    assert (list(model.levels), list(model.training_images)) == ([193, 131], [171])
    # The set without 131 is none to train on.
    assert model.training_images == {171: 5}
    assert model.deviation_factors == {}


def test_exported_translators_can_be_used_at_once(any_run, any_exported, sets):
    config, directory = any_run
    model, weights = any_exported
    assert type(model) is ImageModel
    assert model.record() == trained_model(directory, config).record()
    checkpoint = torch.load(directory / CHECKPOINT, weights_only=True)["state_dict"]
    for name, tensor in model.state.items():
        assert torch.equal(tensor, checkpoint[f"network.{name}"].half())
    image = Store.open(sets).images(10, [193])[0]
    for planes in model.outputs(model.run({193: image}, torch.device("cpu"))):
        assert planes.shape == (3, *GRID.shape)
        assert np.isfinite(planes.value).all()
    assert load_model(weights).sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_the_registry_entry_of_a_translator_says_what_it_takes(any_exported, one_run, tmp_path):
    model, weights = any_exported
    entry = tomllib.loads(weights.with_suffix(".toml").read_text(encoding="utf-8"))["any"]
    assert entry == {
        "file": "any.safetensors",
        "sha256": model.sha256,
        "inputs": list(SETS),
        "passbands": list(SETS),
        "description": model.description,
        "pixels": list(model.grid.shape),
        "arcsec": round(959.63 / model.grid.solar_radius, 1),
        "size": weights.stat().st_size,
    }
    export(one_run[1], tmp_path / "two.safetensors")
    entry = tomllib.loads((tmp_path / "two.toml").read_text(encoding="utf-8"))["two"]
    assert (entry["inputs"], entry["passbands"]) == ([193, 131], [171])


def test_the_table_of_a_translator_has_its_inputs(any_exported, one_run, sets, tmp_path):
    model, weights = any_exported
    head, *rows = cells(weights.with_suffix(".rst"))
    assert head == ["Inputs (Å)", "Channels made", "Mean CC", "Lowest CC", "of (Å)", "Mean CC of logarithms"]
    # The three single inputs, and the best pair.
    assert sorted(row[0] for row in rows[:3]) == ["131", "171", "193"]
    assert [row[1] for row in rows] == ["2", "2", "2", "1"]
    assert rows[3][0].count("+") == 1
    tasks = [((131,), 171), ((131,), 193)]
    summary = summarize_combinations(score_model(model, Store.open(sets), [10, 11, 12], tasks))
    (row,) = [row for row in rows if row[0] == "131"]
    assert float(row[2].replace("−", "-")) == pytest.approx(summary["cc"][0], abs=1e-3)
    assert model.sha256[:16] in weights.with_suffix(".rst").read_text(encoding="utf-8")

    export(one_run[1], tmp_path / "two.safetensors")
    _, *rows = cells(tmp_path / "two.rst")
    assert [row[:2] for row in rows] == [["131+193", "1"]]


def test_nothing_is_written_of_a_translator_unless_there_are_scores(tmp_path, any_run):
    shutil.copytree(any_run[1], tmp_path / "run")
    config = {**any_run[0], "split": {**any_run[0]["split"], "test": []}}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ValueError, match=r"no frame to test that has both inputs and target; look at split\.test"):
        export(tmp_path / "run", tmp_path / "any.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_levels_are_of_the_disk_and_of_what_is_there(sets):
    store = Store.open(sets)
    rows = [0, 1, 2, 5]
    assert list(disk_levels(store, rows, [193, 131])) == [193, 131]
    # Where there is no image, there is no level.
    assert list(disk_levels(store, [1, 12], SETS)) == [171, 193]
    assert disk_levels(store, [], SETS) == {}
    medians = [np.median(store.images(row, [193])[0][GRID.radius < 1]) for row in rows]
    assert disk_levels(store, rows, [193]) == {193: pytest.approx(np.median(medians))}


# -- Card --------------------------------------------------------------------------------------------------------------


def test_scores_on_another_kind_of_field(run, truth):
    with pytest.warns(SunpyUserWarning, match="truth has learnt from Bz of SDOML.* the store holds line-of-sight"):
        score_images([dataclasses.replace(truth, field_kind=SDOML_BZ)], run[0])


def test_the_truth_scores_best(run, truth):
    table = score_images([truth], run[0])
    chosen = table[table["method"] == "truth"]
    assert set(zip(chosen["passband"], chosen["region"], strict=True)) == {
        (band, region) for band in BANDS for region in ("disk", "central", "limb")
    }
    assert len(chosen) == 3 * 2 * 3
    for name, best in (("cc", 1), ("cc_log", 1), ("re", 0), ("ppe10", 1), ("ppe50", 1)):
        np.testing.assert_allclose(chosen[name], best, atol=1e-3)
    others = table[(table["method"] != "truth") & (table["region"] == "disk")]
    assert set(others["method"]) == set(BASELINES)
    assert (others["cc"] < 0.999).all()
    # Brightness follows the field here, and so do two of the baselines.
    means = {method: others["cc"][others["method"] == method].mean() for method in BASELINES}
    assert means["power law"] > means["climatology"] + 0.2
    assert means["least squares"] > means["climatology"] + 0.2


def test_images_come_with_what_they_can_be_grouped_by(run, truth, store):
    table, frames, disk = score_images([truth], run[0]), Store.open(store), GRID.radius < 1
    for row in table:
        (frame,) = np.nonzero(frames.frames["name"] == row["frame"])[0]
        assert row["year"] == frames.frames["time"][frame].datetime.year
        assert row["field"] == pytest.approx(np.abs(frames.field(frame)[disk]).mean())
        assert row["observed"] == pytest.approx(frames.images(frame, [row["passband"]])[0][disk].mean(), rel=1e-5)


#: A day from one to the next, too few for any to have an image one rotation before.
DAILY = np.arange(2094.6, 2095.34, 0.0367)


def daily(directory, sources):
    """A configuration whose store has an image each day, and scores those of the second rotation."""
    frames = manifest(rotations=DAILY)
    frames["source"] = sources
    make_store(directory / "store", frames=frames)
    return configure(directory, directory / "store", split={"method": "rotations", "test": [2095], "gap": 0})


def test_the_reference_is_scored_where_it_shows_the_disk(tmp_path):
    """Not in the last days, since what is in the east has not been at the central meridian yet."""
    images = score_images([], daily(tmp_path, ["toy"] * len(DAILY)))
    assert set(images["method"]) == {*BASELINES[:3], *REFERENCES}
    chosen = images[(images["method"] == REFERENCES[0]) & (images["region"] == "disk")]
    assert set(chosen["passband"]) == set(BANDS)
    # It looks into images that were trained on, too, so that the first days have it.
    assert min(chosen["rotation"]) == min(images["rotation"])
    # With a day of tolerance, nine tenths of the disk are there until some four days before the last image.
    assert DAILY[-1] - 5.5 / 27.3 < max(chosen["rotation"]) < DAILY[-1] - 3.5 / 27.3


def test_the_reference_is_of_one_archive(tmp_path):
    """Images that another archive has of the same days are not shown."""
    config = daily(tmp_path, ["toy", "other"] * (len(DAILY) // 2) + ["toy"] * (len(DAILY) % 2))
    store = Store.open(config["data"]["store"])
    baselines = card._Baselines(store, 193, usable_split(config, store))
    assert set(baselines.same_age) == {"toy", "other"}
    for source, reference in baselines.same_age.items():
        assert set(reference.images.rows) == set(np.flatnonzero(store.frames["source"] == source))


def test_whoever_gives_no_deviations_is_within_none(run, truth):
    reliability = Reliability()
    table = score_images([truth], run[0], reliability=reliability)
    assert np.isnan(table["within_68"]).all()
    assert np.isnan(table["within_95"]).all()
    assert len(reliability.table()) == 0


def test_deviations_are_scored_and_counted_in_one_pass(run, store, exported):
    """Beside what follows from the model's own outputs."""
    reliability, (model, _), frames = Reliability(), exported, Store.open(store)
    calls = []
    watched = dataclasses.replace(model)
    object.__setattr__(watched, "run", lambda *args: calls.append(args) or model.run(*args))
    table = score_images([watched], run[0], reliability=reliability)
    assert len(calls) == 3
    assert table.meta == {"provenance": "made up", "binning": 1, "models": {"toy": model.sha256}}
    counted = reliability.table()
    assert len(counted) == len(BANDS) * 2 * 19

    for number, band in enumerate(BANDS):
        errors = []
        for row in usable_split(run[0], frames)["test"]:
            outputs = model.outputs(model.run(frames.field(row), torch.device("cpu")))
            image, deviation = (planes[number].value for planes in outputs)
            found = standard_errors(image, deviation, frames.images(row, [band])[0])
            errors.append(found)
            (scored,) = table[
                (table["frame"] == f"toy {row}") & (table["passband"] == band)
                & (table["region"] == "disk") & (table["method"] == "toy")
            ]  # fmt: skip
            for name, share in (("within_68", 0.6827), ("within_95", 0.95)):
                assert scored[name] == pytest.approx(coverage(found[GRID.radius < 1], share))
        limb = (GRID.radius >= 0.9) & (GRID.radius < 1)
        for region, mask in (("disk", GRID.radius < 1), ("limb", limb)):
            chosen = counted[(counted["passband"] == band) & (counted["region"] == region)]
            np.testing.assert_allclose(chosen["coverage"], coverage(np.stack(errors)[:, mask], chosen["share"]))
            assert set(chosen["pixels"]) == {3 * mask.sum()}


@pytest.fixture(scope="module")
def fine_store(tmp_path_factory):
    """A frame on a grid that is fine enough for structure, and is binned by two."""
    path = tmp_path_factory.mktemp("fine") / "store"
    make_store(path, frames=manifest(rotations=[2099.2]), bands=(193,), grid=Grid((304, 304), 147.0))
    return Store.open(path)


def test_pairs_are_scored_as_by_hand(fine_store):
    grid = fine_store.grid
    observed, rng = fine_store.images(0, [193])[0], np.random.default_rng(0)
    synthetic = observed * rng.lognormal(0, 0.2, grid.shape)
    deviation = np.full(grid.shape, 4.0)
    scores = score_pair(synthetic, observed, 193, fine_store, 0, deviation, factor=0.8)
    assert list(scores) == ["disk", "central", "limb"]
    scores = {region: dict(zip(SCORES, values, strict=True)) for region, values in scores.items()}

    binned = bin_image(synthetic, 2), bin_image(observed, 2)
    radius = Grid((152, 152), 73.5).radius
    expected = structure_ratio(*binned, radius, 73.5)
    assert expected > 1.001
    assert scores["disk"]["structure"] == pytest.approx(expected)
    assert np.isnan([scores["central"]["structure"], scores["limb"]["structure"]]).all()
    limb = (radius >= 0.9) & (radius < 1)
    assert scores["limb"]["re"] == pytest.approx(relative_error(*(image[limb] for image in binned)))
    # Blocks are too large for the finest scales.
    assert np.isnan([scores[region]["finest"] for region in scores]).all()

    # Intervals are those of the blocks.
    errors = (binned[1] - binned[0]) / (0.8 * 4.0)
    for region, mask in (("disk", radius < 1), ("limb", limb)):
        assert scores[region]["within_68"] == pytest.approx(coverage(errors[mask], 0.6827))
        assert scores[region]["within_95"] == pytest.approx(coverage(errors[mask], 0.95))
    assert 0 < scores["disk"]["within_68"] < scores["disk"]["within_95"] < 1


def test_pairs_are_scored_as_they_are(fine_store):
    """Pixels that are not binned resolve more, and their intervals need no factor."""
    grid = fine_store.grid
    observed, rng = fine_store.images(0, [193])[0], np.random.default_rng(0)
    synthetic = observed * rng.lognormal(0, 0.2, grid.shape)
    deviation = np.full(grid.shape, 4.0)
    scores = score_pair(synthetic, observed, 193, fine_store, 0, deviation, binning=1)
    scores = {region: dict(zip(SCORES, values, strict=True)) for region, values in scores.items()}
    pair = synthetic, observed, grid.radius, grid.solar_radius
    assert scores["disk"]["structure"] == pytest.approx(structure_ratio(*pair))
    assert scores["disk"]["finest"] == pytest.approx(structure_ratio(*pair, FINEST_SCALES))
    assert scores["disk"]["finest"] > scores["disk"]["structure"]
    assert np.isnan([scores["central"]["finest"], scores["limb"]["finest"]]).all()
    errors = standard_errors(synthetic, deviation, observed)
    for region, low in (("disk", 0), ("limb", 0.9)):
        mask = (grid.radius >= low) & (grid.radius < 1)
        assert scores[region]["re"] == pytest.approx(relative_error(synthetic[mask], observed[mask]))
        assert scores[region]["within_68"] == pytest.approx(coverage(errors[mask], 0.6827))
        assert scores[region]["within_95"] == pytest.approx(coverage(errors[mask], 0.95))
    # Nothing is known of blocks unless it is said.
    for binning in (None, 2, 4):
        blocks = score_pair(synthetic, observed, 193, fine_store, 0, deviation, binning=binning)
        assert np.isnan([values[-2:] for values in blocks.values()]).all()
        assert np.isfinite(blocks["disk"][0])
    with pytest.raises(ValueError, match="the binning must be an integer of at least 1"):
        score_pair(synthetic, observed, 193, fine_store, 0, binning=0)


def test_blocks_are_cut_where_only_a_lower_limit_is_known(tmp_path, fine_store):
    """Brighter pixels are not wrong there; darker ones make the block wrong by as much as they are at least."""
    make_store(tmp_path / "store", frames=manifest(rotations=[2099.2]), bands=(193,), grid=fine_store.grid)
    frames = Store.open(tmp_path / "store")
    observed, ones = np.minimum(frames.images(0, [193])[0], 100.0), np.ones(frames.grid.shape)
    frames.ceilings[0] = 100
    bright = observed >= 100

    def within(synthetic):
        return score_pair(synthetic, observed, 193, frames, 0, ones, factor=1.0)["disk"][-1]

    assert within(np.where(bright, 5000.0, observed)) == 1
    # A quarter of 6 DN/s, for a block with one such pixel, is within 1.96.
    blocks = bin_image(bright, 2)[Grid((152, 152), 73.5).radius < 1]
    assert within(np.where(bright, 94.0, observed)) == pytest.approx(np.mean(blocks <= 0.25))


def test_pairs_without_deviations_or_pixels(fine_store):
    grid = fine_store.grid
    observed = fine_store.images(0, [193])[0]
    synthetic = np.where(grid.radius < 0.9, observed, np.nan)
    scores = score_pair(synthetic, observed, 193, fine_store, 0)
    assert list(scores) == ["disk", "central"]
    assert np.isnan([values[-2:] for values in scores.values()]).all()


def test_pairs_are_cut_where_only_a_lower_limit_is_known(tmp_path, store):
    """With all that is bright unknown, a synthetic image that is brighter still is not wrong."""
    shutil.copytree(store, tmp_path / "store")
    frames = Store.open(tmp_path / "store")
    observed = np.minimum(frames.images(0, [193])[0], 100.0)
    frames.ceilings[0, frames.columns([193])] = 100
    bright = observed >= 100
    assert 0.02 < bright[GRID.radius < 1].mean() < 0.5
    scores = score_pair(np.where(bright, 5000.0, observed), observed, 193, frames, 0, np.ones(GRID.shape))
    found = dict(zip(SCORES, scores["disk"], strict=True))
    assert (found["cc"], found["re"], found["ppe10"]) == (pytest.approx(1), 0, 1)
    assert (found["within_68"], found["within_95"]) == (1, 1)
    # Below the limit it is, and in those pixels only.
    scores = score_pair(np.where(bright, 50.0, observed), observed, 193, frames, 0, np.ones(GRID.shape))
    assert scores["disk"][-1] == pytest.approx(1 - bright[GRID.radius < 1].mean())


def test_frames_with_problems_are_not_scored(run, store, truth, tmp_path):
    """They are refused by name, or left out if the configuration says so."""
    shutil.copytree(store, tmp_path / "store")
    config = {**run[0], "data": {**run[0]["data"], "store": str(tmp_path / "store")}}
    row = usable_split(config, Store.open(tmp_path / "store"))["test"][0]
    shutil.rmtree(tmp_path / "store" / "field" / "c" / str(row))
    with pytest.raises(ProblemsError, match=f"toy {row}: the field has pixels that are not finite"):
        score_images([truth], config)
    config["data"]["skip_problems"] = True
    assert set(score_images([truth], run[0])["frame"]) - set(score_images([truth], config)["frame"]) == {f"toy {row}"}


def test_models_must_be_on_the_stores_grid(run, tiny_model, truth):
    others = [
        dataclasses.replace(truth, grid=grid) for grid in (Grid((16, 16), 6.6), GRID.crop(slice(0, 16), slice(0, 16)))
    ]
    for model in (tiny_model, *others):
        with pytest.raises(ValueError, match=r"the model \w+ works on .*, the store's frames are on"):
            score_images([model], run[0])


def test_models_on_a_coarser_grid_are_enlarged(run, truth, store):
    """They are given means over blocks, and their images are as smooth as their pixels are large."""
    fields = []

    class Coarse(type(truth)):
        def run(self, field, device):
            fields.append(field)
            return super().run(field, device)

        def outputs(self, scaled):
            images, _ = super().outputs(scaled)
            return images, images

    settings = {field.name: getattr(truth, field.name) for field in dataclasses.fields(truth)}
    coarse = Coarse(**{**settings, "grid": Grid((16, 16), 6.5), "name": "coarse", "sha256": "1" * 64})
    reliability, frames = Reliability(), Store.open(store)
    table = score_images([truth, coarse], run[0], reliability=reliability)
    assert set(table["method"]) == {"truth", "coarse, enlarged", *BASELINES}
    assert table.meta["models"] == {"truth": truth.sha256, "coarse": "1" * 64}
    for field, row in zip(fields, usable_split(run[0], frames)["test"], strict=True):
        assert field.dtype == np.float32
        np.testing.assert_allclose(field, bin_image(frames.field(row), 2), rtol=1e-6)
    chosen = table[table["method"] == "coarse, enlarged"]
    assert len(chosen) == 3 * 2 * 3
    # Deviations are those of larger pixels.
    assert np.isnan(chosen["within_68"]).all()
    assert len(reliability.table()) == 0
    disk = chosen[chosen["region"] == "disk"]
    assert ((disk["cc"] > 0.7) & (disk["cc"] < 0.999)).all()


def test_enlarging_interpolates_between_the_middles_of_blocks():
    rows, columns = np.indices((8, 12), dtype=np.float32)
    enlarged = card._enlarge(rows + 10 * columns, (32, 48))
    rows, columns = ((pixels + 0.5) / 4 - 0.5 for pixels in np.indices((32, 48)))
    np.testing.assert_allclose(enlarged, np.clip(rows, 0, 7) + 10 * np.clip(columns, 0, 11), rtol=1e-5)


@pytest.fixture(scope="module")
def two_sizes(tmp_path_factory):
    """A store of which some frames have images of half the resolution, and a configuration."""
    directory = tmp_path_factory.mktemp("sizes")
    frames = manifest(rotations=[2094.2, 2094.7, 2099.2, 2099.6])
    frames["binning"] = [1, 2, 1, 2]
    grid = Grid((308, 308), 147.0)
    store = make_store(directory / "store", frames=frames, bands=(193,), grid=grid)
    for row in (1, 3):
        image = np.kron(bin_image(store.images(row, [193])[0], 2), np.ones((2, 2)))
        store.write(row, store.field(row), {193: image})
    split = {"method": "rotations", "validation": [], "test": [2099], "gap": 0}
    config = configure(directory, directory / "store", data={"passbands": [193]}, split=split)
    return config, grid


class Sure(FieldModel):
    """Knows the toy images but for a tenth, and takes itself to be twice as good."""

    def run(self, field, device):
        return torch.tensor(make_images(field, (193,), self.grid)[193])[None]

    def outputs(self, scaled):
        images = u.Quantity(np.nan_to_num(scaled.numpy()), "DN / s")
        return 1.1 * images, 0.05 * images


@pytest.fixture(scope="module")
def sure(two_sizes, truth):
    """Two such models, of which the first knows that neighbours are off together."""
    settings = {field.name: getattr(truth, field.name) for field in dataclasses.fields(truth)}
    settings["architecture"] = {**truth.architecture, "deviations": True}
    settings |= {"image_scalings": {193: truth.image_scalings[193]}, "grid": two_sizes[1]}
    models = [Sure(**{**settings, "name": name}) for name in ("knowing", "silent")]
    for model, factors in zip(models, ({193: 3.0}, {}), strict=True):
        object.__setattr__(model, "block_factors", factors)
    return models


def test_scores_of_blocks_and_of_pixels(two_sizes, sure):
    reliability, within = Reliability(), {}
    for binning in (None, 1, 3):
        table = score_images(sure, two_sizes[0], reliability=reliability, binning=binning)
        assert table.meta["binning"] == (binning or 2)
        table = table[table["region"] == "disk"]
        # All frames are scored as they are, whatever the resolution of their images.
        for model in sure:
            assert list(table["frame"][table["method"] == model.name]) == ["toy 2", "toy 3"]
        assert (np.isfinite(table["finest"]) == (binning == 1)).all()
        chosen = table[(table["frame"] == "toy 2") & np.isin(table["method"], ["knowing", "silent"])]
        for row in chosen:
            within[row["method"], binning] = row["within_68"], row["within_95"]
    # Off by two standard deviations of a pixel, and two thirds of that of a block.
    nan = (pytest.approx(np.nan, nan_ok=True),) * 2
    assert within == {
        **{("knowing", None): (1, 1), ("knowing", 1): (0, 0), ("knowing", 3): nan},
        **{("silent", None): nan, ("silent", 1): (0, 0), ("silent", 3): nan},
    }
    counted = reliability.table()
    assert {tuple(key) for key in counted["model", "binning"]} == {("knowing", 1), ("knowing", 2), ("silent", 1)}


def test_what_intervals_are_known_of(two_sizes, sure):
    _, grid = two_sizes
    knowing, silent = sure
    assert [has_intervals(knowing, grid, binning) for binning in (None, 1, 2, 3)] == [True, True, True, False]
    assert [has_intervals(silent, grid, binning) for binning in (None, 1, 2, 3)] == [False, True, False, False]
    assert not has_intervals(knowing, Grid((616, 616), 294.0), 1)
    plain = dataclasses.replace(silent, architecture={**silent.architecture, "deviations": False})
    assert not has_intervals(plain, grid, 1)


def test_blocks_are_whole_pixels(two_sizes):
    with pytest.raises(ValueError, match="the binning must be an integer of at least 1, such as 4; got 0"):
        score_images([], two_sizes[0], binning=0)


def test_scoring_needs_frames(tmp_path, store):
    config = configure(tmp_path, store, split={**SPLIT, "test": [2150]})
    with pytest.raises(ValueError, match=r"no frame to test; look at split\.test"):
        score_images([], config)


def table(*rows, finest=float("nan")):
    """Scores of images (method, CC, rotation) in one passband and two regions; "net" alone has deviations."""
    nan = float("nan")
    within = ((nan, nan), (0.7, 0.96))
    return Table(
        rows=[
            (
                *(193, str(rotation), rotation, 2010, 5.0, 200.0, method, region),
                *(cc, cc, re, cc / 2, cc, structure, finest * structure, *within[method == "net"]),
            )
            for method, cc, rotation in rows
            for region, re, structure in (("disk", -0.1, cc / 4), ("central", 0.3, nan))
        ],
        names=("passband", "frame", "rotation", "year", "field", "observed", "method", "region", *SCORES),
    )


def test_summaries_are_means_with_intervals_and_skill():
    images = table(
        ("net", 0.8, 2100.1), ("net", 0.9, 2100.6),
        ("climatology", 0.5, 2100.1), ("climatology", 0.5, 2100.6),
        ("power law", 0.6, 2100.1), ("power law", 0.8, 2100.6),
        ("last rotation", 0.9, 2100.1),
    )  # fmt: skip
    summary = summarize(images)
    assert list(summary["method"]) == ["net", "climatology", "power law", "last rotation"]
    assert list(summary["images"]) == [2, 2, 2, 1]
    assert list(summary["blocks"]) == [2, 2, 2, 1]
    np.testing.assert_allclose(summary["cc"], [0.85, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(summary["ppe10"], summary["cc"] / 2)
    np.testing.assert_allclose(summary["re"], -0.1)
    # Of two blocks, a quarter of the draws has the one only and another quarter the other.
    np.testing.assert_allclose(summary["cc_low"], [0.8, 0.5, 0.6, np.nan])
    np.testing.assert_allclose(summary["cc_high"], [0.9, 0.5, 0.8, np.nan])
    np.testing.assert_allclose(summary["structure"], summary["cc"] / 4)
    assert np.isnan(summary["finest"]).all()
    np.testing.assert_allclose(summary["within_68"], [0.7, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(summary["within_95"], [0.96, np.nan, np.nan, np.nan])
    # The best baseline that has all images is the power law, halfway beyond which the network is.
    assert summary["skill"][0] == pytest.approx((0.85 - 0.7) / (1 - 0.7))
    # One that knows part of the answer changes nothing of that.
    reference = table(("same age", 0.84, 2100.1), ("same age", 0.84, 2100.6))
    with_reference = summarize(vstack([images, reference]))
    assert list(with_reference["method"]) == [*summary["method"], "same age"]
    np.testing.assert_array_equal(with_reference["skill"][:4], summary["skill"])
    central = summarize(images, region="central")
    np.testing.assert_allclose(central["re"], 0.3)
    assert np.isnan(central["structure"]).all()


def test_summaries_become_tables(tmp_path):
    images = table(
        ("net", 0.8, 2100.1), ("net", 0.9, 2100.6),
        ("climatology", 0.5, 2100.1), ("climatology", 0.5, 2100.6),
        ("same age", 0.7, 2100.1), ("same age", 0.7, 2100.6),
    )  # fmt: skip
    write_table(summarize(images), tmp_path / "table.rst", "Some scores")
    _, net, climatology, same_age = cells(tmp_path / "table.rst")
    assert net == [
        "193",
        "net",
        "2",
        "0.850\n\n0.800…0.900",
        "−0.100\n\n−0.100…−0.100",
        "0.425\n\n0.400…0.450",
        "0.21",
        "70.0 %, 96.0 %",
        "+0.70",
    ]
    assert climatology[-3:] == ["0.12", "", ""]
    assert (same_age[1], *same_age[-3:]) == ("same age", "0.17", "", "")
    write_table(summarize(images, region="central"), tmp_path / "table.rst", "Some scores")
    assert [row[6] for row in cells(tmp_path / "table.rst")] == ["Structure", "", "", ""]
    assert {len(row) for row in cells(tmp_path / "table.rst")} == {9}


def test_tables_have_the_finest_scales_if_any_image_has(tmp_path):
    images = table(("net", 0.8, 2100.1), ("climatology", 0.4, 2100.1), finest=2)
    images["finest"][images["method"] == "climatology"] = np.nan
    write_table(summarize(images), tmp_path / "table.rst", "Some scores")
    assert [row[6:8] for row in cells(tmp_path / "table.rst")] == [
        ["Structure", "Structure, 10-20 Mm"],
        ["0.20", "0.40"],
        ["0.10", ""],
    ]


# -- Commands ----------------------------------------------------------------------------------------------------------


def test_from_a_configuration_to_a_table_by_commands(tmp_path, store, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("logging.basicConfig", lambda **settings: None)
    config = configure(tmp_path, store, run={"steps": 1, "epoch": 1})
    assert load_config(tmp_path / "run.toml") == config
    assert main(["train", "run.toml"]) == 0
    assert (tmp_path / "runs" / "shared" / CHECKPOINT).is_file()
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "trained; write the weights with: mag2euv export runs/shared shared.safetensors"
    assert main(said.split(": mag2euv ")[1].split()) == 0
    sha256 = hashlib.sha256(Path("shared.safetensors").read_bytes()).hexdigest()
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"shared (sha256 {sha256}) written to shared.safetensors, shared.toml, shared.rst"
    score = ["score", "run.toml", "shared.safetensors", "--region", "limb", "--table", "t.rst", "--images", "i.ecsv"]
    assert main([*score, "--reliability", "r.ecsv"]) == 0
    assert "least squares" in capsys.readouterr().out
    assert len(cells(tmp_path / "t.rst")) == 1 + 2 * 5
    assert "from 0.9 of the solar radius to the limb" in Path("t.rst").read_text(encoding="utf-8")
    images, reliability = Table.read("i.ecsv"), Table.read("r.ecsv")
    assert set(images["method"]) == {"shared", *BASELINES}
    assert reliability.meta["models"] == images.meta["models"] == {"shared": sha256}
    assert reliability.meta["provenance"] == "made up"
    assert len(reliability) == len(BANDS) * 2 * 19
    # All images have the same pixels on the disk, so that pooling them is a mean over images.
    chosen = (images["method"] == "shared") & (images["region"] == "disk") & (images["passband"] == 193)
    pooled = (reliability["region"] == "disk") & (reliability["passband"] == 193) & (reliability["share"] == 0.95)
    assert reliability["coverage"][pooled] == pytest.approx(images["within_95"][chosen].mean())
    assert set(reliability["binning"]) == {1}
    assert main([*score[:3], "--binning", "2", "--table", "b.rst", "--images", "b.ecsv"]) == 0
    assert "whole disk, binning 2, with 95 % intervals" in Path("b.rst").read_text(encoding="utf-8")
    binned = Table.read("b.ecsv")
    assert binned.meta["binning"] == 2
    assert np.isnan(binned["within_95"]).all()
    for grouping, groups in (("activity", 4), ("year", 1)):
        assert main([*score[:3], "--by", grouping, "--table", "g.rst"]) == 0
        assert len(cells(tmp_path / "g.rst")) == 1 + 2 * groups
        assert f"whole disk, by {grouping}" in Path("g.rst").read_text(encoding="utf-8")


def test_reliability_needs_deviations(tmp_path, store, truth, capsys):
    path = write_config(tmp_path / "run.toml", "shared", data={"store": str(store), "passbands": list(BANDS)})
    network = {"kind": "shared-unet", "in_channels": 14, "out_channels": 2, "widths": [4, 8], "head": 4}
    save_model(dataclasses.replace(truth, architecture=network, state={}), tmp_path / "plain.safetensors")
    score = ["score", str(path), str(tmp_path / "plain.safetensors"), "--reliability", str(tmp_path / "r.ecsv")]
    assert main(score) == 1
    assert "none of the models gives standard deviations; leave --reliability out" in capsys.readouterr().err
    assert not (tmp_path / "r.ecsv").exists()
    network["deviations"] = True
    save_model(dataclasses.replace(truth, architecture=network, state={}), tmp_path / "plain.safetensors")
    assert main([*score, "--binning", "2"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("of the pixels as they are binned; leave --reliability out, or try --binning 1")


def test_commands_say_what_is_wrong_in_a_line(tmp_path, capsys):
    path = write_config(tmp_path / "run.toml", "model-a", data={"store": "nowhere", "passbands": [193]})
    for arguments, message in (
        (["train", str(path), "-o", str(tmp_path / "run")], "no training store at"),
        (["train", str(tmp_path / "other.toml")], "there is no configuration"),
        (["export", str(tmp_path / "run"), str(tmp_path / "toy.safetensors")], "has no config.json"),
        (["score", str(path), "shared-browse"], "no training store at"),
        (["score", str(path), "shared-browse", "--binning", "0"], "the binning must be an integer of at least 1, such"),
        (["score", str(path), "shared-browse", "--by", "year", "--region", "limb"], "--by is of the whole disk; leave"),
    ):
        assert main(arguments) in (1, 2)
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("mag2euv: error: ")
        assert message in line
    assert not (tmp_path / "run").exists()


# -- Packaging ---------------------------------------------------------------------------------------------------------


def imported(path):
    """Names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_but_the_training_imports_the_training():
    package = Path(sunpy_mag2euv.__file__).parent
    files = {path: set(imported(path)) for path in package.rglob("*.py")}
    inside = {path for path in files if path.is_relative_to(package / "training")}
    assert len(inside) > 10
    assert any(name.startswith("sunpy_mag2euv.training") for path in inside for name in files[path])
    for path in files.keys() - inside:
        assert not any("training" in name.split(".") for name in files[path]), path


def test_rooms_of_the_training_import_only_from_those_above():
    above = {"data": {"data"}, "learning": {"data", "learning"}, "recipe": {"data", "learning", "recipe"}}
    above["study"] = {"data", "learning", "study"}
    training = Path(sunpy_mag2euv.__file__).parent / "training"
    assert {path.name for path in training.iterdir() if (path / "__init__.py").is_file()} == above.keys()
    for room, allowed in above.items():
        for path in (training / room).rglob("*.py"):
            names = [name.split(".") for name in imported(path) if name.startswith("sunpy_mag2euv.training.")]
            assert {name[2] for name in names} <= allowed, path
