"""Made-up AIA images of one Sun, in any geometry."""

import functools

import numpy as np

import sunpy.map


def sun(x, y):
    """A Sun in DN/s, as a function of places in solar radii, with network, regions and a coronal hole."""
    r = np.hypot(x, y)
    network = 1 + 0.3 * np.sin(40 * x + np.sin(9 * y)) * np.sin(35 * y + np.cos(7 * x))
    regions = sum(
        peak * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 2 / size**2)
        for x0, y0, size, peak in ((0.4, 0.3, 0.06, 15), (-0.5, -0.25, 0.08, 9), (0.1, -0.4, 0.03, 20))
    )
    hole = 1 - 0.9 / (1 + np.exp((np.hypot(x + 0.2, y - 0.5) - 0.2) / 0.02))
    return 100 * (network * hole + regions) * np.where(r < 1, 1, np.exp(-8 * (r - 1)))


@functools.cache
def make_aia(
    sun=sun,
    *,
    size=256,
    radius=98.0,
    roll=0.0,
    center=(0.0, 0.0),
    date="2014-01-15T00:00:00",
    exposure=2.0,
    unit="DN",
    longitude=0.0,
    wavelength=193,
    **keywords,
):
    """
    Make an AIA image up, with the keywords of level 1.5.

    The Sun has ``radius`` pixels and is ``center`` pixels from the middle of ``size`` (rows, columns), turned by
    ``roll`` degrees as CROTA2 counts it. Pixels are means of 2 by 2 points. Without unit if that is None.
    """
    rows, columns = (size, size) if np.isscalar(size) else size
    distance = 1.471e11
    scale = np.degrees(np.arcsin(696e6 / distance)) * 3600 / radius
    header = {
        "telescop": "SDO/AIA",
        "instrume": "AIA_2",
        "lvl_num": 1.5,
        "wavelnth": wavelength,
        "waveunit": "angstrom",
        "pixlunit": unit,
        "exptime": exposure,
        "date-obs": date,
        "t_obs": date,
        "ctype1": "HPLN-TAN",
        "ctype2": "HPLT-TAN",
        "cunit1": "arcsec",
        "cunit2": "arcsec",
        "crval1": 0.0,
        "crval2": 0.0,
        "crpix1": (columns + 1) / 2 + center[0],
        "crpix2": (rows + 1) / 2 + center[1],
        "cdelt1": scale,
        "cdelt2": scale,
        "crota2": roll,
        "rsun_ref": 696e6,
        "dsun_obs": distance,
        "hgln_obs": longitude,
        "hglt_obs": -4.5,
    }
    row, column = ((np.arange(2 * number) + 0.5) / 2 - 0.5 for number in (rows, columns))
    u_, v = np.meshgrid(column - (columns - 1) / 2 - center[0], row - (rows - 1) / 2 - center[1])
    sin, cos = np.sin(np.radians(roll)), np.cos(np.radians(roll))
    image = sun((cos * u_ - sin * v) / radius, (sin * u_ + cos * v) / radius)
    image = image.reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    if unit == "DN":
        image = image * (exposure or 1.0)
    header |= keywords
    return sunpy.map.Map(image, {key: value for key, value in header.items() if value is not None})
