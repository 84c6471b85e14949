"""
Quality: what the word ``QUALITY`` of a header says against an image.

The archive of SDO sets a bit for everything that was not as usual when an image was taken or made. Most of that does
not harm it; here are the bits after which its numbers, or where they are, may be wrong.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["quality_objection", "quality_word"]

#: What matters in HMI's line-of-sight observables, and the bits that say it, by "Current meaning of the QUALITY keyword
#: for the line-of-sight observables" (http://jsoc.stanford.edu/jsocwiki/Lev1qualBits,
#: http://jsoc.stanford.edu/doc/data/hmi/Quality_Bits/QUALITY.txt, of 2013 May 24) and the definitions in the pipeline
#: that sets them (lev1.5_hmi/apps/HMI_observables.c and HMI_IQUV_averaging.c of https://github.com/lm-jps/proj).
#: Magnetograms of 12 minutes can have bits of the averages that they are made of, which have a list of their own: in
#: it, bit 9 is the eclipse and bit 8 a sequence that adds noise. In the list of the magnetograms, bit 8 is the eclipse,
#: and bit 9 goes with images that were not made.
#:
#: Left out are bits 16 and 11 (fewer filtergrams were used than planned; the others are good), 10 (some lists of cosmic
#: rays were missing; single pixels), 7 (it concerns the correction of velocities, and magnetograms in near real time
#: have it as a rule) and 6 (a sequence that adds noise).
_HMI: dict[str, Iterable[int]] = {
    "no image could be made of the filtergrams": range(17, 32),
    "keywords such as CROTA2 and DSUN_OBS are not of its time": (15,),
    "the image stabilisation was off for some filtergrams": (14,),
    "the temperatures for its calibration could not be read": (13,),
    "gaps in some filtergrams could not be filled": (12,),
    "some filtergrams were taken during an eclipse": (9,),
    "some filtergrams were taken during an eclipse, or in a sequence that adds noise": (8,),
    "it is poor, as during an eclipse, a lunar transit or the recovery from one": (5,),
}

#: The same of AIA's images of level 1, whose word those of level 1.5 and the synoptic archive carry on: DeRosa & Slater
#: 2013, "Guide to SDO Data Analysis", section 7.7.6 (https://www.lmsal.com/sdodocs/doc/dcur/SDOD0060.zip/zip/entry/),
#: and lev0/apps/quallev1.h of the pipeline; bit 7 by its later version
#: (http://jsoc.stanford.edu/doc/data/hmi/Quality_Bits/quallev1.h).
#:
#: Left out are bits 4, 19, 22 and 23 (of HMI only), 5 and 6 (anomalies that are entered by hand; HMI's level 1 has bit
#: 5 on ordinary days), 8 (pixels are missing, but without bit 9 at most one per cent), 21 (a register of the instrument
#: is not 0, which does not say what that does to the image) and 30 (made in near real time, from data that are as
#: good).
_AIA: dict[str, Iterable[int]] = {
    "there is no such image": (31,),
    "the focus was out of range": (20,),
    "it is a calibration image": (18,),
    "the image stabilisation was off": (17,),
    "it is a dark image": (16,),
    "the spacecraft was in safe mode": (15,),
    "the spacecraft did not see the Sun": (14,),
    "it was taken during an eclipse": (13,),
    "the spacecraft did not point as for science": (12,),
    "more than 25 per cent of its pixels are missing": (11,),
    "more than 5 per cent of its pixels are missing": (10,),
    "more than 1 per cent of its pixels are missing": (9,),
    "there was an anomaly of the camera": (7,),
    "the instrument's pointing was not known": (3,),
    "the spacecraft's ancillary data were not there": (2,),
    "the spacecraft's orbit was not known": (1,),
    "there was no flat field": (0,),
}

#: The lists by a word of ``INSTRUME`` or ``TELESCOP``. MDI's is not there
#: (http://soi.stanford.edu/production/QUALITY/DATASWtable.html): it has a bit for a spacecraft that is rolled, which
#: SOHO was for half of each year since 2003, and leaves open what half of the bits are in magnetograms.
_LISTS: dict[str, dict[str, Iterable[int]]] = {"HMI": _HMI, "AIA": _AIA}

#: How many per cent of an AIA image's pixels there are, at least, for the others not to matter, as by bit 9.
_COMPLETE = 99


def quality_word(value: Any) -> int | None:
    """
    The 32 bits of a ``QUALITY`` keyword, whichever way it is written.

    Parameters
    ----------
    value : int, float, str or None
        Archives write the word signed (bit 31 makes it negative), unsigned, or as hexadecimal text.

    Returns
    -------
    int or None
        0…2³² - 1; None if there is no word.

    Examples
    --------
    >>> from sunpy_mag2euv.quality import quality_word
    >>> quality_word("0x00000400"), quality_word(-2147483648) == 2**31
    (1024, True)
    """
    try:
        number = float(value) if not isinstance(value, str) else int(value.strip(), 0)
        if number != int(number) or not -(2**31) <= number < 2**32:
            return None
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) & 0xFFFFFFFF


def quality_objection(header: Mapping[str, Any]) -> str | None:
    """
    What a header says against its image.

    Parameters
    ----------
    header : mapping
        Of a FITS file or a Map, whose keywords may be asked for in capitals. ``QUALITY`` is looked up in the lists of
        HMI's line-of-sight observables and of AIA's images; what it means for other instruments is not known.
        ``PERCENTD`` of AIA's images is asked how many pixels there are, and ``IMG_TYPE`` for a dark image, whatever the
        instrument.

    Returns
    -------
    str or None
        A clause about the image, "its QUALITY word … says that …", with every bit that matters. None if nothing does.

    Examples
    --------
    >>> from sunpy_mag2euv.quality import quality_objection
    >>> quality_objection({"INSTRUME": "HMI_FRONT2", "QUALITY": "0x00004400"})
    'its QUALITY word 0x00004400 says that the image stabilisation was off for some filtergrams (bit 14)'
    >>> quality_objection({"INSTRUME": "AIA_3", "QUALITY": 2**30}) is None
    True
    """
    names = " ".join(str(header.get(keyword) or "") for keyword in ("INSTRUME", "TELESCOP")).upper()
    meanings = next((meanings for name, meanings in _LISTS.items() if name in names), {})
    word = quality_word(header.get("QUALITY")) or 0
    objections = []
    if said := [text for meaning, bits in meanings.items() if (text := _set(word, meaning, bits))]:
        objections.append(f"its QUALITY word 0x{word:08x} says that {', '.join(said)}")
    if meanings is _AIA and (present := _per_cent(header.get("PERCENTD"))) < _COMPLETE:
        objections.append(f"only {present:.3g} per cent of its pixels are there (PERCENTD)")
    if str(header.get("IMG_TYPE") or "").strip().upper() == "DARK":
        objections.append("its IMG_TYPE is DARK")
    return ", and ".join(objections) or None


def _per_cent(value: Any) -> float:
    """How many there are; all, where a header does not say it."""
    try:
        return 100.0 if isinstance(value, bool) or not math.isfinite(value) else float(value)
    except (TypeError, OverflowError):
        return 100.0


def _set(word: int, meaning: str, bits: Iterable[int]) -> str | None:
    """A meaning with those of its bits that are set in a word; None if none is."""
    found = [str(bit) for bit in bits if word >> bit & 1]
    return f"{meaning} (bit{'s' if len(found) > 1 else ''} {', '.join(found)})" if found else None
