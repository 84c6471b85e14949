import dataclasses

import numpy as np
import pytest
import torch
from training_store import BANDS, GRID, ROTATIONS, TRAINED, WATCHED, QuickStore, configure, make_images, make_store

from sunpy_mag2euv.metrics import bin_image, coverage, standard_errors
from sunpy_mag2euv.models import FieldModel, ImageModel
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.calibration import deviation_factor, factors_of, find_errors, find_factors
from sunpy_mag2euv.training.learning.config import model_record

#: In DN/s: how far off the images of `guesser` are, and how far off it says that they are.
OFF = {171: 30.0, 193: 10.0}
SAID = {171: 10.0, 193: 20.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Of the frames that are watched, the first lacks 193."""
    path = tmp_path_factory.mktemp("calibration") / "store"
    return make_store(path, only={193: [*TRAINED, *WATCHED[1:]]})


@pytest.fixture
def guesser(tmp_path, store):
    """A model without a network: the truth and normal errors, about whose size it is wrong."""

    class Guesser(FieldModel):
        asked = ()

        def run(self, field, device):
            object.__setattr__(self, "asked", (*self.asked, field))
            rng = np.random.default_rng(len(self.asked))
            images, planes = make_images(field), [[], []]
            for band, scaling in self.image_scalings.items():
                # Far from the ends of the scaling, so that nothing is cut.
                image = images[band] + rng.normal(0, OFF[band], GRID.shape)
                planes[0].append(scaling.forward(np.nan_to_num(image)))
                logarithm = np.log(SAID[band] * 2 / (scaling.high - scaling.low))
                planes[1].append(np.full(GRID.shape, logarithm))
            return torch.tensor(np.concatenate(planes))

    scalings = {str(band): {"kind": "linear", "low": -5000.0, "high": 5000.0} for band in BANDS}
    config = configure(tmp_path, "store")
    record = model_record({**config, "model": {**config["model"], "image_scaling": scalings}}, store)
    return Guesser(**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)})


@pytest.fixture(scope="module")
def errors():
    return np.random.default_rng(0).normal(0, 1, 100_000)


@pytest.mark.parametrize("size", [0.2, 1, 7])
def test_the_factor_of_normal_errors_is_their_size(errors, size):
    assert deviation_factor(size * errors) == pytest.approx(size, rel=0.01)
    assert deviation_factor(size * errors) == pytest.approx(size * deviation_factor(errors))


def test_the_factor_depends_on_neither_sign_nor_what_is_unknown(errors):
    expected = deviation_factor(errors)
    assert deviation_factor(np.abs(errors).reshape(100, -1)) == expected
    assert deviation_factor(np.append(errors, np.full(1000, np.nan))) == expected


def test_the_factor_is_between_what_either_share_needs(errors):
    """Of errors with long tails, 95 per cent need a larger factor than 68."""
    errors = errors**3
    factor = deviation_factor(errors)
    needed = [np.quantile(np.abs(errors), 0.6827), np.quantile(np.abs(errors), 0.95) / 1.96]
    assert needed[0] < factor < needed[1]
    # As far off as one share is, the other is to the other side.
    off = [coverage(errors / factor, share) - share for share in (0.6827, 0.95)]
    assert off[0] > 0.02
    assert off[1] == pytest.approx(-off[0], abs=1e-3)


def test_factors_of_odd_errors():
    assert deviation_factor(np.full(10, -3.0)) == pytest.approx(3, abs=1.5)
    assert deviation_factor(np.zeros(10)) == 0
    tiny = np.random.default_rng(0).normal(0, 1e-8, 1000)
    assert deviation_factor(np.append(tiny, 1e30)) == pytest.approx(1e-8, rel=0.1)


def test_factors_bring_deviations_to_what_they_should_hold(guesser, store):
    factors = find_factors(guesser, store, WATCHED)
    assert list(factors) == list(BANDS)
    for band in BANDS:
        assert factors[band] == pytest.approx(OFF[band] / SAID[band], rel=0.15)
    # Some frames have been set aside for this, and others are none the worse for it.
    before, after = (dataclasses.replace(guesser, deviation_factors=given) for given in ({}, factors))
    shares = []
    for model in (before, after):
        images, deviations = model.outputs(model.run(store.field(3), torch.device("cpu")))
        observed = store.images(3, BANDS)
        found = [standard_errors(*planes) for planes in zip(images.value, deviations.value, observed, strict=True)]
        shares.append([coverage(off, [0.6827, 0.95]) for off in found])
    np.testing.assert_allclose(shares[1], [[0.6827, 0.95]] * 2, atol=0.05)
    assert (np.array(shares[0][0]) < (0.4, 0.6)).all()
    assert (np.array(shares[0][1]) > (0.9, 0.99)).all()


def test_factors_that_there_are_do_not_matter(guesser, store):
    again = dataclasses.replace(guesser, deviation_factors={171: 5.0, 193: 0.1})
    assert find_factors(again, store, WATCHED) == find_factors(guesser, store, WATCHED)


def test_passbands_that_no_frame_has_get_no_factor(guesser, store):
    assert list(find_factors(guesser, store, WATCHED[:1])) == [171]
    assert find_factors(guesser, store, []) == {}
    assert list(find_factors(guesser, store, [WATCHED[0], TRAINED[0]])) == [171, 193]


def test_lower_limits_speak_only_against_what_is_below_them(guesser, store):
    """Of what is known only to be above something, too bright an image says nothing."""
    free = find_factors(guesser, store, WATCHED)
    limited = Store(store._group)
    limited.ceilings[WATCHED[0], limited.columns([171])] = 10
    fewer = find_factors(dataclasses.replace(guesser), limited, WATCHED)
    # In one of the two frames everything is brighter than that, and so are nearly all guesses.
    assert 0.4 * free[171] < fewer[171] < 0.8 * free[171]
    assert fewer[193] == free[193]


def test_only_the_disk_counts(guesser, tmp_path, store):
    make_store(tmp_path / "other")
    other = Store.open(tmp_path / "other", "r+")
    for row in WATCHED:
        images = {band: np.where(GRID.radius < 1, image, 1e6) for band, image in make_images(store.field(row)).items()}
        other.write(row, store.field(row), images)
    factors = find_factors(guesser, other, WATCHED)
    assert factors[171] == pytest.approx(OFF[171] / SAID[171], rel=0.15)


def test_not_every_frame_of_many_is_looked_at(guesser, store):
    """Frames next to each other show the same Sun."""
    rows = list(TRAINED) * 20
    find_factors(guesser, store, rows)
    assert len(guesser.asked) <= len(TRAINED)
    (first, *_) = guesser.asked
    np.testing.assert_array_equal(first, store.field(0))


# -- Blocks of pixels --------------------------------------------------------------------------------------------------


def guessed(guesser, store, row):
    """Image and deviation by passband of what a guesser makes of its first field."""
    output = dataclasses.replace(guesser).run(store.field(row), torch.device("cpu"))
    images, deviations = guesser.estimate(output)
    return {band: (images[number].numpy(), deviations[number].numpy()) for number, band in enumerate(BANDS)}


@pytest.mark.parametrize("block", [1, 2, 4])
def test_errors_of_blocks_are_those_of_means(guesser, store, block):
    errors = find_errors(guesser, store, WATCHED[1:], block)
    assert list(errors) == list(BANDS)
    disk = GRID.binned(block).radius < 1
    for band, (image, deviation) in guessed(guesser, store, WATCHED[1]).items():
        observed, image, deviation = (
            bin_image(plane, block) for plane in (store.images(WATCHED[1], [band])[0], image, deviation)
        )
        np.testing.assert_allclose(errors[band], ((observed - image) / deviation)[disk], rtol=1e-3, atol=1e-4)


def test_errors_are_of_pixels_unless_blocks_are_asked_for(guesser, store):
    errors = find_errors(dataclasses.replace(guesser), store, WATCHED)
    pixels = find_errors(dataclasses.replace(guesser), store, WATCHED, 1)
    factors = find_factors(dataclasses.replace(guesser), store, WATCHED)
    assert errors.keys() == pixels.keys() == factors.keys()
    for band, frames in ((171, 2), (193, 1)):
        np.testing.assert_array_equal(errors[band], pixels[band])
        assert errors[band].shape == (frames * np.count_nonzero(GRID.radius < 1),)
        assert factors[band] == deviation_factor(errors[band])


def test_errors_that_know_nothing_of_each_other_average_out(guesser, store):
    """Those of sixteen pixels leave a quarter."""
    factors = [factors_of(find_errors(dataclasses.replace(guesser), store, WATCHED, block)) for block in (1, 4)]
    for band in BANDS:
        assert factors[1][band] == pytest.approx(factors[0][band] / 4, rel=0.3)


def test_blocks_are_off_by_what_their_pixels_are_off(guesser, store):
    """Those with a lower limit by as much as they are at least, the others by what they are."""
    limited, row = Store(store._group), WATCHED[1]
    limited.ceilings[row, limited.columns([171])] = ceiling = 40.0
    errors = find_errors(guesser, limited, [row], 4)[171]
    observed, (image, deviation) = store.images(row, [171])[0], guessed(guesser, store, row)[171]
    limits = observed >= ceiling
    assert 0.05 < limits.mean() < 0.95
    # A guess above the ceiling matters where something darker was seen, and there only.
    assert (image > ceiling)[limits].any()
    assert (image > ceiling)[~limits].any()
    off = np.where(limits, ceiling - np.minimum(image, ceiling), observed - image)
    expected = bin_image(off, 4) / bin_image(deviation, 4)
    np.testing.assert_allclose(errors, expected[GRID.binned(4).radius < 1], rtol=1e-3, atol=1e-4)


def test_factors_of_errors_found_apart_are_of_all_of_them(errors):
    one, other = {193: errors[:1000], 94: errors[:10]}, {193: 5 * errors[1000:1500], 171: 2 * errors}
    factors = factors_of(one, other)
    assert list(factors) == [94, 171, 193]
    assert factors[193] == deviation_factor(np.concatenate([one[193], other[193]]))
    assert (factors[94], factors[171]) == (deviation_factor(one[94]), deviation_factor(other[171]))
    assert factors_of(one) == {94: deviation_factor(one[94]), 193: deviation_factor(one[193])}
    assert factors_of() == factors_of({}, {}) == {}


# -- Models that answer to images --------------------------------------------------------------------------------------

SETS = (131, 171, 193)

#: As above, with a third.
OFF_SETS, SAID_SETS = {131: 20.0, **OFF}, {131: 5.0, **SAID}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Sets of images without fields; 131 is among the first half of them only."""
    path = tmp_path_factory.mktemp("calibration") / "store"
    make_store(path, bands=SETS, fields=False, only={131: range(6)})
    return QuickStore.open(path)


@pytest.fixture
def image_guesser(tmp_path, sets):
    """Makes a model that knows what it is given, and makes errors in the rest, about whose size it is wrong."""

    class Guesser(ImageModel):
        asked = ()

        def run(self, given, device):
            object.__setattr__(self, "asked", (*self.asked, tuple(given)))
            rng = np.random.default_rng(len(self.asked))
            band, image = next(iter(given.items()))
            base, planes = image / (1 + SETS.index(band)), [[], []]
            for other, scaling in self.image_scalings.items():
                off = 0 if other in given else rng.normal(0, OFF_SETS[other], GRID.shape)
                planes[0].append(scaling.forward(np.nan_to_num(base) * (1 + SETS.index(other)) + off))
                planes[1].append(np.full(GRID.shape, np.log(SAID_SETS[other] * 2 / (scaling.high - scaling.low))))
            return torch.tensor(np.concatenate(planes))

    def make(inputs, passbands, planes):
        scalings = {str(band): {"kind": "linear", "low": -20000.0, "high": 20000.0} for band in SETS}
        network = {"kind": "shared-unet", "widths": [4, 8], "head": 4, "deviations": True}
        config = configure(
            tmp_path,
            "store",
            "translation",
            data={"inputs": inputs, "passbands": passbands},
            model={"planes": planes, "image_scaling": scalings, "network": network},
            augmentation={"window": 0.0},
        )
        record = model_record(config, sets)
        return Guesser(**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)})

    return make


def test_factors_of_translators_are_of_what_they_are_not_given(image_guesser, sets):
    """What they are given they know, and that would make the factors smaller."""
    guesser = image_guesser(SETS, SETS, ["image", "known"])
    factors = find_factors(guesser, sets, range(len(ROTATIONS)))
    assert list(factors) == list(SETS)
    for band in SETS:
        assert factors[band] == pytest.approx(OFF_SETS[band] / SAID_SETS[band], rel=0.1)
    # A fixed half of every set, and nothing else.
    assert len(guesser.asked) == len(ROTATIONS)
    assert {len(given) for given in guesser.asked} == {1}
    assert {band for (band,) in guesser.asked} == set(SETS)
    again = image_guesser(SETS, SETS, ["image", "known"])
    assert find_factors(again, sets, range(len(ROTATIONS))) == factors
    assert again.asked == guesser.asked


def test_factors_of_translators_that_need_all_their_inputs(image_guesser, sets):
    guesser = image_guesser((193, 131), (171,), ["image"])
    factors = find_factors(guesser, sets, range(6))
    assert list(factors) == [171]
    assert factors[171] == pytest.approx(OFF[171] / SAID[171], rel=0.1)
    assert guesser.asked == ((193, 131),) * 6


def test_passbands_that_no_set_asks_for_get_no_factor(image_guesser, sets):
    guesser = image_guesser(SETS, SETS, ["image", "known"])
    # Of two images, one is given.
    factors = find_factors(guesser, sets, [8])
    (given,) = guesser.asked
    assert {*factors, *given} == {171, 193}
    assert find_factors(guesser, sets, []) == {}
