"""
Weights of translators at other levels than those that they were trained at.

``python -m sunpy_mag2euv.training.recipe.relevel MODEL CONFIG.toml FILE.safetensors`` writes them.

A translator sees scaled images only. If images of a passband turn out to have been too faint by a factor, as when AIA's
loss of sensitivity was not divided out, it need not be trained anew: with scalings that have the factor in them, it
sees of the brighter images what it saw of the others, and its scores but for those of levels stay what they were.
"""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy.typing as npt

from sunpy_mag2euv.models import ImageModel, load_model, save_model
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import load_config
from sunpy_mag2euv.training.learning.export import disk_levels, registry_entry
from sunpy_mag2euv.training.learning.problems import usable_split

if TYPE_CHECKING:
    from sunpy_mag2euv.scaling import LinearScaling

__all__ = ["relevel"]


def relevel(model: ImageModel, store: Store, rows: npt.NDArray | Sequence[int]) -> ImageModel:
    """
    Bring a translator to the levels of a store.

    Parameters
    ----------
    model : ImageModel
        That knows the levels of the images that it was trained on.
    store : Store
        Of the same images at other levels, each passband's by a factor of its own.
    rows : sequence of int
        Of the store's manifest: the frames trained on.

    Returns
    -------
    ImageModel
        With scalings, levels, epochs and calibration of the store's images.

    Raises
    ------
    ValueError
        If the model does not know a passband's level, or the store has no image of one.
    """
    levels = disk_levels(store, rows, list(model.input_scalings))
    if missing := [band for band in {**model.image_scalings, **model.input_scalings} if band not in model.levels]:
        raise ValueError(f"the model {model.name} does not know the level of {missing[0]} Å, so nothing can be done")
    if missing := [band for band in model.levels if band not in levels]:
        raise ValueError(f"the store has no image of passband {missing[0]} among those trained on")

    def scaled(scalings: "Mapping[int, LinearScaling]") -> "dict[int, LinearScaling]":
        return {band: _scaled(scaling, levels[band] / model.levels[band]) for band, scaling in scalings.items()}

    return dataclasses.replace(
        model,
        image_scalings=scaled(model.image_scalings),
        input_scalings=scaled(model.input_scalings),
        levels=levels,
        calibration={band: store.calibration[band] for band in model.image_scalings},
        epochs={band: store.epochs[band] for band in levels if band in store.epochs},
    )


def _scaled(scaling: "LinearScaling", factor: float) -> "LinearScaling":
    """The scaling that makes of values what ``scaling`` makes of them divided by a factor."""
    entries = scaling.to_dict()
    return scaling_from_dict({key: entry if key == "kind" else factor * entry for key, entry in entries.items()})


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m sunpy_mag2euv.training.recipe.relevel", description="Weights of a translator at other levels."
    )
    parser.add_argument("model", help="name or path of the weights")
    parser.add_argument("config", metavar="CONFIG.toml", help="whose store and split are used")
    parser.add_argument("weights", metavar="FILE.safetensors", help="to write")
    arguments = parser.parse_args()
    model, config = load_model(arguments.model), load_config(arguments.config)
    if not isinstance(model, ImageModel):
        parser.error(f"the model must be a translator; {model.name} answers to magnetograms")
    store = Store.open(config["data"]["store"])
    model = relevel(model, store, usable_split(config, store)["train"])
    model = dataclasses.replace(model, sha256=save_model(model, arguments.weights))
    print(registry_entry(model, Path(arguments.weights)), end="")


if __name__ == "__main__":
    main()
