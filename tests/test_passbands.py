import numpy as np
import pytest

import astropy.units as u

from sunpy_mag2euv.passbands import PASSBANDS, Passband, get_passband


@pytest.mark.parametrize(
    "given",
    [
        193,
        193.0,
        np.int16(193),
        "193",
        " 193 ",
        193 * u.angstrom,
        19.3 * u.nm,
        1.93e-8 * u.m,
        np.array(193),
        PASSBANDS[193],
    ],
    ids=repr,
)
def test_ways_to_say_193(given):
    assert get_passband(given) is PASSBANDS[193]


def test_passbands_are_those_of_the_papers():
    assert list(PASSBANDS) == [94, 131, 171, 193, 211, 304, 335, 1600, 1700]
    for angstrom, passband in PASSBANDS.items():
        assert get_passband(angstrom) is passband
        assert passband.wavelength == angstrom * u.AA
        assert str(passband) == f"{angstrom} Å"
    hot = max(PASSBANDS.values(), key=lambda passband: passband.log_temperature[-1])
    cool = min(PASSBANDS.values(), key=lambda passband: passband.log_temperature[0])
    assert (hot.angstrom, cool.angstrom) == (193, 1700)
    assert PASSBANDS[171].log_temperature == (5.8,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (4500, "no AIA passband 4500; choose one of 94, 131, 171, 193, 211, 304, 335, 1600, 1700, in angstrom"),
        (-193, "no AIA passband -193"),
        (193.4, "no AIA passband 193.4"),
        (float("nan"), "no AIA passband nan"),
        (10**400, "no AIA passband 1000"),
        ("94 Å", "such as 193, '193' or 193 \\* u.angstrom; got '94 Å'"),
        ("iron", "got 'iron'"),
        ("", "got ''"),
        (193 * u.nm, r"no AIA passband 193.0 nm \(1930 Å\)"),
        (4500 * u.AA, "no AIA passband 4500.0 Angstrom; choose"),
        (193 * u.s, "one wavelength, such as 193 \\* u.angstrom"),
        (193 * u.dimensionless_unscaled, "one wavelength"),
        ([171, 193] * u.AA, "one wavelength"),
    ],
)
def test_no_such_passband(given, message):
    with pytest.raises(ValueError, match=message):
        get_passband(given)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, "NoneType"),
        (True, "bool"),
        ([193], "list"),
        ({193}, "set"),
        (193j, "complex"),
        (np.array([171, 193]), "ndarray"),
    ],
)
def test_nothing_that_names_a_passband(given, kind):
    with pytest.raises(TypeError, match=f"a passband must be a channel .* got a? ?{kind}"):
        get_passband(given)


def test_passband_is_a_constant():
    with pytest.raises(AttributeError):
        PASSBANDS[193].angstrom = 195
    assert Passband(193, "Fe XII, Fe XXIV", (6.2, 7.3)) == PASSBANDS[193]
