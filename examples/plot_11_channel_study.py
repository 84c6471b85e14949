"""
Which AIA channels are enough?
==============================

If an observatory could have three channels only, which should they be? Lim et al. (2021) asked that of networks. Here
is their study on the images that are at hand: small networks of the paper's kind, one for each combination of inputs
with a channel to make of them, beside one network that takes any of the channels, and beside a linear regression of the
logarithms. :doc:`/channels` says what the images are and what the differences to the paper mean.

To run this example, put :download:`channels.ecsv </../examples/data/channels.ecsv>` into a folder ``data`` beside it.
"""

# %%
# The table is the one that ``mag2euv channels`` wrote, without the columns that are not used here.
from pathlib import Path

import matplotlib.pyplot as plt

from astropy.table import Table

from sunpy_mag2euv.training.study.channels import greedy_path
from sunpy_mag2euv.training.study.figures import plot_best, plot_combinations, plot_pairs

data = Path(globals().get("__file__", "")).parent / "data"  # a notebook has no file
table = Table.read(data / "channels.ecsv")
print(table.meta["provenance"])
print(*(f"{name}: {sha256}" for name, sha256 in table.meta["models"].items()), sep="\n")
methods = list(dict.fromkeys(table["method"]))

# %%
# The search goes on with the best single input, and then with the best pair that contains it. Which they are is read
# from the table. ``cc`` is the mean correlation over the channels that are made, ``lowest`` that of the ``hardest``.
for method in methods:
    path = greedy_path(table, method)
    for name in ("cc", "lowest", "cc_log"):
        path[name].info.format = ".3f"
    path.pprint_all()

# %%
# Every combination that the search tried: dots are means, bars the lowest.
plot_combinations(table)

# %%
# Every channel made of every single other one.
plot_pairs(table).set_size_inches(6.4, 5.6)

# %%
# The same from one network for all of them.
plot_pairs(table, methods[-1]).set_size_inches(6.4, 5.6)

# %%
# The best of each number of inputs, for every method, and what the paper found with its 8544 pairs.
plot_best(table)
plt.show()
