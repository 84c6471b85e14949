"""Comparison: a synthetic and an observed Map in, a table of scores by region out."""

import math
import operator
import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
from astropy.table import QTable
from sunpy.map import GenericMap
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.aia import is_observation
from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.intensity import check_image, check_light, check_together, filled_share, read_intensity
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.maps import check_map, in_known_time
from sunpy_mag2euv.metrics.regions import find_regions, stonyhurst_longitude
from sunpy_mag2euv.metrics.scores import (
    bin_image,
    check_binning,
    correlation,
    paper_binning,
    pixel_error_share,
    relative_error,
    root_mean_square_error,
    structural_similarity_map,
)
from sunpy_mag2euv.metrics.spectrum import FINE_SCALES, structure_ratio
from sunpy_mag2euv.passbands import get_passband
from sunpy_mag2euv.quality import quality_objection
from sunpy_mag2euv.regridding import regrid, solar_coordinates, solar_radius
from sunpy_mag2euv.sensitivity import (
    ADVICE,
    AS_TAKEN,
    Correction,
    Sensitivity,
    describe_epoch,
    epoch_of,
    find_correction,
)

__all__ = ["compare"]

_SCORES = ("cc", "re", "ppe10", "ppe50", "cc_log", "rmse", "ssim")

#: Solar radii in pixels that can be scored: below, there is no telling regions apart; above, pixels are six times
#: smaller than AIA's own, and the time that it takes grows with the radius.
_RADIUS = (4, 10000)

#: From this ratio on, it matters that the observation resolves less than the pixels that are scored.
_COARSE = 2


@isolated()
@u.quantity_input
def compare(
    synthetic: GenericMap,
    aia_map: GenericMap,
    *,
    binning: int | None = None,
    max_time_difference: u.min = 12 * u.min,
    correction_table: Any = None,
) -> QTable:
    """
    Score a synthetic image against an observed one, region by region.

    Parameters
    ----------
    synthetic : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` makes it, or an observation to compare with another. Its pixels are those that are
        scored.
    aia_map : `~sunpy.map.GenericMap`
        AIA image of the same passband, in DN with its exposure time or in DN/s; any size, orientation and scale. An
        observation of level 1 or 1.5, or a second synthetic image, if the first one is synthetic as well. It is
        brought to the pixels of ``synthetic`` by averaging and interpolation, and to the epoch of AIA's sensitivity
        that ``synthetic`` refers to.
    binning : int, optional
        Blocks of so many pixels a side are averaged in both images before they are scored. Unless given, it is what
        brings the solar radius next to 98 pixels, on which Park et al. 2019 compute their scores: 4 for images of
        1024², such as theirs and the default model's, and 1 for those of 256².
    max_time_difference : `~astropy.units.Quantity`, optional
        Between the two images. In the default, which is the cadence of HMI's magnetograms, the Sun turns by 0.1°: one
        pixel at the disk's centre in images of 1024².
    correction_table : str, path-like or `~astropy.table.QTable`, optional
        What AIA has lost of its sensitivity, as `sunpy_mag2euv.sensitivity.Sensitivity.read` takes it. Unless given,
        and if it is needed, it is the table that aiapy carries, which rests on measurements up to 2017 December.

    Returns
    -------
    `~astropy.table.QTable`
        A row for each of `sunpy_mag2euv.metrics.regions.REGIONS`. Columns: ``region``; ``pixels`` (used, after
        binning); ``cc``, ``re``, ``ppe10``, ``ppe50`` as in the paper; ``cc_log``, the correlation of the logarithms;
        ``rmse`` in DN/s; ``ssim``, the mean of `~sunpy_mag2euv.metrics.structural_similarity_map`; ``structure``, for
        the disk, the ratio of power at 20 to 60 Mm (`~sunpy_mag2euv.metrics.structure_ratio`). Scores of regions
        without pixels are NaN. ``meta`` has the passband, times, binning, solar radius in pixels, and the model, as far
        as ``HISTORY`` tells; ``compared``, whether images are synthetic or observed; ``level``, which says in a
        sentence how the observation was brought to the epoch, and ``divisor``, what its DN/s were divided by;
        ``saturated`` and ``impossible``, how many of the observation's own pixels are saturated or hold numbers that
        AIA cannot have recorded; ``coarseness``, how many times less it resolves than the pixels that are scored;
        ``quality``, what its header says against it, if anything; and ``filled``, the share of its disk that seems to
        be filled with numbers that stand for none, if any.

    Raises
    ------
    TypeError
        If either is not a Map, ``max_time_difference`` has no unit, or ``correction_table`` is nothing that names a
        table.
    ValueError
        If either is not a helioprojective AIA image in DN with an exposure time or in DN/s, observed or synthetic, with
        observer and time in its header; if an observation is of level 0, or the first image and the second is not; if
        the passbands, the times or the observers differ; if there is nothing to see in one of them; if they have no
        pixels in common within 1.25 solar radii; if ``max_time_difference`` is not one span of time; if ``binning`` is
        not a positive integer, or leaves a Sun that is too small to score or far too large; or if ``correction_table``
        is no such table.
    ImportError
        If ``correction_table`` is given and aiapy, which reads it, is not installed.
    OSError
        If ``correction_table`` cannot be read or fetched.

    Warns
    -----
    SunpyUserWarning
        If the observation cannot be brought to the epoch, or only with a table that had to be extrapolated. Scores that
        look at brightness are not to be trusted then: ``re``, ``ppe10``, ``ppe50`` and ``rmse``. And if
        it resolves less than half of what the pixels that are scored do, is of poor quality by its header, or seems to
        be filled in part.

    Notes
    -----
    Which epoch an image refers to is found by `sunpy_mag2euv.sensitivity.epoch_of`. Observations are as taken: if one
    has been corrected already, say so with ``aia_map.meta["degepoch"] = "launch"``. Two observations as taken are
    compared as they are.

    Pixels that are masked, not finite, saturated or below what AIA can record are left out (see
    `~sunpy_mag2euv.intensity.read_intensity`), as are those of the synthetic image's pixels that they are part of.
    Nothing is filled in.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> synthetic = mag2euv.generate(sample_magnetogram(size=1024), passband=193)
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
    synthetic, aia_map = _checked_pair(synthetic, aia_map, max_time_difference)
    radius_in_pixels = solar_radius(synthetic)
    binning = paper_binning(radius_in_pixels) if binning is None else operator.index(binning)
    _check_size(radius_in_pixels, binning)
    sensitivity = None if correction_table is None else Sensitivity.read(correction_table)
    first, second = read_intensity(synthetic), read_intensity(aia_map)
    check_light(first, "the first image", constant=not is_observation(synthetic.meta))
    check_light(second, "the second image")
    correction = _correction(synthetic, aia_map, sensitivity)
    coarseness = radius_in_pixels / binning / solar_radius(aia_map)
    if coarseness > _COARSE:
        warn_user(
            f"the second image resolves {coarseness:.1f} times less than the pixels that are scored, so it has no fine "
            f"structure to compare with: choose a larger binning, such as {math.ceil(binning * coarseness)}"
        )
    quality = quality_objection(aia_map.meta)
    if quality is not None:
        warn_user(f"the second image may be wrong: {quality}. Take one of another time")
    filled = filled_share(second.values, Disk.of(aia_map))
    if filled:
        warn_user(
            f"the second image has numbers in {filled:.1%} of the disk that seem to stand for missing ones: mask them, "
            "or take one of another time"
        )
    images = first.values, regrid(second.values / correction.divisor, aia_map, synthetic)
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
    if not any(region.any() for region in regions.values()):
        raise ValueError(
            "the images must have pixels that are known in both within 1.25 solar radii; these have none. Check their "
            f"fields of view, with binning={binning}"
        )
    similarity = structural_similarity_map(synthetic_image, observed)
    rows = [
        (name, *_score(synthetic_image[region], observed[region], similarity[region]), np.nan)
        for name, region in regions.items()
    ]
    table = QTable(rows=rows, names=("region", "pixels", *_SCORES, "structure"), units={"rmse": u.DN / u.s})
    table["structure"][list(regions).index("disk")] = structure_ratio(synthetic_image, observed, radius, size)
    table.meta = {
        "passband": passband.angstrom,
        "compared": _compared(synthetic, aia_map),
        "synthetic_time": synthetic.date.utc.isot,
        "observed_time": aia_map.date.utc.isot,
        "binning": binning,
        "solar_radius_pixels": round(size, 3),
        "structure_scales": f"{FINE_SCALES[0]:g} to {FINE_SCALES[1]:g}",
        "level": correction.text,
        "divisor": correction.divisor,
        "saturated": int(np.count_nonzero(second.saturated)),
        "impossible": int(np.count_nonzero(second.impossible)),
        "coarseness": round(coarseness, 3),
        **({} if quality is None else {"quality": quality}),
        **({"filled": round(filled, 6)} if filled else {}),
        **_provenance(synthetic),
    }
    return table


def _score(synthetic: npt.NDArray, observed: npt.NDArray, similarity: npt.NDArray) -> tuple:
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


def _checked_pair(synthetic: GenericMap, aia_map: GenericMap, max_time_difference: u.Quantity) -> list[GenericMap]:
    """The Maps with times that sunpy can read; what cannot be compared is refused with a sentence."""
    names = "the first image", "the second image"
    for image, name in zip((synthetic, aia_map), names, strict=True):
        check_map(image, name)
    pair = [in_known_time(image) for image in (synthetic, aia_map)]
    for image, name in zip(pair, names, strict=True):
        check_image(image, name)
    if is_observation(pair[0].meta) and not is_observation(pair[1].meta):
        raise ValueError(
            "the first image must be the synthetic one, whose pixels are scored, and the second the observation; here, "
            "they are the other way round. Swap them"
        )
    bands = [get_passband(image.wavelength) for image in pair]
    if bands[0] != bands[1]:
        raise ValueError(f"the images must be of one passband; the first is {bands[0]}, the second {bands[1]}")
    check_together(pair, max_time_difference)
    return pair


def _check_size(radius: float, binning: int) -> None:
    """Refuse, before memory is taken, a Sun of so many pixels that there is nothing to score, or too much."""
    low, high = _RADIUS
    # Of 10**400, there is no float.
    size = 0 if binning > radius else radius / binning
    if low <= size <= high:
        return
    limit, other = (f"at least {2 * low}", "smaller") if size < low else (f"at most {2 * high}", "larger")
    raise ValueError(
        f"the Sun must be {limit} pixels wide to be scored; in the first image it is {2 * radius:.4g} wide, before "
        f"blocks of binning={binning} are averaged. Choose a {other} binning, or check CDELT1 and CDELT2"
    )


def _compared(synthetic: GenericMap, aia_map: GenericMap) -> str:
    """What was compared with what."""
    return " with ".join(
        f"{'an observed' if is_observation(image.meta) else 'a synthetic'} image" for image in (synthetic, aia_map)
    )


def _correction(synthetic: GenericMap, aia_map: GenericMap, sensitivity: Any) -> Correction:
    """What brings the second image to the first one's epoch, with a warning unless that is well known."""
    epoch = epoch_of(synthetic)
    if epoch == epoch_of(aia_map):
        words = {AS_TAKEN: "both images are as taken", None: "neither image says its epoch of AIA's sensitivity"}
        return Correction(1.0, words.get(epoch) or f"both images are at AIA's sensitivity {describe_epoch(str(epoch))}")
    if epoch is None:
        correction = Correction(
            None, "the first image does not say its epoch of AIA's sensitivity", ADVICE, known=False
        )
    else:
        correction = find_correction(aia_map, synthetic.date if epoch == AS_TAKEN else epoch, sensitivity)
    if not correction.known:
        warn_user(f"RE, PPE and RMSE are not to be trusted, since {correction.text}: {correction.advice}")
        return replace(correction, divisor=1.0, text=f"the second image is left as it is, since {correction.text}")
    if correction.extrapolated:
        warn_user(
            f"RE, PPE and RMSE are uncertain, since the second image is brought {correction.text}: {correction.advice}"
        )
    return replace(correction, text=f"the second image is brought {correction.text}")


def _provenance(synthetic: GenericMap) -> dict[str, str]:
    """Name and hash of the model, as far as ``HISTORY`` tells."""
    history = str(synthetic.meta.get("history", ""))
    patterns = {"model": r"^model: (.+)$", "sha256": r"^weights sha256:\s+([0-9a-f]{64})\b"}
    found = {name: re.search(pattern, history, flags=re.MULTILINE) for name, pattern in patterns.items()}
    return {name: match[1].strip() for name, match in found.items() if match}
