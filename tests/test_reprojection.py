"""A synthetic Map on the pixels of another Map."""

import dataclasses

import asdf
import numpy as np
import pytest
from aia_images import make_aia, sun
from hypothesis import given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from sunpy.map.sources import AIAMap

import sunpy_mag2euv as mag2euv

#: Keywords that a synthetic image does not have, and that must not come from elsewhere.
FOREIGN = ("exptime", "lvl_num", "blank", "x0_mp", "r_sun", "crota2", "pixlunit", "quality", "haex_obs")


def synthetic_of(sun=sun, *, deviation=None, **keywords):
    """As a model would have made it, with a deviation in DN/s if that is given."""
    keywords = {
        "size": 128,
        "radius": 49.0,
        "degepoch": "launch",
        "validity": "good",
        "history": "SYNTHETIC",
    } | keywords
    image = make_aia(sun, instrume="AIA_SYNTHETIC", unit="DN / s", exposure=None, lvl_num=None, **keywords)
    if deviation is None:
        return image
    uncertainty = StdDevUncertainty(np.broadcast_to(deviation, image.data.shape).copy(), unit=u.DN / u.s)
    return sunpy.map.Map(image.data.astype(np.float32), image.meta, uncertainty=uncertainty)


@pytest.fixture(scope="module")
def synthetic():
    image = synthetic_of()
    return synthetic_of(deviation=image.data / 10)


@pytest.fixture(scope="module")
def generated(tiny_model, make_magnetogram):
    model = dataclasses.replace(tiny_model, epochs={193: "launch"})
    return mag2euv.generate(make_magnetogram(t_obs="2014.01.15_00:00:57_TAI"), 193, model=model)


def place(image):
    """Where the light of a Map is, in pixels."""
    light = np.nan_to_num(image.data)
    rows, columns = np.indices(light.shape)
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


def test_its_own_pixels_are_left_alone(generated):
    image = mag2euv.reproject(generated, like=generated)
    np.testing.assert_array_equal(image.data, generated.data)
    np.testing.assert_array_equal(image.uncertainty.array, generated.uncertainty.array)
    assert image.data.dtype == generated.data.dtype == np.float32
    assert image.meta["history"].startswith(generated.meta["history"] + "\nreprojected by sunpy_mag2euv ")
    assert {**image.meta, "history": ""} == {**generated.meta, "history": ""}


def test_it_stays_what_it_is(generated):
    like = make_aia(size=(60, 90), radius=40.0, roll=20.0, hglt_obs=0.0, blank=-32768, x0_mp=3.0, quality=0)
    image = mag2euv.reproject(generated, like=like)
    assert isinstance(image, AIAMap)
    assert image.data.shape == (60, 90)
    assert (image.unit, image.wavelength, image.instrument) == (u.DN / u.s, 193 * u.AA, "AIA SYNTHETIC")
    assert image.latex_name.startswith("AIA (synthetic)")
    assert (image.date, image.reference_date) == (generated.date, generated.reference_date)
    assert [keyword for keyword in FOREIGN if keyword in image.meta] == []
    kept = (
        set(generated.meta) - {"history"} - {f"{word}{axis}" for word in ("crpix", "cdelt", "naxis") for axis in "12"}
    )
    kept -= {f"pc{row}_{column}" for row in "12" for column in "12"} | {"dsun_obs", "rsun_obs"}
    assert {"instrume", "origin", "degepoch", "validity", "hgln_obs"} <= kept
    for keyword in kept:
        assert image.meta[keyword] == generated.meta[keyword], keyword
    *lines, before, last = image.meta["history"].split("\n")
    assert "\n".join(lines[: len(generated.meta["history"].split("\n"))]) == generated.meta["history"]
    assert all(0 < len(line) <= 72 and line.isascii() for line in (*lines, before, last))
    assert "from pixels of 9.792 arcsec to the 90 x 60 of 24.4 arcsec of SDO AIA 2," in image.meta["history"].replace(
        "\n", " "
    )


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("HPLN HPLT", "TAN"),
        ("HPLN-TAN-SIP HPLT-TAN-SIP", "TAN"),
        ("HPLN-ARC HPLT-ARC", "ARC"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_projections(synthetic, said, code):
    """By whatever name, with the world coordinates that they have."""
    ctype1, ctype2 = said.split()
    like = make_aia(size=64, radius=20.0, roll=3.0, ctype1=ctype1, ctype2=ctype2)
    image = mag2euv.reproject(synthetic, like=like)
    assert image.coordinate_system == (f"HPLN-{code}", f"HPLT-{code}")
    corners = u.Quantity([[0, 63, 0, 63], [0, 0, 63, 63]], u.pix)
    here, there = (source.pixel_to_world(*corners) for source in (image, like))
    assert abs(here.Tx - there.Tx).max() < 0.5 * u.arcsec
    assert abs(here.Ty - there.Ty).max() < 0.5 * u.arcsec


@pytest.mark.parametrize(
    "keywords",
    [
        {"size": 200, "radius": 70.0, "roll": 179.93, "center": (3.2, -1.7)},
        {"size": (90, 120), "radius": 120.0, "roll": -37.0, "center": (-20.0, -50.0)},
        {"size": 64, "radius": 20.0, "roll": 3.0},
        {"size": 256, "radius": 98.0, "dsun_obs": 1.471e11 * 0.99},
        {"size": 160, "radius": 60.0, "longitude": 0.4, "hglt_obs": -4.1, "date": "2014-01-15T00:11:00"},
    ],
)
def test_a_spot_stays_where_it_is_on_the_sun(keywords):
    """By sunpy's coordinates, which know nothing of ours."""
    width = 0.06
    spot = synthetic_of(lambda x, y: np.exp(-((x - 0.31) ** 2 + (y - 0.24) ** 2) / 2 / width**2))
    image = mag2euv.reproject(spot, like=make_aia(**keywords))
    frame = "heliographic_stonyhurst"
    before, after = (source.pixel_to_world(*place(source) * u.pix).transform_to(frame) for source in (spot, image))
    there = image.world_to_pixel(SkyCoord(before.lon, before.lat, before.radius, frame=after.frame))
    np.testing.assert_allclose(u.Quantity(there).value, place(image), atol=0.1)


@pytest.mark.parametrize(
    "keywords", [{"roll": 179.93, "center": (3.2, -1.7)}, {"size": (30, 45), "center": (20.0, 30.0)}, {"radius": 30.0}]
)
def test_coordinates_are_those_of_the_other(synthetic, keywords):
    like = make_aia(**{"size": 128, "radius": 60.0} | keywords)
    image = mag2euv.reproject(synthetic, like=like)
    rows, columns = np.mgrid[: like.data.shape[0] : 7, : like.data.shape[1] : 7]
    for ours, theirs in zip(*(each.wcs.pixel_to_world_values(columns, rows) for each in (image, like)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_other_projections(synthetic):
    like = make_aia(size=100, radius=40.0)
    like = sunpy.map.Map(like.data, {**like.meta, "ctype1": "HPLN-AZP", "ctype2": "HPLT-AZP", "pv2_1": 300.0})
    image = mag2euv.reproject(synthetic, like=like)
    np.testing.assert_allclose(image.wcs.wcs_pix2world([[10, 90]], 0), like.wcs.wcs_pix2world([[10, 90]], 0), rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    radius=st.floats(15.0, 110.0),
    roll=st.floats(-180.0, 180.0),
    x=st.floats(-20.0, 20.0),
    y=st.floats(-20.0, 20.0),
)
def test_the_level_stays(radius, roll, x, y):
    """DN/s are per pixel of AIA's, so that neither finer nor coarser pixels change them."""
    flat = synthetic_of(lambda x, y: 42 + 0 * x, deviation=4.2)
    like = sunpy.map.Map(np.zeros((70, 80)), make_aia(size=(70, 80), radius=radius, roll=roll, center=(x, y)).meta)
    image = mag2euv.reproject(flat, like=like)
    known = np.isfinite(image.data)
    assert known.any()
    np.testing.assert_allclose(image.data[known], 42, rtol=1e-5)
    np.testing.assert_allclose(image.uncertainty.array[known], 4.2, rtol=1e-5)


@pytest.mark.parametrize("size", [64, 128, 300])
def test_what_is_not_known_stays_so(synthetic, size):
    data, deviation = synthetic.data.copy(), synthetic.uncertainty.array.copy()
    data[60:64, 40:48] = np.nan
    deviation[20:24, 60:68] = np.nan
    holed = sunpy.map.Map(data, synthetic.meta, uncertainty=StdDevUncertainty(deviation, unit=u.DN / u.s))
    like = make_aia(size=size, radius=49.0 * size / 128)
    image, whole = (mag2euv.reproject(each, like=like) for each in (holed, synthetic))
    lost, unknown = (np.isnan(each) for each in (image.data, image.uncertainty.array))
    share = (size / 128) ** 2
    assert 0.7 * 32 * share <= (lost & ~np.isnan(whole.data)).sum() <= 4 * 32 * share
    assert (unknown[lost]).all()
    assert (unknown & ~lost).any()
    np.testing.assert_array_equal(image.data[~lost], whole.data[~lost])
    assert (image.uncertainty.array[~unknown] > 0).all()


def test_masked_pixels_are_not_known(synthetic):
    mask = np.zeros(synthetic.data.shape, dtype=bool)
    mask[60:70, 60:70] = True
    masked = sunpy.map.Map(synthetic.data, synthetic.meta, mask=mask, uncertainty=synthetic.uncertainty)
    image = mag2euv.reproject(masked, like=synthetic)
    np.testing.assert_array_equal(np.isnan(image.data), mask)
    np.testing.assert_array_equal(np.isnan(image.uncertainty.array), mask)


def test_deviation_beside_a_step():
    """Interpolation makes no negative one of it."""
    deviation = np.ones((128, 128))
    deviation[:, 64:] = 1000.0
    image = mag2euv.reproject(synthetic_of(deviation=deviation), like=make_aia(size=300, radius=115.0, roll=10.0))
    known = np.isfinite(image.data)
    assert (image.uncertainty.array[known] >= 0).all()
    np.testing.assert_array_equal(known, np.isfinite(image.uncertainty.array))


def test_without_deviation():
    image = mag2euv.reproject(synthetic_of(), like=make_aia(size=100, radius=40.0))
    assert image.uncertainty is None


@pytest.mark.parametrize(
    "uncertainty",
    [
        lambda deviation: StdDevUncertainty(deviation),
        lambda deviation: StdDevUncertainty(deviation * 1e-3, unit=u.DN / u.ms),
        lambda deviation: VarianceUncertainty(deviation**2, unit=(u.DN / u.s) ** 2),
        lambda deviation: InverseVariance(deviation**-2, unit=(u.DN / u.s) ** -2),
    ],
)
def test_any_way_to_say_the_deviation(synthetic, uncertainty):
    image = sunpy.map.Map(synthetic.data, synthetic.meta, uncertainty=uncertainty(synthetic.uncertainty.array))
    reprojected = mag2euv.reproject(image, like=synthetic)
    assert isinstance(reprojected.uncertainty, StdDevUncertainty)
    assert reprojected.uncertainty.unit == u.DN / u.s
    np.testing.assert_allclose(reprojected.uncertainty.array, synthetic.uncertainty.array, rtol=1e-5)


def test_observations():
    """In DN, they become DN/s, and saturated pixels unknown."""
    observed = make_aia(size=128, radius=49.0, exposure=2.0, quality=2**30, haex_obs=-6e10)
    meta = {**observed.meta, "haey_obs": 1.3e11, "haez_obs": 0.0, "blank": -32768, "x0_mp": 63.0}
    data = observed.data.astype(np.int16)
    data[5, 5] = 16383
    observed = sunpy.map.Map(data, meta, uncertainty=StdDevUncertainty(np.full(data.shape, 3.0), unit=u.DN))
    image = mag2euv.reproject(observed, like=observed)
    assert image.unit == u.DN / u.s
    assert image.meta["instrume"] == "AIA_2"
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(np.delete(image.data, 5 * 128 + 5), np.delete(data, 5 * 128 + 5) / 2)
    assert np.isnan(image.data[5, 5])
    np.testing.assert_allclose(np.delete(image.uncertainty.array, 5 * 128 + 5), 1.5)
    assert [keyword for keyword in FOREIGN if keyword in image.meta] == ["lvl_num", "quality"]
    assert image.meta["lvl_num"] == 1.5
    assert image.observer_coordinate.separation_3d(observed.observer_coordinate) < 1 * u.km


def test_other_instruments_lend_their_pixels(generated, make_magnetogram):
    magnetogram = make_magnetogram()
    image = mag2euv.reproject(generated, like=magnetogram)
    assert image.data.shape == magnetogram.data.shape
    assert image.instrument == "AIA SYNTHETIC"
    np.testing.assert_allclose(
        image.wcs.wcs_pix2world([[10, 50]], 0), magnetogram.wcs.wcs_pix2world([[10, 50]], 0), rtol=1e-9
    )


def write_fits(image, folder):
    image.save(folder / "image.fits")
    return sunpy.map.Map(folder / "image.fits")


def write_asdf(image, folder):
    path = folder / "image.asdf"
    asdf.AsdfFile({"map": image}).write_to(path)
    with asdf.open(path, lazy_load=False) as file:
        return file["map"]


@pytest.mark.parametrize("round_trip", [write_fits, write_asdf])
def test_files_keep_it(generated, tmp_path, round_trip):
    """Before, and after."""
    like = make_aia(size=100, radius=40.0, roll=20.0, hglt_obs=0.0)
    image = round_trip(mag2euv.reproject(generated, like=like), tmp_path)
    (tmp_path / "again").mkdir()
    again = mag2euv.reproject(round_trip(generated, tmp_path / "again"), like=like)
    for read in (image, again):
        assert isinstance(read, AIAMap)
        assert (read.unit, read.instrument, read.date) == (u.DN / u.s, "AIA SYNTHETIC", generated.date)
        assert "reprojected by sunpy_mag2euv" in read.meta["history"]
        assert read.meta["degepoch"] == "launch"
        assert [keyword for keyword in FOREIGN if keyword in read.meta] == []
    np.testing.assert_array_equal(image.data, again.data)
    assert image.meta["history"] == again.meta["history"]


def test_scores_are_those_of_the_image(synthetic):
    """The verbs take it for what it is."""
    image = mag2euv.reproject(synthetic, like=make_aia(size=256, radius=98.0, roll=33.0))
    table = mag2euv.compare(image, synthetic)
    assert table["cc"][0] > 0.99
    assert table.meta["level"] == "both images are at AIA's sensitivity at launch"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"date": "2014-01-15T00:13:00"}, "at most 12 min apart; these are 13 min apart"),
        ({"longitude": 40.0}, "observers of these are .* apart"),
        ({"center": (1000.0, 0.0), "size": 40}, "known somewhere in the field of view of like"),
        (
            {"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg"},
            "like must be helioprojective",
        ),
        ({"size": (1, 20)}, "like must have two dimensions of at least 2 pixels"),
    ],
)
@pytest.mark.filterwarnings("ignore:Missing metadata")
def test_what_cannot_be(synthetic, keywords, message):
    with pytest.raises(ValueError, match=message):
        mag2euv.reproject(synthetic, like=make_aia(**keywords))


def test_the_time_difference_is_the_callers_choice(synthetic):
    later = make_aia(size=128, radius=49.0, date="2014-01-15T01:00:00")
    assert mag2euv.reproject(synthetic, like=later, max_time_difference=1 * u.hour).date == synthetic.date
    with pytest.raises(TypeError, match="max_time_difference"):
        mag2euv.reproject(synthetic, like=later, max_time_difference=60)


def test_what_is_no_image(synthetic, make_magnetogram):
    with pytest.raises(TypeError, match=r"the image must be a sunpy.map.Map; got ndarray"):
        mag2euv.reproject(synthetic.data, like=synthetic)
    with pytest.raises(TypeError, match=r"like must be a sunpy.map.Map; got WCS"):
        mag2euv.reproject(synthetic, like=synthetic.wcs)
    with pytest.raises(ValueError, match="the image must be an AIA image, observed or synthetic; this one is HMI"):
        mag2euv.reproject(make_magnetogram(), like=synthetic)
    unknown = sunpy.map.Map(synthetic.data, synthetic.meta, uncertainty=UnknownUncertainty(synthetic.data))
    with pytest.raises(ValueError, match="or none of them as its uncertainty; this one has UnknownUncertainty"):
        mag2euv.reproject(unknown, like=synthetic)
