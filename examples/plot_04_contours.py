"""
Contours of an AIA observation on a synthetic image
===================================================

Are the loops rooted where the network thinks that they are? Contours of what AIA saw in 171 Å, on what the network made
of HMI's field.

The images are of 2025 July 22, small, and from 8-bit browse images of SDO. To run this example, put :download:`hmi.fits
</../examples/data/hmi.fits>` and :download:`aia_171.fits </../examples/data/aia_171.fits>` into a folder ``data``
beside it.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import astropy.units as u
import sunpy.map

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.visualization import normalization

data = Path(globals().get("__file__", "")).parent / "data"  # a notebook has no file
hmi, aia = sunpy.map.Map(data / "hmi.fits"), sunpy.map.Map(data / "aia_171.fits")

# %%
# ``shared-browse`` has learnt nothing of 171 Å from this day.
synthetic = mag2euv.generate(hmi, 171, model="shared-browse")

# %%
# SunPy brings contours to the coordinates of the axes, so the two need not have the same pixels.
levels = [250, 500] * u.DN / u.s


def draw(image, other, title):
    """An image, and where another is brighter than the levels."""
    figure = plt.figure(figsize=(6, 5.2), layout="constrained")
    axes = figure.add_subplot(projection=image)
    image.plot(axes=axes, norm=normalization(image), title=title)
    axes.set_facecolor("black")
    axes.coords.grid(False)
    other.draw_contours(levels, axes=axes, colors=["white", "cyan"], linewidths=0.8)
    image.draw_limb(axes=axes, linewidth=0.5)


draw(synthetic, aia, "171 Å: synthetic, contours of AIA")

# %%
# And the other way round.
draw(aia, synthetic, "171 Å: AIA, contours of the synthetic image")
plt.show()
