"""
EUV light curves of the rotating Sun
====================================

How bright is the disk in each passband, from one day to the next? For that no image has to be kept:
`~sunpy_mag2euv.light_curve` makes a time series of any number of magnetograms. The Sun of this example is made up.
"""

# %%
# A chart of the field of a whole Sun is seen from Earth for 36 days. The field does not change, and the Sun turns. With
# a list of files it would be ``map(sunpy.map.Map, paths)``, which reads the next one when it is asked for.
import matplotlib.pyplot as plt

import astropy.units as u
import sunpy.map
from sunpy.coordinates import Helioprojective

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.charts import chart_of
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.vantage import project, resolve_observer

chart, grid = chart_of(sample_chart()), Grid((256, 256), solar_radius=98)


def magnetogram(time):
    """What a magnetograph near Earth would see of the chart."""
    earth = resolve_observer("earth", time, chart.time)
    frame = Helioprojective(observer=earth, obstime=time, rsun=696 * u.Mm)
    header = grid.header(frame, instrument="HMI_SYNTHETIC", telescope="SDO/HMI", unit=u.G)
    return sunpy.map.Map(project(chart, earth, grid).values, header)


curve = mag2euv.light_curve(map(magnetogram, chart.time + range(0, 37, 3) * u.day), [171, 193, 211, 304])
print(curve["time", "193", "193_deviation", "193_validity"][:3])

# %%
# Each curve is drawn in units of its own mean, with one standard deviation to either side. Much of the deviation is the
# same for all of a curve, which may be too high or too low as a whole; :doc:`/light_curves` has what is known of its
# shape. ``curve.write("curve.ecsv")`` keeps it.
figure, panels = plt.subplots(4, 1, figsize=(6, 7), sharex=True, layout="constrained")
day = (curve["time"] - curve["time"][0]).to_value(u.day)
for number, (axes, band) in enumerate(zip(panels, ("171", "193", "211", "304"), strict=True)):
    mean = curve[band].mean()
    relative, deviation = curve[band] / mean, curve[f"{band}_deviation"] / mean
    axes.fill_between(day, relative - deviation, relative + deviation, color=f"C{number}", alpha=0.25, linewidth=0)
    axes.plot(day, relative, "o-", color=f"C{number}")
    axes.set(ylabel=f"{band} Å", ylim=(0.75, 1.3))
panels[0].set_title("Synthetic disk sums of a made-up Sun, in units of their mean", fontsize="medium")
panels[-1].set_xlabel("days")

# %%
# After 27 days the Sun of the chart has turned once, and the curves begin again. As active regions come and go, 211 Å
# varies most and 304 Å least. `~sunpy_mag2euv.light_curves.disk_sum` sums AIA's own images in the same way.
plt.show()
