"""Inference: what the verbs that ask a model have in common, from their arguments to their Maps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
from sunpy.map.sources import AIAMap
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.aia import make_map
from sunpy_mag2euv.caveats import warn_of_caveats
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models import DEFAULT_MODEL, DEFAULT_TRANSLATOR, FieldModel, ImageModel, Model, load_model
from sunpy_mag2euv.passbands import Passband, get_passband
from sunpy_mag2euv.validity import Validity

if TYPE_CHECKING:
    import torch

    from sunpy_mag2euv.aia import View
    from sunpy_mag2euv.preparation import PreparedField
    from sunpy_mag2euv.translation import PreparedImages

__all__ = [
    "answers",
    "is_single",
    "make_maps",
    "resolve_device",
    "resolve_model",
    "resolve_passbands",
    "say",
]

#: For each class of models its default, the verb that asks it, and what it answers to.
_KINDS = {
    FieldModel: (DEFAULT_MODEL, "generate", "a magnetogram"),
    ImageModel: (DEFAULT_TRANSLATOR, "translate", "AIA images"),
}


def is_single(passband: object) -> bool:
    """Whether this is meant to be one passband rather than a sequence of them."""
    return isinstance(passband, str) or not np.iterable(passband)


def resolve_model(model: Any, kind: type, sha256: str | None = None) -> Any:
    """
    Find the model that is meant.

    Parameters
    ----------
    model : str, path-like or Model, optional
        As `~sunpy_mag2euv.load_model` takes it. The default of its kind if None.
    kind : type
        `~sunpy_mag2euv.models.FieldModel` or `~sunpy_mag2euv.models.ImageModel`.
    sha256 : str, optional
        As `~sunpy_mag2euv.load_model` takes it.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If it is of the other kind, or there is no such model.
    """
    if not isinstance(model, Model):
        model = load_model(_KINDS[kind][0] if model is None else model, sha256)
    if not isinstance(model, kind):
        _, verb, what = _KINDS[type(model)]
        raise ValueError(
            f"the model must answer to {_KINDS[kind][2]}; {model.name} answers to {what}: use {verb} with it, or "
            "choose another model"
        )
    return model


def resolve_passbands(passbands: Iterable[Any], model: Model) -> list[Passband]:
    """
    Find the passbands that are meant.

    Parameters
    ----------
    passbands : sequence
        As `~sunpy_mag2euv.passbands.get_passband` takes them.
    model : Model
        What has to have them.

    Returns
    -------
    list of Passband

    Raises
    ------
    TypeError
        If one is nothing that names a passband.
    ValueError
        If there is none, one comes twice, or the model lacks one.
    """
    passbands = [get_passband(passband) for passband in passbands]
    for passband in passbands:
        if passband not in model.passbands:
            raise ValueError(
                f"the model {model.name} has no passband {passband}; it has {', '.join(map(str, model.passbands))}"
            )
    if not passbands or len(set(passbands)) < len(passbands):
        raise ValueError("the passbands must be at least one, each once")
    return passbands


@isolated()
def resolve_device(device: "str | torch.device | None" = None) -> "torch.device":
    """
    Find a device that is there.

    Parameters
    ----------
    device : str or `torch.device`, optional
        A GPU if there is one, else the CPU, unless given.

    Returns
    -------
    `torch.device`

    Raises
    ------
    ValueError
        If the device is not there.
    """
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.zeros(1, dtype=torch.float32, device=device).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the device {device!s} cannot be used here ({reason}); use 'cpu', or leave it out") from None
    return device


def say(model: Model, reports: Mapping[Passband, Validity], said: set[str]) -> None:
    """
    Warn of what there is to say against images.

    Parameters
    ----------
    model : Model
        What makes them, whose caveats are said once a process, see `~sunpy_mag2euv.caveats.warn_of_caveats`.
    reports : dict
        For every passband its `~sunpy_mag2euv.validity.Validity`.
    said : set
        Sentences that are not said again; what is said enters it.
    """
    # Most of it concerns all passbands alike.
    for report in reports.values():
        for sentence in report.warnings():
            if sentence not in said and sentence != report.caveat:
                # If that is made an error, it has not been said.
                warn_user(sentence)
                said.add(sentence)
    caveats = {
        passband: report.caveat for passband, report in reports.items() if report.caveat and report.caveat not in said
    }
    warn_of_caveats(model, caveats)
    said.update(caveats.values())


@isolated()
def answers(
    model: Any, prepared: "Sequence[Any]", device: "torch.device"
) -> list[tuple[u.Quantity, u.Quantity | None]]:
    """
    Ask a model.

    Parameters
    ----------
    model : Model
    prepared : list of PreparedField or PreparedImages
        What it is asked, all at the same time: their ``values``, and where they are ``known``.
    device : `torch.device`

    Returns
    -------
    list of (images, deviations)
        For each of them:

        images : `~astropy.units.Quantity`
            In DN/s, shape (passbands, rows, columns), in the model's order, NaN where nothing is known.
        deviations : `~astropy.units.Quantity` or None
            Their standard deviations alike, if the model gives them.
    """
    if len(prepared) == 1:
        said = [model.run(prepared[0].values, device)]
    else:
        said = model.run(np.stack([each.values for each in prepared]), device)
    answers = []
    for each, scaled in zip(prepared, said, strict=True):
        images, deviations = model.outputs(scaled)
        for planes in (images, deviations):
            if planes is not None:
                planes[:, ~(each.known & model.valid)] = np.nan
        answers.append((images, deviations))
    return answers


def make_maps(
    model: Model,
    answer: tuple[u.Quantity, u.Quantity | None],
    prepared: "PreparedField | PreparedImages",
    reports: Mapping[Passband, Validity],
    view: "View",
    widening: Mapping[Passband, npt.NDArray] | None = None,
) -> list[AIAMap]:
    """
    Make a model's answer Maps.

    Parameters
    ----------
    model : Model
    answer : (images, deviations)
        One of those that `answers` returns.
    prepared : PreparedField or PreparedImages
        What it is the answer to, with the ``window`` that the Maps are on.
    reports : dict
        For every passband that is wanted, its `~sunpy_mag2euv.validity.Validity`.
    view : View
        From where and when the Maps are seen, and what ``prepared`` was made of.
    widening : dict, optional
        For every passband, what its standard deviations are to be multiplied by, of the grid's shape.

    Returns
    -------
    list of `~sunpy.map.sources.AIAMap`
        In the order of ``reports``.
    """
    grid, maps = model.grid.crop(*prepared.window), []
    for passband, validity in reports.items():
        plane = (model.passbands.index(passband), *prepared.window)
        image, deviation = (None if planes is None else planes[plane] for planes in answer)
        if deviation is not None and widening is not None:
            deviation = deviation * widening[passband][prepared.window]
        maps.append(make_map(image, deviation, grid, passband, view, model, validity))
    return maps
