"""
Models: trained weights together with everything needed to use them.

A weights file is a safetensors file whose header holds the model's record, so a file is complete by itself and new
weights need no new code. `registry.toml` lists the published ones.
"""

from sunpy_mag2euv.models.fields import FieldModel
from sunpy_mag2euv.models.files import save_model
from sunpy_mag2euv.models.images import ImageModel
from sunpy_mag2euv.models.model import Model
from sunpy_mag2euv.models.registry import (
    DEFAULT_CHART_MODEL,
    DEFAULT_MODEL,
    DEFAULT_TRANSLATOR,
    available_models,
    load_model,
)

__all__ = [
    "DEFAULT_CHART_MODEL",
    "DEFAULT_MODEL",
    "DEFAULT_TRANSLATOR",
    "FieldModel",
    "ImageModel",
    "Model",
    "available_models",
    "load_model",
    "save_model",
]
