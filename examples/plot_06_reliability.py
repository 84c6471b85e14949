"""
Are the uncertainties right?
============================

A synthetic image comes with a standard deviation in every pixel. If it is right, a known share of the observed pixels
is within each multiple of it. Here is what was counted on frames that the packaged models were not trained on.

To run this example, put :download:`reliability.ecsv </../examples/data/reliability.ecsv>` and
:download:`reliability_detail.ecsv </../examples/data/reliability_detail.ecsv>` into a folder ``data`` beside it.
"""

# %%
# The counts were written when the packaged weights were scored: those of ``shared-browse`` as in :doc:`/scoring`, those
# of the default model with each of its two days left out in turn, see :doc:`/model_card_detail`.
from pathlib import Path

import matplotlib.pyplot as plt

from astropy.table import Table

data = Path(globals().get("__file__", "")).parent / "data"  # a notebook has no file
shared, detail = (Table.read(data / name) for name in ("reliability.ecsv", "reliability_detail.ecsv"))
tables = {
    "shared-browse, on rotations left out": shared,
    "detail-browse, on two days left out in turn": detail[detail["model"] == "detail"],
}

# %%
# To the right is the share of the pixels that an interval about the synthetic image should hold, upwards the share that
# it does hold. On the diagonal both are the same. Below it the standard deviations are too small and the model promises
# too much; above it they are larger than they need be. An interval that should hold a larger share is a wider one: each
# line, one for a passband, goes from the narrowest to the widest.
#
# The limb is drawn by itself. The field is seen from the side there, and what is behind the limb shines without being
# seen in the magnetogram at all.
#
# The two vertical bars are what this package asks of itself: intervals of one standard deviation to either side, and
# those of nearly two, should come that close to the diagonal.
TARGETS = {0.6827: (0.63, 0.73), 0.95: (0.92, 0.98)}


def draw(table, title):
    """The shares that intervals hold, on the disk and at the limb."""
    figure, panels = plt.subplots(1, 2, figsize=(7.6, 4.4), sharex=True, sharey=True, layout="constrained")
    figure.suptitle(title)
    for region, axes in zip(("disk", "limb"), panels, strict=True):
        axes.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
        for number, band in enumerate(table[table["region"] == region].group_by(["model", "passband"]).groups):
            # Pixels as they are, and with a dotted line means over blocks of them, of models that are scored on both.
            for line in band.group_by("binning").groups:
                first = line["binning"][0] == band["binning"].min()
                style = {"label": f"{line['passband'][0]} Å"} if first else {"linestyle": ":"}
                axes.plot(line["share"], line["coverage"], color=f"C{number}", linewidth=1.2, **style)
        for share, (low, high) in TARGETS.items():
            axes.errorbar(share, share, [[share - low], [high - share]], color="black", capsize=4, zorder=3)
        axes.set(title=region, xlabel="share that it should hold", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    panels[0].set_ylabel("share of the observed pixels in it")
    panels[1].legend(loc="upper left", fontsize="small")


for title, table in tables.items():
    draw(table, title)
plt.show()

# %%
# Of the default model there are two lines for each passband, the dotted one for means of 4 × 4 pixels. 193 and 211 Å
# promise too much on these days: how bright their images are was not known, and set from years of a quieter Sun.
