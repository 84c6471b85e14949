"""
===========================
Train a network of your own
===========================

From frames to a table of scores, in miniature. There is no archive at hand here, so a packaged network plays the Sun:
a small network learns 193 Å from what it makes of made-up magnetograms. With observations it is the same, but that
:doc:`/training_data` tells where the frames come from, and that it takes longer.
"""

# %%
# A store holds the frames: magnetograms in gauss and images in DN/s, on one grid. This one has a frame for each of
# ten solar rotations.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import astropy.units as u
from astropy.table import Table
from astropy.time import Time

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import bin_image
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.training.data.store import Store

folder = Path(tempfile.mkdtemp())
count = 10
frames = Table(
    {
        "name": [f"sun {seed}" for seed in range(count)],
        "time": Time("2014-01-01") + np.arange(count) * 27.2753 * u.day,
        "source": ["made up"] * count,
    }
)
store = Store.create(
    folder / "frames.zarr",
    Grid((64, 64), solar_radius=24.5),
    frames,
    [193],
    provenance="made-up magnetograms and what the packaged network makes of them",
    calibration={193: "that of the packaged network"},
)
for seed in range(count):
    magnetogram = sample_magnetogram(seed, size=256)
    image = mag2euv.generate(magnetogram, passband=193, model="shared-browse")
    store.write(seed, prepare(magnetogram, store.grid).values, {193: bin_image(image.data, 4)})

# %%
# A configuration says what differs from a protocol. The Carrington rotations to test are not trained on, nor are those
# next to them.
rotations = store.frames["rotation"].astype(int)
config_file = folder / "config.toml"
_ = config_file.write_text(
    f"""
    protocol = "shared"
    [data]
    store = "frames.zarr"
    passbands = [193]
    [split]
    test = [{rotations[-1]}, {rotations[-3]}]
    [model]
    name = "pupil"
    network = {{ widths = [16, 24, 32], head = 8 }}
    [optimizer]
    averaging = 0.9
    warmup = 10
    [run]
    steps = 120
    epoch = 60
    workers = 0
    [trainer]
    accelerator = "cpu"
    enable_progress_bar = false
    enable_model_summary = false
    """
)

# %%
# What follows are the commands ``mag2euv train`` and ``mag2euv export`` in Python. A run that was interrupted would go
# on here as if it had not been.
from sunpy_mag2euv.training.learning.config import load_config
from sunpy_mag2euv.training.learning.export import export
from sunpy_mag2euv.training.learning.run import train

config = load_config(config_file)
train(config, folder / "run")
model = export(folder / "run", folder / "pupil.safetensors")

# %%
# The log has the loss of every step. A single step says little, since each sees other frames.
log = Table.read(folder / "run" / "log" / "version_0" / "metrics.csv", format="ascii.csv")
loss = log["loss"].compressed()
figure, axes = plt.subplots()
axes.plot(loss, color="lightgray")
axes.plot(np.arange(9, len(loss)), np.convolve(loss, np.ones(10) / 10, "valid"))
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
plt.show()

# %%
# The weights are used like any others. Here they see a Sun that was not among the frames.
magnetogram = sample_magnetogram(seed=100, size=256)
pupil = mag2euv.generate(magnetogram, passband=193, model=model)
teacher = mag2euv.generate(magnetogram, passband=193, model="shared-browse")
figure = plt.figure(figsize=(10, 5))
for number, image in enumerate((teacher, pupil), start=1):
    axes = figure.add_subplot(1, 2, number, projection=image)
    image.plot(axes=axes)
    axes.set_title(("the packaged network", "its pupil")[number - 1])
plt.show()

# %%
# `sunpy_mag2euv.compare` brings the teacher's image to the pupil's pixels.
table = mag2euv.compare(pupil, teacher)["region", "pixels", "cc", "re", "ppe10"]
table.round(3)
print(table)

# %%
# ``mag2euv export`` has scored it beside the baselines as well, on the two rotations held out: with two images there
# are no intervals worth the name.
print((folder / "pupil.rst").read_text())
