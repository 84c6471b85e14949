"""
Scores of one image: those of Park et al. 2019 (ApJL 884 L23, doi:10.3847/2041-8213/ab46bb), and three more.

All take a synthetic and an observed image of equal shape in DN/s, and use the pixels where both are finite: whatever
must not count, such as saturated pixels, has to be NaN in one of them. As in the paper, values are first replaced by
``clip(DN/s + 1, 1, 2**14)``; binning to 256² pixels (`bin_image`) and restricting to the disk are the caller's.
"""

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "PAPER_RADIUS",
    "bin_image",
    "correlation",
    "paper_binning",
    "pixel_error_share",
    "relative_error",
    "root_mean_square_error",
    "structural_similarity",
    "structural_similarity_map",
]

#: Solar radius in pixels of the grid on which Park et al. 2019 compute their scores.
PAPER_RADIUS = 98

#: Largest value that the scores tell from larger ones.
_CEILING = 2**14

#: Pixels a side of the window of the structural similarity: scikit-image's default.
_WINDOW = 7


def clip(image: Any) -> npt.NDArray:
    """Replace DN/s by the values that are scored."""
    return np.clip(image + 1, 1, _CEILING)


def check_shapes(synthetic: npt.ArrayLike, observed: npt.ArrayLike) -> tuple[npt.NDArray, npt.NDArray]:
    """Turn a pair of images into arrays of floats, or raise a ValueError if their shapes differ."""
    synthetic, observed = np.asarray(synthetic, dtype=float), np.asarray(observed, dtype=float)
    if synthetic.shape != observed.shape:
        raise ValueError(f"the images must have one shape; got {synthetic.shape} and {observed.shape}")
    return synthetic, observed


def _pair(synthetic: npt.ArrayLike, observed: npt.ArrayLike) -> tuple[npt.NDArray, npt.NDArray]:
    synthetic, observed = check_shapes(synthetic, observed)
    both = np.isfinite(synthetic) & np.isfinite(observed)
    if not both.any():
        raise ValueError("the images must have at least one pixel in which both are finite; they have none")
    return clip(synthetic[both]), clip(observed[both])


def check_binning(factor: Any) -> None:
    """Raise a ValueError if that is no number of pixels."""
    try:
        valid = operator.index(factor) >= 1
    except TypeError:
        valid = False
    if not valid or isinstance(factor, bool):
        raise ValueError(f"the binning must be an integer of at least 1, such as 4; got {factor!r}")


def paper_binning(solar_radius: float) -> int:
    """Pixels a side of the blocks that bring a solar radius, in pixels, next to `PAPER_RADIUS`; at least 1."""
    return max(1, round(solar_radius / PAPER_RADIUS))


def bin_image(image: npt.ArrayLike, factor: int) -> npt.NDArray:
    """
    Average blocks of pixels.

    A block is NaN if any of its pixels is, so that a missing pixel takes a block out instead of changing it. The same
    holds for blocks that stick out at the upper and right edge, if the sides are no multiples of the factor.

    Parameters
    ----------
    image : array-like
        Shape (rows, columns).
    factor : int
        Pixels a side of a block. Park et al. 2019 take 4 for their 1024² images; 1 leaves an image as it is.

    Returns
    -------
    `~numpy.ndarray`
        Shape (rows / factor, columns / factor), rounded up.

    Raises
    ------
    ValueError
        If ``factor`` is not a positive integer, or the image has not two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_mag2euv.metrics import bin_image
    >>> bin_image([[1.0, 3.0, 5.0, np.nan], [1.0, 3.0, 5.0, 7.0]], 2)
    array([[ 2., nan]])
    """
    image = np.asarray(image, dtype=float)
    if image.ndim != 2:
        raise ValueError(f"the image must have two dimensions; this one has {image.ndim}")
    check_binning(factor)
    # One of few bits would overflow below.
    factor = operator.index(factor)
    rows, columns = (size // factor for size in image.shape)
    # Blocks that stick out are never made, so that memory is bounded by the image, whatever the factor.
    binned = np.full([-(-size // factor) for size in image.shape], np.nan)
    if rows and columns:
        inner = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
        binned[:rows, :columns] = inner.mean(axis=(1, 3))
    return binned


def correlation(synthetic: npt.ArrayLike, observed: npt.ArrayLike, *, log: bool = False) -> float:
    """
    Pearson correlation of the pixels' values (CC).

    Parameters
    ----------
    synthetic, observed : array-like
        In DN/s, of one shape.
    log : bool, optional
        Correlate the logarithms of the values instead, in which the bright cores of active regions weigh less.

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
    if log:
        synthetic, observed = np.log2(synthetic), np.log2(observed)
    # Rounding can leave a spread where there is none, which would correlate with anything.
    if np.ptp(synthetic) == 0 or np.ptp(observed) == 0:
        return float("nan")
    synthetic, observed = synthetic - synthetic.mean(), observed - observed.mean()
    power = np.sqrt((synthetic**2).sum() * (observed**2).sum())
    # Rounding can also lead beyond 1.
    return float(np.clip((synthetic * observed).sum() / power, -1, 1))


def relative_error(synthetic: npt.ArrayLike, observed: npt.ArrayLike) -> float:
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
    return float((synthetic.sum() - observed.sum()) / observed.sum())  # type: ignore[operator]


def pixel_error_share(synthetic: npt.ArrayLike, observed: npt.ArrayLike, tolerance: float = 0.1) -> float:
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


def root_mean_square_error(synthetic: npt.ArrayLike, observed: npt.ArrayLike) -> float:
    """
    Root of the mean square difference, in DN/s (RMSE).

    Parameters, errors and treatment of values are those of `correlation`.

    Returns
    -------
    float

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import root_mean_square_error
    >>> root_mean_square_error([3.0, 9.0, 5.0, 5.0], [5.0, 5.0, 1.0, 5.0])
    3.0
    """
    synthetic, observed = _pair(synthetic, observed)
    return float(np.sqrt(np.mean((synthetic - observed) ** 2)))


def structural_similarity_map(synthetic: npt.ArrayLike, observed: npt.ArrayLike) -> npt.NDArray:
    """
    Structural similarity of the surroundings of every pixel.

    It is that of scikit-image (`skimage.metrics.structural_similarity`, after Wang et al. 2004, IEEE Trans. Image
    Process. 13, 600, doi:10.1109/TIP.2003.819861) with its default window of 7 by 7 pixels, of the values
    ``log2(clip(DN/s + 1, 1, 2**14))``, which go from 0 to 14. These are what the networks of Park et al. 2019 work in.
    In DN/s, the constants that keep the quotient finite would outweigh all but the brightest structures.

    Parameters
    ----------
    synthetic, observed : array-like
        In DN/s, of one shape (rows, columns).

    Returns
    -------
    `~numpy.ndarray`
        NaN where the window holds a pixel that is not finite in both, or leaves the image.

    Raises
    ------
    ValueError
        If the shapes differ or have not two dimensions.
    """
    from skimage import metrics

    synthetic, observed = check_shapes(synthetic, observed)
    if synthetic.ndim != 2:
        raise ValueError(f"the images must have two dimensions; these have {synthetic.ndim}")
    if min(synthetic.shape) < _WINDOW:
        return np.full(synthetic.shape, np.nan)
    both = np.isfinite(synthetic) & np.isfinite(observed)
    # What stands in for the unknown is seen only by windows that are taken out.
    pair = (np.log2(clip(np.where(both, image, 0))) for image in (synthetic, observed))
    similarity = metrics.structural_similarity(*pair, win_size=_WINDOW, data_range=np.log2(_CEILING), full=True)[1]
    windows = np.lib.stride_tricks.sliding_window_view(both, (_WINDOW, _WINDOW)).all(axis=(2, 3))
    return np.where(np.pad(windows, _WINDOW // 2), similarity, np.nan)


def structural_similarity(synthetic: npt.ArrayLike, observed: npt.ArrayLike) -> float:
    """
    Mean of `structural_similarity_map` (SSIM), whose parameters and errors it shares.

    Returns
    -------
    float
        At most 1; NaN if no window is known altogether.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_mag2euv.metrics import structural_similarity
    >>> image = np.arange(100.0).reshape(10, 10)
    >>> structural_similarity(image, image)
    1.0
    """
    similarity = structural_similarity_map(synthetic, observed)
    known = np.isfinite(similarity)
    return float(similarity[known].mean()) if known.any() else float("nan")
