"""Synthesis: magnetogram Map in, or a chart and an observer, and AIA-like Maps out."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

import astropy.units as u
from astropy.coordinates import SkyCoord
from sunpy.map import GenericMap

from sunpy_mag2euv.ageing import widening
from sunpy_mag2euv.aia import View
from sunpy_mag2euv.charts import Chart, chart_of, is_chart
from sunpy_mag2euv.execution import at_once
from sunpy_mag2euv.inference import (
    answers,
    is_single,
    make_maps,
    resolve_device,
    resolve_model,
    resolve_passbands,
    say,
)
from sunpy_mag2euv.maps import check_map, in_known_time, solar_radius
from sunpy_mag2euv.models import DEFAULT_CHART_MODEL, FieldModel
from sunpy_mag2euv.passbands import Passband, PassbandLike
from sunpy_mag2euv.preparation import PreparedField, prepare
from sunpy_mag2euv.sequences import Answers, are_several, in_step
from sunpy_mag2euv.validity import FieldValidity, assess
from sunpy_mag2euv.vantage import (
    ObserverLike,
    TimeLike,
    ages_of,
    are_several_views,
    project,
    resolve_observer,
    resolve_observers,
    view_of,
)

if TYPE_CHECKING:
    import torch

__all__ = ["Sight", "generate", "generate_cube", "look"]


@dataclass(frozen=True)
class Sight:
    """
    What a model is asked about one image, and what is known of the image beforehand.

    Attributes
    ----------
    field : `~sunpy_mag2euv.preparation.PreparedField`
    reports : dict
        For every passband its `~sunpy_mag2euv.validity.FieldValidity`.
    view : `~sunpy_mag2euv.aia.View`
    widening : dict or None
        For every passband what its standard deviations are to be multiplied by for the age of the field; None for
        fields that have none.
    """

    field: PreparedField
    reports: dict
    view: View
    widening: dict | None = None


def generate(
    magnetogram: GenericMap | Iterable[GenericMap],
    passband: PassbandLike | Sequence[PassbandLike],
    *,
    observer: ObserverLike | Iterable[ObserverLike] | None = None,
    obstime: TimeLike | Iterable[TimeLike] | None = None,
    allow_errors: bool = False,
    model: str | os.PathLike | FieldModel | None = None,
    device: "str | torch.device | None" = None,
) -> Any:
    """
    Generate the image that SDO/AIA would have taken, or that a telescope like it would have taken elsewhere.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`, `~sunpy.map.MapSequence` or iterable of Maps
        Helioprojective line-of-sight magnetogram, of the full disk or part of it, see
        `~sunpy_mag2euv.preparation.prepare`. Or a chart of the whole Sun's radial field in Carrington coordinates, as
        `~sunpy_mag2euv.read_chart` reads it, which is shown as ``observer`` would see it. Or several of either, such as
        ``map(sunpy.map.Map, paths)``.
    passband : int, str, `~astropy.units.Quantity` or sequence of these
        Such as ``193`` or ``193 * u.angstrom``.
    observer : `~astropy.coordinates.SkyCoord`, coordinate frame, str or iterable of these, optional
        Who sees the chart, for charts only: a place in any frame that has one in space, 0.01 to 50 au from the Sun;
        "earth", "sdo", "soho", "l1", "l2", "l4", "l5", "moon" or a planet; or any other name, such as "stereo_a",
        "solar orbiter" or "psp", which is looked up in JPL's Horizons over the network.
    obstime : time-like or iterable of these, optional
        When the observer sees it. The time that its coordinates have, or that of the chart, unless given.
    allow_errors : bool, optional
        Of several images: whether to leave out, with a warning, those that cannot be made. Otherwise the iterator
        raises what is wrong in place of the image, and can be asked for the next one. What a generator raises is raised
        in any case, since generators end with that; ``map`` does not.
    model : str, path-like or FieldModel, optional
        As `~sunpy_mag2euv.load_model` takes it. The packaged default unless given; for charts "shared-browse", whose
        pixels are no smaller than what charts resolve, so that no detail is invented.
    device : str or `torch.device`, optional
        Where the network runs, such as ``"cpu"`` or ``"cuda:0"``. A GPU if there is one, unless given.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`, or list of them for a sequence of passbands
        In DN/s on the model's grid, solar north up, NaN where the model has learnt nothing. For a cutout, on that
        part of the grid which the field of view takes up, NaN outside of it. The ``uncertainty`` of each is its
        standard deviation, if the model gives one. ``meta["validity"]`` is "no known objection", or says why to be
        cautious, see `~sunpy_mag2euv.validity.FieldValidity.header`. Of a chart, the Map's observer and time are
        those of the view, ``TELESCOP`` is "SDO/AIA-like (synthetic)", and the deviations have grown with the age of the
        field, see `~sunpy_mag2euv.ageing.widening`.

        An iterator of these, if ``magnetogram``, ``observer`` or ``obstime`` is several: in their order, each computed
        when it is asked for, while the next is taken and prepared by another thread; so there are never more than two
        in memory, or a few more on a GPU. If two or all of them are several, they go together, one by one.

    Raises
    ------
    TypeError
        If ``magnetogram`` is not a Map, ``passband`` nothing that names a passband, or ``observer`` none.
    ValueError
        If the magnetogram cannot be used, the passband or the model is unknown, the model does not have the passband,
        or the device is not there; if a chart has no observer, or an observer in the Sun; or if a helioprojective
        magnetogram has one, since its field along one line of sight does not say what others see. Nothing has been
        computed then. What is wrong with one of several magnetograms, or of an iterator of observers, is raised in its
        place, see ``allow_errors``.
    ConnectionError
        If the observer has to be looked up and cannot be.

    Warns
    -----
    SunpyUserWarning
        Of all that there is to say against the image, or, once each, against several of them, see
        `~sunpy_mag2euv.validity.FieldValidity`: a field stronger than in training or with a level that the Sun does not
        have, most of the image off the limb, a magnetogram that resolves less than the model's grid, whose header lacks
        its orientation, whose disk is not where the header has it, with impossible numbers or of poor quality; a
        passband that rests on too little training data, once a process; a magnetograph whose field scale is unknown; a
        chart that is much older than the view, or that shows it a pole which nobody has seen.

    Notes
    -----
    sunpy's ``submap``, ``rotate``, ``resample`` and ``superpixel`` return Maps without uncertainty, and its ``save``
    writes none to FITS files. `~sunpy_mag2euv.reproject`, with what they return as ``like``, and
    `~sunpy_mag2euv.save` keep it.

    The method is that of Park et al. 2019, ApJL 884 L23, doi:10.3847/2041-8213/ab46bb. What a model was trained on, and
    how well it does on data that it has not seen, is in its model card.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> synthetic = mag2euv.generate(sample_magnetogram(size=1024), passband=193)
    >>> synthetic.wavelength, synthetic.unit, synthetic.data.shape
    (<Quantity 193. Angstrom>, Unit("DN / s"), (1024, 1024))

    Several magnetograms:

    >>> days = (sample_magnetogram(seed, size=1024) for seed in range(3))
    >>> [f"{synthetic.data[512, 512]:.0f}" for synthetic in mag2euv.generate(days, 193)]
    ['385', '152', '191']

    A chart, from the side that Earth does not see:

    >>> from sunpy_mag2euv.sample import sample_chart
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> behind = SkyCoord(170 * u.deg, 0 * u.deg, 1 * u.au, frame="heliographic_stonyhurst")
    >>> synthetic = mag2euv.generate(sample_chart(), 193, observer=behind)
    >>> synthetic.meta["telescop"], synthetic.observer_coordinate.lon
    ('SDO/AIA-like (synthetic)', <Longitude 170. deg>)
    """
    passbands, finish = ([passband], lambda maps: maps[0]) if is_single(passband) else (passband, list)
    return _generate(passbands, magnetogram, observer, obstime, allow_errors, model, device, finish)


def generate_cube(
    magnetogram: GenericMap | Iterable[GenericMap],
    passbands: Sequence[PassbandLike] | None = None,
    *,
    observer: ObserverLike | Iterable[ObserverLike] | None = None,
    obstime: TimeLike | Iterable[TimeLike] | None = None,
    allow_errors: bool = False,
    model: str | os.PathLike | FieldModel | None = None,
    device: "str | torch.device | None" = None,
) -> Any:
    """
    Generate several passbands at once.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`, `~sunpy.map.MapSequence` or iterable of Maps
    passbands : sequence, optional
        All that the model has, unless given.
    observer, obstime, allow_errors, model, device
        As for `generate`, which says what else is raised and warned of.

    Returns
    -------
    `~ndcube.NDCube`
        Dimensions (passband, y, x), in DN/s, with the wavelength as a table coordinate, masked where the model has
        learnt nothing and outside the field of view. ``uncertainty`` is the standard deviation, if the model gives one:
        the observed intensity is within one of it in about 68 per cent of the pixels, within 1.96 in 95. ``meta`` has
        the headers, and is sliced with the cube: that of ``cube[3]`` is the header of one image. An iterator of cubes,
        if ``magnetogram``, ``observer`` or ``obstime`` is several.

    Raises
    ------
    TypeError
        If ``passbands`` is not a sequence.

    See Also
    --------
    sunpy_mag2euv.cubes.cube_to_maps : the Maps of a cube, or of a part of it

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> cube = mag2euv.generate_cube(sample_magnetogram(size=1024), [171, 193, 304])
    >>> cube.data.shape, cube.array_axis_physical_types[0]
    ((3, 1024, 1024), ('em.wl',))
    """
    if passbands is not None and is_single(passbands):
        raise TypeError(f"passbands must be a sequence, such as [171, 193]; got {passbands!r}. For one, use generate")
    # Imported here, since ndcube takes longer to import than all of this package.
    from sunpy_mag2euv.cubes import make_cube

    return _generate(passbands, magnetogram, observer, obstime, allow_errors, model, device, make_cube)


def _generate(
    passbands: Any,
    magnetogram: Any,
    observer: Any,
    obstime: Any,
    allow_errors: bool,
    model: Any,
    device: Any,
    finish: Callable[[list], Any],
) -> Any:
    """The data flow of the package, see the explanation in the documentation; ``finish`` gets the Maps of a view."""
    several_maps, several_views = are_several(magnetogram), are_several_views(observer) or are_several_views(obstime)
    if not several_maps:
        check_map(magnetogram, "the magnetogram")
        if allow_errors and not several_views:
            raise ValueError("allow_errors must be left out for one image, of which nothing would be left")
        _check_seen(magnetogram, observer, obstime)
    model = resolve_model(DEFAULT_CHART_MODEL if observer is not None and model is None else model, FieldModel)
    passbands = resolve_passbands(model.passbands if passbands is None else passbands, model)
    device = resolve_device(device)
    said: set[str] = set()

    def answer(sights: list[Sight]) -> list[Any]:
        for sight in sights:
            say(model, sight.reports, said)
        asked = answers(model, [sight.field for sight in sights], device)
        return [
            finish(make_maps(model, answer, sight.field, sight.reports, sight.view, sight.widening))
            for sight, answer in zip(sights, asked, strict=True)
        ]

    if several_maps:
        items = _in_step(magnetogram, observer, obstime)
        sight_of = functools.partial(_see, passbands=passbands, model=model)
    elif several_views:
        chart = chart_of(magnetogram)
        items, _ = resolve_observers(observer, obstime, chart.time)
        seen = {"chart": chart, "solar_radius": solar_radius(magnetogram), "passbands": passbands, "model": model}
        items, sight_of = map(lambda place: (place,), items), functools.partial(_see_from, **seen)
    else:
        return answer([_see(magnetogram, observer, obstime, passbands=passbands, model=model)])[0]
    return Answers(items, sight_of, answer, at_once(model.grid, device), allow_errors)


def _check_seen(magnetogram: Any, observer: Any, obstime: Any) -> None:
    """Refuse charts that nobody sees, and times of nobody's."""
    if observer is None and is_chart(magnetogram):
        raise ValueError(
            "a chart must have an observer, since it shows the whole Sun, which nobody sees at once. Give observer, "
            "such as observer='earth', or a SkyCoord"
        )
    if observer is None and obstime is not None:
        raise ValueError(
            "obstime must come with an observer, whose time it is; a magnetogram has its own. Leave it out, or give a "
            "chart and an observer"
        )


def _in_step(magnetograms: Iterable[Any], observer: Any, obstime: Any) -> Iterator[tuple]:
    """Each magnetogram with its observer and time."""
    views = {"observers": observer, "times": obstime}
    several = {"magnetograms": magnetograms} | {name: each for name, each in views.items() if are_several_views(each)}

    def filled(row: tuple) -> tuple:
        given = views | dict(zip(several, row, strict=True))
        return given["magnetograms"], given["observers"], given["times"]

    # Unlike a generator, map goes on after an error.
    return map(filled, in_step(**several))


def _see(magnetogram: Any, observer: Any, obstime: Any, *, passbands: Sequence[Passband], model: FieldModel) -> Sight:
    """The `Sight` of a magnetogram, or of a chart by an observer."""
    check_map(magnetogram, "the magnetogram")
    _check_seen(magnetogram, observer, obstime)
    if observer is None:
        magnetogram = in_known_time(magnetogram)
        field = prepare(magnetogram, model.grid)
        return Sight(field, assess(field, model, passbands), View.of([magnetogram]))
    chart = chart_of(magnetogram)
    place = resolve_observer(observer, obstime, chart.time)
    return _see_from(place, chart=chart, solar_radius=solar_radius(magnetogram), passbands=passbands, model=model)


def _see_from(
    place: SkyCoord, *, chart: Chart, solar_radius: u.Quantity, passbands: Sequence[Passband], model: FieldModel
) -> Sight:
    """The `Sight` of a chart from some place."""
    field, reports, factors = look(chart, place, passbands, model)
    return Sight(field, reports, view_of(chart, place, solar_radius), factors)


def look(
    chart: Chart, place: SkyCoord, passbands: Sequence[Passband], model: FieldModel
) -> tuple[PreparedField, dict[Passband, FieldValidity], dict[Passband, npt.NDArray]]:
    """
    Find out what an observer of a chart would see of its field.

    Parameters
    ----------
    chart : `~sunpy_mag2euv.charts.Chart`
    place : `~astropy.coordinates.SkyCoord`
        As `~sunpy_mag2euv.vantage.resolve_observer` returns it.
    passbands : list of Passband
        Those that the model has.
    model : FieldModel

    Returns
    -------
    field : `~sunpy_mag2euv.preparation.PreparedField`
    reports : dict
        For every passband its `~sunpy_mag2euv.validity.FieldValidity`.
    factors : dict
        For every passband what its standard deviations are to be multiplied by for the age of the field.
    """
    field, ages = project(chart, place, model.grid), ages_of(chart, place, model.grid)
    factors = {passband: widening(ages, model.grid.radius, passband) for passband in passbands}
    return field, assess(field, model, passbands), factors
