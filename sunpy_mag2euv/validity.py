"""
Validity: what there is to say against a synthetic image.

A network answers whatever it is asked. Whether it has learnt to answer that can be told from what it is given and from
the model's record alone, so the report is there before the network runs. It ends up in the image's header, and in
warnings where it matters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.field_kinds import KINDS, LINE_OF_SIGHT
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.passbands import Passband, get_passband
from sunpy_mag2euv.planes import block_means, reach
from sunpy_mag2euv.sensitivity import Correction

if TYPE_CHECKING:
    from sunpy_mag2euv.models import FieldModel, ImageModel, Model
    from sunpy_mag2euv.preparation import PreparedField
    from sunpy_mag2euv.translation import PreparedImages

__all__ = ["NO_OBJECTION", "FieldValidity", "ImageValidity", "Validity", "assess", "assess_images", "disk_level"]

#: What ``VALIDITY`` says where nothing is known against an image. That is no praise.
NO_OBJECTION = "no known objection"

#: From this share of the disk on, fields stronger than in training matter. In training it is one pixel in ten thousand;
#: the most active days have four times that. Ten times is the area of a large sunspot group: a Sun that training hardly
#: knew, or a wrong unit or scale. A cutout of an active region gets there sooner, and more of it is in doubt, too.
_STRONG = 1e-3

#: The same for pixels brighter than in training, where the brightest image has three in ten thousand.
_BRIGHT = 1e-3

#: From this share of the image on, it matters that pixels are off the limb. A full disk has less: 0.36 for a model that
#: has learnt to 1.25 solar radii. More means a cutout that hardly shows where the light comes from.
_OFF_LIMB = 0.5

#: In gauss, from where on, either way, the median of the disk's field is no longer nought. In charts, and in what there
#: is of HMI's, MDI's and GONG's magnetograms, it is never more than 1.
_ZERO_LEVEL = 2

#: In gauss, the mean and median strength of the disk's field below which, and the median above which, it is not the
#: Sun's. In 1336 magnetograms and fields of charts from 2010 to 2025, and in MDI's of the maximum of 1999, the mean is
#: 2.3 to 15 and the median, which regions hardly change, 1 to 4.2, on grids on which the Sun's radius is near 98
#: pixels; noise makes up most of it.
_WEAK_MEAN, _WEAK_MEDIAN, _STRONG_MEDIAN = 1, 0.5, 5.3

#: So many pixels of that grid tell a level, and this part of the disk the zero level.
_SOME, _LARGE = 100, 0.5

#: The solar radius in pixels of that grid.
_COARSE_RADIUS = 98

#: So many times as far as the network looks around there has to be a disk in view. In 25 cutouts each of a quiet and of
#: an active Sun, images in 171 Å differed from those of the full disk by 25 and 40 per cent (root mean square) in
#: views of 500 Mm, and by 43 and 88 in views of 180 Mm; in 193 Å by 13 to 30, in 1600 Å by 1 to 3.
_SURROUNDINGS = 2

#: In Mm.
_SOLAR_RADIUS = 696

#: From this ratio on, it matters that a magnetogram resolves less than the grid. One with the grid's own pixels has 1,
#: and that of one telescope changes by 3 per cent through the year, as the Sun's apparent size does.
_COARSE = 1.1

#: From this factor on, either way, it matters that an image has another brightness than those trained on. The solar
#: cycle makes up for less; AIA's loss of sensitivity, or a wrong unit or exposure time, for more.
_FACTOR = 3

#: What can be done about the level where a model does not say which epoch of AIA's sensitivity it learnt from, so that
#: inputs are taken as they are, and where it does.
_UNCORRECTED = (
    "correct the loss of AIA's sensitivity with aiapy.calibrate.correct_degradation, and say so with "
    "map.meta['degepoch'] = 'launch'"
)
_CORRECTED = "say with map.meta['degepoch'] = 'launch' of one whose loss of sensitivity has been corrected already"

#: An image's level is the median of the disk, and the disk is there if at least this part of it is known.
_WHOLE = 0.9

#: Below this part of the field of view, an input leaves most of the answer to the others.
_PARTIAL = 0.5


@dataclass(frozen=True, kw_only=True)
class Validity:
    """
    What there is to say against one image.

    What reports have in common: `FieldValidity` is on images made of a magnetogram, `ImageValidity` on translations.

    Attributes
    ----------
    training_images : int or None
        How many images of the passband the model was trained on, if it says so.
    caveat : str or None
        The passband and what the model has to say against it: that the training images are too few.
    """

    training_images: int | None
    caveat: str | None

    def _findings(self) -> dict[str, str | None]:
        """Concerns, each with what users should be warned of, or None if they have been."""
        return {} if self.caveat is None else {"scarce passband": self.caveat}

    @property
    def concerns(self) -> tuple[str, ...]:
        """Why to be cautious, in a word or two each; empty if nothing is known against the image."""
        return tuple(self._findings())

    def warnings(self) -> list[str]:
        """
        What users should be warned of, a sentence for each concern.

        Of an unknown instrument, `~sunpy_mag2euv.preparation.prepare` has warned already.

        Returns
        -------
        list of str
        """
        return [sentence for sentence in self._findings().values() if sentence is not None]

    def header(self) -> dict[str, Any]:
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "no known objection", or "caution" and why. ``NTRAIN`` is `training_images`, and
            missing where the model does not say.
        """
        entries: dict[str, Any] = {
            "validity": f"caution: {', '.join(self.concerns)}" if self.concerns else NO_OBJECTION
        }
        if self.training_images is not None:
            entries["ntrain"] = self.training_images
        return entries


@dataclass(frozen=True, kw_only=True)
class FieldValidity(Validity):
    """
    What there is to say against one image that was made of a magnetogram.

    Attributes
    ----------
    strong : float
        Share of the disk's known pixels in which the field is stronger than ``strongest_field``.
    strongest_field : float
        In gauss on HMI's scale; what the fields trained on hardly ever exceed, infinite if the model does not say. Of
        models of two scales, averaged over `~sunpy_mag2euv.models.FieldModel.block` pixels in each direction.
    off_limb : float
        Share of the image's pixels with values that lie off the limb, where there is no field to answer to.
    on_hmi_scale : bool
        Whether the magnetograph's field scale is known, see `~sunpy_mag2euv.preparation.MAGNETOGRAPHS`.
    coarseness : float
        How many times less the magnetogram resolves than the model's grid, see
        `~sunpy_mag2euv.preparation.PreparedField`.
    view : float
        Size of the disk in view in Mm: the root of its area in the image.
    reach : float
        How far the network has learnt to look around a pixel, see `~sunpy_mag2euv.planes.reach`.
    zero_level : float or None
        Median of the field on the disk, in gauss; None if less than half of it are known.
    mean_strength, median_strength : float or None
        Mean and median on the disk of the absolute value of the field less its zero level, in gauss, after averaging
        over pixels of about a 98th of the solar radius; None for cutouts of less than a hundred of these, and for
        magnetograms that do not resolve them.
    impossible : int
        How many of the magnetogram's pixels on the disk hold numbers that no field has, and count as unknown.
    objections : dict
        What there is to say against the magnetogram itself, a sentence each, by what it is called in a word or two.
    source : str
        What the image was made of, "magnetogram" or "chart".
    kind, trained_kind : str
        What kind of field that is, and what the model was trained on, see `sunpy_mag2euv.field_kinds`.

    Notes
    -----
    The other attributes are those of `Validity`.
    """

    strong: float
    strongest_field: float
    off_limb: float
    on_hmi_scale: bool
    coarseness: float
    view: float = np.inf
    reach: float = 0.0
    zero_level: float | None = None
    mean_strength: float | None = None
    median_strength: float | None = None
    impossible: int = 0
    objections: dict[str, str] = field(default_factory=dict)
    source: str = "magnetogram"
    kind: str = LINE_OF_SIGHT
    trained_kind: str = LINE_OF_SIGHT

    def _findings(self) -> dict[str, str | None]:
        findings: dict[str, str | None] = dict(self.objections)
        if self.kind != self.trained_kind:
            findings["another kind of field"] = (
                f"the model has learnt from {KINDS[self.trained_kind]}, and the {self.source} is of the other kind "
                f"({self.kind}): both are positive towards the observer, but their scale in strong fields and their "
                "noise are not the same, so take brightness for a guess, or a model that has learnt from this kind"
            )
        if self.zero_level is not None and abs(self.zero_level) > _ZERO_LEVEL:
            findings["zero level"] = (
                f"the field's median on the disk is {self.zero_level:.1f} G, which is nought on the Sun: subtract it "
                f"from the {self.source}, or get one with a calibrated zero level"
            )
        if self._is_weak:
            findings["weak field"] = (
                f"the field's strength is {self.mean_strength:.2g} G on the mean, and less than "
                f"{self.median_strength:.2g} G in half of the disk in view, less than the quiet Sun has: check the "
                f"{self.source}'s unit and scale"
            )
        # A cutout of an active region may well be strong.
        if self.zero_level is not None and (self.median_strength or 0) > _STRONG_MEDIAN:
            findings["strong field"] = (
                f"half of the disk has a field of more than {self.median_strength:.2g} G, which the Sun never has, and "
                f"hardly noise: check the {self.source}'s unit and scale, and that pixels were averaged, not summed, "
                "if some were put together (superpixel sums unless told func=numpy.mean)"
            )
        elif self.strong > _STRONG:
            findings["strong field"] = (
                f"the field is above {self.strongest_field:.0f} G, stronger than in training, in "
                f"{100 * self.strong:.1f} per cent of the disk in view: check the {self.source}'s unit, and do not "
                "rely on the image where the field is that strong"
            )
        if self.off_limb > _OFF_LIMB:
            findings["off limb"] = (
                f"{100 * self.off_limb:.0f} per cent of the image lies off the limb, where there is no field to answer "
                "to: take a magnetogram that shows more of the disk"
            )
        if self.view < _SURROUNDINGS * self.reach:
            findings["small view"] = (
                f"the disk in view is {self.view:.0f} Mm wide, and the network looks {self.reach:.0f} Mm around and "
                "takes what is not in view for no field: the brightness of the corona differs from that in an image of "
                "the full disk, in 171 Å by a third and more. Use the full-disk magnetogram, and cut the image"
            )
        if self.coarseness > _COARSE:
            findings["coarse input"] = (
                f"the {self.source} resolves {self.coarseness:.1f} times less than the model's grid, so fine structure "
                f"in the image is smoothed away or guessed: do not rely on it, or take a {self.source} that resolves "
                "more"
            )
        if not self.on_hmi_scale:
            findings["unknown instrument"] = None
        return findings | super()._findings()

    @property
    def _is_weak(self) -> bool:
        """Whether there is less field than the Sun has; a small median alone may be that of noise set to nought."""
        mean, median = self.mean_strength, self.median_strength
        return mean is not None and (mean < _WEAK_MEAN or (mean < 2 * _WEAK_MEAN and (median or 0) < _WEAK_MEDIAN))

    def header(self) -> dict[str, Any]:
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "no known objection", or "caution" and why. ``OFFLIMB``, ``HMISCALE`` and ``COARSE``
            are the attributes `off_limb`, `on_hmi_scale` and `coarseness`; ``VIEW_MM`` is `view`; ``STRONG``,
            ``MAXFIELD`` and ``NTRAIN`` are `strong`, `strongest_field` and `training_images`, and missing where the
            model does not say; ``ZEROLEV``, ``MEANFLD`` and ``MEDFIELD`` are `zero_level`, `mean_strength` and
            `median_strength`, and missing where these are None; ``BADPIX`` is `impossible`, and missing where there is
            none.
        """
        entries = super().header() | {
            "offlimb": round(self.off_limb, 6),
            "hmiscale": self.on_hmi_scale,
            "coarse": round(self.coarseness, 3),
        }
        if np.isfinite(self.view):
            entries["view_mm"] = round(self.view)
        if np.isfinite(self.strongest_field):
            entries |= {"strong": round(self.strong, 6), "maxfield": float(self.strongest_field)}
        levels = {"zerolev": self.zero_level, "meanfld": self.mean_strength, "medfield": self.median_strength}
        entries |= {keyword: round(level, 3) for keyword, level in levels.items() if level is not None}
        if self.impossible:
            entries["badpix"] = self.impossible
        return entries


@dataclass(frozen=True, kw_only=True)
class ImageValidity(Validity):
    """
    What there is to say against one image that was made of AIA images of other passbands.

    Attributes
    ----------
    known : dict
        For every passband given (int, angstrom, ascending), the share of the field of view in which its image is known.
    bright : dict
        For every passband given, the share of the disk's known or saturated pixels in the field of view that are as
        bright as images trained on can be, or brighter; saturated ones are.
    factors : dict
        For every passband given whose image shows the whole disk, the disk's median over that of the images trained on,
        if the model says what that is.
    corrections : dict
        For every passband given that was brought to an epoch of AIA's sensitivity, how, see
        `~sunpy_mag2euv.translation.bring_to_epochs`.
    saturated : dict
        For every passband given with saturated pixels in the field of view, the share of the grid's pixels there that
        hold any.
    impossible : dict
        For every passband given with numbers that AIA cannot have recorded, how many of its image's own pixels.
    coarseness : dict
        For every passband given, how many times less than the model's grid its image resolves, by the longer side of
        its pixels. Up to 1, the grid sets the limit.
    qualities : dict
        For every passband given whose header says something against its image, what, see
        `~sunpy_mag2euv.quality.quality_objection`.
    filled : dict
        For every passband given whose image seems to be filled in part, the share of the disk, see
        `~sunpy_mag2euv.intensity.filled_share`.

    Notes
    -----
    The other attributes are those of `Validity`.
    """

    known: dict[int, float]
    bright: dict[int, float]
    factors: dict[int, float]
    corrections: dict[int, Correction] = field(default_factory=dict)
    saturated: dict[int, float] = field(default_factory=dict)
    impossible: dict[int, int] = field(default_factory=dict)
    coarseness: dict[int, float] = field(default_factory=dict)
    qualities: dict[int, str] = field(default_factory=dict)
    filled: dict[int, float] = field(default_factory=dict)

    def _findings(self) -> dict[str, str | None]:
        findings = {}
        if bright := _listed(self.bright, lambda share: share > _BRIGHT, "{:.1%}"):
            findings["bright input"] = (
                f"there is more light than in training, as in flares, in part of the disk in view ({bright}): check "
                "the inputs' units and exposure times, and do not rely on the image where they are that bright"
            )
        if saturated := _listed(self.saturated, bool, "{:.2g}"):
            findings["saturated input"] = (
                f"some inputs have saturated pixels (share of the field of view: {saturated}), which are brighter than "
                "they say and count as unknown: do not rely on the image there, and say with map.meta['degepoch'] = "
                "'launch' of an input whose loss of sensitivity has been corrected already, since it saturates at more"
            )
        if impossible := _listed(self.impossible, bool, "{} pixels"):
            findings["impossible input"] = (
                f"some inputs have numbers that AIA cannot have recorded ({impossible}), as files have for missing "
                "pixels; they count as unknown: check how the files were read"
            )
        if filled := _listed(self.filled, bool, "{:.1%}"):
            findings["constant pixels"] = (
                f"some inputs have numbers on the disk that seem to stand for missing ones ({filled}), since they are "
                "the same in many pixels: mask them, or take images of another time"
            )
        if qualities := _listed(self.qualities, bool, "{}"):
            findings["quality"] = f"some inputs may be wrong ({qualities}): take images of another time"
        if coarse := _listed(self.coarseness, lambda ratio: ratio > _COARSE, "{:.1f} times"):
            findings["coarse input"] = (
                f"some inputs resolve less than the model's grid ({coarse}), so fine structure in the image is "
                "smoothed away or guessed: do not rely on it, or take images that resolve more"
            )
        if factors := _listed(self.factors, lambda factor: not 1 / _FACTOR <= factor <= _FACTOR, "{:.2g} times"):
            findings["input level"] = (
                f"the disk has another brightness than in training ({factors}): check the inputs' units and exposure "
                f"times, and {_CORRECTED if self.corrections else _UNCORRECTED}"
            )
        if unknown := {
            band: "left as taken" if correction.divisor is None else "scaled to the level of training"
            for band, correction in self.corrections.items()
            if not correction.known
        }:
            findings["unknown level"] = (
                f"the level of some inputs is not known ({_listed(unknown, bool, '{}')}), since "
                f"{self.corrections[min(unknown)].text}: {self.corrections[min(unknown)].advice}"
            )
        if bands := [band for band, correction in self.corrections.items() if correction.extrapolated]:
            findings["extrapolated level"] = (
                f"some inputs ({', '.join(str(get_passband(band)) for band in bands)}) are brought "
                f"{self.corrections[bands[0]].text}: {self.corrections[bands[0]].advice}"
            )
        if partial := _listed(self.known, lambda share: share < _PARTIAL, "{:.0%}"):
            findings["partial input"] = (
                f"some inputs are known in less than half of the first one's field of view ({partial}): give first the "
                "image whose field of view matters"
            )
        return findings | super()._findings()

    def header(self) -> dict[str, Any]:
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "no known objection", or "caution" and why. ``INPUTS`` are the passbands given, in
            angstrom, and ``SATURATE`` those of them with saturated pixels in the field of view. ``BADPIX`` is how many
            pixels of all inputs have numbers that AIA cannot have recorded. These two are missing where there is none.
            ``COARSE`` is how many times less than the model's grid the coarsest input resolves. ``NTRAIN`` is
            `training_images`, and missing where the model does not say.
        """
        entries = super().header() | {"inputs": " ".join(map(str, self.known))}
        if self.saturated:
            entries["saturate"] = " ".join(map(str, self.saturated))
        if self.impossible:
            entries["badpix"] = sum(self.impossible.values())
        if self.coarseness:
            entries["coarse"] = round(max(self.coarseness.values()), 3)
        return entries


def _listed(values: Mapping[int, Any], concerning: Callable[[Any], object], form: str) -> str:
    """What concerns of the passbands' values, in words."""
    return ", ".join(
        f"{get_passband(band)}: {form.format(value)}" for band, value in values.items() if concerning(value)
    )


def assess(field: "PreparedField", model: "FieldModel", passbands: Sequence[Passband]) -> dict[Passband, FieldValidity]:
    """
    Find out what there is to say against images before they are made of a magnetogram.

    Parameters
    ----------
    field : PreparedField
    model : FieldModel
    passbands : sequence of Passband
        Those that the model has.

    Returns
    -------
    dict
        For every passband its `FieldValidity`.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.passbands import get_passband
    >>> from sunpy_mag2euv.preparation import prepare
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> from sunpy_mag2euv.validity import assess
    >>> model = mag2euv.load_model()
    >>> field = prepare(sample_magnetogram(size=1024), model.grid)
    >>> reports = assess(field, model, model.passbands)
    >>> reports[get_passband(193)].header()["validity"]
    'no known objection'
    """
    disk = model.grid.radius < 1
    # A model of two scales tells strong fields apart in blocks only.
    values, known = (block_means(plane, model.block) for plane in (field.values, field.known & disk))
    common = {
        "strong": _share(np.abs(values) > model.strongest_field, known == 1),
        "strongest_field": model.strongest_field,
        "off_limb": _share(~disk, field.known & model.valid),
        "on_hmi_scale": field.on_hmi_scale,
        "coarseness": field.coarseness,
        "view": float(np.sqrt(np.count_nonzero(field.known & disk)) / model.grid.solar_radius * _SOLAR_RADIUS),
        "reach": reach(model.planes),
        "impossible": field.impossible,
        "objections": field.objections,
        "source": field.source,
        "kind": field.kind,
        "trained_kind": model.field_kind,
        **_levels(field, model.grid),
    }
    return {passband: FieldValidity(**common, **_of_training(model, passband)) for passband in passbands}


def _levels(field: "PreparedField", grid: Grid) -> dict[str, Any]:
    """Zero level and strengths of a field, as attributes of `FieldValidity`."""
    # There is no field at the limb that could be told from noise.
    disk = grid.radius < 0.9
    block = max(1, round(grid.solar_radius / _COARSE_RADIUS))
    while any(size % block for size in grid.shape):
        block -= 1
    seen = block_means(field.known & disk, block) == 1
    values = block_means(field.values, block)[seen]
    if len(values) < _SOME or field.coarseness * _COARSE_RADIUS / grid.solar_radius > _COARSE:
        return {}
    # Large parts of the Sun have as much of both polarities.
    zero = float(np.median(values)) if _share(field.known, disk) >= _LARGE else None
    strength = np.abs(values - (zero or 0))
    return {
        "zero_level": zero,
        "mean_strength": float(strength.mean()),
        "median_strength": float(np.median(strength)),
    }


def assess_images(
    images: "PreparedImages", model: "ImageModel", passbands: Sequence[Passband]
) -> dict[Passband, ImageValidity]:
    """
    Find out what there is to say against images before they are made of others.

    Parameters
    ----------
    images : PreparedImages
    model : ImageModel
    passbands : sequence of Passband
        Those that the model has.

    Returns
    -------
    dict
        For every passband its `ImageValidity`.
    """
    disk, seen = model.grid.radius < 1, images.seen & model.valid
    values = {band: images.values[band] for band in sorted(images.values)}
    known = {band: np.isfinite(image) for band, image in values.items()}
    nowhere = np.zeros(model.grid.shape, dtype=bool)
    saturated = {band: images.saturated.get(band, nowhere) for band in values}
    common: dict[str, Any] = {
        "known": {band: _share(known[band], seen) for band in values},
        # Saturated pixels are not known, but bright.
        "bright": {
            band: _share(
                (image >= model.input_scalings[band].high) | saturated[band],
                disk & images.seen & (known[band] | saturated[band]),
            )
            for band, image in values.items()
        },
        "factors": {
            band: level / model.levels[band]
            for band, image in values.items()
            if band in model.levels and (level := disk_level(image, model.grid)) is not None
        },
        "corrections": _ascending(images.corrections),
        "saturated": {band: share for band in values if (share := _share(saturated[band], seen)) > 0},
        "impossible": _ascending(images.impossible),
        "coarseness": _ascending(images.coarseness),
        "qualities": _ascending(images.qualities),
        "filled": _ascending(images.filled),
    }
    return {passband: ImageValidity(**common, **_of_training(model, passband)) for passband in passbands}


def _ascending(values: Mapping[int, Any]) -> dict[int, Any]:
    """What is known of passbands, in their order."""
    return {band: values[band] for band in sorted(values)}


def disk_level(image: npt.NDArray, grid: Grid) -> float | None:
    """
    Find the level of an image.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Shape ``grid.shape``, NaN where unknown.
    grid : Grid

    Returns
    -------
    float or None
        Its median on the disk, None if less than nine tenths of the disk are known.
    """
    disk, known = grid.radius < 1, np.isfinite(image)
    return float(np.median(image[disk & known])) if _share(known, disk) >= _WHOLE else None


def _of_training(model: "Model", passband: Passband) -> dict[str, Any]:
    """What every model's record says of a passband, as attributes of `Validity`."""
    caveat = model.caveats.get(passband.angstrom)
    return {
        "training_images": model.training_images.get(passband.angstrom),
        "caveat": None if caveat is None else f"{passband}: {caveat}",
    }


def _share(part: npt.NDArray, whole: npt.NDArray) -> float:
    """How much of ``whole`` is ``part``, both boolean images; 0 of nothing."""
    return float(np.count_nonzero(part & whole) / max(int(np.count_nonzero(whole)), 1))
