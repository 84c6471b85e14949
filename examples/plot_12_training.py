"""
Training a network of your own
==============================

From frames to wsixs and scores, in miniature. There is no archive at hand here, so a packaged network plays the Sun:
a small network learns 193 Å from what it makes of made-up fields. With observations it is the same, but that
:doc:`/training_data` tells where the frames come from, and that it takes longer.
"""

# %%
# A store holds the frames: fields in gauss and images in DN/s, on one grid. This one has a frame for each of six
# solar rotations.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import astropy.units as u
from astropy.table import Table
from astropy.time import Time

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.charts import chart_of
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import bin_image
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.vantage import project
from sunpy_mag2euv.visualization import plot_comparison

folder = Path(tempfile.mkdtemp())
count = 6
times = Time("2014-01-01") + np.arange(count) * 27.2753 * u.day
frames = Table({"name": [f"sun {seed}" for seed in range(count)], "time": times, "source": ["made up"] * count})
grid = Grid((64, 64), solar_radius=24.5)
store = Store.create(
    folder / "frames.zarr",
    grid,
    frames,
    [193],
    provenance="made-up fields and what the packaged network makes of them",
    calibration={193: "AIA's sensitivity at launch, as the packaged network has it"},
    epochs={193: "launch"},
)
for seed in range(count):
    chart = sample_chart(seed)
    image = mag2euv.generate(chart, 193, observer="earth", model="shared-browse")
    field = project(chart_of(chart), image.observer_coordinate, grid).values
    store.write(seed, field, {193: bin_image(image.data, 4)})

# %%
# A configuration says what differs from a protocol. The Carrington rotation to test is not trained on, nor are those
# next to it.
config_file = folder / "config.toml"
_ = config_file.write_text(
    f"""
    protocol = "shared"
    data = {{ store = "frames.zarr", passbands = [193] }}
    split = {{ test = [{int(store.frames["rotation"][-1])}] }}
    model = {{ name = "pupil", network = {{ widths = [16, 24], head = 8 }} }}
    optimizer = {{ averaging = 0.9, warmup = 10 }}
    run = {{ steps = 50, epoch = 50, workers = 0 }}
    trainer = {{ accelerator = "cpu", enable_progress_bar = false, enable_model_summary = false }}
    """
)

# %%
# What follows are the commands ``mag2euv train`` and ``mag2euv export`` in Python. A run that was interrupted would go
# on here as if it had not been.
from sunpy_mag2euv.training.learning.config import load_config
from sunpy_mag2euv.training.learning.export import export
from sunpy_mag2euv.training.learning.run import train

train(load_config(config_file), folder / "run")
model = export(folder / "run", folder / "pupil.safetensors")

# %%
# The log has the loss of every step. A single step says little, since each sees other frames.
log = Table.read(folder / "run" / "log" / "version_0" / "metrics.csv", format="ascii.csv")
loss = log["loss"].compressed()
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(loss, color="lightgray")
axes.plot(np.arange(9, len(loss)), np.convolve(loss, np.ones(10) / 10, "valid"))
axes.set(xlabel="step", ylabel="loss")

# %%
# The wsixs are used like any others. Here they see a Sun that was not among the frames, beside what the packaged
# network makes of it.
chart = sample_chart(seed=100)
pupil = mag2euv.generate(chart, 193, observer="earth", model=model)
teacher = mag2euv.generate(chart, 193, observer="earth", model="shared-browse")
# sphinx_gallery_thumbnail_number = 2
plot_comparison(pupil, teacher, figure=plt.figure(figsize=(9, 8.4), layout="constrained"))

# %%
# ``mag2euv export`` has scored it beside the baselines as well, on the rotation held out: of one image there is no
# interval worth the name.
print((folder / "pupil.rst").read_text())
plt.show()
