"""
Score models beside the baselines, on frames that none of them has seen, and write the table for the model card.

The scores are those of Park et al. 2019, how much fine structure there is, and how often the standard deviations hold
the truth (see `sunpy_mag2euv.metrics`), on the disk, near the central meridian and at the limb. The baselines are
fitted to the frames trained on. Beside them there is a reference, which is no baseline: it is made from observations of
the very days that are scored. Models on a coarser grid are scored by their images enlarged, so that it shows what a
finer grid adds.
"""

import math
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm.auto import tqdm

import astropy.units as u
from astropy.table import Table
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.field_kinds import KINDS
from sunpy_mag2euv.metrics import (
    FINEST_SCALES,
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
from sunpy_mag2euv.metrics.scores import check_binning, paper_binning
from sunpy_mag2euv.models import FieldModel
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import protocol_defaults
from sunpy_mag2euv.training.learning.problems import usable_split

if TYPE_CHECKING:
    from sunpy_mag2euv.grid import Grid
    from sunpy_mag2euv.models import Model

__all__ = [
    "BASELINES",
    "REFERENCES",
    "SCORES",
    "block_factor",
    "has_intervals",
    "score_images",
    "score_pair",
    "summarize",
    "table_cells",
    "table_of_images",
    "write_list_table",
    "write_table",
]

#: Names of the baselines in tables.
BASELINES = ("climatology", "power law", "least squares", "last rotation")

#: Names of what is no baseline, since it knows part of the answer; skill is not measured against it.
REFERENCES = ("same age",)

#: Scores of an image and region, in the order of `score_pair`.
SCORES = ("cc", "cc_log", "re", "ppe10", "ppe50", "structure", "finest", "within_68", "within_95")

#: Regions that are scored: those that do not depend on what is observed in them.
_REGIONS = ("disk", "central", "limb")

#: Share of the disk that a reference must show to be scored beside images that show all of it.
_COVERED = 0.9

#: What intervals of one standard deviation to either side should hold, and those of 1.96.
_SHARES = (0.6827, 0.95)

#: Columns of a summary, with intervals and without.
_MEANS, _PLAIN_MEANS = ("cc", "re", "ppe10"), ("structure", "finest", "within_68", "within_95")

#: What tables call a model on a coarser grid, after its name.
_ENLARGED = ", enlarged"

#: How many pixels of the images of a passband are kept after they were read: 128 MiB of them.
_KEPT = 2**25


def score_images(
    models: "Sequence[Model]", config: dict[Any, Any], *, reliability: Any = None, binning: int | None = None
) -> Table:
    """
    Score models and baselines on the frames to test.

    Parameters
    ----------
    models : sequence of Model
        Each on the store's grid, or on one whose pixels are blocks of the store's.
    config : dict
        Whose store and split are used; see `~sunpy_mag2euv.training.learning.config.load_config`.
    reliability : `~sunpy_mag2euv.training.learning.reliability.Reliability`, optional
        Counts the errors of those models of which `has_intervals` is true.
    binning : int, optional
        Blocks of so many pixels a side are averaged before images are scored. Unless given, it is what brings the Sun's
        radius near the 98 pixels of the paper's evaluation.

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
        fit the baselines to, a model's grid does not cover the store's, or ``binning`` is not a positive integer.

    Warns
    -----
    `~sunpy.util.exceptions.SunpyUserWarning`
        If a model has learnt from another kind of field than the store has.

    Notes
    -----
    Where the observation is known only to be at least so bright, both images are cut at that brightness.

    A model on a coarser grid is given the mean field of each block, and its image is enlarged by linear interpolation.
    It is called by its name and ", enlarged", and has no standard deviations, which would be those of larger pixels.
    """
    if binning is not None:
        check_binning(binning)
    store = Store.open(config["data"]["store"])
    for model in models:
        if _blocks(model, store.grid) is None:
            raise ValueError(f"the model {model.name} works on {model.grid}, the store's frames are on {store.grid}")
        if isinstance(model, FieldModel) and model.field_kind != store.field_kind:
            warn_user(
                f"{model.name} has learnt from {KINDS[model.field_kind]}, and the store holds "
                f"{KINDS[store.field_kind]}: it is scored on a kind of field that it does not know"
            )
    binning = paper_binning(store.grid.solar_radius) if binning is None else binning
    split = usable_split(config, store)
    bands = [band for band in config["data"]["passbands"] if store.has[split["test"], store.columns([band])[0]].any()]
    if not bands:
        raise ValueError("the store has no frame to test; look at split.test")
    baselines = {band: _Baselines(store, band, split) for band in tqdm(bands, desc="baselines", leave=False)}
    # The paper's networks draw dropout when they generate, too.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rows = _score_frames(models, store, split["test"], bands, baselines, reliability, binning)
    return table_of_images(rows, store, models, binning)


def table_of_images(rows: list[tuple], store: Store, models: "Sequence[Model]", binning: int) -> Table:
    r"""
    The table of scored images.

    Parameters
    ----------
    rows : list of tuple
        For each image, method and region: passband, row of the store's manifest, method, region, and the `SCORES`.
    store : Store
    models : sequence of Model
    binning : int
        Pixels a side of the blocks that were averaged.

    Returns
    -------
    `~astropy.table.Table`
        ``passband``, ``frame`` (name), ``rotation``, ``year``, ``field`` (mean \|B\| on the disk in gauss),
        ``observed`` (mean of the observed image on the disk in DN/s, lower limits taken as what they are), ``method``,
        ``region``, and the `SCORES`. ``meta`` has the store's ``provenance``, the ``binning``, and the sha256 of the
        ``models`` by name.
    """
    disk = store.grid.radius < 1

    @cache
    def facts(band: int, frame: int) -> tuple:
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
        meta={
            "provenance": store.provenance,
            "binning": int(binning),
            "models": {model.name: model.sha256 for model in models},
        },
    )


def has_intervals(model: "Model", grid: "Grid", binning: int | None = None) -> bool:
    """
    Whether anything can be said of the standard deviations of a model's images.

    Parameters
    ----------
    model : Model
    grid : Grid
        On which its images are scored.
    binning : int, optional
        As `score_images` takes it.

    Returns
    -------
    bool
    """
    binning = paper_binning(grid.solar_radius) if binning is None else binning
    known = binning == 1 or any(block_factor(model, band, binning) is not None for band in model.image_scalings)
    return model.gives_deviations and model.grid == grid and known


def block_factor(model: "Model", band: int, binning: int) -> float | None:
    """
    What makes the standard deviation of a block's mean of those of its pixels.

    Parameters
    ----------
    model : Model
    band : int
        Passband in angstrom.
    binning : int
        Pixels a side of the block.

    Returns
    -------
    float or None
        What the mean of the deviations in the block is multiplied by. None where the model does not know it, and for
        all blocks but those that bring the Sun's radius near the paper's 98 pixels.
    """
    if binning != paper_binning(model.grid.solar_radius):
        return None
    return getattr(model, "block_factors", {}).get(band)


def _score_frames(
    models: "Sequence[Model]",
    store: Store,
    frames: Any,
    bands: Sequence[int],
    baselines: Any,
    reliability: Any,
    binning: int,
) -> list[tuple]:
    """What `table_of_images` needs."""
    rows = []
    for frame in tqdm(frames, desc="scoring", unit="frame"):
        has = [band for band in bands if store.has[frame, store.columns([band])[0]]]
        if not has:
            continue
        field = store.field(frame)
        generated = _generate(models, field, store.grid, binning)
        for band in has:
            predicted = generated.get(band, {})
            predicted |= {method: (image, None) for method, image in baselines[band].predict(frame, field).items()}
            observed = store.images(frame, [band])[0]
            for method, (image, deviation) in predicted.items():
                errors = _standard_errors(image, observed, band, store, frame, deviation, binning)
                scores = _scores(image, observed, band, store, frame, errors, binning)
                rows += [(band, frame, method, region, *scores[region]) for region in scores]
                if reliability is not None and errors:
                    reliability.add(method, band, errors, binning)
    return rows


def _blocks(model: "Model", grid: "Grid") -> int | None:
    """How many of the grid's pixels, a side, are one of the model's; None if they do not cover the same field."""
    if model.grid == grid:
        return 1
    block = max(1, grid.shape[0] // model.grid.shape[0])
    whole = not any(size % block for size in grid.shape)
    return block if whole and grid.binned(block) == model.grid else None


def _generate(models: "Sequence[Model]", field: npt.NDArray, grid: "Grid", binning: int) -> dict[int, dict[str, tuple]]:
    """By passband and name of each model that has it, image in DN/s and standard deviation of the image binned."""
    generated: dict[int, dict[str, tuple]] = {}
    for model in models:
        block: Any = _blocks(model, grid)
        given = field if block == 1 else bin_image(field, block).astype(field.dtype)
        images, deviations = model.outputs(model.run(given, torch.device("cpu")))
        for number, band in enumerate(model.image_scalings):
            if block > 1:
                answer = {model.name + _ENLARGED: (_enlarge(images[number].value, grid.shape), None)}
            else:
                deviation = None if deviations is None else deviations[number].value
                deviation = _bin_deviation(deviation, binning, block_factor(model, band, binning))
                answer = {model.name: (images[number].value, deviation)}
            generated.setdefault(band, {}).update(answer)
    return generated


def _enlarge(image: npt.NDArray, shape: tuple[int, ...]) -> npt.NDArray:
    """Linear interpolation between pixels, each of which is the middle of a block."""
    image = torch.from_numpy(image)[None, None]
    return torch.nn.functional.interpolate(image, size=tuple(shape), mode="bilinear", align_corners=False)[0, 0].numpy()


class _Baselines:
    """The baselines of one passband, fitted to the frames trained on; images in DN/s."""

    def __init__(self, store: Store, band: int, split: dict[str, Any]) -> None:
        self.store = store
        self.band = band
        (column,) = store.columns([band])
        # In the stretch in which the default network works: there a least-squares fit is not ruled by the brightest.
        self.scaling = scaling_from_dict(protocol_defaults("shared")["model"]["image_scaling"][str(band)])
        fitted = [row for row in split["train"] if store.has[row, column]]
        if not fitted:
            raise ValueError(f"no frame to fit the baselines to has passband {band}; leave it out of data.passbands")
        # Weights are those of an archive.
        _, first, counts = np.unique(store.frames["source"][fitted], return_index=True, return_counts=True)
        weight = np.average([store.weight(fitted[number]) for number in first], axis=0, weights=counts)
        self.fitted = {}
        for name, kind in zip(BASELINES, (Climatology, PowerLaw, LeastSquares), strict=False):
            images = (self.scaling.forward(store.images(row, [band])[0]) for row in fitted)
            self.fitted[name] = kind(store.grid).fit((store.field(row) for row in fitted), images, weight)
        rows = np.array([row for part in split.values() for row in part if store.has[row, column]])
        kept = max(1, _KEPT // math.prod(store.grid.shape))
        read = lru_cache(kept)(lambda row: store.images(row, [band])[0])
        self.last = LastRotation(store.grid, store.frames["time"][rows], _Images(read, rows))
        # Levels differ between archives, and one image is to be put together from many.
        self.same_age = {}
        sources = store.frames["source"][rows]
        for source in np.unique(sources):
            chosen = rows[sources == source]
            self.same_age[source] = SameAge(store.grid, store.frames["time"][chosen], _Images(read, chosen))  # type: ignore[arg-type]

    def predict(self, frame: int, field: npt.NDArray) -> dict[str, npt.NDArray]:
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
    """Images of some rows of a store as a sequence, of which only those asked for are read."""

    def __init__(self, read: Any, rows: npt.NDArray | Sequence[int]) -> None:
        self.rows = rows
        self._read = read

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> npt.NDArray:
        return self._read(int(self.rows[number]))


def score_pair(
    synthetic: npt.NDArray,
    observed: npt.NDArray,
    band: int,
    store: Store,
    frame: int,
    deviation: npt.NDArray | None = None,
    *,
    binning: int | None = None,
    factor: float | None = None,
) -> dict[str, tuple]:
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
    binning : int, optional
        Blocks of so many pixels a side are averaged first. Unless given, it is what brings the Sun's radius near the 98
        pixels of the paper's evaluation.
    factor : float, optional
        What makes the standard deviation of a block's mean of the mean of its pixels' deviations, see `block_factor`.

    Returns
    -------
    dict of tuple
        For "disk", "central" and "limb", as far as they have pixels that are known in both, the `SCORES`: ``cc``,
        ``cc_log`` (of logarithms), ``re``, ``ppe10``, ``ppe50``; ``structure`` and ``finest``, for the disk, the
        `~sunpy_mag2euv.metrics.structure_ratio` at 20 to 60 and at 10 to 20 Mm; ``within_68`` and ``within_95``, how
        much of the region is within the intervals that should hold 68.27 and 95 per cent. What does not apply is NaN.

    Notes
    -----
    Both images are cut at the brightness from which on observations are lower limits. How far the mean of some pixels
    may be off does not follow from how far each of them may be: without ``factor``, nothing is said of intervals unless
    ``binning`` is 1.
    """
    binning = paper_binning(store.grid.solar_radius) if binning is None else binning
    deviation = _bin_deviation(deviation, binning, factor)
    errors = _standard_errors(synthetic, observed, band, store, frame, deviation, binning)
    return _scores(synthetic, observed, band, store, frame, errors, binning)


def _scores(
    synthetic: npt.NDArray, observed: npt.NDArray, band: int, store: Store, frame: int, errors: Any, binning: int
) -> dict[str, tuple]:
    """What `score_pair` returns, of images as they are and errors of the binned ones."""
    (column,) = store.columns([band])
    ceiling = store.ceilings[frame, column]
    synthetic, observed = (bin_image(np.minimum(image, ceiling), binning) for image in (synthetic, observed))
    known = np.isfinite(synthetic) & np.isfinite(observed)
    masks, radius = _regions(np.where(known, observed, np.nan), band, store, frame, binning)
    whole = synthetic, observed, radius, store.grid.solar_radius / binning
    structure = {"disk": (structure_ratio(*whole), structure_ratio(*whole, FINEST_SCALES))}
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
                *structure.get(region, (np.nan, np.nan)),
                *coverage(errors.get(region, np.nan), _SHARES),
            )
    return scores


def _bin_deviation(deviation: npt.NDArray | None, binning: int, factor: float | None) -> npt.NDArray | None:
    """Standard deviation of pixels → that of means over blocks; None if it is not known."""
    if deviation is None or binning == 1:
        return deviation
    return None if factor is None else factor * bin_image(deviation, binning)


def _standard_errors(
    synthetic: npt.NDArray,
    observed: npt.NDArray,
    band: int,
    store: Store,
    frame: int,
    deviation: npt.NDArray | None,
    binning: int,
) -> dict[str, npt.NDArray]:
    """Errors of binned images in units of their standard deviation, by region; of none if there is no deviation."""
    if deviation is None:
        return {}
    (column,) = store.columns([band])
    # A block is as far off as its pixels are on average, those with a lower limit by as much as they are at least.
    off = bin_image(standard_errors(synthetic, 1, observed, store.ceilings[frame, column]), binning)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = off / deviation
    masks, _ = _regions(np.where(np.isnan(errors), np.nan, bin_image(observed, binning)), band, store, frame, binning)
    return {region: errors[masks[region]] for region in _REGIONS}


def _regions(observed: npt.NDArray, band: int, store: Store, frame: int, binning: int) -> tuple:
    """Regions of an image that is binned already, and the distance of its pixels from the disk's centre."""
    grid = store.grid
    rows, columns = np.indices(grid.shape)
    x, y = (columns - grid.center[0]) / grid.solar_radius, (rows - grid.center[1]) / grid.solar_radius
    x, y = bin_image(x, binning), bin_image(y, binning)
    radius, longitude = np.hypot(x, y), stonyhurst_longitude(x, y, store.frames["b0"][frame] * u.deg)
    return find_regions(observed, band, radius, longitude, grid.solar_radius / binning), radius


def summarize(images: Table, *, region: str = "disk", block: float = 0.25) -> Table:
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
        with ``_low`` and ``_high`` (95 per cent; NaN for fewer than two blocks); ``structure`` and ``finest`` (of the
        disk only), ``within_68`` and ``within_95``; ``skill``, of the CC against the best of the `BASELINES` that has
        all images.
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


def write_table(summary: Table, path: str | os.PathLike, title: str) -> None:
    """
    Write a summary as a table in reStructuredText.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize` returns it. Where nothing is known of the finest scales, there is no column for them.
    path : path-like
    title : str
    """
    head, rows = table_cells(summary)
    write_list_table(head, rows, path, title)


def table_cells(summary: Table) -> tuple:
    """
    What a table of a summary holds.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize` returns it.

    Returns
    -------
    head : tuple of str
    rows : list of tuple
        Of what can be written as text; some of it has two lines.
    """
    scales = {"structure": "Structure"}
    if np.isfinite(summary["finest"]).any():
        scales["finest"] = "Structure, 10-20 Mm"
    head = (
        "Passband (Å)",
        "Method",
        "Images",
        "CC",
        "RE",
        "PPE10",
        *scales.values(),
        "Within 68 %, 95 %",
        "Skill (CC)",
    )
    return head, [_cells(row, scales) for row in summary]


def write_list_table(head: Sequence[str], rows: Any, path: str | os.PathLike, title: str) -> None:
    """
    Write cells as a table in reStructuredText.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequence
        Cells may have more than one line.
    path : path-like
    title : str
    """
    lines = [".. Written by ``mag2euv``; do not edit.", "", f".. list-table:: {title}", "   :header-rows: 1", ""]
    for cells in (head, *rows):
        lines += [f"   {'* -' if number == 0 else '  -'} {_block(cell)}".rstrip() for number, cell in enumerate(cells)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _block(cell: Any) -> str:
    """A cell's text, whose lines are kept."""
    lines = str(cell).split("\n")
    return lines[0] if len(lines) == 1 else "\n       ".join(f"| {line}" for line in lines)


def _cells(row: Any, scales: Any) -> tuple:
    cells = [row["passband"], row["method"], row["images"]]
    for name, form in (("cc", ".3f"), ("re", "+.3f"), ("ppe10", ".3f")):
        mean, low, high = (f"{row[name + end]:{form}}".replace("-", "−") for end in ("", "_low", "_high"))
        # Two lines, since the interval would be broken anywhere.
        cells.append(f"{mean}\n{low}…{high}" if np.isfinite(row[f"{name}_low"]) else mean)
    cells += [f"{row[name]:.2f}" if np.isfinite(row[name]) else "" for name in scales]
    within = [f"{100 * row[name]:.1f}" for name in ("within_68", "within_95") if np.isfinite(row[name])]
    cells.append(", ".join(f"{share} %" for share in within))
    return (*cells, "" if row["method"] in (*BASELINES, *REFERENCES) else f"{row['skill']:+.2f}".replace("-", "−"))
