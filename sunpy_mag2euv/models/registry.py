"""The published models, and how one is had by its name, path or address."""

import functools
import os
import re
import tomllib
from importlib import resources
from pathlib import Path

import numpy as np

from astropy.table import Table
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv import remote
from sunpy_mag2euv.models.files import digest, read

__all__ = ["DEFAULT_MODEL", "DEFAULT_TRANSLATOR", "available_models", "load_model"]

#: The model that is used unless another is asked for: to generate, and to translate.
DEFAULT_MODEL = "detail-browse"
DEFAULT_TRANSLATOR = "any-browse"


@functools.cache
def _registry():
    """The published weights by name, see ``registry.toml``."""
    return tomllib.loads((resources.files("sunpy_mag2euv") / "registry.toml").read_text(encoding="utf-8"))


def available_models():
    """
    List the models that `load_model` knows by name.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``name``; ``inputs``, which is "magnetogram" for models to generate with, and for those to translate
        with the passbands that they can be given (tuple of int, angstrom); ``passbands``, of which they make images
        (tuple likewise); ``file``, ``sha256`` and ``description``. The first row of each kind is its default.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> mag2euv.available_models()["name", "passbands"][0]["passbands"]
    (94, 131, 171, 193, 211, 304, 335, 1600, 1700)
    """
    registry = _registry()
    inputs, passbands = np.empty(len(registry), dtype=object), np.empty(len(registry), dtype=object)
    # One by one, since a list of tuples of one length would become a second dimension of the column.
    for row, entry in enumerate(registry.values()):
        inputs[row] = tuple(entry["inputs"]) if "inputs" in entry else "magnetogram"
        passbands[row] = tuple(entry["passbands"])
    columns = {key: [entry[key] for entry in registry.values()] for key in ("file", "sha256", "description")}
    return Table({"name": list(registry), "inputs": inputs, "passbands": passbands, **columns})


def load_model(name_or_path_or_url=None, sha256=None):
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


def _is_file(path):
    """Whether there is a file; there is none of a name that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _shown(path):
    """A path for messages, in one line."""
    return str(path) if str(path).isprintable() else repr(str(path))
