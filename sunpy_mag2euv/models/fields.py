"""Models that answer to a magnetogram."""

from dataclasses import dataclass

from sunpy_mag2euv.models.model import Model
from sunpy_mag2euv.planes import check_field_planes, field_planes, is_odd
from sunpy_mag2euv.scaling import LinearScaling, scaling_from_dict

__all__ = ["FieldModel"]


@dataclass(frozen=True, eq=False, kw_only=True)
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

    Notes
    -----
    The other attributes are those of `Model`.
    """

    field_scaling: LinearScaling
    unpolarized: bool
    saturation: float = float("inf")
    strongest_field: float = float("inf")

    def __post_init__(self):
        check_field_planes(self.planes)

    @property
    def channels(self):
        """How many planes the network's input has."""
        return len(self.planes)

    @property
    def block(self):
        """Pixels in each direction of the blocks that a network of two scales sees in the large; 1 for others."""
        return self.architecture.get("block", 1)

    def inputs(self, field):
        """
        Field → network input.

        Parameters
        ----------
        field : `~numpy.ndarray`
            Line-of-sight field in gauss, shape ``grid.shape``, 0 where there is none.

        Returns
        -------
        `torch.Tensor`
            Shape (planes, rows, columns), float32.
        """
        import torch

        planes = field_planes(self.planes, field, self.field_scaling, self.grid, saturation=self.saturation)
        return torch.from_numpy(planes)

    def run(self, field, device):
        """
        Field → network output, by way of `inputs`.

        Parameters
        ----------
        field : `~numpy.ndarray`
            As `inputs` takes it.
        device : `torch.device`

        Returns
        -------
        `torch.Tensor`
            Shape (planes, rows, columns), as `outputs` takes it.
        """
        import torch

        inputs, network = self.inputs(field)[None], self.network(device)
        if self.unpolarized and not getattr(network, "unpolarized", False):
            # Planes are even or odd in the field.
            signs = torch.tensor([-1.0 if is_odd(plane) else 1.0 for plane in self.planes])
            inputs = torch.cat([inputs, inputs * signs[:, None, None]])
        with torch.inference_mode():
            return network(inputs.to(device, memory_format=torch.channels_last)).mean(dim=0)

    def record(self):
        """Everything but the weights, as plain data for JSON."""
        return super().record() | {
            "field_scaling": self.field_scaling.to_dict(),
            "unpolarized": self.unpolarized,
            "saturation": self.saturation,
            "strongest_field": self.strongest_field,
        }

    @classmethod
    def _from_record(cls, record, **kwargs):
        return super()._from_record(
            record,
            field_scaling=scaling_from_dict(record["field_scaling"]),
            unpolarized=record["unpolarized"],
            # Older weights do not say it.
            saturation=record.get("saturation", float("inf")),
            strongest_field=record["strongest_field"],
            **kwargs,
        )
