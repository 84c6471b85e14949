"""
A light curve of a turning Sun
==============================

How bright is the disk in each passband, from one day to the next? For that no image has to be kept: `light_curve
<sunpy_mag2euv.light_curve>` makes a time series of any number of magnetograms.

The Sun of this example is made up, so that it runs anywhere.
"""

# %%
# A chart of the field of a whole Sun is seen from Earth for 40 days, once a day. The field does not change, and the Sun
# turns. With a list of files it would be ``map(sunpy.map.Map, paths)``, which reads the next one when it is asked for,
# so that there are never more than two in memory.
import matplotlib.pyplot as plt

import astropy.units as u
import sunpy.map
from astropy.time import Time
from sunpy.coordinates import Helioprojective

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.charts import chart_of
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.light_curves import disk_sum
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.vantage import project, resolve_observer

chart = chart_of(sample_chart())
grid = Grid((512, 512), solar_radius=196)


def magnetogram(time):
    """What a magnetograph near Earth would see of the chart."""
    earth = resolve_observer("earth", time, chart.time)
    frame = Helioprojective(observer=earth, obstime=time, rsun=696 * u.Mm)
    header = grid.header(frame, instrument="HMI_SYNTHETIC", telescope="SDO/HMI", unit=u.G)
    return sunpy.map.Map(project(chart, earth, grid).values, header)


days = chart.time + range(40) * u.day
curve = mag2euv.light_curve(map(magnetogram, days), [171, 193, 211, 304])
print(curve["time", "193", "193_deviation", "193_validity"][:3])

# %%
# Each curve is drawn in units of its own mean, with one standard deviation to either side. With dates below and in
# DN/s, it would be ``axes.errorbar(curve.time.datetime, curve["193"].value, yerr=curve["193_deviation"].value)``:
# matplotlib takes numbers without their unit. ``curve.write("curve.ecsv")`` keeps the curve. Much of the deviation is
# the same for all of a curve, which may be too high or too low as a whole; :doc:`/light_curves` has what is known of
# its shape.
figure, panels = plt.subplots(4, 1, figsize=(8, 9), sharex=True, layout="constrained")
day = (curve["time"] - curve["time"][0]).to_value(u.day)
for number, (axes, band) in enumerate(zip(panels, ("171", "193", "211", "304"), strict=True)):
    mean = curve[band].mean()
    relative, deviation = curve[band] / mean, curve[f"{band}_deviation"] / mean
    axes.fill_between(day, relative - deviation, relative + deviation, color=f"C{number}", alpha=0.25, linewidth=0)
    axes.plot(day, relative, color=f"C{number}")
    axes.set(ylabel=f"{band} Å", ylim=(0.75, 1.3))
panels[0].set_title("Synthetic disk sums of a made-up Sun, in units of their mean")
panels[-1].set_xlabel("days")
plt.show()

# %%
# After 27 days the Sun of the chart has turned once, and the curves begin again. As active regions come and go, 211 Å
# varies most and 304 Å least.
#
# To compare them with AIA's own images, `disk_sum <sunpy_mag2euv.light_curves.disk_sum>` sums these in the same way, at
# AIA's sensitivity at launch. Here a synthetic image of the first day stands for one.
image = mag2euv.generate(magnetogram(Time(days[0])), 193, model="shared-browse")
print(f"{disk_sum(image):.2e}, and {curve['193'][0]:.2e} in the curve")
