"""Models that answer to a magnetogram."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.field_kinds import KINDS, LINE_OF_SIGHT
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models.model import Model
from sunpy_mag2euv.models.record import check, entry, is_number, is_scaling
from sunpy_mag2euv.planes import block_of, check_field_planes, field_planes, is_odd
from sunpy_mag2euv.scaling import LinearScaling, scaling_from_dict

if TYPE_CHECKING:
    import torch

__all__ = ["FieldModel"]

#: What the attributes that other models do not have must be.
_TABLE = {
    "field_scaling": ("a scaling", is_scaling),
    "unpolarized": ("True or False", lambda value: isinstance(value, bool)),
    "saturation": ("a positive number", lambda value: is_number(value, 1e-6)),
    "strongest_field": ("a positive number", lambda value: is_number(value, 1e-6)),
    "field_kind": (f"one of {', '.join(map(repr, KINDS))}", lambda value: isinstance(value, str) and value in KINDS),
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FieldModel(Model):
    """
    A model that answers to a magnetogram.

    Attributes
    ----------
    field_scaling : LinearScaling
        Scaling of the line-of-sight field in gauss; antisymmetric.
    unpolarized : bool
        Whether the answers to the field and to the field with all signs reversed are averaged, so that emission depends
        on polarity as little as it does on the Sun: not at all.
    saturation : float
        In gauss; beyond it, planes of the grid's own pixels do not tell fields apart, see
        `~sunpy_mag2euv.planes.field_planes`.
    strongest_field : float
        In gauss; what the fields trained on hardly ever exceed, averaged over the blocks of `block`.
    field_kind : str
        What the fields trained on are, see `sunpy_mag2euv.field_kinds`.

    Notes
    -----
    The other attributes are those of `Model`.
    """

    field_scaling: LinearScaling
    unpolarized: bool
    saturation: float = float("inf")
    strongest_field: float = float("inf")
    field_kind: str = LINE_OF_SIGHT

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, _TABLE)
        check_field_planes(self.planes)
        for plane in self.planes:
            self.grid.binned(block_of(plane))
        scaling = self.field_scaling
        if self.unpolarized and not (scaling.low == -scaling.high and abs(scaling.forward(0.0)) < 1e-9):
            raise ValueError(
                f"a model that does not know polarity must scale fields of both signs alike; {self.field_scaling} "
                "does not"
            )

    @property
    def source(self) -> str:
        """What it answers to, in words."""
        return "a magnetogram"

    @property
    def channels(self) -> int:
        """How many planes the network's input has."""
        return len(self.planes)

    @property
    def block(self) -> int:
        """Pixels in each direction of the blocks that a network of two scales sees in the large; 1 for others."""
        return self.architecture.get("block", 1)

    @isolated()
    def inputs(self, field: npt.NDArray, device: "torch.device | str" = "cpu") -> "torch.Tensor":
        """
        Field → network input.

        Parameters
        ----------
        field : `~numpy.ndarray`
            Line-of-sight field in gauss, shape ``grid.shape``, 0 where there is none.
        device : `torch.device`, optional
            Where the planes are computed, and stay.

        Returns
        -------
        `torch.Tensor`
            Shape (planes, rows, columns), float32.
        """
        import torch

        field = torch.from_numpy(field.astype(np.float32)).to(device)
        return field_planes(self.planes, field, self.field_scaling, self.grid, saturation=self.saturation)

    @isolated()
    def run(self, field: npt.NDArray, device: "torch.device") -> "torch.Tensor":
        """
        Field → network output, by way of `inputs`.

        Parameters
        ----------
        field : `~numpy.ndarray`
            As `inputs` takes it; or several, shape (fields, rows, columns), which a GPU answers to sooner together.
        device : `torch.device`

        Returns
        -------
        `torch.Tensor`
            Shape (planes, rows, columns), or (fields, planes, rows, columns), as `outputs` takes it.
        """
        import torch

        if field.ndim > 2:
            return self._ask(torch.stack([self.inputs(each, device) for each in field]), device)
        return self._ask(self.inputs(field, device)[None], device)[0]

    def _ask(self, inputs: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
        """What the network says, averaged over both polarities unless it does so itself."""
        import torch

        if not self.unpolarized or getattr(self.quick_network(device), "unpolarized", False):
            return self._answer(inputs, device)
        # Planes are even or odd in the field.
        signs = inputs.new_tensor([-1.0 if is_odd(plane) else 1.0 for plane in self.planes])
        answers = self._answer(torch.cat([inputs, inputs * signs[:, None, None]]), device)
        return answers.unflatten(0, (2, -1)).mean(dim=0)

    def _check_shapes(self, network: Any) -> None:
        """A network of two scales, also, must be given blocks for its coarse part, and know which are odd."""
        super()._check_shapes(network)
        if self.architecture["kind"] != "two-scale":
            return
        if network.block != self.block:
            raise ValueError(f"the architecture of {self.name} must say its block")
        of_blocks, of_pixels = self.planes[: network.coarse_channels], self.planes[network.coarse_channels :]
        if wrong := [plane for plane in of_blocks if block_of(plane) % network.block]:
            raise ValueError(
                f"the coarse part of {self.name} must see blocks of {network.block} pixels; {wrong[0]!r} are none"
            )
        if wrong := [plane for plane in of_pixels if is_odd(plane)]:
            raise ValueError(f"the detail of {self.name} must not depend on polarity; {wrong[0]!r} does")
        signs = [-1 if is_odd(plane) else 1 for plane in of_blocks]
        if network.signs != signs:
            raise ValueError(
                f"odd of the architecture of {self.name} must be {[n for n, sign in enumerate(signs) if sign < 0]}, "
                f"which are the planes that change their sign with the field; it is {self.architecture.get('odd')}"
            )

    def record(self) -> dict[str, Any]:
        """Everything but the weights, as plain data for JSON."""
        return super().record() | {
            "field_scaling": self.field_scaling.to_dict(),
            "unpolarized": self.unpolarized,
            "saturation": self.saturation,
            "strongest_field": self.strongest_field,
            "field_kind": self.field_kind,
        }

    @classmethod
    def _from_record(cls, record: dict[str, Any], **kwargs: Any) -> Self:
        # Older weights do not say it.
        record = {"saturation": float("inf"), "field_kind": LINE_OF_SIGHT} | record
        return super()._from_record(
            record,
            field_scaling=scaling_from_dict(entry(record, "field_scaling", dict)),
            unpolarized=entry(record, "unpolarized"),
            saturation=entry(record, "saturation"),
            strongest_field=entry(record, "strongest_field"),
            field_kind=entry(record, "field_kind"),
            **kwargs,
        )
