"""The published models, and how one is had by its name, path or address."""

import os
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

import astropy.units as u
from astropy.table import Table
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv import remote
from sunpy_mag2euv.models.fields import FieldModel
from sunpy_mag2euv.models.files import digest, read
from sunpy_mag2euv.models.images import ImageModel
from sunpy_mag2euv.models.published import registry as _registry
from sunpy_mag2euv.passbands import PASSBANDS

__all__ = [
    "DEFAULT_CHART_MODEL",
    "DEFAULT_MODEL",
    "DEFAULT_TRANSLATOR",
    "available_models",
    "load_model",
]

#: The model that is used unless another is asked for: to generate, and to translate.
DEFAULT_MODEL = "detail-browse"
DEFAULT_TRANSLATOR = "any-browse"


#: The model that is asked about charts unless another is. Their half degree is three pixels of a grid of 1024 by 1024,
#: where a model would have to invent what is smaller; of this one's 256 by 256 pixels it is less than one, and fields
#: projected from such charts are what it was trained on.
DEFAULT_CHART_MODEL = "shared-browse"

#: What the defaults are for.
_DEFAULTS = {DEFAULT_MODEL: "magnetograms", DEFAULT_CHART_MODEL: "charts", DEFAULT_TRANSLATOR: "AIA images"}

#: Columns of `available_models`, what one chooses by first.
_COLUMNS = (
    "name",
    "inputs",
    "passbands",
    "pixels",
    "pixel_size",
    "size",
    "packaged",
    "default_for",
    "description",
    "file",
    "sha256",
)


class _Models(Table):
    """
    The published models, printed in a form that fits 80 columns and has descriptions in it.

    Tables of astropy leave out what is too wide, which are the descriptions; and two thirds of the rest are hashes.
    """

    def __str__(self) -> str:
        if self.colnames != list(_COLUMNS):
            return super().__str__()
        shown = self._in_words()
        facts = shown[*shown.colnames[:-2]].pformat(max_lines=-1, max_width=-1, align="<")
        lines = [line.rstrip() for line in facts[:2]]
        for line, default, description in zip(facts[2:], *shown.columns[-2:].values(), strict=True):
            text = f"{description}. Default for {default}." if default else f"{description}."
            lines += [line.rstrip(), textwrap.fill(text, 80, initial_indent="    ", subsequent_indent="    ")]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self) if self.colnames == list(_COLUMNS) else super().__repr__()

    def _repr_html_(self) -> str:
        if self.colnames != list(_COLUMNS):
            return super()._repr_html_()
        return "\n".join(self._in_words().pformat(html=True, max_lines=-1, max_width=-1))

    def _in_words(self) -> Table:
        """What one chooses by, as text; default and description last."""
        return Table(
            {
                "name": [str(name) for name in self["name"]],
                "inputs": [_bands(inputs, "AIA images") for inputs in self["inputs"]],
                "passbands": [_bands(passbands, "all nine") for passbands in self["passbands"]],
                "pixels": [" × ".join(map(str, pixels)) for pixels in self["pixels"]],
                "pixel size": [f"{size:.1f} arcsec" for size in self["pixel_size"]],
                "size": [f"{size:.1f} MB" for size in self["size"]],
                "packaged": ["yes" if packaged else "no" for packaged in self["packaged"]],
                "default for": [str(default) for default in self["default_for"]],
                "description": [str(description) for description in self["description"]],
            },
            dtype=[str] * 9,
        )


def _bands(bands: str | tuple[int, ...], all_: str) -> str:
    """Inputs or passbands in few words, which ``all_`` are for all of AIA's."""
    if isinstance(bands, str):
        return bands
    return all_ if set(bands) == set(PASSBANDS) else " ".join(map(str, bands))


def available_models() -> Table:
    """
    List the models that `load_model` knows by name.

    Returns
    -------
    `~astropy.table.Table`
        One row for each, in which are ``name``; ``inputs``, which is "magnetogram" for models to generate with, and for
        those to translate with the passbands that they can be given (tuple of int, angstrom); ``passbands``, of which
        they make images (tuple likewise); ``pixels`` of their images (tuple of int, rows and columns), and
        ``pixel_size`` (arcsec, for an observer at 1 au); ``size`` of the file (megabytes), and whether it is
        ``packaged``, or has to be fetched; ``default_for``, which is "magnetograms", "charts" or "AIA images" for the
        defaults; ``description``; ``file`` and ``sha256``. Printed, as in notebooks, it leaves out these two.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> models = mag2euv.available_models()
    >>> models[models["default_for"] == "charts"]
    name          inputs      passbands pixels    pixel size size   packaged
    ------------- ----------- --------- --------- ---------- ------ --------
    shared-browse magnetogram all nine  256 × 256 9.8 arcsec 5.6 MB yes
        All nine passbands from one network, learnt from browse images and synoptic
        magnetograms. Default for charts.
    >>> models["passbands"][0]
    (94, 131, 171, 193, 211, 304, 335, 1600, 1700)
    """
    registry = _registry()
    columns: dict[str, Any] = {key: [] for key in _COLUMNS}
    for name, entry in registry.items():
        columns["name"].append(name)
        columns["inputs"].append(tuple(entry["inputs"]) if "inputs" in entry else "magnetogram")
        for key in ("passbands", "pixels"):
            columns[key].append(tuple(entry[key]))
        columns["pixel_size"].append(entry["arcsec"])
        columns["size"].append(entry["size"] / 1e6)
        columns["packaged"].append(remote.packaged(entry["file"]))
        columns["default_for"].append(_DEFAULTS.get(name, ""))
        for key in ("description", "file", "sha256"):
            columns[key].append(entry[key])
    for key in ("inputs", "passbands", "pixels"):
        # One by one, since a list of tuples of one length would become a second dimension of the column.
        values, columns[key] = columns[key], np.empty(len(registry), dtype=object)
        for row, value in enumerate(values):
            columns[key][row] = value
    table = _Models(columns)
    table["pixel_size"].unit, table["size"].unit = u.arcsec, u.Mbyte
    return table


def load_model(
    name_or_path_or_url: str | os.PathLike | None = None, sha256: str | None = None
) -> FieldModel | ImageModel:
    """
    Load a model, to generate with or to translate with.

    Parameters
    ----------
    name_or_path_or_url : str or path-like, optional
        A name that `available_models` lists, the path of a safetensors file that `save_model` wrote, or an http, https
        or doi address of one. The default model to generate with, which is packaged and needs no network, unless given.
    sha256 : str, optional
        What the file's hash must be: required for an address, known for a name. It is checked before anything in the
        file is parsed.

    Returns
    -------
    FieldModel or ImageModel

    Raises
    ------
    TypeError
        If it is neither text nor a path.
    ValueError
        If there is no such model, the hash is missing or wrong, or the file is not one of this package's: its record
        is not what a model needs, or was damaged.
    FileNotFoundError
        If there is no file at the path.
    OSError
        If the file cannot be read, or the cache not written to.
    ConnectionError
        If the file has to be fetched and cannot be.

    Warns
    -----
    SunpyUserWarning
        If the file at a path, whose hash was not given, is named as a published model and is not it. Files written by
        `~sunpy_mag2euv.models.save_model` of this version are exempt: they are refused if they were damaged.
    """
    if name_or_path_or_url is None:
        name_or_path_or_url = DEFAULT_MODEL
    source = os.fspath(name_or_path_or_url) if isinstance(name_or_path_or_url, os.PathLike) else name_or_path_or_url
    if not isinstance(source, str):
        raise TypeError(
            "a model is loaded by its name, by the path of a weights file or by an address; "
            f"got {type(source).__name__}"
        )
    if sha256 is not None:
        sha256 = remote.normalized(sha256)
    registry, known = _registry(), sha256 is not None
    if source in registry:
        entry = registry[source]
        if sha256 not in (None, entry["sha256"]):
            raise ValueError(f"the model {source} has sha256 {entry['sha256']}, not {sha256}; leave sha256 out")
        sha256, known = entry["sha256"], True
        path = remote.locate(entry["file"], sha256, entry.get("url"))
    # A file may have a colon in its name, and on Windows its drive has one.
    elif re.match(r"[A-Za-z]{2,}:", source) and isinstance(name_or_path_or_url, str) and not _is_file(source):
        path = remote.download(source, sha256)
    else:
        path = Path(source)
        if not _is_file(path):
            if path.suffix or path.parent != Path():
                raise FileNotFoundError(f"there is no weights file {_shown(path)}; give the path of an existing file")
            raise ValueError(
                f"there is no model {source!r}; choose one of {', '.join(registry)}, or give a file's path"
            )
        try:
            sha256 = sha256 or digest(path)
            remote.check(path, sha256)
        except OSError as error:
            raise OSError(
                f"{_shown(path)} cannot be read ({error.strerror or error}); make it readable, or copy it"
            ) from error
    model, intact = read(path, sha256)
    if not (known or intact) and model.name in registry and registry[model.name]["sha256"] != sha256:
        warn_user(
            f"{_shown(path)} is named {model.name} and is not the published model of that name: it was damaged, or "
            f"changed, or is of another release; load the published one by its name, or give the sha256 of this one"
        )
    return model


def _is_file(path: str | os.PathLike) -> bool:
    """Whether there is a file; there is none of a name that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _shown(path: str | os.PathLike) -> str:
    """A path for messages, in one line."""
    return str(path) if str(path).isprintable() else repr(str(path))
