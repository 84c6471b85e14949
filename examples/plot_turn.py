"""
Once around the Sun
===================

A chart of the magnetic field shows the whole Sun, so that the corona above it can be shown from anywhere, the far side
included. Here an observer goes once around a Sun that is made up; of a chart of the real one, that `read_chart
<sunpy_mag2euv.read_chart>` reads, it is done in the same way.
"""

# %%
# The observers stand around the Sun, 15 degrees from each other, at the distance of Earth.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

import astropy.units as u
from astropy.coordinates import SkyCoord

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.visualization import normalization

chart = sample_chart()
observers = [
    SkyCoord(longitude * u.deg, 7 * u.deg, 1 * u.au, frame="heliographic_stonyhurst") for longitude in range(0, 360, 15)
]

# %%
# Of several observers, `generate <sunpy_mag2euv.generate>` makes an image for each. All have one stretch of brightness,
# and the axes keep their place, since the Sun always has the same size. The dark cap in the north, towards which the
# observers look, is a coronal hole: at its poles this Sun has a field of one sign.
images = list(mag2euv.generate(chart, 193, observer=observers))
norm = normalization(images[0])

figure, axes = plt.subplots(figsize=(4, 4.2), layout="constrained")
figure.set_facecolor("black")
axes.set_axis_off()
drawn = axes.imshow(images[0].data, origin="lower", norm=norm, cmap=images[0].cmap)
title = axes.set_title("", color="white")


def draw(number):
    """Put the next image in place of the last."""
    image = images[number]
    drawn.set_data(np.nan_to_num(image.data))
    longitude = image.observer_coordinate.lon.wrap_at(360 * u.deg)
    title.set_text(f"193 Å (synthetic), longitude {longitude.deg:.0f}°")


animation = FuncAnimation(figure, draw, frames=len(images), interval=150)
plt.show()

# %%
# ``animation.save("turn.gif")`` keeps that as a movie.
#
# How long ago each place had been seen, from in front of the Sun and from behind, is in an image of its own; the
# deviations of the images have grown by it. Ages are negative where the chart shows what was to be seen later: what
# counts is how far they are from nought, either way.
figure, both = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for axes, observer in zip(both, (observers[0], observers[len(observers) // 2]), strict=True):
    ages = mag2euv.age_map(chart, observer)
    days = axes.imshow(np.abs(ages.to_value(u.day)), origin="lower", vmin=0, vmax=27, cmap="viridis")
    axes.set_title(f"from longitude {observer.lon.wrap_at(360 * u.deg).deg:.0f}°")
    axes.set_axis_off()
figure.colorbar(days, ax=both, label="days since it was seen, or until")
plt.show()

# %%
# All that is seen from anywhere, in one chart.
whole = mag2euv.generate_chart(chart, 193)
figure = plt.figure(figsize=(8, 4.2), layout="constrained")
whole.plot(axes=figure.add_subplot(projection=whole), norm=normalization(whole))
plt.show()
