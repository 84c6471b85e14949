"""Cubes of several passbands: Maps → an NDCube with their headers, which is plotted in AIA's colours, and back."""

import contextlib
import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mpl_animators import ArrayAnimatorWCS

import astropy.units as u
import sunpy.map
from astropy.nddata import StdDevUncertainty
from astropy.utils.shapes import simplify_basic_index
from ndcube import NDCube, NDMeta
from ndcube.extra_coords import QuantityTableCoordinate
from ndcube.wcs.wrappers import CompoundLowLevelWCS
from sunpy.map import GenericMap

from sunpy_mag2euv.aia import restore_plot

__all__ = ["PassbandCube", "PassbandMeta", "cube_to_maps", "make_cube"]

#: Pixels that corners of a cut may be off by rounding.
_ROUNDING = 1e-3

#: With what somebody chooses how a cube is coloured.
_CHOICES = {"cmap", "norm", "vmin", "vmax", "clip_interval", "data_unit"}


class PassbandMeta(NDMeta):
    """Headers of several passbands: for each keyword what it is in each of them, along the first axis."""

    @classmethod
    def of(cls, headers: Sequence[Mapping], shape: tuple[int, ...]) -> "PassbandMeta":
        """
        Join headers.

        Parameters
        ----------
        headers : sequence of mapping
            One for each passband.
        shape : tuple of int
            Of the cube.

        Returns
        -------
        PassbandMeta
        """
        joined = {}
        for keyword in dict.fromkeys(keyword for header in headers for keyword in header):
            joined[keyword] = np.empty(len(headers), dtype=object)
            joined[keyword][:] = [header.get(keyword) for header in headers]
        return cls(joined, axes=dict.fromkeys(joined, 0), data_shape=shape)

    def __reduce__(self) -> tuple:
        """Pickled as what it was made of: ndcube's own cannot be unpickled."""
        return type(self), (dict(self), dict(self.key_comments), dict(self.axes), self.data_shape)


class PassbandCube(NDCube):
    """
    Images in several passbands, on one grid: (passband, y, x).

    Where colours, scale or unit are chosen, or other axes than those on the sky, its ``plot`` is ndcube's own.
    """

    def __getitem__(self, item: Any) -> Any:
        # ndcube refuses places that are counted from the end, and leaves no headers behind where it refuses something.
        meta: Any = self.meta  # type: ignore[has-type]
        try:
            return super().__getitem__(tuple(simplify_basic_index(item, shape=self.data.shape)))
        finally:
            self.meta = meta

    @functools.wraps(NDCube.plot)
    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """As `~ndcube.NDCube.plot`, each passband in AIA's colours, and named by the slider."""
        with _quiet():
            drawn = super().plot(*args, **kwargs)
            if not _CHOICES & set(kwargs):
                _colour(drawn, self)
        return drawn


def make_cube(maps: Sequence[GenericMap]) -> PassbandCube:
    """
    Join Maps of one grid and time, in several passbands, to a cube.

    Parameters
    ----------
    maps : sequence of `~sunpy.map.sources.AIAMap`
        As `~sunpy_mag2euv.aia.make_map` makes them.

    Returns
    -------
    PassbandCube
        Dimensions (passband, y, x) in DN/s; the wavelengths are a table coordinate. Masked where no image is known.
        ``uncertainty`` holds the standard deviations of all passbands, if the maps have them.
        ``meta`` holds for each keyword of their headers what it is in each passband, along the first axis, and is
        sliced with the cube (`~ndcube.NDMeta`): that of ``cube[3]`` is one header. What a header lacks is None.
        ``plot`` shows each in AIA's colours, with a slider for the passband.
    """
    data = np.stack([image.data for image in maps])
    uncertainty = None
    if all(image.uncertainty is not None for image in maps):
        deviations = np.stack([image.uncertainty.array for image in maps])
        uncertainty = StdDevUncertainty(deviations, unit=u.DN / u.s)
    wavelengths = u.Quantity([image.wavelength for image in maps]).to(u.angstrom)
    table = QuantityTableCoordinate(wavelengths, names="passband", physical_types="em.wl")
    sky = maps[0].wcs
    # For labels of axes
    sky.wcs.cname = "helioprojective longitude", "helioprojective latitude"
    return PassbandCube(
        data,
        wcs=CompoundLowLevelWCS(sky, table.wcs),
        uncertainty=uncertainty,
        unit=u.DN / u.s,
        mask=np.isnan(data),
        meta=PassbandMeta.of([image.meta for image in maps], data.shape),
    )


def cube_to_maps(cube: NDCube) -> list[GenericMap]:
    """
    Take the Maps out of a cube again.

    Parameters
    ----------
    cube : `~ndcube.NDCube`
        As `~sunpy_mag2euv.generate_cube` makes it; or some passbands of it, one of them, or a part of the field of
        view, as slices and ``crop`` give it.

    Returns
    -------
    list of `~sunpy.map.sources.AIAMap`
        In the cube's unit, with their standard deviations, if the cube has them. Plots of them have a scale of
        brightness of their own, and the model in their title.

    Raises
    ------
    ValueError
        If it is another cube, or its pixels are others than those that it was made with, as after ``rebin`` and
        ``reproject_to``; or if it is no image any more, such as a row.
    """
    kinds = cube.array_axis_physical_types
    if cube.data.ndim not in (2, 3) or any("em.wl" in kind for kind in kinds[-2:]):
        found = "×".join(map(str, cube.data.shape))
        raise ValueError(
            f"the cube must have the dimensions (passband, y, x), or (y, x) of one passband; it has {found}"
        )
    data = cube.data.reshape(-1, *cube.data.shape[-2:])
    deviations = [None] * len(data)
    if cube.uncertainty is not None:
        deviations = cube.uncertainty.array.reshape(data.shape)
    maps = []
    for number, (plane, deviation) in enumerate(zip(data, deviations, strict=True)):
        header = _header(cube, number)
        uncertainty = None if deviation is None else StdDevUncertainty(deviation, unit=cube.uncertainty.unit)
        image = sunpy.map.Map(plane, header, uncertainty=uncertainty)
        restore_plot(image)
        maps.append(image)
    return maps


def _header(cube: NDCube, number: int) -> dict:
    """The header of one of the images of a cube."""
    each = {keyword: value if cube.data.ndim == 3 else [value] for keyword, value in (cube.meta or {}).items()}
    shape = cube.data.shape[-2:]
    foreign = ValueError(
        "the cube must be one of generate_cube, with its own pixels; no header of this one is of what image "
        f"{number + 1} shows, {shape[1]} × {shape[0]} pixels. Take the Maps out of the cube before it is rebinned or "
        "reprojected"
    )
    if "wavelnth" not in each or len(each["wavelnth"]) != len(cube.data.reshape(-1, *shape)):
        raise foreign
    header = {keyword: values[number] for keyword, values in each.items() if values[number] is not None}
    first, last = _corners(cube, number, header)
    start = np.rint(first)
    if not np.allclose([first, last], [start, start + shape[::-1] - [1, 1]], rtol=0, atol=_ROUNDING):
        raise foreign
    if cube.unit is not None and cube.unit != u.Unit(header["bunit"]):
        # Of other numbers, as ``to`` and arithmetic give them, headers know nothing.
        header["bunit"] = cube.unit.to_string()
    header["naxis2"], header["naxis1"] = shape
    for axis, cut in enumerate(start, start=1):
        if cut:
            header[f"crpix{axis}"] -= float(cut)
    return header


def _corners(cube: NDCube, number: int, header: dict) -> tuple[np.ndarray, np.ndarray]:
    """Where the first and the last pixel of one of the images of a cube are in the image that its header is of."""
    whole = sunpy.map.Map(np.empty((header["naxis2"], header["naxis1"]), np.uint8), header).wcs
    rows, columns = cube.data.shape[-2:]
    pixels = [[0, columns - 1], [0, rows - 1]] + ([[number, number]] if cube.data.ndim == 3 else [])
    places = cube.wcs.low_level_wcs.pixel_to_world_values(*pixels)[:2]
    return tuple(np.transpose(whole.world_to_pixel_values(*places)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what nobody can do anything about: sliders of one place, and how axes are to name the angstrom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        warnings.filterwarnings("ignore", "Attempting to set identical low and high xlims", UserWarning)
        yield


def _colour(drawn: Any, cube: NDCube) -> None:
    """Give each passband its colours and scale, if these are images; a slider names the passband."""
    animated = isinstance(drawn, ArrayAnimatorWCS)
    if (animated and drawn.slider_axes != [0]) or not (animated or drawn.images):
        return
    try:
        maps = cube_to_maps(cube)
    except ValueError:
        return
    scales = [(image.cmap, image.plot_settings["norm"]) for image in maps]

    def show(number: int, artist: Any) -> None:
        cmap, norm = scales[number]
        artist.set(cmap=cmap, norm=norm)

    if not animated:
        drawn.set_facecolor("black")
        show(0, drawn.images[-1])
        return
    update = drawn.slider_functions[0]

    def change(value: float, artist: Any, slider: Any) -> None:
        with _quiet():
            update(value, artist, slider)
        show(int(value), artist)

    drawn.slider_functions[0] = change
    drawn.axes.set_facecolor("black")
    drawn.sliders[0].texts[-1].set_text(maps[0].wavelength.to_string(format="latex_inline"))
    show(0, drawn.im)
