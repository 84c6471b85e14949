"""
Whether standard deviations hold what they say, and the factors that make them.

A network judges its errors by the frames it was trained on, where they are smallest. So the standard deviations that it
gives are multiplied by a factor for each passband, found on frames that it was not trained on and that are not scored.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm.auto import tqdm

from sunpy_mag2euv.metrics import bin_image, standard_errors
from sunpy_mag2euv.training.data.sampling import frames_as_they_are

if TYPE_CHECKING:
    from sunpy_mag2euv.models import Model
    from sunpy_mag2euv.training.data.store import Store

__all__ = ["deviation_factor", "factors_of", "find_errors", "find_factors"]

#: Frames that are looked at, at most, spread evenly over those that there are: neighbours show the same Sun.
_FRAMES = 24

#: Shares of a normal distribution within one standard deviation and within 1.96, and these distances.
_SHARES, _DISTANCES = (0.6827, 0.95), (1.0, 1.96)


def deviation_factor(errors: npt.NDArray) -> float:
    """
    What standard deviations have to be multiplied by.

    Parameters
    ----------
    errors : `~numpy.ndarray`
        Observed minus synthetic, in units of the standard deviation; NaN does not count.

    Returns
    -------
    float
        That with which the shares within one standard deviation and within 1.96 add up to what they should, 68 and 95
        per cent. If errors are not normally distributed, but more of them very small and some very large, the first is
        too large by as much as the second is too small.
    """
    # Each error counts twice: from its own size on, and from that over 1.96.
    needed = np.abs(errors).ravel() / np.array(_DISTANCES)[:, None]
    return float(np.nanquantile(needed, sum(_SHARES) / 2))


def find_factors(model: "Model", store: "Store", rows: npt.NDArray | Sequence[int]) -> dict[int, float]:
    """
    The factors of a model's standard deviations.

    Parameters
    ----------
    model : Model
        Whose network gives deviations; factors that it has already are left out of account.
    store : Store
    rows : sequence of int
        Of the store's manifest: frames that the model was not trained on.

    Returns
    -------
    dict of float
        By passband, for those passbands that any of the frames has.
    """
    return factors_of(find_errors(model, store, rows))


def factors_of(*found: dict[Any, npt.NDArray]) -> dict[int, float]:
    """
    The factors that make standard deviations hold what they say of some errors.

    Parameters
    ----------
    *found : dict of `~numpy.ndarray`
        As `find_errors` returns them.

    Returns
    -------
    dict of float
        By passband.
    """
    bands = sorted({band for errors in found for band in errors})
    return {
        band: deviation_factor(np.concatenate([errors[band] for errors in found if band in errors])) for band in bands
    }


def find_errors(
    model: "Model", store: "Store", rows: npt.NDArray | Sequence[int], block: int = 1
) -> dict[Any, npt.NDArray]:
    """
    How far a model is off, in units of the standard deviations that its network gives.

    Parameters
    ----------
    model : Model
        Whose network gives deviations; factors that it has already are left out of account.
    store : Store
    rows : sequence of int
        Of the store's manifest.
    block : int
        Pixels in each direction whose means are compared, in units of the mean of their standard deviations.

    Returns
    -------
    dict of `~numpy.ndarray`
        By passband, for those passbands that any of the frames has, the errors of all pixels, or blocks, on the disk.
    """
    bands = list(model.image_scalings)
    columns = dict(zip(bands, store.columns(bands), strict=True))
    errors: dict[int, list[npt.NDArray]] = {band: [] for band in bands}
    has, frames = store.has, frames_as_they_are(store, rows, model)
    # The disk: off the limb there is no field, and no two archives end at the same distance.
    disk = store.grid.binned(block).radius < 1
    chosen = set()
    for band in bands:
        found = [row for row in rows if has[row, columns[band]]]
        chosen.update(found[:: max(1, len(found) // _FRAMES)])
    for row in tqdm(sorted(chosen), desc="calibrating", unit="frame", leave=False):
        output = model.run(frames.given(row), torch.device("cpu"))
        estimate: Any = model.estimate(output)
        images, deviations = (dict(zip(bands, planes.numpy(), strict=True)) for planes in estimate)
        for band in frames.asked(row):
            # A block is as far off as its pixels are on average, and those with a lower limit are by what is certain.
            off = standard_errors(images[band], 1, store.images(row, [band])[0], store.ceilings[row, columns[band]])
            errors[band].append((bin_image(off, block) / bin_image(deviations[band], block))[disk])
    return {band: np.concatenate(found) for band, found in errors.items() if found}
