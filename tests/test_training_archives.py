"""What the recipe's archives hold, and what their codes mean."""

import numpy as np
import pytest
from browse_archives import FRAMES, field_of, link_archives, write_archives

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.training.recipe.archives import (
    ARCHIVES,
    GRID,
    SATURATION,
    SETS,
    STRETCHES,
    archive_paths,
    binned,
    decode,
    read_fields,
)

GRID_512 = Grid((512, 512), 196.0)


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archives")
    write_archives(directory)
    return directory


def test_paths(archives):
    paths = archive_paths(archives, ARCHIVES)
    assert list(paths) == list(FRAMES)
    assert {name for name, path in paths.items() if path.parent.name == "detail_pairs"} == {"full_set_1024"}
    assert all(path.is_file() for path in paths.values())


@pytest.mark.parametrize("missing", ARCHIVES)
def test_missing_archives_are_named(archives, tmp_path, missing):
    link_archives(archives, tmp_path, but=[missing])
    with pytest.raises(FileNotFoundError, match=rf"holds no {ARCHIVES[missing]}/{missing}\.npz$"):
        archive_paths(tmp_path, ARCHIVES)


def test_all_that_is_missing_is_named(archives):
    with pytest.raises(FileNotFoundError, match=r"holds no browse_pairs/aia_sets_512\.npz$"):
        archive_paths(archives, SETS)


@pytest.mark.parametrize("band", STRETCHES)
def test_codes_are_what_the_archives_say(band):
    """Linear in the root, the logarithm or the intensity, from the lowest to the highest that there is."""
    codes = np.zeros((1, 256, 256), dtype=np.uint8)
    codes[0, 0, :3] = [0, 254, 255]
    images = decode(codes, band)
    scaling = STRETCHES[band]
    assert images[0, 0, 0] == pytest.approx(scaling.low, rel=1e-5, abs=1e-6)
    assert images[0, 0, 1] == pytest.approx(scaling.inverse(254 / 127.5 - 1), rel=1e-5)
    assert np.isnan(images[0, 0, 2])
    assert (images.shape, images.dtype) == ((1, 256, 256), np.float32)


def test_finer_images_are_averaged_in_dn():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 255, (2, 512, 512)).astype(np.uint8)
    codes[1, :3, :5] = 255
    images = decode(codes, 171)
    values = STRETCHES[171].inverse(np.where(codes == 255, np.nan, codes) / 127.5 - 1)
    expected = values.reshape(2, 256, 2, 256, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(np.isfinite(images), np.isfinite(expected))
    np.testing.assert_allclose(images[np.isfinite(images)], expected[np.isfinite(expected)], rtol=1e-5)
    assert np.isnan(images[1, :2, :3]).all()


def test_images_stay_as_fine_as_they_are():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (2, 512, 512)).astype(np.uint8)
    images = decode(codes, 193, GRID_512)
    assert (images.shape, images.dtype) == ((2, 512, 512), np.float32)
    np.testing.assert_array_equal(np.isnan(images), codes == 255)
    np.testing.assert_allclose(binned(images), decode(codes, 193), rtol=1e-6)
    assert binned(images, GRID_512) is images


def test_fields_stay_as_fine_as_they_are():
    fields = np.full((1, 512, 512), -32768, dtype=np.int16)
    fields[0, 200:300, 100:] = 7
    found = read_fields(fields, GRID_512)
    np.testing.assert_array_equal(found == 7, (fields == 7) & (GRID_512.radius < 1))
    assert set(np.unique(found)) == {0, 7}


def test_fields_of_any_resolution(archives):
    with np.load(archives / "detail_pairs" / "full_set_1024.npz") as data:
        fields = read_fields(data["magnetogram"])
    assert (fields.shape, fields.dtype) == ((2, 256, 256), np.float32)
    # The last two of all frames.
    number = sum(map(len, FRAMES.values()))
    expected = np.stack([field_of(number - 2), field_of(number - 1)])
    np.testing.assert_allclose(fields, expected * (GRID.radius < 1), atol=1e-3)
    assert (fields[:, GRID.radius >= 1] == 0).all()


def test_where_images_saturate():
    limits = {131: pytest.approx(35.0, abs=0.2), 171: pytest.approx(593.0, abs=0.5)}
    assert {"hourly_2012": limits, "sharps_2012_512": limits} == SATURATION
