"""What headers have to say of the geometry: each thing that sunpy would make up, and each number that cannot be."""

import concurrent.futures
import itertools
import warnings

import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord

from sunpy_mag2euv.headers import check_geometry, describe, missing_placement
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
    assert len(str(caught.value)) < 1000


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


@pytest.mark.parametrize(
    "names",
    [
        {"instrume": "SDO/HMI", "telescop": "SDO"},
        {"instrume": "", "telescop": "SDO/HMI"},
        {"instrume": "", "telescop": "SDO", "detector": "HMI"},
        {"instrume": "hmi", "telescop": "sdo"},
        {"instrume": "SDO/AIA", "telescop": ""},
    ],
    ids=str,
)
def test_instruments_by_any_of_their_names(hmi, names):
    check(changed(hmi, names))
    refused(changed(hmi, names | {"crota2": None}), "must say its orientation")


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
    refused(changed(cd, {"cd1_1": 0.0, "cd1_2": 0.0}), "must have a matrix that has two axes; .* CD1_1 = 0, CD1_2 = 0,")
    refused(changed(cd, {"cd1_2": np.nan}), "must have a number in CD1_2; its header says nan")


def pc(*values, **others):
    """Keywords of a PC matrix; None leaves one out."""
    return dict(zip(("pc1_1", "pc1_2", "pc2_1", "pc2_2"), values, strict=True)) | others


def turned(degrees):
    """Elements of the matrix of a rotation."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return float(cos), float(-sin), float(sin), float(cos)


@given(roll=st.floats(-360, 360), apart=st.floats(1.1, 358.9), turns=st.integers(-1, 1), stretch=st.floats(0.5, 2),
       flips=st.tuples(st.booleans(), st.booleans()), by_cd=st.booleans())  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_orientation(hmi, roll, apart, turns, stretch, flips, by_cd):
    """The matrix that sunpy makes of CROTA2 agrees with it, whatever pixels are turned, and with no other CROTA2."""
    cdelt = [32.0 * (-1) ** flip for flip in flips]
    image = changed(hmi, {"cdelt1": cdelt[0], "cdelt2": cdelt[1] * stretch, "crota2": roll})
    matrix = image.rotation_matrix * (np.array([[image.meta["cdelt1"]], [image.meta["cdelt2"]]]) if by_cd else 1)
    keywords = {key.replace("pc", "cd") if by_cd else key: value for key, value in pc(*matrix.ravel().tolist()).items()}
    both = changed(image, keywords | {"crota2": roll + 360 * turns})
    check(both)
    both.meta["crota2"] = roll + apart
    refused(both, "must have one orientation; by (PC|CD)1_1 = .* it is turned by .* degrees, but by CROTA2 = .* Remove")


@pytest.mark.parametrize(
    "keywords",
    [
        # Both ways to turn axes round
        pc(-1.0, 0.0, 0.0, 1.0, crota2=0.0),
        pc(1.0, 0.0, 0.0, -1.0, crota2=90.0),
        # As astropy writes the matrices of half a turn and of a mirror
        pc(-1.0, None, None, -1.0, crota2=None),
        pc(-1.0, None, None, None, crota2=None),
        pc(-1.0, None, None, -1.0),
        # As FITS has it, the scale may be in the matrix
        pc(*(32.0 * value for value in turned(10)), cdelt1=1.0, cdelt2=1.0, crota2=10.0),
        pc(*(0.5 * value for value in turned(10)), cdelt1=64.0, cdelt2=64.0, crota2=None),
        {"cd1_1": 32.0, "cd2_2": 32.0, "crota2": None},
        {"cd1_2": -32.0, "cd2_1": 32.0, "crota2": 90.0},
        # Those that sunpy does not read for this source may be left from before it was turned
        pc(*turned(10), crota=3.0, crota1=5.0, crota2=None),
    ],
    ids=str,
)
def test_matrices_that_can_be(hmi, keywords):
    check(changed(hmi, keywords))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (pc(None, -0.17, None, None), r"must have all of PC1_1, .* header says PC1_2 = -0.17, .* skew by 9.65 degrees"),
        (pc(1.0, None, 0.17, None), "must have all of PC1_1"),
        # Of which sunpy makes nothing
        ({"cd1_1": 32.0, "cd2_2": 32.0, "cdelt1": None, "cdelt2": None, "crota2": None}, "read: .* CD1_1 = 32.0, CD"),
        ({"cd1_1": 32.0, "cd2_2": 32.0, "cd1_2": 5.0}, "must have all of CD1_1, CD1_2, CD2_1, CD2_2"),
        ({"cd1_2": 5.0}, "must have a matrix that has two axes; its header says CD1_2 = 5"),
        (pc(0.0, 0.0, 0.0, 0.0), "must have a matrix that has two axes"),
        (pc(*turned(10)), "must have one orientation; by PC1_1 = 0.9848, .* by 10 degrees, but by CROTA2 = 179.9 it"),
        (pc(1.0, None, None, None), "must have one orientation; by PC1_1 = 1 it is turned by 0 degrees, but by CROTA2"),
        (
            {"cd1_1": 32.0, "cd2_2": 32.0} | pc(*turned(30), crota2=None),
            "must have one orientation; by PC1_1 .* by 30 degrees, but by CD1_1 = 32, CD2_2 = 32 it is turned by 0 deg",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_matrices_that_cannot_be(hmi, keywords, message):
    refused(changed(hmi, keywords), message)


def test_images_that_were_turned(hmi):
    """sunpy leaves a matrix alone behind, of any scale."""
    for image in (
        hmi.rotate(10 * u.deg, scale=2),
        hmi.rotate(rmatrix=np.array([[2.0, 0], [0, 2.0]])),
        hmi.rotate(rmatrix=np.array([[-1.0, 0], [0, 1.0]])),
        hmi.rotate(10 * u.deg).resample([32, 64] * u.pix),
    ):
        check(image)
    image.meta["crota2"] = 180.0
    refused(image, "must have one orientation")


@pytest.mark.parametrize(
    ("keyword", "instrument"), [("date-obs", "HMI"), ("t_obs", "HMI"), ("t_obs", "AIA_3"), ("date-avg", "PHI")]
)
def test_one_time(hmi, keyword, instrument):
    """Whichever of them sunpy takes for the image, and for its coordinates."""
    hmi = changed(hmi, {"instrume": instrument, "telescop": "" if instrument == "PHI" else "SDO/HMI"})
    for said in ("1999-01-15T00:00:00", "2014-01-17T00:00:00"):
        words = f"{keyword.upper()} = '{said}'"
        refused(changed(hmi, {keyword: said}), f"must be of one time; .* UTC; its header says .*{words}")
    check(changed(hmi, {keyword: "2014-01-15T23:00:00"}))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"ctype1": "hpln-tan", "ctype2": "hplt-tan"}, "CTYPE1 and CTYPE2 in capitals, .* says 'hpln-tan' and 'hplt"),
        ({"ctype1": "HPLN-ZPN", "ctype2": "HPLT-ZPN"}, r"that can be read: .*\(CTYPE, PV\), .* CTYPE1 = 'HPLN-ZPN'"),
        ({"ctype1": "HPLN-XYZ", "ctype2": "HPLT-XYZ"}, "coordinates that can be read: .* CTYPE1 = 'HPLN-XYZ'"),
        ({"cunit1": 5}, "must have words in CUNIT1; its header says 5"),
        ({"cunit2": "kg", "cunit1": "kg"}, r"units of angle \(CUNIT\) .* CUNIT1 = 'kg', CUNIT2 = 'kg'"),
        ({"cunit2": "x" * 5000}, "coordinates that can be read: .* CUNIT2 = 'xxxx"),
        ({"cunit2": None}, "coordinates that can be read: .*"),
        ({"cdelt1": 10**400}, "must have a number in CDELT1; its header says 1000"),
        ({"cdelt1": 10**5000}, r"must have a number in CDELT1; its header says something \(int\)"),
        ({"cdelt1": np.ones((50, 50))}, r"must have a number in CDELT1; its header says array\(\[\["),
        ({"ctype1": "FOO\nBAR"}, "in the coordinates FOO BAR and HPLT-TAN"),
        ({"timesys": "x" * 5000}, "time in a way that can be read; .* TIMESYS = 'xxx"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_python_says_of_it_is_of_no_help(hmi, keywords, message):
    """Keywords are named instead, in one line."""
    image = changed(hmi, {})
    for keyword, value in keywords.items():
        # sunpy would not make some of these Maps.
        image.meta[keyword] = value
        if value is None:
            del image.meta[keyword]
    refused(image, message)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({}, "HMI SYNTHETIC magnetogram in G"),
        ({"bunit": "1"}, "HMI SYNTHETIC magnetogram without a unit"),
        ({"bunit": ""}, "HMI SYNTHETIC magnetogram without a unit"),
        ({"bunit": None}, "HMI SYNTHETIC magnetogram"),
        ({"bunit": "0.01"}, "HMI SYNTHETIC magnetogram in 0.01"),
        ({"bunit": "nix"}, "HMI SYNTHETIC magnetogram in 'nix'"),
        ({"content": "a\nb"}, "HMI SYNTHETIC a b in G"),
        ({"instrume": "HMI\nX"}, "HMI X magnetogram in G"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Could not parse unit string")
def test_descriptions(hmi, keywords, words):
    image = changed(hmi, {})
    image.meta |= keywords
    assert describe(image).lower() == words.lower()


def test_descriptions_are_short(hmi):
    image = changed(hmi, {})
    image.meta |= {"instrume": "HMI" * 5000, "content": "field " * 1000, "bunit": "x" * 5000}
    assert len(describe(image)) < 200


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
        ({"pc1_1": 1.0, "pc1_2": 1.0, "pc2_1": 1.0, "pc2_2": 1.0}, "must have a matrix that has two axes"),
        ({"crpix1": np.nan}, "must have a number in CRPIX1"),
        ({"crval1": np.nan}, "must have a number in CRVAL1"),
        ({"pc1_1": 10**30, "pc2_1": 1.0}, "must have"),
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
    roll = {"crota2": None, "pc1_1": 1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": 1.0}
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
