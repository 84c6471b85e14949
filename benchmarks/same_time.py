"""
Correlation with images whose field was observed at the same time, which training did not have.

``python benchmarks/same_time.py DIRECTORY [MODEL]``, with the directory of the archives, and a model of 256² pixels if
it is not to be shared-browse. Prints, for each passband and archive, the mean CC in DN/s on the whole disk and within
half a solar radius of its centre. Charts of the field are as old as 6.8 days at the limb, these fields are not: the
difference to the scores in the model card is what age costs, and what it costs that snapshots are noisier and finer
than the charts that the model knows.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from sunpy_mag2euv import load_model
from sunpy_mag2euv.metrics import correlation
from sunpy_mag2euv.training.recipe.archives import GRID, STRETCHES, decode, read_fields

ARCHIVES = ("browse_pairs/same_time_2023", "detail_pairs/full_set_1024", "detail_pairs/mdi_512")


def main(directory, name=None):
    model = load_model(name or "shared-browse")
    regions = [GRID.radius < limit for limit in (1, 0.5)]
    print("archive          passband images  disk centre")
    for archive in ARCHIVES:
        with np.load(Path(directory, f"{archive}.npz")) as data:
            fields = read_fields(data["magnetogram"])
            synthetic = [model.outputs(model.run(field, torch.device("cpu")))[0].value for field in fields]
            for number, band in enumerate(model.image_scalings):
                if f"aia_{band:04d}" not in data or band not in STRETCHES:
                    continue
                found = []
                for frame, image in zip(data[f"index_{band:04d}"], decode(data[f"aia_{band:04d}"], band), strict=True):
                    known = [region & np.isfinite(image) for region in regions]
                    found.append([correlation(synthetic[frame][number][part], image[part]) for part in known])
                disk, center = np.mean(found, axis=0)
                print(f"{Path(archive).name:<16} {band:>8} {len(found):>6} {disk:.3f}  {center:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
