"""From a run's checkpoint to weights that `sunpy_mag2euv.load_model` takes."""

import dataclasses
import json
from pathlib import Path

import torch

from sunpy_mag2euv.models import save_model
from sunpy_mag2euv.training.card import score_images, summarize, write_table
from sunpy_mag2euv.training.config import model_record
from sunpy_mag2euv.training.run import CHECKPOINT, CONFIGURATION
from sunpy_mag2euv.training.store import Store

__all__ = ["export"]


def export(directory, weights):
    """
    Write a run's weights, its entry for the registry, and its table for the model card.

    Parameters
    ----------
    directory : path-like
        Of the run.
    weights : path-like
        The safetensors file to write, in half precision; beside it, with the endings ``.toml`` and ``.rst``, entry and
        table are written.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        If the directory holds no checkpoint, or the store that it was trained on is gone.
    """
    directory, weights = Path(directory), Path(weights)
    missing = [name for name in (CONFIGURATION, CHECKPOINT) if not (directory / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{directory} has no {missing[0]}; train first with mag2euv train")
    config = json.loads((directory / CONFIGURATION).read_text(encoding="utf-8"))
    model = model_record(config, Store.open(config["data"]["store"]))
    saved = torch.load(directory / CHECKPOINT, map_location="cpu", weights_only=True)["state_dict"]
    state = {name.removeprefix("network."): tensor for name, tensor in saved.items() if name.startswith("network.")}
    model = dataclasses.replace(model, state=state)
    model = dataclasses.replace(model, sha256=save_model(model, weights))
    weights.with_suffix(".toml").write_text(registry_entry(model, weights.name), encoding="utf-8")
    summary = summarize(score_images([model], config))
    title = f"Held-out scores of ``{model.name}`` (sha256 ``{model.sha256[:16]}…``), whole disk, with 95 % intervals"
    write_table(summary, weights.with_suffix(".rst"), title)
    return model


def registry_entry(model, file):
    """What ``registry.toml`` needs to list a model, as TOML."""
    return (
        f"[{json.dumps(model.name)}]\n"
        f"file = {json.dumps(file)}\n"
        f'sha256 = "{model.sha256}"\n'
        f"passbands = {list(model.image_scalings)}\n"
        f"description = {json.dumps(model.description, ensure_ascii=False)}\n"
    )
