"""
The far side of the Sun in EUV
==============================

A chart of the magnetic field shows the whole Sun, so that the corona above it can be shown from anywhere: here from
behind. The Sun of this example is made up; a chart of the real one, such as HMI's of a Carrington rotation, is read by
`~sunpy_mag2euv.read_chart`.
"""

import matplotlib.pyplot as plt
import numpy as np

import astropy.units as u
from astropy.coordinates import SkyCoord

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.visualization import plot_passbands

chart = sample_chart()

# %%
# Any coordinate can be the observer, and so can the names of planets and spacecraft, such as ``"stereo_a"``. Longitude
# 0° is where Earth is.
front, back = SkyCoord([0, 180] * u.deg, 7 * u.deg, 1 * u.au, frame="heliographic_stonyhurst")
images = mag2euv.generate(chart, [171, 304], observer=back)
plot_passbands(images, figure=plt.figure(figsize=(6, 3.4), layout="constrained"))

# %%
# What the far side looks like now, nobody has measured. How long ago each place was seen from Earth, or is going to be
# seen after the chart, `~sunpy_mag2euv.age_map` tells; the images' deviations grow by it.
figure, panels = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
for axes, observer in zip(panels, (front, back), strict=True):
    ages = mag2euv.age_map(chart, observer)
    days = axes.imshow(np.abs(ages.to_value(u.day)), origin="lower", vmin=0, vmax=27, cmap="viridis")
    axes.set_title(f"from longitude {observer.lon.wrap_at(360 * u.deg).deg:.0f}°", fontsize="medium")
    axes.set_axis_off()
figure.colorbar(days, ax=panels, label="days from being seen")
plt.show()
