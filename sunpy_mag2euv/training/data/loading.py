"""How draws reach a run: in epochs, batches and processes."""

import functools

import lightning.pytorch as pl
from torch.utils.data import DataLoader, DistributedSampler

from sunpy_mag2euv.models import ImageModel
from sunpy_mag2euv.training.data.sampling import Draws, ImageDraws, frames_as_they_are
from sunpy_mag2euv.training.data.windows import WindowDraws, answer

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

    def __init__(self, store, train, watched, model, config):
        super().__init__()
        self.store = store
        self.train = train
        self.watched = watched
        self.model = model
        self.config = config

    def train_dataloader(self):
        """One epoch's draws; Lightning asks anew for each."""
        run = self.config["run"]
        batch = run["batch"]
        together = batch * self.trainer.world_size
        first = self.trainer.current_epoch * run["epoch"]
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
        sampler = None
        if self.trainer.world_size > 1:
            # Lightning's own would shuffle: every step has to be shared out as one process would take it.
            sampler = DistributedSampler(dataset, self.trainer.world_size, self.trainer.global_rank, shuffle=False)
        return DataLoader(dataset, batch, sampler=sampler, num_workers=run["workers"])

    @functools.cached_property
    def _kind(self):
        """The class of draws that the model learns from."""
        if isinstance(self.model, ImageModel):
            return ImageDraws
        if self.model.block == 1:
            return Draws
        return functools.partial(
            WindowDraws, answer(self.store, self.train, self.model, self.config["loss"]["detail_scale"])
        )

    def val_dataloader(self):
        """The watched frames, one by one."""
        return DataLoader(frames_as_they_are(self.store, self.watched, self.model), 1)
