"""
An AIA 193 Å image from an HMI magnetogram
==========================================

What AIA might have seen, given nothing but the field in the photosphere.

The magnetogram of this example is made up, so that it runs anywhere. To use a real one, put
``sunpy.map.Map("hmi.M_720s….fits")`` in its place.
"""

import matplotlib.pyplot as plt

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.visualization import contact_sheet

magnetogram = sample_magnetogram()
print(magnetogram.instrument, magnetogram.date, magnetogram.unit)

# %%
# One call makes the image: an AIAMap in DN/s with the observer and the time of the magnetogram.
synthetic = mag2euv.generate(magnetogram, passband=193)
print(synthetic.wavelength, synthetic.unit, synthetic.date)

# %%
# SunPy draws it, on its own coordinates and in AIA's usual colours.
figure = plt.figure(figsize=(6, 5.2), layout="constrained")
synthetic.plot(axes=figure.add_subplot(projection=synthetic))

# %%
# Beside the magnetogram that it was made of. HMI's camera is mounted upside down, and so is this magnetogram: the image
# has solar north up, and the magnetogram is drawn as the image is.
contact_sheet(magnetogram, synthetic, figure=plt.figure(figsize=(6, 3.4), layout="constrained"))

# %%
# The first lines of its history say that this is not an observation, and what made it. `Map.save
# <sunpy.map.GenericMap.save>` keeps them.
print(synthetic.meta["history"])
plt.show()
