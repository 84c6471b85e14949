"""What headers have to say of the geometry: each thing that sunpy would make up, and each number that cannot be."""

import concurrent.futures
import itertools
import warnings

import numpy as np
import pytest
from aia_images import make_aia

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord

from sunpy_mag2euv.headers import check_geometry, missing_placement
from sunpy_mag2euv.sample import sample_magnetogram

#: Keywords of one pixel's place, by what is missing without them.
PLACEMENT = {
    "scale": ("cdelt1", "cdelt2"),
    "orientation": ("crota2",),
    "pointing": ("crpix1", "crpix2", "crval1", "crval2", "ctype1", "ctype2"),
}


@pytest.fixture(scope="module")
def hmi():
    """As small as it gets, with all keywords that HMI has."""
    return sample_magnetogram(size=64)


def changed(image, keywords):
    """The same Map with other keywords; None leaves one out."""
    meta = {key: value for key, value in (dict(image.meta) | keywords).items() if value is not None}
    return sunpy.map.Map(image.data, meta)


def check(image):
    check_geometry(image, "the image", "another one")


def refused(image, match):
    with pytest.raises(ValueError, match=match) as caught:
        check(image)
    assert "\n" not in str(caught.value)


def test_complete_headers(hmi):
    for image in (
        hmi,
        make_aia(),
        hmi.rotate(30 * u.deg),
        hmi.resample([50, 50] * u.pix),
        hmi.superpixel([2, 2] * u.pix),
    ):
        check(image)
        assert missing_placement(image) == {}


@pytest.mark.parametrize("keyword", list(itertools.chain(*PLACEMENT.values())))
@pytest.mark.parametrize("kind", ["hmi", "aia"])
@pytest.mark.filterwarnings("ignore:Missing CTYPE")
def test_instruments_whose_files_say_everything(hmi, kind, keyword):
    what = next(what for what, keywords in PLACEMENT.items() if keyword in keywords)
    image = changed(hmi if kind == "hmi" else make_aia(), {keyword: None})
    refused(
        image, f"^the image must say its {what}, since .* does not. Add .*{keyword.upper()}.* to map.meta, or use the"
    )


def test_a_scale_is_needed_of_all_instruments(hmi):
    for lost in (("cdelt1",), ("cdelt2",), ("cdelt1", "cdelt2")):
        image = changed(hmi, {"instrume": "PHI", "telescop": "SOLO"} | dict.fromkeys(lost))
        refused(image, "must say its scale.* Add CDELT1 and CDELT2 to map.meta")


def test_other_instruments_may_leave_the_rest_out(hmi):
    image = changed(hmi, {"instrume": "PHI", "telescop": "SOLO", "crota2": None, "crpix1": None})
    check(image)
    assert missing_placement(image) == {"orientation": "CROTA2", "pointing": "CRPIX1"}


def test_a_roll_that_is_not_read_is_missing(hmi):
    """sunpy takes CROTA2 alone, but for some sources of which it takes CROTA alone."""
    for keyword in ("crota", "crota1"):
        refused(changed(hmi, {"crota2": None, keyword: 179.93}), "must say its orientation.* Add CROTA2")


@pytest.mark.parametrize("lost", [(), ("cdelt1", "cdelt2")])
def test_matrices(hmi, lost):
    """A CD matrix has the scale, a PC matrix has not."""
    cos, sin = np.cos(0.3), np.sin(0.3)
    matrix = np.array([[cos, -sin], [sin, cos]])
    keys = ("1_1", "1_2", "2_1", "2_2")
    rotation = {"crota2": None} | dict.fromkeys(lost)
    pc = changed(hmi, rotation | {f"pc{key}": float(value) for key, value in zip(keys, matrix.ravel(), strict=True)})
    cd = changed(
        hmi, rotation | {f"cd{key}": float(30 * value) for key, value in zip(keys, matrix.ravel(), strict=True)}
    )
    check(cd)
    if lost:
        refused(pc, "must say its scale")
    else:
        check(pc)
    refused(changed(cd, {"cd1_1": 0.0, "cd1_2": 0.0}), "must have (pixels|coordinates|its)")
    refused(changed(cd, {"cd1_2": np.nan}), "must have a number in CD1_2; its header says nan")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"cdelt1": np.nan}, "must have a number in CDELT1; its header says nan"),
        ({"cdelt2": np.inf}, "must have a number in CDELT2; its header says inf"),
        ({"cdelt2": -np.inf}, "must have a number in CDELT2; its header says -inf"),
        ({"cdelt1": 0}, "must have pixels of some size; its header says CDELT1 = 0"),
        ({"cdelt1": "0.5"}, "must have a number in CDELT1; its header says '0.5'"),
        ({"cdelt1": True}, "must have a number in CDELT1; its header says True"),
        ({"cdelt1": 1e-5, "cdelt2": 1e-5}, "must have pixels that a telescope can have; .* pixels of 1e-05"),
        ({"cdelt1": 1e5, "cdelt2": 1e5}, "must show the Sun at least 8 pixels wide; it has 0.02, with pixels of 1e"),
        ({"cdelt1": 300.0, "cdelt2": 300.0}, "must show the Sun at least 8 pixels wide; it has 6.5"),
        ({"cdelt1": 1.0}, r"must have pixels that are about as wide as high; its header says .* \(CDELT1, CDELT2\)"),
        ({"crota2": np.nan}, "must have a number in CROTA2; its header says nan"),
        ({"crota2": "north"}, "must have a number in CROTA2; its header says 'north'"),
        ({"pc1_1": np.nan}, "must have a number in PC1_1; its header says nan"),
        ({"pc1_1": 1.0, "pc1_2": 1.0, "pc2_1": 1.0, "pc2_2": 1.0}, r"must have (pixels|coordinates|its)"),
        ({"crpix1": np.nan}, "must have a number in CRPIX1"),
        ({"crval1": np.nan}, "must have a number in CRVAL1"),
        ({"lonpole": -np.inf}, "must have a number in LONPOLE"),
        ({"pv1_1": -np.inf}, "must have a number in PV1_1"),
        ({"date-obs": np.array([1, 2])}, "time in a way that can be read"),
        ({"crval1": 5000.0}, "must have its reference point near the Sun; CRVAL1 and CRVAL2 are 5000 arcsec and"),
        ({"crval2": -1e6}, "must have its reference point near the Sun"),
        ({"hglt_obs": 91.0}, "must have a latitude in HGLT_OBS, at most 90 degrees; its header says 91"),
        ({"hglt_obs": -120.0}, "must have a latitude in HGLT_OBS"),
        ({"hglt_obs": np.nan}, "must have a number in HGLT_OBS"),
        ({"hgln_obs": "west"}, "must have a number in HGLN_OBS; its header says 'west'"),
        ({"hglt_obs": None, "crlt_obs": 95.0}, "must have a latitude in CRLT_OBS"),
        ({"rsun_ref": 696000.0}, "must have the Sun's radius in metres, .* in RSUN_REF; its header says 696000"),
        ({"rsun_ref": 0.0}, "near 696e6, in RSUN_REF; its header says 0"),
        ({"rsun_ref": -696e6}, "near 696e6, in RSUN_REF"),
        ({"rsun_ref": np.nan}, "must have a number in RSUN_REF"),
        ({"dsun_obs": 0.98}, "must be seen from 0.01 AU to 10 AU; by .*DSUN_OBS, it is seen from 0.98 m"),
        ({"dsun_obs": 1.47e8}, "must be seen from 0.01 AU to 10 AU; by .*DSUN_OBS, it is seen from 1.47e.08 m"),
        ({"dsun_obs": 1.47e13}, "must be seen from 0.01 AU to 10 AU"),
        ({"dsun_obs": 6e8}, "must be seen from 0.01 AU"),
        ({"dsun_obs": 0.0}, "must be seen from 0.01 AU"),
        ({"dsun_obs": -1.5e11}, "must (be seen from 0.01 AU|say its observer in a way)"),
        ({"dsun_obs": np.nan}, "must have a number in DSUN_OBS"),
        ({"rsun_obs": 500.0}, "must show a Sun of one size; RSUN_OBS says 500 arcsec, .* is 975.6 arcsec"),
        ({"dsun_obs": 1.4e11}, "must show a Sun of one size"),
        ({"dsun_obs": None}, "must say its observer, since .* Add DSUN_OBS, HGLN_OBS and HGLT_OBS"),
        ({"hglt_obs": None, "crlt_obs": None}, "must say its observer"),
        ({"date-obs": None}, "must say its observation time"),
        ({"date-obs": ""}, "must say its observation time"),
        ({"date-obs": "yesterday"}, "time in a way that can be read; its header says DATE-OBS = 'yesterday'"),
        ({"timesys": "GPS"}, "time in a way that can be read; .* DATE-OBS = '2014.*, TIMESYS = 'GPS'"),
        ({"timesys": 5}, "time in a way that can be read; .*, TIMESYS = 5"),
        ({"t_obs": "soon"}, "time in a way that can be read; .*, T_OBS = 'soon'"),
        ({"date-obs": "2014-02-30T00:00:00"}, "time in a way that can be read"),
        ({"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg"}, "helioprojective .* carr"),
        ({"ctype1": "HGLN-CAR", "ctype2": "HGLT-CAR", "cunit1": "deg", "cunit2": "deg"}, "helioprojective .* stony"),
        ({"ctype1": "RA---TAN", "ctype2": "DEC--TAN", "cunit1": "deg", "cunit2": "deg"}, "coordinates RA---TAN and"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_numbers_that_cannot_be(hmi, keywords, message):
    refused(changed(hmi, keywords), message)


@pytest.mark.parametrize("keyword", ["ctype1", "ctype2"])
def test_headers_changed_afterwards(hmi, keyword):
    image = changed(hmi, {})
    image.meta[keyword] = 5
    refused(image, f"must have words in {keyword.upper()}; its header says 5")


def test_what_can_be(hmi):
    """Nothing that is right is refused."""
    for keywords in (
        {"crota2": None, "pc1_1": -1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": -1.0},
        {"cdelt1": -32.3},
        {"cdelt1": 32.3 / 3600, "cdelt2": 32.3 / 3600, "cunit1": "deg", "cunit2": "deg"},
        {"crval1": 359.9 * 3600, "crval2": -300.0},
        {"hgln_obs": 170.0, "hglt_obs": -33.0},
        {"rsun_ref": 695.7e6},
        {"rsun_ref": None},
        {"rsun_obs": None, "dsun_obs": 0.3 * 1.496e11},
        # Those that are not read may be anything.
        {"crln_obs": np.nan},
        {"pc1_1": 1.0, "crota2": np.nan},
        {"date-obs": "2014.01.15_00:00:00_TAI"},
    ):
        check(changed(hmi, keywords))


@pytest.mark.parametrize(
    ("source", "keywords"),
    [
        ({"telescop": "SDO/AIA", "instrume": "AIA_3", "wavelnth": 171},
         {"haex_obs": 1.4e11, "haey_obs": 3e10, "haez_obs": 0.0}),
        ({"telescop": "SOHO", "instrume": "MDI"}, {"obs_l0": 10.0, "obs_b0": 3.0, "obs_dist": 0.98}),
        ({"telescop": "SOHO", "instrume": "EIT"}, {"hec_x": 1.4e8, "hec_y": 3e7, "hec_z": 0.0}),
        ({"telescop": "SOLO/EUI/FSI", "obsrvtry": "Solar Orbiter", "instrume": "EUI", "detector": "FSI"},
         {"hcix_obs": 1.4e11, "hciy_obs": 3e10, "hciz_obs": 0.0}),
    ],
    ids=lambda value: value.get("instrume", ""),
)  # fmt: skip
def test_observers_in_keywords_of_one_source(hmi, source, keywords):
    """Where sunpy reads them; in other files it would take Earth."""
    nowhere = dict.fromkeys(("hgln_obs", "hglt_obs", "crln_obs", "crlt_obs", "dsun_obs", "rsun_obs"))
    roll = {"pc1_1": 1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": 1.0}
    check(changed(hmi, nowhere | source | keywords | roll))
    refused(changed(hmi, nowhere | keywords), "must say its observer")
    for keyword in keywords:
        refused(changed(hmi, nowhere | source | keywords | roll | {keyword: np.nan}), f"a number in {keyword.upper()}")


def test_files(test_data):
    for pattern in ("hmi.M_*", "mdi.fd*", "gong*", "sdo-hmi*", "aia_synoptic_20250113/*.fits"):
        paths = list((test_data / "inputs").glob(pattern))
        assert paths
        for path in paths:
            image = sunpy.map.Map(path)
            check(image)
            # GONG leaves it to its readers.
            assert set(missing_placement(image)) == ({"orientation"} if "gong" in path.name else set())


@pytest.mark.parametrize("how", ["resample", "superpixel"])
def test_gong_resampled(test_data, how):
    """sunpy makes the pixels larger and leaves the scale as it is."""
    (path,) = (test_data / "inputs").glob("gong*")
    gong = sunpy.map.Map(path)
    cutout = gong.submap([100, 100] * u.pix, top_right=[700, 651] * u.pix)
    check(cutout)
    for image in (gong, cutout):
        smaller = (
            image.resample([300, 300] * u.pix) if how == "resample" else image.superpixel([2, 2] * u.pix, func=np.mean)
        )
        refused(
            smaller,
            "must not be resampled: CRPIX1 and CRPIX2 are no whole pixels from .* use the image as it was before",
        )
    # Once sunpy writes the scale, it has to be the one that it takes.
    refused(
        changed(gong, {"cdelt1": 5.0 / 3600, "cdelt2": 5.0 / 3600}),
        "must have one scale; CDELT1 says 5 arcsec a pixel, but",
    )


def test_no_warnings_are_caught_or_made(hmi):
    """Neither does a header with everything bring any, nor does looking at one without change the process's filters."""
    lost = changed(hmi, {"dsun_obs": None})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = warnings.filters[:], warnings.showwarning
        check(hmi)
        refused(lost, "must say its observer")
        assert (warnings.filters[:], warnings.showwarning) == before


def test_threads(hmi):
    """Eight at once: whoever is asked beside others gets the answer that it gets alone."""
    kinds = [
        ({}, None),
        ({"dsun_obs": None}, "must say its observer"),
        ({"date-obs": None}, "must say its observation time"),
        ({"cdelt1": None}, "must say its scale"),
        ({"crota2": None}, "must say its orientation"),
    ]  # fmt: skip
    images = [
        (changed(hmi, keywords | {"crval1": number / 100}), message)
        for number in range(40)
        for keywords, message in kinds
    ]

    def answer(image):
        try:
            check(image)
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(answer, [image for image, _ in images]))
    assert len(answers) == 200
    for found, (_, expected) in zip(answers, images, strict=True):
        assert found is None if expected is None else expected in found
    # The process still hears of what happens afterwards.
    with pytest.warns(UserWarning, match="still"):
        warnings.warn("still here", stacklevel=1)


def test_far_observers(make_magnetogram):
    """As PHI sees it: from 0.3 au, rolled, with a Sun of two thirds of a degree."""
    near = SkyCoord(-100 * u.deg, 17 * u.deg, 0.3 * u.au, frame="heliographic_stonyhurst")
    check(make_magnetogram(observer=near, rotation=121.0, instrument="PHI", telescop="SOLO", size=128))
