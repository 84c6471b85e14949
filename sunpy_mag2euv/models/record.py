"""What a model's record is made of, as plain data for JSON, and what its entries must be."""

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.scaling import LinearScaling, scaling_from_dict

__all__ = [
    "by_number",
    "by_text",
    "check",
    "each",
    "entry",
    "grid_from_record",
    "is_architecture",
    "is_epoch",
    "is_grid",
    "is_line",
    "is_number",
    "is_scaling",
    "is_text",
    "is_whole",
    "parse",
    "scalings_from_record",
    "scalings_record",
    "texts",
]

#: Characters of the longest record; those of models with all passbands have five thousand.
_LONGEST = 2**20

#: Levels of lists and objects in each other; those of models have four.
_DEEPEST = 20

#: Pixels on a side of the largest grid, twice those of AIA's own images.
_LARGEST = 8192

# -- From text to Python's numbers, texts, lists and dictionaries ------------------------------------------------------


def parse(text: str) -> dict[str, Any]:
    """
    Parse a record.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is something else, has a key twice, or is nested or long beyond measure.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text)} characters, more than the {_LONGEST} that are read")
    try:
        record = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _is_deep(record, _DEEPEST):
        raise ValueError("it is nested too deeply")
    if not isinstance(record, dict):
        raise ValueError(f"it is not an object but {_shown(record)}")
    return record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary, if its keys are names and none comes twice: JSON does not say which of the values is meant."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a key comes twice in it")
    if odd := [key for key in entries if not key.isprintable()]:
        raise ValueError(f"its keys must be names; got {_shown(odd[0])}")
    return entries


def _is_deep(value: Any, levels: int) -> bool:
    """Whether lists and dictionaries are nested in more levels than these."""
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_deep(entry, levels - 1) for entry in entries)


def entry(record: Mapping[str, Any], key: str, kind: type = object) -> Any:
    """The value of a key; ValueError if there is none, or it is of another type."""
    if key not in record:
        raise ValueError(f"it lacks {key!r}; was it written by another version?")
    if not isinstance(record[key], kind):
        raise ValueError(f"{key} must be a JSON {_JSON[kind]}; got {_shown(record[key])}")
    return record[key]


_JSON: dict[type, str] = {dict: "object", list: "array"}


def scalings_record(scalings: Mapping[int, LinearScaling]) -> list[dict[str, Any]]:
    """A list, since the order is that of the planes."""
    return [{"passband": band, **scaling.to_dict()} for band, scaling in scalings.items()]


def scalings_from_record(record: Mapping[str, Any], key: str) -> dict[int, LinearScaling]:
    """Inverse of `scalings_record`, of an entry of a record."""
    scalings: dict[int, LinearScaling] = {}
    for scaling in entry(record, key, list):
        if not isinstance(scaling, dict) or not _is_passband(band := scaling.get("passband", 0)):
            raise ValueError(f"{key} must be scalings, each with a passband of AIA; got {_shown(scaling)}")
        if band in scalings:
            raise ValueError(f"{key} must be one for each passband; {band} comes twice")
        scalings[band] = scaling_from_dict({name: scaling[name] for name in scaling if name != "passband"})
    return scalings


def grid_from_record(record: Mapping[str, Any], key: str) -> Grid:
    """Grid of an entry of a record."""
    grid = entry(record, key, dict)
    shape, center = (tuple(entry(grid, name, list)) for name in ("shape", "center"))
    return Grid(shape, entry(grid, "solar_radius"), center)


def texts(record: Mapping[str, Any], key: str) -> tuple:
    """A tuple, of an entry of a record."""
    return tuple(entry(record, key, list))


def by_text(entries: Mapping[int, Any]) -> dict[str, Any]:
    """JSON has no numbers for keys."""
    return {str(band): value for band, value in entries.items()}


def by_number(record: Mapping[str, Any], key: str) -> dict[int, Any]:
    """Inverse of `by_text`, of an entry of a record."""
    numbers, entries = {str(band): band for band in PASSBANDS}, entry(record, key, dict)
    if unknown := entries.keys() - numbers.keys():
        raise ValueError(f"{key} must be of passbands of AIA; got {_shown(min(unknown))}")
    return {numbers[band]: value for band, value in entries.items()}


# -- What entries must be ----------------------------------------------------------------------------------------------


def check(model: object, table: Mapping[str, tuple[str, Callable[[Any], bool]]]) -> None:
    """
    Make sure that a model's attributes are such as it can be used with.

    Parameters
    ----------
    model : Model
    table : dict
        For every attribute, what it must be in words, and a function that says whether a value is.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name, (wanted, holds) in table.items():
        value = getattr(model, name)
        if not holds(value):
            raise ValueError(f"{name} of a model must be {wanted}; got {_shown(value)}")


def _shown(value: object) -> str:
    """A value in one line that is not too long."""
    shown = repr(value)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


def is_text(value: object) -> TypeGuard[str]:
    """Whether this is text that a header can hold: without control characters, but for those that count as space."""
    return isinstance(value, str) and all(char.isprintable() or char.isspace() for char in value)


def is_line(value: object) -> bool:
    """Whether this is a line of text."""
    return is_text(value) and value.isprintable() and 0 < len(value) <= 1000


def is_number(value: Any, least: float = -math.inf, most: float = math.inf) -> bool:
    """Whether this is a number, and neither too small nor too large; nothing that is not a number is."""
    return isinstance(value, Real) and not isinstance(value, bool) and least <= value <= most  # type: ignore[operator]


def is_whole(value: Any, least: int, most: int) -> bool:
    """Whether this is a whole number, and neither too small nor too large."""
    return isinstance(value, Integral) and is_number(value, least, most)


def is_scaling(value: object) -> bool:
    """Whether this is a scaling."""
    return isinstance(value, LinearScaling)


def is_epoch(value: object) -> bool:
    """Whether this is an epoch of AIA's sensitivity: "launch", or a date at which AIA observes."""
    if not isinstance(value, str):
        return False
    if value.strip().lower() == "launch":
        return True
    if not re.fullmatch(r"20[1-9]\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?", value):
        return False
    try:
        datetime.datetime.fromisoformat(re.sub(r"\.\d+$", "", value))
    except ValueError:
        return False
    return True


def is_grid(value: object) -> bool:
    """Whether this is a grid that images can be on, with some of the solar disk in it."""
    if not isinstance(value, Grid):
        return False
    shape, center = value.shape, value.center
    return (
        _is_pair(shape)
        and all(is_whole(size, 1, _LARGEST) for size in shape)
        and is_number(value.solar_radius, 1, 10 * _LARGEST)
        and _is_pair(center)
        and all(is_number(pixel, -100 * _LARGEST, 100 * _LARGEST) for pixel in center)
        and math.dist(center, [min(max(pixel, 0), size - 1) for pixel, size in zip(center, shape[::-1], strict=True)])
        < value.solar_radius
    )


def is_architecture(value: object) -> bool:
    """Whether this is a dictionary that names a network; its parameters are looked at when one is made."""
    return isinstance(value, dict) and all(isinstance(name, str) for name in value) and "kind" in value


def each(holds: Callable[..., bool], *arguments: Any) -> Callable[[Any], bool]:
    """A function that says whether something is a dictionary by passband whose every value holds."""
    return lambda entries: (
        isinstance(entries, dict)
        and all(_is_passband(band) and holds(value, *arguments) for band, value in entries.items())
    )


def _is_passband(value: Any) -> bool:
    return is_whole(value, 1, 10_000) and value in PASSBANDS


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2
