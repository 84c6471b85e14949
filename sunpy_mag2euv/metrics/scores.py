"""
The scores of Park et al. 2019 (ApJL 884 L23, doi:10.3847/2041-8213/ab46bb) for one image.

All take a synthetic and an observed image of equal shape in DN/s, and use the pixels where both are finite. As in the
paper, values are first replaced by ``clip(DN/s + 1, 1, 2**14)``; binning to 256² pixels and restricting to the disk are
the caller's.
"""

import numpy as np

__all__ = ["correlation", "pixel_error_share", "relative_error"]


def _pair(synthetic, observed):
    synthetic, observed = np.asarray(synthetic, dtype=float), np.asarray(observed, dtype=float)
    if synthetic.shape != observed.shape:
        raise ValueError(f"the images must have one shape; got {synthetic.shape} and {observed.shape}")
    both = np.isfinite(synthetic) & np.isfinite(observed)
    if not both.any():
        raise ValueError("the images must have at least one pixel in which both are finite; they have none")
    return (np.clip(image[both] + 1, 1, 2**14) for image in (synthetic, observed))


def correlation(synthetic, observed):
    """
    Pearson correlation of the pixels' values (CC).

    Parameters
    ----------
    synthetic, observed : array-like
        In DN/s, of one shape.

    Returns
    -------
    float
        NaN if either image is constant.

    Raises
    ------
    ValueError
        If the shapes differ, or no pixel is finite in both.

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import correlation
    >>> correlation([1.0, 2.0, 3.0], [10.0, 20.0, 30.0])
    1.0
    """
    synthetic, observed = _pair(synthetic, observed)
    synthetic, observed = synthetic - synthetic.mean(), observed - observed.mean()
    power = np.sqrt((synthetic**2).sum() * (observed**2).sum())
    return float((synthetic * observed).sum() / power) if power > 0 else float("nan")


def relative_error(synthetic, observed):
    """
    Relative error of the total, ``(sum synthetic - sum observed) / sum observed`` (RE), signed.

    Parameters, errors and treatment of values are those of `correlation`.

    Returns
    -------
    float

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import relative_error
    >>> relative_error([10.0, 10.0], [9.0, 9.0])
    0.1
    """
    synthetic, observed = _pair(synthetic, observed)
    return float((synthetic.sum() - observed.sum()) / observed.sum())


def pixel_error_share(synthetic, observed, tolerance=0.1):
    """
    Share of the pixels whose relative error is at most ``tolerance`` (PPE10 for 0.1, PPE50 for 0.5).

    Parameters, errors and treatment of values are those of `correlation`.

    Returns
    -------
    float
        0…1.

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import pixel_error_share
    >>> pixel_error_share([99.0, 150.0], [94.0, 99.0])
    0.5
    """
    synthetic, observed = _pair(synthetic, observed)
    return float(np.mean(np.abs(synthetic - observed) <= tolerance * observed))
