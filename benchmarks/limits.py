"""
What images of one field cannot tell: ratios of channels, and where coronal holes end.

``python benchmarks/limits.py STORE RATIOS HOLES`` looks at the frames in a store of the browse images that the model
shared-browse was not trained on, and writes two tables for the documentation.
"""

import sys

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from sunpy_mag2euv import load_model
from sunpy_mag2euv.metrics import find_regions
from sunpy_mag2euv.training.data.splits import rotations
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.card import write_list_table
from sunpy_mag2euv.training.recipe.browse import TEST_ROTATIONS

#: Ratios that say something of the temperature, of channels that are seen in the same frames.
RATIOS = ((171, 193), (211, 193), (211, 171), (131, 171), (94, 171), (94, 193))

#: Archives whose frames have all of these channels. No weights of these six passbands were learnt from them.
FULL_SETS = ("full_sets_2015", "full_set_2022")

#: Where the holes of a synthetic image are looked for with a threshold, and from when on the stretch of 193 Å is known.
HOLES = {193: np.datetime64("2011-02-01"), 211: np.datetime64("2010-01-01")}

_PARTS = {"gap": "gap", "test": "scored"}
_INNER = 0.9
_SMOOTHING = 30 / 696 / np.sqrt(8 * np.log(2))  # solar radii, of holes as of `sunpy_mag2euv.metrics.find_regions`


def compare_logarithms(observed, synthetic):
    """The correlation of two arrays' logarithms, and the spread and error of the second in units of the first's."""
    observed, synthetic = (np.log(values) - np.log(values).mean() for values in (observed, synthetic))
    spread = observed.std()
    error = np.sqrt(np.mean((synthetic - observed) ** 2)) / spread
    return np.corrcoef(observed, synthetic)[0, 1], synthetic.std() / spread, error


def overlap(first, second):
    """The share of what is in either mask that is in both."""
    return np.count_nonzero(first & second) / max(np.count_nonzero(first | second), 1)


def darkest(image, number, where, sigma):
    """As many pixels as asked for, the faintest of a smoothed image."""
    smooth = gaussian_filter(np.nan_to_num(image), sigma)
    chosen = np.zeros(image.shape, dtype=bool)
    rows, columns = np.nonzero(where)
    order = np.argsort(smooth[where], kind="stable")[:number]
    chosen[rows[order], columns[order]] = True
    return chosen


def outputs(model, store, row, bands):
    """The synthetic images of some passbands."""
    images = model.outputs(model.run(store.field(row), torch.device("cpu")))[0].value
    return dict(zip(bands, images[[list(model.image_scalings).index(band) for band in bands]], strict=True))


def ratio_rows(model, store):
    """Cells of the table of channels and their ratios."""
    bands = sorted({band for pair in RATIOS for band in pair})
    inner = store.grid.radius < _INNER
    found = {}
    for row in np.flatnonzero(np.isin(store.frames["source"], FULL_SETS)):
        if not store.has[row, store.columns(bands)].all():
            continue
        observed = dict(zip(bands, store.images(row, bands), strict=True))
        known = inner & np.all([np.isfinite(image) & (image > 0) for image in observed.values()], axis=0)
        seen = {band: image[known] for band, image in observed.items()}
        made = {band: image[known] for band, image in outputs(model, store, row, bands).items()}
        for band in bands:
            found.setdefault(f"{band} Å", []).append(compare_logarithms(seen[band], made[band]))
        for above, below in RATIOS:
            scores = compare_logarithms(seen[above] / seen[below], made[above] / made[below])
            found.setdefault(f"{above} / {below} Å", []).append(scores)
    for what, scores in found.items():
        yield (what, len(scores), *(f"{mean:.2f}" for mean in np.mean(scores, axis=0)))


def hole_rows(model, store):
    """Cells of the table of coronal holes."""
    grid, split = store.grid, rotations(store.frames["rotation"], TEST_ROTATIONS)
    inner, sigma = grid.radius < _INNER, _SMOOTHING * grid.solar_radius
    for band, since in HOLES.items():
        late = store.frames["time"].datetime64 >= since
        for part, name in _PARTS.items():
            rows = [row for row in split[part] if late[row] and store.has[row, store.columns([band])[0]]]
            areas, overlaps = [], []
            for row in rows:
                (observed,), synthetic = store.images(row, [band]), outputs(model, store, row, [band])[band]
                longitude = np.zeros(grid.shape)
                holes, made = (
                    find_regions(image, band, grid.radius, longitude, grid.solar_radius)["coronal hole"]
                    for image in (observed, synthetic)
                )
                areas.append([np.count_nonzero(mask) / np.count_nonzero(inner) for mask in (holes, made)])
                if holes.any():
                    dark = darkest(synthetic, np.count_nonzero(holes), inner & np.isfinite(observed), sigma)
                    overlaps.append([overlap(holes, mask) for mask in (made, dark)])
            yield (
                band,
                name,
                len(rows),
                *(f"{100 * share:.1f} %" for share in np.mean(areas, axis=0)),
                *(f"{share:.2f}" for share in np.mean(overlaps, axis=0)),
            )


def main(path, ratios, holes):
    store, model = Store.open(path), load_model("shared-browse")
    write_list_table(
        ("Of", "Frames", "Correlation", "Spread", "Error"),
        ratio_rows(model, store),
        ratios,
        "Channels and their ratios",
    )
    head = ("Passband (Å)", "Frames", "Images", "Area, observed", "Area, synthetic", "Overlap", "Overlap, equal area")
    write_list_table(head, hole_rows(model, store), holes, "Coronal holes")


if __name__ == "__main__":
    main(*sys.argv[1:])
