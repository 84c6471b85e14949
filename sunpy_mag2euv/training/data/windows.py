"""
What a network of two scales is shown to learn detail from: parts of frames, with what its coarse part says of them.

The coarse part is left as it is and sees far, so its answers are found once, for whole frames. What is asked for is
what the observed images have beyond them, without what is missing at large scales: from few days, a network would learn
how bright these were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from sunpy_mag2euv.network import build_network, enlarged
from sunpy_mag2euv.planes import field_planes
from sunpy_mag2euv.training.data.sampling import Draws, frames_as_they_are

if TYPE_CHECKING:
    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.training.data.store import Store

__all__ = ["Answered", "WindowDraws", "answer", "without_mean"]

#: Pixels around a window in which the field is known to its planes.
_MARGIN = 64

#: Solar radii to which windows are looked for: what the field has to do with is on the disk or just off the limb.
_OUTERMOST = 1.05

_SOLAR_RADIUS_MM = 696


@dataclass(frozen=True)
class Answered:
    """
    A frame with what the coarse part says of it.

    Attributes
    ----------
    field : `~numpy.ndarray`
        In gauss, float32, shape (H, W).
    coarse : `~numpy.ndarray`
        Images and logarithms of their deviations, float16, shape (2 · passbands, H / block, W / block).
    missing : `~numpy.ndarray`
        Scaled, float16, shape (passbands, H, W): target minus coarse image without its mean around every pixel, NaN
        where it is not known or only a lower limit.
    targets : `~numpy.ndarray`
        Scaled, float16, shape (passbands, H, W), NaN where there is no data.
    weight : `~numpy.ndarray`
        Shape (H, W).
    ceiling : `torch.Tensor`
        Shape (passbands,), see `~sunpy_mag2euv.training.data.sampling.Frames`.
    binning : int
        How many pixels in each direction have one value in the targets.
    places : `~numpy.ndarray`
        Numbers of the pixels of the flattened frame in whose surroundings there is something to learn.
    """

    field: np.ndarray
    coarse: np.ndarray
    missing: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    ceiling: torch.Tensor
    binning: int
    places: np.ndarray


def without_mean(values: npt.NDArray, weight: npt.NDArray, sigma: float) -> npt.NDArray:
    """
    Subtract the mean around every pixel.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Shape (H, W), NaN where unknown.
    weight : `~numpy.ndarray`
        Of the pixels, shape (H, W).
    sigma : float
        Standard deviation in pixels of the Gaussian that the mean is taken with.

    Returns
    -------
    `~numpy.ndarray`
    """
    known = np.isfinite(values)
    share = np.where(known, weight, 0).astype(np.float32)
    total, count = (gaussian_filter(plane, sigma) for plane in (np.where(known, values, 0) * share, share))
    return values - total / np.maximum(count, np.float32(1e-3))


def answer(store: "Store", rows: npt.NDArray | Sequence[int], model: "FieldModel", scale: float) -> dict[int, Answered]:
    """
    Ask the coarse part of a model about frames.

    Parameters
    ----------
    store : Store
    rows : sequence of int
        Of the store's manifest.
    model : FieldModel
        Of two scales.
    scale : float
        In Mm; standard deviation of the Gaussian that means are taken with.

    Returns
    -------
    dict of Answered
        By row.
    """
    sigma = scale / _SOLAR_RADIUS_MM * model.grid.solar_radius
    count, near = len(model.image_scalings), model.grid.radius < _OUTERMOST
    network: Any = build_network(**model.architecture).eval()
    # Detail has yet to be learnt.
    network.load_state_dict(model.state, strict=False)
    answers = {}
    frames: Any = frames_as_they_are(store, rows, model)
    for row, frame in zip(rows, tqdm(frames, desc="coarse", leave=False), strict=True):
        with torch.inference_mode():
            coarse = network.in_the_large(frame["inputs"][None])
            images = enlarged(coarse, model.block)[0, :count].numpy()
        targets, weight = frame["targets"].numpy(), frame["weight"].numpy()
        missing = np.full(targets.shape, np.nan, dtype=np.float16)
        for number, (target, image, ceiling) in enumerate(zip(targets, images, frame["ceiling"], strict=True)):
            if np.isfinite(target).any():
                # How bright saturated pixels are is not known, and of detail it would matter most.
                known = np.where(target < ceiling.item(), target, np.float32(np.nan))
                missing[number] = without_mean(known - image, weight, sigma)
        answers[row] = Answered(
            store.field(row),
            coarse[0].numpy().astype(np.float16),
            missing,
            targets.astype(np.float16),
            weight,
            frame["ceiling"],
            frame["binning"],
            np.flatnonzero(np.isfinite(missing).any(axis=0) & near),
        )
    return answers


class WindowDraws(Draws):
    """
    Parts of frames drawn at random, with replacement, and varied.

    Parameters
    ----------
    answers : dict of Answered
        For all ``rows``.
    store, rows, model, augmentation, draws, evenness, seed, numbers
        As of `~sunpy_mag2euv.training.data.sampling.Draws`.
    """

    def __init__(self, answers: Any, *frames: Any, **settings: Any) -> None:
        super().__init__(*frames, **settings)
        self.answers = answers
        self.planes = self.model.planes[self.model.architecture["coarse"]["in_channels"] :]

    def _draw(self, row: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """
        Tensors by name.

        ``planes`` (planes, S, S) and ``coarse`` (2 · passbands, S, S), what the network is given; ``missing`` and
        ``targets`` (passbands, S, S), ``weight`` (S, S), ``ceiling`` and ``binning``, as of `Answered`.
        """
        frame, size = self.answers[row], self.augmentation["crop"]
        window = self._window(frame, size, rng)
        parts = [
            self._seen(frame.field, window, rng),
            self._enlarged(frame.coarse, window),
            *(array[(..., *window)].astype(np.float32) for array in (frame.missing, frame.targets, frame.weight[None])),
        ]
        counts = np.cumsum([len(part) for part in parts])[:-1]
        (whole,) = self._turned([np.concatenate(parts)], rng)
        planes, coarse, missing, targets, weight = np.split(whole, counts)
        tensors = {"planes": planes, "coarse": coarse, "missing": missing, "targets": targets, "weight": weight[0]}
        return {
            **{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()},
            "ceiling": frame.ceiling,
            "binning": frame.binning,
        }

    def _window(self, frame: Any, size: int, rng: np.random.Generator) -> tuple:
        """Rows and columns of a square around a pixel of which something is known; of whole blocks, off the edges."""
        block, edges = self.model.block, []
        place = np.unravel_index(rng.choice(frame.places), self.model.grid.shape)
        for pixel, number in zip(place, self.model.grid.shape, strict=True):
            start = pixel - size // 2 + rng.integers(-size // 4, size // 4 + 1)
            start = block * round(min(max(start, block), number - size - block) / block)
            edges.append(slice(int(start), int(start) + size))
        return tuple(edges)

    def _seen(self, field: npt.NDArray, window: Any, rng: np.random.Generator) -> npt.NDArray:
        """Planes of the field in a window, as another magnetograph might have seen it."""
        around = tuple(slice(edge.start - _MARGIN, edge.stop + _MARGIN) for edge in window)
        grid = self.model.grid.crop(*around)
        padded = np.pad(field, _MARGIN)
        part = padded[tuple(slice(edge.start, edge.stop + 2 * _MARGIN) for edge in window)]
        part = np.where(grid.radius < 1, self._as_of_another(part, rng), np.float32(0))
        part = torch.from_numpy(part.astype(np.float32))
        planes = field_planes(self.planes, part, self.model.field_scaling, grid, saturation=self.model.saturation)
        return planes.numpy()[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]

    def _enlarged(self, coarse: Any, window: Any) -> npt.NDArray:
        """The coarse part's answers in a window; a block around it makes them what they are in the whole frame."""
        block = self.model.block
        rows, columns = (slice(edge.start // block - 1, edge.stop // block + 1) for edge in window)
        part = torch.from_numpy(coarse[:, rows, columns].astype(np.float32))[None]
        return enlarged(part, block)[0, :, block:-block, block:-block].numpy()
