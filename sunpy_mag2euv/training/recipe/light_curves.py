"""
Light curves beside observed ones: how far sums over the disk are off, and how well they follow.

``python -m sunpy_mag2euv.training.recipe.light_curves STORE ERRORS VARIATION`` compares them in a store of the browse
images, on frames that were not trained on, and writes two tables for the documentation. The errors in units of summed
deviations, on the rotations of the gap, are where `sunpy_mag2euv.light_curves` has its factors from.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm.auto import tqdm

from sunpy_mag2euv.light_curves import DEFAULT_CURVE_MODEL, deviation_factor
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.training.data.splits import rotations
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.card import write_list_table
from sunpy_mag2euv.training.recipe.browse import TEST_ROTATIONS
from sunpy_mag2euv.training.recipe.levels import is_as_measured

if TYPE_CHECKING:
    from sunpy_mag2euv.models import FieldModel

__all__ = ["Sums", "compare_sums", "find_sums", "main"]

#: Fewer images than this are no curve.
_FEW = 10

#: The parts of the split that are compared, and what the table calls them.
_PARTS = {"gap": "gap", "test": "scored"}

#: Changes are looked at between sums that are so far apart in time, and how exactly.
_LAG, _TOLERANCE = np.timedelta64(72, "h"), np.timedelta64(1, "h")

_COMMON_HEAD = ("Passband (Å)", "Frames", "Rotations", "Images")
_ERRORS_HEAD = ("Mean error", "Scatter about it", "Scatter, flux", "Error / summed deviations", "Within 68 %, 95 %")
_VARIATION_HEAD = ("Amplitude", "Correlation", "Correlation, flux", "Three days", "Three days, flux")


@dataclass(frozen=True)
class Sums:
    """
    Sums over the disk of one passband's images whose level is known by itself.

    Attributes
    ----------
    rows : `~numpy.ndarray`
        Of the store's manifest, shape (images,), as all of these.
    observed, synthetic : `~numpy.ndarray`
        In DN/s times pixels of the store's grid; where the observation is a lower limit, both are cut there.
    deviations : `~numpy.ndarray`
        Sums of the standard deviations of the synthetic images.
    flux : `~numpy.ndarray`
        Sums of the field's strength, which is the total unsigned flux along the line of sight.
    """

    rows: np.ndarray
    observed: np.ndarray
    synthetic: np.ndarray
    deviations: np.ndarray
    flux: np.ndarray

    def of(self, rows: Any) -> "Sums":
        """Those of some rows of the manifest."""
        chosen = np.isin(self.rows, rows)
        arrays = self.rows, self.observed, self.synthetic, self.deviations, self.flux
        return Sums(*(array[chosen] for array in arrays))

    def from_flux(self, other: "Sums") -> npt.NDArray:
        """Sums that a power of the flux predicts, fitted by least squares of logarithms to ``other``."""
        power = np.polyfit(np.log(other.flux), np.log(other.observed), 1)
        return np.exp(np.polyval(power, np.log(self.flux)))


def find_sums(model: "FieldModel", store: Store) -> dict[int, Sums]:
    """
    Sum observed and synthetic images over the disk.

    Parameters
    ----------
    model : FieldModel
        On the store's grid, with deviations.
    store : Store
        With fields.

    Returns
    -------
    dict of Sums
        By passband (int, angstrom), of those that have any.

    Raises
    ------
    ValueError
        If the model is on another grid than the store.
    """
    if model.grid != store.grid:
        raise ValueError(f"the model {model.name} works on {model.grid}, the store's frames are on {store.grid}")
    disk, bands = store.grid.radius < 1, [band for band in model.image_scalings if band in store.passbands]
    times, archives = store.frames["time"].datetime64, np.array(store.frames["source"])
    wanted = {
        band: store.has[:, column] & is_as_measured(band, times, archives)
        for band, column in zip(bands, store.columns(bands), strict=True)
    }
    found: dict[int, list[tuple]] = {band: [] for band in bands}
    for row in tqdm(range(len(store.frames)), unit="frame", disable=None):
        if not (here := [band for band in bands if wanted[band][row]]):
            continue
        field = store.field(row)
        answer: tuple[Any, Any] = model.outputs(model.run(field, torch.device("cpu")))
        images, deviations = answer
        ceilings = store.ceilings[row, store.columns(here)]
        for band, observed, ceiling in zip(here, store.images(row, here), ceilings, strict=True):
            known = disk & np.isfinite(observed)
            number = list(model.image_scalings).index(band)
            pair = (np.minimum(image, ceiling)[known] for image in (observed, images[number].value))
            sums = (*pair, deviations[number].value[known], np.abs(field[known]))
            found[band].append((row, *(values.sum(dtype=float) for values in sums)))
    return {band: Sums(*map(np.array, zip(*rows, strict=True))) for band, rows in found.items() if rows}


def compare_sums(model: "FieldModel", store: Store) -> Iterator[Any]:
    """
    Compare sums on the frames that were not trained on.

    Parameters
    ----------
    model, store
        As for `find_sums`.

    Yields
    ------
    dict
        For each passband, part of the split and archive: ``passband``, ``part``, ``archive``, ``rotations`` and
        ``images``; ``level``, the mean relative error; ``scatter``, the standard deviation of the logarithm of the
        ratio, which no level changes; ``error``, the root mean square error in units of the summed deviations;
        ``within_68`` and ``within_95``, the shares that are within one and 1.96 standard deviations of light curves;
        ``amplitude``, how much the logarithms of synthetic sums vary in units of how much those of observed ones do;
        ``correlation`` of the sums; ``changes``, the correlation of the logarithms' changes within three days, NaN
        where there are too few; and ``flux_scatter``, ``flux_correlation`` and ``flux_changes``, the same of what a
        power of the total unsigned flux predicts, fitted to the frames trained on.
    """
    split = rotations(store.frames["rotation"], TEST_ROTATIONS)
    for band, sums in find_sums(model, store).items():
        trained = sums.of(split["train"])
        for part in _PARTS:
            held_out = sums.of(split[part])
            archives = np.array(store.frames["source"])[held_out.rows]
            for archive in dict.fromkeys(map(str, archives)):
                chosen = held_out.of(held_out.rows[archives == archive])
                if min(len(chosen.rows), len(trained.rows)) < _FEW:
                    continue
                yield {
                    "passband": band,
                    "part": part,
                    "archive": archive,
                    "rotations": len(np.unique(np.floor(store.frames["rotation"][chosen.rows]))),
                    "images": len(chosen.rows),
                    **_errors(chosen, deviation_factor(model, band)),
                    **_variation(chosen, chosen.from_flux(trained), store.frames["time"].datetime64[chosen.rows]),
                }


def _errors(sums: Sums, factor: float) -> dict[str, float]:
    """Of what `compare_sums` says, how far off sums are, with the factor of their deviations."""
    errors = (sums.synthetic - sums.observed) / sums.deviations
    return {
        "level": float(np.mean(sums.synthetic / sums.observed) - 1),
        "scatter": float(np.std(np.log(sums.synthetic / sums.observed))),
        "error": float(np.sqrt(np.mean(errors**2))),
        "within_68": float(np.mean(np.abs(errors) <= factor)),
        "within_95": float(np.mean(np.abs(errors) <= 1.96 * factor)),
    }


def _variation(sums: Sums, from_flux: Any, times: Any) -> dict[str, float]:
    """Of what `compare_sums` says, how well sums follow."""
    observed, synthetic, flux = map(np.log, (sums.observed, sums.synthetic, from_flux))
    since = times[None, :] - times[:, None]
    before, after = np.nonzero(np.abs(since - _LAG) <= _TOLERANCE)
    changes = [values[after] - values[before] for values in (observed, synthetic, flux)]
    few = len(before) < _FEW
    return {
        "amplitude": float(np.std(synthetic) / np.std(observed)),
        "correlation": float(np.corrcoef(sums.synthetic, sums.observed)[0, 1]),
        "changes": np.nan if few else float(np.corrcoef(changes[1], changes[0])[0, 1]),
        "flux_scatter": float(np.std(flux - observed)),
        "flux_correlation": float(np.corrcoef(from_flux, sums.observed)[0, 1]),
        "flux_changes": np.nan if few else float(np.corrcoef(changes[2], changes[0])[0, 1]),
    }


def _common_cells(row: Any) -> tuple:
    return row["passband"], f"{_PARTS[row['part']]}, ``{row['archive']}``", row["rotations"], row["images"]


def _errors_cells(row: Any) -> tuple:
    return (
        *_common_cells(row),
        f"{100 * row['level']:+.1f} %".replace("-", "−"),
        f"{100 * row['scatter']:.1f} %",
        f"{100 * row['flux_scatter']:.1f} %",
        f"{row['error']:.2f}",
        f"{100 * row['within_68']:.0f} %, {100 * row['within_95']:.0f} %",
    )


def _variation_cells(row: Any) -> tuple:
    numbers = (row[name] for name in ("correlation", "flux_correlation", "changes", "flux_changes"))
    cells = ("" if np.isnan(number) else f"{number:.2f}".replace("-", "−") for number in numbers)
    return (*_common_cells(row), f"{row['amplitude']:.2f}", *cells)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m sunpy_mag2euv.training.recipe.light_curves", description="Light curves beside observed ones."
    )
    parser.add_argument("store", help="of the browse images")
    parser.add_argument("errors", help="the table of how far off sums are, to write")
    parser.add_argument("variation", help="the table of how well they follow, to write")
    arguments = parser.parse_args()
    rows = list(compare_sums(load_model(DEFAULT_CURVE_MODEL), Store.open(arguments.store)))  # type: ignore[arg-type]
    for path, head, cells, title in (
        (arguments.errors, _ERRORS_HEAD, _errors_cells, "How far off sums over the disk are"),
        (arguments.variation, _VARIATION_HEAD, _variation_cells, "How well sums over the disk follow"),
    ):
        write_list_table((*_COMMON_HEAD, *head), map(cells, rows), path, title)


if __name__ == "__main__":
    main()
