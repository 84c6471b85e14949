"""The archives of browse images in miniature, of a Sun that is known, for the tests of what reads them."""

import runpy
import sys

import numpy as np
import pytest

from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.recipe.archives import ARCHIVES, FINE, GRID, SETS, STRETCHES

ALL = tuple(STRETCHES)

#: Of every archive with fields, when its frames are from and which passbands each has.
FRAMES = {
    "hourly_2012": [(time, (94, 131, 171)) for time in ("2012-01-01", "2012-09-20", "2012-10-20", "2012-11-15")],
    "daily_2010_2011": [(time, (193, 304)) for time in ("2010-09-10", "2010-11-20", "2010-12-20", "2011-03-01")],
    "daily_2011": [("2011-04-01", (193,)), ("2011-04-02", (304,))],
    "flares_2010_2015": [(time, (211,)) for time in ("2010-07-01", "2013-02-01", "2015-08-01")],
    "loops_2017": [("2017-08-08", (171,))],
    "full_sets_2015": [("2015-01-11", ALL), ("2015-03-02", ALL)],
    "scattered_2010_2023": [("2011-12-15", (335,)), ("2015-03-02T00:01", (1700,)), ("2023-01-01", (193,))],
    "full_set_2022": [("2022-10-01", ALL)],
    "same_time_2023": [("2023-10-21", (94, 131, 171, 193, 304, 335, 1600, 1700))],
    "full_set_1024": [("2025-07-22", ALL), ("2024-11-26", ALL)],
}

#: Of the archives of finer frames that are not among those above: when their frames are from, the passband of each, and
#: the number of its field. Passbands of one moment have frames of their own. The first has two images of those above.
FINE_FRAMES = {
    "mdi_512": [("2010-12-20", 193, 6), ("2010-12-20", 304, 6), ("2011-01-04", 304, 50)],
    "sharp_377_512": [("2011-02-14", 193, 51), ("2011-02-14T12:00", 304, 52), ("2011-02-21", 193, 53)],
    "sharps_2012_512": [(time, band, 54) for time in ("2012-03-06",) for band in (94, 131, 171)],
}

#: Rows and columns of 512 where there is a field in frames of patches, and in that of 2011-02-21, too small a patch.
PATCHES = [(slice(200, 260), slice(180, 300)), (slice(300, 306), slice(300, 306))]

#: When the sets are from, two of them also in another archive, and which passbands they lack.
SET_TIMES = {"2015-01-11": (), "2015-03-02": (94, 1700), "2025-01-20": (304,)}

#: Passbands and moments whose images are under a veil.
VEILED = {(1600, "2015-03-02")}

#: Median of a quiet disk at launch, in DN/s.
LEVELS = {94: 1.5, 131: 8, 171: 150, 193: 250, 211: 60, 304: 180, 335: 5, 1600: 100, 1700: 1000}

#: What images are multiplied by from 2013 on, but for those that are known not to be.
BRIGHTENING = 1.7

_DISK = GRID.radius < 1


def sun(field, band):
    """Images in DN/s at launch: brighter where the field is, darker towards the limb."""
    darkening = 0.2 + 0.8 * np.sqrt(np.clip(1 - GRID.radius**2, 0, 1))
    return LEVELS[band] * darkening * (1 + np.abs(field) / 150) * np.where(_DISK, 1, 0.7)


def is_brightened(archive, time):
    """Whether images of an archive and time are."""
    return time >= "2013" and archive not in ("flares_2010_2015", "loops_2017") and not time.startswith("2015-03")


def field_of(number):
    """A field of its own for every frame."""
    rng = np.random.default_rng(number)
    field = rng.normal(0, 3, GRID.shape)
    for row, column in rng.integers(70, 180, (12, 2)):
        field[row : row + 12, column : column + 12] += rng.choice([-1, 1]) * rng.uniform(50, 300)
    return np.rint(field * _DISK).astype(np.int16)


def _codes(images, band, finer=1):
    """The archive's codes of an image, with the corner of the time stamp missing."""
    scaled = STRETCHES[band].forward(np.kron(images, np.ones((finer, finer))))
    codes = np.clip(np.rint((scaled + 1) * 127.5), 0, 254).astype(np.uint8)
    codes[: 14 * finer + finer - 1, : 100 * finer + finer - 1] = 255
    return codes


def _observed(sensitivity, archive, time, band, field):
    """What AIA measured, with what was done to it."""
    try:
        left = sensitivity.since_launch(band, time)
    except ValueError:
        left = 0.03
    image = sun(field, band) * left * (BRIGHTENING if is_brightened(archive, time) else 1)
    if (band, time[:10]) in VEILED:
        image = image + 3 * LEVELS[band]
    return image


def write_archives(directory):
    """All archives with fields, in their folders."""
    sensitivity, number = Sensitivity.read(), 0
    for name, frames in FRAMES.items():
        finer = 4 if name == "full_set_1024" else 1
        content = {"time": np.array([time for time, _ in frames]), "magnetogram": []}
        for frame, (time, bands) in enumerate(frames):
            field = field_of(number)
            number += 1
            content["magnetogram"].append(_finer(field, finer))
            for band in bands:
                codes = _codes(_observed(sensitivity, name, time, band, field), band, finer)
                if band in (193, 304) and time < "2011-02":
                    codes = _early(codes)
                content.setdefault(f"aia_{band:04d}", []).append(codes)
                content.setdefault(f"index_{band:04d}", []).append(frame)
        _write(directory, ARCHIVES[name], name, content)


def _finer(field, finer):
    field = np.kron(field, np.ones((finer, finer), dtype=np.int16))
    return np.where(np.kron(_DISK, np.ones((finer, finer))), field, -32768 if finer > 1 else 0).astype(np.int16)


def write_fine(directory):
    """The archives of finer frames, but for that which `write_archives` writes."""
    sensitivity = Sensitivity.read()
    for name, frames in FINE_FRAMES.items():
        content = {"time": np.array([time for time, _, _ in frames]), "magnetogram": []}
        for frame, (time, band, number) in enumerate(frames):
            field = _finer(field_of(number), 2)
            if name != "mdi_512":
                patch = PATCHES[time == "2011-02-21"]
                known = np.zeros(field.shape, dtype=bool)
                known[patch] = True
                field[~known] = -32768
            content["magnetogram"].append(field)
            codes = _codes(_observed(sensitivity, name, time, band, field_of(number)), band, 2)
            content.setdefault(f"aia_{band:04d}", []).append(_early(codes) if name == "mdi_512" else codes)
            content.setdefault(f"index_{band:04d}", []).append(frame)
        _write(directory, FINE[name], name, content)


def _early(codes):
    """Codes in another, flatter stretch."""
    return np.where(codes == 255, 255, 60 + 0.6 * codes).astype(np.uint8)


def write_sets(directory):
    """The archive of sets, on twice the resolution."""
    sensitivity = Sensitivity.read()
    ((name, folder),) = SETS.items()
    content = {"time": np.array(list(SET_TIMES))}
    for band in STRETCHES:
        content[f"aia_{band:04d}"] = [
            np.full((512, 512), 255, dtype=np.uint8)
            if band in lacking
            else _codes(_observed(sensitivity, name, time, band, field_of(100 + number)), band, 2)
            for number, (time, lacking) in enumerate(SET_TIMES.items())
        ]
    _write(directory, folder, name, content)


def _write(directory, folder, name, content):
    (directory / folder).mkdir(exist_ok=True)
    np.savez(directory / folder / f"{name}.npz", **{key: np.array(values) for key, values in content.items()})


def link_archives(directory, other, but=()):
    """The same archives in another directory, but for some."""
    for path in directory.glob("*/*.npz"):
        if path.stem not in but:
            (other / path.parent.name).mkdir(exist_ok=True)
            (other / path.parent.name / path.name).symlink_to(path)


def as_command(module, *arguments):
    """What ``python -m`` does, without another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, module.__name__)
        patch.setattr(sys, "argv", [module.__file__, *map(str, arguments)])
        runpy.run_module(module.__name__, run_name="__main__")
