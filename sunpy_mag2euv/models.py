"""
Models: trained weights together with everything needed to use them.

A weights file is a safetensors file whose header holds the model's record, so a file is complete by itself and new
weights need no new code. `registry.toml` lists the published ones.
"""

import dataclasses
import functools
import hashlib
import json
import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from os import PathLike
from pathlib import Path

import numpy as np

import astropy.units as u
from astropy.table import Table

from sunpy_mag2euv import remote
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.passbands import get_passband
from sunpy_mag2euv.scaling import LinearScaling, scaling_from_dict

__all__ = ["DEFAULT_MODEL", "Model", "available_models", "load_model", "save_model"]

#: The model that is used unless another is asked for.
DEFAULT_MODEL = "shared-browse"

#: Key of the model's record in the header of a weights file.
_RECORD_KEY = "sunpy_mag2euv"

#: What a network can be given of the field, each plane of shape ``grid.shape`` and of order one.
_PLANES = {
    "signed": lambda field, model: model.field_scaling.forward(field),
    "absolute": lambda field, model: np.abs(model.field_scaling.forward(field)),
    "mu": lambda field, model: model.grid.mu,
    "radius": lambda field, model: model.grid.radius - 1,
    "disk": lambda field, model: model.grid.radius < 1,
}

#: The same of the field's surroundings, by the first word of a plane such as "absolute 57 Mm": the field, or its
#: strength, averaged with a Gaussian of that standard deviation. What a wide average of the signed field keeps is
#: unbalanced flux, as where field lines are open; that of the strength says how active the Sun is there.
_SMOOTHED_PLANES = {
    "signed": lambda field, average: np.arcsinh(average(field) / 2) / 3,
    "absolute": lambda field, average: np.log1p(average(np.abs(field))) / 3,
}

_SOLAR_RADIUS_MM = 696


def _parse_plane(name):
    """Name of a plane → its first word, and the width of the average in Mm or None; ValueError if there is no such."""
    kind, *scale = name.split() or [""]
    if not scale and kind in _PLANES:
        return kind, None
    try:
        width, unit = scale
        if kind in _SMOOTHED_PLANES and unit == "Mm" and 0 < float(width) < np.inf:
            return kind, float(width)
    except ValueError:
        pass
    raise ValueError(f"unknown input plane {name!r}; expected one of {', '.join(_PLANES)}, or such as 'absolute 57 Mm'")


def _plane(name, field, model):
    """One input plane by its name."""
    kind, width = _parse_plane(name)
    if width is None:
        return _PLANES[kind](field, model)
    sigma = width / _SOLAR_RADIUS_MM * model.grid.solar_radius
    rows, columns = (_gaussian(size, sigma) for size in field.shape)
    return _SMOOTHED_PLANES[kind](field, lambda values: rows @ values.astype(np.float32) @ columns)


@functools.lru_cache(maxsize=32)
def _gaussian(size, sigma):
    """Matrix that averages along one axis; there is nothing beyond the edges. As a product it takes a millisecond."""
    kernel = np.exp(-((np.arange(-size, size + 1) / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return kernel[size + np.subtract.outer(np.arange(size), np.arange(size))]


@dataclass(frozen=True, eq=False)
class Model:
    """
    A trained network with its grid, scalings, calibration and provenance.

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
        Input planes, out of "signed", "absolute", "mu", "radius" and "disk"; the first two also of the field averaged
        over its surroundings, such as "absolute 57 Mm" (standard deviation of the Gaussian, in the image's plane).
    field_scaling : LinearScaling
        Scaling of the line-of-sight field in gauss; antisymmetric.
    image_scalings : dict
        For every passband (int, angstrom), in the order of the output planes, the scaling of its image in DN/s.
    unpolarized : bool
        Whether the answers to the field and to the field with all signs reversed are averaged, so that emission depends
        on polarity as little as it does on the Sun: not at all.
    valid_radius : float
        Distance from the disk's centre, in solar radii, up to which the model has learnt anything.
    calibration : dict
        For every passband, which epoch of AIA's sensitivity the DN/s refer to.
    provenance : str
        What it was trained on.
    caveats : dict
        For the passbands that have one, a sentence that users are warned with.
    references : tuple of str
        DOIs of the papers to read and cite.
    training_images : dict
        For every passband, how many images of it the model was trained on.
    strongest_field : float
        In gauss; what the fields trained on hardly ever exceed, as they are on the grid.
    deviation_factors : dict
        For every passband, what the network's standard deviations are multiplied by. Found on frames that were not
        trained on, so that intervals hold as much as they say; empty for networks that give no deviations.
    sha256 : str
        Of the weights file.
    state : dict
        Parameter tensors by name.
    """

    name: str
    description: str
    architecture: dict
    grid: Grid
    planes: tuple[str, ...]
    field_scaling: LinearScaling
    image_scalings: dict[int, LinearScaling]
    unpolarized: bool
    valid_radius: float
    calibration: dict[int, str]
    provenance: str
    caveats: dict[int, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    training_images: dict[int, int] = field(default_factory=dict)
    strongest_field: float = float("inf")
    deviation_factors: dict[int, float] = field(default_factory=dict)
    sha256: str = ""
    state: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        for plane in self.planes:
            _parse_plane(plane)

    @property
    def passbands(self):
        """The passbands that it generates, as `~sunpy_mag2euv.passbands.Passband`."""
        return tuple(get_passband(angstrom) for angstrom in self.image_scalings)

    @property
    def valid(self):
        """Where on the grid the model has learnt anything; boolean, shape ``grid.shape``."""
        return self.grid.radius <= self.valid_radius

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

        planes = [_plane(plane, field, self) for plane in self.planes]
        return torch.from_numpy(np.stack(planes).astype(np.float32))

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

        inputs = self.inputs(field)[None]
        if self.unpolarized:
            # Planes are even or odd in the field.
            signs = torch.tensor([-1.0 if plane.startswith("signed") else 1.0 for plane in self.planes])
            inputs = torch.cat([inputs, inputs * signs[:, None, None]])
        with torch.inference_mode():
            return self.network(device)(inputs.to(device)).mean(dim=0)

    def moments(self, scaled):
        """
        What the network's output says of the images: mean and standard deviation, as tensors.

        The scaled image is taken to be normally distributed in every pixel, so that in DN/s the mean is a mean: it
        neither falls short of the total, as the median of a skewed distribution does, nor needs a correction.

        Parameters
        ----------
        scaled : `torch.Tensor`
            Shape (..., planes, rows, columns).

        Returns
        -------
        mean, deviation : `torch.Tensor`
            In DN/s, shape (..., passbands, rows, columns). A network without deviations leaves none to take the mean
            over: the image is then the inverse of its output, and the deviation None.

        Raises
        ------
        ValueError
            If it is neither one plane for each passband nor two.
        """
        import torch

        count = len(self.image_scalings)
        if scaled.shape[-3] not in (count, 2 * count):
            raise ValueError(
                f"the model {self.name} needs {count} planes, or {2 * count} with deviations; got {scaled.shape[-3]}"
            )
        scaled, logarithms = scaled.split([count, scaled.shape[-3] - count], dim=-3)
        certain = not logarithms.shape[-3]
        deviations = torch.zeros_like(scaled) if certain else logarithms.exp()
        pairs = [
            scaling.moments(*planes)
            for scaling, *planes in zip(
                self.image_scalings.values(), scaled.unbind(-3), deviations.unbind(-3), strict=True
            )
        ]
        mean, deviation = (torch.stack(planes, dim=-3) for planes in zip(*pairs, strict=True))
        return mean, None if certain else deviation

    def outputs(self, scaled):
        """
        Network output → images.

        Parameters
        ----------
        scaled : `torch.Tensor`
            Shape (planes, rows, columns).

        Returns
        -------
        images : `~astropy.units.Quantity`
            In DN/s, shape (passbands, rows, columns), float32.
        deviations : `~astropy.units.Quantity` or None
            Their standard deviations, same shape; None if the network gives none.
        """
        images, deviations = self.moments(scaled.detach().cpu().float())
        if deviations is not None:
            factors = [self.deviation_factors.get(band, 1) for band in self.image_scalings]
            deviations = _quantity(deviations.numpy() * np.array(factors)[:, None, None])
        return _quantity(images.numpy()), deviations

    @functools.cache  # noqa: B019  (models are few and live as long as the process)
    def network(self, device):
        """
        The network with its weights, ready for inference.

        Parameters
        ----------
        device : `torch.device`

        Returns
        -------
        `torch.nn.Module`

        Raises
        ------
        ValueError
            If the weights do not fit the architecture.
        """
        from sunpy_mag2euv.network import build_network

        network = build_network(**self.architecture).eval().requires_grad_(False)
        try:
            network.load_state_dict({name: tensor.float() for name, tensor in self.state.items()})
        except RuntimeError as error:
            raise ValueError(f"the weights of {self.name} do not fit its architecture: {error}") from None
        return network.to(device)

    def record(self):
        """Everything but the weights, as plain data for JSON."""
        return {
            "name": self.name,
            "description": self.description,
            "architecture": self.architecture,
            "grid": dataclasses.asdict(self.grid),
            "planes": list(self.planes),
            "field_scaling": self.field_scaling.to_dict(),
            # A list, since its order is that of the output planes.
            "image_scalings": [
                {"passband": band, **scaling.to_dict()} for band, scaling in self.image_scalings.items()
            ],
            "unpolarized": self.unpolarized,
            "valid_radius": self.valid_radius,
            "calibration": {str(band): epoch for band, epoch in self.calibration.items()},
            "provenance": self.provenance,
            "caveats": {str(band): caveat for band, caveat in self.caveats.items()},
            "references": list(self.references),
            "training_images": {str(band): count for band, count in self.training_images.items()},
            "strongest_field": self.strongest_field,
            "deviation_factors": {str(band): factor for band, factor in self.deviation_factors.items()},
        }

    @classmethod
    def from_record(cls, record, **kwargs):
        """Inverse of `record`; ``kwargs`` are the attributes that a record does not hold."""
        return cls(
            name=record["name"],
            description=record["description"],
            architecture=record["architecture"],
            grid=Grid(tuple(record["grid"]["shape"]), record["grid"]["solar_radius"], tuple(record["grid"]["center"])),
            planes=tuple(record["planes"]),
            field_scaling=scaling_from_dict(record["field_scaling"]),
            image_scalings={
                scaling["passband"]: scaling_from_dict({key: scaling[key] for key in scaling if key != "passband"})
                for scaling in record["image_scalings"]
            },
            unpolarized=record["unpolarized"],
            valid_radius=record["valid_radius"],
            calibration={int(band): epoch for band, epoch in record["calibration"].items()},
            provenance=record["provenance"],
            caveats={int(band): caveat for band, caveat in record["caveats"].items()},
            references=tuple(record["references"]),
            training_images={int(band): count for band, count in record["training_images"].items()},
            strongest_field=record["strongest_field"],
            deviation_factors={int(band): factor for band, factor in record["deviation_factors"].items()},
            **kwargs,
        )


def _quantity(values):
    return u.Quantity(values.astype(np.float32), "DN / s", copy=False)


@functools.cache
def _registry():
    """The published weights by name, see ``registry.toml``."""
    return tomllib.loads((resources.files("sunpy_mag2euv") / "registry.toml").read_text(encoding="utf-8"))


def available_models():
    """
    List the models that `load_model` knows by name.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``name``, ``passbands`` (tuple of int, angstrom), ``file``, ``sha256`` and ``description``. The first
        row is the default.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> mag2euv.available_models()["name", "passbands"][0]["passbands"]
    (94, 131, 171, 193, 211, 304, 335, 1600, 1700)
    """
    registry = _registry()
    # One by one, since a list of tuples of one length would become a second dimension of the column.
    passbands = np.empty(len(registry), dtype=object)
    for row, entry in enumerate(registry.values()):
        passbands[row] = tuple(entry["passbands"])
    columns = {key: [entry[key] for entry in registry.values()] for key in ("file", "sha256", "description")}
    return Table({"name": list(registry), "passbands": passbands, **columns})


def load_model(name_or_path_or_url=None, sha256=None):
    """
    Load a model.

    Parameters
    ----------
    name_or_path_or_url : str or path-like, optional
        A name that `available_models` lists, the path of a safetensors file that `save_model` wrote, or an http, https
        or doi address of one. The default model, which is packaged and needs no network, unless given.
    sha256 : str, optional
        What the file's hash must be: required for an address, known for a name. It is checked before anything in the
        file is parsed.

    Returns
    -------
    Model

    Raises
    ------
    TypeError
        If it is neither text nor a path.
    ValueError
        If there is no such model, the hash is missing or wrong, or the file is not one of this package's.
    FileNotFoundError
        If there is no file at the path.
    ConnectionError
        If the file has to be fetched and cannot be.
    """
    if name_or_path_or_url is None:
        name_or_path_or_url = DEFAULT_MODEL
    if not isinstance(name_or_path_or_url, str | PathLike):
        raise TypeError(
            "a model is loaded by its name, by the path of a weights file or by an address; "
            f"got {type(name_or_path_or_url).__name__}"
        )
    source = str(name_or_path_or_url)
    registry = _registry()
    if source in registry:
        entry = registry[source]
        if sha256 is not None and sha256.lower() != entry["sha256"]:
            raise ValueError(f"the model {source} has sha256 {entry['sha256']}, not {sha256}; leave sha256 out")
        path, sha256 = remote.locate(entry["file"], entry["sha256"], entry.get("url")), entry["sha256"]
    elif re.match(r"[A-Za-z]{2,}:", source):
        path = remote.download(source, sha256)
    else:
        path = Path(name_or_path_or_url)
        if not path.is_file():
            if path.suffix or path.parent != Path():
                raise FileNotFoundError(f"there is no weights file {path}")
            raise ValueError(
                f"there is no model {source!r}; choose one of {', '.join(registry)}, or give a file's path"
            )
        if sha256 is None:
            sha256 = _digest(path)
        remote.check(path, sha256)
    return _read(path, sha256.lower())


def _digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.lru_cache(maxsize=8)
def _read(path, sha256):
    """Parse a weights file whose hash has been checked."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            record = (file.metadata() or {}).get(_RECORD_KEY)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dictionary)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error})") from None
    if record is None:
        raise ValueError(
            f"{path} holds weights but no record of a model; write it with sunpy_mag2euv.models.save_model"
        )
    try:
        return Model.from_record(json.loads(record), sha256=sha256, state=state)
    except KeyError as error:
        raise ValueError(f"the model's record in {path} lacks {error}; was it written by another version?") from None
    except (TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"the model's record in {path} cannot be read ({error}); get an intact copy") from None


def save_model(model, path):
    """
    Write a model's record and weights, in half precision, as one safetensors file.

    Parameters
    ----------
    model : Model
    path : path-like
        Written beside itself first and then put in place, so that no half-written file is left behind.

    Returns
    -------
    str
        The file's sha256.
    """
    from safetensors.torch import save

    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state.items()
    }
    content = save(state, metadata={_RECORD_KEY: json.dumps(model.record())})
    path = Path(path)
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()
