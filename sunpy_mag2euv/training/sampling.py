"""
What a network is shown: frames drawn, varied and scaled, each a pure function of the run's seed and of its number.

Nothing depends on what was drawn before, or by which process. So a run that was killed goes on as if it had not been,
and several processes draw together what one would draw with a batch as large as theirs together.
"""

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

__all__ = ["Draws", "Frames", "Sampling"]


class Frames(Dataset):
    """
    Frames as they are, in order.

    Parameters
    ----------
    store : Store
    rows : sequence of int
        Of the store's manifest.
    model : Model
        Its scalings and planes.
    """

    def __init__(self, store, rows, model):
        self.store = store
        self.rows = list(rows)
        self.model = model
        self.passbands = list(model.image_scalings)
        self.columns = store.columns(self.passbands)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        """The frame of one row; see `_example`."""
        row = self.rows[number]
        return self._example(row, self.store.field(row), self._images(row), self.store.weight(row))

    def _images(self, row):
        """Scaled images, shape (passbands, rows, columns), NaN where there is no data."""
        images = self.store.images(row, self.passbands)
        for image, scaling in zip(images, self.model.image_scalings.values(), strict=True):
            image[...] = scaling.forward(image)
        return images

    def _example(self, row, field, images, weight):
        """
        Tensors by name.

        ``inputs`` (planes, H, W); ``targets`` (passbands, H, W), NaN where there is no data; ``weight`` (H, W);
        ``ceiling`` (passbands,), scaled values from which targets are lower limits, infinite where there are none.
        """
        ceilings = self.store.ceilings[row, self.columns]
        scaled = [
            scaling.forward(ceiling) if np.isfinite(ceiling) else np.inf
            for scaling, ceiling in zip(self.model.image_scalings.values(), ceilings, strict=True)
        ]
        return {
            "inputs": self.model.inputs(field),
            "targets": torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)),
            "weight": torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32)),
            "ceiling": torch.tensor(scaled, dtype=torch.float32),
        }


class Draws(Frames):
    """
    Frames drawn at random, with replacement, and varied.

    Parameters
    ----------
    store, rows, model
        As of `Frames`.
    augmentation : dict
        The table of this name of the configuration.
    draws : dict
        How often frames of a source are drawn compared with others; 1 unless given.
    seed : int
    numbers : range
        Which draws these are, counted from the run's first.
    """

    def __init__(self, store, rows, model, *, augmentation, draws, seed, numbers):
        super().__init__(store, rows, model)
        chance = np.array([draws.get(str(source), 1) for source in store.frames["source"][self.rows]], dtype=float)
        self.chance = chance / chance.sum()
        self.augmentation = augmentation
        self.seed = seed
        self.numbers = numbers
        self.disk = store.grid.radius < 1

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, number):
        """The draw of one number; see `Frames`."""
        rng = np.random.default_rng([self.seed, self.numbers[number]])
        row = self.rows[rng.choice(len(self.rows), p=self.chance)]
        field = self.store.field(row)
        return self._example(row, *self._varied(field, self._images(row), self.store.weight(row), rng))

    def _varied(self, field, images, weight, rng):
        """A mirror image, another polarity, the noise, gain and clipping of other magnetograms, another pointing."""
        vary = self.augmentation
        if vary["mirror"]:
            for axis in (-1, -2):
                if rng.random() < 0.5:
                    field, images, weight = (np.flip(array, axis) for array in (field, images, weight))
        if vary["polarity"] and rng.random() < 0.5:
            field = -field
        field = field * np.exp(rng.normal(0, vary["gain"])) + rng.normal(0, rng.uniform(0, vary["noise"]), field.shape)
        if rng.random() < vary["clipping"]:
            limit = rng.uniform(140, 1000)
            field = np.clip(field, -limit, limit)
        field = np.where(self.disk, field, 0)
        if vary["shift"]:
            rows, columns = rng.integers(-vary["shift"], vary["shift"] + 1, 2)
            field = _shifted(field, rows, columns, 0)
            images = _shifted(images, rows, columns, np.nan)
            weight = _shifted(weight, rows, columns, 0)
        return field, images, weight


def _shifted(array, rows, columns, fill):
    """What comes in at the edges is ``fill``, not what went out on the other side."""
    shifted = np.full_like(array, fill)
    height, width = array.shape[-2:]
    to = np.s_[..., max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)]
    start = np.s_[..., max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)]
    shifted[to] = array[start]
    return shifted


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
        dataset = Draws(
            self.store,
            self.train,
            self.model,
            augmentation=self.config["augmentation"],
            draws=self.config["data"]["draws"],
            seed=run["seed"],
            numbers=range(first * together, last * together),
        )
        sampler = None
        if self.trainer.world_size > 1:
            # Lightning's own would shuffle: every step has to be shared out as one process would take it.
            sampler = DistributedSampler(dataset, self.trainer.world_size, self.trainer.global_rank, shuffle=False)
        return DataLoader(dataset, batch, sampler=sampler, num_workers=run["workers"])

    def val_dataloader(self):
        """The watched frames, one by one."""
        return DataLoader(Frames(self.store, self.watched, self.model), 1)
