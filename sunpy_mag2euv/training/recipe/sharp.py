"""
Detail as strong as in observed images.

What is learnt by its squared error is the mean of what may be there: where the field decides little, detail is in its
place, but too faint. Multiplied, it has as much structure as observed images, and none but the field's: nothing is
made up where there is no field.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sunpy_mag2euv.metrics import structure_ratio
from sunpy_mag2euv.training.data.store import Store

if TYPE_CHECKING:
    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.training.recipe.folds import Fold

__all__ = ["find_strengths", "strengthened"]

#: Ratio of the power at 20 to 60 Mm, synthetic to observed (`~sunpy_mag2euv.metrics.structure_ratio`), that is wanted
#: on average over folds.
_WANTED = 0.75

#: What is tried.
_STRENGTHS = np.linspace(1, 3, 5)


def strengthened(model: "FieldModel", strengths: dict[int, float]) -> "FieldModel":
    """
    A model with more detail of the same form.

    Parameters
    ----------
    model : FieldModel
        Of two scales.
    strengths : dict of float
        What each passband's detail is multiplied by.

    Returns
    -------
    FieldModel
    """
    state = dict(model.state)
    for name in ("detail.read.weight", "detail.read.bias"):
        state[name] = state[name].clone()
        # Those of the images come first; deviations stay what they are.
        for row, band in enumerate(model.image_scalings):
            state[name][row] *= strengths[band]
    return dataclasses.replace(model, state=state)


def find_strengths(folds: "Sequence[Fold]") -> dict[int, float]:
    """
    How much stronger detail has to be to have the structure of observed images on days left out.

    Parameters
    ----------
    folds : sequence of `~sunpy_mag2euv.training.recipe.folds.Fold`

    Returns
    -------
    dict of float
        By passband, from 1 to 3; 1 where nothing is known of structure, for one because pixels are too large.
    """
    ratios = {strength: _structure(folds, strength) for strength in _STRENGTHS}
    found = {}
    for row, band in enumerate(folds[0].model.image_scalings):
        reached = [ratio[row] for ratio in ratios.values()]
        # Pixels leave the range of brightness if detail is too strong, and power is lost again: the first one counts.
        reached = np.maximum.accumulate(np.nan_to_num(reached, nan=np.inf))
        found[band] = float(np.interp(_WANTED, reached, _STRENGTHS))
    return found


def _structure(folds: "Sequence[Fold]", strength: Any) -> Any:
    """Mean ratio of power over folds, for each passband, if all detail is multiplied by a number."""
    ratios = []
    for fold in folds:
        model = strengthened(fold.model, dict.fromkeys(fold.model.image_scalings, strength))
        store, row = Store.open(fold.config["data"]["store"]), fold.watched[0]
        images, _ = model.estimate(model.run(store.field(row), torch.device("cpu")))
        observed = store.images(row, list(model.image_scalings))
        tops = store.ceilings[row, store.columns(list(model.image_scalings))][:, None, None]
        pairs = zip(np.minimum(images.numpy(), tops), np.minimum(observed, tops), strict=True)
        ratios.append([structure_ratio(*pair, store.grid.radius, store.grid.solar_radius) for pair in pairs])
    return np.mean(ratios, axis=0)
