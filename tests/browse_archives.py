"""The archives of browse images in miniature, for the tests of what reads them."""

import runpy
import sys

import numpy as np
import pytest

from sunpy_mag2euv.training.recipe import browse, sets

#: Of every archive with magnetograms, when its frames are from and which passbands they all have.
PERIODS = {
    "hourly_2012": (("2012-01-01", "2012-09-20", "2012-10-20", "2012-11-15"), (94, 131, 171)),
    "daily_2010_2011": (("2010-09-10", "2010-10-20", "2010-12-20", "2011-03-01"), (193, 304)),
    "full_sets_2015": (("2015-01-11", "2015-03-02"), tuple(browse.STRETCHES)),
    "same_time_2023": (("2023-10-21",), (94, 131, 171, 193, 304, 335, 1600, 1700)),
}

#: When the sets are from, two of them also in another archive, and which passbands they lack.
SETS = {"2015-01-11": (), "2015-03-02": (94, 1700), "2025-01-20": (304,)}


def write_archives(directory):
    """The four archives with magnetograms: brighter where the field is, in codes."""
    rng = np.random.default_rng(0)
    disk = browse.GRID.radius < 1
    for name, (times, passbands) in PERIODS.items():
        field = np.zeros((len(times), 256, 256), dtype=np.int16)
        for frame in field:
            rows, columns = rng.integers(80, 170, (2, 6))
            for row, column in zip(rows, columns, strict=True):
                frame[row : row + 8, column : column + 8] = rng.choice([-300, 300])
            frame += rng.normal(0, 3, frame.shape).astype(np.int16)
        field *= disk
        images = {}
        for passband in passbands:
            codes = np.clip(60 + 20 * np.log1p(np.abs(field)) - 40 * ~disk, 0, 254).astype(np.uint8)
            codes[:, :14, :100] = browse.MISSING
            images[f"aia_{passband:04d}"] = codes
            images[f"index_{passband:04d}"] = np.arange(len(times), dtype=np.int32)
        np.savez(directory / f"{name}.npz", time=np.array(times), magnetogram=field, **images)


def as_command(module, *arguments):
    """What ``python -m`` does, without another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, module.__name__)
        patch.setattr(sys, "argv", [module.__file__, *map(str, arguments)])
        runpy.run_module(module.__name__, run_name="__main__")


def write_sets(directory):
    """The archive of sets on twice the resolution, each brightened by another amount, with a corner that is missing."""
    rng = np.random.default_rng(1)
    disk = np.kron(browse.GRID.radius < 1, np.ones((2, 2), dtype=bool))
    images = {}
    for passband in browse.STRETCHES:
        codes = np.full((len(SETS), 512, 512), browse.MISSING, dtype=np.uint8)
        for number, lacking in enumerate(SETS.values()):
            if passband not in lacking:
                codes[number] = 40 + 30 * number + rng.integers(0, 60, (512, 512)) - 20 * ~disk
                codes[number, :29, :101] = browse.MISSING
        images[f"aia_{passband:04d}"] = codes
    np.savez(directory / f"{sets.ARCHIVE}.npz", time=np.array(list(SETS)), **images)
