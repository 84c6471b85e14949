"""Weights files: a model's record and its weights, read and written."""

import functools
import hashlib
import json
from pathlib import Path

from sunpy_mag2euv.models.fields import FieldModel
from sunpy_mag2euv.models.images import ImageModel

__all__ = ["digest", "model_from_record", "read", "save_model"]

#: Key of the model's record in the header of a weights file.
_RECORD_KEY = "sunpy_mag2euv"


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
    """
    kind = ImageModel if "input_scalings" in record else FieldModel
    return kind._from_record(record, **kwargs)


def digest(path):
    """The sha256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.lru_cache(maxsize=8)
def read(path, sha256):
    """Parse a weights file whose hash has been checked."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            record = (file.metadata() or {}).get(_RECORD_KEY)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dictionary)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error})") from None
    if record is None:
        raise ValueError(
            f"{path} holds weights but no record of a model; write it with sunpy_mag2euv.models.save_model"
        )
    try:
        return model_from_record(json.loads(record), sha256=sha256, state=state)
    except KeyError as error:
        raise ValueError(f"the model's record in {path} lacks {error}; was it written by another version?") from None
    except (TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"the model's record in {path} cannot be read ({error}); get an intact copy") from None


def save_model(model, path):
    """
    Write a model's record and weights, in half precision, as one safetensors file.

    Parameters
    ----------
    model : Model
    path : path-like
        Written beside itself first and then put in place, so that no half-written file is left behind.

    Returns
    -------
    str
        The file's sha256.
    """
    from safetensors.torch import save

    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state.items()
    }
    content = save(state, metadata={_RECORD_KEY: json.dumps(model.record())})
    path = Path(path)
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()
