"""What several test modules need: a tiny model, made-up magnetograms, and the place of the real ones."""

import dataclasses
import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord

from sunpy_mag2euv.models import ImageModel, load_model, save_model
from sunpy_mag2euv.network import build_network

# How long an example takes says more about the machine's other work than about this package.
hypothesis.settings.register_profile("sunpy_mag2euv", deadline=None)
hypothesis.settings.load_profile("sunpy_mag2euv")


#: Input planes of the tiny model, out of those of the packaged one: the last two see no farther than eight pixels.
TINY_PLANES = ("absolute", "signed", "mu", "radius", "disk", "absolute 14 Mm", "signed 14 Mm")


@pytest.fixture(scope="session")
def tiny_model():
    """The packaged model's record, in which 211 Å alone is scarce, with a small network that has learnt nothing."""
    packaged = load_model("shared-browse")
    architecture = {
        "kind": "shared-unet",
        "in_channels": len(TINY_PLANES),
        "out_channels": 9,
        "widths": [4, 8],
        "head": 4,
        "deviations": True,
    }
    return dataclasses.replace(
        packaged,
        name="tiny",
        planes=TINY_PLANES,
        caveats={211: packaged.caveats[1600]},
        architecture=architecture,
        # Above all made-up fields that are not meant to be too strong.
        strongest_field=1500.0,
        # One for each passband, so that they cannot be mistaken for each other.
        deviation_factors={band: 1 + number / 8 for number, band in enumerate(packaged.image_scalings)},
        sha256="0123456789abcdef" * 4,
        state=untrained(architecture),
    )


@pytest.fixture(scope="session")
def tiny_translator():
    """Any of the nine passbands to all of them, with a small network that has learnt nothing; 211 Å is scarce."""
    packaged = load_model("shared-browse")
    architecture = {
        "kind": "shared-unet",
        "in_channels": 9 + 9 + 3,
        "out_channels": 9,
        "widths": [4, 8],
        "head": 4,
        "deviations": True,
    }
    return ImageModel(
        name="tiny translator",
        description="Any passbands to all, untrained",
        architecture=architecture,
        grid=packaged.grid,
        planes=("image", "known", "mu", "radius", "disk"),
        image_scalings=packaged.image_scalings,
        input_scalings=packaged.image_scalings,
        valid_radius=packaged.valid_radius,
        calibration=packaged.calibration,
        provenance="nothing",
        caveats={211: packaged.caveats[1600]},
        references=("10.3847/2041-8213/ac0d54",),
        training_images=packaged.training_images,
        sha256="fedcba9876543210" * 4,
        state=untrained(architecture),
    )


def untrained(architecture):
    """Weights of a network that has learnt nothing, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(**architecture).state_dict()


@pytest.fixture(scope="session")
def tiny_weights(tiny_model, tmp_path_factory):
    """Path of the tiny model's weights file."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny_model, path)
    return path


@pytest.fixture
def single_precision(monkeypatch):
    """Networks are run in single precision, whatever the machine is quicker with."""
    monkeypatch.setattr("sunpy_mag2euv.models.model.number_format", lambda grid, device: torch.float32)


@pytest.fixture(scope="session")
def test_data():
    """Folder with real observations, which are not part of this package."""
    if not os.environ.get("MAG2EUV_TEST_DATA"):
        pytest.skip("MAG2EUV_TEST_DATA does not name a folder with observations")
    return Path(os.environ["MAG2EUV_TEST_DATA"])


@pytest.fixture(scope="session")
def make_magnetogram():
    """`_make_magnetogram`, a function that makes helioprojective magnetograms up."""
    return _make_magnetogram


def _make_magnetogram(
    field=((0.3, 0.2, 0.05, 500.0), (0.5, 0.2, 0.05, -500.0)),
    *,
    size=256,
    scale=None,
    rotation=0.0,
    rotation_key="PC",
    offset=(0.0, 0.0),
    flip=(False, False),
    dtype="<f4",
    strided=False,
    off_limb=None,
    unit="G",
    instrument="HMI_SIDE1",
    observer=None,
    date="2014-01-15T00:00:00",
    **keywords,
):
    """
    Make up a helioprojective magnetogram.

    Parameters
    ----------
    field : callable or sequence of tuple
        The field in ``unit``: a function of x (west) and y (north) in apparent solar radii, or Gaussian patches
        (x, y, sigma, peak).
    size : int or tuple of int
        Rows and columns.
    scale : float
        Arcsec per pixel. Unless given, the disk fills nine tenths of the shorter side.
    rotation : float
        In degrees, as CROTA2 counts it.
    rotation_key : {"PC", "CROTA2"}
        How the header says it.
    offset : tuple of float
        The disk's centre (x, y) in pixels from the middle of the image.
    flip : tuple of bool
        Whether columns, and rows, run backwards: CDELT1 and CDELT2 are negative then.
    dtype : str
        Of the data, with byte order.
    strided : bool
        Whether the data are a view with negative strides.
    off_limb : float
        What stands off the limb: NaN, or −32768 for integers, unless given.
    unit, instrument, date : str
    observer : `~astropy.coordinates.SkyCoord`
        Heliographic Stonyhurst. On the Sun-Earth line at 1 au unless given.
    **keywords
        Further keywords of the header, which the data know nothing of; None removes one.
    """
    rows, columns = (size, size) if np.isscalar(size) else size
    if observer is None:
        observer = SkyCoord(0 * u.deg, 0 * u.deg, 1 * u.au, frame="heliographic_stonyhurst")
    distance = observer.radius.to_value(u.m)
    radius = np.degrees(np.arcsin(696e6 / distance)) * 3600
    scale = scale or radius / (0.45 * min(rows, columns))
    sin, cos = np.sin(np.radians(rotation)), np.cos(np.radians(rotation))
    header = {
        "telescop": "SDO/HMI" if instrument.startswith("HMI") else {"MDI": "SOHO", "GONG": "NSO-GONG"}.get(instrument),
        "instrume": instrument,
        "content": "MAGNETOGRAM",
        "bunit": unit,
        "date-obs": date,
        "ctype1": "HPLN-TAN",
        "ctype2": "HPLT-TAN",
        "cunit1": "arcsec",
        "cunit2": "arcsec",
        "crval1": 0.0,
        "crval2": 0.0,
        "crpix1": (columns + 1) / 2 + offset[0],
        "crpix2": (rows + 1) / 2 + offset[1],
        "cdelt1": -scale if flip[0] else scale,
        "cdelt2": -scale if flip[1] else scale,
        "rsun_ref": 696e6,
        "dsun_obs": distance,
        "hgln_obs": observer.lon.to_value(u.deg),
        "hglt_obs": observer.lat.to_value(u.deg),
    }
    if rotation_key == "PC":
        header |= {"pc1_1": cos, "pc1_2": -sin, "pc2_1": sin, "pc2_2": cos}
    else:
        header["crota2"] = rotation

    wcs = sunpy.map.Map(np.zeros((rows, columns)), header).wcs
    world = wcs.pixel_to_world_values(*np.meshgrid(np.arange(columns), np.arange(rows)))
    x, y = (axis * u.Unit(unit).to(u.arcsec) for axis, unit in zip(world, wcs.world_axis_units, strict=True))
    x, y = ((x + 648000) % 1296000 - 648000) / radius, y / radius
    if callable(field):
        values = field(x, y) + np.zeros((rows, columns))
    else:
        values = sum(peak * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 2 / sigma**2) for x0, y0, sigma, peak in field)
    # No two pixels of the Sun are quite the same.
    gauss = u.G.to(unit) if u.G.is_equivalent(unit) else 1
    values = values + 1e-3 * gauss * np.sin(1e3 * x + 7e2 * y)
    integers = np.dtype(dtype).kind == "i"
    if off_limb is None:
        off_limb = -32768 if integers else np.nan
    data = np.where(np.hypot(x, y) < 1, np.rint(values) if integers else values, off_limb).astype(dtype)
    if strided:
        data = data[::-1, ::-1].copy()[::-1, ::-1]

    header |= keywords
    return sunpy.map.Map(data, {key: value for key, value in header.items() if value is not None})
