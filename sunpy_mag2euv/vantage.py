"""
Vantage points: the whole Sun's radial field → the line-of-sight field that an observer anywhere would see.

The field is taken to be radial, as charts are, so that its component towards an observer is ``B_r (r̂·n̂)``; and the
Sun is taken to have turned as a rigid body since it was seen, as in the fields that the packaged weights were trained
on. Turned differentially, fields that are up to five days old make no better images, and those that are a rotation old
make images with an rms error that is two to five per cent less.
"""

import datetime
import difflib
import functools
import math
import os
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import astropy.units as u
import sunpy.map
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.time import Time
from sunpy.coordinates import (
    HeliocentricEarthEcliptic,
    HeliographicCarrington,
    HeliographicStonyhurst,
    Helioprojective,
    get_body_heliographic_stonyhurst,
    get_earth,
    get_horizons_coord,
)
from sunpy.map import GenericMap
from sunpy.sun import constants
from sunpy.time import parse_time

from sunpy_mag2euv.ageing import LONGEST
from sunpy_mag2euv.aia import View
from sunpy_mag2euv.charts import Chart, chart_of
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.inference import resolve_model
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.maps import brief, shown
from sunpy_mag2euv.models import DEFAULT_CHART_MODEL, FieldModel
from sunpy_mag2euv.preparation import PreparedField
from sunpy_mag2euv.sequences import in_step

__all__ = [
    "MUCH_UNSEEN",
    "ObserverLike",
    "TimeLike",
    "age_map",
    "ages_of",
    "are_several_views",
    "is_known",
    "locate",
    "project",
    "resolve_observer",
    "resolve_observers",
    "view_of",
]

#: What names an observer, see `resolve_observer`.
ObserverLike: TypeAlias = str | SkyCoord | BaseCoordinateFrame

#: Most of what `sunpy.time.parse_time` takes.
TimeLike: TypeAlias = str | Time | datetime.date | np.datetime64

#: ``TELESCOP`` of what a made-up observer would see: nobody is told that SDO was there, but what comes before the slash
#: has to be SDO, or else sunpy knows no colours to plot it in.
_TELESCOPE = "SDO/AIA-like (synthetic)"

#: Observers whose place is known without a network, by the distance from Earth in au towards the Sun. SDO is never
#: farther from Earth's centre than 0.0003 au, which turns the Sun by less than a hundredth of a degree.
_NEAR_EARTH = {"earth": 0.0, "sdo": 0.0, "l1": 0.01, "soho": 0.01, "l2": -0.01}

#: Those that go around the Sun with Earth and as far from it, by degrees of longitude ahead of it.
_WITH_EARTH = {"l4": 60, "l5": -60}

#: Bodies whose places sunpy has from astropy's own ephemeris.
_BODIES = ("moon", "mercury", "venus", "mars", "jupiter", "saturn", "uranus", "neptune")

_KNOWN = (*_NEAR_EARTH, *_WITH_EARTH, *_BODIES)

#: Names of what is no place to look from, and what to say of it.
_NO_PLACES = {
    "sun": "the Sun is what is seen",
    "far side": "the far side is seen from many places",
    "farside": "the far side is seen from many places",
    "north pole": "from above the pole there are many distances",
    "south pole": "from above the pole there are many distances",
}

#: How JPL's Horizons calls what people call otherwise.
_HORIZONS = {
    "stereo a": "STEREO-A",
    "stereo ahead": "STEREO-A",
    "stereo b": "STEREO-B",
    "stereo behind": "STEREO-B",
    "psp": "Parker Solar Probe",
    "solo": "Solar Orbiter",
}

#: Where observers may be. Nearer, a disk is no disk any more; farther, beyond all planets, a unit is wrong.
_NEAREST, _FARTHEST = 0.01 * u.au, 50 * u.au

#: Years in which it is known where Earth is. Earlier ones, sunpy's Maps cannot say.
_YEARS = range(1800, 2201)

#: Two times that differ by less are the same.
_SAME = 1 * u.s

#: Samples per pixel and axis, where a pixel of the grid covers more of the chart than an interpolation reaches.
_SAMPLES = 4

#: Elements of a chart that a linear interpolation hears of, since each is a mean over its own width.
_REACH = 3

#: Where Earth saw the Sun with a smaller cosine, what charts show is noise in the main. That of HMI's charts of half a
#: degree is 2.4 G over the cosine, and so 6 G here, as strong on the mean as the field of a pole that is in view.
_WELL_SEEN = 0.4

#: A pixel is known when at least this part of it is, as for magnetograms.
_SEEN = 0.25

#: From this part of the pixels on the Sun on, it is said that nobody has seen what they show.
MUCH_UNSEEN = 0.01


def resolve_observer(observer: ObserverLike, obstime: TimeLike | None = None, default: Time | None = None) -> SkyCoord:
    """
    Find out where an observer is.

    Parameters
    ----------
    observer : `~astropy.coordinates.SkyCoord`, coordinate frame or str
        A place in any frame that has one in space, 0.01 to 50 au from the Sun; or "earth", "sdo", "soho", "l1", "l2",
        "l4", "l5", "moon" or a planet; or any other name, such as "stereo_a", "solar orbiter" or "psp", which is looked
        up in JPL's Horizons over the network.
    obstime : time-like, optional
        When; unless given, the time that the coordinates have.
    default : `~astropy.time.Time`, optional
        When, if neither says so.

    Returns
    -------
    `~astropy.coordinates.SkyCoord`
        In `~sunpy.coordinates.HeliographicStonyhurst` coordinates, with ``obstime``; ``info.name`` is the name.

    Raises
    ------
    TypeError
        If ``observer`` is neither.
    ValueError
        If the name is unknown, if there is no time or there are two, if it is not one place and time, or if it is in
        the Sun or too near or too far.
    ConnectionError
        If Horizons cannot be reached.
    """
    time = None if obstime is None else _read_time(obstime)
    if isinstance(observer, str):
        time = default if time is None else time
        if time is None:
            raise ValueError(_NO_TIME.format(what=f"for {observer!r}"))
        place = _named(observer, time)
    elif isinstance(observer, (SkyCoord, BaseCoordinateFrame)):
        place = _placed(observer, time, default)
    else:
        advice = ""
        if isinstance(observer, sunpy.map.GenericMap):
            advice = ". Give the observer_coordinate of the Map"
        elif np.iterable(observer):
            advice = ". Call once for each"
        raise TypeError(
            "observer must be a SkyCoord, or a name such as 'earth', 'mars' or 'stereo_a'; got "
            f"{type(observer).__name__}{advice}"
        )
    if place.obstime.datetime.year not in _YEARS:
        raise ValueError(
            f"an observer must have a time from {_YEARS[0]} to {_YEARS[-1]}; got {place.obstime.isot}. Give obstime, "
            "such as obstime='2012-11-18'"
        )
    _check_distance(place, observer)
    return place


def resolve_observers(observer: Any, obstime: Any = None, default: Time | None = None) -> tuple[Any, Any]:
    """
    Find out where one observer is, or several.

    Parameters
    ----------
    observer : `~astropy.coordinates.SkyCoord`, coordinate frame, str or iterable of these
    obstime : time-like or iterable of these, optional
        If both are iterable, they go in pairs; if one is, the other is the same for all.
    default : `~astropy.time.Time`, optional
        All as `resolve_observer` takes them.

    Returns
    -------
    places : iterable of `~astropy.coordinates.SkyCoord`
        A list, or an iterator that finds each out when it is asked for, where there is an iterator of observers or
        times, which may be endless.
    several : bool
        Whether either was iterable.

    Raises
    ------
    TypeError, ValueError, ConnectionError
        As by `resolve_observer`; also if there are not as many observers as times.
    """
    given = {"observers": observer, "times": obstime}
    several = {name: values for name, values in given.items() if are_several_views(values)}
    if not several:
        return [resolve_observer(observer, obstime, default)], False

    def place(row: tuple) -> SkyCoord:
        view = given | dict(zip(several, row, strict=True))
        return resolve_observer(view["observers"], view["times"], default)

    # Unlike a generator, map goes on after an error.
    places = map(place, in_step(**several))
    return list(places) if all(hasattr(values, "__len__") for values in several.values()) else places, True


def is_known(observer: Any) -> bool:
    """
    Tell whether an observer's place is known without a network, at any time.

    Parameters
    ----------
    observer : `~astropy.coordinates.SkyCoord`, coordinate frame or str

    Returns
    -------
    bool
    """
    return not isinstance(observer, str) or _words(observer) in ("", *_KNOWN, *_NO_PLACES)


def are_several_views(value: Any) -> bool:
    """Whether this is meant to be several observers or times."""
    if isinstance(value, (SkyCoord, BaseCoordinateFrame, Time)):
        return not value.isscalar
    if isinstance(value, sunpy.map.GenericMap):
        return False
    # sunpy takes tuples such as (2012, 11, 18) for a time.
    if isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(part, int) for part in value)):
        return False
    return np.iterable(value)


_NO_TIME = (
    "an observer must have a time, since the Sun turns by 13 degrees a day; there is none {what}. Give obstime, such "
    "as obstime='2012-11-18'"
)


def _read_time(obstime: Any) -> Time:
    """One time, from what sunpy takes for one."""
    try:
        time = parse_time(obstime)
    except Exception as error:
        # sunpy and astropy raise whatever they come across.
        raise ValueError(f"obstime must be a time, such as '2012-11-18T12:00'; {shown(obstime)} is none") from error
    if not time.isscalar:
        raise ValueError(f"obstime must be one time; got {time.size}. Call once for each")
    return time


def _words(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())


def _named(name: str, time: Time | None) -> Any:
    """Where a body is."""
    words = _words(name)
    known = ", ".join(_KNOWN)
    if not words:
        raise ValueError(f"observer must have a name, such as one of {known}, or 'stereo_a'; got {name!r}")
    if words in _NO_PLACES:
        raise ValueError(
            f"observer must be one place; {_NO_PLACES[words]}. Give longitude, latitude and distance, such as "
            "SkyCoord(180 * u.deg, 0 * u.deg, 1 * u.au, frame='heliographic_stonyhurst') for what is opposite to Earth"
        )
    place = _offline(words, time) if words in _KNOWN else _looked_up(name, words, time)
    place.info.name = _proper(words) if words in _KNOWN else brief(name.replace("_", " "))
    return place


def _offline(words: str, time: Any) -> Any:
    """Where a body is that is known without a network."""
    if words in _BODIES:
        return SkyCoord(get_body_heliographic_stonyhurst(words, time))
    earth = get_earth(time)
    if words in _WITH_EARTH:
        frame = HeliocentricEarthEcliptic(obstime=time)
        beside = SkyCoord(_WITH_EARTH[words] * u.deg, 0 * u.deg, earth.radius, frame=frame)
        return SkyCoord(beside.transform_to(HeliographicStonyhurst(obstime=time)))
    distance = earth.radius - _NEAR_EARTH[words] * u.au
    return SkyCoord(earth.lon, earth.lat, distance, frame=HeliographicStonyhurst(obstime=time))


def _looked_up(name: str, words: str, time: Any) -> SkyCoord:
    """Where a body is by JPL's Horizons."""
    known = ", ".join(_KNOWN)
    near = difflib.get_close_matches(words, [*_KNOWN, *_HORIZONS, *_NO_PLACES], 1, 0.7)
    advice = f"Did you mean {near[0]!r}? " if near and near[0] != words else ""
    try:
        return SkyCoord(get_horizons_coord(_HORIZONS.get(words, name.replace("_", " ")), time))
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"observer {name!r} is unknown to JPL's Horizons at {time.utc.iso} ({_short(error)}). {advice}Use its name "
            f"there, give a SkyCoord, or one of {known}"
        ) from error
    except OSError as error:
        raise ConnectionError(
            f"observer {name!r} is none of {known}, which are known without a network, and whether JPL's Horizons "
            f"knows it cannot be asked, since that cannot be reached ({_short(error)}). {advice}Give a SkyCoord, or "
            "one of these"
        ) from error


def _proper(words: str) -> str:
    """As a name is written that is known without a network."""
    return words.upper() if words in ("sdo", "soho", "l1", "l2", *_WITH_EARTH) else words.capitalize()


def _short(error: BaseException) -> str:
    """The first line of what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:100]


def _placed(observer: Any, time: Any, default: Any) -> SkyCoord:
    """Where and when coordinates are."""
    if getattr(observer, "shape", ()) != ():
        raise ValueError(f"observer must be one place; got {observer.size}. Call once for each")
    frame = getattr(observer, "frame", observer)
    # Some frames have a time that nobody gave them.
    nobodys = "obstime" in frame.frame_attributes and frame.is_frame_attr_default("obstime")
    own = None if nobodys else getattr(observer, "obstime", None)
    if own is not None and not own.isscalar:
        raise ValueError(f"observer must have one time; got {own.size}. Call once for each")
    if own is not None and time is not None and abs(own - time) > _SAME:
        raise ValueError(
            f"observer must be where it is at obstime; its own time is {own.utc.iso}, obstime {time.utc.iso}. Give one "
            "of them only"
        )
    time = own if own is not None else time if time is not None else default
    if time is None:
        raise ValueError(_NO_TIME.format(what="with these coordinates"))
    try:
        if own is None and "obstime" in frame.frame_attributes:
            frame = frame.replicate(obstime=time)
        if isinstance(frame, HeliographicCarrington) and frame.observer is None:
            frame = frame.replicate(observer="self")
        return SkyCoord(frame.transform_to(HeliographicStonyhurst(obstime=time)))
    except Exception as error:
        # sunpy and astropy raise whatever they come across.
        raise ValueError(
            f"observer must be a place in space that can be seen from the Sun; these coordinates are none "
            f"({_short(error)}). Give longitude, latitude and radius in HeliographicStonyhurst"
        ) from error


def _check_distance(place: SkyCoord, observer: Any) -> None:
    """Refuse who could not see a disk."""
    one = f"{observer!r} is" if isinstance(observer, str) else "these coordinates are"
    radius = place.radius
    if not (radius.unit.is_equivalent(u.m) and np.isfinite([radius.value, place.lon.value, place.lat.value]).all()):
        raise ValueError(f"observer must be at some place; {one} at no finite one. Give a radius, such as 1 au")
    if radius <= constants.radius * 1.0001:
        raise ValueError(
            f"observer must be outside of the Sun; {one} {radius.to(u.Mm):.5g} from its centre, and coordinates "
            "without a radius are on its surface. Give a radius, such as 1 au"
        )
    # What is at the limit in other coordinates is nearly there in these.
    if not _NEAREST * (1 - 1e-9) <= radius <= _FARTHEST * (1 + 1e-9):
        raise ValueError(
            f"observer must be {_NEAREST.value:g} to {_FARTHEST.value:g} au from the Sun; {one} "
            f"{radius.to_value(u.au):.4g} au from it. Check the time, or the unit of the radius"
        )


@dataclass(frozen=True)
class _View:
    """
    What an observer sees of the Sun: Carrington longitude and latitude below it in radians, distance in solar radii.

    The longitude is that of Carrington coordinates with the observer itself as ``observer``: light takes as long to it
    as it does, and so it sees the same place below it as all others in its direction.
    """

    longitude: float
    latitude: float
    distance: float

    @classmethod
    def of(cls, place: SkyCoord) -> "_View":
        """The view from a place with a time."""
        time = place.obstime.tai
        return cls._at(*(float(part.si.value) for part in (place.lon, place.lat, place.radius)), time.jd1, time.jd2)

    @classmethod
    @functools.lru_cache(maxsize=128)
    def _at(cls, longitude: float, latitude: float, radius: float, *time: Any) -> "_View":
        """The same of plain numbers, in SI units and TAI. Each view is asked for several times, and takes long."""
        frame = HeliographicStonyhurst(obstime=Time(*time, format="jd", scale="tai"))
        place = SkyCoord(longitude * u.rad, latitude * u.rad, radius * u.m, frame=frame)
        carrington = place.transform_to(HeliographicCarrington(observer="self", obstime=place.obstime))
        distance = (place.radius / constants.radius).to_value(u.one)
        return cls(float(carrington.lon.rad), float(carrington.lat.rad), float(distance))

    @property
    def _tangent(self) -> float:
        """Of the angle at which the limb is seen, see `~sunpy_mag2euv.grid.Grid.scale`."""
        return 1 / math.sqrt(self.distance**2 - 1)

    def surface(self, x: npt.NDArray, y: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """
        Which place on the Sun is behind a point of a grid.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            West and north from the disk's centre, in apparent solar radii, in the plane of a tangential projection.

        Returns
        -------
        longitude, sine, cosine : `~numpy.ndarray`
            Longitude from the observer's in radians, sine of the latitude, and ``r̂·n̂``, the cosine of the angle between
            the vertical and the line of sight; that is 0, and the others are meaningless, off the disk.
        """
        squared = x**2 + y**2
        tangent = self._tangent
        cos = 1 / np.sqrt(1 + tangent**2 * squared)
        # The line of sight passes the Sun's centre at this distance in solar radii, over that from the disk's centre,
        # and meets the surface at an angle of which it is the sine; what is left of that is seen from the Sun's centre.
        passing = self.distance * tangent * cos
        cosine = np.sqrt(np.maximum(1 - passing**2 * squared, 0))
        aside = (passing - cosine * tangent) * cos
        toward = (cosine + passing * tangent * squared) * cos
        west, north = aside * x, aside * y
        sin_b, cos_b = math.sin(self.latitude), math.cos(self.latitude)
        return np.arctan2(west, toward * cos_b - north * sin_b), north * cos_b + toward * sin_b, cosine

    def image(self, longitude: npt.NDArray, sine: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """
        Where a place on the Sun is seen, the inverse of `surface`.

        Parameters
        ----------
        longitude, sine : `~numpy.ndarray`

        Returns
        -------
        x, y, cosine : `~numpy.ndarray`
            The cosine is below 0, and the others are meaningless, on the other side.
        """
        sin_b, cos_b = math.sin(self.latitude), math.cos(self.latitude)
        outward, along = np.sqrt(1 - sine**2) * np.cos(longitude), np.sqrt(1 - sine**2) * np.sin(longitude)
        toward, north = outward * cos_b + sine * sin_b, sine * cos_b - outward * sin_b
        away = (self.distance - toward) * self._tangent
        cosine = (self.distance * toward - 1) / np.sqrt(self.distance**2 - 2 * self.distance * toward + 1)
        return along / away, north / away, cosine


@isolated()
def project(chart: Chart, observer: Any, grid: Grid, obstime: Any = None) -> PreparedField:
    """
    Show the whole Sun's radial field as an observer would see its line-of-sight component.

    Parameters
    ----------
    chart : `~sunpy_mag2euv.charts.Chart`
    observer, obstime
        As `resolve_observer` takes them; without any time, that of the chart.
    grid : Grid
        With solar north up.

    Returns
    -------
    `~sunpy_mag2euv.preparation.PreparedField`
        As `~sunpy_mag2euv.preparation.prepare` would make it of a magnetogram taken there. What the chart fills at the
        poles is known; whether that is much of the view is among the objections.

    Raises
    ------
    TypeError, ValueError, ConnectionError
        As by `resolve_observer`.

    Notes
    -----
    The chart is averaged over blocks of elements that together are no larger than a pixel, and interpolated linearly at
    the middle of each pixel, which is a mean over some of these elements in itself. Near the limb, where a pixel covers
    more than it reaches, 4 by 4 points are averaged. The fields that the packaged weights were trained on are such
    interpolations of HMI's small charts.

    The line-of-sight field that charts are made of was divided by the cosine at which Earth saw it, ``c``, and so was
    its noise: beside a pole that is turned away it becomes as strong as network, and who looks from above would see a
    bright ring. So what deviates there from the mean nearby is multiplied by ``min(1, c / (0.4 v))``, where ``v`` is
    the observer's cosine. Then noise along the line of sight is at most what it is where Earth saw the Sun with a
    cosine of 0.4; the mean field stays, and so does all that is seen at the angle at which Earth did.
    """
    place = resolve_observer(observer, obstime, chart.time)
    view = _View.of(place)
    surface = _Surface.of(chart, grid)
    disk = grid.radius < 1
    mean, share = np.zeros(grid.shape, np.float32), np.ones(grid.shape, np.float32)
    for pixels, x, y in _points(grid, surface.covered):
        longitude, sine, cosine = view.surface(x, y)
        at = surface.at(longitude + np.float32(view.longitude), sine)
        on_disk = cosine > 0
        count = np.maximum(on_disk.sum(axis=0), 1)
        values = ((surface.interpolate(surface.values, at) - surface.excess(at, cosine)) * cosine).sum(axis=0) / count
        if surface.known is not None:
            known = (surface.interpolate(surface.known, at) * on_disk).sum(axis=0) / count
            share.ravel()[pixels] = known
            # What is unknown has no weight.
            values = np.where(known >= _SEEN, values / np.maximum(known, _SEEN), 0)
        mean.ravel()[pixels] = values

    objections = dict(chart.objections)
    if (much := _unseen(chart, view)) > MUCH_UNSEEN:
        objections["unseen pole"] = (
            f"{much:.0%} of the disk is a pole that was turned away while the chart was made: what is beside it is "
            "in its place, mirrored"
        )
    if (since := np.abs((Time(place.obstime) - chart.observed).to_value(u.day)).min()) > LONGEST:
        objections["old chart"] = (
            f"no place in the chart was observed less than {math.floor(since)} days before or after the view, and how "
            f"much worse images become by more than {LONGEST} days was not measured: take a chart of the time of the "
            "view"
        )
    coarseness = math.radians(chart.step) * grid.solar_radius
    window = (slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    known = (share >= _SEEN) | ~disk
    return PreparedField(mean, known, window, chart.on_hmi_scale, coarseness, objections=objections, source="chart")


@functools.lru_cache(maxsize=8)
def _points(grid: Grid, covered: float) -> tuple:
    """
    Where a chart is to be interpolated for a grid, whoever looks.

    Parameters
    ----------
    grid : Grid
    covered : float
        How many elements of the chart a pixel covers at the disk's centre.

    Returns
    -------
    tuple of (pixels, x, y)
        Twice: for pixels that a single point is enough for, and for those near the limb. Indices of the pixels in the
        flattened grid, and points in solar radii from the disk's centre, float32, shape (points, pixels).
    """
    radius = grid.radius.ravel()
    # As it is seen from the side, a pixel covers more.
    aside = np.sqrt(np.maximum(1 - radius**2, 0)) * _REACH < covered
    answer = []
    for pixels, samples in (((radius < 1) & ~aside, 1), ((radius < 1) & aside, _SAMPLES)):
        (pixels,) = np.nonzero(pixels)
        rows, columns = np.divmod(pixels, grid.shape[1])
        offsets = (np.arange(samples) + 0.5) / samples - 0.5
        up, right = (offset.ravel()[:, None] for offset in np.meshgrid(offsets, offsets))
        x = ((columns + right - grid.center[0]) / grid.solar_radius).astype(np.float32)
        y = ((rows + up - grid.center[1]) / grid.solar_radius).astype(np.float32)
        for array in (pixels, x, y):
            array.flags.writeable = False
        answer.append((pixels, x, y))
    return tuple(answer)


@dataclass(frozen=True, eq=False)
class _Surface:
    """
    A chart to interpolate in, averaged over blocks until its elements are about as large as a grid's pixels.

    Attributes
    ----------
    values : `~numpy.ndarray`
        The field, float32, flattened, of shape ``(rows + 1, columns + 1)``: the last row is there twice, and the first
        column once more.
    known : `~numpy.ndarray` or None
        What of it is known, alike; None if that is everything.
    fluctuation, cosine : `~numpy.ndarray` or None
        As of the chart, alike.
    noisy : `~numpy.ndarray` or None
        Boolean, of shape ``(rows,)``: whether the cosine is small in a row or in the next one.
    rows, columns : int
        Of blocks.
    first : float
        Longitude of the middle of the first column, in radians.
    equal_area : bool
        As of the chart.
    covered : float
        How many elements a pixel covers at the centre of the disk, in one direction.
    """

    values: np.ndarray
    known: np.ndarray | None
    fluctuation: np.ndarray | None
    cosine: np.ndarray | None
    noisy: np.ndarray | None
    rows: int
    columns: int
    first: float
    equal_area: bool
    covered: float

    @classmethod
    def of(cls, chart: Chart, grid: Grid) -> "_Surface":
        """Blocks of a chart for a grid."""
        rows, columns = chart.values.shape
        pixel = 1 / grid.solar_radius
        # Steps at the centre of the disk, in radians.
        across, along = math.radians(chart.step), (2 if chart.equal_area else math.pi) / rows
        wide, high = _divisor(columns, pixel / across), _divisor(rows, pixel / along)
        fluctuation = cosine = noisy = None
        if chart.cosine is not None:
            fluctuation, cosine = _blocks(chart.fluctuation, high, wide), _blocks(chart.cosine, high, wide)
            small: npt.NDArray = np.any((cosine < _WELL_SEEN).reshape(rows // high + 1, -1), axis=1)
            noisy = small[:-1] | small[1:]
        return cls(
            values=_blocks(chart.values, high, wide),
            known=None if chart.known.all() else _blocks(chart.known.astype(np.float32), high, wide),
            fluctuation=fluctuation,
            cosine=cosine,
            noisy=noisy,
            rows=rows // high,
            columns=columns // wide,
            first=math.radians(chart.first_longitude) + across * (wide - 1) / 2,
            equal_area=chart.equal_area,
            covered=max(pixel / (across * wide), pixel / (along * high)),
        )

    def at(self, longitude: npt.NDArray, sine: npt.NDArray) -> tuple:
        """Index of the element below and left of places, and how far they are from its middle, as parts of one."""
        height = (sine + 1) / 2 if self.equal_area else np.arcsin(np.clip(sine, -1, 1)) / np.pi + 0.5
        row = np.clip(height * np.float32(self.rows) - np.float32(0.5), 0, self.rows - 1)
        column = (longitude - np.float32(self.first)) * np.float32(self.columns / (2 * np.pi))
        below, left = row.astype(np.int32), np.floor(column)
        up, right = row - below, column - left
        return below * (self.columns + 1) + left.astype(np.int32) % self.columns, up, right

    def interpolate(self, plane: npt.NDArray, at: tuple) -> npt.NDArray:
        """Linear interpolation of ``values`` or ``known``."""
        index, up, right = at
        width = self.columns + 1
        lower = plane[index] * (1 - right) + plane[index + 1] * right
        upper = plane[index + width] * (1 - right) + plane[index + width + 1] * right
        return lower * (1 - up) + upper * up

    def excess(self, at: tuple, cosine: npt.NDArray) -> Any:
        """What is to be taken off the radial field in places that the view has with a cosine, see `project`."""
        excess = np.zeros_like(cosine)
        if self.noisy is not None:
            there = np.nonzero(self.noisy[at[0] // (self.columns + 1)] & (cosine > 0))
            at = tuple(part[there] for part in at)
            kept = np.minimum(1, self.interpolate(self.cosine, at) / (_WELL_SEEN * cosine[there]))  # type: ignore[arg-type]
            excess[there] = (1 - kept) * self.interpolate(self.fluctuation, at)  # type: ignore[arg-type]
        return excess


def _unseen(chart: Chart, view: _View) -> float:
    """Part of the disk in which the chart was filled."""
    if not chart.filled.any():
        return 0.0
    # A hundredth of the disk is told from none by a thousand points.
    y, x = np.mgrid[-1:1:40j, -1:1:40j]
    longitude, sine, cosine = view.surface(x, y)
    on_disk = cosine > 0
    rows = len(chart.values)
    height = (sine + 1) / 2 if chart.equal_area else np.arcsin(np.clip(sine, -1, 1)) / np.pi + 0.5
    row = np.clip(height * rows, 0, rows - 1).astype(int)
    return float(chart.filled[row, _nearest(chart, longitude + view.longitude)][on_disk].mean())


def _nearest(chart: Chart, longitude: npt.NDArray) -> npt.NDArray:
    """Index of the column that has a longitude in radians."""
    return np.rint((np.degrees(longitude) - chart.first_longitude) / chart.step).astype(int) % chart.values.shape[1]


def _divisor(count: int, most: float) -> int:
    """The largest number up to ``most`` that divides a count."""
    return next(divisor for divisor in range(max(1, int(most)), 0, -1) if count % divisor == 0)


def _blocks(plane: npt.NDArray, high: int, wide: int) -> npt.NDArray:
    """Means over blocks, flattened, with the last row twice and the first column once more."""
    rows, columns = plane.shape
    means = plane.reshape(rows // high, high, columns // wide, wide).mean(axis=(1, 3), dtype=np.float32)
    return np.pad(np.pad(means, ((0, 0), (0, 1)), "wrap"), ((0, 1), (0, 0)), "edge").ravel()


def view_of(chart: Chart, place: SkyCoord, solar_radius: u.Quantity) -> View:
    """
    Say for headers from where and when a chart is seen.

    Parameters
    ----------
    chart : `~sunpy_mag2euv.charts.Chart`
    place : `~astropy.coordinates.SkyCoord`
        As `resolve_observer` returns it.
    solar_radius : `~astropy.units.Quantity`
        That the chart's header has.

    Returns
    -------
    `~sunpy_mag2euv.aia.View`
        Whose ``telescope`` says that SDO was not there.
    """
    date = place.obstime
    frame = Helioprojective(observer=place.frame, obstime=date, rsun=solar_radius)
    who, seen = "seen by: a made-up observer", "a made-up observer would see it"
    if name := place.info.name:
        who, seen = f"seen from: {name},", f"it would be seen from {name}"
    of = "" if chart.rotation is None else f"rotation {chart.rotation}"
    member = "" if chart.realization is None else f"realization {chart.realization}, "
    day, longitude = chart.time.utc.isot, place.lon.wrap_at(180 * u.deg).deg
    return View(
        frame=frame,
        date=date,
        reference_date=date,
        origin=f"a chart of {of or day[:10]} as {seen}",
        sources=(
            f"chart: {brief(chart.instrument)}, {member}{f'Carrington {of}, ' if of else ''}{brief(chart.content)}, "
            f"{day} UTC",
            f"{who} at Stonyhurst longitude {longitude:.3f} deg, latitude {place.lat.deg:.3f} deg, "
            f"{place.radius.to_value(u.au):.5f} au, {date.utc.isot} UTC",
            "age: standard deviations are multiplied by a factor for the time between chart and view, see "
            "sunpy_mag2euv.ageing",
        ),
        telescope=_TELESCOPE,
    )


def ages_of(chart: Chart, place: SkyCoord, grid: Grid) -> npt.NDArray:
    """
    Tell how long ago a chart has seen what an observer sees.

    Parameters
    ----------
    chart : `~sunpy_mag2euv.charts.Chart`
    place : `~astropy.coordinates.SkyCoord`
        As `resolve_observer` returns it.
    grid : Grid

    Returns
    -------
    `~numpy.ndarray`
        In days, shape ``grid.shape``, as of `age_map`; off the disk that of the limb beside it.
    """
    # Just inside of the limb, beyond which there is nothing to have an age.
    inside = np.minimum(1, 0.999 / np.maximum(grid.radius, 0.5)) / grid.solar_radius
    rows, columns = np.ogrid[: grid.shape[0], : grid.shape[1]]
    view = _View.of(place)
    longitude, _, _ = view.surface((columns - grid.center[0]) * inside, (rows - grid.center[1]) * inside)
    ages = (Time(place.obstime) - chart.observed).to_value(u.day)
    return ages[_nearest(chart, longitude + view.longitude)]


def locate(
    place: SkyCoord, grid: Grid, longitude: npt.NDArray, latitude: npt.NDArray
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """
    Tell where places on the Sun are on a grid.

    Parameters
    ----------
    place : `~astropy.coordinates.SkyCoord`
        That of the observer, as `resolve_observer` returns it.
    grid : Grid
    longitude, latitude : `~numpy.ndarray`
        Carrington, in degrees.

    Returns
    -------
    row, column : `~numpy.ndarray`
        Pixel coordinates.
    cosine : `~numpy.ndarray`
        Of the angle between the vertical and the line of sight; below 0 on the other side.
    """
    view = _View.of(place)
    x, y, cosine = view.image(np.radians(longitude) - view.longitude, np.sin(np.radians(latitude)))
    return y * grid.solar_radius + grid.center[1], x * grid.solar_radius + grid.center[0], cosine


def age_map(
    chart: GenericMap,
    observer: ObserverLike,
    obstime: TimeLike | None = None,
    *,
    model: str | os.PathLike | FieldModel | None = None,
) -> u.Quantity:
    """
    Tell how long ago a chart has seen what an observer sees.

    Parameters
    ----------
    chart : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.read_chart` gives it.
    observer : `~astropy.coordinates.SkyCoord`, coordinate frame or str
        As `~sunpy_mag2euv.generate` takes it, one.
    obstime : time-like, optional
        When; unless given, the time that the coordinates have, or that of the chart.
    model : str, path-like or FieldModel, optional
        Whose grid to take, as `~sunpy_mag2euv.load_model` takes it. That which charts are generated with, unless given.

    Returns
    -------
    `~astropy.units.Quantity`
        In days, on the pixels of the image that `~sunpy_mag2euv.generate` makes, NaN off the disk. From the time at
        which the place passed the central meridian seen from Earth, or was last seen in a chart that is kept up to
        date, to the time of the view: positive if the chart shows the past, negative if it shows the future, as charts
        of a whole rotation do of what was to pass later. These begin and end at one meridian, which on the far side may
        be in the midst of the disk: there the age jumps by a rotation, such as from 13.6 to −13.6 days. Take the
        absolute value for how far the chart is from the view.

    Raises
    ------
    TypeError, ValueError, ConnectionError
        As by `~sunpy_mag2euv.generate`; also if there are several observers or times.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_chart
    >>> ages = mag2euv.age_map(sample_chart(), "earth")
    >>> ages.shape, f"{ages[128, 200]:.1f}"
    ((256, 256), '3.6 d')
    """
    if are_several_views(observer) or are_several_views(obstime):
        raise TypeError("age_map must have one observer and one time; there are several. Call it once for each")
    grid = resolve_model(DEFAULT_CHART_MODEL if model is None else model, FieldModel).grid
    chart = chart_of(chart)
    ages = ages_of(chart, resolve_observer(observer, obstime, chart.time), grid)
    return np.where(grid.radius < 1, ages, np.nan) * u.day
