"""Weights files: a model's record and its weights, read and written."""

import contextlib
import functools
import hashlib
import json
import time
import uuid
from pathlib import Path

from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models.fields import FieldModel
from sunpy_mag2euv.models.images import ImageModel
from sunpy_mag2euv.models.record import parse

__all__ = ["digest", "model_from_record", "read", "save_model"]

#: Key of the model's record in the header of a weights file.
_RECORD_KEY = "sunpy_mag2euv"

#: Seconds after which nobody is writing a file any more.
_STALE = 3600


def model_from_record(record, **kwargs):
    """
    Inverse of ``record()`` of either class.

    Parameters
    ----------
    record : dict
    **kwargs
        The attributes that a record does not hold.

    Returns
    -------
    FieldModel or ImageModel

    Raises
    ------
    ValueError
        If an entry is missing, or not what it must be.
    """
    kind = ImageModel if "input_scalings" in record else FieldModel
    return kind._from_record(record, **kwargs)


def digest(path):
    """The sha256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.lru_cache(maxsize=8)
@isolated()
def read(path, sha256):
    """Parse a weights file whose hash has been checked; ValueError if it is not one of this package's."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_RECORD_KEY)
            # Copied: what is read is a view of the file, and changes when somebody writes to it.
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  (no dictionary)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error})") from None
    if digest(path) != sha256:
        raise ValueError(f"{path} was changed while it was read; load it again")
    if text is None:
        raise ValueError(
            f"{path} holds weights but no record of a model; write it with sunpy_mag2euv.models.save_model"
        )
    try:
        return model_from_record(parse(text), sha256=sha256, state=state)
    except ValueError as error:
        raise ValueError(f"the model's record in {path} cannot be read: {error!s:.300}; get an intact copy") from None


@isolated()
def save_model(model, path):
    """
    Write a model's record and weights, in half precision, as one safetensors file.

    Parameters
    ----------
    model : Model
    path : path-like
        Written beside itself first and then put in place, so that no half-written file is left behind, whoever writes
        to the same place at the same time. What a killed process left there is removed after an hour.

    Returns
    -------
    str
        The file's sha256.

    Raises
    ------
    ValueError
        If weights are not finite in half precision.
    OSError
        If the file cannot be written.
    """
    from safetensors.torch import save

    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state.items()
    }
    if wrong := [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]:
        raise ValueError(f"weights must be numbers that half precision has, up to 65504; {wrong[0]} holds others")
    content = save(state, metadata={_RECORD_KEY: json.dumps(model.record())})
    path = Path(path)
    ours = f".mag2euv-{hashlib.sha256(path.name.encode()).hexdigest()[:16]}"
    _remove_stale(path.parent.glob(f"{ours}-*.part"))
    partial = path.with_name(f"{ours}-{uuid.uuid4().hex}.part")
    try:
        # Not through tempfile, whose files are for one user only.
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def _remove_stale(partials):
    """Remove what processes that were killed left of earlier files of a name."""
    for partial in partials:
        # Another process may be at it as well.
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _STALE:
                partial.unlink()
