"""
Figures of a study of channels: every combination, every pair, and the best of each size.

They take the table that `~sunpy_mag2euv.training.study.channels.run_study` makes, or several such tables one below
the other.
"""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from sunpy_mag2euv.training.learning.combinations import of_method, summarize
from sunpy_mag2euv.training.study.channels import NETWORK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from astropy.table import Table

__all__ = ["LIM2021", "plot_best", "plot_combinations", "plot_pairs"]

#: Best inputs of each size in Lim et al. 2021, doi:10.3847/2041-8213/ac0d54: their name, and the mean and lowest
#: correlation over the channels made of them, as far as they are given.
LIM2021 = (("131", 0.84, None), ("131+1600", 0.95, None), ("131+1600+304", 0.97, 0.96))


def plot_combinations(table: "Table", method: str = NETWORK) -> "Figure":
    """
    Draw mean and lowest correlation of every combination of inputs, the best on top.

    Parameters
    ----------
    table : `~astropy.table.Table`
    method : str
        One of those in the table.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Raises
    ------
    ValueError
        If the table has no such method.
    """
    summary = of_method(summarize(table), method)
    figure, axes = plt.subplots(figsize=(8, 1 + 0.25 * len(summary)), layout="constrained")
    # From the bottom up, with a gap where the next size begins.
    summary.reverse()
    positions = np.arange(len(summary)) + summary["size"].max() - summary["size"]
    for size in np.unique(summary["size"]):
        of_size = summary["size"] == size
        color = f"C{size - 1}"
        mean, lowest = summary["cc"][of_size], summary["lowest"][of_size]
        axes.hlines(positions[of_size], lowest, mean, color=color, linewidth=1)
        axes.plot(mean, positions[of_size], "o", color=color, label=f"{size} input{'s' if size > 1 else ''}: mean")
        axes.plot(lowest, positions[of_size], "|", color=color, markersize=9)
    axes.plot([], [], "|", color="black", markersize=9, label="lowest")
    axes.set_yticks(positions, summary["inputs"])
    axes.set(xlabel="correlation of the channels that are made (DN/s, disk)", ylabel="inputs (Å)", title=method)
    axes.grid(axis="x", alpha=0.4)
    axes.legend(loc="lower left")
    return figure


def plot_pairs(table: "Table", method: str = NETWORK) -> "Figure":
    """
    Draw the correlation of every channel made of every single other one, as a heat map.

    Parameters
    ----------
    table : `~astropy.table.Table`
    method : str
        One of those in the table.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Raises
    ------
    ValueError
        If the table has no such method, or no single inputs.
    """
    single = of_method(table, method)
    single = single[single["size"] == 1]
    if not len(single):
        raise ValueError("the table has no combination with a single input; run the study from size 1")
    inputs, targets = (sorted({int(band) for band in single[name]}) for name in ("inputs", "target"))
    correlations = np.full((len(inputs), len(targets)), np.nan)
    for pair in single.group_by(["inputs", "target"]).groups:
        place = inputs.index(int(pair["inputs"][0])), targets.index(int(pair["target"][0]))
        correlations[place] = pair["cc"].mean()
    figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
    picture = axes.imshow(correlations, vmin=0, vmax=1, cmap="cividis")
    for (row, column), value in np.ndenumerate(correlations):
        if np.isfinite(value):
            text = f"{value:.2f}".replace("-", "−")
            axes.text(column, row, text, ha="center", va="center", color="black" if value > 0.6 else "white")
    axes.set_xticks(range(len(targets)), list(map(str, targets)))
    axes.set_yticks(range(len(inputs)), list(map(str, inputs)))
    axes.set(xlabel="made (Å)", ylabel="of (Å)", title=method)
    figure.colorbar(picture, label="correlation (DN/s, disk)", shrink=0.8)
    return figure


def plot_best(table: "Table") -> "Figure":
    """
    Draw the best combination of each size, for every method, and what Lim et al. 2021 found.

    Parameters
    ----------
    table : `~astropy.table.Table`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    summary = summarize(table)
    figure, axes = plt.subplots(figsize=(9, 6.5), layout="constrained")
    lines = [("Lim et al. 2021", [(1 + number, *found) for number, found in enumerate(LIM2021)])]
    for method in dict.fromkeys(summary["method"]):
        of_method = summary[summary["method"] == method]
        # Within a size, the best comes first.
        best = [of_method[of_method["size"] == size][0] for size in np.unique(of_method["size"])]
        lines.append((method, [(row["size"], row["inputs"], row["cc"], row["lowest"]) for row in best]))
    for number, (method, line) in enumerate(lines):
        color = "gray" if number == 0 else f"C{number - 1}"
        sizes, names, means, lowest = zip(*line, strict=True)
        # Longer names than those of three inputs would say little.
        found = ", ".join([*names[:3], *(["…"] if len(names) > 3 else [])])
        axes.plot(sizes, means, "o-", color=color, label=f"{method}: mean, of {found}")
        known = [(size, value) for size, value in zip(sizes, lowest, strict=True) if value is not None]
        axes.plot(*zip(*known, strict=True), "v:", color=color, label=f"{method}: lowest")
    axes.set_xticks(np.unique([size for _, line in lines for size, *_ in line]))
    axes.set(xlabel="number of inputs", ylabel="correlation (DN/s, disk)", title="Best inputs of each number")
    axes.grid(alpha=0.4)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure
