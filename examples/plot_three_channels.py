"""
335 Å from three channels
=========================

If an observatory could have three channels only, which should they be? Lim et al. (2021) asked that of networks. Their
answer was 131, 1600 and 304 Å: one of the corona, one of the upper photosphere, one of the chromosphere. Here the other
six are made of these three.

The AIA images of this example are made up, so that it runs anywhere; see :doc:`plot_fill_channel`.
"""

import warnings

import matplotlib.pyplot as plt

from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_aia_maps
from sunpy_mag2euv.visualization import normalization

given = sample_aia_maps([131, 1600, 304])

# %%
# Some passbands rest on a handful of training images, and say so in a warning, which is turned off here since you have
# just read it.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", SunpyUserWarning)
    aia_335 = mag2euv.translate(given, passband=335)
print(aia_335.wavelength, aia_335.unit, aia_335.meta["inputs"], aia_335.meta["validity"], sep="\n")

# %%
# Several passbands come from one pass through the network.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", SunpyUserWarning)
    made = mag2euv.translate(given, passband=[94, 171, 193, 211, 335, 1700])

figure = plt.figure(figsize=(12, 13), layout="constrained")
for number, image in enumerate([*given, *made], start=1):
    axes = figure.add_subplot(3, 3, number, projection=image)
    what = "given" if number <= len(given) else "made"
    image.plot(axes=axes, norm=normalization(image), title=f"{image.wavelength.value:.0f} Å ({what})")
    axes.set_facecolor("black")
    axes.coords.grid(False)
    for coordinate in axes.coords:
        coordinate.set_ticklabel_visible(False)
        coordinate.set_axislabel("")

plt.show()
