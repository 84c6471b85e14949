"""A training run: a configuration in, a directory with checkpoints, logs and sample images out."""

import json
import math
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from sunpy_mag2euv.training.data.loading import Sampling
from sunpy_mag2euv.training.data.sampling import Frames, frames_as_they_are
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.learners import learner_for
from sunpy_mag2euv.training.learning.needs import Pace, bytes_in_words, count_needs, say
from sunpy_mag2euv.training.learning.problems import usable_split

if TYPE_CHECKING:
    from torch import nn

    from sunpy_mag2euv.models import Model

__all__ = [
    "CHECKPOINT",
    "CONFIGURATION",
    "KEPT",
    "Run",
    "claim",
    "make_trainer",
    "read_configuration",
    "read_weights",
    "set_up",
    "train",
    "writable",
    "write_configuration",
]

#: Names in a run's directory.
CHECKPOINT = "last.ckpt"
KEPT = "kept.ckpt"
CONFIGURATION = "config.json"

#: Watched frames are looked at after every epoch, so there are not to be many of them.
_WATCHED = 8


@dataclass(frozen=True)
class Run:
    """
    A run that has passed all checks and is ready to go, or to go on; see `set_up`.

    Attributes
    ----------
    trainer : `lightning.pytorch.Trainer`
    learner : `lightning.pytorch.LightningModule`
    sampling : Sampling
    checkpoint : `pathlib.Path`
        Gone on from if it exists.
    """

    trainer: pl.Trainer
    learner: pl.LightningModule
    sampling: Sampling
    checkpoint: Path

    def fit(self) -> None:
        """Train to the last step."""
        checkpoint = self.checkpoint if self.checkpoint.is_file() else None
        with warnings.catch_warnings():
            # The directory of a run that goes on is never empty; what Lightning uses of torch is not ours to change.
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            try:
                self.trainer.fit(self.learner, datamodule=self.sampling, ckpt_path=checkpoint, weights_only=True)
            except SystemExit as end:
                # This is how Lightning ends when it is interrupted, of which it is for the caller to make something.
                raise KeyboardInterrupt from end


def train(config: dict[str, Any], directory: Path, split: dict[str, Any] | None = None) -> Run:
    """
    Train, or go on with training.

    If ``directory`` holds a checkpoint of the same configuration, the run goes on from it as if it had not stopped.

    Parameters, returned value and errors are those of `set_up`.
    """
    run = set_up(config, directory, split)
    run.fit()
    return run


def set_up(config: dict[Any, Any], directory: str | os.PathLike, split: dict[Any, Any] | None = None) -> Run:
    """
    Check everything that a run needs before it is started.

    Parameters
    ----------
    config : dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returns it.
    directory : path-like
        Of the run; made if all is well.
    split : dict, optional
        As `~sunpy_mag2euv.training.learning.problems.usable_split` returns it, for those who make many runs of one
        store. Found out unless given.

    Returns
    -------
    Run

    Raises
    ------
    `~sunpy_mag2euv.training.learning.problems.ProblemsError`
        If frames have problems and the configuration does not say to go on without them.
    FileNotFoundError
        If there is no store, or no checkpoint of the run to start from.
    OSError
        If the directory cannot be written to.
    ValueError
        If there is nothing to train on, the directory belongs to another configuration, the network does not fit the
        grid, or Lightning cannot use ``[trainer]``.
    """
    directory = Path(directory)
    claim(directory, config)
    store = Store.open(config["data"]["store"])
    model = model_record(config, store)
    needs = count_needs(config, model)
    say(f"the device needs about {bytes_in_words(needs.memory)} of memory, if it works in single precision")
    bands = config["data"]["passbands"]
    if split is None:
        split = usable_split(config, store)
    if not split["train"].size:
        raise ValueError("no frame is left to train on; look at data.passbands and split")
    for band, column in zip(bands, store.columns(bands), strict=True):
        if not store.has[split["train"], column].any():
            raise ValueError(f"no frame to train on has passband {band}; leave it out of data.passbands")
    # Without frames of their own to watch, those of the gap show as well how it goes; nothing is chosen by them.
    watched = split["validation"] if split["validation"].size else split["gap"]
    watched = watched[:: max(1, len(watched) // _WATCHED)][:_WATCHED]

    spread = _spread(store, split["train"], model) if config["loss"]["evened"] else torch.ones(len(bands))
    learner = learner_for(config, model, spread)
    if config["run"]["start"]:
        _start_from(Path(config["run"]["start"]), learner.network)  # type: ignore[arg-type]
    trainer = make_trainer(config, directory, watched.size > 0, frames_as_they_are(store, watched[:1], model))
    write_configuration(directory, config)
    return Run(trainer, learner, Sampling(store, split["train"], watched, model, config), directory / CHECKPOINT)


def read_weights(directory: Path) -> dict[str, torch.Tensor]:
    """
    Weights of a run's network.

    Parameters
    ----------
    directory : `pathlib.Path`
        Of the run.

    Returns
    -------
    dict of `torch.Tensor`
        The averaged ones, if the run averages them. If it has kept those of an earlier step, the mean of both, with the
        share that the configuration says: what a network forgets in its last steps, of passbands whose frames it knows
        best, it still knew then (Izmailov et al. 2018, arXiv:1803.05407, on why such a mean is a network at all).

    Raises
    ------
    FileNotFoundError
        If the directory holds no checkpoint.
    """
    if not (directory / CHECKPOINT).is_file():
        raise FileNotFoundError(f"{directory} has no {CHECKPOINT}; train first with mag2euv train")
    weights = _weights(directory / CHECKPOINT)
    if (directory / KEPT).is_file():
        share = read_configuration(directory)["run"]["kept_share"]
        for name, kept in _weights(directory / KEPT).items():
            if kept.is_floating_point():
                weights[name] = share * kept + (1 - share) * weights[name]
    return weights


def _weights(checkpoint: Any) -> dict[str, torch.Tensor]:
    """The network's part of a checkpoint."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    return {name.removeprefix("network."): tensor for name, tensor in saved.items() if name.startswith("network.")}


def _start_from(directory: Path, network: "nn.Module") -> None:
    try:
        network.load_state_dict(read_weights(directory))
    except RuntimeError as error:
        raise ValueError(f"the weights of the run in {directory} do not fit this network: {error}") from None


def claim(directory: Path, config: dict) -> None:
    """
    Make sure that a directory can be written to, and does not hold the run of another configuration.

    Parameters
    ----------
    directory : `pathlib.Path`
    config : dict

    Raises
    ------
    OSError
        If it cannot be written to.
    ValueError
        If it holds the run of another configuration.
    """
    writable(directory)
    if (directory / CONFIGURATION).is_file() and read_configuration(directory) != config:
        raise ValueError(f"{directory} holds a run of another configuration; give another directory")


def writable(directory: Path) -> Path:
    """
    Find where a directory is, or would be made.

    Parameters
    ----------
    directory : `pathlib.Path`

    Returns
    -------
    `pathlib.Path`
        The directory itself, or the first of those above it that is there.

    Raises
    ------
    OSError
        If that is a file, or cannot be written to.
    """
    base = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    if not base.is_dir():
        raise NotADirectoryError(f"{base} is a file; give another directory")
    if not os.access(base, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write to {base}; give another directory, or change its permissions")
    return base


def read_configuration(directory: Path) -> dict:
    """
    Read the configuration that a run's directory belongs to.

    Parameters
    ----------
    directory : `pathlib.Path`

    Returns
    -------
    dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returned it.

    Raises
    ------
    FileNotFoundError
        If the directory holds no run.
    """
    if not (directory / CONFIGURATION).is_file():
        raise FileNotFoundError(f"{directory} has no {CONFIGURATION}; train first with mag2euv train")
    return json.loads((directory / CONFIGURATION).read_text(encoding="utf-8"))


@rank_zero_only
def write_configuration(directory: Path, config: dict[Any, Any]) -> None:
    """
    Write the configuration that a directory belongs to; made if need be.

    Parameters
    ----------
    directory : `pathlib.Path`
    config : dict
    """
    # Put in place all at once, since other processes of the run may be reading it.
    directory.mkdir(parents=True, exist_ok=True)
    partial = directory / f".{CONFIGURATION}.part"
    partial.write_text(json.dumps(config, indent=1), encoding="utf-8")
    partial.replace(directory / CONFIGURATION)


def make_trainer(config: dict, directory: Path, watches: bool, sample: Frames | None) -> pl.Trainer:
    """
    Make what a run is trained by.

    Parameters
    ----------
    config : dict
    directory : `pathlib.Path`
        Of the run; nothing is written yet.
    watches : bool
        Whether there are frames to watch.
    sample : Frames or None
        Of whose first a picture is made after every epoch, if there are any to watch.

    Returns
    -------
    `lightning.pytorch.Trainer`

    Raises
    ------
    ValueError
        If Lightning cannot use the table ``[trainer]``.
    """
    run, optimizer = config["run"], config["optimizer"]
    callbacks = [
        ModelCheckpoint(
            directory,
            filename=Path(CHECKPOINT).stem,
            # One file, replaced when the next is complete.
            save_top_k=1,
            enable_version_counter=False,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
        ),
        LearningRateMonitor("epoch"),
        Pace(config),
    ]
    if run["keep"]:
        callbacks.append(_Keep(directory, run["keep"] // run["epoch"]))
    if watches:
        # Before the averaging, which puts the averaged weights in for the watching only.
        callbacks.append(_SampleImages(directory / "samples", sample))
    if optimizer["averaging"]:
        callbacks.append(EMAWeightAveraging(decay=optimizer["averaging"]))
    settings = {
        "max_epochs": math.ceil(run["steps"] / run["epoch"]),
        "default_root_dir": directory,
        "callbacks": callbacks,
        "logger": [
            CSVLogger(directory, name="log", flush_logs_every_n_steps=10),
            TensorBoardLogger(directory, name="tensorboard"),
        ],
        # With an adversary, the module clips by itself.
        "gradient_clip_val": None if config["loss"]["adversarial"] else optimizer["clip"] or None,
        "log_every_n_steps": 1,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 1.0 if watches else 0,
        # Draws are numbered from the run's first, so every epoch has others.
        "reload_dataloaders_every_n_epochs": 1,
    }
    if taken := sorted(settings.keys() & config["trainer"].keys()):
        raise ValueError(f"trainer.{taken[0]} follows from the other tables; take it out of [trainer]")
    try:
        return pl.Trainer(**config["trainer"], **settings)
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise ValueError(f"Lightning cannot make a trainer from the table [trainer]: {error}") from error


def _spread(store: Store, rows: npt.NDArray, model: "Model") -> torch.Tensor:
    """Mean absolute deviation of each passband's scaled values on the disk; shape (passbands,)."""
    disk = store.grid.radius < 1
    spreads = []
    for band, scaling in model.image_scalings.items():
        (column,) = store.columns([band])
        chosen = rows[store.has[rows, column]]
        # A hundred frames say it as well as thousands.
        chosen = chosen[:: max(1, len(chosen) // 100)]
        values = np.stack([scaling.forward(store.images(row, [band])[0][disk]) for row in chosen])
        spreads.append(np.nanmean(np.abs(values - np.nanmedian(values))))
    return torch.tensor(spreads, dtype=torch.float32)


class _Keep(pl.Callback):
    """Keep the checkpoint that there is after some epochs, when the next one begins."""

    def __init__(self, directory: Path, epochs: Any) -> None:
        self.directory = directory
        self.epochs = epochs

    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        if trainer.current_epoch == self.epochs and trainer.is_global_zero:
            partial = self.directory / f".{KEPT}.part"
            shutil.copyfile(self.directory / CHECKPOINT, partial)
            partial.replace(self.directory / KEPT)


class _SampleImages(pl.Callback):
    """After every epoch, a picture of one watched frame: the real images above, the synthetic ones below."""

    def __init__(self, directory: Path, frames: Any) -> None:
        self.directory = directory
        self.frames = frames

    def on_validation_epoch_end(self, trainer: Any, learner: Any) -> None:
        if not trainer.is_global_zero:
            return
        example = self.frames[0]
        with torch.no_grad():
            inputs = example["inputs"][None].to(learner.device)
            synthetic = learner.network(inputs)[0].float().cpu()
        bands = list(self.frames.model.image_scalings)
        figure, axes = plt.subplots(2, len(bands), figsize=(2 * len(bands), 4.3), squeeze=False, layout="constrained")
        for column, band in enumerate(bands):
            for axis, image in zip(axes[:, column], (example["targets"][column], synthetic[column]), strict=True):
                axis.imshow(image.numpy(), origin="lower", cmap=f"sdoaia{band}", vmin=-1, vmax=1)
                axis.set_axis_off()
            axes[0, column].set_title(f"{band} Å")
        figure.suptitle(f"epoch {trainer.current_epoch}: observed (above), synthetic")
        self.directory.mkdir(exist_ok=True)
        figure.savefig(self.directory / f"epoch_{trainer.current_epoch:04}.png", dpi=100)
        plt.close(figure)
