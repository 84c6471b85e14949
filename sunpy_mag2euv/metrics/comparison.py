"""Comparison: a synthetic and an observed Map in, a table of scores by region out."""

import re

import numpy as np

import astropy.units as u
import sunpy.map
from astropy.table import QTable
from sunpy.coordinates import Helioprojective

from sunpy_mag2euv.metrics.regions import find_regions, stonyhurst_longitude
from sunpy_mag2euv.metrics.regridding import regrid, solar_coordinates, solar_radius
from sunpy_mag2euv.metrics.scores import (
    bin_image,
    check_binning,
    correlation,
    pixel_error_share,
    relative_error,
    root_mean_square_error,
    structural_similarity_map,
)
from sunpy_mag2euv.metrics.spectrum import FINE_SCALES, structure_ratio
from sunpy_mag2euv.passbands import get_passband

__all__ = ["PAPER_RADIUS", "SATURATION", "compare"]

#: AIA's analogue-to-digital converters have 14 bits; from here on a pixel holds more than it says.
SATURATION = (2**14 - 1) * u.DN

#: Solar radius in pixels of the grid on which Park et al. 2019 compute their scores.
PAPER_RADIUS = 98

#: By how much the directions from which the Sun is seen may differ: SOHO's, Earth's and SDO's do by less.
_SAME_OBSERVER = 1 * u.deg

_SCORES = ("cc", "re", "ppe10", "ppe50", "cc_log", "rmse", "ssim")


@u.quantity_input
def compare(synthetic, aia_map, *, binning=None, max_time_difference: u.min = 12 * u.min):
    """
    Score a synthetic image against an observed one, region by region.

    Parameters
    ----------
    synthetic : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` makes it, or any other AIA image. Its pixels are those that are scored.
    aia_map : `~sunpy.map.GenericMap`
        AIA image of the same passband, in DN with its exposure time or in DN/s; any size, orientation and scale. It is
        brought to the pixels of ``synthetic`` by averaging and interpolation.
    binning : int, optional
        Blocks of so many pixels a side are averaged in both images before they are scored. Unless given, it is what
        brings the solar radius next to 98 pixels, on which Park et al. 2019 compute their scores: 1 for the 256² images
        of the default model, 4 for theirs of 1024².
    max_time_difference : `~astropy.units.Quantity`, optional
        Between the two images. In the default, which is the cadence of HMI's magnetograms, the Sun turns by 0.1°: one
        pixel at the disk's centre in images of 1024².

    Returns
    -------
    `~astropy.table.QTable`
        A row for each of `sunpy_mag2euv.metrics.REGIONS`. Columns: ``region``; ``pixels`` (used, after binning);
        ``cc``, ``re``, ``ppe10``, ``ppe50`` as in the paper; ``cc_log``, the correlation of the logarithms; ``rmse`` in
        DN/s; ``ssim``, the mean of `~sunpy_mag2euv.metrics.structural_similarity_map`; ``structure``, for the disk, the
        ratio of power at 20 to 60 Mm (`~sunpy_mag2euv.metrics.structure_ratio`). Scores of regions without pixels are
        NaN. ``meta`` has the passband, times, binning, solar radius in pixels, and the model, as far as ``HISTORY``
        tells.

    Raises
    ------
    TypeError
        If either is not a Map.
    ValueError
        If either is not a helioprojective AIA image in DN with an exposure time or in DN/s; if the passbands, the times
        or the observers differ; if the images have no pixels in common; or if ``binning`` is not a positive integer.

    Notes
    -----
    Pixels that are masked, not finite or saturated (16383 DN and more; for images in DN/s if their header has the
    exposure time) are left out, as are those of the synthetic image's pixels that they are part of. Nothing is filled
    in.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> synthetic = mag2euv.generate(sample_magnetogram(size=256), passband=193)
    >>> table = mag2euv.compare(synthetic, synthetic)
    >>> table["region", "cc", "re"][0]
    <Row index=0>
    region    cc      re
     str13 float64 float64
    ------ ------- -------
      disk     1.0     0.0
    """
    if binning is not None:
        check_binning(binning)
    _check_pair(synthetic, aia_map, max_time_difference)
    radius_in_pixels = solar_radius(synthetic)
    if binning is None:
        binning = max(1, round(radius_in_pixels / PAPER_RADIUS))
    images = _intensity(synthetic), regrid(_intensity(aia_map), aia_map, synthetic)
    x, y, synthetic_image, observed = (bin_image(plane, binning) for plane in (*solar_coordinates(synthetic), *images))
    # What is known in one image only is in no region, so that it does not matter in which of them it is missing.
    known = np.isfinite(synthetic_image) & np.isfinite(observed)
    if not known.any():
        raise ValueError(
            "the images must have pixels that are known in both; these have none. Check their fields of view, "
            f"with binning={binning}"
        )
    synthetic_image[~known] = observed[~known] = np.nan

    radius, size = np.hypot(x, y), radius_in_pixels / binning
    longitude = stonyhurst_longitude(x, y, synthetic.observer_coordinate.lat)
    passband = get_passband(synthetic.wavelength)
    regions = find_regions(observed, passband, radius, longitude, size)
    similarity = structural_similarity_map(synthetic_image, observed)
    rows = [
        (name, *_score(synthetic_image[region], observed[region], similarity[region]), np.nan)
        for name, region in regions.items()
    ]
    table = QTable(rows=rows, names=("region", "pixels", *_SCORES, "structure"), units={"rmse": u.DN / u.s})
    table["structure"][list(regions).index("disk")] = structure_ratio(synthetic_image, observed, radius, size)
    table.meta = {
        "passband": passband.angstrom,
        "synthetic_time": synthetic.date.utc.isot,
        "observed_time": aia_map.date.utc.isot,
        "binning": int(binning),
        "solar_radius_pixels": round(size, 3),
        "structure_scales": f"{FINE_SCALES[0]:g} to {FINE_SCALES[1]:g}",
        **_provenance(synthetic),
    }
    return table


def _score(synthetic, observed, similarity):
    """Number of pixels and scores of one region."""
    number = len(observed)
    if not number:
        return 0, *[np.nan] * len(_SCORES)
    known = np.isfinite(similarity)
    return (
        number,
        correlation(synthetic, observed),
        relative_error(synthetic, observed),
        pixel_error_share(synthetic, observed, 0.1),
        pixel_error_share(synthetic, observed, 0.5),
        correlation(synthetic, observed, log=True),
        root_mean_square_error(synthetic, observed),
        similarity[known].mean() if known.any() else np.nan,
    )


def _check_pair(synthetic, aia_map, max_time_difference):
    """Refuse, with a sentence each, what cannot be compared."""
    for image, place in ((synthetic, "first"), (aia_map, "second")):
        _check(image, place)
    bands = [get_passband(image.wavelength) for image in (synthetic, aia_map)]
    if bands[0] != bands[1]:
        raise ValueError(f"the images must be of one passband; the first is {bands[0]}, the second {bands[1]}")
    apart = abs(synthetic.date - aia_map.date).to(u.min)
    # What is exactly at the limit comes out a rounding error beyond it.
    if not apart <= max_time_difference + 1 * u.ms:
        raise ValueError(
            f"the images must be at most {max_time_difference:g} apart; these are {apart:.4g} apart "
            f"({synthetic.date.utc.isot} and {aia_map.date.utc.isot} UTC). Take the image nearest in time, or say "
            "with max_time_difference what difference is acceptable"
        )
    # Stonyhurst's coordinates turn with the Earth's place, so that minutes between the images do not matter.
    views = [image.observer_coordinate.cartesian.xyz.to_value(u.m) for image in (synthetic, aia_map)]
    angle = np.arctan2(np.linalg.norm(np.cross(*views)), np.dot(*views)) * u.rad
    if angle > _SAME_OBSERVER:
        raise ValueError(
            f"the images must be seen from one direction, to within {_SAME_OBSERVER:g}; the observers of these are "
            f"{angle.to(u.deg):.3g} apart. Take an image by the synthetic one's observer"
        )


def _check(image, place):
    """Refuse what is no AIA-like image with coordinates."""
    if not isinstance(image, sunpy.map.GenericMap):
        raise TypeError(
            f"the {place} image must be a sunpy.map.Map; got {type(image).__name__}. "
            "Read files with sunpy.map.Map(path)"
        )
    # JPEG 2000 files come with the header of the observation, but hold what a picture needs.
    if image.data.dtype.kind in "bu" and image.data.dtype.itemsize == 1:
        raise ValueError(
            f"the {place} image must hold intensities; this one holds {image.data.dtype.name} numbers, as pictures do. "
            "Use the FITS file, or convert the numbers to DN/s"
        )
    unit = image.unit
    if unit is None or not any(unit.is_equivalent(accepted) for accepted in (u.DN, u.DN / u.s)):
        found = f"{image.instrument or 'an image'} " + ("without a unit" if unit is None else f"in {unit}")
        raise ValueError(
            f"the {place} image must be an AIA image in DN or DN/s; this Map is {found}. "
            "If it is one, say so with map.meta['bunit'] = 'DN'"
        )
    if image.data.ndim != 2 or min(image.data.shape) < 2:
        raise ValueError(
            f"the {place} image must have two dimensions of at least 2 pixels; its shape is {image.data.shape}"
        )
    if image.wavelength is None:
        raise ValueError(
            f"the {place} image must say its passband; its header does not. Add the keywords WAVELNTH and WAVEUNIT"
        )
    get_passband(image.wavelength)
    frame = image.coordinate_frame
    if not isinstance(frame, Helioprojective):
        name = "no known coordinate frame" if frame is None else frame.name.replace("_", " ") + " coordinates"
        raise ValueError(
            f"the {place} image must be helioprojective (HPLN, HPLT), as seen by its observer; this one is in {name}. "
            "Use the image before it was remapped"
        )
    if unit.is_equivalent(u.DN) and _exposure(image) is None:
        raise ValueError(
            f"the {place} image is in DN, so it must have its exposure time; its header does not. Add EXPTIME in "
            "seconds, or divide by it and say so with map.meta['bunit'] = 'DN / s'"
        )


def _exposure(image):
    """Exposure time; None if the header does not have it, or has nonsense."""
    time = image.exposure_time
    return time if time is not None and time > 0 * u.s else None


def _intensity(image):
    """A Map's data in DN/s, NaN where not known, masked or saturated."""
    exposure = _exposure(image)
    values = np.array(image.data, dtype=float)
    if image.unit.is_equivalent(u.DN):
        values = values * (image.unit / exposure.unit).to(u.DN / u.s) / exposure.value
    else:
        values = values * image.unit.to(u.DN / u.s)
    known = np.isfinite(values)
    if exposure is not None:
        # A digit that is lost in the division is no light.
        known &= values < (SATURATION / exposure).to_value(u.DN / u.s) * (1 - 1e-6)
    if image.mask is not None:
        known &= ~image.mask
    return np.where(known, values, np.nan)


def _provenance(synthetic):
    """Name and hash of the model, as far as ``HISTORY`` tells."""
    history = str(synthetic.meta.get("history", ""))
    patterns = {"model": r"^model: (.+)$", "sha256": r"^weights sha256:\s+([0-9a-f]{64})\b"}
    found = {name: re.search(pattern, history, flags=re.MULTILINE) for name, pattern in patterns.items()}
    return {name: match[1].strip() for name, match in found.items() if match}
