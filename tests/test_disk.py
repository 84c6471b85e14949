"""The limb that can be seen in an image's own numbers."""

import functools

import numpy as np
import pytest

import astropy.units as u
import sunpy.map

from sunpy_mag2euv.disk import Disk, Limb, constant_share, visible_limb
from sunpy_mag2euv.sample import sample_magnetogram

sample = functools.cache(sample_magnetogram)


def limb(magnetogram, known=np.isfinite):
    return visible_limb(np.array(magnetogram.data, dtype=np.float32), Disk.of(magnetogram), known)


@pytest.mark.parametrize("size", [128, 256, 1024])
@pytest.mark.parametrize("off_limb", [np.nan, 0.0, -704.0])
def test_it_is_where_the_header_has_it(size, off_limb):
    magnetogram = sample(size=size)
    data = np.nan_to_num(magnetogram.data, nan=off_limb)
    found = limb(sunpy.map.Map(data, magnetogram.meta))
    assert found.radius == pytest.approx(1, abs=0.01)
    assert (found.offset, found.stretch) == (pytest.approx(0, abs=0.005), 1)
    assert found.differs(0.02) == []


def test_what_stands_for_no_number_is_said():
    magnetogram = sample(size=256)
    data = np.where(
        np.isfinite(magnetogram.data), magnetogram.data, np.random.default_rng(0).normal(1e6, 1, (256, 256))
    )
    magnetogram = sunpy.map.Map(data, magnetogram.meta)
    assert limb(magnetogram) is None
    assert limb(magnetogram, lambda values: np.abs(values) < 6000).radius == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("keywords", "radius", "offset"),
    [
        ({"cdelt1": 2.016 * 1.25, "cdelt2": 2.016 * 1.25}, 1.25, 0),
        ({"cdelt1": 2.016 / 3, "cdelt2": 2.016 / 3}, 1 / 3, 0),
        ({"dsun_obs": 1.3e11, "rsun_obs": None}, 1.3 / 1.4714579, 0),
        ({"crval1": 30.0}, 1, 30 / 975.6),
        ({"crpix2": 512.5 + 48.4}, 1, 0.1),
        ({"crpix1": 512.5 + 300}, 1, 0.62),
        ({"crpix1": 512.5 + 500}, 1, 1.033),
        ({"crval1": 1000.0}, 1, 1.025),
    ],
    ids=["scale", "a third", "distance", "crval", "crpix", "far", "outside", "far crval"],
)
def test_a_header_that_has_it_elsewhere(keywords, radius, offset):
    magnetogram = sample(size=1024)
    meta = {key: value for key, value in (magnetogram.meta | keywords).items() if value is not None}
    found = limb(sunpy.map.Map(magnetogram.data, meta))
    assert found.radius == pytest.approx(radius, rel=0.01)
    assert found.offset == pytest.approx(offset, abs=0.015)
    assert found.stretch == 1
    assert len(found.differs(0.02)) == (radius != 1) + (offset > 0)


@pytest.mark.parametrize("factor", [1.03, 1.1, 1.3, 2, 4, 0.5])
def test_an_ellipse(factor):
    """The header has pixels that are wider or narrower than they are."""
    magnetogram = sample(size=1024)
    found = limb(sunpy.map.Map(magnetogram.data, magnetogram.meta | {"cdelt1": factor * magnetogram.meta["cdelt1"]}))
    assert found.stretch == pytest.approx(max(factor, 1 / factor), rel=0.01)
    assert found.radius == pytest.approx(factor**0.5, rel=0.01)
    assert "longer than wide instead of the circle" in found.differs(0.02)[-1]


def test_words():
    assert Limb(1.01, 0.01, 1.01).differs(0.02) == []
    assert Limb(0.9, 0.05, 1.5).differs(0.02) == [
        "has 0.900 times the radius",
        "is 0.050 solar radii away from the place",
        "is 1.500 times longer than wide instead of the circle",
    ]


def test_two_numbers_for_none():
    """The sky's, and that of what is not in an image that was turned."""
    turned = sample(size=512).rotate(33 * u.deg, missing=0)
    data = np.where(np.isfinite(turned.data), turned.data, -704)
    assert limb(sunpy.map.Map(data, turned.meta)).radius == pytest.approx(1, abs=0.015)


def test_holes_and_hot_pixels_do_not_hide_it():
    magnetogram = sample(size=512)
    rng = np.random.default_rng(0)
    data = magnetogram.data.copy()
    data[tuple(rng.integers(0, 512, (2, 300)))] = 100
    data[rng.integers(0, 512, 30)] = np.nan
    data[:, 200:230] = np.nan
    found = limb(sunpy.map.Map(data, magnetogram.meta))
    assert found.radius == pytest.approx(1, abs=0.01)
    assert found.offset < 0.01


def test_part_of_a_circle_will_do():
    half = sample(size=512).submap([0, 0] * u.pix, top_right=[255, 511] * u.pix)
    assert limb(half).differs(0.01) == []


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
    assert limb(make()) is None


def test_nothing_to_see():
    assert visible_limb(np.full((512, 512), np.nan), Disk.of(sample(size=512)), np.isfinite) is None


def test_files(test_data):
    paths = [
        *(test_data / "inputs").glob("hmi.M_*"),
        *(test_data / "inputs").glob("mdi.fd*"),
        *(test_data / "inputs").glob("gong*"),
    ]
    assert len(paths) == 4
    for path in paths:
        magnetogram = sunpy.map.Map(path)
        assert limb(magnetogram).differs(0.005) == []
        assert constant_share(magnetogram.data, Disk.of(magnetogram)) < 1e-3


@pytest.mark.parametrize("number", [0, -999.0])
def test_numbers_put_for_missing_ones(number):
    magnetogram = sample(size=512)
    disk, data = Disk.of(magnetogram), magnetogram.data.copy()
    assert constant_share(data, disk) == 0
    assert constant_share(np.rint(data), disk) < 0.01
    data[disk.center[1].astype(int) :] = number
    assert constant_share(data, disk) == pytest.approx(0.5, abs=0.03)
    # NaN is what says so.
    data[data == number] = np.nan
    assert constant_share(data, disk) == 0
    assert constant_share(np.full((512, 512), np.nan), disk) == 0
