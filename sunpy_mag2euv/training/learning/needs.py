"""
What a run needs: memory and operations, counted before it starts, and hours, from the first steps that it takes.

Counting is done with tensors that have a shape and no content, on torch's device "meta": it takes no memory to speak
of, and its result holds for a GPU that is somewhere else.
"""

import dataclasses
import logging
import math
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.flop_counter import FlopCounterMode

from sunpy_mag2euv.models import Model
from sunpy_mag2euv.training.learning.learners import learner_for

__all__ = ["Needs", "Pace", "bytes_in_words", "count_needs", "duration_in_words", "say"]

log = logging.getLogger(__name__)

#: Of a number in single precision.
_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Needs:
    """
    What one process of a run needs, in single precision; see `count_needs`.

    Attributes
    ----------
    parameters : int
        Numbers in the networks, the adversary's included.
    trained : int
        Those of them that are trained.
    averaged : bool
        Whether an average of all of them is kept.
    kept : int
        Bytes that the backward pass of a step needs of the forward pass.
    largest : int
        Bytes of the largest tensor of them.
    operations : int
        Floating-point operations of a step; a multiplication and an addition are two.
    """

    parameters: int
    trained: int
    averaged: bool
    kept: int
    largest: int
    operations: int

    @property
    def checkpoint(self) -> int:
        """Bytes of a checkpoint: the networks, two numbers of Adam for each that is trained, and the average."""
        return _BYTES * (self.parameters * (1 + self.averaged) + 2 * self.trained)

    @property
    def memory(self) -> int:
        """
        Bytes of memory on the device: what a checkpoint has, gradients, and what is kept for the backward pass.

        While a layer's gradient is computed, it is there for what comes out of the layer and for what goes in.
        """
        return self.checkpoint + _BYTES * self.trained + self.kept + 2 * self.largest


def count_needs(config: dict, model: Model) -> Needs:
    """
    Count what a run needs.

    What a device's libraries work with is not counted.

    Parameters
    ----------
    config : dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returns it.
    model : Model
        As `~sunpy_mag2euv.training.learning.config.model_record` returns it.

    Returns
    -------
    Needs

    Raises
    ------
    ValueError
        If the network cannot be trained on images of this size, or on batches of this number.
    """
    batch, shape, bands = config["run"]["batch"], model.grid.shape, len(model.image_scalings)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        learner: Any = learner_for(config, dataclasses.replace(model, state={}), torch.ones(bands)).to("meta")
        given = {
            "inputs": torch.zeros(batch, model.channels, *shape),
            "targets": torch.zeros(batch, bands, *shape),
            "weight": torch.zeros(batch, *shape),
            "ceiling": torch.zeros(batch, bands),
        }
    try:
        if config["loss"]["adversarial"]:
            counts, fooled = _count_adversarial(learner, given["inputs"], given["targets"])
        else:
            counts, fooled = [_count_regression(learner, given, config)], 0
    except (RuntimeError, ValueError) as error:
        sides = tuple(given["inputs"].shape)
        raise ValueError(f"the network cannot be trained on batches of shape {sides}: {error}") from None
    kept, largest, operations = zip(*counts, strict=True)
    return Needs(
        parameters=sum(weight.numel() for weight in learner.parameters()),
        trained=sum(weight.numel() for weight in learner.parameters() if weight.requires_grad),
        averaged=bool(config["optimizer"]["averaging"]),
        kept=sum(kept),
        largest=max(largest),
        operations=sum(operations) + fooled,
    )


def _count_regression(learner: Any, batch: dict, config: dict) -> tuple[int, int, int]:
    """As `_count`, of a step in which one network learns."""
    learner.log_dict = lambda *logged, **how: None
    if "coarse" not in learner.model.architecture:
        return _count(learner.training_step, batch)
    # It learns from windows, but is there to answer for whole frames. Its losses are not counted.
    learner.network(batch["inputs"])
    known = learner.model.architecture["coarse"]["in_channels"]
    sides = slice(config["augmentation"]["crop"])
    planes, coarse = batch["inputs"][:, known:, sides, sides], batch["targets"].repeat(1, 2, 1, 1)[..., sides, sides]
    return _count(learner.network.refine, planes, coarse)


def _count_adversarial(
    learner: Any, inputs: torch.Tensor, images: torch.Tensor
) -> tuple[list[tuple[int, int, int]], int]:
    """As `_count`, of all that is kept at once, and the operations that come after; the losses are next to nothing."""
    generated = _count(learner.network, inputs)
    # The adversary learns from the real and the synthetic images, while what the generator keeps is waiting; then it
    # judges the latter once more, for the generator to learn.
    judged = _count(learner.discriminator, inputs, images)
    learner.discriminator.requires_grad_(False)
    fooled = _count(learner.discriminator, inputs, images.requires_grad_())[2]
    learner.discriminator.requires_grad_(True)
    return [generated, judged, judged], fooled


def _count(function: Callable[..., torch.Tensor], *inputs: torch.Tensor | dict) -> tuple[int, int, int]:
    """Bytes kept for the backward pass, those of the largest tensor among them, and operations of both passes."""
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            # Several tensors may be views of one; held, so that no other gets its place.
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage
        return tensor

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda held: held):
        function(*inputs).sum().backward()
    sizes = [storage.nbytes() for storage in kept.values()]
    return sum(sizes), max(sizes), counter.get_total_flops()


class Pace(pl.Callback):
    """
    Times some steps, and says how long the run will take.

    Parameters
    ----------
    config : dict
        Of the run.
    skipped, timed : int, optional
        Steps that are not timed, since the first ones are slow, and steps that are.

    Attributes
    ----------
    seconds : float
        What a step takes, with all that it waits for; NaN until it is known.
    """

    def __init__(self, config: dict, skipped: int = 10, timed: int = 20) -> None:
        self.run = config["run"]
        self.skipped = skipped
        self.timed = timed
        self.seconds = math.nan
        self._done = 0
        self._since = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock, for Lightning."""
        self._done += 1
        if self._done == self.skipped:
            self._since = _now(learner.device)
        elif self._done == self.skipped + self.timed:
            self.seconds = (_now(learner.device) - self._since) / self.timed
            left = self.run["steps"] - trainer.current_epoch * self.run["epoch"] - batch_idx - 1
            say(f"a step takes {self.seconds:.3g} s here: {duration_in_words(left * self.seconds)} for {left} more")


def _now(device: torch.device) -> float:
    """The time in seconds when all that the device was told to do is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@rank_zero_only
def say(sentence: str) -> None:
    """Log a sentence, in the first of a run's processes only."""
    log.info(sentence)


def duration_in_words(seconds: float) -> str:
    """Say how long something takes, in the unit in which it is told."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def bytes_in_words(number: float) -> str:
    """Say how much memory something takes, in powers of ten."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"
