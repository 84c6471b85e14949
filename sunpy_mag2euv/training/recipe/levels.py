"""
Levels: browse images of many years, brought to one epoch of AIA's sensitivity.

Up to 2012 browse images show what AIA measured. Divided by what is left of its sensitivity, they are what AIA would
have measured at launch. Three things stand against that:

* before 2011 February the 193 and 304 images had another, flatter stretch that is not documented: they are mapped onto
  those after it (`match_levels`);
* from 2013 on most images were brightened by unknown amounts: they are scaled to the level of those that were not, by
  the disk's median;
* a few images are of no use: those with another exposure, and those under a veil.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from astropy.time import Time

from sunpy_mag2euv.training.recipe.archives import GRID, STRETCHES, TOP, binned

if TYPE_CHECKING:
    from sunpy_mag2euv.sensitivity import Sensitivity

__all__ = ["EarlyStretch", "Levelled", "is_as_measured", "match_levels", "put_right"]

#: From here on browse images are brightened to make up for the loss of sensitivity.
_BRIGHTENED = np.datetime64("2013-01-01")

#: What is not brightened even so: 211 Å, whose disk follows the solar cycle to a few per cent once the loss of
#: sensitivity is divided out; images that are not from the browse archive; and those of two days in 2015 March.
_NOT_BRIGHTENED = {
    "flares_2010_2015": ("2010-01-01", "2016-01-01"),
    "loops_2017": ("2017-01-01", "2018-01-01"),
    "full_sets_2015": ("2015-03-01", "2015-04-01"),
    "aia_sets_512": ("2015-03-01", "2015-04-01"),
}

#: The browse images of these passbands changed their stretch here.
_STRETCH_CHANGE = {193: np.datetime64("2011-02-01"), 304: np.datetime64("2011-02-01")}

#: In an image with a veil, light that is added to all pixels, little is left of the darkening towards the limb: the
#: faintest hundredth of the disk has more than this part of the median. Without one it has 0.7 at most, in the four
#: images with one 0.83 and more.
_VEILED = {1600: 0.75, 1700: 0.75}

#: An image whose disk is fainter than this part of those of two weeks around it has another exposure, or is none of the
#: Sun. There are three in 131 and 171, at two times in 2012 October.
_FAINT = 0.5
_AROUND = np.timedelta64(14, "D")

_DISK = GRID.radius < 0.9


@dataclass(frozen=True)
class EarlyStretch:
    """
    The stretch of a passband's early images, as it was found.

    Exposures varied and sensitivity fell, so that codes mean something only once all images have one median.

    Attributes
    ----------
    median : float
        Code that the disk's median is brought to.
    table : `~numpy.ndarray`
        Logarithm of DN/s at AIA's sensitivity at launch for each code, shape (256,).
    """

    median: float
    table: np.ndarray

    def undo(self, codes: npt.NDArray) -> npt.NDArray:
        """DN/s at launch of codes of images that have the one median; any shape."""
        return np.exp(np.interp(codes, np.arange(256), self.table))


@dataclass(frozen=True)
class Levelled:
    """
    Images of one passband at AIA's sensitivity at launch.

    Attributes
    ----------
    images : `~numpy.ndarray`
        In DN/s, float32, shape (images, rows, columns).
    factors : `~numpy.ndarray`
        What each was multiplied by; NaN where it was no factor, but another stretch.
    tops : `~numpy.ndarray`
        What the highest code of each stands for in DN/s, a lower limit.
    level : float
        Median on the disk in DN/s that images of unknown brightness were scaled to.
    veiled, faint : `~numpy.ndarray`
        Boolean, which are of no use: they alone, and all images of their moments.
    stretch : EarlyStretch or None
        Of the images of before the change of stretch; None if there are none.
    """

    images: np.ndarray
    factors: np.ndarray
    tops: np.ndarray
    level: float
    veiled: np.ndarray
    faint: np.ndarray
    stretch: EarlyStretch | None


def put_right(
    passband: int,
    images: npt.NDArray,
    times: npt.NDArray,
    archives: npt.NDArray,
    sensitivity: "Sensitivity",
    *,
    fields: Any = None,
    trained: npt.NDArray | None = None,
    level: float | None = None,
    stretch: EarlyStretch | None = None,
) -> Levelled:
    """
    Bring images of one passband to AIA's sensitivity at launch.

    Parameters
    ----------
    passband : int
        In angstrom.
    images : `~numpy.ndarray`
        In DN/s as `~sunpy_mag2euv.training.recipe.archives.decode` returns them. Finer ones are averaged to judge them,
        so that their levels are those of the same images on the archives' grid.
    times : `~numpy.ndarray`
        datetime64, shape (images,).
    archives : `~numpy.ndarray`
        Name of each image's archive, shape (images,).
    sensitivity : `~sunpy_mag2euv.sensitivity.Sensitivity`
    fields : sequence of `~numpy.ndarray`, optional
        The field of each image. Needed if any is of before the change of stretch, and that is not given.
    trained : `~numpy.ndarray`, optional
        Boolean, shape (images,): which are trained on. Stretches are matched by these alone; all unless given.
    level : float, optional
        What images of unknown brightness are scaled to. Unless given, the median of the others; where there are none,
        as in 1600 Å, of those from times at which the sensitivity is known.
    stretch : EarlyStretch, optional
        What other images of before the change were found to have. Unless given, it is found from these.

    Returns
    -------
    Levelled
    """
    factors = np.array([_factor(sensitivity, passband, time) for time in times])
    # Another sensitivity is a factor in DN/s.
    launch = images * factors[:, None, None]
    known, early = _is_not_brightened(times, archives), _is_early(passband, times)
    tops = STRETCHES[passband].inverse(TOP / 127.5 - 1) * factors
    if early.any():
        medians = np.array([np.nanmedian(image[_DISK]) for image in _codes(passband, binned(images[early]))])
        median = float(np.median(medians)) if stretch is None else stretch.median
        codes = _codes(passband, images[early]) + (median - medians)[:, None, None]
        if stretch is None:
            trained = np.full(len(times), True) if trained is None else trained
            target = known & ~early & trained
            table = _stretch(codes[trained[early]], fields[early & trained], launch[target], fields[target])
            stretch = EarlyStretch(median, table)
        launch[early] = stretch.undo(codes)
        tops[early] = stretch.undo(TOP + median - medians)
        factors[early] = np.nan

    darkest, medians = np.array([np.nanquantile(image[_DISK], [0.01, 0.5]) for image in binned(launch)]).T
    veiled = darkest > _VEILED.get(passband, np.inf) * medians
    if level is None:
        standard = known & ~early & ~veiled
        if not standard.any():
            standard = (times < sensitivity.last.datetime64) & ~veiled
        level = float(np.median(medians[standard]))
    to_level = np.where(known, 1, level / medians)
    faint = _faint(medians * to_level, times)
    launch = (launch * to_level[:, None, None]).astype(np.float32)
    return Levelled(launch, factors * to_level, tops * to_level, level, veiled, faint, stretch)


def is_as_measured(passband: int, times: npt.NDArray, archives: npt.NDArray) -> npt.NDArray:
    """
    Tell images whose level is what AIA measured from those that were given the level of others.

    Parameters
    ----------
    passband : int
        In angstrom.
    times : `~numpy.ndarray`
        datetime64, shape (images,).
    archives : `~numpy.ndarray`
        Name of each image's archive, shape (images,).

    Returns
    -------
    `~numpy.ndarray`
        Boolean, shape (images,): neither brightened nor in an early stretch, of which all have one median.
    """
    return _is_not_brightened(times, archives) & ~_is_early(passband, times)


def _is_not_brightened(times: npt.NDArray, archives: npt.NDArray) -> npt.NDArray:
    """Which images have a brightness that is known."""
    known = times < _BRIGHTENED
    for archive, (start, end) in _NOT_BRIGHTENED.items():
        known |= (archives == archive) & (times >= np.datetime64(start)) & (times < np.datetime64(end))
    return known


def _is_early(passband: int, times: npt.NDArray) -> npt.NDArray:
    """Which images are of before the change of stretch."""
    return times < _STRETCH_CHANGE.get(passband, np.datetime64("2010-01-01"))


def _factor(sensitivity: "Sensitivity", passband: int, time: Any) -> float:
    """What DN/s are multiplied by to be those at launch; 1 where that is not known, and a level has to be given."""
    try:
        return 1 / sensitivity.since_launch(passband, Time(time))
    except ValueError:
        return 1.0


def _codes(passband: int, images: npt.NDArray) -> npt.NDArray:
    return (STRETCHES[passband].forward(images) + 1) * 127.5


def _stretch(codes: npt.NDArray, fields: Any, images: npt.NDArray, target_fields: Any) -> npt.NDArray:
    """Logarithm of DN/s for each code of the early stretch."""
    sample, activity = _sample(codes, fields)
    target, target_activity = _sample(np.log(images), target_fields)
    return match_levels(np.clip(np.rint(sample), 0, 254).astype(int), target, activity, target_activity)


def _sample(images: npt.NDArray, fields: Any) -> tuple:
    """Some of the disk's pixels, and how active the Sun is around them: the log of |B| within some 50 Mm."""
    activity = np.stack([np.log1p(gaussian_filter(np.abs(field), 7))[_DISK] for field in fields]).ravel()[::7]
    values = images[:, _DISK].ravel()[::7]
    known = np.isfinite(values)
    return values[known], activity[known]


def match_levels(
    codes: npt.NDArray, values: npt.NDArray, activity: npt.NDArray, target_activity: npt.NDArray
) -> npt.NDArray:
    """
    Monotone table that maps the codes of one stretch onto intensities.

    Any stretch is a monotone function of intensity, so quantiles correspond, provided that the two samples show an
    equally active Sun: the second sample is weighted to have the first's distribution of ``activity``.

    Parameters
    ----------
    codes : `~numpy.ndarray`
        Sample of codes, 0…254.
    values : `~numpy.ndarray`
        Sample of intensities, or of a monotone function of them.
    activity, target_activity : `~numpy.ndarray`
        For each code, and for each value, any measure of how active the Sun is there.

    Returns
    -------
    `~numpy.ndarray`
        Shape (256,), the value for each code.
    """
    edges = np.quantile(activity, np.linspace(0, 1, 21)[1:-1])
    bins, target_bins = np.digitize(activity, edges), np.digitize(target_activity, edges)
    count, target_count = np.bincount(bins, minlength=20), np.bincount(target_bins, minlength=20)
    weight = (count / np.maximum(target_count, 1))[target_bins]
    cumulative = np.cumsum(np.bincount(codes, minlength=256)) / codes.size
    order = np.argsort(values)
    target_cumulative = np.cumsum(weight[order])
    table = np.interp(cumulative, target_cumulative / target_cumulative[-1], values[order])
    # Beyond the observed codes the table goes on at the slope it ends with.
    low, high = np.quantile(codes, [1e-3, 1 - 1e-3]).astype(int)
    slope_low = (table[low + 10] - table[low]) / 10
    slope_high = (table[high] - table[high - 10]) / 10
    ramp = np.arange(256)
    table[:low] = table[low] + slope_low * (ramp[:low] - low)
    table[high:] = table[high] + slope_high * (ramp[high:] - high)
    return table


def _faint(medians: npt.NDArray, times: npt.NDArray) -> npt.NDArray:
    """Which images are much fainter than those of the weeks around them."""
    around = [np.median(medians[abs(times - time) <= _AROUND]) for time in times]
    return medians < _FAINT * np.array(around)
