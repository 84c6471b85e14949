"""Geometry and flux of `prepare`, on made-up magnetograms in every orientation and on real ones."""

import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.io import fits
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.preparation import MAGNETOGRAPHS, prepare
from sunpy_mag2euv.sample import sample_magnetogram

GRID = Grid((256, 256), 98.0)

#: Of the same field of view: for the Sun of one image, four times as many pixels a side.
FINE = Grid((1024, 1024), 392.0)

#: 100 G everywhere, but for a patch near the southern limb of the other sign, which a line-of-sight field has to have.
UNIFORM = [(0, 0, 10.0, 100.0), (0, -0.9, 0.01, -2000.0)]

#: The tests look at the same Sun again.
sample = functools.cache(sample_magnetogram)


def centroid(field, grid=GRID):
    """Centre of the unsigned field, in solar radii from the disk's centre."""
    rows, columns = np.indices(field.shape)
    weight = np.abs(field) / np.abs(field).sum()
    return (np.array([(columns * weight).sum(), (rows * weight).sum()]) - grid.center) / grid.solar_radius


@settings(max_examples=40)
@example(  # as HMI level 1.5 comes
    position=(0.55, 35.0),
    rotation=179.93,
    key="CROTA2",
    size=(512, 512),
    offset=(0.4, -0.6),
    flip=(False, False),
    dtype=">f8",
    strided=False,
    scale=1.0,
)
@example(  # small, off centre, mirrored, big-endian integers
    position=(0.75, 200.0),
    rotation=-33.0,
    key="PC",
    size=(256, 300),
    offset=(3.0, -2.0),
    flip=(True, False),
    dtype=">i2",
    strided=True,
    scale=1.0,
)
@given(
    position=st.tuples(st.floats(0, 0.8), st.floats(0, 360)),
    rotation=st.floats(-180, 180),
    key=st.sampled_from(["PC", "CROTA2"]),
    size=st.tuples(st.integers(256, 600), st.integers(256, 600)),
    offset=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    flip=st.tuples(st.booleans(), st.booleans()),
    dtype=st.sampled_from(["<f4", ">f4", ">f8", "<i2", ">i2"]),
    strided=st.booleans(),
    scale=st.floats(1.0, 1.3),
)
def test_a_patch_stays_where_it_is(
    make_magnetogram, position, rotation, key, size, offset, flip, dtype, strided, scale
):
    distance, angle = position
    # One of the other sign is half a radius away.
    (x, y), inwards = (
        (r * np.cos(np.radians(angle)), r * np.sin(np.radians(angle))) for r in (distance, distance - 0.5)
    )
    magnetogram = make_magnetogram(
        [(x, y, 0.04, 1000.0), (*inwards, 0.04, -1000.0)],
        size=size, rotation=rotation, rotation_key=key, offset=offset, flip=flip, dtype=dtype, strided=strided,
        scale=scale * 960 / (0.45 * min(size)),
    )  # fmt: skip
    prepared = prepare(magnetogram, GRID)
    assert np.hypot(*(centroid(prepared.values.clip(min=0)) - [x, y])) * GRID.solar_radius < 0.25

    # What the header says of the pixel agrees with where the magnetogram has the patch.
    header = GRID.header(magnetogram.coordinate_frame, unit=u.G)
    peak = np.unravel_index(np.argmax(prepared.values), GRID.shape)
    world = sunpy.map.Map(prepared.values, header).pixel_to_world(peak[1] * u.pix, peak[0] * u.pix)
    radius = GRID.scale(magnetogram.coordinate_frame) * GRID.solar_radius * u.pix
    assert abs(world.Tx / radius - x) < 1 / GRID.solar_radius
    assert abs(world.Ty / radius - y) < 1 / GRID.solar_radius


@settings(max_examples=25)
@given(
    size=st.integers(256, 1400),
    rotation=st.floats(-180, 180),
    offset=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    sigma=st.floats(0.03, 0.1),
)
def test_flux_is_kept(make_magnetogram, size, rotation, offset, sigma):
    patches = [(0.3, -0.2, sigma, 800.0), (-0.35, 0.3, sigma, -500.0)]
    prepared = prepare(make_magnetogram(patches, size=size, rotation=rotation, offset=offset), GRID)
    x = (np.arange(256) - GRID.center[0]) / GRID.solar_radius
    for x0, y0, _, peak in patches:
        region = np.hypot(x[None] - x0, x[:, None] - y0) < 4 * sigma
        flux = prepared.values[region].sum() / GRID.solar_radius**2
        # Of a Gaussian patch, all but exp(-8) lies within four standard deviations.
        assert flux == pytest.approx(peak * 2 * np.pi * sigma**2, rel=0.01)


@settings(max_examples=6)
@example(rotation=179.93, offset=(0.4, -0.6), flip=(False, False), size=1024, scale=1.0)
@given(
    rotation=st.floats(-180, 180),
    offset=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    flip=st.tuples(st.booleans(), st.booleans()),
    size=st.integers(300, 700),
    scale=st.floats(1.0, 1.3),
)
def test_the_field_is_that_of_the_sun_however_it_was_taken(make_magnetogram, rotation, offset, flip, size, scale):
    """What turning, shifting and scaling the image change is what linear interpolation and averaging cannot help."""
    sigma, peak = 0.05, 1000.0
    patches = [(0.3, -0.2, sigma, peak), (-0.35, 0.6, sigma, -peak)]
    scale *= 960 / (0.45 * size)
    magnetogram = make_magnetogram(patches, size=size, rotation=rotation, offset=offset, flip=flip, scale=scale)
    prepared = prepare(magnetogram, FINE)
    x, y = ((np.arange(1024) - middle) / FINE.solar_radius for middle in FINE.center)
    field = sum(p * np.exp(-((x - x0) ** 2 + (y[:, None] - y0) ** 2) / 2 / s**2) for x0, y0, s, p in patches)
    # Second derivatives of a Gaussian are at most peak / sigma²: times 1/8 of the squared step, and 1/24, on each axis.
    pixel = 1 / Disk.of(magnetogram).pixels
    bound = peak / sigma**2 * (pixel**2 / 4 + 1 / FINE.solar_radius**2 / 12)
    assert prepared.known.all()
    assert np.abs(prepared.values - field)[FINE.radius < 0.97].max() < bound


def test_a_part_of_the_grid_has_the_same_field(make_magnetogram):
    """However many rows it has: they are sampled some at a time."""
    magnetogram = make_magnetogram(size=600, rotation=30.0)
    whole = prepare(magnetogram, GRID).values
    for part in ((slice(7, 236), slice(20, 251)), (slice(150, 155), slice(100, 200))):
        np.testing.assert_allclose(prepare(magnetogram, GRID.crop(*part)).values, whole[part], atol=0.01)


# The last is the middle of the disk in pixels of HMI's size.
@pytest.mark.parametrize(("grid", "size", "scale"), [(GRID, 1024, 2.08), (FINE, 1024, 2.08), (FINE, 700, 0.504)])
def test_single_pixels_keep_their_flux(make_magnetogram, grid, size, scale):
    """Point sampling would miss most of them or count them twice; their mean may not depend on where they fall."""
    rng = np.random.default_rng(0)
    magnetogram = make_magnetogram([(0, -0.95, 0.002, -10.0)], size=size, scale=scale, rotation=10.0)
    radius = Disk.of(magnetogram).pixels
    rows, columns = rng.integers(size // 4, 3 * size // 4, (2, 2000))
    data = magnetogram.data.copy()
    data[rows, columns] = 1000.0
    prepared = prepare(sunpy.map.Map(data, magnetogram.meta), grid)
    assert prepared.values.sum() / grid.solar_radius**2 == pytest.approx(np.nansum(data) / radius**2, rel=0.005)


@pytest.mark.parametrize("name", ["hmi.M_720s_nrt.20190116_140000_TAI.fits", "mdi.fd_M_96m_lev182.19991211"])
def test_agrees_with_exact_reprojection(test_data, name):
    (path,) = (test_data / "inputs").glob(f"{name}*")
    magnetogram = sunpy.map.Map(path)
    prepared = prepare(magnetogram, GRID)
    exact = magnetogram.reproject_to(GRID.header(magnetogram.coordinate_frame, unit=u.G), algorithm="exact")
    difference = prepared.values - exact.data * MAGNETOGRAPHS["MDI" if name.startswith("mdi") else "HMI"].hmi_factor
    both = np.isfinite(difference) & prepared.known & (GRID.radius < 1)
    assert both.sum() > 0.98 * (GRID.radius < 1).sum()
    assert np.sqrt(np.mean(difference[both] ** 2)) < 1


def test_numbers_off_the_limb_do_not_count(make_magnetogram):
    clean = prepare(make_magnetogram(size=600), GRID)
    dirty = prepare(make_magnetogram(size=600, off_limb=-1800.0), GRID)
    np.testing.assert_array_equal(clean.values, dirty.values)
    assert (dirty.values[GRID.radius >= 1] == 0).all()
    assert dirty.known.all()


def test_missing_pixels_are_left_out_and_marked(make_magnetogram):
    magnetogram = make_magnetogram(UNIFORM, size=600)
    data = magnetogram.data.copy()
    data[290:310, 290:310] = np.nan
    prepared = prepare(sunpy.map.Map(data, magnetogram.meta), GRID)
    assert not prepared.known[127:129, 127:129].any()
    assert prepared.values[127, 127] == 0
    assert prepared.known.mean() > 0.995
    # Beside the hole the mean is over what is known, not over NaN or zeros.
    beside = prepared.known & (GRID.radius < 0.5)
    np.testing.assert_allclose(prepared.values[beside], 100, rtol=0.01)
    mask = np.isnan(data) & np.isfinite(magnetogram.data)
    masked = prepare(sunpy.map.Map(magnetogram.data, magnetogram.meta, mask=mask), GRID)
    np.testing.assert_array_equal(masked.values, prepared.values)


def test_field_at_the_limb_is_not_eaten(make_magnetogram):
    prepared = prepare(make_magnetogram(UNIFORM, size=1024), GRID)
    north = np.indices(GRID.shape)[0] > GRID.center[1]
    assert (prepared.values[(GRID.radius < 0.995) & north] > 98).all()


@pytest.mark.parametrize(("instrument", "factor"), [("HMI_SIDE1", 1.0), ("MDI", 0.701), ("GONG", 1.438)])
def test_fields_are_brought_to_the_scale_of_hmi(make_magnetogram, instrument, factor):
    prepared = prepare(make_magnetogram(UNIFORM, instrument=instrument), GRID)
    assert prepared.values[128, 128] == pytest.approx(100 * factor, rel=0.01)
    assert prepared.on_hmi_scale is True


def test_an_unknown_magnetograph_is_taken_as_it_is_with_a_warning(make_magnetogram):
    magnetogram = make_magnetogram(UNIFORM, instrument="PHI-FDT", telescop="SOLO")
    with pytest.warns(SunpyUserWarning, match="no conversion to HMI's field scale is known for PHI"):
        prepared = prepare(magnetogram, GRID)
    assert prepared.values[128, 128] == pytest.approx(100, rel=0.01)
    assert prepared.on_hmi_scale is False


@pytest.mark.parametrize(
    ("instrument", "pixels", "coarseness"),
    [
        # Two pixels of the image, over two of the grid,
        ("HMI_SIDE1", 98, 1.0),
        ("HMI_SIDE1", 49, 2.0),
        ("MDI", 120, 98 / 120),
        ("GONG", 120, 98 / 120),
        # or what the instrument resolves, where its pixels are finer: the Sun has 960 arcsec.
        ("HMI_SIDE1", 1900, 98 / 1900),
        ("HMI_SIDE1", 4000, 1.0 * 98 / 960 / 2),
        ("MDI", 1900, 4.0 * 98 / 960 / 2),
        ("GONG", 1900, 6.5 * 98 / 960 / 2),
    ],
)
def test_how_much_less_a_magnetogram_resolves_than_the_grid(make_magnetogram, instrument, pixels, coarseness):
    """A few pixels in the middle of the disk will do."""
    magnetogram = make_magnetogram(size=210, scale=960 / pixels, instrument=instrument)
    assert prepare(magnetogram, GRID).coarseness == pytest.approx(coarseness, rel=1e-3)
    assert prepare(magnetogram, FINE).coarseness == pytest.approx(4 * coarseness, rel=1e-3)


def test_what_an_instrument_resolves_is_an_angle(make_magnetogram):
    """From a third of the distance, the same angle is a third of the length on the Sun."""
    near = SkyCoord(0 * u.deg, 0 * u.deg, 1 / 3 * u.au, frame="heliographic_stonyhurst")
    magnetogram = make_magnetogram(size=200, scale=1.0, instrument="GONG", observer=near)
    assert prepare(magnetogram, GRID).coarseness == pytest.approx(6.5 * 98 / (3 * 960) / 2, rel=2e-3)


def test_units_are_converted(make_magnetogram):
    prepared = prepare(make_magnetogram([(0, 0, 10.0, 0.01), (0, -0.9, 0.01, -0.2)], unit="T"), GRID)
    assert prepared.values[128, 128] == pytest.approx(100, rel=0.01)


def test_any_distance_gives_the_same_sun(make_magnetogram):
    near = SkyCoord(30 * u.deg, -20 * u.deg, 0.3 * u.au, frame="heliographic_stonyhurst")
    fields = [prepare(make_magnetogram(size=500, observer=observer), GRID).values for observer in (None, near)]
    np.testing.assert_allclose(fields[0], fields[1], atol=0.5)


def test_gong_and_its_sky(test_data):
    (path,) = (test_data / "inputs").glob("gong*")
    prepared = prepare(sunpy.map.Map(path), GRID)
    assert prepared.known.all()
    assert prepared.coarseness == pytest.approx(0.33, abs=0.01)
    # The sky's number is -704 G; a quiet Sun's limb averaged over 10 arcsec has nothing of the kind.
    assert np.abs(prepared.values[GRID.radius > 0.95]).max() < 60


def test_a_cutout_has_a_window(test_data):
    magnetogram = sunpy.map.Map(test_data / "inputs" / "sdo-hmi_2011-02-14_20-34-12.fits")
    prepared = prepare(magnetogram, GRID)
    rows, columns = prepared.window
    assert prepared.known[prepared.window].mean() > 0.9
    assert prepared.known.sum() == prepared.known[prepared.window].sum()
    # The window's centre is that of the file's field of view, to a pixel of the grid.
    header = GRID.crop(rows, columns).header(magnetogram.coordinate_frame)
    center, expected = sunpy.map.Map(prepared.values[prepared.window], header).center, magnetogram.center
    assert np.hypot(center.Tx - expected.Tx, center.Ty - expected.Ty) < GRID.scale(magnetogram.coordinate_frame) * u.pix


def test_a_cutout_agrees_with_the_full_disk(make_magnetogram):
    full = make_magnetogram(size=800, rotation=170.0)
    cut = full.submap([120, 230] * u.pix, top_right=[420, 480] * u.pix)
    part = prepare(cut, GRID)
    rows, columns = part.window
    core = (slice(rows.start + 2, rows.stop - 2), slice(columns.start + 2, columns.stop - 2))
    both = part.known[core] & (GRID.radius[core] < 0.95)
    assert 0.5 < both.mean() < 1
    np.testing.assert_allclose(part.values[core][both], prepare(full, GRID).values[core][both], atol=2)
    assert np.abs(part.values).max() > 300


def test_nothing_of_the_disk(make_magnetogram):
    sky = make_magnetogram(size=100, scale=2.0, offset=(1500, 0), off_limb=0.0)
    with pytest.raises(ValueError, match="must show some of the solar disk"):
        prepare(sky, GRID)


@pytest.mark.parametrize("axes", [np.diag([50.0, 50.0]), 50 * np.array([[0.6, -0.8], [-0.8, -0.6]])])
def test_whether_an_image_meets_the_disk(axes):
    """It does if the nearest point of its 100 by 200 pixels is less than a solar radius of 50 pixels away."""
    for center, meets in (
        [(99, 49), True], [(-49, 50), True], [(-51, 50), False], [(249, 50), True], [(251, 50), False],
        [(100, -50), True], [(100, 150), False], [(-30, -30), True], [(-40, -40), False], [(230, 130), True],
    ):  # fmt: skip
        assert Disk(np.array(center), axes).meets((100, 200)) is meets


def test_less_than_a_pixel(make_magnetogram):
    speck = make_magnetogram([(0, 0, 10.0, 100.0)], size=8, scale=0.5, offset=(0, 0))
    with pytest.raises(ValueError, match="at least one pixel of the model's grid"):
        prepare(speck, GRID)


def test_a_picture_of_a_magnetogram(make_magnetogram):
    magnetogram = make_magnetogram()
    picture = sunpy.map.Map(np.full((256, 256), 127, dtype=np.uint8), magnetogram.meta)
    with pytest.raises(ValueError, match=r"this HMI SIDE1 magnetogram in G holds uint8 numbers, as pictures do"):
        prepare(picture, GRID)


def test_missing_time(make_magnetogram):
    magnetogram = make_magnetogram(**{"date-obs": None})
    with pytest.raises(ValueError, match="must say its observation time"):
        prepare(magnetogram, GRID)
    # That of the coordinates is not enough, since the image is to say when it was taken.
    with pytest.raises(ValueError, match="must say its observation time"):
        prepare(make_magnetogram(**{"date-obs": None, "t_obs": "2014.01.15_00:00:35_TAI"}), GRID)


@pytest.mark.parametrize("size", [256, 4096])
def test_any_size_gives_the_same_field(size):
    expected = prepare(sample(seed=1, size=1024), GRID).values
    prepared = prepare(sample_magnetogram(seed=1, size=size), GRID).values
    # The noise differs, and 256 pixels lose what is finer than they are.
    disk = GRID.radius < 0.9
    assert np.corrcoef(prepared[disk], expected[disk])[0, 1] > (0.995 if size > 1024 else 0.95)


# -- What is no line-of-sight field, and what there is to say against one ----------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"content": "FIELD STRENGTH"},
        {"content": "Inclination"},
        {"content": "azimuth"},
        {"content": "CONTINUUM INTENSITY"},
        {"content": "DOPPLERGRAM"},
        {"content": "MDI Full Disk Continuum"},
        {"content": "Vector magnetogram"},
        {"content": "RADIAL MAGNETIC FIELD"},
        *({"btype": name} for name in ("Br", "BMAG", "BINC", "BAZI", "VLOS", "ICNT", "Magnetic field strength")),
    ],
    ids=lambda said: " ".join(said.values()),
)
def test_other_quantities(make_magnetogram, said):
    ((keyword, text),) = said.items()
    with pytest.raises(
        ValueError, match=f"must be of the line-of-sight field; {keyword.upper()} of .* says '{text}'. Use"
    ):
        prepare(make_magnetogram(**said), GRID)


@pytest.mark.parametrize(
    "said",
    [
        {"content": "MAGNETOGRAM"},
        {"content": "MDI Full Disk 96m Magnetogram"},
        {"btype": "BLOS"},
        {"content": "LINE-OF-SIGHT FIELD STRENGTH"},
        {"content": "Longitudinal magnetic field strength"},
        {"content": "Full disk magnetogram, Doppler corrected"},
        {"content": None},
    ],
    ids=str,
)
def test_the_line_of_sight_field(make_magnetogram, said):
    assert prepare(make_magnetogram(**said), GRID).objections == {}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sun_of_one_sign(make_magnetogram, sign):
    magnetogram = make_magnetogram(lambda x, y: sign * (20 + 10 * np.sin(30 * x)))
    with pytest.raises(
        ValueError, match=r"which has both signs on the Sun; this HMI SIDE1 .* has one, as field strengths do"
    ):
        prepare(magnetogram, GRID)


def test_a_part_of_the_sun_of_one_sign(make_magnetogram):
    large, small = (make_magnetogram(lambda x, y: 20 + 0 * x, size=size, scale=8.0) for size in (100, 30))
    assert list(prepare(large, GRID).objections) == ["one sign"]
    # Some arcsec of a sunspot are nothing special.
    assert prepare(small, GRID).objections == {}


def test_no_field_at_all_has_no_sign(make_magnetogram):
    assert prepare(make_magnetogram(lambda x, y: 0 * x), GRID).objections == {}


@pytest.mark.parametrize("number", [-(2.0**31) * 0.1, 6001.0, -6001.0, 1e30, -np.inf, 1e300])
@pytest.mark.parametrize("unit", ["G", "mT"])
def test_numbers_that_no_field_has_are_unknown(make_magnetogram, number, unit):
    """BLANK of integers, for one, that is not told from numbers."""
    scale = u.G.to(unit)
    magnetogram = make_magnetogram(lambda x, y: scale * 50 * np.sin(20 * x), size=512, unit=unit, dtype="<f8")
    clean = prepare(magnetogram, GRID)
    data = magnetogram.data.copy()
    data[250, 260] = data[300:302, 200:203] = data[0, 0] = scale * number
    prepared = prepare(sunpy.map.Map(data, magnetogram.meta), GRID)
    assert (clean.impossible, prepared.impossible) == (0, 7)
    assert list(prepared.objections) == ["impossible field"]
    assert "7 pixels on the disk with more than 6000 G" in prepared.objections["impossible field"]
    # Beside them, the field is what it was.
    assert np.abs(prepared.values - clean.values).max() < 25
    assert np.count_nonzero(prepared.values != clean.values) < 30


def test_the_strongest_fields_count(make_magnetogram):
    magnetogram = make_magnetogram([(0, 0, 0.05, 5900.0), (0.3, 0, 0.05, -5900.0)], size=512)
    prepared = prepare(magnetogram, GRID)
    assert prepared.impossible == 0
    assert prepared.values.max() > 5500


def test_blank_in_a_file_of_integers(make_magnetogram, tmp_path):
    magnetogram = make_magnetogram(lambda x, y: 500 * np.sin(20 * x), dtype="<i4", off_limb=-(2**31), unit="G")
    header = fits.Header({key: value for key, value in magnetogram.meta.items() if not key.startswith("naxis")})
    data = magnetogram.data.copy()
    data[128, 100] = -(2**31)
    hdu = fits.PrimaryHDU(data, header)
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.1, 0.0
    hdu.writeto(tmp_path / "blank.fits")
    prepared = prepare(sunpy.map.Map(tmp_path / "blank.fits"), GRID)
    assert prepared.impossible == 1
    assert np.abs(prepared.values).max() < 51


def test_a_unit_that_cannot_be(make_magnetogram):
    magnetogram = make_magnetogram(lambda x, y: 50 * np.sin(20 * x))
    with pytest.raises(
        ValueError, match=r"[0-9]+% of the disk .* is above 6000 G, which no field is. Correct map.meta\['buni"
    ):
        prepare(sunpy.map.Map(magnetogram.data, magnetogram.meta | {"bunit": "T"}), GRID)


@pytest.mark.parametrize(
    ("keywords", "what"),
    [({"crota2": None}, "orientation"), ({"crpix1": None, "crpix2": None}, "pointing"), ({"crval2": None}, "pointing")],
    ids=str,
)
def test_what_a_header_leaves_out(make_magnetogram, keywords, what):
    """It is refused of HMI's, but elsewhere there may be nothing to be had."""
    magnetogram = make_magnetogram(rotation_key="CROTA2", telescop="KPVT", instrume="SPMG", **keywords)
    with pytest.warns(SunpyUserWarning, match="no conversion to HMI's"):
        objections = prepare(magnetogram, GRID).objections
    assert list(objections) == [f"no {what}"]
    assert next(iter(keywords)).upper() in objections[f"no {what}"]


@pytest.mark.parametrize(
    "keywords", [{"crpix1": 128.5 + 10}, {"cdelt1": 9.0, "cdelt2": 9.0}, {"crval2": 90.0}], ids=str
)
def test_a_limb_that_is_elsewhere(make_magnetogram, keywords):
    magnetogram = make_magnetogram(lambda x, y: 20 * np.sin(40 * x) * np.cos(37 * y), **keywords)
    objections = prepare(magnetogram, GRID).objections
    assert list(objections) == ["limb elsewhere"]
    assert "check CDELT1, CDELT2, CRPIX1, CRPIX2 and DSUN_OBS" in objections["limb elsewhere"]


def test_gong_whose_pixels_were_put_together(test_data):
    (path,) = (test_data / "inputs").glob("gong*")
    gong = sunpy.map.Map(path)
    assert prepare(gong, GRID).objections == {}
    # As if CRPIX were whole pixels from where it was, so that only the limb tells.
    smaller = gong.superpixel([2, 2] * u.pix, func=np.mean)
    meta = smaller.meta | {"img_x0": smaller.meta["crpix1"], "img_y0": smaller.meta["crpix2"]}
    objections = prepare(sunpy.map.Map(smaller.data, meta), GRID).objections
    assert "has 0.50" in objections["limb elsewhere"]
    assert "use the image as it was before" in objections["limb elsewhere"]


def test_gong_that_was_turned(test_data):
    (path,) = (test_data / "inputs").glob("gong*")
    turned = sunpy.map.Map(path).rotate(5 * u.deg)
    assert prepare(turned, GRID).objections == {}
    cutout = turned.submap([300, 300] * u.pix, top_right=[600, 600] * u.pix)
    assert list(prepare(cutout, GRID).objections) == ["scale unsure"]


def test_an_array_that_was_cut_without_its_header(make_magnetogram):
    magnetogram = make_magnetogram(size=600)
    whole = sunpy.map.Map(magnetogram.data, magnetogram.meta | {"naxis1": 600, "naxis2": 600})
    cutout = whole.submap([100, 100] * u.pix, top_right=[500, 400] * u.pix)
    for right in (whole, cutout, whole.resample([300, 300] * u.pix)):
        assert prepare(right, GRID).objections == {}
    for data in (whole.data[::2, ::2], whole.data[100:500, 150:450]):
        objections = prepare(sunpy.map.Map(data, whole.meta), GRID).objections
        size = f"has {data.shape[1]} by {data.shape[0]} pixels, but by its header's NAXIS1 and NAXIS2 600 by 600"
        assert size in objections["other size"]


def test_numbers_put_for_missing_pixels(make_magnetogram):
    magnetogram = make_magnetogram(size=600)
    data = magnetogram.data.copy()
    data[200:300, 200:300] = 0
    objections = prepare(sunpy.map.Map(data, magnetogram.meta), GRID).objections
    assert "the same number as its neighbours" in objections["constant pixels"]


def test_quality(make_magnetogram):
    magnetogram = make_magnetogram(quality=0x8000)
    assert "QUALITY word 0x00008000" in prepare(magnetogram, GRID).objections["quality"]


@pytest.mark.parametrize("pixels", [16, 32])
def test_a_small_sun_is_coarse(make_magnetogram, pixels):
    magnetogram = make_magnetogram(lambda x, y: 20 * np.sin(5 * x), size=64, scale=2 * 960 / pixels)
    prepared = prepare(magnetogram, GRID)
    assert prepared.coarseness == pytest.approx(2 * 98 / pixels, rel=0.01)
    assert np.isfinite(prepared.values).all()


@pytest.mark.parametrize("size", [(2, 200), (200, 2)])
def test_strips_that_fill_no_pixel(make_magnetogram, size):
    strip = make_magnetogram(lambda x, y: 20 * np.sin(50 * (x + y)), size=size, scale=0.5, offset=(20, 33))
    with pytest.raises(ValueError, match=r"must (fill pixels|cover at least one pixel) of the model's grid"):
        prepare(strip, GRID)


def test_masks(make_magnetogram):
    magnetogram = make_magnetogram()
    plain = prepare(magnetogram, GRID)
    mask = np.zeros(magnetogram.data.shape, dtype=np.uint8)
    for nothing in (mask, mask.astype(bool), False):
        prepared = prepare(sunpy.map.Map(magnetogram.data, magnetogram.meta, mask=nothing), GRID)
        np.testing.assert_array_equal(prepared.values, plain.values)
    mask[100:120] = 1
    assert not prepare(sunpy.map.Map(magnetogram.data, magnetogram.meta, mask=mask), GRID).known.all()
    with pytest.raises(ValueError, match="must have a mask"):
        prepare(sunpy.map.Map(magnetogram.data, magnetogram.meta, mask=mask[:5]), GRID)
    with pytest.raises(ValueError, match="must have values on the solar disk"):
        prepare(sunpy.map.Map(magnetogram.data, magnetogram.meta, mask=np.ones_like(mask)), GRID)


@pytest.mark.parametrize("unit", ["dex(G)", "mag(G)", "nonsense", "DN", ""])
def test_units_that_are_none_of_a_field(make_magnetogram, unit):
    magnetogram = make_magnetogram()
    # Some of these sunpy only takes afterwards.
    magnetogram.meta["bunit"] = unit
    with pytest.raises(ValueError, match="must be a line-of-sight magnetogram in gauss"):
        prepare(magnetogram, GRID)


@pytest.mark.parametrize("number", [1e-40, 5e-324, 1e300, -np.inf, np.nan])
def test_numbers_that_single_precision_does_not_have(make_magnetogram, number):
    """They raise nothing, even where NumPy was told to."""
    magnetogram = make_magnetogram(dtype="<f8")
    data = magnetogram.data.copy()
    data[120:125, 130] = number
    with np.errstate(all="raise"):
        prepared = prepare(sunpy.map.Map(data, magnetogram.meta), GRID)
    assert np.isfinite(prepared.values).all()
