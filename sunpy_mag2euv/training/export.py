"""From a run's checkpoint to weights that `sunpy_mag2euv.load_model` takes."""

import dataclasses
import json
import os
import tempfile
from pathlib import Path

import torch

from sunpy_mag2euv.models import load_model, save_model
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
        If the directory holds no checkpoint, the store that it was trained on is gone, or there is no directory for the
        weights.
    ValueError
        If the frames to test cannot be scored, see `~sunpy_mag2euv.training.card.score_images`; nothing is written.
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
    names = [weights.name, weights.with_suffix(".toml").name, weights.with_suffix(".rst").name]
    # All three files or none: they are put in place when the last is complete.
    with tempfile.TemporaryDirectory(prefix=".mag2euv-", dir=weights.parent) as scratch:
        files = [Path(scratch, name) for name in names]
        model = dataclasses.replace(model, sha256=save_model(model, files[0]))
        files[1].write_text(registry_entry(model, weights.name), encoding="utf-8")
        # What is scored is what is written, in half precision.
        summary = summarize(score_images([load_model(files[0])], config))
        title = (
            f"Held-out scores of ``{model.name}`` (sha256 ``{model.sha256[:16]}…``), whole disk, with 95 % intervals"
        )
        write_table(summary, files[2], title)
        for file in files:
            os.replace(file, weights.parent / file.name)
    return load_model(weights)


def registry_entry(model, file):
    """What ``registry.toml`` needs to list a model, as TOML."""
    return (
        f"[{json.dumps(model.name)}]\n"
        f"file = {json.dumps(file)}\n"
        f'sha256 = "{model.sha256}"\n'
        f"passbands = {list(model.image_scalings)}\n"
        f"description = {json.dumps(model.description, ensure_ascii=False)}\n"
    )
