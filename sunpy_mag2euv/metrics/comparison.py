"""Comparison: a synthetic and an observed Map in, a table of scores by region out."""

import re
from dataclasses import replace

import numpy as np

import astropy.units as u
from astropy.table import QTable
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.intensity import check_image, check_map, check_together, intensity
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


@u.quantity_input
def compare(synthetic, aia_map, *, binning=None, max_time_difference: u.min = 12 * u.min, correction_table=None):
    """
    Score a synthetic image against an observed one, region by region.

    Parameters
    ----------
    synthetic : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` makes it, or any other AIA image. Its pixels are those that are scored.
    aia_map : `~sunpy.map.GenericMap`
        AIA image of the same passband, in DN with its exposure time or in DN/s; any size, orientation and scale. It is
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
        A row for each of `sunpy_mag2euv.metrics.REGIONS`. Columns: ``region``; ``pixels`` (used, after binning);
        ``cc``, ``re``, ``ppe10``, ``ppe50`` as in the paper; ``cc_log``, the correlation of the logarithms; ``rmse`` in
        DN/s; ``ssim``, the mean of `~sunpy_mag2euv.metrics.structural_similarity_map`; ``structure``, for the disk, the
        ratio of power at 20 to 60 Mm (`~sunpy_mag2euv.metrics.structure_ratio`). Scores of regions without pixels are
        NaN. ``meta`` has the passband, times, binning, solar radius in pixels, and the model, as far as ``HISTORY``
        tells; ``level``, which says in a sentence how the observation was brought to the epoch, and ``divisor``, what
        its DN/s were divided by.

    Raises
    ------
    TypeError
        If either is not a Map, or ``correction_table`` nothing that names a table.
    ValueError
        If either is not a helioprojective AIA image in DN with an exposure time or in DN/s; if the passbands, the times
        or the observers differ; if the images have no pixels in common; if ``binning`` is not a positive integer; or
        if ``correction_table`` is no such table.
    ImportError
        If ``correction_table`` is given and aiapy, which reads it, is not installed.
    OSError
        If ``correction_table`` cannot be read or fetched.

    Warns
    -----
    SunpyUserWarning
        If the observation cannot be brought to the epoch, or only with a table that had to be extrapolated. Scores that
        look at brightness are not to be trusted then: ``re``, ``ppe10``, ``ppe50`` and ``rmse``.

    Notes
    -----
    Which epoch an image refers to is found by `sunpy_mag2euv.sensitivity.epoch_of`. Observations are as taken: if one
    has been corrected already, say so with ``aia_map.meta["degepoch"] = "launch"``. Two observations as taken are
    compared as they are.

    Pixels that are masked, not finite or saturated (16383 DN and more; for images in DN/s if their header has the
    exposure time) are left out, as are those of the synthetic image's pixels that they are part of. Nothing is filled
    in.

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
    _check_pair(synthetic, aia_map, max_time_difference)
    sensitivity = None if correction_table is None else Sensitivity.read(correction_table)
    correction = _correction(synthetic, aia_map, sensitivity)
    radius_in_pixels = solar_radius(synthetic)
    if binning is None:
        binning = paper_binning(radius_in_pixels)
    images = intensity(synthetic), regrid(intensity(aia_map) / correction.divisor, aia_map, synthetic)
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
        "level": correction.text,
        "divisor": correction.divisor,
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
    for image, name in ((synthetic, "the first image"), (aia_map, "the second image")):
        check_map(image, name)
        check_image(image, name)
    bands = [get_passband(image.wavelength) for image in (synthetic, aia_map)]
    if bands[0] != bands[1]:
        raise ValueError(f"the images must be of one passband; the first is {bands[0]}, the second {bands[1]}")
    check_together([synthetic, aia_map], max_time_difference)


def _correction(synthetic, aia_map, sensitivity):
    """What brings the second image to the first one's epoch, with a warning unless that is well known."""
    epoch = epoch_of(synthetic)
    if epoch == epoch_of(aia_map):
        words = {AS_TAKEN: "both images are as taken", None: "neither image says its epoch of AIA's sensitivity"}
        return Correction(1.0, words.get(epoch) or f"both images are at AIA's sensitivity {describe_epoch(epoch)}")
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


def _provenance(synthetic):
    """Name and hash of the model, as far as ``HISTORY`` tells."""
    history = str(synthetic.meta.get("history", ""))
    patterns = {"model": r"^model: (.+)$", "sha256": r"^weights sha256:\s+([0-9a-f]{64})\b"}
    found = {name: re.search(pattern, history, flags=re.MULTILINE) for name, pattern in patterns.items()}
    return {name: match[1].strip() for name, match in found.items() if match}
