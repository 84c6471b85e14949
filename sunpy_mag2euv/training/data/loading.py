"""How draws reach a run: in epochs, batches and processes."""

import functools
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, DistributedSampler

from sunpy_mag2euv.models import ImageModel
from sunpy_mag2euv.training.data.sampling import Draws, ImageDraws, frames_as_they_are
from sunpy_mag2euv.training.data.windows import WindowDraws, answer

if TYPE_CHECKING:
    from sunpy_mag2euv.models import Model
    from sunpy_mag2euv.training.data.store import Store

__all__ = ["Sampling"]


class Sampling(pl.LightningDataModule):
    """
    What a run is shown, for Lightning.

    Parameters
    ----------
    store : Store
    train, watched : sequence of int
        Rows to learn from, and those that are only looked at.
    model : Model
    config : dict
        Of the run.
    """

    def __init__(self, store: "Store", train: Any, watched: Any, model: "Model", config: dict[str, Any]) -> None:
        super().__init__()
        self.store = store
        self.train = train
        self.watched = watched
        self.model = model
        self.config = config

    def train_dataloader(self) -> Any:
        """One epoch's draws; Lightning asks anew for each."""
        run = self.config["run"]
        batch = run["batch"]
        trainer: Any = self.trainer
        together = batch * trainer.world_size
        first = trainer.current_epoch * run["epoch"]
        # The last epoch may be a short one.
        last = min(first + run["epoch"], run["steps"])
        dataset = self._kind(
            self.store,
            self.train,
            self.model,
            augmentation=self.config["augmentation"],
            draws=self.config["data"]["draws"],
            evenness=self.config["data"]["evenness"],
            seed=run["seed"],
            numbers=range(first * together, last * together),
        )
        sampler: DistributedSampler | None = None
        if trainer.world_size > 1:
            # Lightning's own would shuffle: every step has to be shared out as one process would take it.
            sampler = DistributedSampler(dataset, trainer.world_size, trainer.global_rank, shuffle=False)
        return DataLoader(dataset, batch, sampler=sampler, num_workers=run["workers"])

    @functools.cached_property
    def _kind(self) -> Any:
        """The class of draws that the model learns from."""
        if isinstance(self.model, ImageModel):
            return ImageDraws
        model: Any = self.model
        if model.block == 1:
            return Draws
        return functools.partial(
            WindowDraws, answer(self.store, self.train, model, self.config["loss"]["detail_scale"])
        )

    def val_dataloader(self) -> Any:
        """The watched frames, one by one."""
        return DataLoader(frames_as_they_are(self.store, self.watched, self.model), 1)
