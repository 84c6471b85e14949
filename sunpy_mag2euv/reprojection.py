"""Reprojection: an AIA-like Map → the pixels of another Map, with its deviation and all that its header says of it."""

import copy
import re
import textwrap
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.nddata import StdDevUncertainty
from sunpy.coordinates import Helioprojective
from sunpy.map import GenericMap
from sunpy.map.header_helper import make_fitswcs_header
from sunpy.map.sources import AIAMap

from sunpy_mag2euv.headers import check_geometry
from sunpy_mag2euv.intensity import check_image, check_together, intensity
from sunpy_mag2euv.maps import brief, check_map, check_pixels, in_known_time
from sunpy_mag2euv.regridding import regrid

__all__ = ["reproject"]

#: What a header says of a file, of pixels and where they are, of the exposure that DN/s have no more, and of dates and
#: units, which are written anew. Everything else stays.
_LEFT_BEHIND = re.compile(
    r"simple|xtension|extend|extname|bitpix|naxis\d*|[pg]count|bscale|bzero|blank|checksum|data\w+|keycomments|"
    r"wcs\w+|c(type|unit|rpix|rval|delt|rota|rder|syer)\d*|(pc|cd|pv)\d+_\d+|lonpole|latpole|radesys|"
    r"(hae[xyz]|hci[xyz]|hgl[nt]|crl[nt]|dsun|rsun)_\w+|r_sun|[xy]0(_mp)?|imscl_mp|(inst|sat)_rot|"
    r"(tot|miss)vals|percentd|exptime|xposure|int_time|expsdev|bunit|pixlunit|date([-_]\w+)?|mjd\w*|t_obs|timesys"
)


@u.quantity_input
def reproject(synthetic: GenericMap, *, like: GenericMap, max_time_difference: u.min = 12 * u.min) -> AIAMap:
    """
    Put a synthetic image on the pixels of another one.

    sunpy's own `~sunpy.map.GenericMap.reproject_to` makes a Map without unit, instrument, history and uncertainty, so
    that nobody can tell any more what it is. Its ``submap``, ``rotate``, ``resample`` and ``superpixel`` lose the
    uncertainty; give what they return as ``like`` to have it.

    Parameters
    ----------
    synthetic : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` and `~sunpy_mag2euv.translate` make it, or any other AIA image in DN with its
        exposure time or in DN/s.
    like : `~sunpy.map.GenericMap`
        Helioprojective; of any instrument, size, orientation, scale and field of view.
    max_time_difference : `~astropy.units.Quantity`, optional
        Between the two. The Sun is not turned to the other's time: in the default it turns by 0.1°, 1.7 arcsec at the
        disk's centre.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`
        In DN/s, shape of the data of ``like``, with its world coordinates; NaN where ``synthetic`` is not known. Time,
        passband, marking, provenance and everything else that the header says is that of ``synthetic``, with a line
        more in ``HISTORY``. The ``uncertainty`` is the standard deviation, if ``synthetic`` has one.

    Raises
    ------
    TypeError
        If either is not a Map.
    ValueError
        If ``synthetic`` is no AIA image, or one whose uncertainty is no standard deviation, variance or inverse
        variance; if ``like`` is not helioprojective; if their times or the directions of their observers differ; or if
        they have no pixels in common.

    Notes
    -----
    Pixels are averaged where those of ``like`` are larger, and interpolated (`sunpy_mag2euv.regridding.regrid`). DN/s
    are those of a pixel of AIA's 0.6 arcsec, whatever the size of the pixels that they are averaged over, so their
    level stays. A pixel is NaN if any that it is made of is.

    Where pixels coincide, as those of a ``submap``, their values stay the same to the last bit.

    The deviation is treated in the same way, as that of errors that neighbouring pixels share. What each pixel has for
    itself would become less in an average, so that the result is at most too large.

    The Sun is put where it is seen in ``like``, and so large. The observer in the header is that in the direction of
    the observer of ``synthetic``, at the distance of the other one.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> magnetogram = sample_magnetogram(size=512)
    >>> synthetic = mag2euv.generate(magnetogram, passband=193, model="shared-browse")
    >>> image = mag2euv.reproject(synthetic, like=magnetogram)
    >>> image.instrument, image.unit, image.data.shape
    ('AIA SYNTHETIC', Unit("DN / s"), (512, 512))

    A part of an image, with its deviation:

    >>> import astropy.units as u
    >>> part = mag2euv.reproject(synthetic, like=synthetic.submap([9, 9] * u.pix, width=90 * u.pix, height=50 * u.pix))
    >>> part.uncertainty.array.shape
    (51, 91)
    """
    for image, name in ((synthetic, "the image"), (like, "like")):
        check_map(image, name)
    synthetic, like = in_known_time(synthetic), in_known_time(like)
    check_image(synthetic, "the image")
    check_pixels(like, "like")
    check_geometry(like, "like", "the Map before it was remapped")
    check_together([synthetic, like], max_time_difference)
    deviation = _deviation(synthetic)

    # Half the memory of what is computed is enough to keep it, unless somebody had more.
    dtype = np.result_type(synthetic.data.dtype, np.float32)
    image = regrid(intensity(synthetic), synthetic, like).astype(dtype)
    unknown = np.isnan(image)
    if unknown.all():
        raise ValueError(
            "the image must be known somewhere in the field of view of like; it is not. Check their fields of view"
        )
    uncertainty = None
    if deviation is not None:
        # Interpolation overshoots beside a step, and there is no negative deviation.
        deviation = np.abs(regrid(deviation, synthetic, like)).astype(dtype)
        uncertainty = StdDevUncertainty(np.where(unknown, np.nan, deviation), unit=u.DN / u.s)
    reprojected = sunpy.map.Map(image, _header(synthetic, like), uncertainty=uncertainty)
    # Plots have its title, and its scale of brightness where that is one of DN/s.
    reprojected.nickname = synthetic.nickname
    if synthetic.unit == reprojected.unit:
        reprojected.plot_settings |= copy.deepcopy(synthetic.plot_settings)
    return reprojected


def _deviation(image: GenericMap) -> npt.NDArray | None:
    """Standard deviation of a Map in DN/s, NaN where unknown; None if the Map does not have it."""
    if image.uncertainty is None:
        return None
    try:
        uncertainty = image.uncertainty.represent_as(StdDevUncertainty)
    except TypeError:
        raise ValueError(
            "the image must have a standard deviation, a variance or none of them as its uncertainty; this one has "
            f"{type(image.uncertainty).__name__}. Say which it is, such as with astropy.nddata.StdDevUncertainty"
        ) from None
    unit = uncertainty.unit
    factor = 1 if unit is None or image.unit is None else unit.to(image.unit)
    # It is read as the image is, whose exposure time divides both.
    return intensity(sunpy.map.Map(uncertainty.array * factor, image.meta))


def _header(image: GenericMap, like: GenericMap) -> Any:
    """The coordinates of one Map, and what the header of the other says of anything else."""
    seen_from, reference = image.observer_coordinate, like.reference_coordinate
    observer = SkyCoord(seen_from.lon, seen_from.lat, like.observer_coordinate.radius, frame=seen_from.frame)
    frame = Helioprojective(observer=observer, obstime=image.reference_date, rsun=like.coordinate_frame.rsun)
    header = make_fitswcs_header(
        like.data.shape,
        SkyCoord(reference.Tx, reference.Ty, frame=frame),
        reference_pixel=u.Quantity(like.reference_pixel),
        scale=u.Quantity(like.scale),
        rotation_matrix=like.rotation_matrix,
        projection_code=_projection(like),
        unit=u.DN / u.s,
    )
    header |= {keyword: value for keyword, value in like.meta.items() if re.fullmatch(r"pv\d+_\d+", keyword)}
    header |= {keyword: value for keyword, value in image.meta.items() if not _LEFT_BEHIND.fullmatch(keyword)}
    header["date-obs"] = image.date.utc.isot
    header["t_obs"] = image.reference_date.utc.isot
    header["timesys"] = "UTC"
    header["history"] = "\n".join(filter(None, (image.meta.get("history"), *_history(image, like))))
    return header


def _projection(image: GenericMap) -> str:
    """Its three letters, without what follows. Over the Sun, coordinates without one are tangential ones to 0.01"."""
    code = re.match(r".{4}-+([A-Z]{3})\b", image.coordinate_system.axis1)
    return code[1] if code else "TAN"


def _history(image: GenericMap, like: GenericMap) -> list[str]:
    """What was done, in lines that fit FITS cards."""
    before, after = (f"{source.scale[0].to_value(u.arcsec / u.pix):.4g} arcsec" for source in (image, like))
    rows, columns = like.data.shape
    entry = (
        f"reprojected by sunpy_mag2euv {version('sunpy_mag2euv')}, from pixels of {before} to the {columns} x {rows} "
        f"of {after} of {brief(like.observatory)} {brief(like.instrument)}, {like.date.utc.isot} UTC"
    )
    return textwrap.wrap(entry.encode("ascii", "replace").decode(), 72, break_on_hyphens=False)
