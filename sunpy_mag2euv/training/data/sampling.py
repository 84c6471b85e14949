"""
What a network is shown: frames drawn, varied and scaled, each a pure function of the run's seed and of its number.

Nothing depends on what was drawn before, or by which process. So a run that was killed goes on as if it had not been,
and several processes draw together what one would draw with a batch as large as theirs together.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch.utils.data import Dataset

from sunpy_mag2euv.models import ImageModel

if TYPE_CHECKING:
    from sunpy_mag2euv.models import Model
    from sunpy_mag2euv.training.data.store import Store

__all__ = ["Draws", "Frames", "ImageDraws", "ImageFrames", "frames_as_they_are"]


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

    def __init__(self, store: "Store", rows: npt.NDArray | Sequence[int], model: "Model") -> None:
        self.store = store
        self.rows = list(rows)
        self.model: Any = model
        self.passbands = list(model.image_scalings)
        self.columns = store.columns(self.passbands)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """The frame of one row; see `_example`."""
        row = self.rows[number]
        return self._example(row, self.given(row), self._images(row), self.store.weight(row))

    def given(self, row: int) -> Any:
        """What a model is given of a row of the store's manifest: the field."""
        return self.store.field(row)

    def asked(self, row: int) -> list[int]:
        """The passbands of a row that a model is to make of what it is given."""
        has = self.store.has[row, self.columns]
        return [band for band, there in zip(self.passbands, has, strict=True) if there]

    def _images(self, row: int) -> npt.NDArray:
        """Images to learn in DN/s, shape (passbands, rows, columns), NaN where there is no data."""
        return self.store.images(row, self.passbands)

    def _example(self, row: int, given: Any, images: Any, weight: npt.NDArray) -> dict[str, torch.Tensor]:
        """
        Tensors by name, of what the model is given and of the images to learn.

        ``inputs`` (planes, H, W); ``targets`` (passbands, H, W), NaN where there is no data; ``weight`` (H, W);
        ``ceiling`` (passbands,), scaled values from which targets are lower limits, infinite where there are none;
        ``binning``, how many pixels in each direction have one value in the targets.
        """
        ceilings = self.store.ceilings[row, self.columns]
        scalings = self.model.image_scalings.values()
        scaled = [
            scaling.forward(ceiling) if np.isfinite(ceiling) else np.inf
            for scaling, ceiling in zip(scalings, ceilings, strict=True)
        ]
        targets = [scaling.forward(image) for scaling, image in zip(scalings, images, strict=True)]
        return {
            "inputs": self.model.inputs(given),
            "targets": torch.from_numpy(np.stack(targets).astype(np.float32)),
            "weight": torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32)),
            "ceiling": torch.tensor(scaled, dtype=torch.float32),
            "binning": int(self.store.binning[row]),
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
    evenness : float
        How much more often frames of rare activity are drawn: 0 for not at all, 1 for a Sun of any activity as often as
        of any other.
    seed : int
    numbers : range
        Which draws these are, counted from the run's first.
    """

    def __init__(
        self,
        store: "Store",
        rows: npt.NDArray | Sequence[int],
        model: "Model",
        *,
        augmentation: dict[str, Any],
        draws: dict[str, float],
        evenness: float,
        seed: int,
        numbers: Any,
    ) -> None:
        super().__init__(store, rows, model)
        chance = np.array([draws.get(str(source), 1) for source in store.frames["source"][self.rows]], dtype=float)
        if evenness:
            chance *= _rarity(store, tuple(self.rows)) ** evenness
        self.chance = chance / chance.sum()
        self.augmentation = augmentation
        self.seed = seed
        self.numbers = numbers
        self.disk = store.grid.radius < 1

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """The draw of one number; see `Frames`."""
        rng = np.random.default_rng([self.seed, self.numbers[number]])
        row = self.rows[rng.choice(len(self.rows), p=self.chance)]
        return self._draw(row, rng)

    def _draw(self, row: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        field = self.store.field(row)
        return self._example(row, *self._varied(field, self._images(row), self.store.weight(row), rng))

    def _varied(self, field: npt.NDArray, images: npt.NDArray, weight: npt.NDArray, rng: np.random.Generator) -> tuple:
        """Another orientation and pointing, and a field as another magnetograph might have seen it."""
        field, images, weight = self._turned((field, images, weight), rng)
        field = np.where(self.disk, self._as_of_another(field, rng), 0)
        if shift := self.augmentation["shift"]:
            rows, columns = rng.integers(-shift, shift + 1, 2)
            field = _shifted(field, rows, columns, 0)
            images = _shifted(images, rows, columns, np.nan)
            weight = _shifted(weight, rows, columns, 0)
        return field, images, weight

    def _turned(self, arrays: Any, rng: np.random.Generator) -> Any:
        """The same quarter turn and mirror image of some arrays."""
        if self.augmentation["turns"]:
            turns = int(rng.integers(4))
            arrays = [np.rot90(array, turns, axes=(-2, -1)) for array in arrays]
        if self.augmentation["mirror"]:
            for axis in (-1, -2):
                if rng.random() < 0.5:
                    arrays = [np.flip(array, axis) for array in arrays]
        return arrays

    def _as_of_another(self, field: npt.NDArray, rng: np.random.Generator) -> npt.NDArray:
        """Another polarity, and the sharpness, gain, noise and clipping of other magnetographs."""
        vary = self.augmentation
        if vary["polarity"] and rng.random() < 0.5:
            field = -field
        if vary["blur"] and rng.random() < 0.5:
            field = gaussian_filter(field, rng.uniform(0, vary["blur"]))
        field = field * np.exp(rng.normal(0, vary["gain"])) + _noise(field.shape, rng.uniform(0, vary["noise"]), rng)
        if rng.random() < vary["clipping"]:
            limit = rng.uniform(140, 1000)
            field = np.clip(field, -limit, limit)
        return field


class ImageFrames(Frames):
    """
    Sets of images as they are, in order, for networks that learn some of a set from others.

    A network that takes any subset is given a random half of those that there are, always the same half.

    Parameters are those of `Frames`; ``model`` is an `~sunpy_mag2euv.models.ImageModel`.
    """

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """The set of one row; see `Frames`."""
        row = self.rows[number]
        return self._pair(row, self._set(row), self.given(row), self.store.weight(row))

    def given(self, row: int) -> Any:
        """What a model is given of a row of the store's manifest: images in DN/s, by passband."""
        given = self._there(row)
        if self.model.selective:
            given = np.random.default_rng(row).permutation(given)[: max(1, len(given) // 2)]
        return self.store.unsaturated(row, given)

    def asked(self, row: int) -> list[int]:
        """The passbands of a row that a model is to make of what it is given."""
        given = self.given(row)
        return [band for band in super().asked(row) if band not in given]

    def _set(self, row: int) -> dict[int, npt.NDArray]:
        """All images that matter in DN/s, by passband; NaN where there is no data."""
        bands = sorted({*self.passbands, *self.model.input_scalings})
        return dict(zip(bands, self.store.images(row, bands), strict=True))

    def _there(self, row: int) -> npt.NDArray:
        """The passbands that can be given."""
        inputs = list(self.model.input_scalings)
        return np.array(inputs)[self.store.has[row, self.store.columns(inputs)]]

    def _pair(
        self, row: int, images: dict[int, npt.NDArray], given: Any, weight: npt.NDArray
    ) -> dict[str, torch.Tensor]:
        """What is given is not there to be learnt."""
        missing = np.full(self.store.grid.shape, np.nan, dtype=np.float32)
        wanted = [missing if band in given else images[band] for band in self.passbands]
        return self._example(row, given, wanted, weight)


class ImageDraws(Draws, ImageFrames):
    """
    Sets of images drawn at random, with replacement, and varied; and of each any subset to learn the rest from.

    From one image to all but one are given, each of them at a gain of its own: its level depends on how AIA's
    sensitivity was corrected for. Sometimes all are seen in a window only.

    Parameters are those of `Draws`.
    """

    def _draw(self, row: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        images, given, vary = self._set(row), self._there(row), self.augmentation
        if self.model.selective:
            # One at least is left to learn.
            most = min(len(given), int(self.store.has[row, self.store.columns(list(images))].sum()) - 1)
            # Few images are what one often has, and the hardest to learn from.
            most = min(most, vary["few"]) if rng.random() < 0.5 else most
            given = rng.permutation(given)[: rng.integers(1, most + 1)]
        given = self.store.unsaturated(row, given)
        planes = np.stack([*images.values(), *given.values(), self.store.weight(row)])
        if vary["mirror"]:
            planes = np.rot90(planes, int(rng.integers(4)), axes=(-2, -1))
            if rng.random() < 0.5:
                planes = planes[..., ::-1]
        if vary["shift"]:
            rows, columns = rng.integers(-vary["shift"], vary["shift"] + 1, 2)
            planes = _shifted(planes, rows, columns, np.nan)
        *planes, weight = planes
        images, weight = dict(zip(images, planes, strict=False)), np.nan_to_num(weight)
        given = {
            band: image * np.exp(rng.normal(0, vary["gain"]))
            for band, image in zip(given, planes[len(images) :], strict=True)
        }
        if rng.random() < vary["window"]:
            seen = _window(weight.shape, rng)
            given = {band: np.where(seen, image, np.nan) for band, image in given.items()}
            # What is outside is asked for of nobody.
            weight = weight * seen
        return self._pair(row, images, given, weight)


def _noise(shape: tuple[int, ...], spread: float, rng: np.random.Generator) -> npt.NDArray:
    """Noise as magnetograms have it, of a standard deviation in gauss; half the time alike in neighbouring pixels."""
    noise = rng.normal(0, 1, shape)
    if rng.random() < 0.5:
        noise = gaussian_filter(noise, rng.uniform(0.3, 1))
        noise /= noise.std()
    return spread * noise


@functools.lru_cache(maxsize=2)
def _rarity(store: "Store", rows: npt.NDArray | Sequence[int]) -> npt.NDArray:
    """Of each frame, one over how many there are of its activity: the logarithm of the mean |B| on the disk."""
    disk = store.grid.radius < 1
    # A tenth of a gauss is less than any magnetogram has: a blank one is not to be rarer than all others together.
    activity = np.log([max(np.abs(store.field(row)[disk]).mean(), 0.1) for row in rows])
    # A kernel of a fifth of a factor of e: the solar cycle is some ten of these wide.
    return 1 / np.array([np.exp(-(((activity - own) / 0.2) ** 2) / 2).sum() for own in activity])


def _window(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray:
    """A rectangle of a quarter to three quarters of either side, true inside."""
    seen = []
    for size in shape:
        length = int(size * rng.uniform(0.25, 0.75))
        start = rng.integers(0, size - length + 1)
        seen.append((np.arange(size) >= start) & (np.arange(size) < start + length))
    return np.logical_and.outer(*seen)


def frames_as_they_are(store: "Store", rows: npt.NDArray | Sequence[int], model: "Model") -> Frames:
    """`ImageFrames` or `Frames`, as the model needs them."""
    return (ImageFrames if isinstance(model, ImageModel) else Frames)(store, rows, model)


def _shifted(array: npt.NDArray, rows: int, columns: int, fill: float) -> npt.NDArray:
    """What comes in at the edges is ``fill``, not what went out on the other side."""
    shifted = np.full_like(array, fill)
    height, width = array.shape[-2:]
    to = np.s_[..., max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)]
    start = np.s_[..., max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)]
    shifted[to] = array[start]
    return shifted
