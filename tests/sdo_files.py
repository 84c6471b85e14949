"""FITS files with the headers of the archives', for the tests of the training data."""

import functools
import warnings

import numpy as np

import astropy.units as u
from astropy.coordinates import HeliocentricMeanEcliptic
from astropy.io import fits
from astropy.table import QTable
from astropy.time import Time
from sunpy.coordinates import get_earth

RSUN = 696e6


def solar_radius(observer):
    """In arcsec."""
    return np.degrees(np.arcsin(RSUN / observer.radius.to_value(u.m))) * 3600


@functools.cache
def _earth(time):
    """Where it was, in coordinates and as the headers' HAE axes; asked again and again for the same times."""
    earth = get_earth(Time(time))
    return earth, earth.transform_to(HeliocentricMeanEcliptic(obstime=Time(time))).cartesian.xyz.to_value(u.m)


def hmi_header(time, *, size=128, quality=0, **keywords):
    """As ``hmi.M_720s`` comes: upside down, times in TAI, BUNIT and BLANK spelt as the JSOC spells them."""
    time = Time(time)
    earth, _ = _earth(time.utc.isot)
    radius = solar_radius(earth)
    scale = radius / (0.46 * size)
    middle = (size + 1) / 2
    header = {
        "TELESCOP": "SDO/HMI", "INSTRUME": "HMI_SIDE1", "CAMERA": 1, "WAVELNTH": 6173.0, "CONTENT": "MAGNETOGRAM",
        "BUNIT": "Gauss", "QUALITY": quality,
        "T_OBS": time.tai.strftime("%Y.%m.%d_%H:%M:%S_TAI"), "T_REC": time.tai.strftime("%Y.%m.%d_%H:%M:00_TAI"),
        "DATE-OBS": (time - 82 * u.s).utc.isot[:22],
        "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
        "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": middle + 0.4, "CRPIX2": middle - 0.3,
        "CDELT1": scale, "CDELT2": scale, "CROTA2": 179.93,
        "DSUN_OBS": earth.radius.to_value(u.m), "RSUN_REF": RSUN, "RSUN_OBS": radius,
        "CRLN_OBS": 0.0, "CRLT_OBS": earth.lat.to_value(u.deg),
    }  # fmt: skip
    return header | keywords


def aia_header(
    time, passband=171, *, size=128, level=1.0, quality=0, exposure=2.0, rotation=0.0194, scale=None, **keywords
):
    """As ``aia.lev1_euv_12s`` comes: times in UTC, unit in PIXLUNIT, and what aiapy reads."""
    time = Time(time)
    earth, (haex, haey, haez) = _earth(time.utc.isot)
    middle = (size + 1) / 2
    scale = scale or 0.6 * 4096 / size
    header = {
        "TELESCOP": "SDO/AIA", "INSTRUME": "AIA_3", "WAVELNTH": passband, "WAVEUNIT": "angstrom",
        "WAVE_STR": f"{passband}_THIN", "LVL_NUM": level, "PIXLUNIT": "DN", "QUALITY": quality, "EXPTIME": exposure,
        "T_OBS": time.utc.isot[:22] + "Z", "T_REC": time.utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "DATE-OBS": (time - exposure / 2 * u.s).utc.isot[:22],
        "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
        "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": middle, "CRPIX2": middle, "X0_MP": middle - 1, "Y0_MP": middle - 1,
        "CDELT1": scale, "CDELT2": scale, "CROTA2": rotation, "SAT_ROT": 8.6e-5, "INST_ROT": 0.019327,
        "HAEX_OBS": haex, "HAEY_OBS": haey, "HAEZ_OBS": haez,
        "DSUN_OBS": earth.radius.to_value(u.m), "RSUN_REF": RSUN, "RSUN_OBS": solar_radius(earth),
        "HGLN_OBS": 0.0, "HGLT_OBS": earth.lat.to_value(u.deg), "CRLT_OBS": earth.lat.to_value(u.deg),
    }  # fmt: skip
    return header | keywords


def solar_coordinates(header, size):
    """Where each pixel is, (x west, y north) in apparent solar radii, by CRPIX, CDELT and CROTA2."""
    radius = np.degrees(np.arcsin(RSUN / header["DSUN_OBS"])) * 3600
    rows, columns = np.indices((size, size), dtype=np.float32)
    x = (columns + 1 - np.float32(header["CRPIX1"])) * np.float32(header["CDELT1"] / radius)
    y = (rows + 1 - np.float32(header["CRPIX2"])) * np.float32(header["CDELT2"] / radius)
    angle = np.radians(header["CROTA2"])
    return x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)


def write(path, data, header):
    """Write one image as the archives do, compressed and with a sum of the data; None leaves a keyword out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdu = fits.CompImageHDU(data)
        # Only afterwards, or else astropy takes BSCALE and BLANK for a mistake.
        for key, value in header.items():
            if value is not None:
                hdu.header[key] = value
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)
    return path


def write_hmi(path, time, *, size=128, field=None, **keywords):
    """A magnetogram in tenths of gauss as integers, BLANK off the limb; ``field`` is a function of (x, y)."""
    header = hmi_header(time, size=size, **keywords)
    x, y = solar_coordinates(header, size)
    noise = np.random.default_rng(int(Time(time).unix)).normal(0, 8, (size, size))
    values = noise if field is None else field(x, y)
    data = np.where(np.hypot(x, y) < 1, np.rint(values * 10), -(2**31)).astype(np.int32)
    return write(path, data, header | {"BSCALE": 0.1, "BZERO": 0.0, "BLANK": -(2**31)})


def write_aia(path, time, passband=171, *, size=128, image=None, **keywords):
    """An image in DN as integers; ``image`` is a function of (x, y)."""
    header = aia_header(time, passband, size=size, **keywords)
    x, y = solar_coordinates(header, size)
    noise = np.random.default_rng(int(Time(time).unix) + passband).poisson(100, (size, size))
    values = noise if image is None else image(x, y)
    return write(path, np.rint(values).astype(np.int16), header)


def pointing_table(start, *, x0, y0, scale, rotation, passbands=(171,)):
    """Two 3-hour entries of the master pointing table, of which the first holds ``start``."""
    start = Time(start)
    table = QTable({"T_START": start + [0, 3] * u.h, "T_STOP": start + [3, 6] * u.h})
    for band in passbands:
        table[f"A_{band:03}_X0"] = [x0, x0 + 99] * u.pix
        table[f"A_{band:03}_Y0"] = [y0, y0 + 99] * u.pix
        table[f"A_{band:03}_IMSCALE"] = [scale, scale] * u.arcsec / u.pix
        table[f"A_{band:03}_INSTROT"] = [rotation, rotation] * u.deg
    return table


def correction_table(passbands=(171,)):
    """Two epochs of the degradation table, with the columns of SSW's file."""
    rows = [
        (f"2020-01-0{number + 1}T00:00:00", start, stop, 10, f"{band}_THIN" if band < 1000 else str(band), band,
         area, float(band), p1, p2, 0.0)
        for band in passbands
        for number, (start, stop, area, p1, p2) in enumerate([
            ("2010-03-24T00:00:00", "2012-01-01T00:00:00", 2.0, -2e-4, 1e-8),
            ("2012-01-01T00:00:00", "2022-01-01T00:00:00", 1.6, -3e-4, 2e-8),
        ])
    ]  # fmt: skip
    names = ("DATE", "T_START", "T_STOP", "VER_NUM", "WAVE_STR", "WAVELNTH", "EFF_AREA", "EFF_WVLN",
             "EFFA_P1", "EFFA_P2", "EFFA_P3")  # fmt: skip
    return QTable(rows=rows, names=names)
