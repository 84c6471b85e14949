"""
Kinds of field: what a number in gauss along the line of sight was made of.

HMI gives two. Its line-of-sight magnetograms are made of circularly polarised light alone. Its vector data are made of
all polarised light by an inversion, and SDOML's ``Bz`` is their component along the line of sight. Both are positive
towards the observer, and a network takes the one for the other without a word: so models, stores and magnetograms say
which they are of, and the validity report compares.
"""

from collections.abc import Mapping

__all__ = ["KINDS", "LINE_OF_SIGHT", "SDOML_BZ", "field_kind", "is_of_sdoml"]

#: Of magnetograms as HMI's ``hmi.M_720s``, and of whatever does not say that it is another.
LINE_OF_SIGHT = "line-of-sight magnetogram"

#: By the code that made SDOML, ``B cos(inclination)`` of ``hmi.B_720s``: https://github.com/SDOML/SDOML,
#: ``hmi_getfits.pro``. An inclination of 0 is towards the observer.
SDOML_BZ = "SDOML Bz"

#: What they are, in words.
KINDS = {
    LINE_OF_SIGHT: "line-of-sight magnetograms",
    SDOML_BZ: "Bz of SDOML, the line-of-sight component of HMI's inverted vector field",
}


def field_kind(header: Mapping) -> str:
    """
    Find out what a magnetogram is of.

    Parameters
    ----------
    header : mapping
        Of a FITS file or a Map, whose keywords may be asked for in lower case.

    Returns
    -------
    str
        `SDOML_BZ` if ``CONTENT`` says so, and `LINE_OF_SIGHT` otherwise.

    Examples
    --------
    >>> from sunpy_mag2euv.field_kinds import field_kind
    >>> field_kind({"content": "MAGNETOGRAM"}), field_kind({"content": "SDOML Bz"})
    ('line-of-sight magnetogram', 'SDOML Bz')
    """
    said = str(header.get("content") or "").strip().lower()
    return SDOML_BZ if said == SDOML_BZ.lower() else LINE_OF_SIGHT


def is_of_sdoml(header: Mapping) -> bool:
    """Whether a header of HMI's is one of SDOML's, which has the same for all components: only it has ``PIXLUNIT``."""
    return str(header.get("pixlunit") or "").strip().lower() == "gauss"
