"""
Score models beside the baselines, on frames that none of them has seen, and write the table for the model card.

The scores are those of Park et al. 2019, how much fine structure there is, and how often the standard deviations hold
the truth (see `sunpy_mag2euv.metrics`), on the disk, near the central meridian and at the limb. The baselines are
fitted to the frames trained on. Beside them there is a reference, which is no baseline: it is made from observations of
the very days that are scored.
"""

from functools import cache, lru_cache
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
    SameAge,
    bin_image,
    correlation,
    coverage,
    find_regions,
    mean_interval,
    pixel_error_share,
    relative_error,
    skill_score,
    standard_errors,
    stonyhurst_longitude,
    structure_ratio,
)
from sunpy_mag2euv.metrics.comparison import PAPER_RADIUS
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import protocol_defaults
from sunpy_mag2euv.training.learning.problems import usable_split

__all__ = [
    "BASELINES",
    "REFERENCES",
    "SCORES",
    "score_images",
    "score_pair",
    "summarize",
    "table_of_images",
    "write_list_table",
    "write_table",
]

#: Names of the baselines in tables.
BASELINES = ("climatology", "power law", "least squares", "last rotation")

#: Names of what is no baseline, since it knows part of the answer; skill is not measured against it.
REFERENCES = ("same age",)

#: Scores of an image and region, in the order of `score_pair`.
SCORES = ("cc", "cc_log", "re", "ppe10", "ppe50", "structure", "within_68", "within_95")

#: Regions that are scored: those that do not depend on what is observed in them.
_REGIONS = ("disk", "central", "limb")

#: Share of the disk that a reference must show to be scored beside images that show all of it.
_COVERED = 0.9

#: What intervals of one standard deviation to either side should hold, and those of 1.96.
_SHARES = (0.6827, 0.95)

#: Columns of a summary, with intervals and without.
_MEANS, _PLAIN_MEANS = ("cc", "re", "ppe10"), ("structure", "within_68", "within_95")


def score_images(models, config, *, reliability=None):
    """
    Score models and baselines on the frames to test.

    Parameters
    ----------
    models : sequence of Model
        All on the store's grid.
    config : dict
        Whose store and split are used; see `~sunpy_mag2euv.training.learning.config.load_config`.
    reliability : `~sunpy_mag2euv.training.learning.reliability.Reliability`, optional
        Counts the errors of those models that give standard deviations.

    Returns
    -------
    `~astropy.table.Table`
        A row for each image, method and region, as `table_of_images` makes it, with the `SCORES`, as `score_pair` gives
        them. "last rotation" has rows for those images only for which there is one, and "same age" for those of which
        it shows nine tenths of the disk.

    Raises
    ------
    ValueError
        If frames have problems (`~sunpy_mag2euv.training.learning.problems.ProblemsError`), there is none to test or to
        fit the baselines to, or a model has another grid than the store.

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
        rows = _score_frames(models, store, split["test"], bands, baselines, reliability)
    return table_of_images(rows, store, models)


def table_of_images(rows, store, models):
    r"""
    The table of scored images.

    Parameters
    ----------
    rows : list of tuple
        For each image, method and region: passband, row of the store's manifest, method, region, and the `SCORES`.
    store : Store
    models : sequence of Model

    Returns
    -------
    `~astropy.table.Table`
        ``passband``, ``frame`` (name), ``rotation``, ``year``, ``field`` (mean \|B\| on the disk in gauss),
        ``observed`` (mean of the observed image on the disk in DN/s, lower limits taken as what they are), ``method``,
        ``region``, and the `SCORES`. ``meta`` has the store's ``provenance``, and the sha256 of the ``models`` by name.
    """
    disk = store.grid.radius < 1

    @cache
    def facts(band, frame):
        (column,) = store.columns([band])
        observed = np.minimum(store.images(frame, [band])[0], store.ceilings[frame, column])[disk]
        return (
            str(store.frames["name"][frame]),
            float(store.frames["rotation"][frame]),
            int(store.frames["time"][frame].ymdhms["year"]),
            float(np.abs(store.field(frame)[disk]).mean()),
            float(np.nanmean(observed)),
        )

    return Table(
        rows=[(band, *facts(band, frame), *scores) for band, frame, *scores in rows],
        names=("passband", "frame", "rotation", "year", "field", "observed", "method", "region", *SCORES),
        meta={"provenance": store.provenance, "models": {model.name: model.sha256 for model in models}},
    )


def _score_frames(models, store, frames, bands, baselines, reliability):
    """What `table_of_images` needs."""
    rows = []
    for frame in tqdm(frames, desc="scoring", unit="frame"):
        has = [band for band in bands if store.has[frame, store.columns([band])[0]]]
        if not has:
            continue
        field = store.field(frame)
        generated = _generate(models, field)
        for band in has:
            predicted = generated.get(band, {})
            predicted |= {method: (image, None) for method, image in baselines[band].predict(frame, field).items()}
            observed = store.images(frame, [band])[0]
            for method, (image, deviation) in predicted.items():
                scores = score_pair(image, observed, band, store, frame, deviation)
                rows += [(band, frame, method, region, *scores[region]) for region in scores]
                if reliability is not None and deviation is not None:
                    reliability.add(method, band, _standard_errors(image, observed, band, store, frame, deviation))
    return rows


def _generate(models, field):
    """For each passband and each model that has it, image and standard deviation in DN/s; None if it gives none."""
    generated = {}
    for model in models:
        images, deviations = model.outputs(model.run(field, torch.device("cpu")))
        for number, band in enumerate(model.image_scalings):
            deviation = None if deviations is None else deviations[number].value
            generated.setdefault(band, {})[model.name] = images[number].value, deviation
    return generated


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
        # Levels differ between archives, and one image is to be put together from many.
        self.same_age = {}
        sources = store.frames["source"][rows]
        for source in np.unique(sources):
            chosen = rows[sources == source]
            self.same_age[source] = SameAge(store.grid, store.frames["time"][chosen], _Images(store, chosen, band))

    def predict(self, frame, field):
        images = {name: self.scaling.inverse(baseline.predict(field)) for name, baseline in self.fitted.items()}
        time, source = self.store.frames["time"][frame], self.store.frames["source"][frame]
        turned = self.last.predict(time)
        if turned is not None:
            images[BASELINES[-1]] = turned
        image = self.same_age[source].predict(time)
        if np.isfinite(image[self.store.grid.radius < 1]).mean() >= _COVERED:
            images[REFERENCES[0]] = image
        return images


class _Images:
    """Images of a store as a sequence that reads what is asked for, and keeps what may be asked for again."""

    #: How many images are kept. Frames are scored in the order of time, each from those of three weeks around it.
    kept = 128

    def __init__(self, store, rows, band):
        self.rows = rows
        self._read = lru_cache(self.kept)(lambda number: store.images(rows[number], [band])[0])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        return self._read(number)


def score_pair(synthetic, observed, band, store, frame, deviation=None):
    """
    Score one image, by region.

    Parameters
    ----------
    synthetic, observed : `~numpy.ndarray`
        In DN/s, on the store's grid, NaN where unknown.
    band : int
        Passband in angstrom.
    store : Store
        Whose grid the images are on.
    frame : int
        Row of the store's manifest: for the observer's latitude, and the brightness from which on the observation is a
        lower limit.
    deviation : `~numpy.ndarray`, optional
        Standard deviation of the synthetic image in DN/s.

    Returns
    -------
    dict of tuple
        For "disk", "central" and "limb", as far as they have pixels that are known in both, the `SCORES`: ``cc``,
        ``cc_log`` (of logarithms), ``re``, ``ppe10``, ``ppe50``; ``structure``, for the disk, the
        `~sunpy_mag2euv.metrics.structure_ratio`; ``within_68`` and ``within_95``, how much of the region is within the
        intervals that should hold 68.27 and 95 per cent. What does not apply is NaN.

    Notes
    -----
    Both images are cut at the brightness from which on observations are lower limits, and binned so that the Sun's
    radius is near the 98 pixels of the paper's evaluation. ``within_68`` and ``within_95`` alone are of the pixels as
    they are: how far the mean of some pixels may be off does not follow from how far each of them may be.
    """
    grid = store.grid
    (column,) = store.columns([band])
    binning = max(1, round(grid.solar_radius / PAPER_RADIUS))
    errors = {} if deviation is None else _standard_errors(synthetic, observed, band, store, frame, deviation)
    ceiling = store.ceilings[frame, column]
    synthetic, observed = (bin_image(np.minimum(image, ceiling), binning) for image in (synthetic, observed))
    known = np.isfinite(synthetic) & np.isfinite(observed)
    masks, radius = _regions(np.where(known, observed, np.nan), band, store, frame, binning)
    structure = structure_ratio(synthetic, observed, radius, grid.solar_radius / binning)
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
                structure if region == "disk" else np.nan,
                *coverage(errors.get(region, np.nan), _SHARES),
            )
    return scores


def _standard_errors(synthetic, observed, band, store, frame, deviation):
    """Errors in units of the standard deviation, by region; of the pixels as they are."""
    (column,) = store.columns([band])
    errors = standard_errors(synthetic, deviation, observed, store.ceilings[frame, column])
    masks, _ = _regions(np.where(np.isnan(errors), np.nan, observed), band, store, frame, 1)
    return {region: errors[masks[region]] for region in _REGIONS}


def _regions(observed, band, store, frame, binning):
    """Regions of an image that is binned already, and the distance of its pixels from the disk's centre."""
    grid = store.grid
    rows, columns = np.indices(grid.shape)
    x, y = (columns - grid.center[0]) / grid.solar_radius, (rows - grid.center[1]) / grid.solar_radius
    x, y = bin_image(x, binning), bin_image(y, binning)
    radius, longitude = np.hypot(x, y), stonyhurst_longitude(x, y, store.frames["b0"][frame] * u.deg)
    return find_regions(observed, band, radius, longitude, grid.solar_radius / binning), radius


def summarize(images, *, region="disk", block=0.25):
    """
    Means over images, with intervals and skill.

    Parameters
    ----------
    images : `~astropy.table.Table`
        As `score_images` returns it.
    region : {"disk", "central", "limb"}
    block : float
        Length of the bootstrap's blocks, in rotations. A quarter: the archives at hand hold out two to five rotations
        in most passbands, and whole ones would leave hardly anything to draw from. Regions live longer, so the
        intervals are too narrow rather than too wide.

    Returns
    -------
    `~astropy.table.Table`
        A row for each passband and method, models first: ``images``, ``blocks``; ``cc``, ``re`` and ``ppe10``, each
        with ``_low`` and ``_high`` (95 per cent; NaN for fewer than two blocks); ``structure`` (of the disk only),
        ``within_68`` and ``within_95``; ``skill``, of the CC against the best of the `BASELINES` that has all images.
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
            scores = np.stack([of_method[name] for name in (*_MEANS, *_PLAIN_MEANS)], axis=1)
            interval = mean_interval(scores, of_method["rotation"], block=block)
            numbers = np.stack([interval.mean, interval.low, interval.high], axis=1)[: len(_MEANS)].ravel()
            skill = skill_score(interval.mean[0], best)
            rows.append((band, method, len(of_method), interval.blocks, *numbers, *interval.mean[len(_MEANS) :], skill))
    names = [name + end for name in _MEANS for end in ("", "_low", "_high")]
    return Table(rows=rows, names=("passband", "method", "images", "blocks", *names, *_PLAIN_MEANS, "skill"))


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
    head = ("Passband (Å)", "Method", "Images", "CC", "RE", "PPE10", "Structure", "Within 68 %, 95 %", "Skill (CC)")
    write_list_table(head, map(_cells, summary), path, title)


def write_list_table(head, rows, path, title):
    """
    Write cells as a table in reStructuredText.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequence
    path : path-like
    title : str
    """
    lines = [".. Written by ``mag2euv``; do not edit.", "", f".. list-table:: {title}", "   :header-rows: 1", ""]
    for cells in (head, *rows):
        lines += [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row):
    cells = [row["passband"], row["method"], row["images"]]
    for name, form in (("cc", ".3f"), ("re", "+.3f"), ("ppe10", ".3f")):
        mean, low, high = (f"{row[name + end]:{form}}".replace("-", "−") for end in ("", "_low", "_high"))
        # A block of two lines, since the interval would be broken at its spaces.
        cells.append(f"| {mean}\n       | {low}…{high}" if np.isfinite(row[f"{name}_low"]) else mean)
    cells.append(f"{row['structure']:.2f}" if np.isfinite(row["structure"]) else "")
    within = [f"{100 * row[name]:.1f}" for name in ("within_68", "within_95") if np.isfinite(row[name])]
    cells.append(", ".join(f"{share} %" for share in within))
    return (*cells, "" if row["method"] in (*BASELINES, *REFERENCES) else f"{row['skill']:+.2f}".replace("-", "−"))
