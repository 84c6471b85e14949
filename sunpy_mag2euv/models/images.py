"""Models that answer to AIA images of other passbands."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models.model import Model
from sunpy_mag2euv.models.record import (
    by_number,
    by_text,
    check,
    each,
    is_number,
    is_scaling,
    scalings_from_record,
    scalings_record,
)
from sunpy_mag2euv.passbands import Passband, get_passband
from sunpy_mag2euv.planes import GEOMETRY, check_image_planes, image_planes
from sunpy_mag2euv.scaling import LinearScaling

if TYPE_CHECKING:
    import torch

__all__ = ["ImageModel"]

#: What the attributes that other models do not have must be.
_TABLE = {
    "input_scalings": (
        "a scaling for each of one or more passbands",
        lambda scalings: each(is_scaling)(scalings) and len(scalings) > 0,
    ),
    "levels": ("positive numbers by passband", each(is_number, 1e-6, 1e9)),
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ImageModel(Model):
    """
    A model that answers to AIA images of other passbands.

    Attributes
    ----------
    input_scalings : dict
        For every passband (int, angstrom) that it can be given, in the order of the input planes, the scaling of its
        image in DN/s.
    levels : dict
        For every such passband, the median on the disk of the images trained on, in DN/s.

    Notes
    -----
    The other attributes are those of `Model`.
    """

    input_scalings: dict[int, LinearScaling]
    levels: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, _TABLE)
        check_image_planes(self.planes)
        count = self.architecture.get("images", len(self.input_scalings))
        if self.architecture["kind"] == "any-to-any" and (
            self.planes[:2] != ("image", "known") or count != len(self.input_scalings)
        ):
            raise ValueError(
                f"a network from any to any must see images of {len(self.input_scalings)} passbands, and then where "
                f"they are known; this one sees {', '.join(self.planes)} of {count!r}"
            )

    @property
    def source(self) -> str:
        """What it answers to, in words."""
        bands = ", ".join(map(str, self.input_scalings))
        return f"AIA images, {'any' if self.selective else 'all'} of {bands} Å"

    @property
    def channels(self) -> int:
        """How many planes the network's input has; some of those in ``planes`` stand for one of each passband."""
        return sum(1 if plane in GEOMETRY else len(self.input_scalings) for plane in self.planes)

    @property
    def input_passbands(self) -> tuple[Passband, ...]:
        """The passbands that it can be given, as `~sunpy_mag2euv.passbands.Passband`."""
        return tuple(get_passband(angstrom) for angstrom in self.input_scalings)

    @property
    def selective(self) -> bool:
        """Whether any of `input_passbands` will do; otherwise all are needed."""
        return "known" in self.planes

    @isolated()
    def inputs(self, images: Mapping[int, npt.NDArray]) -> "torch.Tensor":
        """
        Images → network input.

        Parameters
        ----------
        images : dict
            For passbands (int, angstrom) out of `input_passbands`, the image in DN/s, shape ``grid.shape``, NaN where
            it is not known.

        Returns
        -------
        `torch.Tensor`
            Shape (planes, rows, columns), float32.
        """
        import torch

        return torch.from_numpy(image_planes(self.planes, images, self.input_scalings, self.grid))

    @isolated()
    def run(
        self,
        images: Mapping[int, npt.NDArray],
        device: "torch.device",
        answers: "dict[tuple[int, ...], torch.Tensor] | None" = None,
    ) -> "torch.Tensor":
        """
        Images → network output, by way of `inputs`.

        A model that takes any images is asked about every single one and every two of them, see `estimate`. Sets of
        images to learn from are few, so that what a network makes of many images at once is learnt less well than what
        it makes of two.

        Parameters
        ----------
        images : dict
            As `inputs` takes it.
        device : `torch.device`
        answers : dict, optional
            Answers so far to parts of the same images, by the passbands of the part; the new ones are added.

        Returns
        -------
        `torch.Tensor`
            Shape (planes, rows, columns), or (answers, planes, rows, columns) if there are several. Of several, each is
            NaN where none of its images is known.
        """
        import torch

        answers = {} if answers is None else answers
        parts = self._parts(images)
        with torch.inference_mode():
            for part in parts:
                if part not in answers:
                    inputs = self.inputs({band: images[band] for band in part})
                    answers[part] = self._answer(inputs[None], device)[0]
            if len(parts) == 1:
                return answers[parts[0]]
            known = {band: torch.from_numpy(np.isfinite(image)).to(device) for band, image in images.items()}
            seen = [torch.stack([known[band] for band in part]).any(dim=0) for part in parts]
            return torch.stack([answers[part].where(there, np.nan) for part, there in zip(parts, seen, strict=True)])

    def estimate(self, scaled: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor | None]":
        """
        What the network's answers say of the images, in DN/s.

        Several answers are a mixture, in which the weight of each is the square of its mean over its deviation, pixel
        by pixel: how well it claims to know. The deviation is that of the mixture: what the answers say of their own
        errors, and how far they are apart. It is not less than those of single answers, as it would be for independent
        ones, which they are not.

        Parameters
        ----------
        scaled : `torch.Tensor`
            As `run` returns it.

        Returns
        -------
        mean, deviation : `torch.Tensor`
            Shape (passbands, rows, columns); the deviation is None for a network without deviations, whose answers
            weigh the same. NaN where several answers are, all of them.
        """
        mean, deviation = self.moments(scaled)
        if scaled.ndim == 3:
            return mean, deviation
        known = mean.isfinite()
        # A mean of nought is no reason to have no weight at all.
        weights = known.to(mean.dtype)
        if deviation is not None:
            weights = weights * ((mean / deviation).square().nan_to_num() + 1e-6)
        weights = weights / weights.sum(dim=0)
        each = mean.nan_to_num()
        mean = (weights * each).sum(dim=0)
        if deviation is None:
            return mean, None
        variances = deviation.nan_to_num().square() + (each - mean).square()
        return mean, (weights * variances).sum(dim=0).sqrt()

    def _parts(self, images: Iterable[int]) -> list[tuple[int, ...]]:
        """What the network is asked about: passbands out of those of ``images``."""
        bands = sorted(images)
        if not self.selective or len(bands) < 2:
            return [tuple(bands)]
        return [part for size in (1, 2) for part in itertools.combinations(bands, size)]

    def record(self) -> dict[str, Any]:
        """Everything but the weights, as plain data for JSON."""
        return super().record() | {
            "input_scalings": scalings_record(self.input_scalings),
            "levels": by_text(self.levels),
        }

    @classmethod
    def _from_record(cls, record: dict[str, Any], **kwargs: Any) -> Self:
        return super()._from_record(
            record,
            input_scalings=scalings_from_record(record, "input_scalings"),
            levels=by_number(record, "levels"),
            **kwargs,
        )
