"""
Score a model beside the baselines: ``python -m sunpy_mag2euv.training.card DATA WEIGHTS docs/scores.inc``.

Scored are the frames of the held-out rotations, on the disk (r < 98 px of the archives' 256² grid, which is the
evaluation grid of Park et al. 2019), with the paper's scores; baselines are fitted to the frames trained on.
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from astropy.table import Table

from sunpy_mag2euv.metrics import Climatology, LeastSquares, PowerLaw, correlation, pixel_error_share, relative_error
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.training.browse import GRID, STRETCHES, load_browse, split_rotations, staleness_weight

__all__ = ["score_model", "write_card"]

_BASELINES = {"climatology": Climatology, "power law of abs(B)": PowerLaw, "least squares": LeastSquares}


def score_model(model, data):
    """
    Score a model and the baselines on the held-out rotations.

    Parameters
    ----------
    model : Model
    data : Browse

    Returns
    -------
    `~astropy.table.Table`
        A row for each passband and method: ``passband``, ``frames``, ``method``, ``cc``, ``re``, ``ppe10`` (in DN/s,
        as Park et al. 2019 define them) and ``cc_stretched`` (correlation in the browse images' stretch), each the
        mean over the frames.
    """
    split = split_rotations(data.archive, data.rotation)
    device = torch.device("cpu")
    disk = GRID.radius < 1
    weight = staleness_weight()
    rows = []
    for plane, (passband, stretch) in enumerate(tqdm(STRETCHES.items(), unit="passband")):
        index, images = data.index[passband], data.images[passband]
        fitted = np.nonzero(np.isin(index, split["train"]))[0]
        methods = {
            name: baseline(GRID)
            .fit((data.field[index[row]] for row in fitted), (images[row] for row in fitted), weight)
            .predict
            for name, baseline in _BASELINES.items()
        }
        methods["network"] = lambda field, plane=plane: model.run(field.astype(np.float32), device)[plane].numpy()
        scored = np.nonzero(np.isin(index, split["test"]))[0]
        for name, predict in methods.items():
            scores = []
            for row in scored:
                # Saturated pixels are known only to be at least that bright, so both images are cut there.
                ceiling = np.minimum(data.saturation(index[row])[plane], 1)
                observed = np.minimum(images[row].astype(float), ceiling)[disk]
                predicted = np.clip(predict(data.field[index[row]]), -1, ceiling)[disk]
                pair = stretch.inverse(predicted), stretch.inverse(observed)
                known = np.isfinite(observed)
                stretched = np.corrcoef(predicted[known], observed[known])[0, 1]
                scores.append([correlation(*pair), relative_error(*pair), pixel_error_share(*pair), stretched])
            rows.append((passband, len(scored), name, *np.mean(scores, axis=0)))
    return Table(rows=rows, names=("passband", "frames", "method", "cc", "re", "ppe10", "cc_stretched"))


def write_card(table, model, path):
    """
    Write the score table as reStructuredText.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `score_model` returns it.
    model : Model
        What was scored.
    path : path-like
    """
    lines = [
        f".. Written by ``python -m sunpy_mag2euv.training.card`` on {date.today()}; do not edit.",
        "",
        f".. list-table:: Held-out scores of ``{model.name}`` (weights sha256 ``{model.sha256[:16]}…``)",
        "   :header-rows: 1",
        "",
        "   * - Passband (Å)",
        "     - Frames",
        "     - Method",
        "     - CC",
        "     - RE",
        "     - PPE10",
        "     - CC, stretched",
    ]
    for row in table:
        lines += [
            f"   * - {row['passband']}",
            f"     - {row['frames']}",
            f"     - {row['method']}",
            f"     - {row['cc']:.3f}",
            f"     - {row['re']:+.3f}",
            f"     - {row['ppe10']:.3f}",
            f"     - {row['cc_stretched']:.3f}",
        ]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m sunpy_mag2euv.training.card", description=__doc__.splitlines()[1])
    parser.add_argument("data", help="directory of the browse archives")
    parser.add_argument("weights", help="safetensors file, or a model's name")
    parser.add_argument("table", help="reStructuredText file to write")
    arguments = parser.parse_args()
    model = load_model(arguments.weights)
    table = score_model(model, load_browse(arguments.data))
    table.pprint_all()
    write_card(table, model, arguments.table)


if __name__ == "__main__":
    main()
