"""From a run's checkpoint to weights that `sunpy_mag2euv.load_model` takes."""

import dataclasses
import functools
import json
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.files import prepare, scratch, write
from sunpy_mag2euv.models import ImageModel, load_model, save_model
from sunpy_mag2euv.models.model import Model
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning import card, combinations
from sunpy_mag2euv.training.learning.calibration import find_factors
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.problems import usable_split
from sunpy_mag2euv.training.learning.publication import FILES, Publication, write_publication
from sunpy_mag2euv.training.learning.readout import extend
from sunpy_mag2euv.training.learning.run import read_configuration, read_weights

if TYPE_CHECKING:
    from sunpy_mag2euv.models import FieldModel

__all__ = ["export"]

#: Of the Sun in arcsec, from 1 au.
_SOLAR_RADIUS = 959.63


def export(directory: str | os.PathLike, weights: str | os.PathLike, publication: Publication | None = None) -> Model:
    """
    Write a run's weights, its entry for the registry, and its table for the model card; all files or none.

    Parameters
    ----------
    directory : path-like
        Of the run.
    weights : path-like
        The safetensors file to write, in half precision; beside it, with the endings ``.toml`` and ``.rst``, entry and
        table are written. Their directory is made if it is not there.
    publication : Publication, optional
        Who publishes them how. If that is given, what an upload needs is written beside them as well, see
        `~sunpy_mag2euv.training.learning.publication`.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        If the directory holds no checkpoint, or the store that it was trained on is gone.
    ValueError
        If the weights' file is not named as one, or the frames to test cannot be scored, see
        `~sunpy_mag2euv.training.learning.card.score_images`.
    OSError
        If the files cannot be written, an upload's would replace others, for no two uploads share a directory, or the
        entry would replace a configuration of the same name.
    """
    directory, weights = Path(directory), Path(weights)
    names = _names(weights, publication)
    config = read_configuration(directory)
    try:
        prepare(weights.parent)
    except OSError as error:
        raise OSError(
            f"cannot write to {weights.parent} ({error.strerror}); give the weights another directory"
        ) from error
    model = trained_model(directory, config)
    with scratch(weights.parent) as folder:
        model = dataclasses.replace(model, sha256=save_model(model, folder / names[0]))
        # What is scored is what is written, in half precision.
        scored, head, rows, entries = _scores(load_model(folder / names[0]), config)
        entry = registry_entry(model, folder / names[0], publication) + entries
        (folder / names[1]).write_text(entry, encoding="utf-8")
        title = f"Held-out scores of ``{model.name}`` (sha256 ``{model.sha256[:16]}…``), {scored}"
        card.write_list_table(head, rows, folder / names[2], title)
        if publication:
            write_publication(folder, model, names[0], publication, (scored, head, rows))
        write(weights.parent, {name: functools.partial(os.replace, folder / name) for name in names}, overwrite=True)
    return load_model(weights)


def _names(weights: Path, publication: Publication | None) -> list[str]:
    """Names of the files to write, if they can be written."""
    if weights.suffix != ".safetensors" or (publication and not re.fullmatch("[A-Za-z0-9._-]+", weights.name)):
        letters = ", and nothing in their name but letters of ASCII, digits, dots, hyphens and underscores"
        raise ValueError(
            f"weights are files with the ending .safetensors{letters if publication else ''}; got {weights}"
        )
    names = [weights.name, weights.with_suffix(".toml").name, weights.with_suffix(".rst").name]
    for path in (weights.parent / name for name in (*names, *(FILES if publication else ()))):
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a directory where a file is to be written; remove it")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} must not be written to; change its permissions, or give another name")
        if path.suffix == ".toml" and _is_configuration(path):
            raise FileExistsError(f"{path} is what a training run is told; give the weights another name or directory")
        if path.name in FILES and os.path.lexists(path):
            raise FileExistsError(f"{path} exists already; remove it, or give the weights a directory of their own")
    return [*names, *FILES] if publication else names


def _is_configuration(path: Path) -> bool:
    """Whether there is a configuration for training, which nobody could bring back, rather than an older entry."""
    try:
        return "protocol" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _scores(model: Model, config: dict) -> tuple[str, tuple, list, str]:
    """What is scored, the table of scores, and what the registry needs of them, as TOML."""
    if isinstance(model, ImageModel):
        store = Store.open(config["data"]["store"])
        table = combinations.score_model(
            model, store, usable_split(config, store)["test"], combinations.tasks_of(model)
        )
        # The registry has scores by passband, and these are by inputs.
        return "whole disk", *combinations.table_cells(combinations.leading(combinations.summarize(table))), ""
    images = card.score_images([model], config)
    summary = card.summarize(images)
    size = images.meta["binning"]
    lines = [f'scored = "frames held out; whole disk, means over {size} by {size} pixels"\n']
    for row in summary[summary["method"] == model.name]:
        means = ", ".join(f"{round(float(row[name]), 3)}" for name in ("cc", "re", "ppe10"))
        lines.append(f"scores.{row['passband']} = [{row['images']}, {means}]\n")
    return "whole disk, with 95 % intervals", *card.table_cells(summary), "".join(lines)


def trained_model(
    directory: Path, config: dict[Any, Any], split: dict[Any, Any] | None = None
) -> "FieldModel | ImageModel":
    """
    The model that a run has made, with all that is found out about it after the training.

    Parameters
    ----------
    directory : `pathlib.Path`
        Of the run.
    config : dict
        Of the run.
    split : dict, optional
        As `~sunpy_mag2euv.training.learning.problems.usable_split` returns it; found out unless given.

    Returns
    -------
    FieldModel or ImageModel
        With the factors of its standard deviations, from frames that are watched or lie between the rotations trained
        on and scored; and with the scarce passbands.
    """
    store = Store.open(config["data"]["store"])
    split = usable_split(config, store) if split is None else split
    bands, inputs = config["data"]["passbands"], config["data"]["inputs"]
    has = store.has[:, store.columns(bands)]
    model: Any = dataclasses.replace(model_record(config, store), state=read_weights(directory))
    # What a network of two scales knows of, its coarse part has learnt.
    if not config["model"]["coarse"]:
        counts = zip(bands, has[split["train"]].sum(0), strict=True)
        model = dataclasses.replace(model, training_images={band: int(count) for band, count in counts})
        if inputs:
            model = dataclasses.replace(model, levels=disk_levels(store, split["train"], inputs))
        else:
            model = dataclasses.replace(model, strongest_field=strongest_field(store, split["train"]))
    if not model.gives_deviations:
        return model
    watched = np.concatenate([split["validation"], split["gap"]])
    model = dataclasses.replace(model, deviation_factors=find_factors(model, store, watched))
    if not config["data"]["scarce"]:
        return model
    scalings = config["model"]["image_scaling"]
    return extend(model, store, {band: scaling_from_dict(scalings[str(band)]) for band in config["data"]["scarce"]})


def disk_levels(store: Store, rows: npt.NDArray | Sequence[int], passbands: Sequence[int]) -> dict[int, float]:
    """
    How bright the disk is in the images trained on.

    Parameters
    ----------
    store : Store
    rows : sequence of int
    passbands : sequence of int

    Returns
    -------
    dict of float
        By passband, as far as there are images of it, the median over images of their medians on the disk, in DN/s.
    """
    disk = store.grid.radius < 1
    levels = {}
    for band, column in zip(passbands, store.columns(passbands), strict=True):
        chosen = [row for row in rows if store.has[row, column]]
        chosen = chosen[:: max(1, len(chosen) // 50)]
        if chosen:
            levels[band] = float(np.median([np.nanmedian(store.images(row, [band])[0][disk]) for row in chosen]))
    return levels


def strongest_field(store: Store, rows: npt.NDArray | Sequence[int]) -> float:
    """
    What the fields trained on hardly ever exceed.

    Parameters
    ----------
    store : Store
    rows : sequence of int

    Returns
    -------
    float
        In gauss: the strength that one in ten thousand pixels of the disk exceeds.
    """
    # Some hundred frames say it as well as thousands.
    chosen = rows[:: max(1, len(rows) // 200)]
    disk = store.grid.radius < 1
    return float(np.quantile(np.concatenate([np.abs(store.field(row)[disk]) for row in chosen]), 1 - 1e-4))


def registry_entry(model: Model, path: Path, publication: Publication | None = None) -> str:
    """What ``registry.toml`` needs to list a model that was written to a file, as TOML."""
    return (
        f"[{json.dumps(model.name)}]\n"
        f"file = {json.dumps(path.name)}\n"
        f'sha256 = "{model.sha256}"\n'
        + (f"inputs = {list(model.input_scalings)}\n" if isinstance(model, ImageModel) else "")
        + f"passbands = {list(model.image_scalings)}\n"
        f"description = {json.dumps(model.description, ensure_ascii=False)}\n"
        f"pixels = {list(model.grid.shape)}\n"
        f"arcsec = {round(_SOLAR_RADIUS / model.grid.solar_radius, 1)}\n"
        f"size = {path.stat().st_size}\n" + (f'licence = "{publication.license}"\n' if publication else "")
    )
