"""How deviations grow with the age of the field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_mag2euv.ageing import widening
from sunpy_mag2euv.passbands import PASSBANDS, get_passband


@given(age=st.floats(-400, 400), radius=st.floats(0, 1.3), angstrom=st.sampled_from(sorted(PASSBANDS)))
def test_bounds(age, radius, angstrom):
    passband = get_passband(angstrom)
    factor = widening(np.array([age]), np.array([radius]), passband)
    assert factor.dtype == np.float32
    assert 1 <= factor[0] <= np.sqrt(1 + 3.9)
    assert factor[0] == widening(np.array([-age]), np.array([radius]), passband)[0]
    # Older is never better, and at the limb training had older fields.
    assert widening(np.array([abs(age) + 1]), np.array([radius]), passband)[0] >= factor[0]
    assert widening(np.array([age]), np.array([min(radius + 0.1, 1.3)]), passband)[0] <= factor[0]


def test_as_in_training():
    """In a chart of a rotation seen in its time, fields are as old as training had them."""
    for angle in (0, 30, 60, 90):
        factor = widening(np.array([angle / 13.2]), np.array([np.sin(np.radians(angle))]), get_passband(193))
        assert factor == pytest.approx(1, abs=1e-6)


def test_what_was_measured():
    """A rotation later, at the centre of the disk: mean squared errors in 171 and 304 Å, by hand."""
    for angstrom, growth in ((171, 1.72), (304, 0.69)):
        factor = widening(np.array([27.0]), np.array([0.0]), get_passband(angstrom))
        assert factor**2 == pytest.approx(1 + growth * 0.6059, rel=1e-3)


def test_every_passband_has_one():
    for passband in PASSBANDS.values():
        assert widening(np.array([55.0]), np.array([0.0]), passband) > 1.2
