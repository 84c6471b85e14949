"""Synthesis: magnetogram Map in, AIA-like Maps out."""

from sunpy_mag2euv.aia import View, make_cube
from sunpy_mag2euv.inference import is_single, make_maps, resolve_device, resolve_model, resolve_passbands
from sunpy_mag2euv.maps import check_map, in_known_time
from sunpy_mag2euv.models import FieldModel
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.validity import assess

__all__ = ["generate", "generate_cube"]


def generate(magnetogram, passband, *, model=None, device=None):
    """
    Generate the image that SDO/AIA would have taken.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
        Helioprojective line-of-sight magnetogram, of the full disk or part of it, see
        `~sunpy_mag2euv.preparation.prepare`.
    passband : int, str, `~astropy.units.Quantity` or sequence of these
        Such as ``193`` or ``193 * u.angstrom``.
    model : str, path-like or FieldModel, optional
        As `~sunpy_mag2euv.load_model` takes it. The packaged default unless given.
    device : str or `torch.device`, optional
        Where the network runs, such as ``"cpu"`` or ``"cuda:0"``. A GPU if there is one, unless given.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`, or list of them for a sequence of passbands
        In DN/s on the model's grid, solar north up, NaN where the model has learnt nothing. For a cutout, on that
        part of the grid which the field of view takes up, NaN outside of it. The ``uncertainty`` of each is its
        standard deviation, if the model gives one. ``meta["validity"]`` is "no known objection", or says why to be
        cautious, see `~sunpy_mag2euv.validity.FieldValidity.header`.

    Raises
    ------
    TypeError
        If ``magnetogram`` is not a Map, or ``passband`` nothing that names a passband.
    ValueError
        If the magnetogram cannot be used, the passband or the model is unknown, the model does not have the passband,
        or the device is not there. Nothing has been computed then.

    Warns
    -----
    SunpyUserWarning
        Of all that there is to say against the image, see `~sunpy_mag2euv.validity.FieldValidity`: a field stronger
        than in training or with a level that the Sun does not have, most of the image off the limb, a magnetogram that
        resolves less than the model's grid, whose header lacks its orientation, whose disk is not where the header has
        it, with impossible numbers or of poor quality; a passband that rests on too little training data; a
        magnetograph whose field scale is unknown.

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
    """
    if is_single(passband):
        return _generate([passband], magnetogram, model, device)[0]
    return _generate(passband, magnetogram, model, device)


def generate_cube(magnetogram, passbands=None, *, model=None, device=None):
    """
    Generate several passbands at once.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
    passbands : sequence, optional
        All that the model has, unless given.
    model, device
        As for `generate`, which says what else is raised and warned of.

    Returns
    -------
    `~ndcube.NDCube`
        Dimensions (passband, y, x), in DN/s, with the wavelength as a table coordinate, masked where the model has
        learnt nothing and outside the field of view. ``uncertainty`` is the standard deviation, if the model gives one:
        the observed intensity is within one of it in about 68 per cent of the pixels, within 1.96 in 95.

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
    model = resolve_model(model, FieldModel)
    return make_cube(_generate(model.passbands if passbands is None else passbands, magnetogram, model, device))


def _generate(passbands, magnetogram, model, device):
    """The data flow of the package, see the explanation in the documentation."""
    model = resolve_model(model, FieldModel)
    passbands = resolve_passbands(passbands, model)
    device = resolve_device(device)
    check_map(magnetogram, "the magnetogram")
    magnetogram = in_known_time(magnetogram)
    field = prepare(magnetogram, model.grid)
    reports = assess(field, model, passbands)
    return make_maps(model, field, reports, View.of([magnetogram]), device)
