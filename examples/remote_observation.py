"""
HMI and AIA of 2011 June 7, from the archives
=============================================

The day of a large eruption, in full resolution: a magnetogram and the 193 Å image of the same minute, fetched with
SunPy's Fido. This example needs a network and ``sunpy[net]``; it is not run when this page is made, so there are no
figures here.
"""

import matplotlib.pyplot as plt

import astropy.units as u
import sunpy.map
from sunpy.net import Fido
from sunpy.net import attrs as a

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.visualization import plot_comparison

# %%
# Some 30 MB, which stay in SunPy's download directory.
span = a.Time("2011-06-07 06:33", "2011-06-07 06:34")
hmi_files = Fido.fetch(Fido.search(span, a.Instrument.hmi, a.Physobs.los_magnetic_field)[0, 0])
aia_files = Fido.fetch(Fido.search(span, a.Instrument.aia, a.Wavelength(193 * u.angstrom))[0, 0])
hmi, aia = sunpy.map.Map(hmi_files[0]), sunpy.map.Map(aia_files[0])

# %%
# The packaged weights have learnt nothing of 193 Å from this solar rotation. The image of level 1 is brought to AIA's
# sensitivity at launch.
synthetic = mag2euv.generate(hmi, passband=193)
plot_comparison(synthetic, aia, figure=plt.figure(figsize=(8, 7.6), layout="constrained"))
plt.show()
