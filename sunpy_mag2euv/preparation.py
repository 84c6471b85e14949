"""
Preparation: a line-of-sight magnetogram Map of any make → the field on a model's grid.

Flux is what has to survive, so pixels are averaged over area before and after the one interpolation, and unknown pixels
weigh nothing instead of being filled in. The geometry is that of any image of the Sun: AIA's take the same way.
"""

import warnings
from dataclasses import dataclass

import numpy as np

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import Helioprojective
from sunpy.util.exceptions import SunpyMetadataWarning, warn_user

from sunpy_mag2euv.grid import apparent_radius

__all__ = [
    "MAGNETOGRAPHS",
    "Disk",
    "Magnetograph",
    "PreparedField",
    "check_helioprojective",
    "check_observer",
    "describe",
    "field_of_view",
    "prepare",
    "resample",
    "window",
]


@dataclass(frozen=True)
class Magnetograph:
    """
    What has to be known of an instrument.

    Attributes
    ----------
    hmi_factor : float
        Brings its line-of-sight field to HMI's scale. A mean over the disk; the truth varies with position and field
        strength.
    resolution : float
        The finest that it can tell apart, in arcsec, whatever the size of its pixels.
    usable_radius : float
        Distance from the disk's centre, in solar radii, from which on its images hold more noise than field.
    """

    hmi_factor: float
    resolution: float
    usable_radius: float = 1.0


#: The instruments whose field scale is known, by a word of the Map's instrument or observatory. Factors: Liu et al.
#: 2025, Sol. Phys. 300, doi:10.1007/s11207-025-02523-y. GONG's noise grows from 10 G at 0.99 to 50 G at 0.999 radii.
#: Resolution: HMI's and MDI's are what they were built for, which is two pixels (Scherrer et al. 2012,
#: doi:10.1007/s11207-011-9834-2, and 1995, doi:10.1007/BF00733429). A Gaussian of 3.3 arcsec, full width at half
#: maximum, makes HMI's field look like MDI's (Yeo et al. 2024, doi:10.1051/0004-6361/202450102). GONG looks through the
#: air, which counts for more than its pixels of 2.5 arcsec: compared with HMI's, the power of the quiet Sun falls from
#: 40 to 7 arcsec as if smoothed by a Gaussian of 6.2 to 7.2 arcsec. That is in one image of 2019, which averages six of
#: a minute each. By the same means, MDI has 2.8 to 3.3 arcsec.
MAGNETOGRAPHS = {
    "HMI": Magnetograph(1.0, resolution=1.0),
    "MDI": Magnetograph(0.701, resolution=4.0),
    "GONG": Magnetograph(1.438, resolution=6.5, usable_radius=0.99),
}

#: From here to the limb the line of sight says so little about the field that it counts as known whether it is or not.
_LIMB = 0.97

#: Samples per grid pixel and axis. Averaging them is what keeps the flux when input and grid scales do not divide.
_SAMPLES = 4

#: Rows of the grid that are sampled at a time. All at once, with 16 samples a pixel, they would take more memory than
#: the image, and twice the time, since they would not stay in the processor's cache.
_STRIP = 16

#: A grid pixel is known when at least this part of it is.
_KNOWN = 0.25


@dataclass(frozen=True)
class PreparedField:
    """
    A magnetogram on a model's grid.

    Attributes
    ----------
    values : `~numpy.ndarray`
        Line-of-sight field in gauss on HMI's scale, float32, shape ``grid.shape``; 0 off the disk and where unknown.
    known : `~numpy.ndarray`
        Boolean, shape ``grid.shape``: the part of the field of view in which the field is known. At the limb and
        off it there is no field to miss, so all of that counts.
    window : tuple of slice
        Rows and columns of the grid that the field of view takes up: everything for a full-disk magnetogram.
    on_hmi_scale : bool
        Whether ``values`` really are on HMI's scale; otherwise the instrument's scale is unknown, and they are as it
        gave them.
    coarseness : float
        How many times less the magnetogram resolves than the grid: the larger of two of its pixels and what its
        instrument resolves, over two pixels of the grid. Up to 1, the grid sets the limit.
    """

    values: np.ndarray
    known: np.ndarray
    window: tuple[slice, slice]
    on_hmi_scale: bool
    coarseness: float


@dataclass(frozen=True)
class Disk:
    """
    Where the Sun is in an image: ``pixel = center + axes @ (x, y)``, x west and y north in solar radii.

    Over the disk, every projection in use is affine to 0.03 arcsec, so this is all the geometry there is.

    Attributes
    ----------
    center : `~numpy.ndarray`
        Pixel coordinates (x, y) of the disk's centre, counted from 0.
    axes : `~numpy.ndarray`
        Shape (2, 2): columns are one solar radius west, and north, in pixels.
    """

    center: np.ndarray
    axes: np.ndarray

    @property
    def pixels(self):
        """Solar radius in pixels (geometric mean of the axes)."""
        return float(np.sqrt(abs(np.linalg.det(self.axes))))

    @classmethod
    def of(cls, image):
        """Where a helioprojective Map has the Sun."""
        frame = image.coordinate_frame
        radius = apparent_radius(frame)
        cross = SkyCoord([1, -1, 0, 0] * radius, [0, 0, 1, -1] * radius, frame=frame)
        x, y = (axis.to_value(u.pix) for axis in image.wcs.world_to_pixel(cross) * u.pix)
        points = np.stack([x, y])
        axes = np.stack([points[:, 0] - points[:, 1], points[:, 2] - points[:, 3]], axis=1) / 2
        return cls(points.mean(axis=1), axes)

    def radius(self, shape):
        """Distance of every pixel from the disk's centre in solar radii, shape ``shape``."""
        (a, b), (c, d) = np.linalg.inv(self.axes).astype(np.float32)
        columns = np.arange(shape[1], dtype=np.float32) - np.float32(self.center[0])
        rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.center[1])
        # Of this many pixels, np.hypot takes twice as long.
        return np.sqrt((a * columns + b * rows) ** 2 + (c * columns + d * rows) ** 2)

    def meets(self, shape):
        """Whether any of the disk lies in an image of that shape."""
        nearest = np.clip(self.center, -0.5, np.array(shape[::-1]) - 0.5)
        return bool(np.linalg.norm(np.linalg.solve(self.axes, nearest - self.center)) < 1)

    def inside(self, shape):
        """Whether the whole disk lies in an image of that shape."""
        extent = np.linalg.norm(self.axes, axis=1)
        last = np.array(shape[::-1]) - 0.5
        return bool(np.all(self.center - extent >= -0.5) and np.all(self.center + extent <= last))


def prepare(magnetogram, grid):
    """
    Bring a line-of-sight magnetogram to a model's grid.

    The image is averaged over whole blocks of pixels, interpolated once, linearly, at several points of each grid
    pixel, and those are averaged. What is off the disk (by its coordinates, whatever its value), masked or not finite
    enters none of the averages.

    Parameters
    ----------
    magnetogram : `~sunpy.map.GenericMap`
        Helioprojective, in units of a magnetic field, of any size, orientation and plate scale; the full disk or part
        of it. Fields from MDI and GONG are brought to HMI's scale, see `MAGNETOGRAPHS`; those of other instruments
        are taken as they are, with a warning.
    grid : Grid

    Returns
    -------
    PreparedField

    Raises
    ------
    TypeError
        If ``magnetogram`` is not a Map.
    ValueError
        If it is not a helioprojective line-of-sight magnetogram with unit, observer and observation time, or shows
        nothing of the disk.
    """
    _check(magnetogram)
    magnetograph, on_hmi_scale = _magnetograph(magnetogram)
    disk = Disk.of(magnetogram)
    seen = field_of_view(magnetogram, disk, grid, "the magnetogram")

    # Pixels that the limb crosses hold part of what is off it, which can be any number.
    known = disk.radius(magnetogram.data.shape) < min(magnetograph.usable_radius, 1 - 0.75 / disk.pixels)
    values = np.array(magnetogram.data, dtype=np.float32, order="C")
    known &= np.isfinite(values)
    if magnetogram.mask is not None:
        known &= ~magnetogram.mask
    if not known.any():
        raise ValueError(f"the magnetogram must have values on the solar disk; this {describe(magnetogram)} has none")
    values[~known] = 0

    mean = resample(values, known, disk, grid)
    measured = np.isfinite(mean)
    gauss = np.float32(magnetograph.hmi_factor * magnetogram.unit.to(u.G))
    radius = grid.radius
    mean = np.where((radius < 1) & measured, mean * gauss, 0)
    known = measured | (radius > _LIMB)
    coarseness = _coarseness(disk, magnetograph, grid, apparent_radius(magnetogram.coordinate_frame))
    return PreparedField(mean, known & seen, window(seen), on_hmi_scale, coarseness)


def describe(image):
    """A Map in a few words, for messages."""
    measurement = "" if image.measurement is None else str(image.measurement)
    words = [image.instrument, measurement or "image"]
    if image.unit is not None:
        words.append(f"in {image.unit}")
    return " ".join(filter(None, words))


def _check(magnetogram):
    """Refuse, with a sentence each, what is not a helioprojective magnetogram that says where and when it was taken."""
    if not isinstance(magnetogram, sunpy.map.GenericMap):
        raise TypeError(
            f"the magnetogram must be a sunpy.map.Map; got {type(magnetogram).__name__}. "
            "Read files with sunpy.map.Map(path); arrays need a header too: sunpy.map.Map(array, header)"
        )
    if magnetogram.data.ndim != 2 or int(magnetogram.meta.get("naxis", 2)) > 2:
        raise ValueError("the magnetogram must be one image with two dimensions; this Map was made from more")
    if magnetogram.unit is None:
        raise ValueError(
            "the magnetogram must be a line-of-sight magnetogram in gauss; this Map is "
            f"{describe(magnetogram)} without a unit. If it is a magnetogram, say so with map.meta['bunit'] = 'G'"
        )
    if not magnetogram.unit.is_equivalent(u.G):
        raise ValueError(
            f"the magnetogram must be a line-of-sight magnetogram in gauss; this Map is {describe(magnetogram)}"
        )
    # JPEG 2000 files come with the header of the observation, unit included, but hold what a picture needs.
    if magnetogram.data.dtype.kind in "bu":
        raise ValueError(
            f"the magnetogram must hold field strengths, which have a sign; this {describe(magnetogram)} holds "
            f"{magnetogram.data.dtype.name} numbers, as pictures do. Convert them to gauss, or use the FITS file"
        )
    with warnings.catch_warnings():
        # What the header lacks is checked next.
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        frame = magnetogram.coordinate_frame
    better = "the full-disk magnetogram, or a cutout of it, instead of a remapped patch or chart"
    check_helioprojective(frame, "the magnetogram", better)
    check_observer(magnetogram, "the magnetogram")


def check_helioprojective(frame, name, better):
    """
    Refuse the coordinates of a Map that does not show the Sun as its observer sees it.

    Parameters
    ----------
    frame : `~astropy.coordinates.BaseCoordinateFrame` or None
        Of the Map.
    name : str
        What to call it.
    better : str
        What to use instead.

    Raises
    ------
    ValueError
    """
    if not isinstance(frame, Helioprojective):
        kind = "no known coordinate frame" if frame is None else frame.name.replace("_", " ") + " coordinates"
        raise ValueError(
            f"{name} must be helioprojective (HPLN, HPLT), as seen by its observer; this one is in {kind}. Use {better}"
        )


def check_observer(image, name):
    """
    Refuse a Map that does not say from where and when it was taken.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If its header lacks the observer or the observation time, for which sunpy takes Earth and now.
    """
    # A Map remembers what it has once warned of, so the question is put to a fresh one; of the data, sunpy finds the
    # extremes then, and a pixel is enough for that.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fresh = sunpy.map.Map(image.data[:1, :1], image.meta.copy())
        _ = fresh.date, fresh.observer_coordinate
    for warning in caught:
        if issubclass(warning.category, SunpyMetadataWarning) and "Missing metadata for observ" in str(warning.message):
            what = "observer" if "observer" in str(warning.message) else "observation time"
            raise ValueError(
                f"{name} must say its {what}, since the Sun's size and orientation follow from it; this Map's header "
                "does not. Add the keywords "
                + ("DSUN_OBS, HGLN_OBS and HGLT_OBS" if what == "observer" else "DATE-OBS")
            )


def _magnetograph(magnetogram):
    """The instrument's record, or, with a warning, that of one like HMI; and whether it is the instrument's own."""
    names = f"{magnetogram.instrument} {magnetogram.observatory} {magnetogram.detector}".upper()
    for name, magnetograph in MAGNETOGRAPHS.items():
        if name in names:
            return magnetograph, True
    warn_user(
        f"no conversion to HMI's field scale is known for {magnetogram.instrument or 'this instrument'}: "
        "its field is taken as it is"
    )
    return MAGNETOGRAPHS["HMI"], False


def _coarseness(disk, magnetograph, grid, radius):
    """How many times less than a grid an image of the disk resolves, of which ``radius`` is the angular radius."""
    resolution = max(2 / disk.pixels, magnetograph.resolution / radius.to_value(u.arcsec))
    return float(resolution / (2 / grid.solar_radius))


def resample(values, known, disk, grid):
    """
    Average an image over the pixels of a grid: one linear interpolation turns, shifts and scales it.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Float32, 0 where not ``known``.
    known : `~numpy.ndarray`
        Boolean, same shape: what enters the averages.
    disk : Disk
        Where the image has the Sun.
    grid : Grid

    Returns
    -------
    `~numpy.ndarray`
        Mean of the known part of each grid pixel, float32, shape ``grid.shape``; NaN where that is less than a quarter.
    """
    import torch
    from torch.nn import functional

    planes = torch.stack([torch.from_numpy(values), torch.from_numpy(known).float()])[None]
    factor = max(1, int(disk.pixels / (grid.solar_radius * _SAMPLES)))
    if factor > 1:
        planes = functional.pad(planes, (0, -values.shape[1] % factor, 0, -values.shape[0] % factor))
        planes = functional.avg_pool2d(planes, factor)

    rows, columns = grid.shape
    mean = np.empty(grid.shape, dtype=np.float32)
    for start in range(0, rows, _STRIP):
        part = grid.crop(slice(start, min(start + _STRIP, rows)), slice(0, columns))
        theta = torch.from_numpy(_affine(planes.shape[:1:-1], factor, disk, part)).float()[None]
        size = (1, 2, part.shape[0] * _SAMPLES, columns * _SAMPLES)
        points = functional.affine_grid(theta, size, align_corners=False)
        samples = functional.grid_sample(planes, points, mode="bilinear", padding_mode="zeros", align_corners=False)
        total, share = functional.avg_pool2d(samples, _SAMPLES)[0].numpy()
        strip = np.where(share >= _KNOWN, total / np.maximum(share, np.float32(1e-6)), np.float32(np.nan))
        mean[start : start + len(strip)] = strip
    return mean


def _affine(size, factor, disk, grid):
    """
    Where an image in blocks of ``factor`` pixels has the points of a grid, as torch counts.

    Both are counted from −1 to 1 over their full width, (x, y): position in the grid → solar radii → block of pixels.

    Parameters
    ----------
    size : sequence of int
        Columns and rows of blocks.
    factor : int
    disk : Disk
        In pixels of the image.
    grid : Grid

    Returns
    -------
    `~numpy.ndarray`
        Shape (2, 3): columns are one half of the grid's width, one of its height, and its middle.
    """
    size, out_size = np.array(size), np.array(grid.shape[::-1])
    to_sun = np.diag(out_size / 2 / grid.solar_radius)
    sun_offset = ((out_size - 1) / 2 - np.array(grid.center)) / grid.solar_radius
    linear = (2 / (factor * size))[:, None] * disk.axes @ to_sun
    offset = (2 * (disk.center + disk.axes @ sun_offset) + 1) / (factor * size) - 1
    return np.column_stack([linear, offset])


def field_of_view(image, disk, grid, name):
    """
    Find out which pixels of a grid an image shows.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
    disk : Disk
        Where the image has the Sun.
    grid : Grid
    name : str
        What to call the image.

    Returns
    -------
    `~numpy.ndarray`
        Boolean, shape ``grid.shape``: pixels whose centre is in the image; all of them if the whole disk is.

    Raises
    ------
    ValueError
        If it shows nothing of the disk, or no pixel of the grid.
    """
    shape = image.data.shape
    if not disk.meets(shape):
        raise ValueError(f"{name} must show some of the solar disk; this {describe(image)} shows none")
    if disk.inside(shape):
        return np.ones(grid.shape, dtype=bool)
    rows, columns = np.indices(grid.shape)
    sun = np.stack([columns - grid.center[0], rows - grid.center[1]]) / grid.solar_radius
    x, y = disk.center[:, None, None] + np.einsum("ij,jrc->irc", disk.axes, sun)
    seen = (x >= -0.5) & (x <= shape[1] - 0.5) & (y >= -0.5) & (y <= shape[0] - 0.5)
    if not seen.any():
        raise ValueError(
            f"{name} must cover at least one pixel of the model's grid ({grid.scale(image.coordinate_frame):.3g}); "
            f"this {describe(image)} is smaller"
        )
    return seen


def window(seen):
    """Rows and columns that the true elements of an image take up, as slices."""
    return tuple(_extent(seen.any(axis=axis)) for axis in (1, 0))


def _extent(seen):
    """Slice from the first to the last true element."""
    (indices,) = np.nonzero(seen)
    return slice(int(indices[0]), int(indices[-1]) + 1)
