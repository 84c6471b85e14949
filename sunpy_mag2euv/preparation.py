"""
Preparation: a line-of-sight magnetogram Map of any make → the field on a model's grid.

Flux is what has to survive, so pixels are averaged over area before and after the one interpolation, and unknown pixels
weigh nothing instead of being filled in. The geometry is that of any image of the Sun: AIA's take the same way.
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
from sunpy.map import GenericMap
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.disk import Disk, constant_share, visible_limb
from sunpy_mag2euv.field_kinds import LINE_OF_SIGHT, SDOML_BZ, field_kind, is_of_sdoml
from sunpy_mag2euv.grid import Grid, apparent_radius
from sunpy_mag2euv.headers import RESAMPLED, check_geometry, describe, has_own_scale, missing_placement, readable_unit
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.maps import check_map, check_pixels, shown
from sunpy_mag2euv.quality import quality_objection

__all__ = [
    "MAGNETOGRAPHS",
    "Magnetograph",
    "PreparedField",
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
    north_up : bool
        Whether its images have solar north up without saying so.
    """

    hmi_factor: float
    resolution: float
    usable_radius: float = 1.0
    north_up: bool = False


#: The instruments whose field scale is known, by a word of the Map's instrument or observatory. Factors: Liu et al.
#: 2025, Sol. Phys. 300, doi:10.1007/s11207-025-02523-y. GONG's noise grows from 10 G at 0.99 to 50 G at 0.999 radii.
#: Resolution: HMI's and MDI's are what they were built for, which is two pixels (Scherrer et al. 2012,
#: doi:10.1007/s11207-011-9834-2, and 1995, doi:10.1007/BF00733429). A Gaussian of 3.3 arcsec, full width at half
#: maximum, makes HMI's field look like MDI's (Yeo et al. 2024, doi:10.1051/0004-6361/202450102). GONG looks through the
#: air, which counts for more than its pixels of 2.5 arcsec: compared with HMI's, the power of the quiet Sun falls from
#: 40 to 7 arcsec as if smoothed by a Gaussian of 6.2 to 7.2 arcsec. That is in one image of 2019, which averages six of
#: a minute each. By the same means, MDI has 2.8 to 3.3 arcsec. GONG's images do not say their orientation: compared
#: with HMI's of five days before, turned with the Sun, one has north up to a degree.
MAGNETOGRAPHS = {
    "HMI": Magnetograph(1.0, resolution=1.0),
    "MDI": Magnetograph(0.701, resolution=4.0),
    "GONG": Magnetograph(1.438, resolution=6.5, usable_radius=0.99, north_up=True),
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

#: Words for what is no line-of-sight field: the other components and coordinates of the vector, what is seen beside it,
#: and what Solar Orbiter's PHI calls them; unless it says that it is.
_ANOTHER_QUANTITY = re.compile(
    r"strength|inclin|azimuth|transvers|horizontal|vector|radial|continuum|intensity|dopplergram|velocity|"
    r"\b(?:br|brad|bmag|binc|bazi|bazm|btot|vlos|icnt)\b",
    re.IGNORECASE,
)
_LINE_OF_SIGHT = re.compile(r"line.?of.?sight|longitudinal|\bb?_?los\b", re.IGNORECASE)

#: In gauss; what is beyond is no field of the Sun's surface averaged over a telescope's pixel but a number that stands
#: for none, such as that of BLANK in files of integers, which sunpy hands on times BSCALE. The strongest that anyone
#: reports of a sunspot are 6 to 8 kG in a few pixels of 0.3 arcsec (Okamoto and Sakurai 2018,
#: doi:10.3847/2041-8213/aaa3d8); HMI's reach 4 to 5 kG.
_STRONGEST_FIELD = 6000

#: From this share of the disk's pixels on, such numbers mean that the unit is wrong.
_MANY = 0.1

#: By how much the limb that can be seen may differ from the header's, in solar radii. That of instruments and archives
#: differs by 0.2 per cent at most, and it is found to one.
_SEEN_LIMB = 0.02

#: Keywords that say the rows and columns of the data. sunpy keeps them up to date, and who slices an array does not.
_SIZE = ("naxis2", "naxis1")

#: From this share of the disk on, pixels that are equal to their neighbours are missing ones.
_CONSTANT = 0.02

#: A disk is whole if at least this part of it is known.
_WHOLE = 0.9

#: So many pixels of the grid hardly have a field of one sign by chance.
_SOME = 1000


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
    impossible : int
        How many of the magnetogram's pixels on the disk hold numbers that no field has, more than 6 kG. They count as
        unknown.
    objections : dict
        What there is to say against the magnetogram itself, a sentence each, by what it is called in a word or two.
    source : str
        What the field was made of, "magnetogram" or "chart".
    kind : str
        What kind of field it is, see `sunpy_mag2euv.field_kinds`.
    """

    values: np.ndarray
    known: np.ndarray
    window: tuple[slice, slice]
    on_hmi_scale: bool
    coarseness: float
    impossible: int = 0
    objections: dict[str, str] = field(default_factory=dict)
    source: str = "magnetogram"
    kind: str = LINE_OF_SIGHT


@isolated()
def prepare(magnetogram: GenericMap, grid: Grid) -> PreparedField:
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

    gauss = magnetogram.unit.to(u.G)
    with np.errstate(over="ignore"):
        values = np.array(magnetogram.data, dtype=np.float32, order="C")
    # Pixels that the limb crosses hold part of what is off it, which can be any number.
    on_disk = disk.radius(values.shape) < min(magnetograph.usable_radius, 1 - 0.75 / disk.pixels)
    if magnetogram.mask is not None:
        on_disk &= ~np.asarray(magnetogram.mask, dtype=bool)
    believable = functools.partial(_believable, limit=np.float32(_STRONGEST_FIELD / gauss))
    known = believable(values)
    known &= on_disk
    impossible = _count_impossible(magnetogram, values, on_disk, known)
    if not known.any():
        raise ValueError(f"the magnetogram must have values on the solar disk; this {describe(magnetogram)} has none")
    objections = _objections(magnetogram, magnetograph, values, disk, impossible, believable)
    values[~known] = 0

    mean = resample(values, known, disk, grid)
    measured = np.isfinite(mean)
    radius = grid.radius
    mean = np.where((radius < 1) & measured, mean * np.float32(magnetograph.hmi_factor * gauss), 0)
    objections |= _look_at(magnetogram, mean, measured & seen & (radius < 1), int(np.count_nonzero(radius < 1)))
    known = measured | (radius > _LIMB)
    coarseness = _coarseness(disk, magnetograph, grid, apparent_radius(magnetogram.coordinate_frame))
    return PreparedField(
        mean,
        known & seen,
        window(seen),
        on_hmi_scale,
        coarseness,
        impossible,
        objections,
        kind=field_kind(magnetogram.meta),
    )


def _believable(values: npt.NDArray, limit: np.float32) -> npt.NDArray:
    """Which numbers can be a field; NaN is none."""
    # Twice as fast as by way of the absolute value.
    believable = values <= limit
    believable &= values >= -limit
    return believable


def _count_impossible(magnetogram: GenericMap, values: npt.NDArray, on_disk: npt.NDArray, known: npt.NDArray) -> int:
    """How many numbers on the disk can be no field; ValueError if they are many."""
    number = np.count_nonzero(on_disk)
    if np.count_nonzero(known) == number:
        return 0
    impossible = int(np.count_nonzero(on_disk & ~known & ~np.isnan(values)))
    if impossible > _MANY * number:
        raise ValueError(
            f"the magnetogram must be in gauss or another unit of the field; {impossible / number:.0%} of the disk in "
            f"this {describe(magnetogram)} is above {_STRONGEST_FIELD} G, which no field is. Correct map.meta['bunit']"
        )
    return impossible


def _look_at(magnetogram: GenericMap, mean: npt.NDArray, known: npt.NDArray, disk: int) -> dict[str, str]:
    """What there is to say against the numbers on the grid, as `_objections`; ValueError if that is too much."""
    count = np.count_nonzero(known)
    if not count:
        raise ValueError(
            f"the magnetogram must fill pixels of the model's grid; this {describe(magnetogram)} fills a quarter of "
            "none. Use one that shows more of the Sun"
        )
    if count < _SOME or not (mean > 0).any() ^ (mean < 0).any():
        return {}
    if count >= _WHOLE * disk:
        raise ValueError(
            "the magnetogram must be of the line-of-sight field, which has both signs on the Sun; this "
            f"{describe(magnetogram)} has one, as field strengths do. Use the line-of-sight magnetogram"
        )
    return {
        "one sign": (
            "the field has one sign in all of the magnetogram, as field strengths do: make sure that it is the "
            "line-of-sight field"
        )
    }


def _objections(
    magnetogram: GenericMap,
    magnetograph: Magnetograph,
    values: npt.NDArray,
    disk: Disk,
    impossible: int,
    believable: Callable[[npt.NDArray], npt.NDArray],
) -> dict[str, str]:
    """What there is to say against a magnetogram that can be used, see `PreparedField`."""
    objections = {}
    missing = missing_placement(magnetogram)
    if magnetograph.north_up:
        missing.pop("orientation", None)
        missing.pop("pointing", None)
    for what, keywords in missing.items():
        objections[f"no {what}"] = (
            f"the magnetogram's header does not say its {what}, so the simplest is taken, with solar north up and the "
            f"Sun in the middle: check that, and add {keywords}"
        )
    size = tuple(magnetogram.meta.get(keyword, number) for keyword, number in zip(_SIZE, values.shape, strict=True))
    if size != values.shape:
        objections["other size"] = (
            f"the magnetogram has {values.shape[1]} by {values.shape[0]} pixels, but by its header's NAXIS1 and NAXIS2 "
            f"{shown(size[1])} by {shown(size[0])}: make sure that CRPIX1, CRPIX2, CDELT1 and CDELT2 are those of the "
            "data, as they are after submap and resample, and set NAXIS1 and NAXIS2"
        )
    if (limb := visible_limb(values, disk, believable)) is not None:
        if differences := limb.differs(max(_SEEN_LIMB, 1 / disk.pixels)):
            objections["limb elsewhere"] = (
                f"the disk that can be seen in the magnetogram {' and '.join(differences)} that its header gives it: "
                "check CDELT1, CDELT2, CRPIX1, CRPIX2 and DSUN_OBS, unless the data were cut there"
                + (f". {RESAMPLED}" if has_own_scale(magnetogram) else "")
            )
    elif has_own_scale(magnetogram) and "pc1_1" in magnetogram.meta:
        # Once it has been turned, nothing in the header tells whether it has been resampled as well.
        objections["scale unsure"] = f"the magnetogram was turned, and shows no limb to check its scale by. {RESAMPLED}"
    if (share := constant_share(values, disk)) > _CONSTANT:
        objections["constant pixels"] = (
            f"{share:.0%} of the disk in view has the same number as its neighbours, as where one was put for missing "
            "pixels: mask them, or make them NaN"
        )
    if impossible:
        objections["impossible field"] = (
            f"the magnetogram has {impossible} pixels on the disk with more than {_STRONGEST_FIELD} G, which no field "
            "is: they count as unknown; check BLANK and BSCALE in its file"
        )
    if quality := quality_objection(magnetogram.meta):
        objections["quality"] = f"the magnetogram may be wrong: {quality}. Take one of another time"
    return objections


def _check(magnetogram: GenericMap) -> None:
    """Refuse, with a sentence each, what is not a helioprojective magnetogram that says where and when it was taken."""
    check_map(magnetogram, "the magnetogram")
    check_pixels(magnetogram, "the magnetogram")
    unit = readable_unit(magnetogram)
    if unit is None or not unit.is_equivalent(u.G):
        plain = unit is None or unit.is_equivalent(u.one)
        advice = "Correct map.meta['bunit'], such as to 'G', if it is" if plain else "Use the magnetogram of that time"
        raise ValueError(
            "the magnetogram must be a line-of-sight magnetogram in gauss; this Map is "
            f"{describe(magnetogram)}. {advice}"
        )
    for keyword in ("CONTENT", "BTYPE"):
        said = str(magnetogram.meta.get(keyword) or "")
        if _ANOTHER_QUANTITY.search(said) and not _LINE_OF_SIGHT.search(said):
            raise ValueError(
                f"the magnetogram must be of the line-of-sight field; {keyword} of this {describe(magnetogram)} says "
                f"{shown(said)}. Use the line-of-sight magnetogram of that time"
            )
    if is_of_sdoml(magnetogram.meta) and field_kind(magnetogram.meta) != SDOML_BZ:
        raise ValueError(
            f"the magnetogram must be of the line-of-sight field; this {describe(magnetogram)} is a component of "
            "SDOML's (PIXLUNIT), and its header does not say which. If it is Bz, say so with "
            f"map.meta['content'] = '{SDOML_BZ}'"
        )
    # JPEG 2000 files come with the header of the observation, unit included, but hold what a picture needs.
    if magnetogram.data.dtype.kind == "u":
        raise ValueError(
            f"the magnetogram must hold field strengths, which have a sign; this {describe(magnetogram)} holds "
            f"{magnetogram.data.dtype.name} numbers, as pictures do. Convert them to gauss, or use the FITS file"
        )
    better = "the full-disk magnetogram, or a cutout of it, instead of a remapped patch or chart"
    check_geometry(magnetogram, "the magnetogram", better)


def _magnetograph(magnetogram: GenericMap) -> tuple[Magnetograph, bool]:
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


def _coarseness(disk: Disk, magnetograph: Magnetograph, grid: Grid, radius: Any) -> float:
    """How many times less than a grid an image of the disk resolves, of which ``radius`` is the angular radius."""
    resolution = max(2 / disk.pixels, magnetograph.resolution / radius.to_value(u.arcsec))
    return float(resolution / (2 / grid.solar_radius))


@isolated()
def resample(values: npt.NDArray, known: npt.NDArray, disk: Disk, grid: Grid) -> npt.NDArray:
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

    factor = max(1, int(disk.pixels / (grid.solar_radius * _SAMPLES)))
    # One after the other, and each copied only if it must be: at 4096 by 4096 pixels, copies are half of the time.
    planes = torch.cat([_blocks(torch.from_numpy(plane), factor) for plane in (values, known)], dim=1)
    rows, columns = grid.shape
    mean = np.empty(grid.shape, dtype=np.float32)
    for start in range(0, rows, _STRIP):
        part = grid.crop(slice(start, min(start + _STRIP, rows)), slice(0, columns))
        theta = torch.from_numpy(_affine(planes.shape[:1:-1], factor, disk, part)).float()[None]
        size = [1, 2, part.shape[0] * _SAMPLES, columns * _SAMPLES]
        points = functional.affine_grid(theta, size, align_corners=False)
        samples = functional.grid_sample(planes, points, mode="bilinear", padding_mode="zeros", align_corners=False)
        total, share = functional.avg_pool2d(samples, _SAMPLES)[0].numpy()
        strip = np.where(share >= _KNOWN, total / np.maximum(share, np.float32(1e-6)), np.float32(np.nan))
        mean[start : start + len(strip)] = strip
    return mean


def _blocks(plane: Any, factor: int) -> Any:
    """Means over blocks of pixels, shape (1, 1, rows, columns); beyond the edges there is nothing."""
    from torch.nn import functional

    plane = plane.float()[None, None]
    missing = -plane.shape[-1] % factor, -plane.shape[-2] % factor
    if any(missing):
        plane = functional.pad(plane, (0, missing[0], 0, missing[1]))
    return functional.avg_pool2d(plane, factor) if factor > 1 else plane


def _affine(size: Sequence[int], factor: int, disk: Disk, grid: Grid) -> npt.NDArray:
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


def field_of_view(image: GenericMap, disk: Disk, grid: Grid, name: str) -> npt.NDArray:
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


def window(seen: npt.NDArray) -> tuple[slice, slice]:
    """Rows and columns that the true elements of an image take up, as slices."""
    rows, columns = (_extent(np.any(seen, axis=axis)) for axis in (1, 0))
    return rows, columns


def _extent(seen: npt.NDArray) -> slice:
    """Slice from the first to the last true element."""
    (indices,) = np.nonzero(seen)
    return slice(int(indices[0]), int(indices[-1]) + 1)
