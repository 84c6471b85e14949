"""The options of the command line: what a word may be, and what is found of it before any file is read."""

import argparse
import glob
import re
from pathlib import Path
from typing import Any

from sunpy_mag2euv import files, inputs
from sunpy_mag2euv.cli.usage import UsageError
from sunpy_mag2euv.console import tidying
from sunpy_mag2euv.notes import sentence

__all__ = [
    "check_view",
    "chosen",
    "correction_table",
    "make_directory",
    "observer",
    "output",
    "passbands",
    "settings_of",
    "time_difference",
    "value",
]


def passbands(text: str) -> list[str]:
    """
    Read one word after ``--passband``, which may name several.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str

    Raises
    ------
    argparse.ArgumentTypeError
        If it is an input, which would go unread.
    """
    if not re.fullmatch(r"[\d.,\s]*|all", text):
        if Path(text).is_file() or inputs.is_image_name(text):
            raise argparse.ArgumentTypeError(f"{text!r} is a file: give the files before --passband, or after --")
        if Path(text).is_dir() or glob.has_magic(text) or text.startswith("@") or inputs.is_address(text):
            raise argparse.ArgumentTypeError(f"{text!r} is no passband: give inputs before --passband, or after --")
    return text.replace(",", " ").split()


def value(text: str) -> str:
    """
    Read the value of an option.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Raises
    ------
    argparse.ArgumentTypeError
        If it is named as images are, which would go unread.
    """
    if inputs.is_image_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is named as images are: give the option its value, then the files")
    return text


def observer(text: str) -> Any:
    """
    Read who sees a chart.

    Parameters
    ----------
    text : str
        A name, or Stonyhurst longitude and latitude in degrees and the distance from the Sun in au, with commas.

    Returns
    -------
    str or `~astropy.coordinates.SkyCoord`

    Raises
    ------
    argparse.ArgumentTypeError
        If it is neither.
    """
    if "," not in text:
        return value(text)
    import astropy.units as u
    import sunpy.coordinates  # noqa: F401  (for the frame)
    from astropy.coordinates import SkyCoord

    try:
        longitude, latitude, distance = map(float, text.split(","))
        return SkyCoord(longitude * u.deg, latitude * u.deg, distance * u.au, frame="heliographic_stonyhurst")
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a name, or LON,LAT,AU in degrees and au, such as 180,0,1 ({error})"
        ) from error


def output(text: str) -> Path:
    """
    Read where something is to be written.

    Parameters
    ----------
    text : str

    Returns
    -------
    `pathlib.Path`
        Of a directory, or a table.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is named as images are: an input would be replaced, or what is written be taken for an image.
    """
    path = Path(text)
    return path if path.is_dir() else Path(value(text))


def settings_of(arguments: argparse.Namespace, kind: type, passbands: list[str] | None = None) -> dict[str, Any]:
    """
    Find what `generate` and `translate` take besides the Maps, and every mistake in it, before any file is read.

    Parameters
    ----------
    arguments : `argparse.Namespace`
    kind : type
        The model's, see `~sunpy_mag2euv.inference.resolve_model`.
    passbands : list of str, optional
        All that the model has, unless given.

    Returns
    -------
    dict
        ``passband``, ``model`` and ``device``.

    Raises
    ------
    UsageError
        If any of them cannot be used.
    """
    from sunpy_mag2euv.inference import resolve_device, resolve_model, resolve_passbands
    from sunpy_mag2euv.passbands import get_passband

    try:
        if passbands is not None:
            passbands = dict.fromkeys(map(get_passband, passbands))
        device = resolve_device(arguments.device)
        with tidying():  # a download
            model = resolve_model(arguments.model, kind, arguments.sha256)
        passbands = resolve_passbands(model.passbands if passbands is None else passbands, model)
        model.quick_network(device)
    except Exception as error:
        raise UsageError(sentence(error)) from error
    return {"passband": passbands, "model": model, "device": device}


def check_view(arguments: argparse.Namespace) -> None:
    """
    Find what is wrong with ``--observer`` and ``--obstime`` before any file is read.

    Names that are looked up are left for later if the time is the chart's.

    Parameters
    ----------
    arguments : `argparse.Namespace`

    Raises
    ------
    UsageError
        If they can be nobody's place.
    """
    if arguments.observer is None:
        if arguments.obstime is not None:
            raise UsageError("--obstime must come with --observer, whose time it is")
        return
    from sunpy_mag2euv.vantage import is_known, resolve_observer

    try:
        if arguments.obstime is not None or is_known(arguments.observer):
            resolve_observer(arguments.observer, arguments.obstime, default="2012-01-01")
    except (OSError, TypeError, ValueError) as error:
        text = sentence(error)
        place = " (here, a SkyCoord is LON,LAT,AU, such as --observer=180,0,1)" if "SkyCoord" in text else ""
        raise UsageError(text + place) from error


def chosen(arguments: argparse.Namespace) -> list[str] | None:
    """
    Join the words after ``--passband``.

    Parameters
    ----------
    arguments : `argparse.Namespace`

    Returns
    -------
    list of str or None
        None if that means all there are.
    """
    words = [word for words in arguments.passband for word in words]
    return None if words == ["all"] else words


def time_difference(arguments: argparse.Namespace) -> Any:
    """
    Give ``--max-time-difference`` its unit.

    Parameters
    ----------
    arguments : `argparse.Namespace`

    Returns
    -------
    `~astropy.units.Quantity`

    Raises
    ------
    UsageError
        If it is no such thing.
    """
    import astropy.units as u

    if not arguments.max_time_difference >= 0:
        raise UsageError(f"--max-time-difference must be a number of minutes; got {arguments.max_time_difference:g}")
    return arguments.max_time_difference * u.min


def correction_table(arguments: argparse.Namespace) -> Any:
    """
    Read ``--correction-table``.

    Parameters
    ----------
    arguments : `argparse.Namespace`

    Returns
    -------
    `~sunpy_mag2euv.sensitivity.Sensitivity` or None
        None unless it is given.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    from sunpy_mag2euv.sensitivity import Sensitivity

    if arguments.correction_table is None:
        return None
    try:
        with tidying():  # a download
            return Sensitivity.read(arguments.correction_table)
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(sentence(error)) from error


def make_directory(directory: Path) -> None:
    """
    Make what ``-o`` names ready to be written to.

    Parameters
    ----------
    directory : `pathlib.Path`

    Raises
    ------
    UsageError
        If it cannot be.
    """
    try:
        files.prepare(directory)
    except FileExistsError as error:
        raise UsageError(f"{directory} is a file; -o must name a directory") from error
    except OSError as error:
        raise UsageError(f"cannot write to the directory {directory} ({error.strerror}); give another -o") from error
