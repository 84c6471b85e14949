"""The validity report: shares counted by hand, and what reaches headers, files and warnings."""

import dataclasses

import asdf
import numpy as np
import pytest
from aia_images import make_aia

import astropy.units as u
import sunpy.map
from astropy.io import fits
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.preparation import PreparedField, prepare
from sunpy_mag2euv.sensitivity import Correction
from sunpy_mag2euv.translation import PreparedImages
from sunpy_mag2euv.validity import FieldValidity, ImageValidity, assess, assess_images, disk_level

KEYWORDS = {
    "validity", "strong", "maxfield", "offlimb", "hmiscale", "coarse", "ntrain", "zerolev", "meanfld", "medfield",
    "badpix", "view_mm",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_model):
    """The tiny model with a record that tests can count on: 211 Å alone is scarce."""
    return dataclasses.replace(
        tiny_model,
        valid_radius=1.25,
        strongest_field=1500.0,
        training_images={193: 131, 211: 3},
        caveats={211: "the weights rest on 3 training images of this passband"},
    )


@pytest.fixture
def field(model):
    """A function that makes a `PreparedField` with a field in gauss and everything else as it is for a full disk."""
    shape = model.grid.shape

    def field(values=0, known=None):
        # Where nothing else is asked for, noise as strong as the quiet Sun's.
        noise = 3 * (np.indices(shape).sum(axis=0) % 3 - 1)
        values = np.where(np.equal(values, 0), noise, values).astype(np.float32)
        known = np.ones(shape, dtype=bool) if known is None else known
        everything = tuple(slice(0, size) for size in shape)
        return PreparedField(values, known, everything, on_hmi_scale=True, coarseness=0.8)

    return field


@pytest.fixture(scope="module")
def quiet(make_magnetogram):
    """Two patches of up to 500 G."""
    return make_magnetogram()


@pytest.fixture(scope="module")
def strong(quiet):
    """The same Sun in wrong units: more than 1500 G in one per cent of the disk."""
    return sunpy.map.Map(10 * quiet.data, quiet.meta)


@pytest.fixture(scope="module")
def above_the_limb(make_magnetogram):
    """A cutout of which the disk fills less than a third."""
    return make_magnetogram(size=(60, 60), scale=5.0, offset=(-205, 0), off_limb=0)


def report(field, model, passband):
    """What is said against one image."""
    return assess(field, model, [passband])[passband]


def generate(magnetogram, passband, model):
    """The image and the sentences warned of."""
    with pytest.warns(SunpyUserWarning) as warned:
        image = mag2euv.generate(magnetogram, passband, model=model)
    return image, [str(warning.message) for warning in warned]


# -- assess ------------------------------------------------------------------------------------------------------------


def test_nothing_against_it(field, model):
    validity = report(field(), model, PASSBANDS[193])
    assert validity == FieldValidity(
        strong=0,
        strongest_field=1500,
        off_limb=pytest.approx(1 - 1 / 1.25**2, abs=0.001),
        on_hmi_scale=True,
        coarseness=0.8,
        view=pytest.approx(696 * np.pi**0.5, rel=1e-3),
        reach=14,
        zero_level=0,
        mean_strength=pytest.approx(2, abs=0.01),
        median_strength=3,
        training_images=131,
        caveat=None,
    )
    assert validity.concerns == ()
    assert validity.warnings() == []
    assert validity.header()["validity"] == "no known objection"


@pytest.mark.parametrize("sign", [1, -1])
def test_strong_field_is_counted_on_the_disk_where_it_is_known(field, model, sign):
    disk = model.grid.radius < 1
    values = np.zeros(model.grid.shape)
    values[120:130, 100:150] = sign * 1501
    values[:5] = sign * 9000  # off the limb
    assert report(field(values), model, PASSBANDS[193]).strong == 500 / disk.sum()

    known = np.ones(model.grid.shape, dtype=bool)
    known[:, :125] = False
    validity = report(field(values, known=known), model, PASSBANDS[193])
    assert validity.strong == 250 / (disk & known).sum()


def test_the_limit_itself_is_not_stronger_than_the_limit(field, model):
    assert report(field(1500), model, PASSBANDS[193]).strong == 0
    assert report(field(1501), model, PASSBANDS[193]).strong == 1


def test_a_few_strong_pixels_are_no_concern(field, model):
    count = np.count_nonzero(model.grid.radius < 1) // 1000
    values = np.zeros(model.grid.shape)
    values[128, 100 : 100 + count] = 2000
    validity = report(field(values), model, PASSBANDS[193])
    assert 0 < validity.header()["strong"] < 1e-3
    assert validity.concerns == ()
    values[128, 100 + count] = 2000
    assert report(field(values), model, PASSBANDS[193]).concerns == ("strong field",)


def test_no_field_is_too_strong_for_a_model_that_does_not_say(field, model):
    values = np.zeros(model.grid.shape)
    values[120:130, 100:150] = 5000
    assert report(field(values), model, PASSBANDS[193]).concerns == ("strong field",)
    validity = report(field(values), dataclasses.replace(model, strongest_field=float("inf")), PASSBANDS[193])
    assert validity.concerns == ()
    # FITS has no infinity, and a share of 0 would claim what nobody knows.
    assert not {"strong", "maxfield"} & set(validity.header())


@pytest.mark.parametrize(
    ("change", "concerns"),
    [
        (lambda values: values + 1.9, ()),
        (lambda values: values + 10, ("zero level",)),
        (lambda values: values - 2.1, ("zero level",)),
        (lambda values: values * 3, ("strong field",)),
        (lambda values: values * 1.7, ()),
        (lambda values: values * 0.51, ()),
        (lambda values: values * 0.49, ("weak field",)),
        (lambda values: values * 0, ("weak field",)),
        (lambda values: values * 1e-3, ("weak field",)),
        (lambda values: values * 10 + 30, ("zero level", "strong field")),
    ],
)
def test_levels_that_the_sun_does_not_have(field, model, change, concerns):
    """The noise has a mean strength of 2 G and a median of 3 G."""
    prepared = field()
    prepared = dataclasses.replace(prepared, values=change(prepared.values))
    validity = report(prepared, model, PASSBANDS[193])
    assert validity.concerns == concerns
    assert validity.header()["zerolev"] == pytest.approx(np.median(change(np.float32(0))), abs=1e-3)


def test_levels_are_those_of_coarse_pixels(field, model):
    """Noise of finer ones averages out, so that it does not matter how many there are."""
    fine = dataclasses.replace(model, grid=Grid((1024, 1024), 392.0))
    values = np.kron(field().values, np.ones((4, 4))) + 100 * (-1) ** np.indices((1024, 1024)).sum(axis=0)
    prepared = PreparedField(values, np.ones((1024, 1024), dtype=bool), 2 * (slice(0, 1024),), True, 0.8)
    validity, coarse = report(prepared, fine, PASSBANDS[193]), report(field(), model, PASSBANDS[193])
    assert validity.mean_strength == pytest.approx(coarse.mean_strength, rel=0.01)
    assert (validity.zero_level, validity.median_strength) == (0, 3)


def test_a_cutout_has_no_level(field, model):
    known = np.ones(model.grid.shape, dtype=bool)
    high = field().values + 50
    # Of half of the disk, it can be told.
    known[:, :110] = False
    prepared = dataclasses.replace(field(known=known), values=high)
    assert report(prepared, model, PASSBANDS[193]).concerns == ("zero level",)
    known[:, :140] = False
    validity = report(dataclasses.replace(field(known=known), values=high), model, PASSBANDS[193])
    assert validity.concerns == ()
    assert validity.header()["meanfld"] == pytest.approx(50, abs=0.01)
    assert "zerolev" not in validity.header()
    # Weaker than the Sun it cannot be anywhere.
    assert report(field(1e-3, known=known), model, PASSBANDS[193]).concerns == ("weak field",)
    # Some pixels say nothing.
    known[:, 143:] = False
    known[:125] = known[130:] = False
    assert not {"meanfld", "medfield"} & set(report(field(1e-3, known=known), model, PASSBANDS[193]).header())


def test_what_is_said_against_the_magnetogram_itself(field, model):
    prepared = dataclasses.replace(field(), impossible=5, objections={"impossible field": "five pixels are not"})
    validity = report(prepared, model, PASSBANDS[193])
    assert validity.header()["validity"] == "caution: impossible field"
    assert validity.header()["badpix"] == 5
    assert validity.warnings() == ["five pixels are not"]


@pytest.fixture(scope="module")
def two_scales(model):
    """The model as if its network saw blocks of 4 × 4 pixels in the large."""
    return dataclasses.replace(model, architecture={**model.architecture, "block": 4})


def test_strong_fields_are_those_of_blocks_for_models_of_two_scales(field, model, two_scales):
    blocks = np.count_nonzero(model.grid.binned(4).radius < 0.9), np.count_nonzero(model.grid.radius < 1) / 16
    values = np.zeros(model.grid.shape)
    # A block of its own, and two pixels that make another one as strong on average.
    values[120:124, 100:104] = 1501
    values[120, 120:122] = -8 * 1501
    # Single pixels are not what the model knows of, nor are fields of both signs that balance.
    values[130:134, 130] = 5000
    values[140:144, 140:142], values[140:144, 142:144] = 6000, -6000
    share = report(field(values), two_scales, PASSBANDS[193]).strong
    assert 2 / blocks[1] < share < 2 / blocks[0]
    pixels = report(field(values), model, PASSBANDS[193]).strong
    assert pixels == (16 + 2 + 4 + 16) / np.count_nonzero(model.grid.radius < 1)
    # Such a block at the limit itself is not above it.
    values[120:124, 100:104] = 1500
    assert report(field(values), two_scales, PASSBANDS[193]).strong == share / 2


def test_blocks_count_where_all_of_them_is_known_and_on_the_disk(field, model, two_scales):
    radius = model.grid.radius
    values = np.where(radius < 1, 9000, 0)
    inside = np.all(np.reshape(radius < 1, (64, 4, 64, 4)), axis=(1, 3))
    assert report(field(values), two_scales, PASSBANDS[193]).strong == 1
    # What is strong next to the limb only is in no block that counts.
    edge = ~np.kron(inside, np.ones((4, 4), dtype=bool))
    assert (edge & (radius < 1)).any()
    assert report(field(values * edge), two_scales, PASSBANDS[193]).strong == 0
    # Of the blocks in the middle, one pixel is not known.
    values = np.zeros(model.grid.shape)
    values[120:124, 100:116] = 9000
    known = np.ones(model.grid.shape, dtype=bool)
    assert report(field(values, known), two_scales, PASSBANDS[193]).strong == 4 / np.count_nonzero(inside)
    known[121, 101] = known[122, 109] = False
    assert report(field(values, known), two_scales, PASSBANDS[193]).strong == 2 / (np.count_nonzero(inside) - 2)
    # The share of the image off the limb is one of pixels all the same.
    assert report(field(), two_scales, PASSBANDS[193]).off_limb == report(field(), model, PASSBANDS[193]).off_limb


def test_off_limb_pixels_are_counted_where_the_image_has_values(field, model):
    radius = model.grid.radius
    known = np.ones(model.grid.shape, dtype=bool)
    known[:, :180] = False
    expected = np.count_nonzero(known & (radius >= 1) & (radius <= 1.25)) / np.count_nonzero(known & (radius <= 1.25))
    assert expected > 0.4
    assert report(field(known=known), model, PASSBANDS[193]).off_limb == expected


def test_off_limb_is_a_concern_if_most_of_the_image_is(field, model):
    validity = report(field(), model, PASSBANDS[193])
    assert dataclasses.replace(validity, off_limb=0.5).concerns == ()
    assert dataclasses.replace(validity, off_limb=0.51).concerns == ("off limb",)


@pytest.mark.parametrize("coarseness", [0.05, 1.0, 1.05, 1.2, 4.0])
def test_coarse_input(field, model, coarseness):
    validity = report(dataclasses.replace(field(), coarseness=coarseness), model, PASSBANDS[193])
    assert validity.header()["coarse"] == validity.coarseness == coarseness
    assert validity.concerns == (("coarse input",) if coarseness > 1.1 else ())
    if coarseness > 1.1:
        (sentence,) = validity.warnings()
        assert f"the magnetogram resolves {coarseness:.1f} times less than the model's grid" in sentence


def test_an_image_without_any_value(field, model):
    validity = report(field(known=np.zeros(model.grid.shape, dtype=bool)), model, PASSBANDS[193])
    assert (validity.strong, validity.off_limb) == (0, 0)


def test_scarce_passband(field, model):
    validity = report(field(), model, PASSBANDS[211])
    assert validity.training_images == 3
    assert validity.concerns == ("scarce passband",)
    assert validity.warnings() == ["211 Å: the weights rest on 3 training images of this passband"]


def test_a_model_that_does_not_count_its_images(field, model):
    validity = report(field(), dataclasses.replace(model, training_images={}), PASSBANDS[193])
    assert validity.training_images is None
    assert "ntrain" not in validity.header()


@pytest.mark.parametrize(("instrument", "known"), [("HMI_SIDE1", True), ("MDI", True), ("GONG", True), ("SPMG", False)])
def test_instrument(make_magnetogram, model, instrument, known):
    magnetogram = make_magnetogram(instrument=instrument, telescop=None)
    if known:
        field = prepare(magnetogram, model.grid)
    else:
        with pytest.warns(SunpyUserWarning, match="no conversion to HMI's field scale is known for SPMG"):
            field = prepare(magnetogram, model.grid)
    validity = report(field, model, PASSBANDS[193])
    assert validity.on_hmi_scale is validity.header()["hmiscale"] is known
    assert validity.concerns == (() if known else ("unknown instrument",))
    assert validity.warnings() == []  # `prepare` has said it


# -- assess_images -----------------------------------------------------------------------------------------------------


def report_images(images, model, passband):
    """What is said against one image."""
    return assess_images(images, model, [passband])[passband]


@pytest.fixture(scope="module")
def translator(tiny_translator):
    """The tiny translator with a record that tests can count on."""
    return dataclasses.replace(
        tiny_translator,
        valid_radius=1.25,
        levels={171: 200.0, 304: 50.0},
        training_images={335: 131, 211: 3},
        caveats={211: "the weights rest on 3 training images of this passband"},
    )


@pytest.fixture
def images(translator):
    """A function that makes `PreparedImages` of images in DN/s by passband, for a full disk unless it is told."""

    def images(values, seen=None):
        shape = translator.grid.shape
        values = {band: np.broadcast_to(np.float32(image), shape) for band, image in values.items()}
        seen = np.ones(shape, dtype=bool) if seen is None else seen
        return PreparedImages(values, seen=seen, known=seen)

    return images


def test_nothing_against_a_translation(images, translator):
    validity = report_images(images({304: 50, 171: 200, 131: 10}), translator, PASSBANDS[335])
    assert validity == ImageValidity(
        known={131: 1, 171: 1, 304: 1},
        bright={131: 0, 171: 0, 304: 0},
        factors={171: 1, 304: 1},
        training_images=131,
        caveat=None,
    )
    assert validity.concerns == ()
    assert validity.warnings() == []
    assert validity.header() == {"validity": "no known objection", "inputs": "131 171 304", "ntrain": 131}


def test_bright_inputs(images, translator):
    """They are counted on the disk, in the field of view and where they are known."""
    disk = translator.grid.radius < 1
    high = translator.input_scalings[171].high
    values = np.full(disk.shape, 200.0)
    values[120:130, 100:150] = high
    values[:5] = high  # off the limb
    values[125:, 125:] = np.nan
    expected = 375 / np.count_nonzero(disk & np.isfinite(values))
    validity = report_images(images({171: values, 304: 50}), translator, PASSBANDS[335])
    assert validity.bright == {171: expected, 304: 0}
    assert validity.concerns == ("bright input",)
    (sentence,) = validity.warnings()
    assert (
        f"there is more light than in training, as in flares, in part of the disk in view (171 Å: {expected:.1%})"
        in sentence
    )

    seen = np.zeros(disk.shape, dtype=bool)
    seen[115:135, 100:140] = True
    values = np.where(values == high, np.float32(high), 200)
    assert report_images(images({171: values}, seen), translator, PASSBANDS[335]).bright == {171: 325 / 800}
    values = np.where(values == high, np.nextafter(np.float32(high), np.float32(0)), values)
    assert report_images(images({171: values}), translator, PASSBANDS[335]).bright == {171: 0}


def test_a_few_bright_pixels_are_no_concern(images, translator):
    count = np.count_nonzero(translator.grid.radius < 1) // 1000
    values = np.full(translator.grid.shape, 200.0)
    values[128, 100 : 100 + count] = 1e4
    assert report_images(images({171: values}), translator, PASSBANDS[335]).concerns == ()
    values[128, 100 + count] = 1e4
    assert report_images(images({171: values}), translator, PASSBANDS[335]).concerns == ("bright input",)


@pytest.mark.parametrize(
    ("level", "factor"), [(50, None), (17, None), (149, None), (16, "0.32 times"), (151, "3 times"), (5, "0.1 times")]
)
def test_level_of_an_input(images, translator, level, factor):
    # A few bright pixels do not matter to a median.
    values = np.full(translator.grid.shape, level)
    values[128, 128:130] = 300
    validity = report_images(images({171: 200, 304: values}), translator, PASSBANDS[335])
    assert validity.factors == {171: 1, 304: pytest.approx(level / 50)}
    if factor is None:
        assert validity.concerns == ()
    else:
        assert validity.header()["validity"] == "caution: input level"
        (sentence,) = validity.warnings()
        assert sentence.startswith(f"the disk has another brightness than in training (304 Å: {factor})")
        assert "aiapy.calibrate.correct_degradation" in sentence


@pytest.mark.parametrize("level", [200, 5000], ids=["known around", "bright around"])
def test_saturated_pixels_are_bright(images, translator, level):
    """They are unknown, and do not hide what they are a part of."""
    disk = translator.grid.radius < 1
    saturated = np.zeros(translator.grid.shape, dtype=bool)
    saturated[100:120, 100:120] = True
    values = np.where(saturated, np.nan, np.where(disk, level, 0))
    prepared = dataclasses.replace(images({171: values, 304: 50}), saturated={171: saturated})
    validity = report_images(prepared, translator, PASSBANDS[335])
    assert validity.bright == {171: 400 / disk.sum() if level == 200 else 1, 304: 0}
    assert validity.saturated == {171: 400 / np.count_nonzero(translator.valid)}
    assert validity.concerns[:2] == ("bright input", "saturated input")
    assert validity.header()["saturate"] == "171"
    assert validity.warnings()[1].startswith("some inputs have saturated pixels (share of the field of view: 171 Å: 0")


def test_saturated_pixels_elsewhere_are_no_concern(images, translator):
    seen, saturated = (np.zeros(translator.grid.shape, dtype=bool) for _ in range(2))
    seen[120:140, 100:120] = saturated[30:40, 100:120] = True
    prepared = dataclasses.replace(images({171: 200}, seen), saturated={171: saturated})
    validity = report_images(prepared, translator, PASSBANDS[335])
    assert (validity.saturated, validity.concerns) == ({}, ())
    assert "saturate" not in validity.header()


def test_what_else_is_said_of_inputs(images, translator):
    """What was found when they were brought to the grid."""
    prepared = dataclasses.replace(
        images({171: 200, 304: 50}),
        impossible={171: 7},
        coarseness={171: 0.3, 304: 2.0},
        qualities={304: "it is dark"},
    )
    validity = report_images(prepared, translator, PASSBANDS[335])
    assert validity.concerns == ("impossible input", "quality", "coarse input")
    assert validity.warnings() == [
        "some inputs have numbers that AIA cannot have recorded (171 Å: 7 pixels), as files have for missing pixels; "
        "they count as unknown: check how the files were read",
        "some inputs may be wrong (304 Å: it is dark): take images of another time",
        "some inputs resolve less than the model's grid (304 Å: 2.0 times), so fine structure in the image is smoothed "
        "away or guessed: do not rely on it, or take images that resolve more",
    ]
    assert validity.header() == {
        "validity": "caution: impossible input, quality, coarse input",
        "inputs": "171 304",
        "badpix": 7,
        "coarse": 2.0,
        "ntrain": validity.training_images,
    }


def test_level_is_that_of_the_whole_disk(images, translator):
    values = np.full(translator.grid.shape, 5.0)
    values[:, 125:] = np.nan
    assert report_images(images({304: values}), translator, PASSBANDS[335]).factors == {}
    # If the first image is a cutout, another may have all of the disk.
    seen = np.zeros(translator.grid.shape, dtype=bool)
    seen[100:120, 100:120] = True
    validity = report_images(images({171: np.where(seen, 200, np.nan), 304: 5}, seen), translator, PASSBANDS[335])
    assert validity.factors == {304: pytest.approx(0.1)}


@pytest.fixture
def brought(images):
    """A function that makes `PreparedImages` which were brought to an epoch, by the corrections of their passbands."""

    def brought(corrections):
        return dataclasses.replace(images({171: 200, 304: 50, 131: 10}), corrections=corrections)

    return brought


def test_known_levels_are_no_concern(brought, translator):
    corrections = {304: Correction(0.3, "from one to another"), 171: Correction(1.0, "from where it is already")}
    validity = report_images(brought(corrections), translator, PASSBANDS[335])
    assert validity.header()["validity"] == "no known objection"
    assert list(validity.corrections) == [171, 304]


def test_unknown_and_extrapolated_levels(brought, translator):
    corrections = {
        304: Correction(0.03, "AIA is not what it was", known=False),
        171: Correction(None, "nobody knows", known=False),
        131: Correction(0.5, "from old to new, which is extrapolated from 2017-12-10 on", extrapolated=True),
    }
    validity = report_images(brought(corrections), translator, PASSBANDS[335])
    assert validity.header()["validity"] == "caution: unknown level, extrapolated level"
    unknown, extrapolated = validity.warnings()
    assert unknown.startswith(
        "the level of some inputs is not known (171 Å: left as taken, 304 Å: scaled to the level of training), since "
        "nobody knows: give a newer table as correction_table, or correct the image by other means, and say with map.me"
    )
    assert extrapolated.startswith(
        "some inputs (131 Å) are brought from old to new, which is extrapolated from 2017-12-10 on: give a newer table"
    )


def test_a_level_that_is_off_although_it_was_corrected(images, translator):
    """Then it is no good to say that it should be corrected."""
    faint = dataclasses.replace(images({304: 5}), corrections={304: Correction(0.3, "from one to another")})
    (sentence,) = report_images(faint, translator, PASSBANDS[335]).warnings()
    assert sentence == (
        "the disk has another brightness than in training (304 Å: 0.1 times): check the inputs' units and exposure "
        "times, and say with map.meta['degepoch'] = 'launch' of one whose loss of sensitivity has been corrected "
        "already"
    )


def test_the_level_of_a_disk(translator):
    grid = translator.grid
    image = np.where(grid.radius < 1, grid.radius, 1e6)
    assert disk_level(image, grid) == pytest.approx(np.sqrt(0.5), abs=0.01)
    image[:, 125:] = np.nan
    assert disk_level(image, grid) is None


def test_partial_input(images, translator):
    left, right = (np.full(translator.grid.shape, 50.0) for _ in range(2))
    left[:, 127:] = np.nan
    right[:, :126] = np.nan
    validity = report_images(images({304: left, 131: right}), translator, PASSBANDS[335])
    seen = translator.valid
    assert validity.known[304] == np.count_nonzero(seen & np.isfinite(left)) / np.count_nonzero(seen) < 0.5
    assert validity.known[131] > 0.5
    assert validity.concerns == ("partial input",)
    assert "in less than half of the first one's field of view (304 Å: 49%)" in validity.warnings()[0]
    # Of the left half it has everything.
    seen = np.isfinite(left)
    assert report_images(images({304: left}, seen), translator, PASSBANDS[335]).known == {304: 1}


def test_scarce_passband_of_a_translation(images, translator):
    validity = report_images(images({304: 50}), translator, PASSBANDS[211])
    assert validity.header() == {"validity": "caution: scarce passband", "inputs": "304", "ntrain": 3}
    assert validity.warnings() == ["211 Å: the weights rest on 3 training images of this passband"]


# -- Words and keywords ------------------------------------------------------------------------------------------------


@pytest.fixture
def worst():
    return FieldValidity(
        strong=0.0234567,
        strongest_field=1500.0,
        off_limb=2 / 3,
        on_hmi_scale=False,
        coarseness=1.30637,
        zero_level=-2.00049,
        mean_strength=0.99951,
        median_strength=2.5,
        impossible=12,
        objections={"no orientation": "it does not say", "quality": "it is dark"},
        training_images=3,
        caveat="211 Å: too few",
    )


def test_header_of_the_worst(worst):
    assert worst.header() == {
        "validity": "caution: no orientation, quality, zero level, weak field, strong field, off limb, coarse input, "
        "unknown instrument, scarce passband",
        "zerolev": -2.0,
        "meanfld": 1.0,
        "medfield": 2.5,
        "badpix": 12,
        "strong": 0.023457,
        "maxfield": 1500.0,
        "offlimb": 0.666667,
        "hmiscale": False,
        "coarse": 1.306,
        "ntrain": 3,
    }


def test_header_is_plain_fits(worst, tmp_path):
    worst = dataclasses.replace(worst, view=178.4, reach=227.0)
    assert set(worst.header()) == KEYWORDS
    # All reasons together take more than a card, which is no reason to lose any.
    fits.PrimaryHDU(header=fits.Header(worst.header())).writeto(tmp_path / "header.fits")
    assert fits.getheader(tmp_path / "header.fits")["validity"] == worst.header()["validity"]
    for keyword, value in (
        dataclasses.replace(worst, on_hmi_scale=True, objections={}, zero_level=0.0, mean_strength=2.0, view=1e4)
        .header()
        .items()
    ):
        card = fits.Card(keyword.upper(), value)
        card.verify("exception")
        assert len(card.image) == 80, keyword  # one card, without CONTINUE or HIERARCH
        assert fits.Card.fromstring(card.image).value == value


def test_header_of_the_worst_translation(tmp_path):
    worst = ImageValidity(
        known=dict.fromkeys(PASSBANDS, 0.1),
        bright=dict.fromkeys(PASSBANDS, 0.1),
        factors=dict.fromkeys(PASSBANDS, 0.1),
        training_images=3,
        caveat="211 Å: too few",
    )
    # With what cannot be said of all passbands at once
    leveled = dataclasses.replace(
        worst, corrections={94: Correction(0.9, "on", extrapolated=True), 304: Correction(None, "why", known=False)}
    )
    assert leveled.header() == worst.header() | {
        "validity": "caution: bright input, input level, unknown level, extrapolated level, partial input, "
        "scarce passband"
    }
    # More than a card holds, which is no reason to lose any.
    fits.PrimaryHDU(header=fits.Header(leveled.header())).writeto(tmp_path / "header.fits")
    assert fits.getheader(tmp_path / "header.fits")["validity"] == leveled.header()["validity"]
    assert worst.header() == {
        "validity": "caution: bright input, input level, partial input, scarce passband",
        "inputs": "94 131 171 193 211 304 335 1600 1700",
        "ntrain": 3,
    }
    for keyword, value in worst.header().items():
        card = fits.Card(keyword.upper(), value)
        card.verify("exception")
        assert len(card.image) == 80, keyword
    assert len(worst.warnings()) == 4
    assert worst.warnings()[1].startswith(
        "the disk has another brightness than in training (94 Å: 0.1 times, 131 Å: 0.1 times,"
    )


def test_warnings_of_the_worst(worst):
    orientation, quality, zero, weak, strong, off_limb, coarse, scarce = worst.warnings()
    assert (orientation, quality) == ("it does not say", "it is dark")
    assert zero.startswith("the field's median on the disk is -2.0 G, which is nought on the Sun: subtract it")
    assert weak.startswith("the field's strength is 1 G on the mean, and less than 2.5 G in half of the disk in view")
    assert strong.startswith("the field is above 1500 G, stronger than in training, in 2.3 per cent of the disk")
    assert off_limb.startswith("67 per cent of the image lies off the limb, where there is no field to answer to: take")
    assert coarse.startswith("the magnetogram resolves 1.3 times less than the model's grid, so fine structure in the")
    assert scarce == "211 Å: too few"
    assert "in 100.0 per cent of the disk in view" in dataclasses.replace(worst, strong=1.0).warnings()[4]


# -- In images ---------------------------------------------------------------------------------------------------------


def test_a_quiet_magnetogram_is_good(quiet, model, recwarn):
    meta = mag2euv.generate(quiet, 193, model=model).meta
    assert meta["validity"] == "no known objection"
    assert meta["strong"] == 0
    assert meta["maxfield"] == 1500
    assert meta["offlimb"] == pytest.approx(0.36, abs=0.001)
    assert meta["hmiscale"] is True
    assert meta["coarse"] == pytest.approx(98 / (0.45 * 256), abs=0.001)
    assert meta["ntrain"] == 131
    assert [str(warning.message) for warning in recwarn] == []


def test_a_strong_magnetogram_warns(strong, model):
    image, sentences = generate(strong, 193, model)
    (sentence,) = sentences
    assert "the field is above 1500 G, stronger than in training, in 1.2 per cent of the disk in view:" in sentence
    assert image.meta["validity"] == "caution: strong field"
    # Both patches exceed 1500 G out to the radius at which a Gaussian has fallen to 1500 / 5000.
    expected = 2 * 0.05**2 * 2 * np.log(5000 / 1500)
    assert image.meta["strong"] == pytest.approx(expected, rel=0.05)


def test_mostly_off_the_limb_warns(above_the_limb, model):
    image, (sentence,) = generate(above_the_limb, 193, model)
    known, radius = np.isfinite(image.data), model.grid.radius
    field = prepare(above_the_limb, model.grid)
    expected = np.count_nonzero(known & (radius[field.window] >= 1)) / np.count_nonzero(known)
    assert 0.5 < expected < 1
    assert image.meta["offlimb"] == pytest.approx(expected, abs=1e-6)
    assert image.meta["validity"] == "caution: off limb"
    assert f"{100 * expected:.0f} per cent of the image lies off the limb" in sentence


def test_a_cutout_on_the_disk_is_good(make_magnetogram, model, recwarn):
    quiet = make_magnetogram(lambda x, y: 8 * np.sin(60 * x) * np.sin(50 * y), size=(60, 60), scale=5.0)
    image = mag2euv.generate(quiet, 193, model=model)
    assert image.meta["validity"] == "no known objection"
    assert image.meta["offlimb"] == 0
    assert len(recwarn) == 0


def test_a_coarse_magnetogram_warns(make_magnetogram, model):
    image, (sentence,) = generate(make_magnetogram(size=128), 193, model)
    assert "the magnetogram resolves 1.7 times less than the model's grid" in sentence
    assert image.meta["validity"] == "caution: coarse input"
    assert image.meta["coarse"] == pytest.approx(98 / (0.45 * 128), abs=0.001)


def test_unknown_instrument_warns_once(make_magnetogram, model):
    image, (sentence,) = generate(make_magnetogram(instrument="SPMG"), 193, model)
    assert "no conversion to HMI's field scale is known for SPMG" in sentence
    assert image.meta["hmiscale"] is False
    assert image.meta["validity"] == "caution: unknown instrument"


def test_every_cause_is_named_once(strong, model):
    images, sentences = generate(strong, [171, 193, 211], model)
    assert [sentence.split()[0] for sentence in sentences] == ["the", "211"]
    assert [image.meta["validity"] for image in images] == [
        "caution: strong field",
        "caution: strong field",
        "caution: strong field, scarce passband",
    ]
    assert [image.meta.get("ntrain") for image in images] == [None, 131, 3]


def test_warns_before_the_network_runs(strong, model, monkeypatch):
    monkeypatch.setattr(type(model), "run", lambda *args: pytest.fail("a network was run"))
    with pytest.raises(SunpyUserWarning, match="stronger than in training"):  # warnings are errors here
        mag2euv.generate(strong, 193, model=model)


def test_translations_carry_it(translator):
    faint = make_aia(lambda x, y: 10 + 1e-3 * x, wavelength=304)
    with pytest.warns(SunpyUserWarning) as warned:
        images = mag2euv.translate(faint, [335, 211], model=translator)
    level, scarce = (str(warning.message) for warning in warned)
    assert level.startswith("the disk has another brightness than in training (304 Å: 0.2 times)")
    assert scarce.startswith("211 Å: ")
    assert [image.meta["validity"] for image in images] == [
        "caution: input level",
        "caution: input level, scarce passband",
    ]
    assert [image.meta["ntrain"] for image in images] == [131, 3]


def test_cubes_carry_it(strong, model):
    with pytest.warns(SunpyUserWarning, match="stronger than in training"):
        cube = mag2euv.generate_cube(strong, [171, 193], model=model)
    assert set(cube.meta["validity"]) == {"caution: strong field"}


def write_fits(image, folder):
    image.save(folder / "image.fits")
    return sunpy.map.Map(folder / "image.fits")


def write_asdf(image, folder):
    asdf.AsdfFile({"map": image}).write_to(folder / "image.asdf")
    with asdf.open(folder / "image.asdf", lazy_load=False) as file:
        return file["map"]


@pytest.mark.parametrize("round_trip", [write_fits, write_asdf])
def test_files_keep_it(strong, quiet, model, tmp_path, round_trip):
    for image in (mag2euv.generate(quiet, 193, model=model), generate(strong, 211, model)[0]):
        read = round_trip(image, tmp_path)
        assert set(read.meta) >= KEYWORDS - {"badpix"}
        for keyword in KEYWORDS & set(image.meta):
            assert read.meta[keyword] == image.meta[keyword], keyword
            assert type(read.meta[keyword]) is type(image.meta[keyword]), keyword
        assert read.unit == u.DN / u.s
        (tmp_path / "image.fits").unlink(missing_ok=True)
