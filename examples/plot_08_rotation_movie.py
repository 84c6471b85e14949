"""
A movie of solar rotation in 193 Å
==================================

An observer goes once around the Sun, and the active regions come and go at the limb. The Sun of this example is made
up; of a chart of the real one, that `~sunpy_mag2euv.read_chart` reads, it is done in the same way.
"""

import matplotlib.pyplot as plt

import astropy.units as u
from astropy.coordinates import SkyCoord

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.visualization import animate

# %%
# Of several observers, `~sunpy_mag2euv.generate` makes an image for each.
observers = SkyCoord(range(360, 0, -24) * u.deg, 7 * u.deg, 1 * u.au, frame="heliographic_stonyhurst")
images = list(mag2euv.generate(sample_chart(), 193, observer=list(observers)))

# %%
# All have one scale of brightness. The dark cap in the north is a coronal hole: at its poles this Sun has a field of
# one sign. ``animation.save("turn.gif")`` keeps the movie.
figure = plt.figure(figsize=(6, 5.6), layout="constrained")
animation = animate(images, axes=figure.add_subplot(projection=images[0]))
plt.show()
