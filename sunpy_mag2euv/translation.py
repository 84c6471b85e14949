"""Translation: AIA Maps in, AIA-like Maps of other passbands out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import astropy.units as u
import sunpy.map
from sunpy.map import GenericMap
from sunpy.map.sources import AIAMap

from sunpy_mag2euv.aia import View, is_observation, level_of
from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.headers import describe
from sunpy_mag2euv.inference import (
    answers,
    is_single,
    make_maps,
    resolve_device,
    resolve_model,
    resolve_passbands,
    say,
)
from sunpy_mag2euv.intensity import LEVELS, check_image, check_light, check_together, filled_share, read_intensity
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.maps import check_map, in_known_time, shown
from sunpy_mag2euv.models import ImageModel
from sunpy_mag2euv.passbands import Passband, PassbandLike, get_passband
from sunpy_mag2euv.preparation import field_of_view, resample, window
from sunpy_mag2euv.quality import quality_objection
from sunpy_mag2euv.sensitivity import Correction, Sensitivity, find_correction
from sunpy_mag2euv.validity import assess_images, disk_level

if TYPE_CHECKING:
    import torch

__all__ = ["PreparedImages", "bring_to_epochs", "prepare_images", "translate"]

#: So much of a saturated pixel is in a pixel of the grid if it is in it, or on its edge. Where pixels coincide,
#: interpolation gives a tenth to the next one.
_PART = 1 / 8


@u.quantity_input
def translate(
    aia_maps: GenericMap | Sequence[GenericMap],
    passband: PassbandLike | Sequence[PassbandLike],
    *,
    max_time_difference: u.min = 12 * u.min,
    correction_table: Any = None,
    model: str | os.PathLike | ImageModel | None = None,
    # A hint in quotes, as others have of torch, would be taken for a unit.
    device: Any = None,
) -> AIAMap | list[AIAMap]:
    """
    Translate AIA images of some passbands into those of others.

    Parameters
    ----------
    aia_maps : `~sunpy.map.GenericMap` or sequence of these
        Observed AIA images of level 1 or 1.5, of one passband each, in DN with their exposure times or in DN/s. Size,
        orientation, plate scale and field of view may be any, and differ; observer and time may not.
    passband : int, str, `~astropy.units.Quantity` or sequence of these
        Such as ``335`` or ``335 * u.angstrom``: none of those given.
    max_time_difference : `~astropy.units.Quantity`, optional
        Between any two images.
    correction_table : str, path-like or `~astropy.table.QTable`, optional
        What AIA has lost of its sensitivity, as `sunpy_mag2euv.sensitivity.Sensitivity.read` takes it. Unless given,
        and if it is needed, it is the table that aiapy carries, which rests on measurements up to 2017 December.
    model : str, path-like or ImageModel, optional
        As `~sunpy_mag2euv.load_model` takes it. The packaged default unless given.
    device : str or `torch.device`, optional
        Where the network runs, such as ``"cpu"`` or ``"cuda:0"``. A GPU if there is one, unless given.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`, or list of them for a sequence of passbands
        In DN/s on the model's grid, solar north up, as seen by the first image's observer at its time. If the first
        image is a cutout, on that part of the grid which its field of view takes up. NaN outside of it, where the
        model has learnt nothing, and where no input is known, or not all of them if the model needs them all. The
        ``uncertainty`` of each is its standard deviation, if the model gives one. ``meta["validity"]`` is "no known
        objection", or says why to be cautious, see `~sunpy_mag2euv.validity.ImageValidity.header`.

    Raises
    ------
    TypeError
        If ``aia_maps`` are not Maps, ``passband`` nothing that names a passband, ``max_time_difference`` has no unit,
        or ``correction_table`` is nothing that names a table.
    ValueError
        If the images cannot be used, or not together, or nothing could come of them; if they are not what the model
        takes; if ``max_time_difference`` is not one span of time; if a passband is unknown, among those given or not
        one of the model's; if the model is unknown or answers to magnetograms; if the device is not there; or if
        ``correction_table`` is no such table. Nothing has been computed then.
    ImportError
        If ``correction_table`` is given and aiapy, which reads it, is not installed.
    OSError
        If ``correction_table`` cannot be read or fetched.

    Warns
    -----
    SunpyUserWarning
        If an image is brighter than in training, has another level, has saturated pixels or numbers that AIA cannot
        have recorded, seems to be filled in part, resolves less than the model's grid, is of poor quality by its
        header, or leaves out most of the field of view; if AIA's sensitivity at its time is not known, or extrapolated;
        or, once a process, if a passband rests on too little training data.

    Notes
    -----
    Pixels that are masked, not finite, saturated or below what AIA can record count as unknown, see
    `~sunpy_mag2euv.intensity.read_intensity`.

    Images are brought to the epoch of AIA's sensitivity that the model learnt from, if it says one, see
    `bring_to_epochs`. They are taken to be as observed: if one has been corrected already, say so with
    ``map.meta["degepoch"] = "launch"``.

    The idea is that of Lim et al. 2021, ApJL 915 L31, doi:10.3847/2041-8213/ac0d54, whose best three inputs are 131,
    1600 and 304 Å. What a model was trained on, and how well it does on data that it has not seen, is in its model
    card.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_aia_maps
    >>> aia_193 = mag2euv.translate(sample_aia_maps([171, 211]), passband=193)
    >>> aia_193.wavelength, aia_193.unit, aia_193.data.shape
    (<Quantity 193. Angstrom>, Unit("DN / s"), (256, 256))
    """
    targets = [passband] if is_single(passband) else passband
    single = isinstance(aia_maps, sunpy.map.GenericMap) or is_single(aia_maps)
    aia_maps = [aia_maps] if single else list(aia_maps)
    images = _translate(aia_maps, targets, max_time_difference, correction_table, model, device)
    return images[0] if is_single(passband) else images


def _translate(
    aia_maps: Any,
    passbands: Any,
    max_time_difference: u.Quantity,
    correction_table: Any,
    model: Any,
    device: "str | torch.device | None",
) -> list[AIAMap]:
    """The data flow of `~sunpy_mag2euv.generate`, from other images."""
    model = resolve_model(model, ImageModel)
    passbands = resolve_passbands(passbands, model)
    aia_maps = _checked(aia_maps, passbands, model, max_time_difference)
    device = resolve_device(device)
    sensitivity = None if correction_table is None else Sensitivity.read(correction_table)
    images = prepare_images(aia_maps, model.grid, model.selective)
    if not (images.known & model.valid).any():
        which = "an image is" if model.selective else "all images are"
        raise ValueError(
            f"in the first image's field of view, {which} known in no pixel of the model's grid "
            f"({_scale(model.grid, aia_maps[0])}) within {model.valid_radius:g} solar radii, so there is nothing to "
            "answer to. Take larger cutouts of one place, or images with more known pixels"
        )
    images = bring_to_epochs(images, aia_maps, model, sensitivity)
    reports = assess_images(images, model, passbands)
    say(model, reports, set())
    (answer,) = answers(model, [images], device)
    return make_maps(model, answer, images, reports, View.of(aia_maps, images.corrections))


@dataclass(frozen=True)
class PreparedImages:
    """
    AIA images on a model's grid.

    Attributes
    ----------
    values : dict
        For every passband given (int, angstrom), its image in DN/s, shape ``grid.shape``, NaN where unknown.
    seen : `~numpy.ndarray`
        Boolean, shape ``grid.shape``: the first image's field of view.
    known : `~numpy.ndarray`
        Boolean, same shape: the part of it where there are images enough.
    corrections : dict
        For the passbands that were brought to an epoch of AIA's sensitivity, how; see `bring_to_epochs`.
    saturated : dict
        For the passbands whose images have saturated pixels, where: boolean, shape ``grid.shape``, true in every pixel
        that holds a part of any.
    impossible : dict
        For the passbands whose images have numbers that AIA cannot have recorded, in how many of their own pixels.
    coarseness : dict
        For every passband, how many times less than the grid its image resolves, by the longer side of its pixels.
    qualities : dict
        For the passbands whose headers say something against their images, what; see
        `~sunpy_mag2euv.quality.quality_objection`.
    filled : dict
        For the passbands whose images seem to be filled in part, the share of the disk; see
        `~sunpy_mag2euv.intensity.filled_share`.
    """

    values: dict[int, np.ndarray]
    seen: np.ndarray
    known: np.ndarray
    corrections: dict[int, Correction] = field(default_factory=dict)
    saturated: dict[int, np.ndarray] = field(default_factory=dict)
    impossible: dict[int, int] = field(default_factory=dict)
    coarseness: dict[int, float] = field(default_factory=dict)
    qualities: dict[int, str] = field(default_factory=dict)
    filled: dict[int, float] = field(default_factory=dict)

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the grid that the field of view takes up."""
        return window(self.seen)


@isolated()
def prepare_images(aia_maps: Sequence[GenericMap], grid: Grid, selective: bool = True) -> PreparedImages:
    """
    Bring AIA images to a model's grid, as `~sunpy_mag2euv.preparation.prepare` does magnetograms.

    Parameters
    ----------
    aia_maps : sequence of `~sunpy.map.GenericMap`
        Such as `translate` takes; off the limb they say as much as on the disk.
    grid : Grid
    selective : bool, optional
        Whether one image is enough for a pixel to be known; otherwise all of them are needed.

    Returns
    -------
    PreparedImages

    Raises
    ------
    ValueError
        If one of them shows nothing of the disk, covers no pixel of the grid, or has nothing to see on the disk: no
        value, none that is positive, or the same one everywhere.
    """
    values, views = {}, []
    saturated, impossible, coarseness, qualities, filled = {}, {}, {}, {}, {}
    for image, name in zip(aia_maps, _names(aia_maps), strict=True):
        band, disk = get_passband(image.wavelength).angstrom, Disk.of(image)
        views.append(field_of_view(image, disk, grid, name))
        reading = read_intensity(image)
        check_light(reading, name)
        known = np.isfinite(reading.values)
        mean = resample(np.where(known, reading.values, 0).astype(np.float32), known, disk, grid)
        if not (mean[grid.radius < 1] > 0).any():
            found = "has none"
            if reading.saturated.any():
                found = "has none that is not saturated. Check its unit, its exposure time and DEG_COR"
            raise ValueError(
                f"{name} must have positive values on the disk, in a quarter of a pixel of the model's grid "
                f"({_scale(grid, image)}) or more; this {describe(image)} {found}"
            )
        values[band] = mean
        coarseness[band] = float(grid.solar_radius / np.linalg.svd(disk.axes, compute_uv=False).min())
        if reading.saturated.any():
            everything = np.ones(known.shape, dtype=bool)
            share = resample(reading.saturated.astype(np.float32), everything, disk, grid)
            saturated[band] = share >= _PART * min(1, coarseness[band] ** 2)
        if reading.impossible.any():
            impossible[band] = int(np.count_nonzero(reading.impossible))
        if quality := quality_objection(image.meta):
            qualities[band] = quality
        if share := filled_share(reading.values, disk):
            filled[band] = share
    enough = np.any if selective else np.all
    known = enough([np.isfinite(image) for image in values.values()], axis=0)
    return PreparedImages(
        values,
        seen=views[0],
        known=views[0] & known,
        saturated=saturated,
        impossible=impossible,
        coarseness=coarseness,
        qualities=qualities,
        filled=filled,
    )


def bring_to_epochs(
    images: PreparedImages, aia_maps: Sequence[GenericMap], model: ImageModel, sensitivity: Sensitivity | None = None
) -> PreparedImages:
    """
    Bring images to the epochs of AIA's sensitivity that a model learnt from.

    Parameters
    ----------
    images : PreparedImages
    aia_maps : sequence of `~sunpy.map.GenericMap`
        What they were made of.
    model : ImageModel
        Images in passbands for which it says no epoch are left alone.
    sensitivity : Sensitivity, optional
        As `~sunpy_mag2euv.sensitivity.find_correction` takes it.

    Returns
    -------
    PreparedImages
        With the `~sunpy_mag2euv.sensitivity.Correction` of each image that is not left alone. Where AIA's sensitivity
        is not known, an image of the whole disk is given the median that the disk has in training, as such images were
        there. Any other stays as it is: a part of the Sun may well be dark.
    """
    values, corrections = dict(images.values), {}
    for image in aia_maps:
        band = get_passband(image.wavelength).angstrom
        if band not in model.epochs:
            continue
        correction = find_correction(image, model.epochs[band], sensitivity)
        if not correction.known and band in model.levels:
            level = disk_level(values[band], model.grid)
            # A median that is not positive says nothing of a factor.
            correction = replace(correction, divisor=level / model.levels[band] if level and level > 0 else None)
        if correction.divisor is not None:
            values[band] = values[band] / np.float32(correction.divisor)
        corrections[band] = correction
    return replace(images, values=values, corrections=corrections)


def _scale(grid: Grid, image: GenericMap) -> str:
    """Size of a grid's pixels on the sky, for messages."""
    return f"{grid.scale(image.coordinate_frame):.3g}"


def _names(aia_maps: Sequence[GenericMap]) -> list[str]:
    """What to call them in messages."""
    if len(aia_maps) == 1:
        return ["the image"]
    return [f"image {number} of {len(aia_maps)}" for number in range(1, len(aia_maps) + 1)]


def _checked(
    aia_maps: Sequence[Any], passbands: Sequence[Passband], model: ImageModel, max_time_difference: u.Quantity
) -> list[GenericMap]:
    """The Maps with times that sunpy can read; what cannot be translated is refused with a sentence."""
    if not aia_maps:
        raise ValueError("aia_maps must be one AIA image or several; got none")
    names = _names(aia_maps)
    for image, name in zip(aia_maps, names, strict=True):
        check_map(image, name)
    aia_maps = [in_known_time(image) for image in aia_maps]
    for image, name in zip(aia_maps, names, strict=True):
        _check_level(image, name)
        check_image(image, name)
    given = [get_passband(image.wavelength) for image in aia_maps]
    for band in given:
        if given.count(band) > 1:
            raise ValueError(f"the AIA images must be of one passband each; {given.count(band)} are of {band}")
        if band in passbands:
            raise ValueError(f"{band} is among the images given, so there is nothing to translate; ask for another")
        if band not in model.input_passbands:
            raise ValueError(
                f"the model {model.name} cannot be given {band}; it takes {', '.join(map(str, model.input_passbands))}"
            )
    if not model.selective and (missing := [band for band in model.input_passbands if band not in given]):
        raise ValueError(
            f"the model {model.name} needs all of {', '.join(map(str, model.input_passbands))}; "
            f"missing: {', '.join(map(str, missing))}"
        )
    check_together(aia_maps, max_time_difference)
    return aia_maps


def _check_level(image: GenericMap, name: str) -> None:
    """Refuse what is no observation by AIA, or not calibrated."""
    if not isinstance(image, AIAMap):
        words = describe(image)
        advice = "Magnetograms are for generate" if words.endswith((" G", " T")) else "Use an AIA image"
        raise ValueError(f"{name} must be an AIA image of level 1 or 1.5; this one is {words}. {advice}")
    if not is_observation(image.meta):
        raise ValueError(
            f"{name} must be an observation; this one is synthetic, by its INSTRUME {shown(image.meta['instrume'])}, "
            "and translating a guess is not offered. Use an observed AIA image of level 1 or 1.5 (AIA_1 to AIA_4)"
        )
    level = level_of(image.meta)
    if level is None:
        raise ValueError(
            f"{name} must say its level, 1 or 1.5; its header does not. If it is calibrated, say so with "
            "map.meta['lvl_num'] = 1.5"
        )
    if level not in LEVELS:
        raise ValueError(f"{name} must be of level 1 or 1.5; this one is of level {level:g}. Use the level 1 file")
