"""Means over many images, with intervals that do not pretend that neighbouring images are independent."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MeanInterval", "mean_interval"]

#: Enough for two digits of an interval's ends.
_RESAMPLES = 4000


@dataclass(frozen=True)
class MeanInterval:
    """
    A mean and its confidence interval.

    Attributes
    ----------
    mean, low, high : `~numpy.ndarray`
        One value for each column of scores, or a scalar array.
    blocks : int
        How many blocks there were to draw from.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    blocks: int


def mean_interval(
    scores: npt.ArrayLike, rotation: npt.ArrayLike, *, block: float = 1.0, level: float = 0.95, seed: int = 0
) -> MeanInterval:
    """
    Mean over images with a block-bootstrap interval.

    Images that are hours apart show the same Sun and have similar scores, so that their number says little about how
    well the mean is known. Instead of images, blocks of time are drawn with replacement, each with all of its images
    (Künsch 1989, Ann. Stat. 17, 1217, doi:10.1214/aos/1176347265; without overlap: Carlstein 1986, Ann. Stat. 14,
    1171, doi:10.1214/aos/1176350057). The interval goes between percentiles of the means of 4000 draws. With
    few blocks it is too narrow: with ten, an interval of 95 per cent holds the truth in some 90 per cent of cases.

    Parameters
    ----------
    scores : array-like
        Shape (images,) or (images, columns). NaN where an image has no score; it does not count then.
    rotation : array-like
        Fractional Carrington rotation of each image (`sunpy.coordinates.sun.carrington_rotation_number`), in any order.
    block : float, optional
        Length of a block in rotations; block n is from ``n * block`` to ``(n + 1) * block``.
    level : float, optional
        Of confidence, between 0 and 1.
    seed : int, optional
        Of the draws: the same seed gives the same interval.

    Returns
    -------
    MeanInterval
        Each ``mean`` is that of all images. ``low`` and ``high`` are NaN for columns with scores in fewer than two
        blocks, which say nothing of the spread between blocks.

    Raises
    ------
    ValueError
        If the numbers of scores and rotations differ, there are none, a rotation is not finite, the block is not
        positive, or the level is not between 0 and 1.

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import mean_interval
    >>> interval = mean_interval([0.8, 0.9, 0.7, 0.6], [2100.1, 2100.2, 2101.5, 2102.9])
    >>> float(interval.mean), interval.blocks
    (0.75, 3)
    """
    scores, rotation = np.asarray(scores, dtype=float), np.asarray(rotation, dtype=float)
    if scores.ndim not in (1, 2) or rotation.shape != scores.shape[:1] or not rotation.size:
        raise ValueError(
            "scores must have the shape (images,) or (images, columns), and rotation a value for each image; "
            f"got {scores.shape} and {rotation.shape}"
        )
    if not np.isfinite(rotation).all():
        raise ValueError("the rotation of each image must be a finite number, such as 2128.4; some are not")
    if not block > 0:
        raise ValueError(f"the block must be a positive number of rotations, such as 1; got {block}")
    if not 0 < level < 1:
        raise ValueError(f"the level must be between 0 and 1, such as 0.95; got {level}")

    _, member = np.unique(np.floor(rotation / block), return_inverse=True)
    blocks = int(member.max()) + 1  # type: ignore[call-overload]
    columns = scores.reshape(len(scores), -1)
    known = np.isfinite(columns)
    sums, counts = np.zeros((2, blocks, columns.shape[1]))
    np.add.at(sums, member, np.where(known, columns, 0))
    np.add.at(counts, member, known)

    draws = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=_RESAMPLES)
    with np.errstate(invalid="ignore"):
        mean, means = sums.sum(axis=0) / counts.sum(axis=0), (draws @ sums) / (draws @ counts)
    ends = np.full((2, columns.shape[1]), np.nan)
    spread = (counts > 0).sum(axis=0) > 1
    # A draw without any block that has this score has no mean.
    ends[:, spread] = np.nanquantile(means[:, spread], [(1 - level) / 2, (1 + level) / 2], axis=0)
    mean, low, high = (values.reshape(scores.shape[1:]) for values in (mean, *ends))
    return MeanInterval(mean, low, high, blocks)
