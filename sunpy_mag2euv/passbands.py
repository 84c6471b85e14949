"""The nine AIA passbands that the papers and this package work with."""

from dataclasses import dataclass
from typing import TypeAlias

import astropy.units as u

__all__ = ["PASSBANDS", "Passband", "PassbandLike", "get_passband"]


@dataclass(frozen=True)
class Passband:
    """
    Facts about one AIA passband.

    Attributes
    ----------
    angstrom : int
        Central wavelength in angstrom, which is also the channel's usual name.
    ion : str
        Main contributors to the signal.
    log_temperature : tuple of float
        Characteristic log10 T [K] of the emitting plasma.

    References
    ----------
    Lemen et al. 2012, Sol. Phys. 275, 17, Table 1, doi:10.1007/s11207-011-9776-8
    """

    angstrom: int
    ion: str
    log_temperature: tuple[float, ...]

    @property
    def wavelength(self) -> u.Quantity:
        """Central wavelength as a `~astropy.units.Quantity`."""
        return self.angstrom * u.angstrom

    def __str__(self) -> str:
        return f"{self.angstrom} Å"


#: What names a passband, see `get_passband`.
PassbandLike: TypeAlias = int | str | u.Quantity | Passband

#: The passbands by their channel number in angstrom.
PASSBANDS = {
    band.angstrom: band
    for band in (
        Passband(94, "Fe XVIII", (6.8,)),
        Passband(131, "Fe VIII, Fe XXI", (5.6, 7.0)),
        Passband(171, "Fe IX", (5.8,)),
        Passband(193, "Fe XII, Fe XXIV", (6.2, 7.3)),
        Passband(211, "Fe XIV", (6.3,)),
        Passband(304, "He II", (4.7,)),
        Passband(335, "Fe XVI", (6.4,)),
        Passband(1600, "C IV, continuum", (5.0,)),
        Passband(1700, "continuum", (3.7,)),
    )
}


def get_passband(passband: PassbandLike) -> Passband:
    """
    Look a passband up by its channel number or wavelength.

    Parameters
    ----------
    passband : int, str, `~astropy.units.Quantity` or `Passband`
        ``193``, ``"193"`` and ``193 * u.angstrom`` are the same passband. A bare number is a channel label in angstrom.

    Returns
    -------
    Passband

    Raises
    ------
    TypeError
        If ``passband`` is none of the accepted types.
    ValueError
        If there is no such passband, or a quantity is not a wavelength.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_mag2euv.passbands import get_passband
    >>> get_passband(19.3 * u.nm).ion
    'Fe XII, Fe XXIV'
    """
    if isinstance(passband, Passband):
        return passband
    if isinstance(passband, u.Quantity):
        if not (passband.isscalar and passband.unit.is_equivalent(u.angstrom)):
            raise ValueError(
                f"a passband given with a unit must be one wavelength, such as 193 * u.angstrom; got {passband!r}"
            )
        number = passband.to_value(u.angstrom)
    elif isinstance(passband, bool):
        raise TypeError("a passband must be a channel such as 193, '193' or 193 * u.angstrom; got a bool")
    else:
        try:
            number = float(passband)
        except OverflowError:
            number = float("inf")
        except (TypeError, ValueError):
            kind = repr(passband) if isinstance(passband, str) else type(passband).__name__
            error = ValueError if isinstance(passband, str) else TypeError
            raise error(f"a passband must be a channel such as 193, '193' or 193 * u.angstrom; got {kind}") from None
    for angstrom, band in PASSBANDS.items():
        if abs(number - angstrom) < 1e-6:
            return band
    hint = f" ({number:g} Å)" if isinstance(passband, u.Quantity) and passband.unit != u.angstrom else ""
    known = ", ".join(str(angstrom) for angstrom in PASSBANDS)
    raise ValueError(f"there is no AIA passband {passband}{hint}; choose one of {known}, in angstrom")
