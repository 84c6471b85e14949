"""
Filling in a missing AIA channel
================================

AIA has gaps: a shutter fails, a channel is switched off for a calibration, a file does not arrive. What the other
channels say of the missing one, `~sunpy_mag2euv.translate` makes an image of.

The images are of 2025 July 22, small, and from 8-bit browse images of SDO. To run this example, put those of 131
(:download:`aia_131.fits </../examples/data/aia_131.fits>`), 171 (:download:`aia_171.fits
</../examples/data/aia_171.fits>`), 193 (:download:`aia_193.fits </../examples/data/aia_193.fits>`), 211
(:download:`aia_211.fits </../examples/data/aia_211.fits>`) and 304 Å (:download:`aia_304.fits
</../examples/data/aia_304.fits>`) into a folder ``data`` beside it.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import sunpy.map

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.visualization import plot_comparison

data = Path(globals().get("__file__", "")).parent / "data"  # a notebook has no file
given = [sunpy.map.Map(data / f"aia_{band}.fits") for band in (131, 171, 211, 304)]

# %%
# Say that 193 Å is missing. Any of the other channels can be given, as many as there are; they need not have the same
# size, orientation or field of view.
filled = mag2euv.translate(given, passband=193)
print(filled.meta["history"])

# %%
# On this day it is not missing, so the filling can be held to it. The packaged weights have not learnt from this day.
observed = sunpy.map.Map(data / "aia_193.fits")
plot_comparison(filled, observed, figure=plt.figure(figsize=(8, 7.6), layout="constrained"))

# %%
# Which channels there are counts more than how many. 211 Å by itself says nearly as much of 193 Å, which is emitted at
# nearly the same temperature, and 171 Å less: correlations on the disk.
for name, inputs in {"all four": given, "171 Å": given[1], "211 Å": given[2]}.items():
    disk = mag2euv.compare(mag2euv.translate(inputs, passband=193), observed)[0]
    print(f"193 Å of {name}: {disk['cc']:.3f}")
plt.show()
