"""Weights files: a model's record and its weights, read and written."""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv.files import scratch
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models.fields import FieldModel
from sunpy_mag2euv.models.images import ImageModel
from sunpy_mag2euv.models.model import Model
from sunpy_mag2euv.models.record import parse

if TYPE_CHECKING:
    import torch

__all__ = ["digest", "model_from_record", "read", "save_model"]

#: Key of the model's record in the header of a weights file.
_RECORD_KEY = "sunpy_mag2euv"

#: Key in the record of the digest of all the rest, which models do not have.
_DIGEST_KEY = "digest"


def model_from_record(record: dict[str, Any], **kwargs: Any) -> FieldModel | ImageModel:
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


def digest(path: str | os.PathLike) -> str:
    """The sha256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(record: Mapping[str, Any], state: "Mapping[str, torch.Tensor]") -> str:
    """The sha256 of a record as JSON, and of tensors in the order of their names: type, shape and numbers."""
    import torch

    found = hashlib.sha256(json.dumps(record).encode())
    for name in sorted(state):
        tensor = state[name]
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


@functools.lru_cache(maxsize=8)
@isolated()
def read(path: str | os.PathLike, sha256: str) -> tuple[FieldModel | ImageModel, bool]:
    """
    Parse a weights file whose hash has been checked.

    Parameters
    ----------
    path : path-like
    sha256 : str

    Returns
    -------
    model : FieldModel or ImageModel
    intact : bool
        Whether the file says itself that it is as `save_model` wrote it; those of earlier versions say nothing.

    Raises
    ------
    ValueError
        If it is not one of this package's, or says that it was changed.
    """
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
        record = parse(text)
        intact = _DIGEST_KEY in record
        if intact and record.pop(_DIGEST_KEY) != _digest(record, state):
            raise ValueError("record and weights are not those that were written with it")
        return model_from_record(record, sha256=sha256, state=state), intact
    except ValueError as error:
        raise ValueError(f"the model's record in {path} cannot be read: {error!s:.300}; get an intact copy") from None


@isolated()
def save_model(model: Model, path: str | os.PathLike) -> str:
    """
    Write a model's record and weights, in half precision, as one safetensors file.

    The record holds a digest of record and weights, by which `~sunpy_mag2euv.load_model` knows a damaged file.

    Parameters
    ----------
    model : Model
    path : path-like
        Written beside itself first and then put in place, so that no half-written file is left behind, whoever writes
        to the same place at the same time. What a killed process left there is removed by the next.

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
    record = model.record()
    record[_DIGEST_KEY] = _digest(record, state)
    content = save(state, metadata={_RECORD_KEY: json.dumps(record)})
    path = Path(path)
    with scratch(path.parent) as folder:
        (folder / path.name).write_bytes(content)
        os.replace(folder / path.name, path)
    return hashlib.sha256(content).hexdigest()
