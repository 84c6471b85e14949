"""
Score models beside the baselines, on frames that none of them has seen, and write the table for the model card.

The scores are those of Park et al. 2019 (see `sunpy_mag2euv.metrics`), on the disk and near the central meridian. The
baselines are fitted to the frames trained on.
"""

from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

import astropy.units as u
from astropy.table import Table

from sunpy_mag2euv.metrics import (
    Climatology,
    LastRotation,
    LeastSquares,
    PowerLaw,
    bin_image,
    correlation,
    find_regions,
    mean_interval,
    pixel_error_share,
    relative_error,
    skill_score,
    stonyhurst_longitude,
)
from sunpy_mag2euv.metrics.comparison import PAPER_RADIUS
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.config import protocol_defaults
from sunpy_mag2euv.training.problems import usable_split
from sunpy_mag2euv.training.store import Store

__all__ = ["BASELINES", "score_images", "summarize", "write_table"]

#: Names of the baselines in tables.
BASELINES = ("climatology", "power law", "least squares", "last rotation")

#: Regions that are scored: those in which every method has all pixels.
_REGIONS = ("disk", "central")

_SCORES = ("cc", "cc_log", "re", "ppe10", "ppe50")


def score_images(models, config):
    """
    Score models and baselines on the frames to test.

    Parameters
    ----------
    models : sequence of Model
        All on the store's grid.
    config : dict
        Whose store and split are used; see `~sunpy_mag2euv.training.config.load_config`.

    Returns
    -------
    `~astropy.table.Table`
        A row for each image, method and region: ``passband``, ``frame`` (name), ``rotation``, ``method``, ``region``,
        and the scores ``cc``, ``cc_log`` (of logarithms), ``re``, ``ppe10`` and ``ppe50``. "last rotation" has rows for
        those images only for which there is one.

    Raises
    ------
    ValueError
        If frames have problems (`~sunpy_mag2euv.training.problems.ProblemsError`), there is none to test or to fit the
        baselines to, or a model has another grid than the store.

    Notes
    -----
    Where the observation is known only to be at least so bright, both images are cut at that brightness. Images are
    binned so that the Sun's radius is near the 98 pixels of the paper's evaluation.
    """
    store = Store.open(config["data"]["store"])
    for model in models:
        if model.grid != store.grid:
            raise ValueError(f"the model {model.name} works on {model.grid}, the store's frames are on {store.grid}")
    split = usable_split(config, store)
    bands = [band for band in config["data"]["passbands"] if store.has[split["test"], store.columns([band])[0]].any()]
    if not bands:
        raise ValueError("the store has no frame to test; look at split.test")
    baselines = {band: _Baselines(store, band, split) for band in tqdm(bands, desc="baselines", leave=False)}
    # The paper's networks draw dropout when they generate, too.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _score_frames(models, store, split["test"], bands, baselines)


def _score_frames(models, store, frames, bands, baselines):
    """The rows of `score_images`."""
    device = torch.device("cpu")
    rows = []
    for frame in tqdm(frames, desc="scoring", unit="frame"):
        has = [band for band in bands if store.has[frame, store.columns([band])[0]]]
        if not has:
            continue
        field = store.field(frame)
        generated = {}
        for model in models:
            images = model.outputs(model.run(field, device)).value
            generated[model.name] = dict(zip(model.image_scalings, images, strict=True))
        for band in has:
            predicted = {name: images[band] for name, images in generated.items() if band in images}
            predicted |= baselines[band].predict(frame, field)
            (column,) = store.columns([band])
            observed = np.minimum(store.images(frame, [band])[0], store.ceilings[frame, column])
            for method, image in predicted.items():
                image = np.minimum(image, store.ceilings[frame, column])
                for region, scores in _score(image, observed, band, store, frame).items():
                    name, rotation = str(store.frames["name"][frame]), float(store.frames["rotation"][frame])
                    rows.append((band, name, rotation, method, region, *scores))
    return Table(rows=rows, names=("passband", "frame", "rotation", "method", "region", *_SCORES))


class _Baselines:
    """The baselines of one passband, fitted to the frames trained on; images in DN/s."""

    def __init__(self, store, band, split):
        self.store = store
        self.band = band
        (column,) = store.columns([band])
        # In the stretch in which the default network works: there a least-squares fit is not ruled by the brightest.
        self.scaling = scaling_from_dict(protocol_defaults("shared")["model"]["image_scaling"][str(band)])
        fitted = [row for row in split["train"] if store.has[row, column]]
        if not fitted:
            raise ValueError(f"no frame to fit the baselines to has passband {band}; leave it out of data.passbands")
        weight = np.mean([store.weight(row) for row in fitted], axis=0)
        self.fitted = {}
        for name, kind in zip(BASELINES, (Climatology, PowerLaw, LeastSquares), strict=False):
            images = (self.scaling.forward(store.images(row, [band])[0]) for row in fitted)
            self.fitted[name] = kind(store.grid).fit((store.field(row) for row in fitted), images, weight)
        rows = np.array([row for part in split.values() for row in part if store.has[row, column]])
        self.last = LastRotation(store.grid, store.frames["time"][rows], _Images(store, rows, band))

    def predict(self, frame, field):
        images = {name: self.scaling.inverse(baseline.predict(field)) for name, baseline in self.fitted.items()}
        turned = self.last.predict(self.store.frames["time"][frame])
        return images if turned is None else {**images, BASELINES[-1]: turned}


class _Images:
    """Images of a store as a sequence that reads what is asked for."""

    def __init__(self, store, rows, band):
        self.store, self.rows, self.band = store, rows, band

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        return self.store.images(self.rows[number], [self.band])[0]


def _score(synthetic, observed, band, store, frame):
    """Scores by region, of the pixels known in both."""
    grid = store.grid
    binning = max(1, round(grid.solar_radius / PAPER_RADIUS))
    rows, columns = np.indices(grid.shape)
    x, y = (columns - grid.center[0]) / grid.solar_radius, (rows - grid.center[1]) / grid.solar_radius
    synthetic, observed, x, y = (bin_image(plane, binning) for plane in (synthetic, observed, x, y))
    known = np.isfinite(synthetic) & np.isfinite(observed)
    b0 = store.frames["b0"][frame] * u.deg
    masks = find_regions(
        np.where(known, observed, np.nan),
        band,
        np.hypot(x, y),
        stonyhurst_longitude(x, y, b0),
        grid.solar_radius / binning,
    )
    scores = {}
    for region in _REGIONS:
        if masks[region].any():
            pair = synthetic[masks[region]], observed[masks[region]]
            scores[region] = (
                correlation(*pair),
                correlation(*pair, log=True),
                relative_error(*pair),
                pixel_error_share(*pair, 0.1),
                pixel_error_share(*pair, 0.5),
            )
    return scores


def summarize(images, *, region="disk", block=0.25):
    """
    Means over images, with intervals and skill.

    Parameters
    ----------
    images : `~astropy.table.Table`
        As `score_images` returns it.
    region : {"disk", "central"}
    block : float
        Length of the bootstrap's blocks, in rotations. A quarter: the archives at hand hold out one or two rotations in
        each passband, and whole ones would leave nothing to draw from. Regions live longer, so the intervals are too
        narrow rather than too wide.

    Returns
    -------
    `~astropy.table.Table`
        A row for each passband and method, models first: ``images``, ``blocks``; ``cc``, ``re`` and ``ppe10``, each
        with ``_low`` and ``_high`` (95 per cent; NaN for fewer than two blocks); ``skill``, of the CC against the best
        baseline that has all images.
    """
    rows = []
    for band in np.unique(images["passband"]):
        chosen = images[(images["passband"] == band) & (images["region"] == region)]
        methods = list(dict.fromkeys(chosen["method"]))
        count = max(np.sum(chosen["method"] == method) for method in methods)
        complete = [m for m in methods if m in BASELINES and np.sum(chosen["method"] == m) == count]
        best = max(np.nanmean(chosen["cc"][chosen["method"] == method]) for method in complete)
        for method in methods:
            of_method = chosen[chosen["method"] == method]
            scores = np.stack([of_method[name] for name in ("cc", "re", "ppe10")], axis=1)
            interval = mean_interval(scores, of_method["rotation"], block=block)
            numbers = np.stack([interval.mean, interval.low, interval.high], axis=1).ravel()
            skill = skill_score(interval.mean[0], best)
            rows.append((band, method, len(of_method), interval.blocks, *numbers, skill))
    names = [name + end for name in ("cc", "re", "ppe10") for end in ("", "_low", "_high")]
    return Table(rows=rows, names=("passband", "method", "images", "blocks", *names, "skill"))


def write_table(summary, path, title):
    """
    Write a summary as a table in reStructuredText.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize` returns it.
    path : path-like
    title : str
    """
    head = ("Passband (Å)", "Method", "Images", "CC", "RE", "PPE10", "Skill (CC)")
    lines = [".. Written by ``mag2euv score``; do not edit.", "", f".. list-table:: {title}", "   :header-rows: 1", ""]
    for cells in (head, *map(_cells, summary)):
        lines += [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row):
    cells = [row["passband"], row["method"], row["images"]]
    for name, form in (("cc", ".3f"), ("re", "+.3f"), ("ppe10", ".3f")):
        mean, low, high = (f"{row[name + end]:{form}}".replace("-", "−") for end in ("", "_low", "_high"))
        # A block of two lines, since the interval would be broken at its spaces.
        cells.append(f"| {mean}\n       | {low}…{high}" if np.isfinite(row[f"{name}_low"]) else mean)
    return (*cells, "" if row["method"] in BASELINES else f"{row['skill']:+.2f}".replace("-", "−"))
