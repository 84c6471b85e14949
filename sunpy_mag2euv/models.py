"""
Models: trained weights together with everything needed to use them.

A weights file is a safetensors file whose header holds the model's record, so a file is complete by itself and new
weights need no new code. `registry.toml` lists the published ones.
"""

import dataclasses
import functools
import hashlib
import itertools
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
from sunpy_mag2euv.planes import GEOMETRY, check_field_planes, check_image_planes, field_planes, image_planes, is_odd
from sunpy_mag2euv.scaling import LinearScaling, scaling_from_dict

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_TRANSLATOR",
    "FieldModel",
    "ImageModel",
    "Model",
    "available_models",
    "load_model",
    "save_model",
]

#: The model that is used unless another is asked for: to generate, and to translate.
DEFAULT_MODEL = "shared-browse"
DEFAULT_TRANSLATOR = "any-browse"

#: Key of the model's record in the header of a weights file.
_RECORD_KEY = "sunpy_mag2euv"


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """
    A trained network with its grid, scalings, calibration and provenance.

    What models have in common: `FieldModel` answers to a magnetogram, `ImageModel` to AIA images.

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
        For every passband, which epoch of AIA's sensitivity the DN/s refer to.
    provenance : str
        What it was trained on.
    caveats : dict
        For the passbands that have one, a sentence that users are warned with.
    references : tuple of str
        DOIs of the papers to read and cite.
    training_images : dict
        For every passband, how many images of it the model was trained on.
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
    image_scalings: dict[int, LinearScaling]
    valid_radius: float
    calibration: dict[int, str]
    provenance: str
    caveats: dict[int, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    training_images: dict[int, int] = field(default_factory=dict)
    deviation_factors: dict[int, float] = field(default_factory=dict)
    sha256: str = ""
    state: dict = field(default_factory=dict, repr=False)

    @property
    def passbands(self):
        """The passbands that it makes images of, as `~sunpy_mag2euv.passbands.Passband`."""
        return tuple(get_passband(angstrom) for angstrom in self.image_scalings)

    @property
    def valid(self):
        """Where on the grid the model has learnt anything; boolean, shape ``grid.shape``."""
        return self.grid.radius <= self.valid_radius

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

    def estimate(self, scaled):
        """What ``run`` returns → mean and standard deviation as of `moments`: those of the one answer that there is."""
        return self.moments(scaled)

    def outputs(self, scaled):
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
        images, deviations = self.estimate(scaled.detach().cpu().float())
        if deviations is not None:
            factors = [self.deviation_factors.get(band, 1) for band in self.image_scalings]
            deviations = _quantity(deviations.numpy() * np.array(factors)[:, None, None])
        return _quantity(images.numpy()), deviations

    @functools.lru_cache(maxsize=8)  # noqa: B019  (as many models as `_read` keeps; a study makes hundreds)
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
            "image_scalings": _scalings_record(self.image_scalings),
            "valid_radius": self.valid_radius,
            "calibration": _by_text(self.calibration),
            "provenance": self.provenance,
            "caveats": _by_text(self.caveats),
            "references": list(self.references),
            "training_images": _by_text(self.training_images),
            "deviation_factors": _by_text(self.deviation_factors),
        }

    @classmethod
    def _from_record(cls, record, **kwargs):
        """Inverse of `record`; ``kwargs`` are the attributes that this class does not have in a record."""
        return cls(
            name=record["name"],
            description=record["description"],
            architecture=record["architecture"],
            grid=Grid(tuple(record["grid"]["shape"]), record["grid"]["solar_radius"], tuple(record["grid"]["center"])),
            planes=tuple(record["planes"]),
            image_scalings=_scalings(record["image_scalings"]),
            valid_radius=record["valid_radius"],
            calibration=_by_number(record["calibration"]),
            provenance=record["provenance"],
            caveats=_by_number(record["caveats"]),
            references=tuple(record["references"]),
            training_images=_by_number(record["training_images"]),
            deviation_factors=_by_number(record["deviation_factors"]),
            **kwargs,
        )


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
    strongest_field : float
        In gauss; what the fields trained on hardly ever exceed, as they are on the grid.

    Notes
    -----
    The other attributes are those of `Model`.
    """

    field_scaling: LinearScaling
    unpolarized: bool
    strongest_field: float = float("inf")

    def __post_init__(self):
        check_field_planes(self.planes)

    @property
    def channels(self):
        """How many planes the network's input has."""
        return len(self.planes)

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

        return torch.from_numpy(field_planes(self.planes, field, self.field_scaling, self.grid))

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
            signs = torch.tensor([-1.0 if is_odd(plane) else 1.0 for plane in self.planes])
            inputs = torch.cat([inputs, inputs * signs[:, None, None]])
        with torch.inference_mode():
            return self.network(device)(inputs.to(device)).mean(dim=0)

    def record(self):
        """Everything but the weights, as plain data for JSON."""
        return super().record() | {
            "field_scaling": self.field_scaling.to_dict(),
            "unpolarized": self.unpolarized,
            "strongest_field": self.strongest_field,
        }

    @classmethod
    def _from_record(cls, record, **kwargs):
        return super()._from_record(
            record,
            field_scaling=scaling_from_dict(record["field_scaling"]),
            unpolarized=record["unpolarized"],
            strongest_field=record["strongest_field"],
            **kwargs,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
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

    def __post_init__(self):
        check_image_planes(self.planes)

    @property
    def channels(self):
        """How many planes the network's input has; some of those in ``planes`` stand for one of each passband."""
        return sum(1 if plane in GEOMETRY else len(self.input_scalings) for plane in self.planes)

    @property
    def input_passbands(self):
        """The passbands that it can be given, as `~sunpy_mag2euv.passbands.Passband`."""
        return tuple(get_passband(angstrom) for angstrom in self.input_scalings)

    @property
    def selective(self):
        """Whether any of `input_passbands` will do; otherwise all are needed."""
        return "known" in self.planes

    def inputs(self, images):
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

    def run(self, images, device, answers=None):
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
                    answers[part] = self.network(device)(inputs[None].to(device))[0]
            if len(parts) == 1:
                return answers[parts[0]]
            known = {band: torch.from_numpy(np.isfinite(image)).to(device) for band, image in images.items()}
            seen = [torch.stack([known[band] for band in part]).any(dim=0) for part in parts]
            return torch.stack([answers[part].where(there, np.nan) for part, there in zip(parts, seen, strict=True)])

    def estimate(self, scaled):
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
        weights = known * (1 if deviation is None else (mean / deviation).square().nan_to_num() + 1e-6)
        weights = weights / weights.sum(dim=0)
        each = mean.nan_to_num()
        mean = (weights * each).sum(dim=0)
        if deviation is None:
            return mean, None
        variances = deviation.nan_to_num().square() + (each - mean).square()
        return mean, (weights * variances).sum(dim=0).sqrt()

    def _parts(self, images):
        """What the network is asked about: passbands out of those of ``images``."""
        bands = sorted(images)
        if not self.selective or len(bands) < 2:
            return [tuple(bands)]
        return [part for size in (1, 2) for part in itertools.combinations(bands, size)]

    def record(self):
        """Everything but the weights, as plain data for JSON."""
        return super().record() | {
            "input_scalings": _scalings_record(self.input_scalings),
            "levels": _by_text(self.levels),
        }

    @classmethod
    def _from_record(cls, record, **kwargs):
        return super()._from_record(
            record,
            input_scalings=_scalings(record["input_scalings"]),
            levels=_by_number(record["levels"]),
            **kwargs,
        )


def model_from_record(record, **kwargs):
    """
    Inverse of ``record()`` of either class.

    Parameters
    ----------
    record : dict
    **kwargs
        The attributes that a record does not hold.

    Returns
    -------
    FieldModel or ImageModel
    """
    kind = ImageModel if "input_scalings" in record else FieldModel
    return kind._from_record(record, **kwargs)


def _scalings_record(scalings):
    """A list, since the order is that of the planes."""
    return [{"passband": band, **scaling.to_dict()} for band, scaling in scalings.items()]


def _scalings(record):
    """Inverse of `_scalings_record`."""
    return {
        scaling["passband"]: scaling_from_dict({key: scaling[key] for key in scaling if key != "passband"})
        for scaling in record
    }


def _by_text(entries):
    """JSON has no numbers for keys."""
    return {str(band): entry for band, entry in entries.items()}


def _by_number(entries):
    """Inverse of `_by_text`."""
    return {int(band): entry for band, entry in entries.items()}


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
        Columns ``name``; ``inputs``, which is "magnetogram" for models to generate with, and for those to translate
        with the passbands that they can be given (tuple of int, angstrom); ``passbands``, of which they make images
        (tuple likewise); ``file``, ``sha256`` and ``description``. The first row of each kind is its default.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> mag2euv.available_models()["name", "passbands"][0]["passbands"]
    (94, 131, 171, 193, 211, 304, 335, 1600, 1700)
    """
    registry = _registry()
    inputs, passbands = np.empty(len(registry), dtype=object), np.empty(len(registry), dtype=object)
    # One by one, since a list of tuples of one length would become a second dimension of the column.
    for row, entry in enumerate(registry.values()):
        inputs[row] = tuple(entry["inputs"]) if "inputs" in entry else "magnetogram"
        passbands[row] = tuple(entry["passbands"])
    columns = {key: [entry[key] for entry in registry.values()] for key in ("file", "sha256", "description")}
    return Table({"name": list(registry), "inputs": inputs, "passbands": passbands, **columns})


def load_model(name_or_path_or_url=None, sha256=None):
    """
    Load a model, to generate with or to translate with.

    Parameters
    ----------
    name_or_path_or_url : str or path-like, optional
        A name that `available_models` lists, the path of a safetensors file that `save_model` wrote, or an http, https
        or doi address of one. The default model to generate with, which is packaged and needs no network, unless given.
    sha256 : str, optional
        What the file's hash must be: required for an address, known for a name. It is checked before anything in the
        file is parsed.

    Returns
    -------
    FieldModel or ImageModel

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
        return model_from_record(json.loads(record), sha256=sha256, state=state)
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
