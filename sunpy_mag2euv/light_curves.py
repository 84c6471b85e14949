"""
Light curves: what the disk shines like over time, without an image that is kept.

A sum over the disk is right to a few per cent where single pixels are not, and it is what most uses of years of images
come to.
"""

import inspect
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
import sunpy.map
from astropy.time import Time
from astropy.timeseries import TimeSeries
from sunpy.map import GenericMap
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.charts import is_chart
from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.inference import is_single, resolve_device, resolve_model, resolve_passbands
from sunpy_mag2euv.intensity import check_image, read_intensity
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.maps import brief, check_map, in_known_time
from sunpy_mag2euv.models import FieldModel, Model
from sunpy_mag2euv.passbands import Passband, PassbandLike
from sunpy_mag2euv.sensitivity import LAUNCH, Sensitivity, find_correction
from sunpy_mag2euv.sequences import are_several
from sunpy_mag2euv.synthesis import generate

if TYPE_CHECKING:
    import torch

__all__ = ["DEFAULT_CURVE_MODEL", "deviation_factor", "disk_sum", "light_curve"]

#: A sum does not gain by detail, and this model's were compared with AIA's.
DEFAULT_CURVE_MODEL = "shared-browse"

#: The standard deviation of a sum in units of the sum of its pixels' deviations, of models whose sums were compared
#: with AIA's. Errors of pixels are alike over large parts of the disk, so this does not fall with their number; were
#: all of them the same, it would be 1, which is taken for passbands and models that were not compared. The values are
#: root mean squares on frames of the rotations between those that the model was trained on and those that it is scored
#: on, as ``sunpy_mag2euv.training.recipe.light_curves`` prints them. In 211 Å they are of eleven rotations, in the
#: others of a single one, which hardly tells how far off the level of another one may be: no value is less than that in
#: 211 Å. Those in 131 and 193 Å were 0.13 and 0.08.
_FACTORS = {DEFAULT_CURVE_MODEL: {94: 0.24, 131: 0.24, 171: 0.24, 193: 0.24, 211: 0.24, 304: 0.32}}

#: What of the disk's pixels may be unknown. The brightest thousandth of the disk makes up a hundredth of the sum, and
#: in 94 Å three.
_UNKNOWN = 1e-3

#: In arcsec, AIA's pixels; and those of a Sun that is seen from 1 au are as large.
_AIA_PIXEL = 0.6

#: How an error with the number of a magnetogram is raised, by what it was without.
_KINDS = (TypeError, ValueError, FileNotFoundError, OSError)

#: Where sunpy's advice begins when it cannot read a file: it means an argument of its own, not ours of the same name.
_ADVICE_OF_SUNPY = "If you want to bypass these errors"

#: What is summed, for those who read a file.
_SUM = "sum over the disk to the limb, in DN/s, in pixels of 0.6 arcsec as seen from 1 au; synthetic, not observed"


def light_curve(
    magnetograms: Iterable[GenericMap],
    passbands: Sequence[PassbandLike] | None = None,
    *,
    model: str | os.PathLike | FieldModel | None = None,
    device: "str | torch.device | None" = None,
    allow_errors: bool = False,
) -> TimeSeries:
    """
    Sum synthetic images over the disk, for any number of magnetograms.

    Parameters
    ----------
    magnetograms : iterable of `~sunpy.map.GenericMap`
        Line-of-sight magnetograms of the full disk, as `~sunpy_mag2euv.generate` takes several: a list, a
        `~sunpy.map.MapSequence`, or ``map(sunpy.map.Map, paths)``, of which there are never more than two in memory, or
        a few more on a GPU.
    passbands : int, str, `~astropy.units.Quantity` or sequence of these, optional
        Such as ``193`` or ``[171, 193]``. All that the model has, unless given.
    model : str, path-like or FieldModel, optional
        As `~sunpy_mag2euv.load_model` takes it; "shared-browse" unless given, since sums do not gain by detail. The
        deviations of all others are an upper limit, three to four times what they are for this one, since their sums
        were not compared with AIA's.
    device : str or `torch.device`, optional
        As for `~sunpy_mag2euv.generate`.
    allow_errors : bool, optional
        Whether a magnetogram that cannot be used is left out with a warning, instead of raising an error; so is one
        that cannot be read, if the iterable goes on after that, as `map` does and generators do not.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row for each magnetogram, in their order, which need not be that of time: ``sort("time")`` makes it so. For
        each passband, such as 193 Å, the column "193" with the sum and "193_deviation" with its standard deviation, in
        DN/s, and "193_validity" with what there is to say against that image ("no known objection", or "caution" and
        why, see `~sunpy_mag2euv.validity.FieldValidity.header`). Models that give no deviations leave that column out.
        ``time`` is when the magnetograms were observed, in UTC. ``meta`` has the model, its sha256, and for each
        passband the epoch of AIA's sensitivity that the DN/s refer to, and whether the deviations were measured or are
        an upper limit. ``write("curve.ecsv")`` keeps all of that.

    Raises
    ------
    TypeError
        If ``magnetograms`` is not an iterable, or one of them not a Map.
    ValueError
        If a magnetogram cannot be used, or does not show the whole disk; if there is none that can; or if the passband,
        the model or the device cannot be used.
    OSError
        If a magnetogram cannot be read. What else the iterable raises is raised as it is. What is wrong with a
        magnetogram is said with its number, counted from 1, and its time, if it has been read.

    Warns
    -----
    SunpyUserWarning
        Of what there is to say against the images, as `~sunpy_mag2euv.generate` does; and of each magnetogram that is
        left out.

    Notes
    -----
    The sum is that of `~sunpy_mag2euv.light_curves.disk_sum`, so that it can be compared with sums of observations. It
    ends at the limb: from there to 1.15 solar radii, AIA sees another 30 to 47 per cent of it in the corona (94 to
    211 Å) and 11 per cent in 304 Å, of which a magnetogram says little.

    Neither the root of the summed squares of the pixels' deviations nor their sum is the deviation of the sum, since
    errors of pixels are alike, but not all the same. It is the sum of the deviations multiplied by a factor that was
    measured for each passband on images which the model was not trained on: 0.24 in 94 to 211 Å and 0.32 in 304 Å. For
    335, 1600 and 1700 Å, and for other models than the default, it is 1, which is an upper limit. An error of the
    level, which sums of a month have in common, is part of it, see :doc:`/light_curves`.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> curve = mag2euv.light_curve((sample_magnetogram(seed, size=1024) for seed in range(2)), [193, 304])
    >>> curve.colnames
    ['time', '193', '193_deviation', '193_validity', '304', '304_deviation', '304_validity']
    >>> print(f"{curve['193'][0]:.1e}")
    2.8e+09 DN / s
    """
    if not are_several(magnetograms):
        raise TypeError(
            "magnetograms must be an iterable of Maps, such as a list or a sunpy.map.MapSequence; got "
            f"{type(magnetograms).__name__}. For one, give a list of one"
        )
    model = resolve_model(DEFAULT_CURVE_MODEL if model is None else model, FieldModel)
    passbands = [passbands] if passbands is not None and is_single(passbands) else passbands
    passbands = resolve_passbands(model.passbands if passbands is None else passbands, model)
    device = resolve_device(device)
    times, rows = [], []
    for time, row in _rows(magnetograms, passbands, model, device, allow_errors):
        times.append(time)
        rows.append(row)
    return _series(times, rows, passbands, model)


def disk_sum(image: GenericMap, *, correction_table: Any = None) -> u.Quantity:
    """
    Sum an AIA image over the disk, as `light_curve` sums synthetic ones, at AIA's sensitivity at launch.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        Helioprojective image of the whole disk, of any size, orientation and scale: an AIA observation of level 1 or
        1.5, in DN with its exposure time or in DN/s, or a synthetic one.
    correction_table : str, path-like, `~astropy.table.QTable` or Sensitivity, optional
        What AIA has lost of its sensitivity, as `sunpy_mag2euv.sensitivity.Sensitivity.read` takes it. Unless given,
        and if it is needed, it is the table that aiapy carries, which rests on measurements up to 2017 December.

    Returns
    -------
    `~astropy.units.Quantity`
        In DN/s, at AIA's sensitivity at launch, as the sums of light curves are.

    Raises
    ------
    TypeError
        If it is not a Map, or ``correction_table`` is nothing that names a table.
    ValueError
        If it is no such image, or more than a thousandth of its disk is not known; or if ``correction_table`` is no
        such table.
    ImportError
        If ``correction_table`` is given and aiapy, which reads it, is not installed.
    OSError
        If ``correction_table`` cannot be read or fetched.

    Warns
    -----
    SunpyUserWarning
        If the image cannot be brought to AIA's sensitivity at launch, so that the sum is at the image's own; or only
        with a table that had to be extrapolated.

    Notes
    -----
    Which epoch an image refers to is found by `sunpy_mag2euv.sensitivity.epoch_of`. Observations are as taken: if one
    has been corrected already, say so with ``image.meta["degepoch"] = "launch"``.

    All pixels count whose centre is within the limb of the photosphere, each as many times as AIA's pixels of 0.6
    arcsec go into it on a Sun that is seen from 1 au: there are 8.0 million on that disk. So neither the distance of
    the telescope matters nor the size of the pixels, if larger ones have the mean of AIA's, as in AIA's synoptic
    archive and in synthetic images, and not their sum.

    Saturated pixels count as the brightest that is not, and pixels that are not known as the mean of the others.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.light_curves import disk_sum
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> image = mag2euv.generate(sample_magnetogram(size=1024), 193)
    >>> print(f"{disk_sum(image):.1e}")
    2.7e+09 DN / s
    """
    check_map(image, "the image")
    image = in_known_time(image)
    check_image(image, "the image")
    divisor = _divisor(image, None if correction_table is None else Sensitivity.read(correction_table))
    reading, disk = read_intensity(image), Disk.of(image)
    inside = disk.radius(image.data.shape) < 1
    if not disk.inside(image.data.shape):
        raise ValueError("the image must show the whole disk, which is what is summed; use a full-disk image")
    values = reading.values[inside]
    if reading.saturated.any() and np.isfinite(values).any():
        values[reading.saturated[inside]] = np.nanmax(values)
    unknown = np.mean(np.isnan(values))
    if unknown > _UNKNOWN:
        raise ValueError(f"the image must be known on the whole disk; {unknown:.1%} of it is not. Use another one")
    return _total(values) / divisor / abs(np.linalg.det(disk.axes)) * _area(image) * (u.DN / u.s)


def deviation_factor(model: Model, angstrom: int) -> float:
    """
    Tell what makes the standard deviation of a sum over the disk of the sum of its pixels' deviations.

    Parameters
    ----------
    model : Model
    angstrom : int
        The passband.

    Returns
    -------
    float
        At most 1, which is what it would be if all pixels were wrong alike, and what it is unless it was measured.
    """
    return _FACTORS.get(model.name, {}).get(angstrom, 1)


def _divisor(image: GenericMap, sensitivity: Any) -> float:
    """What brings an image to AIA's sensitivity at launch, with a warning unless that is well known."""
    correction = find_correction(image, LAUNCH, sensitivity)
    if not correction.known:
        warn_user(f"the sum is not at AIA's sensitivity at launch, since {correction.text}: {correction.advice}")
        return 1.0
    if correction.extrapolated:
        warn_user(f"the sum is uncertain, since the image is brought {correction.text}: {correction.advice}")
    return correction.divisor  # type: ignore[return-value]


def _area(image: GenericMap) -> float:
    """Square of the solar radius, in AIA's pixels seen from 1 au."""
    return (np.arcsin((image.rsun_meters / u.au).to_value(u.one)) * u.rad.to(u.arcsec) / _AIA_PIXEL) ** 2


def _total(values: npt.NDArray) -> float:
    """Sum of the pixels of a disk, of which those that are not known are as the others on average."""
    return float(np.nanmean(values, dtype=float)) * values.size


def _rows(
    magnetograms: Iterable[Any], passbands: Sequence[Passband], model: FieldModel, device: Any, allow_errors: bool
) -> Iterator[tuple]:
    """For each magnetogram its time, and for each passband sum, summed deviations and validity."""
    names: dict[int, str] = {}
    problems: dict[int, tuple[Exception, bool]] = {}
    reason, used, disk = "", False, model.grid.radius < 1
    answers = generate(_take(magnetograms, names, problems), passbands, model=model, device=device)
    for number in itertools.count(1):
        try:
            row = _row(next(answers), model, disk)
        except StopIteration:
            if used:
                return
            raise ValueError(
                f"there must be at least one magnetogram that can be used; there is none{reason and f': {reason}'}"
            ) from None
        except (TypeError, ValueError) as error:
            name, (problem, at_end) = names.pop(number), problems.pop(number, (error, False))
            reason = f"{name} cannot be used: {_words(problem)}"
            if allow_errors and not at_end:
                warn_user(f"{reason}. It is left out")
                continue
            if kind := next((kind for kind in _KINDS if isinstance(problem, kind)), None):
                raise kind(reason) from problem
            problem.add_note(f"This was {name}, counted from 1.")
            raise problem from None
        else:
            del names[number]
            used = True
            yield row


def _words(error: BaseException) -> str:
    """What an error says, as part of a sentence."""
    lines = str(error).partition(_ADVICE_OF_SUNPY)[0].splitlines()
    return ": ".join(filter(None, (line.strip().rstrip(".") for line in lines))) or type(error).__name__


def _take(
    magnetograms: Iterable[Any], names: dict[int, str], problems: dict[int, tuple[Exception, bool]]
) -> Iterator[Any]:
    """
    Hand magnetograms on, or None, of which nobody makes an image, in place of what raises an error.

    What to call each is noted by its number, and the error with whether nothing comes after it: a generator that has
    raised an error is at its end, and the rest must not be missing unnoticed.
    """
    source = iter(magnetograms)
    for number in itertools.count(1):
        names[number] = f"magnetogram {number}"
        try:
            magnetogram = next(source)
            names[number] = _which(number, magnetogram)
            _check_view(magnetogram)
        except StopIteration:
            return
        except Exception as error:
            problems[number] = error, inspect.isgenerator(source) and source.gi_frame is None
            magnetogram = None
        yield magnetogram


def _check_view(magnetogram: Any) -> None:
    """Refuse what is no Map, or shows more than can be seen at once."""
    check_map(magnetogram, "the magnetogram")
    if is_chart(magnetogram):
        raise ValueError(
            "a light curve must be of what was seen at one time; this Map is a chart of the whole Sun. Use full-disk "
            "magnetograms, or sum with disk_sum what generate makes for an observer"
        )


def _row(images: Sequence[GenericMap], model: FieldModel, disk: npt.NDArray) -> tuple:
    """Time of the images of a magnetogram and what `_rows` says of them."""
    scale, row = _area(images[0]) / model.grid.solar_radius**2, []
    for image in images:
        seen = np.count_nonzero(np.isfinite(image.data[disk])) if image.data.shape == disk.shape else 0
        if seen < (1 - _UNKNOWN) * np.count_nonzero(disk):
            raise ValueError(
                "a light curve must be of the whole disk; the magnetogram shows part of it. Use a full-disk magnetogram"
            )
        deviation = None if image.uncertainty is None else scale * _total(image.uncertainty.array[disk])
        row.append((scale * _total(image.data[disk]), deviation, image.meta["validity"]))
    return images[0].date.utc.isot, row


def _which(number: int, magnetogram: Any) -> str:
    """A magnetogram by its number and its time."""
    date = magnetogram.meta.get("date-obs") if isinstance(magnetogram, sunpy.map.GenericMap) else None
    return f"magnetogram {number}" + (f" of {brief(date)}" if date else "")


@isolated()
def _series(times: Sequence[str], rows: Sequence[Any], passbands: Sequence[Passband], model: Model) -> TimeSeries:
    """The `~astropy.timeseries.TimeSeries` of what `_rows` gave."""
    series = TimeSeries(time=Time(times, format="isot", scale="utc"))
    series.meta = {
        "model": model.name,
        "sha256": model.sha256,
        "sum": _SUM,
        "epochs": {str(band.angstrom): model.epochs.get(band.angstrom, "unknown") for band in passbands},
        "deviations": {},
    }
    for band, columns in zip(passbands, zip(*rows, strict=True), strict=True):
        sums, deviations, validity = zip(*columns, strict=True)
        name = str(band.angstrom)
        series[name] = u.Quantity(sums, u.DN / u.s)
        series[name].info.description = f"{name} angstrom, sum over the disk"
        if None not in deviations:
            deviations = u.Quantity(deviations, u.DN / u.s)
            series[f"{name}_deviation"] = deviation_factor(model, band.angstrom) * deviations
            series[f"{name}_deviation"].info.description = f"{name} angstrom, standard deviation of the sum"
            measured = deviation_factor(model, band.angstrom) < 1
            series.meta["deviations"][name] = "measured" if measured else "upper limit"
        series[f"{name}_validity"] = list(validity)
    return series
