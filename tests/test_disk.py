"""The limb that can be seen in an image's own numbers."""

import functools

import numpy as np
import pytest

import astropy.units as u
import sunpy.map

from sunpy_mag2euv.disk import Disk, visible_limb
from sunpy_mag2euv.sample import sample_magnetogram

sample = functools.cache(sample_magnetogram)


def limb(magnetogram, known=np.isfinite):
    return visible_limb(np.array(magnetogram.data, dtype=np.float32), Disk.of(magnetogram), known)


@pytest.mark.parametrize("size", [128, 256, 1024])
@pytest.mark.parametrize("off_limb", [np.nan, 0.0, -704.0])
def test_it_is_where_the_header_has_it(size, off_limb):
    magnetogram = sample(size=size)
    data = np.nan_to_num(magnetogram.data, nan=off_limb)
    radius, offset = limb(sunpy.map.Map(data, magnetogram.meta))
    assert radius == pytest.approx(1, abs=0.01)
    assert offset < 0.005


def test_what_stands_for_no_number_is_said():
    magnetogram = sample(size=256)
    data = np.where(
        np.isfinite(magnetogram.data), magnetogram.data, np.random.default_rng(0).normal(1e6, 1, (256, 256))
    )
    magnetogram = sunpy.map.Map(data, magnetogram.meta)
    assert limb(magnetogram) == (None, None)
    assert limb(magnetogram, lambda values: np.abs(values) < 6000)[0] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("keywords", "radius", "offset"),
    [
        ({"cdelt1": 2.016 * 1.25, "cdelt2": 2.016 * 1.25}, 1.25, 0),
        ({"cdelt1": 2.016 / 3, "cdelt2": 2.016 / 3}, 1 / 3, 0),
        ({"dsun_obs": 1.3e11, "rsun_obs": None}, 1.3 / 1.4714579, 0),
        ({"crval1": 30.0}, 1, 30 / 975.6),
        ({"crpix2": 512.5 + 48.4}, 1, 0.1),
    ],
    ids=["scale", "a third", "distance", "crval", "crpix"],
)
def test_a_header_that_has_it_elsewhere(keywords, radius, offset):
    magnetogram = sample(size=1024)
    meta = {key: value for key, value in (magnetogram.meta | keywords).items() if value is not None}
    found = limb(sunpy.map.Map(magnetogram.data, meta))
    assert found == (pytest.approx(radius, rel=0.01), pytest.approx(offset, abs=0.01))


def test_holes_and_hot_pixels_do_not_hide_it():
    magnetogram = sample(size=512)
    rng = np.random.default_rng(0)
    data = magnetogram.data.copy()
    data[tuple(rng.integers(0, 512, (2, 300)))] = 100
    data[rng.integers(0, 512, 30)] = np.nan
    data[:, 200:230] = np.nan
    radius, offset = limb(sunpy.map.Map(data, magnetogram.meta))
    assert radius == pytest.approx(1, abs=0.01)
    assert offset < 0.01


def test_part_of_a_circle_will_do():
    half = sample(size=512).submap([0, 0] * u.pix, top_right=[255, 511] * u.pix)
    assert limb(half) == (pytest.approx(1, abs=0.01), pytest.approx(0, abs=0.01))


@pytest.mark.parametrize(
    "make",
    [
        lambda: sample(size=512).submap([150, 150] * u.pix, top_right=[350, 350] * u.pix),
        # NaN in the corners of a square that was turned are no limb,
        lambda: sample(size=512).submap([150, 150] * u.pix, top_right=[350, 350] * u.pix).rotate(25 * u.deg),
        # nor is a few degrees' worth of it enough.
        lambda: sample(size=512).submap([0, 220] * u.pix, top_right=[120, 290] * u.pix),
        lambda: sunpy.map.Map(np.zeros((512, 512)), sample(size=512).meta),
        lambda: sunpy.map.Map(np.random.default_rng(0).normal(size=(512, 512)), sample(size=512).meta),
    ],
    ids=["cutout", "turned cutout", "short arc", "all zero", "no edge"],
)
def test_no_limb_to_see(make):
    assert limb(make()) == (None, None)


def test_nothing_to_see():
    assert visible_limb(np.full((512, 512), np.nan), Disk.of(sample(size=512)), np.isfinite) == (None, None)


def test_files(test_data):
    paths = [
        *(test_data / "inputs").glob("hmi.M_*"),
        *(test_data / "inputs").glob("mdi.fd*"),
        *(test_data / "inputs").glob("gong*"),
    ]
    assert len(paths) == 4
    for path in paths:
        assert limb(sunpy.map.Map(path)) == (pytest.approx(1, abs=0.005), pytest.approx(0, abs=0.005))
