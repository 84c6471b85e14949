"""
Whether a run can start, and what it will take: everything short of the training itself.

The manifest of the store is looked at as a whole, some frames are read, and a step is made with them in a directory
that is removed again. Reading all frames, which may take hours, is left to the run itself.
"""

import contextlib
import copy
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sunpy_mag2euv import files
from sunpy_mag2euv.field_kinds import KINDS
from sunpy_mag2euv.models import Model
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.needs import Needs, Pace, bytes_in_words, count_needs, duration_in_words
from sunpy_mag2euv.training.learning.problems import usable_split
from sunpy_mag2euv.training.learning.run import CHECKPOINT, Run, claim, make_trainer, set_up, writable

__all__ = ["check"]

#: The first step is slow, and does not count.
_STEPS = 2


def check(config: dict, directory: str | Path) -> list[tuple[str, str]]:
    """
    Check everything that a run needs, and make a step of it.

    Parameters
    ----------
    config : dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returns it.
    directory : path-like
        Of the run. Nothing is left there, and it is not made.

    Returns
    -------
    list of tuple of str
        What was looked at, and what was found, in the order of a table.

    Raises
    ------
    OSError
        If there is no store, or the directory cannot be written to.
    ValueError
        As `~sunpy_mag2euv.training.learning.run.set_up` does, but only for those frames that are read; if the disk has
        no room for a checkpoint; or if a step cannot be made on the device.
    """
    directory = Path(directory)
    claim(directory, config)
    store = Store.open(config["data"]["store"])
    model = model_record(config, store)
    needs = count_needs(config, model)
    split = usable_split(config, store, read=())
    tried = _tried(config, store, split)
    read = np.unique(np.concatenate(list(tried.values())))
    since = time.perf_counter()
    split = usable_split(config, store, read=read)
    reading = (time.perf_counter() - since) / len(read) * len(store.frames)
    tried = {part: np.intersect1d(rows, split[part]) for part, rows in tried.items()}
    if not tried["train"].size:
        raise ValueError(f"none of the {len(read)} frames that were read can be used; look for what is wrong with them")
    base = writable(directory)
    _check_room(base, needs)
    alone = copy.deepcopy(config)
    alone["run"] |= {"steps": _STEPS, "epoch": _STEPS, "keep": 0}
    alone["trainer"] |= {"devices": 1, "num_nodes": 1, "strategy": "auto", "enable_progress_bar": False}
    alone["trainer"]["enable_model_summary"] = False
    with files.scratch(base) as scratch, _quiet():
        # Whether Lightning can have the devices that are asked for; a step needs but one of them.
        make_trainer(config, scratch, False, None)
        run = set_up(alone, scratch / "run", tried)
        pace, device, memory = _step(run, alone)
        checkpoint = (scratch / "run" / CHECKPOINT).stat().st_size
    output = "its checkpoint will be gone on from" if (directory / CHECKPOINT).is_file() else "can be written"
    steps = config["run"]["steps"]
    return [
        ("network", f"{config['model']['name']}, {config['protocol']}: {_of_network(model, needs)}"),
        ("store", _of_store(store, config)),
        ("split", f"{_of_split(config)}: {_counted([split[part].size for part in split], split)}"),
        *((f"{band} Å", _of_passband(store, split, band)) for band in model.image_scalings),
        ("read", f"{len(read)} frames; a run reads all of them first, in {duration_in_words(reading)} at this pace"),
        ("device", device),
        ("a step", f"batch {config['run']['batch']}: {needs.operations / 1e9:.4g} GFLOP, {pace:.3g} s here"),
        ("memory", f"{bytes_in_words(needs.memory)} by count, in single precision; {memory}"),
        ("disk", f"{bytes_in_words(checkpoint)} for a checkpoint"),
        ("the run", f"{steps} steps; {duration_in_words(steps * pace)} at the pace of this step"),
        ("output", f"{directory}, {output}"),
        *([] if split["test"].size else [("note", "no frame is left to score, without which nothing is exported")]),
    ]


def _tried(config: dict, store: Store, split: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A few rows of a split: to train on enough for two batches and one of each passband, and one to watch."""
    bands, rows = config["data"]["passbands"], split["train"]
    if not rows.size:
        raise ValueError("no frame is left to train on; look at data.passbands and split")
    of_bands = [rows[store.has[rows, column]][:1] for column in store.columns(bands)]
    spread = rows[:: max(1, len(rows) // (_STEPS * config["run"]["batch"]))][: _STEPS * config["run"]["batch"]]
    few = {part: rows[:1] for part, rows in split.items()}
    return {**few, "train": np.unique(np.concatenate([spread, *of_bands]))}


def _check_room(base: Path, needs: Needs) -> None:
    """A checkpoint is replaced when the next one is complete."""
    room = shutil.disk_usage(base).free
    if room < 2 * needs.checkpoint:
        raise ValueError(
            f"two checkpoints take {bytes_in_words(2 * needs.checkpoint)}, and on the disk of {base} there are "
            f"{bytes_in_words(room)}; give another -o, or make room"
        )


def _step(run: Run, config: dict) -> tuple[float, str, str]:
    """Seconds that a step takes, the device, and the memory that was taken."""
    pace = Pace(config, skipped=1, timed=_STEPS - 1)
    trainer: Any = run.trainer
    trainer.callbacks.insert(0, pace)
    device = trainer.strategy.root_device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        run.fit()
    except RuntimeError as error:
        # This is how torch says, among others, that there is not enough memory.
        raise ValueError(f"a step cannot be made on {device}: {str(error).splitlines()[0]}") from error
    return pace.seconds, _of_device(device), _taken(device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from telling what it found, and what else it could be used with."""
    lightning = logging.getLogger("lightning.pytorch")
    level = lightning.level
    lightning.setLevel(logging.WARNING)
    try:
        yield
    finally:
        lightning.setLevel(level)


def _taken(device: torch.device) -> str:
    """The memory that was measured."""
    if device.type == "cuda":
        return f"at most {bytes_in_words(torch.cuda.max_memory_allocated(device))} were taken here"
    try:
        import resource
    except ImportError:  # on Windows
        return "not measured here"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"at most {bytes_in_words(most)} were taken here, by the whole process"


def _of_device(device: torch.device) -> str:
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        return f"{device}, {about.name}, {bytes_in_words(about.total_memory)}"
    return f"{device}, {torch.get_num_threads()} threads"


def _of_network(model: Model, needs: Needs) -> str:
    weights = f"{needs.parameters:,}".replace(",", " ")
    return f"{weights} weights; planes in: {model.channels}, images out: {len(model.image_scalings)}"


def _of_store(store: Store, config: dict) -> str:
    path, grid = config["data"]["store"], store.grid
    fields = "" if config["data"]["inputs"] else f"; {KINDS[store.field_kind]}"
    size = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return (
        f"{path}, {len(store.frames)} frames of {grid.shape[0]} × {grid.shape[1]} pixels, solar radius "
        f"{grid.solar_radius:g} pixels; {bytes_in_words(size)}{fields}"
    )


def _of_split(config: dict) -> str:
    split = config["split"]
    if split["method"] == "park2019":
        return "by date, as in the paper"
    return f"by rotation, {len(split['test'])} to score"


def _counted(numbers: list[int], parts: dict) -> str:
    return ", ".join(f"{number} {part}" for number, part in zip(numbers, parts, strict=True))


def _of_passband(store: Store, split: dict[str, np.ndarray], band: int) -> str:
    (column,) = store.columns([band])
    has = store.has[:, column]
    return f"{_counted([int(has[rows].sum()) for rows in split.values()], split)}; {store.calibration[band]}"
