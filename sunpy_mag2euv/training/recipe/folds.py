"""
Two days, of which one is learnt from and the other is scored, and the weights that learn from both.

Detail is learnt from two days of all passbands, months apart. So there are two runs that learn from one of them each,
and are chosen, scored and calibrated on the other; and one that learns from both, which takes over from these two how
far off it is on a day that it does not know.

``python -m sunpy_mag2euv.training.recipe.folds coarse STORE DAY WEIGHTS`` writes the coarse weights without what they
know of a day, ``... join FOLD FOLD RUN WEIGHTS`` the weights of the run that learns from both, and
``... score FOLD FOLD DIRECTORY`` the tables for the model card.
"""

import argparse
import copy
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astropy.table import vstack

from sunpy_mag2euv.models import FieldModel, load_model, save_model
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.calibration import factors_of, find_errors
from sunpy_mag2euv.training.learning.card import score_images, summarize, write_table
from sunpy_mag2euv.training.learning.export import registry_entry, trained_model
from sunpy_mag2euv.training.learning.problems import usable_split
from sunpy_mag2euv.training.learning.readout import extend
from sunpy_mag2euv.training.learning.reliability import Reliability
from sunpy_mag2euv.training.learning.run import CONFIGURATION
from sunpy_mag2euv.training.recipe.sharp import find_strengths, strengthened

if TYPE_CHECKING:
    from astropy.table import Table

    from sunpy_mag2euv.models import Model

__all__ = ["SCARCE", "Fold", "calibrated", "join", "main", "part", "score", "without", "write_scores"]

#: The passbands of the coarse weights that are read from few images, those of the two days among them.
SCARCE = (335, 1600, 1700)


def part(model: "Model", passbands: Sequence[int]) -> "Model":
    """
    A model of some of the passbands of another.

    Parameters
    ----------
    model : Model
        With a `~sunpy_mag2euv.network.SharedUNet` that gives deviations.
    passbands : sequence of int
        In angstrom.

    Returns
    -------
    Model
    """
    bands = list(model.image_scalings)
    rows = [bands.index(band) for band in passbands]
    rows += [len(bands) + row for row in rows]
    state = {**model.state, **{name: model.state[name][rows] for name in ("read.weight", "read.bias")}}
    return dataclasses.replace(
        model,
        architecture={**model.architecture, "out_channels": len(passbands)},
        image_scalings={band: model.image_scalings[band] for band in passbands},
        state=state,
    )


def without(model: "Model", store: Store, day: str, scarce: Sequence[int] = SCARCE) -> "Model":
    """
    Coarse weights that know nothing of a day.

    Parameters
    ----------
    model : Model
        Whose trained passbands have not learnt from it.
    store : Store
        That the scarce passbands were read from.
    day : str
        Such as "2024-11-26".
    scarce : sequence of int
        The passbands to read anew, from all other days.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If the store has no frame of that day.
    """
    days = np.array([str(time)[:10] for time in store.frames["time"].isot])
    if day not in days:
        raise ValueError(f"the store has no frame of the day {day!r}; give one such as {days[0]}")
    store = copy.copy(store)
    store.done = store.done & (days != day)
    scalings = {band: model.image_scalings[band] for band in scarce}
    return extend(part(model, [band for band in model.image_scalings if band not in scarce]), store, scalings)


def join(folds: "Sequence[Fold]", directory: str | os.PathLike, sharp: bool = False) -> FieldModel:
    """
    The model of a run that learns from all days, calibrated by runs that each leave one out.

    Parameters
    ----------
    folds : sequence of Fold
    directory : path-like
        Of the run that leaves none out.
    sharp : bool, optional
        Whether detail is made stronger, see `~sunpy_mag2euv.training.recipe.sharp.find_strengths`.

    Returns
    -------
    FieldModel
    """
    model: Any = trained_model(Path(directory), _config(directory))
    if not sharp:
        return calibrated(model, folds)
    strengths = find_strengths(folds)
    stronger = dataclasses.replace(
        strengthened(model, strengths),
        name=f"{model.name}-sharp",
        description=f"As {model.name}, with detail as strong as in observed images",
    )
    return calibrated(stronger, [fold.strengthened(strengths) for fold in folds])


@dataclasses.dataclass(frozen=True)
class Fold:
    """
    A run that leaves a day out, to watch it.

    Attributes
    ----------
    config : dict
        Of the run.
    model : FieldModel
    watched : `~numpy.ndarray`
        Rows of the store's manifest: the frames of that day.
    pixels, blocks : dict of `~numpy.ndarray`
        The model's errors on that day, see `~sunpy_mag2euv.training.learning.calibration.find_errors`.
    """

    config: dict
    model: FieldModel
    watched: np.ndarray
    pixels: dict
    blocks: dict

    @classmethod
    def read(cls, directory: Path) -> "Fold":
        """The fold in a run's directory."""
        config = _config(directory)
        split = usable_split(config, Store.open(config["data"]["store"]))
        return cls.of(config, trained_model(Path(directory), config, split), split["validation"])

    @classmethod
    def of(cls, config: dict[str, Any], model: Any, watched: Any) -> "Fold":
        """The fold of a model, which is asked about the frames of the day."""
        store = Store.open(config["data"]["store"])
        return cls(config, model, watched, *(find_errors(model, store, watched, block) for block in (1, model.block)))

    def strengthened(self, strengths: dict[int, float]) -> "Fold":
        """The fold of the same model with stronger detail, see `~sunpy_mag2euv.training.recipe.sharp.strengthened`."""
        return self.of(self.config, strengthened(self.model, strengths), self.watched)

    @property
    def scoring(self) -> dict[str, Any]:
        """The configuration, to score the day."""
        split = self.config["split"]
        return {**self.config, "split": {**split, "test": split["validation"], "validation": []}}


def calibrated(model: FieldModel, folds: Sequence[Fold]) -> FieldModel:
    """
    A model with the factors of folds.

    Parameters
    ----------
    model : FieldModel
    folds : sequence of Fold

    Returns
    -------
    FieldModel
    """
    factors = factors_of(*(fold.pixels for fold in folds))
    of_blocks = factors_of(*(fold.blocks for fold in folds))
    return dataclasses.replace(
        model,
        deviation_factors=factors,
        # The deviations in a block have the factor already.
        block_factors={band: of_blocks[band] / factors[band] for band in factors},
    )


def score(folds: Sequence[Fold], binning: int | None, reliability: Any = None) -> "Table":
    """
    Score each fold on the day that it left out, beside its coarse part and baselines that know the other day.

    Intervals are tested with the factors of the other folds, which were found on other days, as were the strengths of
    the detail of "sharp".

    Parameters
    ----------
    folds : sequence of Fold
    binning, reliability
        As of `~sunpy_mag2euv.training.learning.card.score_images`.

    Returns
    -------
    `~astropy.table.Table`
        As that of `~sunpy_mag2euv.training.learning.card.score_images`, of all folds.
    """
    tables = []
    for fold in folds:
        others = [other for other in folds if other is not fold]
        strengths = find_strengths(others)
        named = [
            dataclasses.replace(model, name=name)
            for name, model in {
                "detail": calibrated(fold.model, others),
                "sharp": calibrated(
                    strengthened(fold.model, strengths), [other.strengthened(strengths) for other in others]
                ),
                "coarse": load_model(fold.config["model"]["coarse"]),
            }.items()
        ]
        tables.append(score_images(named, fold.scoring, binning=binning, reliability=reliability))
    # Each has models of its own.
    return vstack(tables, metadata_conflicts="silent")


def _config(directory: str | os.PathLike) -> dict[str, Any]:
    """The configuration of the run in a directory."""
    return json.loads(Path(directory, CONFIGURATION).read_text(encoding="utf-8"))


def write_scores(folds: Sequence[Fold], directory: Path) -> None:
    """
    Write the tables for the model card, of pixels as they are and of blocks, and how much intervals hold in both.

    Parameters
    ----------
    folds : sequence of Fold
    directory : `pathlib.Path`
    """
    reliability = Reliability()
    for binning, name, words in ((1, "detail", "1024 by 1024 pixels"), (4, "detail_binned", "binned to 256 by 256")):
        summary = summarize(score(folds, binning, reliability))
        write_table(summary, directory / f"scores_{name}.inc", f"Scores of days left out, whole disk, {words}")
    reliability.table().write(directory / "reliability_detail.ecsv", format="ascii.ecsv", overwrite=True)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m sunpy_mag2euv.training.recipe.folds", description="Weights of days that are left out in turn."
    )
    commands = parser.add_subparsers(required=True)
    coarse = commands.add_parser("coarse", help="coarse weights without what they know of a day")
    coarse.add_argument("store", help="of the browse archives")
    coarse.add_argument("day", help="such as 2024-11-26")
    coarse.add_argument("weights", help="to write")
    coarse.set_defaults(model=lambda given: without(load_model("shared-browse"), Store.open(given.store), given.day))
    joined = commands.add_parser("join", help="weights of a run on all days, calibrated by runs that leave one out")
    joined.add_argument("folds", nargs=2, metavar="fold", help="directories of the runs that leave a day out")
    joined.add_argument("run", help="directory of the run on all days")
    joined.add_argument("weights", help="to write; its entry for the registry is printed")
    joined.add_argument("--sharp", action="store_true", help="with stronger detail")
    joined.set_defaults(model=lambda given: join([Fold.read(fold) for fold in given.folds], given.run, given.sharp))
    scored = commands.add_parser("score", help="each fold on the day that it left out")
    scored.add_argument("folds", nargs=2, metavar="fold")
    scored.add_argument("tables", type=Path, help="folder for the tables to write")
    arguments = parser.parse_args()
    if "model" not in arguments:
        write_scores([Fold.read(fold) for fold in arguments.folds], arguments.tables)
        return
    model = arguments.model(arguments)
    model = dataclasses.replace(model, sha256=save_model(model, arguments.weights))
    print(registry_entry(model, Path(arguments.weights)), end="")


if __name__ == "__main__":
    main()
