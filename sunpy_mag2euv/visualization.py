"""Figures on sunpy's plotting: one synthetic image, or a magnetogram beside all that was made of it."""

import math

import numpy as np
from matplotlib.figure import Figure

import astropy.units as u
import sunpy.map
from astropy.visualization import AsinhStretch, ImageNormalize, LinearStretch
from sunpy.coordinates import Helioprojective

__all__ = ["contact_sheet", "normalization", "picture"]

#: Field in gauss that is drawn black (−) and white (+): network shows, spots and plage saturate.
_FIELD_LIMIT = 200

#: Pixels that are enough for a magnetogram in a contact sheet.
_THUMBNAIL = 512


def normalization(image):
    """
    Brightness scale that shows coronal holes, quiet Sun and active regions at once.

    It is linear up to the median of the disk and logarithmic above (an inverse hyperbolic sine), so what counts as
    bright is decided by each image and no passband needs numbers of its own.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        In UV or EUV, observed or synthetic, of what an observer sees or of the whole Sun.

    Returns
    -------
    `~astropy.visualization.ImageNormalize`
        From the darkest hundredth of the disk to its brightest thousandth; of the whole image where it shows no disk.
    """
    known = np.isfinite(image.data)
    on_disk = known
    if _is_seen(image):
        on_disk = known & sunpy.map.coordinate_is_on_solar_disk(sunpy.map.all_coordinates_from_map(image))
    values = image.data[on_disk if on_disk.any() else known]
    low, median, high = np.quantile(values, [0.01, 0.5, 0.999]) if values.size else (0, 0, 0)
    if not high > low:
        return ImageNormalize(vmin=low, vmax=low + 1, stretch=LinearStretch())
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(np.clip((median - low) / (high - low), 0.01, 1)))


def picture(image):
    """
    Draw one image with its coordinates, passband and time, and of what was made of a chart, from where it is seen.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` or `~sunpy_mag2euv.generate_chart` makes it.

    Returns
    -------
    `~matplotlib.figure.Figure`
        One that `matplotlib.pyplot` does not know of: save it with its ``savefig``.
    """
    figure = Figure(figsize=(6, 5.6), layout="constrained")
    axes = _draw(image, figure.add_subplot(projection=image), limb_of=image)
    axes.set_title(f"{_title(image)}  {_time(image)}{_place(image)}")
    return figure


def contact_sheet(magnetogram, maps, *, columns=5, figure=None):
    """
    Draw a magnetogram and the images that were generated from it, side by side, solar north up.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
        Of any orientation and plate scale; it is drawn in the coordinates of the first of ``maps``.
    maps : sequence of `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` makes them.
    columns : int, optional
        Most pictures in a row.
    figure : `~matplotlib.figure.Figure`, optional
        An empty one to draw on, such as one of `matplotlib.pyplot.figure`.

    Returns
    -------
    `~matplotlib.figure.Figure`
        ``figure``, or else one that `matplotlib.pyplot` does not know of: save it with its ``savefig``.
    """
    number = 1 + len(maps)
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    if figure is None:
        figure = Figure(figsize=(2.4 * columns, 2.6 * rows + 0.3), dpi=150, layout="constrained")
    figure.set_facecolor("black")
    figure.suptitle(_time(maps[0]), color="white")
    for place, image in enumerate([_coarse(magnetogram), *maps], start=1):
        # sunpy aligns the magnetogram, which has its own orientation, to the coordinates of an image.
        target = maps[0] if place == 1 else image
        axes = _draw(image, figure.add_subplot(rows, columns, place, projection=target), limb_of=target)
        height, width = target.data.shape
        axes.set(xlim=(-0.5, width - 0.5), ylim=(-0.5, height - 0.5))
        axes.set_title(_title(image), color="white", fontsize="medium")
        axes.set_axis_off()
    return figure


def _draw(image, axes, *, limb_of):
    """Draw a Map with the limb on black; a magnetogram in grey, and nothing of it off the limb."""
    if _is_magnetogram(image):
        limit = (_FIELD_LIMIT * u.G).to_value(image.unit)
        scale = {"norm": ImageNormalize(vmin=-limit, vmax=limit, stretch=LinearStretch()), "cmap": "gray"}
    else:
        scale = {"norm": normalization(image)}
    drawn = image.plot(axes=axes, title=False, **scale)
    if _is_seen(limb_of):
        limb, _ = limb_of.draw_limb(axes=axes, color="white", alpha=0.5, linewidth=0.5)
        if _is_magnetogram(image):
            drawn.set_clip_path(limb)
    axes.set_facecolor("black")
    axes.coords.grid(False)
    return axes


def _coarse(magnetogram):
    """Average blocks of pixels, which makes a small picture truer, and much faster to draw."""
    factor = min(magnetogram.data.shape) // _THUMBNAIL
    return magnetogram.superpixel([factor, factor] * u.pix, func=np.mean) if factor > 1 else magnetogram


def _is_seen(image):
    """Whether an image shows what an observer sees, and no chart."""
    return isinstance(image.coordinate_frame, Helioprojective)


def _is_magnetogram(image):
    return image.unit is not None and image.unit.is_equivalent(u.G)


def _title(image):
    """Short name, which says what is synthetic."""
    synthetic = " (synthetic)" if "SYNTHETIC" in str(image.meta.get("instrume")) else ""
    if _is_magnetogram(image):
        return f"{image.observatory} magnetogram{synthetic}"
    return f"{image.detector} {image.wavelength.to_value(u.angstrom):.0f} Å{synthetic}"


def _time(image):
    return f"{image.date.utc.strftime('%Y-%m-%d %H:%M')} UTC"


def _place(image):
    """From where it is seen, on a line of its own, if there was no telescope."""
    if not (_is_seen(image) and "synthetic" in str(image.meta.get("telescop"))):
        return ""
    place = image.observer_coordinate
    return (
        f"\nfrom Stonyhurst longitude {place.lon.wrap_at(180 * u.deg).deg:.0f}°, latitude {place.lat.deg:.0f}°, "
        f"{place.radius.to_value(u.au):.2f} au"
    )
