"""
Validity: what there is to say against a synthetic image.

A network answers whatever it is asked. Whether it has learnt to answer that can be told from what it is given and from
the model's record alone, so the report is there before the network runs. It ends up in the image's header, and in
warnings where it matters.
"""

from dataclasses import dataclass, field

import numpy as np

from sunpy_mag2euv.passbands import get_passband
from sunpy_mag2euv.planes import block_means
from sunpy_mag2euv.sensitivity import Correction

__all__ = ["FieldValidity", "ImageValidity", "Validity", "assess", "assess_images", "disk_level"]

#: From this share of the disk on, fields stronger than in training matter. In training it is one pixel in ten thousand;
#: the most active days have four times that. Ten times is the area of a large sunspot group: a Sun that training hardly
#: knew, or a wrong unit or scale. A cutout of an active region gets there sooner, and more of it is in doubt, too.
_STRONG = 1e-3

#: The same for pixels brighter than in training, where the brightest image has three in ten thousand.
_BRIGHT = 1e-3

#: From this share of the image on, it matters that pixels are off the limb. A full disk has less: 0.36 for a model that
#: has learnt to 1.25 solar radii. More means a cutout that hardly shows where the light comes from.
_OFF_LIMB = 0.5

#: From this ratio on, it matters that a magnetogram resolves less than the grid. One with the grid's own pixels has 1,
#: and that of one telescope changes by 3 per cent through the year, as the Sun's apparent size does.
_COARSE = 1.1

#: From this factor on, either way, it matters that an image has another brightness than those trained on. The solar
#: cycle makes up for less; AIA's loss of sensitivity, or a wrong unit or exposure time, for more.
_FACTOR = 3

#: What can be done about the level where a model does not say which epoch of AIA's sensitivity it learnt from, so that
#: inputs are taken as they are, and where it does.
_UNCORRECTED = "correct the loss of AIA's sensitivity with aiapy.calibrate.correct_degradation"
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

    def _findings(self):
        """Concerns, each with what users should be warned of, or None if they have been."""
        return {} if self.caveat is None else {"scarce passband": self.caveat}

    @property
    def concerns(self):
        """Why to be cautious, in a word or two each; empty if nothing is known against the image."""
        return tuple(self._findings())

    def warnings(self):
        """
        What users should be warned of, a sentence for each concern.

        Of an unknown instrument, `~sunpy_mag2euv.preparation.prepare` has warned already.

        Returns
        -------
        list of str
        """
        return [sentence for sentence in self._findings().values() if sentence is not None]

    def header(self):
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "good", or "caution" and why. ``NTRAIN`` is `training_images`, and missing where the
            model does not say.
        """
        entries = {"validity": f"caution: {', '.join(self.concerns)}" if self.concerns else "good"}
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

    Notes
    -----
    The other attributes are those of `Validity`.
    """

    strong: float
    strongest_field: float
    off_limb: float
    on_hmi_scale: bool
    coarseness: float

    def _findings(self):
        findings = {}
        if self.strong > _STRONG:
            findings["strong field"] = (
                f"the field is above {self.strongest_field:.0f} G, stronger than in training, in "
                f"{100 * self.strong:.1f} per cent of the disk in view: check the magnetogram's unit, and do not rely "
                "on the image where the field is that strong"
            )
        if self.off_limb > _OFF_LIMB:
            findings["off limb"] = (
                f"{100 * self.off_limb:.0f} per cent of the image lies off the limb, where there is no field to answer "
                "to: take a magnetogram that shows more of the disk"
            )
        if self.coarseness > _COARSE:
            findings["coarse input"] = (
                f"the magnetogram resolves {self.coarseness:.1f} times less than the model's grid, so fine structure "
                "in the image is smoothed away or guessed: do not rely on it, or take a magnetogram that resolves more"
            )
        if not self.on_hmi_scale:
            findings["unknown instrument"] = None
        return findings | super()._findings()

    def header(self):
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "good", or "caution" and why. ``OFFLIMB``, ``HMISCALE`` and ``COARSE`` are the
            attributes `off_limb`, `on_hmi_scale` and `coarseness`; ``STRONG``, ``MAXFIELD`` and ``NTRAIN`` are
            `strong`, `strongest_field` and `training_images`, and missing where the model does not say.
        """
        entries = super().header() | {
            "offlimb": round(self.off_limb, 6),
            "hmiscale": self.on_hmi_scale,
            "coarse": round(self.coarseness, 3),
        }
        if np.isfinite(self.strongest_field):
            entries |= {"strong": round(self.strong, 6), "maxfield": float(self.strongest_field)}
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
        For every passband given, the share of the disk's known pixels in the field of view that are as bright as images
        trained on can be, or brighter.
    factors : dict
        For every passband given whose image shows the whole disk, the disk's median over that of the images trained on,
        if the model says what that is.
    corrections : dict
        For every passband given that was brought to an epoch of AIA's sensitivity, how, see
        `~sunpy_mag2euv.translation.bring_to_epochs`.

    Notes
    -----
    The other attributes are those of `Validity`.
    """

    known: dict[int, float]
    bright: dict[int, float]
    factors: dict[int, float]
    corrections: dict[int, Correction] = field(default_factory=dict)

    def _findings(self):
        findings = {}
        if bright := _listed(self.bright, lambda share: share > _BRIGHT, "{:.1%}"):
            findings["bright input"] = (
                f"there is more light than in training, as in flares, in part of the disk in view ({bright}): check "
                "the inputs' units and exposure times, and do not rely on the image where they are that bright"
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

    def header(self):
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "good", or "caution" and why. ``INPUTS`` are the passbands given, in angstrom.
            ``NTRAIN`` is `training_images`, and missing where the model does not say.
        """
        return super().header() | {"inputs": " ".join(map(str, self.known))}


def _listed(values, concerning, form):
    """What concerns of the passbands' values, in words."""
    return ", ".join(
        f"{get_passband(band)}: {form.format(value)}" for band, value in values.items() if concerning(value)
    )


def assess(field, model, passband):
    """
    Find out what there is to say against an image before it is made of a magnetogram.

    Parameters
    ----------
    field : PreparedField
    model : FieldModel
    passband : Passband
        One that the model has.

    Returns
    -------
    FieldValidity

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.passbands import get_passband
    >>> from sunpy_mag2euv.preparation import prepare
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> from sunpy_mag2euv.validity import assess
    >>> model = mag2euv.load_model()
    >>> field = prepare(sample_magnetogram(size=1024), model.grid)
    >>> assess(field, model, get_passband(193)).header()["validity"]
    'good'
    """
    disk = model.grid.radius < 1
    # A model of two scales tells strong fields apart in blocks only.
    values, known = (block_means(plane, model.block) for plane in (field.values, field.known & disk))
    return FieldValidity(
        strong=_share(np.abs(values) > model.strongest_field, known == 1),
        strongest_field=model.strongest_field,
        off_limb=_share(~disk, field.known & model.valid),
        on_hmi_scale=field.on_hmi_scale,
        coarseness=field.coarseness,
        **_of_training(model, passband),
    )


def assess_images(images, model, passband):
    """
    Find out what there is to say against an image before it is made of others.

    Parameters
    ----------
    images : PreparedImages
    model : ImageModel
    passband : Passband
        One that the model has.

    Returns
    -------
    ImageValidity
    """
    disk = model.grid.radius < 1
    values = {band: images.values[band] for band in sorted(images.values)}
    known = {band: np.isfinite(image) for band, image in values.items()}
    return ImageValidity(
        known={band: _share(known[band], images.seen & model.valid) for band in values},
        bright={
            band: _share(image >= model.input_scalings[band].high, disk & images.seen & known[band])
            for band, image in values.items()
        },
        factors={
            band: level / model.levels[band]
            for band, image in values.items()
            if band in model.levels and (level := disk_level(image, model.grid)) is not None
        },
        corrections={band: images.corrections[band] for band in sorted(images.corrections)},
        **_of_training(model, passband),
    )


def disk_level(image, grid):
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


def _of_training(model, passband):
    """What every model's record says of a passband, as attributes of `Validity`."""
    caveat = model.caveats.get(passband.angstrom)
    return {
        "training_images": model.training_images.get(passband.angstrom),
        "caveat": None if caveat is None else f"{passband}: {caveat}",
    }


def _share(part, whole):
    """How much of ``whole`` is ``part``, both boolean images; 0 of nothing."""
    return float(np.count_nonzero(part & whole) / max(np.count_nonzero(whole), 1))
