"""
The uncertainty of a synthetic image
====================================

Every synthetic image comes with a standard deviation in each pixel: how far off it may be.

The field and the images are of 2025 July 22, small, and from 8-bit browse images of SDO. To run this example, put
:download:`hmi.fits </../examples/data/hmi.fits>`, :download:`aia_171.fits </../examples/data/aia_171.fits>` and
:download:`aia_304.fits </../examples/data/aia_304.fits>` into a folder ``data`` beside it.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sunpy.map

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.visualization import plot_uncertainty

data = Path(globals().get("__file__", "")).parent / "data"  # a notebook has no file
hmi = sunpy.map.Map(data / "hmi.fits")

# %%
# It is smallest where the field decides what is there, and largest off the limb and over active regions, whose loops
# the field does not show.
images = mag2euv.generate(hmi, [171, 304], model="shared-browse")
for image in images:
    plot_uncertainty(image, figure=plt.figure(figsize=(8, 4), layout="constrained"))

# %%
# ``shared-browse`` has learnt nothing of these two passbands from this day, so this is a test: two thirds of the
# observed pixels should be within one deviation, and 95 per cent within two.
for image in images:
    observed = mag2euv.reproject(sunpy.map.Map(data / f"aia_{image.wavelength.value:.0f}.fits"), like=image)
    disk = sunpy.map.coordinate_is_on_solar_disk(sunpy.map.all_coordinates_from_map(image))
    off = np.abs(observed.data - image.data)[disk] / image.uncertainty.array[disk]
    known = off[np.isfinite(off)]
    print(f"{image.wavelength.value:.0f} Å: {np.mean(known < 1):.0%} within one, {np.mean(known < 2):.0%} within two")

# %%
# One day says little. :doc:`plot_06_reliability` has the counts of many.
plt.show()
