"""
Filling in a missing channel
============================

AIA has gaps: a shutter fails, a channel is switched off for a calibration, a file does not arrive. What the other
channels say of the missing one, `sunpy_mag2euv.translate` makes an image of.

The AIA images of this example are made up, so that it runs anywhere. To use real ones, of level 1 or 1.5, put
``sunpy.map.Map([...])`` in their place; they need not have the same size, orientation or field of view.
"""

import matplotlib.pyplot as plt

import astropy.units as u
from astropy.coordinates import SkyCoord

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_aia_maps
from sunpy_mag2euv.visualization import normalization

aia_131, aia_171, aia_211, aia_335, aia_193 = sample_aia_maps([131, 171, 211, 335, 193])

# %%
# Say that 193 Å is missing. Any of the other channels can be given, as many as there are.
filled = mag2euv.translate([aia_131, aia_171, aia_211, aia_335], passband=193)
print(filled.meta["history"])

# %%
# In this made-up case the missing image is at hand, to be drawn beside it. With real images, `sunpy_mag2euv.compare` is
# how to find out what the filling is worth, on days on which nothing is missing. Here it would only say how alike two
# networks are.
figure = plt.figure(figsize=(11, 5), layout="constrained")
for number, (image, title) in enumerate([(aia_193, "left out"), (filled, "filled in")], start=1):
    axes = figure.add_subplot(1, 2, number, projection=image)
    image.plot(axes=axes, norm=normalization(aia_193), title=f"193 Å, {title}")
    axes.set_facecolor("black")
    axes.coords.grid(False)

# %%
# The uncertainty says how far off it may be. It is smaller the more channels there are: here the same from 171 Å alone.
alone = mag2euv.translate(aia_171, passband=193)
figure = plt.figure(figsize=(11, 5), layout="constrained")
for number, (image, title) in enumerate([(filled, "from four channels"), (alone, "from 171 Å")], start=1):
    axes = figure.add_subplot(1, 2, number, projection=image)
    picture = axes.imshow(image.uncertainty.array / image.data, vmin=0, vmax=1, origin="lower", cmap="viridis")
    axes.set_title(f"{title}: standard deviation / image")
    figure.colorbar(picture, ax=axes, shrink=0.8)

# %%
# For a cutout the answer is the same cutout: the first image decides. What else is given may show more.
corners = SkyCoord([-500, 500] * u.arcsec, [-450, 450] * u.arcsec, frame=aia_171.coordinate_frame)
cutout = aia_171.submap(corners[0], top_right=corners[1])
part = mag2euv.translate([cutout, aia_131, aia_211, aia_335], passband=193)
print(part.data.shape, part.bottom_left_coord.Tx, part.top_right_coord.Tx)

plt.show()
