"""
Whether standard deviations keep what they promise: of all errors, a known share should be within each multiple of them.

A statement of uncertainty is to be as narrow as it can be while it holds (Gneiting, Balabdaoui & Raftery 2007, J. R.
Stat. Soc. B 69, 243, doi:10.1111/j.1467-9868.2007.00587.x). This is the second half: whether it holds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sunpy_mag2euv.metrics.scores import check_shapes

__all__ = ["coverage", "standard_errors"]


def standard_errors(
    synthetic: npt.ArrayLike, deviation: npt.ArrayLike, observed: npt.ArrayLike, ceiling: float = np.inf
) -> npt.NDArray:
    """
    Errors of an image in units of its standard deviation.

    Parameters
    ----------
    synthetic : array-like
        In DN/s.
    deviation : array-like
        Its standard deviation in DN/s, of the same shape, or one number for all pixels.
    observed : array-like
        In DN/s, of the same shape.
    ceiling : float, optional
        In DN/s. An observation from there on is only a lower limit. Of such a pixel the synthetic image is cut at the
        ceiling, as it is for the scores: the error is 0 if it is above, since nothing speaks against it, and the
        distance to the ceiling if it is below, since it is at least that. Other pixels are not cut.

    Returns
    -------
    `~numpy.ndarray`
        ``(observed - synthetic) / deviation``; NaN where any of them is unknown.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import standard_errors
    >>> standard_errors([100.0, 100.0, 300.0, 400.0], 20.0, [110.0, float("nan"), 255.0, 250.0], ceiling=255.0)
    array([ 0.5,  nan,  0. , -7.5])
    """
    synthetic, observed = check_shapes(synthetic, observed)
    deviation = np.asarray(deviation, dtype=float)
    if deviation.shape not in ((), synthetic.shape):
        raise ValueError(
            f"the deviation must be one number or have the shape of the images; got {deviation.shape} "
            f"and {synthetic.shape}"
        )
    difference = np.where(observed >= ceiling, ceiling - np.minimum(synthetic, ceiling), observed - synthetic)
    with np.errstate(divide="ignore", invalid="ignore"):
        return difference / deviation


def coverage(errors: npt.ArrayLike, share: npt.ArrayLike) -> Any:
    """
    Share of the errors within the interval that should hold a given share of them.

    The interval is the central one of a normal distribution, such as 1.96 standard deviations to either side for 0.95.
    If the standard deviations are right, both shares are the same. If they are too small, fewer errors are within.

    Parameters
    ----------
    errors : array-like
        In units of the standard deviation, see `standard_errors`; of any shape. NaN does not count.
    share : float or array-like
        Between 0 and 1.

    Returns
    -------
    float or `~numpy.ndarray`
        Of the shape of ``share``, 0…1; NaN if no error is known.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1.

    References
    ----------
    Gneiting, T., Balabdaoui, F. & Raftery, A. E. 2007, J. R. Stat. Soc. B 69, 243,
    doi:10.1111/j.1467-9868.2007.00587.x

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import coverage
    >>> coverage([-0.5, 0.2, 1.5, 3.0], 0.6827)
    0.5
    >>> coverage([-0.5, 0.2, 1.5, 3.0], [0.6827, 0.95])
    array([0.5 , 0.75])
    """
    share = np.asarray(share, dtype=float)
    if not ((share > 0) & (share < 1)).all():
        raise ValueError(f"a share must be between 0 and 1, such as 0.95; got {share}")
    distances = np.abs(np.asarray(errors, dtype=float))
    distances = np.sort(distances[~np.isnan(distances)])
    if distances.size:
        within = np.searchsorted(distances, ndtri((1 + share) / 2), side="right") / distances.size
    else:
        within = np.full(share.shape, np.nan)
    return float(within) if share.ndim == 0 else within
