"""
Validity: what there is to say against a synthetic image.

A network answers whatever it is asked. Whether it has learnt to answer that can be told from the field and from the
model's record alone, so the report is there before the network runs. It ends up in the image's header, and in warnings
where it matters.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Validity", "assess"]

#: From this share of the disk on, fields stronger than in training matter. In training it is one pixel in ten thousand;
#: the most active days have four times that. Ten times is the area of a large sunspot group: a Sun that training hardly
#: knew, or a wrong unit or scale. A cutout of an active region gets there sooner, and more of it is in doubt, too.
_STRONG = 1e-3

#: From this share of the image on, it matters that pixels are off the limb. A full disk has less: 0.36 for a model that
#: has learnt to 1.25 solar radii. More means a cutout that hardly shows where the light comes from.
_OFF_LIMB = 0.5


@dataclass(frozen=True)
class Validity:
    """
    What there is to say against one image.

    Attributes
    ----------
    strong : float
        Share of the disk's known pixels in which the field is stronger than ``strongest_field``.
    strongest_field : float
        In gauss on HMI's scale; what the fields trained on hardly ever exceed, infinite if the model does not say.
    off_limb : float
        Share of the image's pixels with values that lie off the limb, where there is no field to answer to.
    on_hmi_scale : bool
        Whether the magnetograph's field scale is known, see `~sunpy_mag2euv.preparation.MAGNETOGRAPHS`.
    training_images : int or None
        How many images of the passband the model was trained on, if it says so.
    caveat : str or None
        The passband and what the model has to say against it: that the training images are too few.
    """

    strong: float
    strongest_field: float
    off_limb: float
    on_hmi_scale: bool
    training_images: int | None
    caveat: str | None

    @property
    def concerns(self):
        """Why to be cautious, in a word or two each; empty if nothing is known against the image."""
        concerns = {
            "strong field": self.strong > _STRONG,
            "off limb": self.off_limb > _OFF_LIMB,
            "unknown instrument": not self.on_hmi_scale,
            "scarce passband": self.caveat is not None,
        }
        return tuple(concern for concern, given in concerns.items() if given)

    def warnings(self):
        """
        What users should be warned of, a sentence each.

        Of an unknown instrument, `~sunpy_mag2euv.preparation.prepare` has warned already.

        Returns
        -------
        list of str
        """
        sentences = {
            "strong field": (
                f"the field is above {self.strongest_field:.0f} G, stronger than in training, in "
                f"{100 * self.strong:.1f} per cent of the disk in view: check the magnetogram's unit, and do not rely "
                "on the image where the field is that strong"
            ),
            "off limb": (
                f"{100 * self.off_limb:.0f} per cent of the image lies off the limb, where there is no field to answer "
                "to: take a magnetogram that shows more of the disk"
            ),
            "scarce passband": self.caveat,
        }
        return [sentences[concern] for concern in self.concerns if concern in sentences]

    def header(self):
        """
        The report in keywords that FITS files can hold.

        Returns
        -------
        dict
            ``VALIDITY`` sums up: "good", or "caution" and why. ``OFFLIMB`` and ``HMISCALE`` are the attributes
            `off_limb` and `on_hmi_scale`; ``STRONG``, ``MAXFIELD`` and ``NTRAIN`` are `strong`, `strongest_field` and
            `training_images`, and missing where the model does not say.
        """
        entries = {
            "validity": f"caution: {', '.join(self.concerns)}" if self.concerns else "good",
            "offlimb": round(self.off_limb, 6),
            "hmiscale": self.on_hmi_scale,
        }
        if np.isfinite(self.strongest_field):
            entries |= {"strong": round(self.strong, 6), "maxfield": float(self.strongest_field)}
        if self.training_images is not None:
            entries["ntrain"] = self.training_images
        return entries


def assess(field, model, passband):
    """
    Find out what there is to say against an image before it is made.

    Parameters
    ----------
    field : PreparedField
    model : Model
    passband : Passband
        One that the model has.

    Returns
    -------
    Validity

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.passbands import get_passband
    >>> from sunpy_mag2euv.preparation import prepare
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> from sunpy_mag2euv.validity import assess
    >>> model = mag2euv.load_model()
    >>> field = prepare(sample_magnetogram(size=256), model.grid)
    >>> assess(field, model, get_passband(193)).header()["validity"]
    'good'
    """
    disk = model.grid.radius < 1
    caveat = model.caveats.get(passband.angstrom)
    return Validity(
        strong=_share(np.abs(field.values) > model.strongest_field, disk & field.known),
        strongest_field=model.strongest_field,
        off_limb=_share(~disk, field.known & model.valid),
        on_hmi_scale=field.on_hmi_scale,
        training_images=model.training_images.get(passband.angstrom),
        caveat=None if caveat is None else f"{passband}: {caveat}",
    )


def _share(part, whole):
    """How much of ``whole`` is ``part``, both boolean images; 0 of nothing."""
    return float(np.count_nonzero(part & whole) / max(np.count_nonzero(whole), 1))
