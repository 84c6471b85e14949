"""
Which AIA channels are enough? The study of Lim et al. 2021 (ApJL 915 L31, doi:10.3847/2041-8213/ac0d54).

One network is trained for each combination of input channels with a channel to make of them. The paper's 170 networks
are a greedy search: every single channel; every pair with the best of these; every triple with the best of those. Which
are best is found out on the way. All 828 combinations of up to three can be asked for as well. A network that takes any
subset of the channels answers for all combinations at once; it and a linear regression go into the same table.

Each network is a training run like any other (`sunpy_mag2euv.training.learning.run`), so whatever a configuration can
say can be studied. A combination that is done leaves two files, and is not done again.
"""

import copy
import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from astropy.table import Table, vstack

from sunpy_mag2euv.models import ImageModel, load_model, save_model
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.combinations import (
    combinations,
    frames_of,
    of_method,
    score_model,
    score_regression,
    summarize,
    to_name,
    to_passbands,
)
from sunpy_mag2euv.training.learning.config import check_inputs, model_record
from sunpy_mag2euv.training.learning.export import trained_model
from sunpy_mag2euv.training.learning.problems import usable_split
from sunpy_mag2euv.training.learning.run import claim, train, write_configuration

if TYPE_CHECKING:
    from sunpy_mag2euv.models import Model

__all__ = ["NETWORK", "TABLE", "greedy_path", "processes", "run_study"]

#: File of a study's directory with the scores of every image.
TABLE = "channels.ecsv"

#: What the networks that are trained for one combination each are called in tables.
NETWORK = "one network each"


def run_study(
    config: dict[Any, Any],
    directory: str | os.PathLike,
    *,
    sizes: int = 3,
    exhaustive: bool = False,
    models: Sequence[ImageModel] = (),
    executor: Any,
) -> Table:
    """
    Train and score a network for each combination, or go on with that.

    Parameters
    ----------
    config : dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returns it: the channels are its ``data.passbands``,
        and every network is trained as it says, with ``data.inputs`` and ``data.passbands`` of its own.
        ``model.planes`` must be ``["image"]``.
    directory : path-like
        Of the study. For each combination there will be its weights, such as ``131+1600-335.safetensors``, which
        `sunpy_mag2euv.translate` takes, and its scores; and of all together the table ``channels.ecsv``.
    sizes : int
        Up to how many inputs.
    exhaustive : bool
        Whether all combinations are tried, or only those with the best inputs of the size before.
    models : sequence of ImageModel, optional
        Networks that take any subset of the channels, which are scored on all combinations of any size. The regression
        is scored on all up to ``sizes``.
    executor : `concurrent.futures.Executor`
        Where networks are trained side by side: `processes`, or such as that of a Dask cluster,
        ``client.get_executor()``, whose workers must see ``directory`` and the store under the same paths, and have one
        thread each: networks in threads side by side would draw from one random generator.

    Returns
    -------
    `~astropy.table.Table`
        As `~sunpy_mag2euv.training.learning.combinations.score_model` returns it, with one column more: the ``seconds``
        that training took. The ``method`` of the networks is `NETWORK`.

    Raises
    ------
    `~sunpy_mag2euv.training.learning.problems.ProblemsError`
        If frames have problems and the configuration does not say to go on without them.
    ValueError
        If the planes are others or there are inputs already, there are not so many channels or the store has not got
        them, the directory belongs to another configuration, a combination has no frame to train on or to test, or a
        model has another grid than the store or does not take any subset of the channels.
    ChildProcessError
        If a worker process of `processes` ended unexpectedly. What is finished is kept.
    """
    directory = Path(directory)
    bands = config["data"]["passbands"]
    if config["model"]["planes"] != ["image"]:
        raise ValueError(
            f'a study needs networks that are given images alone: set model.planes = ["image"], not '
            f"{config['model']['planes']}"
        )
    if config["data"]["inputs"]:
        raise ValueError("a study gives every network inputs of its own; leave data.inputs empty")
    if not 1 <= sizes < len(bands):
        raise ValueError(f"sizes must leave a channel to make: from 1 to {len(bands) - 1}; got {sizes}")
    claim(directory, config)
    store = Store.open(config["data"]["store"])
    # What one network cannot be made of, none can.
    one = _specialized(config, bands[:1], bands[1:])
    check_inputs(one, "the networks of a study")
    model_record(one, store)
    for model in models:
        _check_model(model, store, bands)
    # Looked at once, with every channel as an input that may be missing, and not again for every network.
    split = usable_split(_specialized(config, bands, bands), store)
    everything = {size: combinations(bands, size) for size in range(1, len(bands))}
    regressed = [task for size in range(1, sizes + 1) for task in everything[size]]
    for task in regressed:
        # Said before hours of training rather than after.
        frames_of(split, store, *task)
    write_configuration(directory, config)

    best, tables = (), []
    for size in range(1, sizes + 1):
        tasks = everything[size] if exhaustive else combinations(bands, size, best)
        shares = {task: frames_of(split, store, *task) for task in tasks}
        _train_all(config, directory, shares, executor)
        tables += [Table.read(_files(directory, *task)[1], format="ascii.ecsv") for task in tasks]
        table = vstack(tables, metadata_conflicts="silent")
        _write(table, directory / TABLE)
        best = _best(summarize(table), size)
    tables.append(score_regression(store, split, regressed))
    asked = [task for tasks in everything.values() for task in tasks]
    tables += [score_model(model, store, split["test"], asked) for model in models]
    table = vstack(tables, metadata_conflicts="silent").filled(np.nan)
    table.meta |= {"models": {model.name: model.sha256 for model in models}}
    _write(table, directory / TABLE)
    return table


def _check_model(model: "Model", store: Store, bands: Sequence[int]) -> None:
    if model.grid != store.grid:
        raise ValueError(f"the model {model.name} works on {model.grid}, the store's frames are on {store.grid}")
    takes = list(model.input_scalings) if isinstance(model, ImageModel) and model.selective else []
    if missing := [band for band in bands if band not in takes or band not in model.image_scalings]:
        raise ValueError(f"the model {model.name} must take and make any channels; it does not do so with {missing[0]}")


def _train_all(config: dict[str, Any], directory: Path, shares: Any, executor: Any) -> None:
    """Train and score what is not done yet, as many side by side as the executor can."""
    missing = [task for task in shares if not all(file.is_file() for file in _files(directory, *task))]
    if not missing:
        return
    futures = []
    try:
        for inputs, target in missing:
            one = _specialized(config, inputs, [target])
            futures.append(executor.submit(_train_one, one, directory, inputs, target, shares[inputs, target]))
        for future in tqdm(as_completed(futures), total=len(futures), unit="network"):
            future.result()
    except BrokenExecutor as error:
        raise ChildProcessError(
            "a worker process ended unexpectedly, most likely because memory ran out; the networks that are finished "
            "are kept: run the same again to go on from there, with fewer processes if memory was the reason"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def processes(count: int | None = None) -> Any:
    """
    An executor of processes on this machine.

    Parameters
    ----------
    count : int, optional
        How many; one for each core unless given.

    Returns
    -------
    `concurrent.futures.ProcessPoolExecutor`
    """
    # One thread each: small networks gain little by more.
    return ProcessPoolExecutor(count or os.cpu_count(), mp_context=get_context("spawn"), initializer=_start_process)


def _start_process() -> None:
    torch.set_num_threads(1)
    # A process whose parent was killed would go on, and be in the way of the study when that is gone on with.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
    os._exit(1)


def _train_one(config: dict[str, Any], directory: Path, inputs: Any, target: Any, split: dict[str, Any]) -> None:
    """One combination: its weights and its scores are there when all is done, the latter last."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    weights, scores = _files(directory, inputs, target)
    run = weights.with_suffix("")
    start = time.monotonic()
    train(config, run, split)
    seconds = time.monotonic() - start
    model = trained_model(run, config, split)
    save_model(model, weights)
    # What is scored is what is written, in half precision.
    written: Any = load_model(weights)
    store = Store.open(config["data"]["store"])
    table = score_model(written, store, split["test"], [(inputs, target)], method=NETWORK)
    table.meta["steps"] = config["run"]["steps"]
    table["seconds"] = seconds
    _write(table, scores)
    shutil.rmtree(run)


def greedy_path(table: Table, method: str = NETWORK) -> Table:
    """
    The best input, the best that can be added to it, and so on.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.learning.combinations.summarize` takes it.
    method : str
        Whose correlations decide.

    Returns
    -------
    `~astropy.table.Table`
        The row of `~sunpy_mag2euv.training.learning.combinations.summarize` for each size, whose ``inputs`` are in the
        order in which they were added.

    Raises
    ------
    ValueError
        If the table has no such method.
    """
    summary = summarize(of_method(table, method))
    path, best = [], ()
    for size in range(1, int(max(summary["size"])) + 1):
        better = [set(best) < set(to_passbands(row["inputs"])) and row["size"] == size for row in summary]
        if not any(better):
            break
        # Sorted by correlation.
        row = summary[better][0]
        best += tuple(band for band in to_passbands(row["inputs"]) if band not in best)
        row["inputs"] = "+".join(map(str, best))
        path.append(row)
    return Table(rows=path, names=summary.colnames)


def _best(summary: Table, size: int) -> Any:
    """Inputs of one size with the highest mean correlation."""
    of_size = summary[summary["size"] == size]
    return to_passbands(of_size["inputs"][np.argmax(of_size["cc"])])


def _files(directory: Path, inputs: Any, target: Any) -> tuple[Path, Path]:
    """Weights and scores of one combination."""
    stem = f"{to_name(inputs)}-{target}"
    return directory / f"{stem}.safetensors", directory / f"{stem}.ecsv"


def _specialized(config: dict[str, Any], inputs: Any, targets: Any) -> dict[str, Any]:
    """The configuration of one combination."""
    config = copy.deepcopy(config)
    config["data"] |= {"inputs": list(inputs), "passbands": list(targets)}
    config["model"]["name"] = f"{to_name(inputs)}-{to_name(targets)}"
    config["model"]["description"] += f"; {to_name(targets)} from {to_name(inputs)}"
    return config


def _write(table: Table, path: Path) -> None:
    """In place when it is complete, with as many digits as mean something."""
    table = table.copy()
    table.round(4)
    partial = path.with_suffix(".part")
    table.write(partial, format="ascii.ecsv", overwrite=True)
    os.replace(partial, path)
