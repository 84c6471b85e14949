"""
The output side: images on a grid → AIA-like Maps whose headers say that they are synthetic.

A header is built from the grid and from the observer and time of what the image was made of, never copied, so that
nothing of a magnetogram's own (BLANK, BUNIT, EXPTIME, dates in TAI) can leak into it.
"""

import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from matplotlib.colors import Normalize

import astropy.units as u
import sunpy.map
from astropy.nddata import StdDevUncertainty
from astropy.time import Time
from sunpy.coordinates import Helioprojective
from sunpy.map import GenericMap
from sunpy.map.sources import AIAMap

from sunpy_mag2euv.brightness import brightness, scale_of, sparse
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.maps import brief
from sunpy_mag2euv.passbands import Passband

if TYPE_CHECKING:
    from sunpy_mag2euv.models import Model
    from sunpy_mag2euv.sensitivity import Correction
    from sunpy_mag2euv.validity import Validity

__all__ = [
    "EPOCH_KEYWORD",
    "INSTRUMENT",
    "View",
    "is_aia",
    "is_observation",
    "level_of",
    "made_by",
    "make_map",
    "restore_plot",
]

#: ``INSTRUME`` of synthetic images: sunpy still makes AIAMaps of them, and nobody takes them for observations.
INSTRUMENT = "AIA_SYNTHETIC"

#: ``INSTRUME`` of observations: AIA's four telescopes, as its archives write them, and the sample images that stand for
#: observations. Models name theirs after AIA, too.
_OBSERVATIONS = re.compile("AIA([_ ]?(ATA)?[1-4])?|AIA_SAMPLE")

#: Keyword that says which epoch of AIA's sensitivity the DN/s of an image refer to, "launch" or a date, see
#: `sunpy_mag2euv.sensitivity`.
EPOCH_KEYWORD = "degepoch"

#: What ``HISTORY`` says of the network. Long lines are broken there.
_MADE_BY = re.compile(r"^model: (?P<name>.+?)\s+weights sha256:\s+(?P<sha256>[0-9a-f]{64})$", re.DOTALL | re.MULTILINE)


def is_aia(header: Mapping[str, Any]) -> bool:
    """
    Tell images in AIA's own numbers, observed or synthetic, from those of other instruments.

    Parameters
    ----------
    header : mapping
        Of a FITS file or a Map, whose keywords may be asked for in capitals.

    Returns
    -------
    bool
    """
    return str(header.get("INSTRUME") or "").startswith("AIA")


def is_observation(header: Mapping[str, Any]) -> bool:
    """
    Tell observations by AIA from all other images, such as those of models that are named after it.

    Parameters
    ----------
    header : mapping
        Of a FITS file or a Map, whose keywords may be asked for in capitals.

    Returns
    -------
    bool
    """
    return is_aia(header) and _OBSERVATIONS.fullmatch(str(header["INSTRUME"]).strip()) is not None


def level_of(header: Mapping[str, Any]) -> float | None:
    """
    Level of an AIA image.

    Parameters
    ----------
    header : mapping
        Of a FITS file or a Map, whose keywords may be asked for in capitals.

    Returns
    -------
    float or None
        None if the header does not say it, or no number.
    """
    said: Any = header.get("LVL_NUM")
    try:
        level = float(said)
    except (TypeError, ValueError):
        return None
    return level if math.isfinite(level) and not isinstance(said, bool) else None


@dataclass(frozen=True)
class View:
    """
    From where and when an image is seen, and what it was made of.

    Attributes
    ----------
    frame : `~sunpy.coordinates.frames.Helioprojective`
        With observer and observation time; of the whole Sun, `~sunpy.coordinates.HeliographicCarrington`.
    date, reference_date : `~astropy.time.Time`
        Of the image, and of its coordinates.
    origin : str
        What it was made of, in a few words.
    sources : tuple of str
        The same for ``HISTORY``, a line each.
    telescope : str
        Which telescope would have taken it; "SDO/AIA-like (synthetic)" where there was none.
    """

    frame: Helioprojective
    date: Time
    reference_date: Time
    origin: str
    sources: tuple[str, ...]
    telescope: str = "SDO/AIA"

    @classmethod
    def of(cls, maps: Sequence[GenericMap], corrections: "Mapping[int, Correction] | None" = None) -> "View":
        """
        The view of the first of some Maps.

        Parameters
        ----------
        maps : sequence of `~sunpy.map.GenericMap`
            A magnetogram, or AIA images.
        corrections : dict, optional
            For the passbands (int, angstrom) of AIA images that were brought to an epoch of AIA's sensitivity, the
            `~sunpy_mag2euv.sensitivity.Correction`.
        """
        sources = tuple(_source(image, corrections or {}) for image in maps)
        return cls(maps[0].coordinate_frame, maps[0].date, maps[0].reference_date, _origin(maps), sources)


def make_map(
    image: u.Quantity,
    deviation: u.Quantity | None,
    grid: Grid,
    passband: Passband,
    view: View,
    model: "Model",
    validity: "Validity",
) -> AIAMap:
    """
    Make an AIA-like Map.

    Parameters
    ----------
    image : `~astropy.units.Quantity`
        In DN/s, shape ``grid.shape``, NaN where nothing is known.
    deviation : `~astropy.units.Quantity` or None
        Its standard deviation, same unit and shape, if the model says so.
    grid : Grid
        The pixels that ``image`` is on.
    passband : Passband
    view : View
        From where and when it is seen, and what it was made of.
    model : Model
        What the image was made with.
    validity : Validity
        What there is to say against it.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`
        With ``INSTRUME = 'AIA_SYNTHETIC'``, its provenance in ``HISTORY``, the keywords of ``validity.header()`` and,
        if the model says it, in ``DEGEPOCH`` the epoch of AIA's sensitivity that the DN/s refer to, "launch" or a date;
        FITS and ASDF files keep all of that. There is no ``EXPTIME``, since the image is per second already, and no
        ``LVL_NUM``, since it never was an observation. The standard deviation is its ``uncertainty``, which
        `sunpy_mag2euv.save` keeps. Plots have the scale of brightness of
        `sunpy_mag2euv.visualization.normalization`, black where nothing is known, and the model in their title.
    """
    header = grid.header(
        view.frame,
        instrument=INSTRUMENT,
        telescope=view.telescope,
        wavelength=passband.wavelength,
        unit=u.DN / u.s,
    )
    # sunpy takes AIA's reference time from T_OBS and prints DATE-OBS; HMI has T_OBS in TAI, so both are written in UTC.
    header["date-obs"] = view.date.utc.isot
    header["t_obs"] = view.reference_date.utc.isot
    header["timesys"] = "UTC"
    header["origin"] = f"sunpy_mag2euv {version('sunpy_mag2euv')}"
    if passband.angstrom in model.epochs:
        header[EPOCH_KEYWORD] = model.epochs[passband.angstrom]
    header |= validity.header()
    header["history"] = "\n".join(_history(passband, view, model))
    uncertainty = None if deviation is None else StdDevUncertainty(deviation.to_value(u.DN / u.s), unit=u.DN / u.s)
    synthetic = sunpy.map.Map(image.to_value(u.DN / u.s), header, uncertainty=uncertainty)
    some = sparse(grid.shape)
    on_disk = grid.radius[some] < 1 if isinstance(view.frame, Helioprojective) else True
    _prepare_plot(synthetic, brightness(synthetic.data[some], on_disk), model.name)
    return synthetic


def _prepare_plot(synthetic: GenericMap, norm: Normalize, model: str | None) -> None:
    """Scale of brightness, black where nothing is known, and a title, none of which sunpy's files keep."""
    synthetic.plot_settings["norm"] = norm
    synthetic.plot_settings["cmap"] = synthetic.cmap.with_extremes(bad="black")
    # sunpy fills wavelength and time in between braces, and matplotlib sets formulae between dollars.
    synthetic.nickname = f"AIA (synthetic) {re.sub('[{}$]', '_', model or '')}".strip()


def restore_plot(image: GenericMap) -> None:
    """
    Give a Map that was made of a header what its plots had when it was generated.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        It is changed, if it is one of ours: observations stay as they are.
    """
    if image.meta.get("instrume") == INSTRUMENT:
        made = made_by(str(image.meta.get("history")))
        _prepare_plot(image, scale_of(image), made and made[0])


def made_by(history: str) -> tuple[str, str] | None:
    """
    Find out what an image was made with.

    Parameters
    ----------
    history : str
        Its ``HISTORY``, lines of it as they are in a file.

    Returns
    -------
    tuple of str, or None
        The model's name and the sha256 of its weights. None if nothing is said of them.
    """
    said = _MADE_BY.search(history)
    return None if said is None else (said["name"].replace("\n", " "), said["sha256"])


def _history(passband: Passband, view: View, model: "Model") -> Iterator[str]:
    """Provenance in lines that fit FITS cards."""
    entries = [
        f"SYNTHETIC image by sunpy_mag2euv {version('sunpy_mag2euv')}, computed from {view.origin}: not an observation",
        f"model: {model.name}",
        f"weights sha256: {model.sha256}",
        f"trained on: {model.provenance}",
        f"calibration: {model.calibration[passband.angstrom]}",
        *view.sources,
        *(f"paper: doi:{doi}" for doi in model.references),
    ]
    if passband.angstrom in model.caveats:
        entries.append(f"caveat: {model.caveats[passband.angstrom]}")
    for entry in entries:
        text = entry.encode("ascii", "replace").decode()
        # The 64 digits of a hash must stay whole: a card holds 72 characters.
        yield from textwrap.wrap(text, 72, break_long_words=True, break_on_hyphens=False)


def _origin(sources: Sequence[GenericMap]) -> str:
    """What an image was made of, in a few words."""
    if not isinstance(sources[0], AIAMap):
        return "a magnetogram"
    *others, last = (f"{angstrom}" for angstrom in sorted(_angstrom(source) for source in sources))
    if not others:
        return f"an AIA image of {last} angstrom"
    return f"AIA images of {', '.join(others)} and {last} angstrom"


def _source(image: GenericMap, corrections: "Mapping[int, Correction]") -> str:
    """One of the Maps that an image was made of, in a line."""
    taken_by, date = f"{brief(image.observatory)} {brief(image.instrument)}", f"{image.date.utc.isot} UTC"
    if isinstance(image, AIAMap):
        line = f"input: {taken_by}, {_angstrom(image)} angstrom, level {level_of(image.meta):g}, {date}"
        correction = corrections.get(_angstrom(image))
        return line if correction is None else f"{line}, {_done(correction)}"
    series = brief(image.meta.get("series") or image.meta.get("content") or "magnetogram")
    return f"magnetogram: {taken_by} {series} {date}"


def _done(correction: "Correction") -> str:
    """What was done to the DN/s of an image."""
    if correction.divisor is None:
        return "DN/s as taken"
    return f"DN/s divided by {correction.divisor:.4g}" + ("" if correction.known else " for the level of training")


def _angstrom(image: GenericMap) -> int:
    return round(image.wavelength.to_value(u.angstrom))
