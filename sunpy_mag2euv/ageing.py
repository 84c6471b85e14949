"""
Ageing: how much less is known of a corona whose field was seen some time ago.

A chart shows each place as it was when it was last seen. What has emerged and decayed since then is not in it, so that
images made of it are farther off than the model says of fields as old as those that it was trained on.
"""

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.passbands import Passband

__all__ = ["LONGEST", "widening"]

#: By how much the mean squared error grows in the end, as a part of what it is for a field of no age. Measured for
#: shared-browse in the six passbands of which there are sequences of days, on the pairs of images and fields that the
#: packaged weights were trained and tested on, with fields that are 27 and 55 days away; what is between, such as 7 to
#: 20 days, is interpolated by the law below. Uncertain by a quarter: on the rotations that were left for tests alone,
#: it is 21 to 25 per cent less.
_GROWTH = {94: 2.84, 131: 2.54, 171: 1.72, 193: 2.29, 211: 3.89, 304: 0.69}

#: The same for passbands without sequences, which were not measured: 335 Å as 94 Å, since both show hot plasma, and the
#: ultraviolet as 304 Å, which is of the chromosphere, too.
_BY_ANALOGY = {335: 2.8, 1600: 0.7, 1700: 0.7}

#: In days: the time after which a growth of 1 − 1/e of that is reached.
_LIFETIME = 29

#: By how many degrees the Sun turns in a day, seen from Earth. In the charts of rotations that the packaged weights
#: were trained on, a field is as old as it takes to be where it is in the view.
_TURN = 13.2

#: In days; the greatest age at which the growth was measured.
LONGEST = 55


def widening(ages: npt.NDArray, radius: npt.NDArray, passband: Passband) -> npt.NDArray:
    """
    Tell by what standard deviations have to be multiplied for the age of the field.

    Parameters
    ----------
    ages : `~numpy.ndarray`
        In days, of either sign.
    radius : `~numpy.ndarray`
        Distance from the disk's centre in solar radii.
    passband : Passband

    Returns
    -------
    `~numpy.ndarray`
        At least 1, float32.

    Notes
    -----
    The square root of ``Q(age) / Q(a0)``, where ``Q(a) = 1 + A (1 − exp(−a / 29 d))`` is how the mean squared error
    grows, and ``a0 = arcsin(radius) / (13.2° / d)`` the age that fields had in training at that distance from the
    disk's centre, for which the standard deviations are right as they are.
    """
    growth = (_GROWTH | _BY_ANALOGY)[passband.angstrom]
    usual = np.degrees(np.arcsin(np.minimum(radius, 1))) / _TURN
    ratio = _squared_error(np.abs(ages), growth) / _squared_error(usual, growth)
    return np.sqrt(np.maximum(ratio, 1)).astype(np.float32)


def _squared_error(age: npt.NDArray, growth: float) -> npt.NDArray:
    """Mean squared error at an age in days, as a multiple of that at none."""
    return 1 - growth * np.expm1(-age / _LIFETIME)
