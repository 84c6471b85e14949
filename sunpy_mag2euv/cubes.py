"""How cubes of several passbands are plotted: each passband in its colours, on its own scale of brightness."""

import contextlib
import functools
import warnings

from mpl_animators import ArrayAnimatorWCS

import astropy.units as u
from ndcube.visualization.mpl_plotter import MatplotlibPlotter

from sunpy_mag2euv.aia import cube_to_maps
from sunpy_mag2euv.visualization import normalization

__all__ = ["PassbandPlotter"]


class PassbandPlotter(MatplotlibPlotter):
    """
    What ``plot`` of a cube of passbands is: ndcube's own, in AIA's colours, with a slider that names the passband.

    Where colours, scale or unit are chosen, or other axes than those on the sky, it is ndcube's own.
    """

    @functools.wraps(MatplotlibPlotter.plot)
    def plot(self, *args, **kwargs):
        """As `~ndcube.NDCube.plot` takes them."""
        with _any_unit():
            drawn = super().plot(*args, **kwargs)
        if (
            isinstance(drawn, ArrayAnimatorWCS)
            and drawn.slider_axes == [0]
            and not {"cmap", "norm", "vmin", "vmax", "clip_interval", "data_unit"} & set(kwargs)
        ):
            _colour(drawn, cube_to_maps(self._ndcube))
        return drawn


@contextlib.contextmanager
def _any_unit():
    """Without a warning that the Virtual Observatory, whose names of units axes go by, would rather have nanometres."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        yield


def _colour(animator, maps):
    """Give each passband its colours and scale, and name the first one as the slider does all others."""
    scales = [(image.cmap, normalization(image)) for image in maps]
    update = animator.slider_functions[0]

    def show(number, artist):
        cmap, norm = scales[number]
        artist.set(cmap=cmap, norm=norm)

    def change(value, artist, slider):
        with _any_unit():
            update(value, artist, slider)
        show(int(value), artist)

    animator.slider_functions[0] = change
    animator.axes.set_facecolor("black")
    animator.sliders[0].texts[-1].set_text(maps[0].wavelength.to_string(format="latex_inline"))
    show(0, animator.im)
