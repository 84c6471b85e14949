"""
A day that was left out, at full size: the magnetogram, synthetic images and observed ones.

``python -m sunpy_mag2euv.training.recipe.picture RUN FILE`` draws what the run in a directory makes of the day that it
has watched but not learnt from, see `sunpy_mag2euv.training.recipe.folds`.
"""

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from astropy.visualization import AsinhStretch, ImageNormalize, LinearStretch

from sunpy_mag2euv.metrics import correlation
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.recipe.folds import Fold

__all__ = ["draw", "main"]

#: Passbands that are drawn: two of the corona, the transition region, and what is nearly the photosphere.
_PASSBANDS = (171, 193, 304, 1600)

#: Field in gauss that is drawn black (−) and white (+).
_FIELD_LIMIT = 100

_DOTS_PER_INCH = 100


def draw(fold: Fold) -> Figure:
    """
    Draw the first frame that a run has watched but not learnt from.

    Parameters
    ----------
    fold : Fold

    Returns
    -------
    `~matplotlib.figure.Figure`
        In which every pixel is one of an image. To the left the magnetogram, above the synthetic images, below the
        observed ones, each pair on one scale of brightness.
    """
    store, model = Store.open(fold.config["data"]["store"]), fold.model
    row = fold.watched[0]
    field, grid = store.field(row), store.grid
    images = model.outputs(model.run(field, torch.device("cpu")))[0].value
    rows, columns = grid.shape
    figure = Figure(
        figsize=((1 + len(_PASSBANDS)) * columns / _DOTS_PER_INCH, 2 * rows / _DOTS_PER_INCH),
        dpi=_DOTS_PER_INCH,
        facecolor="black",
    )
    disk = grid.radius < 1
    limits = ImageNormalize(vmin=-_FIELD_LIMIT, vmax=_FIELD_LIMIT, stretch=LinearStretch())
    _place(figure, 0, 0, np.where(disk, field, -_FIELD_LIMIT), limits, "gray", "HMI magnetogram")
    words = [f"{str(store.frames['time'][row])[:16].replace('T', ' ')} UTC", "not learnt from", ""]
    for number, band in enumerate(_PASSBANDS, start=1):
        plane = list(model.image_scalings).index(band)
        observed = store.images(row, [band])[0]
        low, median, high = np.nanquantile(observed[disk], [0.01, 0.5, 0.999])
        norm = ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch((median - low) / (high - low)))
        _place(figure, number, 0, images[plane], norm, f"sdoaia{band}", f"{band} Å, synthetic")
        _place(figure, number, 1, observed, norm, f"sdoaia{band}", f"{band} Å, AIA")
        known = disk & np.isfinite(observed)
        top = store.ceilings[row, store.columns([band])[0]]
        pair = (np.minimum(image, top)[known] for image in (images[plane], observed))
        words.append(f"{band} Å: CC {correlation(*pair):.3f}")
    figure.text(0.1, 0.25, "\n".join(words), color="white", ha="center", va="center", fontsize=40, linespacing=1.6)
    return figure


def _place(figure: Figure, column: int, row: int, image: npt.NDArray, norm: Any, colors: str, title: str) -> None:
    """Draw an image in its cell, counted from the upper left one."""
    width = 1 / (1 + len(_PASSBANDS))
    axes = figure.add_axes((column * width, (1 - row) / 2, width, 1 / 2))
    axes.imshow(image, origin="lower", cmap=colors, norm=norm, interpolation="none")
    axes.set_axis_off()
    axes.text(0.02, 0.98, title, color="white", va="top", fontsize=34, transform=axes.transAxes)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m sunpy_mag2euv.training.recipe.picture", description="A day that was left out, at full size."
    )
    parser.add_argument("run", help="directory of a run that leaves a day out")
    parser.add_argument("file", help="to write, such as a .jpg")
    arguments = parser.parse_args()
    figure = draw(Fold.read(arguments.run))
    figure.savefig(arguments.file, facecolor="black")


if __name__ == "__main__":
    main()
