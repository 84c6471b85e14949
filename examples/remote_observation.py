"""
HMI and AIA of 2011 June 7, from SunPy's sample data
====================================================

The day of a large eruption: a magnetogram and the 193 Å image of the same minute, as SunPy offers them for its own
examples. They are fetched when they are asked for first, which takes a network. So this example is not run when this
page is made, and there are no figures here.
"""

import matplotlib.pyplot as plt

import sunpy.data.sample
import sunpy.map

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.visualization import plot_comparison

# %%
# Both have 1024 by 1024 pixels. SunPy keeps them where `sunpy.data.sample` says.
hmi = sunpy.map.Map(sunpy.data.sample.HMI_LOS_IMAGE)
aia = sunpy.map.Map(sunpy.data.sample.AIA_193_IMAGE)

# %%
# The packaged weights have learnt nothing of 193 Å from this solar rotation. The image is brought to AIA's sensitivity
# at launch, to which synthetic ones refer; that takes aiapy.
synthetic = mag2euv.generate(hmi, passband=193)
print(mag2euv.compare(synthetic, aia)["region", "cc", "re", "ppe10"])
plot_comparison(synthetic, aia, figure=plt.figure(figsize=(8, 7.6), layout="constrained"))
plt.show()
