"""
A synthetic image against the AIA observation
=============================================

How close does it come? Here is HMI's field of 2025 July 22, and what AIA saw in 193 Å at the same time.

Both are small, from 8-bit browse images of SDO and not calibrated; ``print(aia.meta["history"])`` says what was done to
them. To run this example, put :download:`hmi.fits </../examples/data/hmi.fits>` and :download:`aia_193.fits
</../examples/data/aia_193.fits>` into a folder ``data`` beside it.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import sunpy.map

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.visualization import plot_comparison

data = Path(globals().get("__file__", "")).parent / "data"  # a notebook has no file
hmi, aia = sunpy.map.Map(data / "hmi.fits"), sunpy.map.Map(data / "aia_193.fits")

# %%
# ``shared-browse`` has learnt nothing of 193 Å from this day. (The default model has: its detail is from this day and
# another one. So its scores would say too much.)
synthetic = mag2euv.generate(hmi, 193, model="shared-browse")

# %%
# `~sunpy_mag2euv.compare` scores it by region. How bright the whole disk was is not known of browse images of that
# year, so relative errors (``re``) and the share of pixels within 10 per cent (``ppe10``) say less than correlations
# do.
scores = mag2euv.compare(synthetic, aia)["region", "pixels", "cc", "re", "ppe10"]
scores.round(3)
print(scores)

# %%
# Both on one scale of brightness, their ratio, and all pixels of the disk. Active regions are where they should be; the
# dark patch in the north-west the network does not know of.
plot_comparison(synthetic, aia, figure=plt.figure(figsize=(8, 7.6), layout="constrained"))
plt.show()
