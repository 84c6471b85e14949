"""What a session prints that nobody asked for: warnings, and nothing else."""

import subprocess
import sys

SCRIPT = """
import logging, sys, tempfile
from pathlib import Path

import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import sunpy.map

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.models import save_model
from sunpy_mag2euv.sample import sample_aia_maps, sample_chart, sample_magnetogram

model = mag2euv.load_model("shared-browse")
magnetogram = sample_magnetogram(size=256)
image = mag2euv.generate(magnetogram, 193, model=model)
cube = mag2euv.generate_cube(magnetogram, model=model)
chart = sample_chart()
seen = mag2euv.generate(chart, 304, observer="l5")
translation = mag2euv.translate(sample_aia_maps([131, 304]), 171)
mag2euv.compare(image, sample_aia_maps([193])[0])
with tempfile.TemporaryDirectory() as folder:
    save_model(model, Path(folder) / "own.safetensors")
    mag2euv.load_model(Path(folder) / "own.safetensors")
    for number, map_ in enumerate((magnetogram, image, seen, translation, chart)):
        map_.save(Path(folder) / f"{number}.fits")
        read = sunpy.map.Map(Path(folder) / f"{number}.fits")
        repr(read)
        plt.figure()
        read.plot()
    plt.figure()
    cube[0].plot()
    mag2euv.generate(mag2euv.read_chart(Path(folder) / "4.fits"), 193, observer="earth")
# A chart as archives have them says no radius of the Sun.
del chart.meta["rsun_ref"]
mag2euv.generate(chart, 193, observer="earth")
repr(mag2euv.available_models()), repr(model), model._repr_html_()
# Whoever wants to set up logging can do so still.
print(logging.getLogger().handlers, logging.getLogger().level == logging.WARNING)
"""


def test_a_session_is_quiet(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[] True\n"
    lines = done.stderr.splitlines()
    assert all(line.startswith("WARNING: ") for line in lines), done.stderr
    (caveat,) = (line for line in lines if "few images" in line)
    assert "each of 335, 1600 and 1700 Å: the weights rest on few images" in caveat
