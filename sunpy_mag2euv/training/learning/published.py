"""Scores of models beside those that a paper gives for its own, and what keeps the two from being compared."""

import tomllib
from importlib import resources
from pathlib import Path

import numpy as np

from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.field_kinds import KINDS
from sunpy_mag2euv.training.data.splits import park2019
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.card import BASELINES, REFERENCES, summarize, write_list_table

__all__ = ["beside", "differences", "load_published", "statements", "write_beside"]

#: What tables have of every image, and how a number is told. Only some are published.
_SCORES = {"cc": ".3f", "re": "+.3f", "ppe10": ".3f"}

#: How tables call a split.
_SPLITS = {"park2019": "by date", "rotations": "by rotation"}


def load_published(name: str) -> dict:
    """
    Read what a paper says of its own models.

    Parameters
    ----------
    name : str
        ``"park2019"``.

    Returns
    -------
    dict
        As the file ``published/NAME.toml`` has it.
    """
    file = resources.files("sunpy_mag2euv.training.learning") / "published" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def beside(images: Table, published: dict) -> Table:
    """
    Put means over images beside published ones.

    Parameters
    ----------
    images : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.learning.card.score_images` returns it.
    published : dict
        As `load_published` returns it.

    Returns
    -------
    `~astropy.table.Table`
        A row for each passband and model: ``images``; ``cc``, ``re`` and ``ppe10`` of the disk, each with ``_low`` and
        ``_high``, as `~sunpy_mag2euv.training.learning.card.summarize` finds them; and of those that are published, the
        numbers of each of the paper's models, such as ``cc_A``, NaN for passbands that the paper does not have.
    """
    summary = summarize(images)
    summary = summary[[method not in (*BASELINES, *REFERENCES) for method in summary["method"]]]
    columns = {name: summary[name] for name in ("passband", "method", "images")}
    for score in _SCORES:
        columns |= {name: summary[name] for name in (score, f"{score}_low", f"{score}_high")}
        for number, model in enumerate(published["models"] if score in published else ()):
            of_bands = published[score]
            columns[f"{score}_{model}"] = [
                of_bands[str(band)][number] if str(band) in of_bands else np.nan for band in summary["passband"]
            ]
    return Table(columns)


def differences(images: Table, config: dict, store: Store, published: dict) -> list[str]:
    """
    Find what is not the same for the models scored and for the published ones.

    Parameters
    ----------
    images : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.learning.card.score_images` returns it.
    config : dict
        With which they were scored.
    store : Store
        Of that configuration.
    published : dict
        As `load_published` returns it.

    Returns
    -------
    list of str
        A sentence for each.
    """
    found = []
    grid, radius = store.grid, published["solar_radius"]
    if grid.solar_radius != radius:
        found.append(f"the solar radius is {grid.solar_radius:g} pixels, the paper's is {radius}")
    scored, theirs = grid.solar_radius / images.meta["binning"], radius / published["binning"]
    if scored != theirs:
        found.append(f"images are scored at a solar radius of {scored:g} pixels, the paper's at one of {theirs:g}")
    if store.field_kind != published["field"]:
        found.append(f"fields are {KINDS[store.field_kind]}, the paper's {KINDS[published['field']]}")
    levels: dict[tuple[str | None, str | None], list[str]] = {}
    for band in np.unique(images["passband"]):
        ours = store.epochs.get(int(band))
        paper = None if band in published["as_taken"] else published["epoch"]
        if ours != paper:
            levels.setdefault((ours, paper), []).append(f"{band}")
    found += [
        f"DN/s in {', '.join(bands)} Å {_level(ours)}, the paper's {_level(paper)}"
        for (ours, paper), bands in levels.items()
    ]
    if config["split"]["method"] != published["split"]:
        ours, paper = (_SPLITS[method] for method in (config["split"]["method"], published["split"]))
        found.append(f"frames are split {ours}, the paper's {paper}")
    rows = _rows(images, store)
    if outside := int((~np.isin(rows, park2019(store.frames["time"])["test"])).sum()):
        found.append(
            f"{outside} of {len(rows)} frames are not of the paper's months, {published['first']} to "
            f"{published['last']}"
        )
    return found


def _level(epoch: str | None) -> str:
    """What DN/s refer to."""
    return "are not brought to one sensitivity of AIA" if epoch is None else f"refer to AIA's sensitivity at {epoch}"


def _rows(images: Table, store: Store) -> np.ndarray:
    """Rows of the manifest of the frames that were scored."""
    return np.flatnonzero(np.isin(store.frames["name"], np.unique(images["frame"])))


def statements(images: Table, config: dict, store: Store, published: dict) -> list[str]:
    """
    Say what the two sides of a table are, and what is not the same for them.

    Parameters are those of `differences`.

    Returns
    -------
    list of str
        Sentences.
    """
    times, grid, binning = Time(store.frames["time"][_rows(images, store)]), store.grid, images.meta["binning"]
    days = [moment.utc.strftime("%Y-%m-%d") for moment in (times.min(), times.max())]
    lacking = [score.upper() for score in _SCORES if score not in published]
    said = [
        f"Scored here: {len(times)} frames, {days[0]} to {days[1]}, split {_SPLITS[config['split']['method']]}; "
        f"{grid.shape[0]} × {grid.shape[1]} pixels, solar radius {grid.solar_radius:g} pixels, binning {binning}; "
        f"{store.provenance}.",
        f"{' and '.join(published['models'])}: {published['source']}; {published['images']} frames, "
        f"{published['first']} to {published['last']}, split {_SPLITS[published['split']]}; {published['shape'][0]} × "
        f"{published['shape'][1]} pixels, solar radius {published['solar_radius']} pixels, binning "
        f"{published['binning']}." + (f" It has no numbers of {', '.join(lacking)} here." if lacking else ""),
    ]
    found = differences(images, config, store, published)
    return [*said, *(f"Not the same: {difference}." for difference in found)]


def write_beside(table: Table, said: list[str], path: str | Path, title: str) -> None:
    """
    Write a table in reStructuredText, and under it what was said of it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `beside` returns it.
    said : list of str
        As `statements` returns it.
    path : path-like
    title : str
    """
    paper = [name for name in table.colnames if name.partition("_")[2].isupper()]
    head, rows = ["Passband (Å)", "Model", "Images"], [[*row] for row in table["passband", "method", "images"]]
    for score, form in _SCORES.items():
        theirs = [name for name in paper if name.startswith(f"{score}_")]
        head += [score.upper(), *(name.partition("_")[2] for name in theirs)]
        for cells, row in zip(rows, table, strict=True):
            cells.append(_number(row[score], form))
            if np.isfinite(row[f"{score}_low"]):
                interval = "…".join(_number(row[f"{score}_{end}"], form) for end in ("low", "high"))
                # Two lines, since the interval would be broken anywhere.
                cells[-1] += f"\n{interval}"
            cells += [_number(row[name], form.replace("3", "2")) for name in theirs]
    write_list_table(head, rows, path, title)
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n" + "".join(f"* {sentence}\n" for sentence in said))


def _number(value: float, form: str) -> str:
    return f"{value:{form}}".replace("-", "−") if np.isfinite(value) else ""
