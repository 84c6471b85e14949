"""Synthesis: magnetogram Map in, or a chart and an observer, and AIA-like Maps out."""

from sunpy_mag2euv.ageing import widening
from sunpy_mag2euv.aia import View, make_cube
from sunpy_mag2euv.charts import chart_of, is_chart
from sunpy_mag2euv.inference import is_single, make_maps, resolve_device, resolve_model, resolve_passbands
from sunpy_mag2euv.maps import check_map, in_known_time
from sunpy_mag2euv.models import FieldModel
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.validity import assess
from sunpy_mag2euv.vantage import DEFAULT_CHART_MODEL, ages_of, project, resolve_observers, view_of

__all__ = ["generate", "generate_cube", "look"]


def generate(magnetogram, passband, *, observer=None, obstime=None, model=None, device=None):
    """
    Generate the image that SDO/AIA would have taken, or that a telescope like it would have taken elsewhere.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
        Helioprojective line-of-sight magnetogram, of the full disk or part of it, see
        `~sunpy_mag2euv.preparation.prepare`. Or a chart of the whole Sun's radial field in Carrington coordinates, as
        `~sunpy_mag2euv.read_chart` reads it, which is shown as ``observer`` would see it.
    passband : int, str, `~astropy.units.Quantity` or sequence of these
        Such as ``193`` or ``193 * u.angstrom``.
    observer : `~astropy.coordinates.SkyCoord`, coordinate frame, str or iterable of these, optional
        Who sees the chart, for charts only: a place in any frame that has one in space; "earth", "sdo", "l1", "soho" or
        a planet; or any other name, such as "stereo_a" or "solar orbiter", which is looked up in JPL's Horizons over
        the network.
    obstime : time-like or iterable of these, optional
        When the observer sees it. The time that its coordinates have, or that of the chart, unless given.
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

        An iterator of these, if ``observer`` or ``obstime`` is an iterable: in its order, each computed when it is
        asked for. If both are, they go in pairs.

    Raises
    ------
    TypeError
        If ``magnetogram`` is not a Map, ``passband`` nothing that names a passband, or ``observer`` none.
    ValueError
        If the magnetogram cannot be used, the passband or the model is unknown, the model does not have the passband,
        or the device is not there; if a chart has no observer, or an observer in the Sun; or if a helioprojective
        magnetogram has one, since its field along one line of sight does not say what others see. Nothing has been
        computed then, of iterators neither.
    ConnectionError
        If the observer has to be looked up and cannot be.

    Warns
    -----
    SunpyUserWarning
        Of all that there is to say against the image, see `~sunpy_mag2euv.validity.FieldValidity`: a field stronger
        than in training or with a level that the Sun does not have, most of the image off the limb, a magnetogram that
        resolves less than the model's grid, whose header lacks its orientation, whose disk is not where the header has
        it, with impossible numbers or of poor quality; a passband that rests on too little training data; a
        magnetograph whose field scale is unknown; a chart that is much older than the view, or that shows it a pole
        which nobody has seen.

    Notes
    -----
    The method is that of Park et al. 2019, ApJL 884 L23, doi:10.3847/2041-8213/ab46bb. What a model was trained on, and
    how well it does on data that it has not seen, is in its model card.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> synthetic = mag2euv.generate(sample_magnetogram(size=1024), passband=193)
    >>> synthetic.wavelength, synthetic.unit, synthetic.data.shape
    (<Quantity 193. Angstrom>, Unit("DN / s"), (1024, 1024))

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
    return _generate(passbands, magnetogram, observer, obstime, model, device, finish)


def generate_cube(magnetogram, passbands=None, *, observer=None, obstime=None, model=None, device=None):
    """
    Generate several passbands at once.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
    passbands : sequence, optional
        All that the model has, unless given.
    observer, obstime, model, device
        As for `generate`, which says what else is raised and warned of.

    Returns
    -------
    `~ndcube.NDCube`
        Dimensions (passband, y, x), in DN/s, with the wavelength as a table coordinate, masked where the model has
        learnt nothing and outside the field of view. ``uncertainty`` is the standard deviation, if the model gives one:
        the observed intensity is within one of it in about 68 per cent of the pixels, within 1.96 in 95. An iterator of
        cubes, if ``observer`` or ``obstime`` is an iterable.

    Raises
    ------
    TypeError
        If ``passbands`` is not a sequence.

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
    return _generate(passbands, magnetogram, observer, obstime, model, device, make_cube)


def _generate(passbands, magnetogram, observer, obstime, model, device, finish):
    """The data flow of the package, see the explanation in the documentation; ``finish`` gets the Maps of a view."""
    check_map(magnetogram, "the magnetogram")
    charted = is_chart(magnetogram)
    model = resolve_model(DEFAULT_CHART_MODEL if charted and model is None else model, FieldModel)
    passbands = resolve_passbands(model.passbands if passbands is None else passbands, model)
    device = resolve_device(device)
    if observer is None:
        _check_seen(charted, obstime)
        magnetogram = in_known_time(magnetogram)
        field = prepare(magnetogram, model.grid)
        return finish(make_maps(model, field, assess(field, model, passbands), View.of([magnetogram]), device))
    chart = chart_of(magnetogram)
    places, several = resolve_observers(observer, obstime, chart.time)
    views = map(finish, _views(chart, places, passbands, model, device, magnetogram.rsun_meters))
    return views if several else next(views)


def _check_seen(charted, obstime):
    """Refuse charts that nobody sees, and times of nobody's."""
    if charted:
        raise ValueError(
            "a chart must have an observer, since it shows the whole Sun, which nobody sees at once. Give observer, "
            "such as observer='earth', or a SkyCoord"
        )
    if obstime is not None:
        raise ValueError(
            "obstime must come with an observer, whose time it is; a magnetogram has its own. Leave it out, or give a "
            "chart and an observer"
        )


def _views(chart, places, passbands, model, device, solar_radius):
    """For each place the Maps of a chart, when they are asked for."""
    said = set()
    for place in places:
        field, reports, factors = look(chart, place, passbands, model)
        view = view_of(chart, place, solar_radius)
        yield make_maps(model, field, reports, view, device, widening=factors, said=said)


def look(chart, place, passbands, model):
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
