"""What the word QUALITY of a header says against an image."""

import re

import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import given
from hypothesis import strategies as st

from astropy.io import fits
from sunpy.util import MetaDict

from sunpy_mag2euv.quality import quality_objection, quality_word
from sunpy_mag2euv.sample import sample_magnetogram

HMI, AIA = {"INSTRUME": "HMI_SIDE1"}, {"INSTRUME": "AIA_3"}

#: Bits that do an image no harm, or that nobody sets.
HARMLESS = {
    "HMI": {0, 1, 2, 3, 4, 6, 7, 10, 11, 16},
    "AIA": {4, 5, 6, 8, 19, 21, 22, 23, *range(24, 31)},
}


def bits(objection):
    """The bits that an objection names."""
    named = re.findall(r"\(bits? ([\d, ]+)\)", objection or "")
    return {int(bit) for group in named for bit in group.split(", ")}


@pytest.mark.parametrize("bit", range(32))
def test_every_bit_is_read(bit):
    word = 1 << bit
    signed = word - 2**32 if bit == 31 else word
    for value in (word, signed, f"0x{word:08x}", f"0X{word:08X}", str(signed), float(signed), np.int64(signed)):
        assert quality_word(value) == word


@pytest.mark.parametrize("value", [None, "", "MISSING", float("nan"), float("inf"), 0.5, 2**32, -(2**31) - 1, [1]])
def test_what_is_no_word(value):
    assert quality_word(value) is None
    for instrument in (HMI, AIA):
        assert quality_objection({**instrument, "QUALITY": value}) is None


@pytest.mark.parametrize("instrument", ["HMI_SIDE1", "HMI_FRONT2", "HMI_COMBINED", "AIA_1", "AIA_ATA3"])
@given(word=st.integers(0, 2**32 - 1))
def test_every_bit_that_matters_is_named(instrument, word):
    objection = quality_objection({"INSTRUME": instrument, "QUALITY": word})
    expected = {bit for bit in range(32) if word >> bit & 1} - HARMLESS[instrument[:3]]
    assert bits(objection) == expected
    if expected:
        assert objection.startswith(f"its QUALITY word 0x{word:08x} says that ")
    else:
        assert objection is None


@pytest.mark.parametrize(
    "names",
    [{"INSTRUME": "SDO/HMI"}, {"INSTRUME": "", "TELESCOP": "SDO/HMI"}, {"INSTRUME": None, "TELESCOP": "SDO/HMI"}],
    ids=str,
)
def test_instruments_by_any_of_their_names(names):
    assert bits(quality_objection({**names, "QUALITY": 1 << 14})) == {14}


@pytest.mark.parametrize(("said", "words"), [(20.0, "20"), (0, "0"), (98.9, "98.9"), (np.float32(50), "50")])
def test_pixels_that_are_not_there(said, words):
    expected = f"only {words} per cent of its pixels are there (PERCENTD)"
    assert quality_objection({**AIA, "QUALITY": 0, "PERCENTD": said}) == expected
    assert quality_objection({**AIA, "QUALITY": 1 << 11, "PERCENTD": said}).endswith(f" (bit 11), and {expected}")
    # Cutouts of other telescopes say it of something else.
    assert quality_objection({"INSTRUME": "SOT/NB", "PERCENTD": said}) is None


@pytest.mark.parametrize(
    "said", [100, 99.9, 99, None, "", "20", True, np.nan, np.inf, [20], 10**400], ids=lambda said: str(said)[:9]
)
def test_what_says_nothing_of_pixels_that_are_not_there(said):
    assert quality_objection({**AIA, "QUALITY": 0, "PERCENTD": said}) is None


@pytest.mark.parametrize(
    ("instrument", "bit", "meaning"),
    [
        (HMI, 31, "no image could be made"),
        (HMI, 15, "CROTA2"),
        (HMI, 14, "stabilisation"),
        (HMI, 9, "eclipse"),
        (HMI, 8, "eclipse"),
        (HMI, 5, "poor"),
        (AIA, 0, "flat field"),
        (AIA, 10, "5 per cent"),
        (AIA, 13, "eclipse"),
        (AIA, 16, "dark"),
        (AIA, 17, "stabilisation"),
        (AIA, 20, "focus"),
        (AIA, 31, "no such image"),
    ],
)
def test_meanings(instrument, bit, meaning):
    assert meaning in quality_objection({**instrument, "QUALITY": 1 << bit})


def test_the_lists_differ():
    """Cosmic rays in one are missing pixels in the other, and an open loop is another bit."""
    assert quality_objection({**HMI, "QUALITY": 1 << 10}) is None
    assert quality_objection({**AIA, "QUALITY": 1 << 10}) is not None
    assert quality_objection({**HMI, "QUALITY": 1 << 30}) is not None
    assert quality_objection({**AIA, "QUALITY": 1 << 30}) is None


def test_several_bits_in_one_sentence():
    assert quality_objection({**HMI, "QUALITY": 0x4200}) == (
        "its QUALITY word 0x00004200 says that the image stabilisation was off for some filtergrams (bit 14), "
        "some filtergrams were taken during an eclipse (bit 9)"
    )
    assert quality_objection({**HMI, "QUALITY": -(2**31) + 2**25}) == (
        "its QUALITY word 0x82000000 says that no image could be made of the filtergrams (bits 25, 31)"
    )


@pytest.mark.parametrize("instrument", [HMI, AIA, {"INSTRUME": "EIT"}, {"INSTRUME": None}, {}])
def test_dark_images(instrument):
    for text in ("DARK", "dark "):
        assert quality_objection({**instrument, "IMG_TYPE": text}) == "its IMG_TYPE is DARK"
    for text in ("LIGHT", None, ""):
        assert quality_objection({**instrument, "IMG_TYPE": text}) is None


def test_a_dark_image_with_its_bit():
    objection = quality_objection({**AIA, "QUALITY": 1 << 16, "IMG_TYPE": "DARK"})
    assert objection == "its QUALITY word 0x00010000 says that it is a dark image (bit 16), and its IMG_TYPE is DARK"


@pytest.mark.parametrize("instrument", ["MDI", "", None, "EIT"])
def test_words_of_others_say_nothing(instrument):
    assert quality_objection({"INSTRUME": instrument, "QUALITY": 0x200}) is None


@pytest.mark.parametrize("header", [fits.Header, MetaDict])
def test_any_header(header):
    assert bits(quality_objection(header({"instrume": "AIA_3", "quality": 2**17 + 2**30}))) == {17}
    assert quality_objection(header({"instrume": "AIA_3"})) is None
    assert quality_objection(header({})) is None


def test_good_images():
    for image in (sample_magnetogram(size=64), make_aia(size=8, img_type="LIGHT", quality=0)):
        assert quality_objection(image.meta) is None


@pytest.mark.filterwarnings("ignore:Invalid 'BLANK' keyword")
def test_real_files(test_data):
    """None of them is bad; those in near real time and without lists of cosmic rays have bits for that."""
    words = set()
    for pattern in ("*.fits", "*.fits.gz", "aia_synoptic_20250113/*.fits"):
        for path in sorted(test_data.glob(f"inputs/{pattern}")):
            with fits.open(path) as parts:
                for part in parts:
                    assert quality_objection(part.header) is None, path
                    words.add(quality_word(part.header.get("QUALITY")))
    assert {0, 1152, 2**30} <= words
