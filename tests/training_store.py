"""A toy training set, and configurations that train on it, for the tests of the training."""

import functools
import json
import math
from pathlib import Path

import numpy as np
import torch

from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import FieldModel, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.scaling import AsinhScaling, LogScaling
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import load_config, model_record

GRID = Grid((32, 32), 13.0)

#: One whose blocks of 4 × 4 pixels are the pixels of `GRID`.
FINE_GRID = Grid((128, 128), 52.0)

BANDS = (171, 193)

#: Carrington rotations of the frames: six to train on, two in gaps, two to watch, three to score. One that is scored
#: has an image in the gap one rotation before.
ROTATIONS = (2094.1, 2094.3, 2094.5, 2094.7, 2095.2, 2095.6, 2096.5, 2097.2, 2097.6, 2098.2, 2099.2, 2099.5, 2099.8)
TRAINED = range(6)
WATCHED = range(7, 9)
SCORED = range(10, 13)
SPLIT = {"method": "rotations", "validation": [2097], "test": [2099], "gap": 1}


def manifest(rotations=ROTATIONS, source="toy"):
    """The frames' names, times and sources."""
    # Mean rotations, which is near enough.
    time = Time(2398167.4 + 27.2752316 * (np.asarray(rotations) - 1), format="jd", scale="utc")
    time.format = "isot"
    names = [f"{source} {number}" for number in range(len(time))]
    return Table({"name": names, "time": time, "source": [source] * len(time)})


def make_field(number, grid=GRID):
    """Some spots on the disk, in gauss, others for every number."""
    rng = np.random.default_rng(number)
    rows, columns = np.indices(grid.shape)
    field = rng.normal(0, 5, grid.shape)
    for _ in range(6):
        row, column = rng.uniform(-0.6, 0.6, 2) * grid.solar_radius + np.array(grid.center)[::-1]
        field += rng.choice([-600, 600]) * np.exp(-(np.hypot(rows - row, columns - column) ** 2) / 6)
    return np.where(grid.radius < 1, field, 0).astype(np.float32)


def make_images(field, bands=BANDS, grid=GRID):
    """The brighter, the stronger the field; in DN/s, with a corner that was not observed."""
    images = {}
    for number, band in enumerate(bands):
        images[band] = ((20 + np.abs(field)) * (1 + number) * np.where(grid.radius < 1, 1, 0.2)).astype(np.float32)
        images[band][:3, :3] = np.nan
    return images


def make_store(path, *, frames=None, bands=BANDS, grid=GRID, only=None, fields=True, **settings):
    """A store of which every frame is complete, but for passbands that only some rows have, or without any field."""
    frames = manifest() if frames is None else frames
    calibration = {band: f"epoch of {band}" for band in bands}
    settings = {"provenance": "made up", "calibration": calibration} | settings
    store = Store.create(path, grid, frames, bands, **settings)
    for row in range(len(frames)):
        field = make_field(row, grid)
        images = make_images(field, bands, grid)
        for band, rows in (only or {}).items():
            if row not in rows:
                del images[band]
        store.write(row, field if fields else None, images)
    return store


def make_coarse(path, **attributes):
    """
    Weights of a model on `GRID`, for the coarse part of networks of two scales; it has learnt nothing, but varies.

    Parameters
    ----------
    path : path-like
        To be written.
    **attributes : dict
        Of the model, others than usual.
    """
    planes = attributes.get("planes", ("absolute", "signed", "mu", "absolute 57 Mm", "signed 114 Mm"))
    bands = list(attributes.get("image_scalings", BANDS))
    architecture = {
        "kind": "shared-unet",
        "in_channels": len(planes),
        "out_channels": len(bands),
        "widths": [4, 8],
        "head": 4,
        "dropout": 0.2,
        "deviations": True,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_network(**architecture).state_dict()
    usual = {
        "name": "coarse",
        "description": "Both passbands, untrained",
        "architecture": architecture,
        "grid": GRID,
        "planes": planes,
        "image_scalings": dict(zip(bands, (LogScaling(1, 5000), LogScaling(2, 9000)), strict=True)),
        "field_scaling": AsinhScaling(-3000, 3000, knee=10),
        "unpolarized": True,
        "valid_radius": 1.2,
        "calibration": dict.fromkeys(bands, "coarse"),
        "provenance": "coarse frames",
        "training_images": {band: 100 + number for number, band in enumerate(bands)},
        "strongest_field": 1500.0,
        "deviation_factors": dict.fromkeys(bands, 2.0),
        "state": state,
    }
    save_model(FieldModel(**usual | attributes), path)


class QuickStore(Store):
    """One that reads every image once, for those who ask often."""

    @functools.cached_property
    def everything(self):
        """All images and all weights."""
        rows = range(len(self.frames))
        return [super(QuickStore, self).images(row) for row in rows], [
            super(QuickStore, self).weight(row) for row in rows
        ]

    def images(self, row, passbands=None):
        return self.everything[0][row][self.columns(passbands)]

    def weight(self, row):
        return self.everything[1][row]


def damage(path, array, *chunk):
    """Change a byte in the middle of a chunk."""
    (file,) = [file for file in Path(path, array, "c").joinpath(*map(str, chunk)).rglob("*") if file.is_file()]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


#: What makes a protocol small and quiet.
_SMALL = {
    "shared": {"model": {"network": {"widths": [4, 8], "head": 4}}, "run": {"batch": 2}},
    "model-a": {"model": {"network": {"levels": 5, "width": 4}}, "augmentation": {"shift": 2}},
    "model-b": {"model": {"network": {"levels": 5, "width": 4}}, "augmentation": {"shift": 2}},
    # Beside the configuration, there are weights by `make_coarse`.
    "detail": {
        "model": {
            "coarse": "coarse.safetensors",
            "planes": ["absolute", "mu", "absolute 14 Mm", "net 28 Mm"],
            "network": {"widths": [4, 8], "head": 4},
        },
        "augmentation": {"crop": 32},
        "run": {"batch": 2},
    },
    "translation": {
        "data": {"inputs": list(BANDS)},
        "model": {"network": {"widths": [4, 8], "head": 4}},
        "run": {"batch": 2},
    },
}
_QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


def configure(directory, store, protocol="shared", **tables):
    """
    Load a configuration of a small run.

    Parameters
    ----------
    directory : path-like
        Where its file is written.
    store : path-like
    protocol : str
    **tables : dict
        Laid over what makes it small.
    """
    given = {"data": {"store": str(store), "passbands": list(BANDS)}, "split": SPLIT, "trainer": _QUIET}
    given["run"] = {"steps": 4, "epoch": 2, "workers": 0}
    for more in (_SMALL[protocol], tables):
        for table, values in more.items():
            given[table] = given.get(table, {}) | values
    return load_config(write_config(Path(directory) / "run.toml", protocol, **given))


def make_run(directory, config, seed=0):
    """
    The directory of a run, without any training.

    Parameters
    ----------
    directory : `pathlib.Path`
        To be made.
    config : dict
        As `configure` returns it.
    seed : int
        Of the weights, which have learnt nothing but vary, those of detail included.

    Returns
    -------
    `pathlib.Path`
        The directory.
    """
    # Few tests need Lightning, which takes seconds to import.
    from sunpy_mag2euv.training.learning.run import CHECKPOINT, CONFIGURATION

    record = model_record(config, Store.open(config["data"]["store"]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = build_network(**record.architecture).state_dict() | record.state
        # To begin with, there would be none.
        for name in ("detail.read.weight", "detail.read.bias"):
            if name in state:
                state[name] = 0.1 * torch.randn(state[name].shape)
    directory.mkdir()
    (directory / CONFIGURATION).write_text(json.dumps(config), encoding="utf-8")
    torch.save({"state_dict": {f"network.{name}": tensor for name, tensor in state.items()}}, directory / CHECKPOINT)
    return directory


def write_config(path, protocol, **tables):
    """Write tables as TOML."""
    lines = [f"protocol = {json.dumps(protocol)}"]
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{json.dumps(key)} = {_toml(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    # The only number whose name in TOML is not that in JSON.
    return "inf" if value == math.inf else json.dumps(value)
