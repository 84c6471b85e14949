"""
Figures on sunpy's plotting: images, what they were made of, how sure they are, what was observed, and how they change.

All of them draw on a figure that `matplotlib.pyplot` does not know of, unless they are given one: save it with its
``savefig``, or show it as the last value of a notebook's cell.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import astropy.units as u
import sunpy.map
from astropy.nddata import StdDevUncertainty
from astropy.visualization import ImageNormalize, LinearStretch
from sunpy.coordinates import Helioprojective
from sunpy.map import GenericMap

from sunpy_mag2euv.brightness import scale_of
from sunpy_mag2euv.maps import check_map
from sunpy_mag2euv.metrics.comparison import compare
from sunpy_mag2euv.reprojection import reproject

__all__ = [
    "animate",
    "contact_sheet",
    "normalization",
    "picture",
    "plot_comparison",
    "plot_passbands",
    "plot_uncertainty",
]

#: Field in gauss that is drawn black (−) and white (+): network shows, spots and plage saturate.
_FIELD_LIMIT = 200

#: Pixels that are enough for a magnetogram in a contact sheet.
_THUMBNAIL = 512

#: Ratio of two images whose colour is the deepest.
_RATIO_LIMIT = 4


def normalization(*images: GenericMap) -> ImageNormalize:
    """
    Brightness scale that shows the corona, coronal holes, quiet Sun and active regions at once.

    It is linear up to the median of the disk and logarithmic above (an inverse hyperbolic sine), so what counts as
    bright is decided by each image and no passband needs numbers of its own.

    Parameters
    ----------
    *images : `~sunpy.map.GenericMap`
        In UV or EUV, observed or synthetic, of what an observer sees or of the whole Sun. Several, in one unit, get one
        scale that shows them all.

    Returns
    -------
    `~astropy.visualization.ImageNormalize`
        From the darkest hundredth of all that is known, on the disk and off it, to the brightest thousandth. The median
        is that of what is known where it shows no disk.

    Notes
    -----
    Maps of `~sunpy_mag2euv.generate`, `~sunpy_mag2euv.generate_chart` and `~sunpy_mag2euv.translate` are plotted with
    it, and what `~sunpy_mag2euv.read` makes of their files, unless `~sunpy.map.GenericMap.plot` is given another
    ``norm``. For other Maps, ``image.plot(norm=normalization(image))``.

    It is found from some 16000 evenly spaced pixels of each image.
    """
    return scale_of(*images)


def picture(image: GenericMap) -> Figure:
    """
    Draw one image with its coordinates, passband and time, and of what was made of a chart, from where it is seen.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` or `~sunpy_mag2euv.generate_chart` makes it.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    figure = Figure(figsize=(6, 5.6), layout="constrained")
    axes = figure.add_subplot(projection=image)
    _draw(image, axes, limb_of=image)
    axes.set_title(_heading(image))
    return figure


def contact_sheet(magnetogram: GenericMap, maps: Any, *, columns: int = 5, figure: Figure | None = None) -> Figure:
    """
    Draw a magnetogram and the images that were generated from it, side by side, solar north up.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
        Of any orientation and plate scale; it is drawn in the coordinates of the first of ``maps``.
    maps : sequence of `~sunpy.map.GenericMap`, or `~ndcube.NDCube`
        As `~sunpy_mag2euv.generate` and `~sunpy_mag2euv.generate_cube` make them.
    columns : int, optional
        Most pictures in a row.
    figure : `~matplotlib.figure.Figure`, optional
        An empty one to draw on, such as one of `matplotlib.pyplot.figure`.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    maps = _maps_of(maps)
    # sunpy aligns the magnetogram, which has its own orientation, to the coordinates of an image.
    return _sheet([_coarse(magnetogram), *maps], [maps[0], *maps], columns, figure)


def plot_passbands(maps: Any, *, columns: int = 5, figure: Figure | None = None) -> Figure:
    """
    Draw images of several passbands side by side, each on its own scale of brightness.

    Parameters
    ----------
    maps : sequence of `~sunpy.map.GenericMap`, or `~ndcube.NDCube`
        As `~sunpy_mag2euv.generate` and `~sunpy_mag2euv.generate_cube` make them, or observations.
    columns : int, optional
        Most pictures in a row.
    figure : `~matplotlib.figure.Figure`, optional
        An empty one to draw on, such as one of `matplotlib.pyplot.figure`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Raises
    ------
    TypeError
        If they are no Maps.
    ValueError
        If there is no image or no column.
    """
    maps = _maps_of(maps)
    if not maps or columns < 1:
        raise ValueError(
            f"there must be at least one image and one column; got {len(maps)} images in {columns} columns"
        )
    return _sheet(maps, maps, columns, figure)


def plot_comparison(
    synthetic: GenericMap, observed: GenericMap, *, figure: Figure | None = None, **scoring: Any
) -> Figure:
    """
    Draw a synthetic image beside an observed one, their ratio, and the intensities of one against those of the other.

    Parameters
    ----------
    synthetic : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.compare` takes it. All is drawn on its pixels.
    observed : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.compare` takes it. It is brought to the pixels of ``synthetic`` and to the epoch of AIA's
        sensitivity that it refers to.
    figure : `~matplotlib.figure.Figure`, optional
        An empty one to draw on, such as one of `matplotlib.pyplot.figure`.
    **scoring
        Handed to `~sunpy_mag2euv.compare`: ``binning``, ``max_time_difference``, ``correction_table``.

    Returns
    -------
    `~matplotlib.figure.Figure`
        Above, both images on one scale of brightness. Below, the synthetic one divided by the observed one, on the
        binned pixels that are scored, where both are positive; and how often their intensities on the disk are found
        together, with the scores of the disk.

    Raises
    ------
    TypeError, ValueError, ImportError, OSError
        As by `~sunpy_mag2euv.compare`.

    Warns
    -----
    SunpyUserWarning
        As by `~sunpy_mag2euv.compare`.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_aia_maps, sample_magnetogram
    >>> from sunpy_mag2euv.visualization import plot_comparison
    >>> synthetic = mag2euv.generate(sample_magnetogram(), passband=193, model="shared-browse")
    >>> figure = plot_comparison(synthetic, sample_aia_maps([193])[0])
    >>> figure.axes[3].get_title()
    'AIA 193 Å (synthetic) / AIA 193 Å'
    """
    table = compare(synthetic, observed, **scoring)
    span = {key: value for key, value in scoring.items() if key == "max_time_difference"}
    # In DN/s, which an image in DN is not yet
    first = reproject(synthetic, like=synthetic)
    second = reproject(observed, like=first, **span) / table.meta["divisor"]
    # In coordinates that differ, if by a second, sunpy would turn it to those of the axes, without what is off the disk
    second = sunpy.map.Map(second.data, first.meta)
    figure = figure or Figure(figsize=(10.5, 9.4), layout="constrained")
    norm = normalization(first, second)
    for place, image, taken in zip((221, 222), (first, second), (synthetic, observed), strict=True):
        axes = figure.add_subplot(place, projection=first)
        drawn = _draw(image, axes, limb_of=first, norm=norm, grid=True)
        axes.set_title(f"{_title(taken)}\n{_time(taken)}{_place(taken)}", fontsize="medium")
        _few_ticks(axes)
    _bar(figure, drawn, "DN / s")

    block = [table.meta["binning"]] * 2 * u.pix
    first, second = (image.superpixel(block, func=np.mean) for image in (first, second))
    names = _title(synthetic), _title(observed)
    positive = _draw_ratio(figure.add_subplot(223, projection=first), first, second, names)
    disk = positive & sunpy.map.coordinate_is_on_solar_disk(sunpy.map.all_coordinates_from_map(first))
    _scatter(figure.add_subplot(224), second.data[disk], first.data[disk], names, table)
    figure.supxlabel(table.meta["level"], fontsize="small")
    return figure


def plot_uncertainty(synthetic: GenericMap, *, figure: Figure | None = None) -> Figure:
    """
    Draw an image and, beside it, how far off it may be: its standard deviation in per cent of the image.

    Parameters
    ----------
    synthetic : `~sunpy.map.GenericMap`
        With its ``uncertainty``, as `~sunpy_mag2euv.generate` and `~sunpy_mag2euv.translate` make it.
    figure : `~matplotlib.figure.Figure`, optional
        An empty one to draw on, such as one of `matplotlib.pyplot.figure`.

    Returns
    -------
    `~matplotlib.figure.Figure`

    Raises
    ------
    ValueError
        If there is no uncertainty, or none that a standard deviation can be made of.
    """
    relative = _relative_deviation(synthetic)
    figure = figure or Figure(figsize=(10.5, 4.8), layout="constrained")
    figure.suptitle(_heading(synthetic))
    drawn = _draw(synthetic, figure.add_subplot(121, projection=synthetic), limb_of=synthetic)
    _bar(figure, drawn, str(synthetic.unit))
    axes = figure.add_subplot(122, projection=synthetic)
    known = relative.data[np.isfinite(relative.data)]
    norm = ImageNormalize(vmin=0, vmax=np.quantile(known, 0.99) if known.size else 1, stretch=LinearStretch())
    drawn = _draw(relative, axes, limb_of=synthetic, norm=norm, cmap="viridis")
    axes.coords[1].set_ticklabel_visible(False)
    axes.coords[1].set_axislabel(" ")
    _bar(figure, drawn, "standard deviation in % of the image")
    return figure


def animate(maps: Any, *, axes: Any = None, interval: float = 200) -> FuncAnimation:
    """
    Show images one after the other: blink two, turn the Sun, or let time pass.

    Parameters
    ----------
    maps : sequence of `~sunpy.map.GenericMap`, or `~ndcube.NDCube`
        On one number of pixels, as `~sunpy_mag2euv.generate` makes them of several magnetograms, passbands or
        observers. An observation is brought to the pixels of a synthetic image by
        ``mag2euv.reproject(observed, like=synthetic)``.
    axes : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        What to draw on, such as ``matplotlib.pyplot.subplot(projection=maps[0])``.
    interval : float, optional
        Milliseconds from one image to the next.

    Returns
    -------
    `~matplotlib.animation.FuncAnimation`
        A notebook shows it with buttons to stop and to step. ``save("turn.gif")`` of it makes a movie. Images of one
        passband have one scale of brightness.

    Raises
    ------
    TypeError
        If they are no Maps.
    ValueError
        If there is no image, or not all are of one shape.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> from sunpy_mag2euv.visualization import animate
    >>> maps = mag2euv.generate(sample_magnetogram(), passband=[171, 193], model="shared-browse")
    >>> animation = animate(maps, interval=500)
    >>> html = animation.to_jshtml()
    """
    maps = _maps_of(maps)
    shapes = {image.data.shape for image in maps}
    if len(shapes) != 1:
        found = ", ".join(f"{columns} × {rows}" for rows, columns in sorted(shapes)) or "none"
        raise ValueError(
            f"maps must be one or more images of one number of pixels; found {found}. Bring the others to the pixels "
            "of the first, such as with sunpy_mag2euv.reproject(image, like=maps[0])"
        )
    if axes is None:
        axes = Figure(figsize=(6, 5.6), layout="constrained").add_subplot(projection=maps[0])
    return _Animation(maps, axes, interval)


class _Animation(FuncAnimation):
    """Images of one shape, one after the other, each with its coordinates, colours, title and limb."""

    def __init__(self, maps: Sequence[GenericMap], axes: Any, interval: float) -> None:
        alike: dict[Any, Any] = {}
        for image in maps:
            alike.setdefault((_title(image), image.unit), []).append(image)
        self._norms = {key: normalization(*images) for key, images in alike.items()}
        self._maps, self._axes = maps, axes
        self._drawn: list[Any] = []
        super().__init__(axes.get_figure(), self._show, frames=len(maps), interval=interval, init_func=lambda: ())

    def _show(self, number: int) -> None:
        """Put another image in place of the last."""
        image = self._maps[number]
        while self._drawn:
            self._drawn.pop().remove()
        before = self._axes.get_children()
        self._axes.reset_wcs(image.wcs)
        _draw(image, self._axes, limb_of=image, norm=self._norms[_title(image), image.unit])
        self._axes.set_title(_heading(image))
        self._drawn = [artist for artist in self._axes.get_children() if artist not in before]

    def _repr_html_(self) -> str:
        """A player, which needs neither a file nor another program."""
        return self.to_jshtml()


def _sheet(images: Any, targets: Any, columns: int, figure: Figure | None) -> Figure:
    """Draw images on black, each in the coordinates of its target."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    if figure is None:
        figure = Figure(figsize=(2.4 * columns, 2.6 * rows + 0.3), dpi=150, layout="constrained")
    figure.set_facecolor("black")
    figure.suptitle(_time(targets[0]), color="white")
    for place, (image, target) in enumerate(zip(images, targets, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, place, projection=target)
        _draw(image, axes, limb_of=target)
        height, width = target.data.shape
        axes.set(xlim=(-0.5, width - 0.5), ylim=(-0.5, height - 0.5))
        axes.set_title(_title(image), color="white", fontsize="medium")
        axes.set_axis_off()
    return figure


def _draw_ratio(axes: Any, first: Any, second: Any, names: Any) -> Any:
    """Draw one image divided by another, on a logarithmic scale; returns where both are positive."""
    positive = (first.data > 0) & (second.data > 0)
    ratio = np.divide(first.data, second.data, out=np.full(first.data.shape, np.nan), where=positive)
    limits = LogNorm(1 / _RATIO_LIMIT, _RATIO_LIMIT)
    drawn = _draw(sunpy.map.Map(ratio, first.meta), axes, limb_of=first, norm=limits, cmap="RdBu_r", grid=True)
    axes.set_facecolor("0.8")
    axes.set_title(" / ".join(names), fontsize="medium")
    _few_ticks(axes)
    bar = _bar(axes.figure, drawn, "")
    bar.minorticks_off()
    bar.set_ticks([1 / 4, 1 / 2, 1, 2, 4], labels=["1/4", "1/2", "1", "2", "4"])
    return positive


def _scatter(axes: Any, x: Any, y: Any, names: Any, table: Any) -> None:
    """Draw how often intensities are found together, with scores in the corner."""
    if x.size:
        ends = np.quantile(np.concatenate([x, y]), [0.001, 1])
        axes.hexbin(x, y, xscale="log", yscale="log", bins="log", mincnt=1, gridsize=60, cmap="viridis")
        axes.plot(ends, ends, color="black", linewidth=0.8)
        axes.set(xlim=ends, ylim=ends)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    axes.set_box_aspect(1)
    axes.set(xlabel=f"{names[1]} in DN/s", ylabel=f"{names[0]} in DN/s")
    axes.set_title("on the disk", fontsize="medium")
    (scores,) = table[table["region"] == "disk"]
    words = [
        f"CC {scores['cc']:.3f}",
        f"RE {scores['re']:.3f}",
        f"PPE10 {scores['ppe10']:.1%}",
        f"PPE50 {scores['ppe50']:.1%}",
        f"SSIM {scores['ssim']:.3f}",
    ]
    box = {"color": "white", "alpha": 0.7}
    axes.text(0.03, 0.97, "\n".join(words), transform=axes.transAxes, va="top", bbox=box, fontsize="small")


def _few_ticks(axes: Any) -> None:
    """So few labels along the axes of one of several pictures that they have room."""
    for coordinate in axes.coords:
        coordinate.set_ticks(number=3)


def _draw(image: GenericMap, axes: Any, *, limb_of: Any, grid: Any = False, **scale: Any) -> Any:
    """Draw a Map with the limb on black; a magnetogram in grey, and nothing of it off the limb."""
    if _is_magnetogram(image):
        limit = (_FIELD_LIMIT * u.G).to_value(image.unit)
        scale = {"norm": ImageNormalize(vmin=-limit, vmax=limit, stretch=LinearStretch()), "cmap": "gray"}
    elif not scale:
        scale = {"norm": normalization(image)}
    with _quiet():
        drawn = image.plot(axes=axes, title=False, **scale)
    if _is_seen(limb_of):
        limb, _ = limb_of.draw_limb(axes=axes, color="white", alpha=0.5, linewidth=0.5)
        if _is_magnetogram(image):
            drawn.set_clip_path(limb)
        if grid:
            limb_of.draw_grid(axes=axes, annotate=False, color="white", alpha=0.3, linewidth=0.5)
    axes.set_facecolor("black")
    axes.coords.grid(False)
    return drawn


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without sunpy's word on how it turns a magnetogram to the coordinates of an image, which nobody asked for."""
    level = sunpy.log.level
    sunpy.log.setLevel("WARNING")
    try:
        yield
    finally:
        sunpy.log.setLevel(level)


def _bar(figure: Figure, drawn: Any, label: str) -> Any:
    """A colour bar beside what was drawn."""
    return figure.colorbar(drawn, ax=drawn.axes, label=label, shrink=0.8)


def _relative_deviation(synthetic: GenericMap) -> GenericMap:
    """Standard deviation in per cent of an image, as a Map, NaN where either is unknown or the image is not bright."""
    if synthetic.uncertainty is None:
        raise ValueError(
            "the image must have an uncertainty; this one has none. sunpy's FITS files, submap, rotate and resample do "
            "not keep it; sunpy_mag2euv.save, read and reproject do"
        )
    try:
        deviation = synthetic.uncertainty.represent_as(StdDevUncertainty)
    except TypeError:
        raise ValueError(
            "the image's uncertainty must be a standard deviation or a variance; this one is "
            f"{type(synthetic.uncertainty).__name__}"
        ) from None
    unit = deviation.unit or synthetic.unit
    factor = 100 * (1 if unit == synthetic.unit else unit.to(synthetic.unit))
    bright = synthetic.data > 0
    relative = np.divide(
        factor * deviation.array, synthetic.data, out=np.full(synthetic.data.shape, np.nan), where=bright
    )
    return sunpy.map.Map(relative, synthetic.meta, mask=synthetic.mask)


def _maps_of(maps: Any) -> list[GenericMap]:
    """A list of Maps, also of a cube."""
    if isinstance(maps, sunpy.map.GenericMap):
        return [maps]
    if hasattr(maps, "axis_world_coords"):
        # Who has a cube has imported ndcube, which takes longer than all of this package.
        from sunpy_mag2euv.cubes import cube_to_maps

        return cube_to_maps(maps)
    maps = list(maps)
    for image in maps:
        check_map(image, "each of maps")
    return maps


def _coarse(magnetogram: GenericMap) -> GenericMap:
    """Average blocks of pixels, which makes a small picture truer, and much faster to draw."""
    factor = min(magnetogram.data.shape) // _THUMBNAIL
    return magnetogram.superpixel([factor, factor] * u.pix, func=np.mean) if factor > 1 else magnetogram


def _is_seen(image: GenericMap) -> bool:
    """Whether an image shows what an observer sees, and no chart."""
    return isinstance(image.coordinate_frame, Helioprojective)


def _is_magnetogram(image: GenericMap) -> bool:
    return image.unit is not None and image.unit.is_equivalent(u.G)


def _title(image: GenericMap) -> str:
    """Short name, which says what is synthetic."""
    synthetic = " (synthetic)" if "SYNTHETIC" in str(image.meta.get("instrume")) else ""
    if _is_magnetogram(image):
        return f"{image.observatory} magnetogram{synthetic}"
    return f"{image.detector} {image.wavelength.to_value(u.angstrom):.0f} Å{synthetic}"


def _heading(image: GenericMap) -> str:
    """Name, time and, if there was no telescope, the place."""
    return f"{_title(image)}  {_time(image)}{_place(image)}"


def _time(image: GenericMap) -> str:
    return f"{image.date.utc.strftime('%Y-%m-%d %H:%M')} UTC"


def _place(image: GenericMap) -> str:
    """From where it is seen, on a line of its own, if there was no telescope."""
    if not (_is_seen(image) and "synthetic" in str(image.meta.get("telescop"))):
        return ""
    place = image.observer_coordinate
    return (
        f"\nfrom Stonyhurst longitude {place.lon.wrap_at(180 * u.deg).deg:.0f}°, latitude {place.lat.deg:.0f}°, "
        f"{place.radius.to_value(u.au):.2f} au"
    )
