"""What models have in common: a network with all that is known about it."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

import astropy.units as u

from sunpy_mag2euv.execution import number_format
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models.card import card
from sunpy_mag2euv.models.frozen import frozen, thawed
from sunpy_mag2euv.models.record import (
    by_number,
    by_text,
    check,
    each,
    entry,
    grid_from_record,
    is_architecture,
    is_epoch,
    is_grid,
    is_line,
    is_number,
    is_scaling,
    is_text,
    is_whole,
    scalings_from_record,
    scalings_record,
    texts,
)
from sunpy_mag2euv.passbands import Passband, get_passband
from sunpy_mag2euv.scaling import LinearScaling

if TYPE_CHECKING:
    import torch

__all__ = ["Model"]

#: What the attributes must be, see `~sunpy_mag2euv.models.record.check`.
_TABLE = {
    "name": ("a line of text", is_line),
    "description": ("text", is_text),
    "architecture": ("a dictionary with the kind of the network", is_architecture),
    "grid": ("a grid of at most 8192 by 8192 pixels that holds some of the solar disk", is_grid),
    "planes": (
        "a tuple of one to 1000 names",
        lambda planes: isinstance(planes, tuple) and 1 <= len(planes) <= 1000 and all(map(is_text, planes)),
    ),
    "image_scalings": (
        "a scaling for each of one or more passbands",
        lambda scalings: each(is_scaling)(scalings) and len(scalings) > 0,
    ),
    "valid_radius": ("a number from 0.1 to 100 solar radii", lambda radius: is_number(radius, 0.1, 100)),
    "calibration": ("text by passband", each(is_text)),
    "provenance": ("text", is_text),
    "epochs": ("'launch' or a date by passband", each(is_epoch)),
    "caveats": ("text by passband", each(is_text)),
    "references": ("a tuple of texts", lambda texts: isinstance(texts, tuple) and all(map(is_text, texts))),
    "training_images": ("whole numbers by passband", each(is_whole, 0, 10**9)),
    "deviation_factors": ("numbers from 1e-6 to 1e6 by passband", each(is_number, 1e-6, 1e6)),
    "block_factors": ("numbers from 1e-6 to 1e6 by passband", each(is_number, 1e-6, 1e6)),
    "sha256": ("text", is_text),
    "state": ("a dictionary of tensors", lambda state: isinstance(state, dict)),
}

#: Characters of a name that are shown where there is a line for all.
_LONG_NAME = 24

#: In DN/s; what images and their deviations are far from, and single precision is, too.
_HUGE = 1e30


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model:
    """
    A trained network with its grid, scalings, calibration and provenance.

    What models have in common: `FieldModel` answers to a magnetogram, `ImageModel` to AIA images. None of it can be
    changed in place, but for the numbers in tensors; `dataclasses.replace` makes another model.

    Attributes
    ----------
    name : str
        What it is asked for by.
    description : str
        What it is, in a line.
    architecture : dict
        ``kind`` and parameters for `sunpy_mag2euv.network.build_network`.
    grid : Grid
        The pixels it works on.
    planes : tuple of str
        Input planes, see `sunpy_mag2euv.planes`.
    image_scalings : dict
        For every passband (int, angstrom), in the order of the output planes, the scaling of its image in DN/s.
    valid_radius : float
        Distance from the disk's centre, in solar radii, up to which the model has learnt anything.
    calibration : dict
        For every passband, what its DN/s refer to, in words.
    provenance : str
        What it was trained on.
    epochs : dict
        For every passband whose DN/s refer to one epoch of AIA's sensitivity, that epoch: "launch" or a date, see
        `sunpy_mag2euv.sensitivity`.
    caveats : dict
        For the passbands that have one, a sentence that users are warned with.
    references : tuple of str
        DOIs of the papers to read and cite.
    training_images : dict
        For every passband, how many images of it the model was trained on.
    deviation_factors : dict
        For every passband, what the network's standard deviations are multiplied by. Found on frames that were not
        trained on, so that intervals hold as much as they say; empty for networks that give no deviations.
    block_factors : dict
        For passbands of a network of two scales, the standard deviation of the mean over a block of pixels, in units of
        the mean of their standard deviations. Errors of neighbours are much alike, so it is not far below 1.
    sha256 : str
        Of the weights file.
    state : dict
        Parameter tensors by name.

    Raises
    ------
    ValueError
        If an attribute is not what it must be, whoever makes the model: nothing can be computed with it then.
    """

    name: str
    description: str
    architecture: dict
    grid: Grid
    planes: tuple[str, ...]
    image_scalings: dict[int, LinearScaling]
    valid_radius: float
    calibration: dict[int, str]
    provenance: str
    epochs: dict[int, str] = field(default_factory=dict)
    caveats: dict[int, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    training_images: dict[int, int] = field(default_factory=dict)
    deviation_factors: dict[int, float] = field(default_factory=dict)
    block_factors: dict[int, float] = field(default_factory=dict)
    sha256: str = ""
    state: dict = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check(self, _TABLE)
        if missing := [band for band in self.image_scalings if band not in self.calibration]:
            raise ValueError(f"calibration of a model must be of all its passbands; {missing[0]} is missing")
        for band, scaling in self.image_scalings.items():
            if not _gives_numbers(scaling):
                raise ValueError(
                    f"the image scaling of {band} must give numbers in single precision; {scaling} is too wide"
                )
        for attribute in dataclasses.fields(self):
            object.__setattr__(self, attribute.name, frozen(getattr(self, attribute.name)))

    def __repr__(self) -> str:
        name = self.name if len(self.name) <= _LONG_NAME else f"{self.name[: _LONG_NAME - 1]}…"
        bands, pixels = " ".join(map(str, self.image_scalings)), " × ".join(map(str, self.grid.shape))
        return f"<{type(self).__name__} {name}: {bands} Å, {pixels} pixels>"

    def _repr_html_(self) -> str:
        """The card that notebooks show."""
        return card(self)

    @property
    def source(self) -> str:
        """What it answers to, in words."""
        raise NotImplementedError

    @property
    def passbands(self) -> tuple[Passband, ...]:
        """The passbands that it makes images of, as `~sunpy_mag2euv.passbands.Passband`."""
        return tuple(get_passband(angstrom) for angstrom in self.image_scalings)

    @property
    def channels(self) -> int:
        """How many planes the network's input has."""
        raise NotImplementedError

    def inputs(self, given: Any) -> "torch.Tensor":
        """What it answers to, a field or images → network input."""
        raise NotImplementedError

    def run(self, given: Any, device: "torch.device") -> "torch.Tensor":
        """What it answers to, a field or images → network output."""
        raise NotImplementedError

    @property
    def gives_deviations(self) -> bool:
        """Whether the network says how far off it may be."""
        # One of two scales says so of its coarse part.
        return bool(self.architecture.get("coarse", self.architecture).get("deviations"))

    @property
    def valid(self) -> npt.NDArray:
        """Where on the grid the model has learnt anything; boolean, shape ``grid.shape``."""
        return self.grid.radius <= self.valid_radius

    def moments(self, scaled: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor | None]":
        """
        What the network's output says of the images: mean and standard deviation, as tensors.

        The scaled image is taken to be normally distributed in every pixel, so that in DN/s the mean is a mean: it
        neither falls short of the total, as the median of a skewed distribution does, nor needs a correction.

        Parameters
        ----------
        scaled : `torch.Tensor`
            Shape (..., planes, rows, columns): images; if the network gives deviations, their natural logarithms; and
            if means are to be taken over others than these, the logarithms of those.

        Returns
        -------
        mean, deviation : `torch.Tensor`
            In DN/s, shape (..., passbands, rows, columns). A network without deviations leaves none to take the mean
            over: the image is then the inverse of its output, and the deviation None.

        Raises
        ------
        ValueError
            If it is not one plane for each passband, two or three.
        """
        import torch

        count = len(self.image_scalings)
        if scaled.shape[-3] not in (count, 2 * count, 3 * count):
            raise ValueError(
                f"the model {self.name} needs {count} planes, {2 * count} with deviations, or {3 * count} with others "
                f"for means; got {scaled.shape[-3]}"
            )
        images, *logarithms = scaled.split(count, dim=-3)
        if not logarithms:
            return self._scaled_moments(images, torch.zeros_like(images))[0], None
        mean, deviation = self._scaled_moments(images, logarithms[0].exp())
        if len(logarithms) > 1:
            mean, _ = self._scaled_moments(images, logarithms[1].exp())
        return mean, deviation

    def _scaled_moments(
        self, images: "torch.Tensor", deviations: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Mean and standard deviation in DN/s of scaled images that are normally distributed."""
        import torch

        planes = zip(self.image_scalings.values(), images.unbind(-3), deviations.unbind(-3), strict=True)
        pairs = [scaling.moments(image, deviation) for scaling, image, deviation in planes]
        means, spreads = (torch.stack(planes, dim=-3) for planes in zip(*pairs, strict=True))
        return means, spreads

    def estimate(self, scaled: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor | None]":
        """What ``run`` returns → mean and standard deviation as of `moments`: those of the one answer that there is."""
        return self.moments(scaled)

    @isolated()
    def outputs(self, scaled: "torch.Tensor") -> tuple[u.Quantity, u.Quantity | None]:
        """
        Network output → images.

        Parameters
        ----------
        scaled : `torch.Tensor`
            As ``run`` returns it.

        Returns
        -------
        images : `~astropy.units.Quantity`
            In DN/s, shape (passbands, rows, columns), float32.
        deviations : `~astropy.units.Quantity` or None
            Their standard deviations, same shape; None if the network gives none.
        """
        images, deviations = self.estimate(scaled.detach().float())
        if deviations is not None:
            factors = [self.deviation_factors.get(band, 1) for band in self.image_scalings]
            deviations = _quantity(deviations.cpu().numpy() * np.array(factors, np.float32)[:, None, None])
        return _quantity(images.cpu().numpy()), deviations

    @functools.lru_cache(maxsize=8)  # noqa: B019  (as many models as `files.read` keeps; a study makes hundreds)
    @isolated()
    def network(self, device: "torch.device") -> "torch.nn.Module":
        """
        The network with its weights, as it was trained.

        The same is handed out again and again: whoever wants to change it should copy it first.

        Parameters
        ----------
        device : `torch.device`

        Returns
        -------
        `torch.nn.Module`
            In evaluation mode and single precision, with weights of its own, which do not change with those in
            ``state``.

        Raises
        ------
        ValueError
            If grid, planes or weights do not fit the architecture, or weights are not finite.
        """
        return self._build().to(device)

    def quick_network(self, device: "torch.device") -> "torch.nn.Module":
        """
        The network as ``run`` asks it, see `~sunpy_mag2euv.network.quickened`.

        Parameters
        ----------
        device : `torch.device`

        Returns
        -------
        `torch.nn.Module`

        Raises
        ------
        ValueError
            As by `network`.
        """
        return self._quickened(device, number_format(self.grid, device))

    @functools.lru_cache(maxsize=8)  # noqa: B019
    @isolated()
    def _quickened(self, device: "torch.device", dtype: "torch.dtype") -> "torch.nn.Module":
        import torch

        from sunpy_mag2euv.network import quickened

        # Channels of a pixel next to each other: on a CPU, large images take little more than half of the time.
        return quickened(self._build(), dtype).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _build(self) -> "torch.nn.Module":
        """The network with copies of the weights, on the CPU."""
        import torch

        from sunpy_mag2euv.network import build_network

        # On torch's meta device, where nothing has values yet, no record takes up more memory than its weights do.
        with torch.device("meta"):
            network = build_network(**self.architecture).eval().requires_grad_(False)
        self._check_shapes(network)
        self._check_weights(network.state_dict())
        # Copied, and of one type, whatever torch's default is.
        weights = {
            name: tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in self.state.items()
        }
        network.load_state_dict(weights, assign=True)
        return network

    def _answer(self, inputs: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
        """What the network says of planes of shape (batch, planes, rows, columns), in single precision."""
        import torch

        with torch.inference_mode():
            return self.quick_network(device)(inputs.to(device, memory_format=torch.channels_last)).float()

    def _check_shapes(self, network: Any) -> None:
        """ValueError unless a network can be asked what this model asks, and answers what it needs."""
        count, shape = len(self.image_scalings), self.grid.shape
        if network.in_channels != self.channels:
            raise ValueError(
                f"the architecture of {self.name} must have {self.channels} in_channels, as many as there are planes; "
                f"it has {network.in_channels}"
            )
        if network.out_channels not in (count, 2 * count, 3 * count):
            raise ValueError(
                f"the architecture of {self.name} must make {count} planes, one for each passband, or two or three "
                f"times that; it makes {network.out_channels}"
            )
        if any(size % network.step for size in shape):
            raise ValueError(
                f"the architecture of {self.name} needs a grid with sides that are multiples of {network.step}; "
                f"its grid is {shape[0]} × {shape[1]}"
            )

    def _check_weights(self, expected: "Mapping[str, torch.Tensor]") -> None:
        """ValueError unless the weights are finite and those of tensors ``expected`` by name."""
        if odd := sorted(expected.keys() ^ self.state.keys()):
            has = "lack" if odd[0] in expected else "have"
            raise ValueError(f"the weights of {self.name} do not fit its architecture: they {has} {odd[0]!r}")
        for name, tensor in self.state.items():
            if tensor.shape != expected[name].shape or tensor.is_floating_point() != expected[name].is_floating_point():
                raise ValueError(
                    f"the weights of {self.name} do not fit its architecture: {name} must be "
                    f"{_described(expected[name])}; it is {_described(tensor)}"
                )
            if tensor.is_floating_point() and not tensor.float().isfinite().all():
                raise ValueError(f"the weights of {self.name} must be finite numbers; {name} holds others")

    def record(self) -> dict[str, Any]:
        """Everything but the weights, as plain data for JSON."""
        return {
            "name": self.name,
            "description": self.description,
            "architecture": thawed(self.architecture),
            "grid": dataclasses.asdict(self.grid),
            "planes": list(self.planes),
            "image_scalings": scalings_record(self.image_scalings),
            "valid_radius": self.valid_radius,
            "calibration": by_text(self.calibration),
            "provenance": self.provenance,
            "epochs": by_text(self.epochs),
            "caveats": by_text(self.caveats),
            "references": list(self.references),
            "training_images": by_text(self.training_images),
            "deviation_factors": by_text(self.deviation_factors),
            "block_factors": by_text(self.block_factors),
        }

    @classmethod
    def _from_record(cls, record: dict[str, Any], **kwargs: Any) -> Self:
        """Inverse of `record`; ``kwargs`` are the attributes that this class does not have in a record."""
        # Older weights do not say it, nor what is said of blocks.
        record = {"epochs": {}, "block_factors": {}} | record
        return cls(
            name=entry(record, "name"),
            description=entry(record, "description"),
            architecture=entry(record, "architecture"),
            grid=grid_from_record(record, "grid"),
            planes=texts(record, "planes"),
            image_scalings=scalings_from_record(record, "image_scalings"),
            valid_radius=entry(record, "valid_radius"),
            calibration=by_number(record, "calibration"),
            provenance=entry(record, "provenance"),
            epochs=by_number(record, "epochs"),
            caveats=by_number(record, "caveats"),
            references=texts(record, "references"),
            training_images=by_number(record, "training_images"),
            deviation_factors=by_number(record, "deviation_factors"),
            block_factors=by_number(record, "block_factors"),
            **kwargs,
        )


@isolated()
def _gives_numbers(scaling: LinearScaling) -> bool:
    """Whether images and deviations are numbers that single precision holds, for all that networks may answer."""
    import torch

    # The most and the least certain that networks with deviations can be.
    means, deviations = torch.tensor([[-1.0, 0.0, 1.0]] * 2), torch.tensor([[-5.5], [-0.5]]).exp().expand(2, 3)
    mean, deviation = scaling.moments(means.float(), deviations.float())
    return bool((mean.abs() < _HUGE).all() and ((deviation > 1 / _HUGE) & (deviation < _HUGE)).all())


def _described(tensor: "torch.Tensor") -> str:
    """A tensor's kind and shape."""
    return f"{'numbers' if tensor.is_floating_point() else 'whole numbers'} of shape {tuple(tensor.shape)}"


def _quantity(values: npt.NDArray) -> u.Quantity:
    # Not as text, which units that somebody chose with `astropy.units.set_enabled_units` may not know.
    return u.Quantity(values.astype(np.float32), u.DN / u.s, copy=False)
