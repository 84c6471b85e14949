"""
From a magnetogram to nine passbands
====================================

What AIA might have seen, given nothing but the field in the photosphere.

The magnetogram of this example is made up, so that it runs anywhere. To use a real one, put
``sunpy.map.Map("hmi.M_720s….fits")`` in its place.
"""

import warnings

import matplotlib.pyplot as plt

import sunpy.map
from astropy.visualization import ImageNormalize
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.visualization import contact_sheet, normalization

magnetogram = sample_magnetogram(seed=0, size=1024)
print(magnetogram.instrument, magnetogram.date, magnetogram.unit)

###############################################################################
# One call makes a 193 Å image of it. The result is an AIAMap in DN/s with the observer and the time of the magnetogram.

synthetic = mag2euv.generate(magnetogram, passband=193)
print(synthetic.wavelength, synthetic.unit, synthetic.date)

###############################################################################
# The first lines of its history say that this is not an observation, and what made it.

print(synthetic.meta["history"])

###############################################################################
# Both are drawn by SunPy, each on its own coordinates. HMI's camera is mounted upside down and so is this magnetogram;
# `~sunpy.map.GenericMap.rotate` puts solar north up for the picture. For `~sunpy_mag2euv.generate` that is not needed.

upright = magnetogram.rotate(missing=float("nan"))
figure = plt.figure(figsize=(11, 5), layout="constrained")
axes = figure.add_subplot(121, projection=upright)
upright.plot(axes=axes, norm=ImageNormalize(vmin=-200, vmax=200), cmap="gray")
axes.set_facecolor("black")

axes = figure.add_subplot(122, projection=synthetic)
synthetic.plot(axes=axes, norm=normalization(synthetic))
axes.set_facecolor("black")
axes.coords.grid(False)

###############################################################################
# All nine passbands come from one network at once. Three of them rest on five to eight images each, and say so
# in a warning, which is turned off here since you have just read it. They are worth a look and no more.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SunpyUserWarning)
    cube = mag2euv.generate_cube(magnetogram)
print(cube.data.shape, cube.unit)

###############################################################################
# The cube keeps the header of every passband, so Maps can be taken out of it. A contact sheet shows them all, each in
# AIA's usual colours.

maps = [sunpy.map.Map(plane, header) for plane, header in zip(cube.data, cube.meta.values(), strict=True)]
contact_sheet(magnetogram, maps, figure=plt.figure(figsize=(12, 5.5), layout="constrained"))

plt.show()
