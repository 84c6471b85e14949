"""
All nine AIA passbands from one magnetogram
===========================================

From 94 Å in the corona to 1700 Å just above the photosphere: they come from one network at once, as an
`~ndcube.NDCube`.

The magnetogram of this example is made up, so that it runs anywhere.
"""

import warnings

import matplotlib.pyplot as plt

from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.visualization import plot_passbands

magnetogram = sample_magnetogram()

# %%
# 335, 1600 and 1700 Å rest on five to eight images each, and say so in a warning, which is turned off here since you
# have just read it. They are worth a look and no more.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", SunpyUserWarning)
    cube = mag2euv.generate_cube(magnetogram)
print(cube.data.shape, cube.unit)
print(*cube.axis_world_coords("em.wl"))

# %%
# Each is drawn in AIA's usual colours and on its own scale of brightness.
plot_passbands(cube, columns=3, figure=plt.figure(figsize=(6.4, 7), layout="constrained"))
plt.show()
