import dataclasses
import json

import numpy as np
import pytest
import torch
from training_store import GRID, TRAINED, configure, make_field, make_images, make_store

from astropy.table import Table

from sunpy_mag2euv.cli import main
from sunpy_mag2euv.metrics import standard_errors
from sunpy_mag2euv.models import load_model, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.scaling import LinearScaling, scaling_from_dict
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.calibration import deviation_factor, find_factors
from sunpy_mag2euv.training.learning.card import BASELINES, SCORES, score_pair
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.export import strongest_field, trained_model
from sunpy_mag2euv.training.learning.problems import usable_split
from sunpy_mag2euv.training.learning.readout import Sample, extend, fit, leave_one_out, read_sample, score_left_out
from sunpy_mag2euv.training.learning.run import read_weights, train

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]

#: Passbands to train on, not in order; between and after them, the scarce ones, and the rows that have an image. Of
#: 193 the first two are of one rotation; of 1700 all are of different ones.
TRAINED_BANDS = (211, 171)
ONLY = {193: (0, 2, 6, 10), 1700: (5, 7, 9)}
BANDS = (171, 193, 211, 1700)

CPU = torch.device("cpu")

#: The penalty, by which slopes of features without correlation fall short.
SHORT = 1.03


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("readout") / "store"
    make_store(path, bands=BANDS, only=ONLY, caveats={band: f"few images of {band}" for band in ONLY})
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory, store):
    directory = tmp_path_factory.mktemp("readout")
    data = {"passbands": list(TRAINED_BANDS), "scarce": list(ONLY)}
    return configure(directory, store, data=data, run={"steps": 1, "epoch": 1})


@pytest.fixture(scope="module")
def scalings(config):
    return {band: scaling_from_dict(config["model"]["image_scaling"][str(band)]) for band in ONLY}


def untrained(record, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = build_network(**record.architecture).state_dict()
    return dataclasses.replace(record, state=state)


@pytest.fixture(scope="module")
def model(config, store):
    """A network that has learnt nothing, but has features all the same."""
    record = model_record(config, Store.open(store))
    known = {"training_images": {211: 5, 171: 6}, "deviation_factors": {211: 1.5, 171: 2.5}}
    return dataclasses.replace(untrained(record, 0), **known)


@pytest.fixture(scope="module")
def extended(model, store, scalings):
    return extend(model, Store.open(store), scalings)


@pytest.fixture(scope="module")
def sample(model, store, scalings):
    return read_sample(model, Store.open(store), 193, scalings[193])


# -- Regression --------------------------------------------------------------------------------------------------------


def made_up(images=3, count=4, side=16, seed=0):
    """A sample whose features are uncorrelated and have unit variance, over all pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=(images * side * side, count))
    pixels, _ = np.linalg.qr(pixels - pixels.mean(0))
    features = pixels.reshape(images, side, side, count).transpose(0, 3, 1, 2) * side * np.sqrt(images)
    shape = (images, side, side)
    return Sample(
        list(range(images)),
        2100 + np.arange(images),
        torch.from_numpy(features).float(),
        torch.zeros(shape),
        torch.ones(shape),
        torch.full((count,), 0.03),
    )


SLOPES = torch.tensor([0.3, -0.2, 0.0, 0.1])


def linear(features, slopes, level):
    return torch.einsum("f,bfhw->bhw", slopes, features) + level


def test_a_linear_relation_is_found():
    plain = made_up()
    sample = dataclasses.replace(plain, images=linear(plain.features, SLOPES, 0.25))
    (slopes, level), _ = fit(sample)
    torch.testing.assert_close(slopes, SLOPES.double() / SHORT, atol=1e-5, rtol=1e-4)
    assert level == pytest.approx(0.25, abs=1e-6)


def test_neither_unit_nor_zero_of_a_feature_matters():
    plain = made_up()
    images = linear(plain.features, SLOPES, 0.25)
    expected = linear(plain.features, SLOPES / SHORT, 0.25)
    units, zeros = torch.tensor([1e3, 1, 1e-2, 1])[:, None, None], torch.tensor([5.0, 0, -1, 3])[:, None, None]
    other = dataclasses.replace(plain, images=images, features=plain.features * units + zeros)
    (slopes, level), _ = fit(other)
    torch.testing.assert_close(linear(other.features, slopes.float(), level), expected, atol=1e-4, rtol=1e-4)


def test_features_that_do_not_vary_are_no_harm():
    plain = made_up()
    features = torch.cat([plain.features, torch.full_like(plain.features[:, :1], 7)], dim=1)
    # Whether their coefficients are free or not.
    penalty = torch.cat([plain.penalty, torch.zeros(1)])
    images = linear(plain.features, SLOPES, 0.25)
    sample = dataclasses.replace(plain, features=features, images=images, penalty=penalty)
    (slopes, level), _ = fit(sample)
    torch.testing.assert_close(slopes[:4], SLOPES.double() / SHORT, atol=1e-5, rtol=1e-4)
    assert float(slopes[4] * 7 + level) == pytest.approx(0.25, abs=1e-4)


def test_features_that_are_free_are_not_shrunk():
    plain = made_up()
    penalty = torch.tensor([0.0, 0.03, 0.03, 0.03])
    (slopes, _), _ = fit(dataclasses.replace(plain, images=linear(plain.features, SLOPES, 0.25), penalty=penalty))
    expected = SLOPES.double() / torch.tensor([1, SHORT, SHORT, SHORT], dtype=torch.float64)
    torch.testing.assert_close(slopes, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("how", ["no data", "no weight"])
def test_pixels_that_do_not_count(how):
    """Of three images, one is absurd where there is no data, or no weight."""
    plain = made_up()
    plain = dataclasses.replace(plain, images=linear(plain.features, SLOPES, 0.25))
    alone = plain.part(np.array([True, True, False]))
    features, images, weights = (tensor.clone() for tensor in (plain.features, plain.images, plain.weights))
    features[2] = 1e4
    images[2] = torch.nan if how == "no data" else 1e4
    weights[2] = 1 if how == "no data" else 0
    for one, other in zip(
        fit(alone), fit(Sample(plain.rows, plain.rotations, features, images, weights, plain.penalty)), strict=True
    ):
        torch.testing.assert_close(one[0], other[0])
        assert one[1] == pytest.approx(other[1])


def test_weights_are_relative():
    plain = made_up()
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=plain.images.shape)).float()
    sample = dataclasses.replace(plain, images=noise, weights=torch.rand(plain.images.shape))
    for one, other in zip(fit(sample), fit(dataclasses.replace(sample, weights=8 * sample.weights)), strict=True):
        torch.testing.assert_close(one[0], other[0])
        assert one[1] == pytest.approx(other[1])


def test_the_size_of_the_errors_is_found():
    """Errors that grow with one of the features."""
    plain = made_up(images=4, side=64)
    logarithms = -2 + 0.4 * plain.features[:, 1]
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=plain.images.shape)).float()
    sample = dataclasses.replace(plain, images=linear(plain.features, SLOPES, 0.25) + noise * logarithms.exp())
    _, (slopes, level) = fit(sample)
    np.testing.assert_allclose(slopes, [0, 0.4 / SHORT, 0, 0], atol=0.03)
    assert level == pytest.approx(-2, abs=0.05)


# -- Samples -----------------------------------------------------------------------------------------------------------


def test_samples_are_all_images_that_there_are(sample, model, store, scalings):
    frames = Store.open(store)
    assert sample.rows == list(ONLY[193])
    assert list(sample.rotations) == [2094, 2094, 2096, 2099]
    assert sample.rotations.dtype.kind == "i"
    network = model.network(CPU)
    for number, row in enumerate(sample.rows):
        expected = network.features(model.inputs(frames.field(row))[None])[0]
        torch.testing.assert_close(sample.features[number], expected)
        image = scalings[193].forward(make_images(make_field(row), BANDS)[193])
        np.testing.assert_allclose(sample.images[number], image, rtol=1e-5)
    assert sample.images[:, :3, :3].isnan().all()
    assert sample.features.isfinite().all()
    assert sample.weights.shape == sample.images.shape == (4, *GRID.shape)


def test_parts_of_samples(sample):
    part = sample.part(np.array([True, False, False, True]))
    assert (part.rows, list(part.rotations)) == ([0, 10], [2094, 2099])
    for name in ("features", "images", "weights"):
        torch.testing.assert_close(getattr(part, name), getattr(sample, name)[[0, 3]], equal_nan=True)


def predictions(sample, scaling):
    return {number: (image, deviation) for number, _, image, deviation in leave_one_out(sample, scaling)}


def test_images_are_predicted_from_other_rotations(sample, scalings):
    found = {number: others.rows for number, others, *_ in leave_one_out(sample, scalings[193])}
    assert found == {0: [6, 10], 1: [6, 10], 2: [0, 2, 10], 3: [0, 2, 6]}
    for image, deviation in predictions(sample, scalings[193]).values():
        assert image.shape == deviation.shape == GRID.shape
        assert np.isfinite(image).all()
        assert (deviation > 0).all()


@pytest.mark.parametrize("absurd", range(4))
def test_no_image_is_predicted_from_its_own_rotation(sample, scalings, absurd):
    """If an image is absurd, those of other rotations alone are predicted otherwise."""
    images = sample.images.clone()
    images[absurd] = 50 * torch.rand(GRID.shape)
    before = predictions(sample, scalings[193])
    after = predictions(dataclasses.replace(sample, images=images), scalings[193])
    for number, rotation in enumerate(sample.rotations):
        same = rotation == sample.rotations[absurd]
        for one, other in zip(before[number], after[number], strict=True):
            assert np.array_equal(one, other) == same


def test_images_without_others_are_left_out(sample, scalings):
    one_rotation = sample.part(np.array([True, True, False, False]))
    assert list(leave_one_out(one_rotation, scalings[193])) == []


def test_predictions_follow_what_there_is_to_find():
    """In a scaling without a stretch, they are the linear relation again."""
    plain = made_up()
    scaling = LinearScaling(0, 10)
    sample = dataclasses.replace(plain, images=linear(plain.features, SLOPES / 2, 0.0))
    expected = scaling.inverse(sample.images.numpy())
    for number, _, image, deviation in leave_one_out(sample, scaling):
        assert np.corrcoef(image.ravel(), expected[number].ravel())[0, 1] > 0.999
        # Nothing is known better than to about 0.004 of the scaled range, of which half is five DN/s.
        assert (deviation >= 5 * np.exp(-5.5) - 1e-6).all()


# -- More passbands ----------------------------------------------------------------------------------------------------


def test_passbands_come_in_ascending_order(extended, store):
    frames = Store.open(store)
    assert list(extended.image_scalings) == list(BANDS)
    assert extended.architecture["out_channels"] == 4
    assert extended.training_images == {171: 6, 193: 4, 211: 5, 1700: 3}
    assert list(extended.training_images) == list(extended.deviation_factors) == list(BANDS)
    assert extended.calibration == {band: f"epoch of {band}" for band in BANDS}
    assert extended.caveats == frames.caveats
    assert (extended.deviation_factors[171], extended.deviation_factors[211]) == (2.5, 1.5)


def test_other_passbands_stay_as_they_are(model, extended, store):
    frames = Store.open(store)
    for row in (1, 10):
        before, after = (one.run(frames.field(row), CPU) for one in (model, extended))
        assert (before.shape, after.shape) == ((4, *GRID.shape), (8, *GRID.shape))
        for number, band in enumerate(TRAINED_BANDS):
            place = BANDS.index(band)
            assert extended.image_scalings[band] == model.image_scalings[band]
            assert torch.equal(after[place], before[number])
            assert torch.equal(after[4 + place], before[2 + number])
    for name, tensor in model.state.items():
        if not name.startswith("read."):
            assert torch.equal(extended.state[name], tensor)
    # The model that is extended is left alone.
    assert list(model.image_scalings) == list(TRAINED_BANDS)


@pytest.mark.parametrize("band", ONLY)
def test_new_passbands_are_read_from_the_features(model, extended, store, scalings, band):
    frames = Store.open(store)
    (image, level), (logarithm, usual) = fit(read_sample(model, frames, band, scalings[band]))
    field = frames.field(11)
    features = model.network(CPU).features(model.inputs(field)[None])
    scaled = linear(features, image.float(), level)[0]
    deviation = linear(features, logarithm.float(), usual)[0].clamp(-5.5, -0.5).exp()
    expected = scalings[band].moments(scaled, deviation)

    polarized = dataclasses.replace(extended, unpolarized=False)
    images, deviations = polarized.outputs(polarized.run(field, CPU))
    place = BANDS.index(band)
    np.testing.assert_allclose(images[place].value, expected[0], rtol=1e-3)
    factor = extended.deviation_factors[band]
    np.testing.assert_allclose(deviations[place].value, factor * expected[1], rtol=1e-3)
    # They are images: brighter on the disk than off it.
    disk = GRID.radius < 1
    assert images[place][disk].mean() > 2 * images[place][~disk].mean()


@pytest.mark.parametrize("band", ONLY)
def test_new_factors_are_those_of_images_left_out(model, extended, store, scalings, band):
    frames = Store.open(store)
    errors = []
    for number, _, image, deviation in leave_one_out(read_sample(model, frames, band, scalings[band]), scalings[band]):
        observed = frames.images(ONLY[band][number], [band])[0]
        errors.append(standard_errors(image, deviation, observed)[GRID.radius < 1])
    assert len(errors) == len(ONLY[band])
    # Some pixels are beyond the end of the scaling.
    assert extended.deviation_factors[band] == pytest.approx(deviation_factor(np.concatenate(errors)), rel=0.05)


def test_extended_models_can_be_kept(extended, store, tmp_path):
    save_model(extended, tmp_path / "extended.safetensors")
    loaded = load_model(tmp_path / "extended.safetensors")
    assert loaded.record() == extended.record()
    field = Store.open(store).field(3)
    torch.testing.assert_close(loaded.run(field, CPU), extended.run(field, CPU), atol=0.05, rtol=0.05)


def test_without_scarce_passbands_only_the_order_changes(model, store):
    same = extend(model, Store.open(store), {})
    assert list(same.image_scalings) == sorted(TRAINED_BANDS)
    field = Store.open(store).field(3)
    assert torch.equal(same.run(field, CPU)[[1, 0, 3, 2]], model.run(field, CPU))


def test_what_is_found_out_after_training(config, store, tmp_path):
    """From a run to a model with all passbands."""
    train(config, tmp_path / "run")
    frames, split = Store.open(store), usable_split(config, Store.open(store))
    model = trained_model(tmp_path / "run", json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8")))
    assert list(model.image_scalings) == list(BANDS)
    assert list(split["train"]) == list(TRAINED)
    # All images of a scarce passband are read from, whatever part of the split they are in.
    assert model.training_images == {171: 6, 193: 4, 211: 6, 1700: 3}
    assert model.strongest_field == strongest_field(frames, split["train"])
    strengths = np.concatenate([np.abs(frames.field(row)[GRID.radius < 1]) for row in TRAINED])
    assert np.mean(strengths > model.strongest_field) == pytest.approx(1e-4, abs=3e-4)

    record = dataclasses.replace(model_record(config, frames), state=read_weights(tmp_path / "run"))
    watched = [*split["validation"], *split["gap"]]
    assert len(watched) == 4
    factors = find_factors(record, frames, watched)
    assert {band: model.deviation_factors[band] for band in TRAINED_BANDS} == factors
    assert list(model.deviation_factors) == list(BANDS)
    field = frames.field(4)
    assert torch.equal(model.run(field, CPU)[[2, 0]], record.run(field, CPU)[:2])


# -- Scores ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(model, extended, store, scalings):
    """Two that differ in their features."""
    other = extend(dataclasses.replace(untrained(model, 1), name="other"), Store.open(store), scalings)
    return [dataclasses.replace(extended, sha256="a" * 64), other]


@pytest.fixture(scope="module")
def scores(models, config):
    return score_left_out(models, config)


def test_every_model_is_scored_and_the_baselines_once(scores, models, store):
    assert scores.meta == {"provenance": "made up", "binning": 1, "models": {"shared": "a" * 64, "other": ""}}
    names = Store.open(store).frames["name"]
    baselines = set(BASELINES[:3])
    disk = scores[scores["region"] == "disk"]
    for band, rows in ONLY.items():
        for method in {"shared", "other"} | baselines:
            chosen = disk[(disk["passband"] == band) & (disk["method"] == method)]
            assert list(chosen["frame"]) == [str(names[row]) for row in rows]
    assert len(disk) == 5 * sum(map(len, ONLY.values()))
    assert set(scores["region"]) == {"disk", "central", "limb"}
    # Deviations are the models' alone.
    without = np.isin(scores["method"], list(baselines))
    assert np.isnan(scores["within_68"][without]).all()
    assert np.isfinite(scores["within_68"][~without]).all()


def test_scores_are_of_images_left_out(scores, model, extended, store, scalings):
    frames = Store.open(store)
    sample = read_sample(model, frames, 193, scalings[193])
    for number, _, image, deviation in leave_one_out(sample, scalings[193]):
        row = sample.rows[number]
        observed = frames.images(row, [193])[0]
        expected = score_pair(image, observed, 193, frames, row, deviation * extended.deviation_factors[193])
        for region, values in expected.items():
            (found,) = scores[
                (scores["passband"] == 193) & (scores["frame"] == str(frames.frames["name"][row]))
                & (scores["method"] == "shared") & (scores["region"] == region)
            ]  # fmt: skip
            np.testing.assert_allclose([found[name] for name in SCORES], values, rtol=1e-5, atol=1e-6)


def test_brightness_that_follows_the_field_is_found(scores):
    """Also by a network that has learnt nothing: its input is among its features."""
    disk = scores[(scores["region"] == "disk") & (scores["passband"] == 193)]
    means = {method: np.mean(disk["cc"][disk["method"] == method]) for method in set(disk["method"])}
    assert means["shared"] > means["climatology"] + 0.2
    assert means["power law"] > means["climatology"] + 0.2


def test_images_of_the_only_rotation_are_not_scored(models, config, tmp_path):
    """Nothing is left that they, or the baselines, could be made from."""
    make_store(tmp_path / "store", bands=BANDS, only={193: (0, 2), 1700: (0, 7)})
    table = score_left_out(models, {**config, "data": {**config["data"], "store": str(tmp_path / "store")}})
    assert set(table["passband"]) == {1700}


def without_deviations(model):
    architecture = {**model.architecture, "deviations": False}
    return dataclasses.replace(model, architecture=architecture, name="plain")


def test_mistakes_are_said_in_one_sentence(model, extended, config):
    def scarce(*bands):
        return {**config, "data": {**config["data"], "scarce": list(bands)}}

    for models, settings, message in (
        ([extended], scarce(), r"the configuration has no scarce passbands; give data\.scarce"),
        ([extended, model], config, r"the model shared has no passband 193; take it out of data\.scarce"),
        ([extended, without_deviations(extended)], config, "the model plain gives no deviations, so that nothing"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            score_left_out(models, settings)
        assert "\n" not in str(caught.value)


def test_images_left_out_are_scored_by_command(models, config, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"passbands": list(TRAINED_BANDS), "scarce": list(ONLY)}
    configure(tmp_path, config["data"]["store"], data=data)
    save_model(models[0], tmp_path / "shared.safetensors")
    score = ["score", "run.toml", "shared.safetensors", "--left-out"]
    assert main([*score, "--table", "t.rst", "--images", "i.ecsv"]) == 0
    assert "climatology" in capsys.readouterr().out
    assert "Scores of images left out, whole disk, with 95 % intervals" in (tmp_path / "t.rst").read_text("utf-8")
    assert len(Table.read("i.ecsv")) == 4 * 3 * sum(map(len, ONLY.values()))

    assert main([*score, "--reliability", "r.ecsv"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("--reliability is of the frames held out; leave out either it or --left-out")
    configure(tmp_path, config["data"]["store"], data={"passbands": list(TRAINED_BANDS)})
    assert main(score) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line == "mag2euv: error: the configuration has no scarce passbands; give data.scarce"
