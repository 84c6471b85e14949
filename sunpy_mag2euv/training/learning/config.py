"""
What a training run is told: ``CONFIG.toml`` laid over the defaults of a protocol.

A protocol is a file of defaults in ``protocols/``, in which every number of a published method stands once; a
configuration names one and says what it changes.
"""

import copy
import dataclasses
import difflib
import math
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.models import FieldModel, ImageModel, load_model
from sunpy_mag2euv.passbands import get_passband
from sunpy_mag2euv.planes import is_odd
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.data import splits

if TYPE_CHECKING:
    from sunpy_mag2euv.training.data.store import Store

__all__ = ["PROTOCOLS", "check_inputs", "load_config", "model_record", "protocol_defaults", "split_frames"]

#: Names that ``protocol = "..."`` may have.
PROTOCOLS = ("model-a", "model-b", "shared", "detail", "translation")

#: Tables in which keys that the protocol does not have are somebody else's to check.
_OPEN = {"trainer", "draws", "network", "image_scaling", "field_scaling"}

_PARK2019 = "10.3847/2041-8213/ab46bb"
_LIM2021 = "10.3847/2041-8213/ac0d54"


def load_config(path: str | Path, passbands: Sequence[int] | None = None) -> dict:
    """
    Read a configuration.

    Parameters
    ----------
    path : path-like
        A TOML file with ``protocol`` and any of the protocol's keys. Relative paths in it are relative to it.
    passbands : sequence of int, optional
        What to learn if the configuration leaves ``data.passbands`` open. The name of the model then ends in them.

    Returns
    -------
    dict
        All keys of the protocol, in nested dictionaries.

    Raises
    ------
    FileNotFoundError
        If there is no file at ``path``.
    ValueError
        If it is not TOML, names no protocol, has keys or types of value that the protocol does not have, or lacks what
        has no default.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration {path}")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    protocol = given.pop("protocol", None)
    if protocol not in PROTOCOLS:
        raise ValueError(f"{path} must name a protocol, one of {', '.join(PROTOCOLS)}; it has {protocol!r}")
    config = protocol_defaults(protocol)
    _lay_over(config, given, path.name)
    if passbands and not config["data"]["passbands"]:
        config["data"]["passbands"] = list(passbands)
        config["model"]["name"] = "-".join(map(str, (config["model"]["name"], *passbands)))
    _check(config, path.name)
    for table, key in (("data", "store"), ("run", "start"), ("model", "coarse")):
        # Absolute paths stay what they are; a model may be known by its name.
        if (given_path := config[table][key]) and (key != "coarse" or Path(given_path).suffix):
            config[table][key] = str((path.parent / given_path).resolve())
    return {"protocol": protocol, **config}


def protocol_defaults(protocol: str) -> dict[Any, Any]:
    """
    All keys of a protocol with their defaults.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.

    Returns
    -------
    dict
    """
    file = resources.files("sunpy_mag2euv.training.learning") / "protocols" / f"{protocol}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _lay_over(defaults: Any, given: Any, where: str, inside: Any = ()) -> None:
    for key, value in given.items():
        name = ".".join((*inside, key))
        if key not in defaults and not (inside and inside[-1] in _OPEN):
            near = difflib.get_close_matches(key, defaults, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(defaults)}"
            raise ValueError(f"{where} has the unknown key {name}; {hint}")
        default = defaults.get(key)
        if isinstance(value, dict) and _replaces(value, default):
            defaults[key] = value
        elif isinstance(default, dict):
            if not isinstance(value, dict):
                raise ValueError(f"{where}: {name} must be a table; it is {value!r}")
            _lay_over(default, value, where, (*inside, key))
        else:
            if type(default) is float and type(value) is int:
                value = float(value)
            if default is not None and type(value) is not type(default):
                raise ValueError(
                    f"{where}: {name} must be a {type(default).__name__} such as {default!r}; it is {value!r}"
                )
            defaults[key] = copy.deepcopy(value)


def _replaces(value: Any, default: Any) -> bool:
    """Whether a table is of another kind than the default, so that nothing of the default's can be kept."""
    kind = default.get("kind") if isinstance(default, dict) else None
    return kind is not None and (value.get("kind", kind) != kind or any(key.isdigit() for key in value))


def _check(config: dict[str, Any], where: str) -> None:
    data, augmentation, run = config["data"], config["augmentation"], config["run"]
    if not data["store"]:
        raise ValueError(f"{where} must say where the frames are; give data.store")
    if not data["passbands"]:
        raise ValueError(f"{where} must say what to learn; give data.passbands, such as [193], or --passband")
    data["passbands"] = [get_passband(band).angstrom for band in data["passbands"]]
    data["scarce"] = [get_passband(band).angstrom for band in data["scarce"]]
    data["inputs"] = [get_passband(band).angstrom for band in data["inputs"]]
    for name in ("passbands", "scarce", "inputs"):
        if twice := [band for band in data[name] if data[name].count(band) > 1]:
            raise ValueError(f"{where}: passband {twice[0]} is in data.{name} more than once; take one out")
    if twice := sorted(set(data["scarce"]) & set(data["passbands"])):
        raise ValueError(f"{where}: passband {twice[0]} is both in data.passbands and in data.scarce; take out one")
    if augmentation["shift"] and (fixed := {"mu", "radius", "disk"} & set(config["model"]["planes"])):
        raise ValueError(f"{where}: the plane {min(fixed)} cannot be shifted; set augmentation.shift = 0")
    network = config["model"]["network"]
    if two_scales := network["kind"] == "two-scale":
        if lacking := [name for name in ("block", "widths") if name not in network]:
            raise ValueError(f"{where}: a two-scale network needs model.network.{lacking[0]}")
        whole = math.lcm(network["block"], 2 ** len(network["widths"]))
        if augmentation["crop"] < 1 or augmentation["crop"] % whole:
            raise ValueError(
                f"{where}: augmentation.crop must be a multiple of {whole} pixels; it is {augmentation['crop']}"
            )
    elif "image_scaling" not in config["model"]:
        raise ValueError(f"{where}: this protocol is for two-scale networks only; choose another")
    if augmentation["crop"] and not two_scales:
        raise ValueError(f"{where}: only networks of two scales learn from windows; set augmentation.crop = 0")
    check_inputs(config, where)
    _check_losses(config, where)
    for name in ("steps", "batch", "epoch"):
        if run[name] < 1:
            raise ValueError(f"{where}: run.{name} must be at least 1; it is {run[name]}")
    if run["keep"] and not (run["keep"] % run["epoch"] == 0 and 0 < run["keep"] < run["steps"]):
        raise ValueError(
            f"{where}: run.keep must be a whole number of epochs (run.epoch, {run['epoch']} steps) before the last "
            f"step ({run['steps']}); it is {run['keep']}"
        )
    for table, key in (("data", "evenness"), ("run", "kept_share")):
        if not 0 <= config[table][key] <= 1:
            raise ValueError(f"{where}: {table}.{key} must be between 0 and 1; it is {config[table][key]}")
    if augmentation["few"] < 1:
        raise ValueError(f"{where}: augmentation.few must be at least 1; it is {augmentation['few']}")
    for table, key, choices in (
        ("split", "method", ("park2019", "rotations")),
        ("optimizer", "name", ("adam", "adamw")),
        ("optimizer", "decay", ("none", "cosine")),
    ):
        if config[table][key] not in choices:
            raise ValueError(
                f"{where}: {table}.{key} must be one of {', '.join(choices)}; it is {config[table][key]!r}"
            )


def check_inputs(config: dict[Any, Any], where: str) -> None:
    """
    Check that what is asked for can be had of a magnetogram, or of images.

    Parameters
    ----------
    config : dict
        As `load_config` returns it.
    where : str
        What errors begin with.

    Raises
    ------
    ValueError
        If it cannot.
    """
    data, augmentation, planes = config["data"], config["augmentation"], config["model"]["planes"]
    if config["model"]["network"]["kind"] == "any-to-any" and planes[:2] != ["image", "known"]:
        raise ValueError(f'{where}: an any-to-any network needs model.planes that begin with "image" and "known"')
    if "known" in planes and (len(data["inputs"]) < 2 or not set(data["inputs"]) <= set(data["passbands"])):
        raise ValueError(
            f"{where}: with the plane known, some of several images are given and the rest are learnt; "
            "name them in data.inputs as well as in data.passbands, or take the plane out"
        )
    if not data["inputs"]:
        if augmentation["window"]:
            raise ValueError(f"{where}: only images are seen in a window; set augmentation.window = 0")
        return
    if "image" not in planes:
        raise ValueError(f'{where}: data.inputs needs planes of images; set model.planes = ["image"]')
    if "known" not in planes:
        if both := sorted(set(data["inputs"]) & set(data["passbands"])):
            raise ValueError(f"{where}: passband {both[0]} is both in data.inputs and in data.passbands; take out one")
        if augmentation["window"]:
            raise ValueError(f"{where}: a window needs the plane known; set augmentation.window = 0")
    if data["scarce"]:
        raise ValueError(f"{where}: scarce passbands are read from fields, not from images; leave data.scarce empty")
    if taken := [name for name in ("polarity", "noise", "clipping") if augmentation[name]]:
        raise ValueError(f"{where}: augmentation.{taken[0]} is for fields, not for images; turn it off")
    if data["evenness"]:
        raise ValueError(f"{where}: data.evenness goes by fields, and images have none; set it to 0")
    if config["model"]["unpolarized"]:
        raise ValueError(f"{where}: images have no polarity; set model.unpolarized = false")


def _check_losses(config: dict[str, Any], where: str) -> None:
    """Whether the network is asked for what it learns, and learns what it is asked for."""
    loss, network = config["loss"], config["model"]["network"]
    weights = {name: loss[name] for name in ("l1", "surprise", "discordance", "structure", "detail", "adversarial")}
    if min(weights.values()) < 0 or not any(weights.values()):
        raise ValueError(f"{where}: of the losses, at least one must have a weight, and none a negative one")
    if loss["adversarial"] and (others := [name for name in ("surprise", "discordance", "structure") if loss[name]]):
        raise ValueError(
            f"{where}: with loss.adversarial, of the other losses only loss.l1 is used; take out loss.{others[0]}"
        )
    for table, key in (("loss", "structure_wanted"), ("loss", "detail_scale"), ("model", "saturation")):
        if config[table][key] <= 0:
            raise ValueError(f"{where}: {table}.{key} must be positive; it is {config[table][key]}")
    two_scales = network["kind"] == "two-scale"
    if two_scales != bool(config["model"]["coarse"]):
        raise ValueError(
            f"{where}: a two-scale network, and no other, needs model.coarse, the weights of its coarse part"
        )
    if two_scales != bool(loss["detail"]):
        raise ValueError(f"{where}: a two-scale network, and no other, learns by loss.detail; look at its weight")
    if two_scales and (others := [name for name in ("l1", "discordance", "structure", "adversarial") if loss[name]]):
        raise ValueError(f"{where}: a two-scale network does not learn by loss.{others[0]}; take it out")
    deviations = two_scales or network.get("deviations", False)
    if deviations and network["kind"] == "generator":
        raise ValueError(f"{where}: a generator gives no deviations; take out model.network.deviations")
    if loss["surprise"] and not deviations:
        raise ValueError(
            f"{where}: loss.surprise needs a network that gives deviations; set model.network.deviations = true"
        )
    if deviations and not loss["surprise"]:
        raise ValueError(f"{where}: deviations are learnt by loss.surprise; give it a weight")
    data = config["data"]
    if data["scarce"] and not deviations:
        raise ValueError(f"{where}: data.scarce needs a network that gives deviations; leave it empty")
    if two_scales and data["scarce"]:
        raise ValueError(f"{where}: a two-scale network has the passbands of its coarse part; leave data.scarce empty")
    scaling = config["model"].get("image_scaling")
    for band in data["scarce"]:
        if str(band) not in scaling:
            raise ValueError(f"{where}: passband {band} has no scaling; give model.image_scaling.{band}")


def model_record(config: dict[Any, Any], store: "Store") -> FieldModel | ImageModel:
    """
    Everything about the model that a run makes but its weights.

    Parameters
    ----------
    config : dict
        As `load_config` returns it.
    store : Store
        Where grid, calibration and provenance come from.

    Returns
    -------
    FieldModel or ImageModel
        The latter if there are ``data.inputs``.

    Raises
    ------
    FileNotFoundError
        If there are no weights for the coarse part of a network of two scales.
    ValueError
        If the store lacks a passband, or any image of a scarce one, a scaling cannot be made, or the coarse part does
        not fit the store.
    """
    bands, settings = config["data"]["passbands"], config["model"]
    scarce = config["data"]["scarce"]
    inputs = config["data"]["inputs"]
    if missing := [band for band in (*bands, *scarce, *inputs) if band not in store.passbands]:
        raise ValueError(f"the store has no passband {missing[0]}; it has {', '.join(map(str, store.passbands))}")
    # Said before hours of training rather than after.
    if missing := [band for band in scarce if not store.has[:, store.columns([band])].any()]:
        raise ValueError(f"the store has no image of passband {missing[0]}; take it out of data.scarce")
    if settings["coarse"]:
        return _two_scale_record(config, store)
    scaling = settings["image_scaling"]
    scalings = {band: scaling if "kind" in scaling else scaling.get(str(band)) for band in (*bands, *inputs)}
    if missing := [band for band in scalings if scalings[band] is None]:
        raise ValueError(f"passband {missing[0]} has no scaling; give model.image_scaling.{missing[0]}")
    scalings = {band: scaling_from_dict(scaling) for band, scaling in scalings.items()}
    facts = {
        "name": settings["name"],
        "description": settings["description"],
        "architecture": settings["network"],
        "grid": store.grid,
        "planes": tuple(settings["planes"]),
        "image_scalings": {band: scalings[band] for band in bands},
        "valid_radius": settings["valid_radius"],
        "calibration": {band: store.calibration[band] for band in bands},
        # Of what goes in as well: an image to translate has to be brought to the same epoch.
        "epochs": {band: store.epochs[band] for band in (*bands, *inputs) if band in store.epochs},
        "provenance": store.provenance,
        "caveats": {band: store.caveats[band] for band in bands if band in store.caveats},
    }
    if inputs:
        model = ImageModel(
            **facts, references=(_PARK2019, _LIM2021), input_scalings={band: scalings[band] for band in inputs}
        )
    else:
        model = FieldModel(
            **facts,
            references=(_PARK2019,),
            field_scaling=scaling_from_dict(settings["field_scaling"]),
            unpolarized=settings["unpolarized"],
            saturation=settings["saturation"],
            field_kind=store.field_kind,
        )
    channels = {"in_channels": model.channels, "out_channels": len(bands)}
    if settings["network"]["kind"] == "any-to-any":
        channels["images"] = len(inputs)
    return dataclasses.replace(model, architecture={**settings["network"], **channels})


def _two_scale_record(config: dict[str, Any], store: "Store") -> Any:
    """As `model_record`, for a network whose coarse part is a model of its own; its weights are the state."""
    settings, bands = config["model"], config["data"]["passbands"]
    coarse, block = load_model(settings["coarse"]), settings["network"]["block"]
    kind = coarse.architecture["kind"]
    if not isinstance(coarse, FieldModel) or kind != "shared-unet" or not coarse.gives_deviations:
        raise ValueError(
            f"the coarse part must be a shared-unet that answers to fields and gives deviations; {coarse.name} is none"
        )
    if math.isfinite(coarse.saturation):
        raise ValueError(
            f"blocks are seen as they are, but for {coarse.name} fields saturate; give another model.coarse"
        )
    if bands != list(coarse.image_scalings):
        raise ValueError(
            f"data.passbands must be those of {coarse.name}, in their order: "
            + ", ".join(map(str, coarse.image_scalings))
        )
    if store.grid.binned(block) != coarse.grid:
        raise ValueError(
            f"the store's frames are on {store.grid}, which in blocks of {block} × {block} pixels is not the grid of "
            f"{coarse.name}, {coarse.grid}"
        )
    if (crop := config["augmentation"]["crop"]) + 2 * block > min(store.grid.shape):
        raise ValueError(
            f"windows of {crop} pixels and a block around them do not fit into the store's frames of "
            f"{store.grid.shape[0]} × {store.grid.shape[1]}; lower augmentation.crop"
        )
    if odd := [plane for plane in settings["planes"] if is_odd(plane)]:
        raise ValueError(f"detail does not depend on polarity, the plane {odd[0]!r} does; take it out of model.planes")
    if any(store.epochs.get(band) != coarse.epochs.get(band) for band in bands):
        raise ValueError(f"the store's images are at another epoch of AIA's sensitivity than those of {coarse.name}")
    if store.field_kind != coarse.field_kind:
        raise ValueError(
            f"the store's fields are of the kind {store.field_kind!r}, those of {coarse.name} {coarse.field_kind!r}"
        )
    planes = (*(f"{block}x{block} {plane}" for plane in coarse.planes), *settings["planes"])
    architecture = {
        **settings["network"],
        "in_channels": len(planes),
        "out_channels": len(bands),
        "coarse": {name: of for name, of in coarse.architecture.items() if name not in ("kind", "out_channels")},
        "odd": [number for number, plane in enumerate(coarse.planes) if is_odd(plane)],
    }
    return dataclasses.replace(
        coarse,
        name=settings["name"],
        description=settings["description"],
        architecture=architecture,
        grid=store.grid,
        planes=planes,
        calibration={band: store.calibration[band] for band in bands},
        provenance=f"detail from {store.provenance}; the coarse part is {coarse.name}, from {coarse.provenance}",
        caveats={**coarse.caveats, **{band: store.caveats[band] for band in bands if band in store.caveats}},
        saturation=settings["saturation"],
        deviation_factors={},
        sha256="",
        state={f"coarse.{name}": tensor.float() for name, tensor in coarse.state.items()},
    )


def split_frames(config: dict[Any, Any], store: "Store") -> dict[Any, npt.NDArray]:
    """
    Which frames are trained on, watched and scored.

    Parameters
    ----------
    config : dict
    store : Store

    Returns
    -------
    dict of `~numpy.ndarray`
        Frame numbers of "train", "validation", "gap" and "test". Frames of sources that are never drawn, by
        ``data.draws``, are not trained on.
    """
    split = config["split"]
    if split["method"] == "park2019":
        parts = splits.park2019(store.frames["time"])
    else:
        parts = splits.rotations(store.frames["rotation"], split["test"], split["validation"], split["gap"])
    draws = config["data"]["draws"]
    drawn = np.array([draws.get(str(source), 1) > 0 for source in store.frames["source"]], dtype=bool)
    return {**parts, "train": parts["train"][drawn[parts["train"]]]}
