import numpy as np
import pytest
from browse_archives import PERIODS, SETS, as_command, write_archives, write_sets

from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.problems import find_problems
from sunpy_mag2euv.training.recipe import browse, sets

DISK = browse.GRID.radius < 0.9


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """All five in miniature; of the first frame of 2012, there is one image only."""
    directory = tmp_path_factory.mktemp("sets")
    write_archives(directory)
    write_sets(directory)
    with np.load(directory / "hourly_2012.npz") as archive:
        content = dict(archive)
    for name in ("aia_0094", "index_0094", "aia_0131", "index_0131"):
        content[name] = content[name][1:]
    np.savez(directory / "hourly_2012.npz", **content)
    return directory


@pytest.fixture(scope="module")
def frames(archives):
    return browse.load_browse(archives)


@pytest.fixture(scope="module")
def data(archives):
    return sets.load_sets(archives)


@pytest.fixture(scope="module")
def store(archives, tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "store"
    as_command(sets, archives, path)
    return Store.open(path)


#: The archives other than that of the sets whose frames are taken, and which of them.
OTHERS = (("hourly_2012", slice(1, None)), ("daily_2010_2011", slice(None)), ("same_time_2023", slice(None)))


def test_sets_come_first_and_no_image_comes_twice(data):
    """Those of 2015 are in two archives, and a frame with a single image is no set."""
    expected = [("aia_sets_512", time) for time in SETS]
    expected += [(name, time) for name, taken in OTHERS for time in PERIODS[name][0][taken]]
    assert [(name, str(time)[:10]) for name, time in zip(data.archive, data.time, strict=True)] == expected
    assert len(data.images) == len(expected)
    for (name, time), images in zip(expected, data.images, strict=True):
        bands = PERIODS[name][1] if name in PERIODS else [band for band in browse.STRETCHES if band not in SETS[time]]
        assert sorted(images) == sorted(bands)
        assert len(images) > 1


def test_images_without_a_pixel_are_none(data):
    for images, lacking in zip(data.images, SETS.values(), strict=False):
        assert not set(images) & set(lacking)
        assert all(np.isfinite(image).any() for image in images.values())


def test_sets_are_at_the_level_of_the_other_archives(frames, data):
    """However much they were brightened."""
    for number in range(len(SETS)):
        for band, image in data.images[number].items():
            level = np.median([np.nanmedian(other[DISK]) for other in frames.images[band]])
            assert np.nanmedian(image[DISK]) == pytest.approx(level, rel=1e-5)


def test_pixels_are_means_of_four_in_dn(archives, data):
    with np.load(archives / "aia_sets_512.npz") as archive:
        codes = archive["aia_0171"][0]
    values = browse.STRETCHES[171].inverse(np.where(codes == browse.MISSING, np.nan, codes) / 127.5 - 1)
    binned = values.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    image = data.images[0][171]
    assert (image.shape, image.dtype) == ((256, 256), np.float32)
    # Pixels with something missing are missing, and no others.
    np.testing.assert_array_equal(np.isfinite(image), np.isfinite(binned))
    missing = np.zeros((256, 256), dtype=bool)
    missing[:15, :51] = True
    np.testing.assert_array_equal(np.isnan(image), missing)
    np.testing.assert_allclose(image / np.nanmedian(image), binned / np.nanmedian(binned), rtol=1e-4)


def test_frames_of_the_other_archives_are_as_they_are_there(frames, data):
    start = len(SETS)
    for name, taken in OTHERS:
        for frame in np.nonzero(frames.archive == name)[0][taken]:
            for band, image in data.images[start].items():
                (found,) = frames.images[band][frames.index[band] == frame]
                np.testing.assert_array_equal(image, found)
            start += 1
    assert start == len(data.images)


def test_a_missing_archive_is_named(archives, tmp_path):
    for path in archives.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "aia_sets_512.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no aia_sets_512\.npz"):
        sets.load_sets(tmp_path)
    (tmp_path / "aia_sets_512.npz").symlink_to(archives / "aia_sets_512.npz")
    (tmp_path / "full_sets_2015.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no full_sets_2015\.npz"):
        sets.load_sets(tmp_path)


# -- The store ---------------------------------------------------------------------------------------------------------


def test_the_store_holds_the_sets_and_no_field(data, store):
    assert (store.grid, store.passbands) == (browse.GRID, list(browse.STRETCHES))
    assert list(store.frames["source"]) == list(data.archive)
    assert store.done.all()
    for row, images in enumerate(data.images):
        assert [band for band, there in zip(store.passbands, store.has[row], strict=True) if there] == sorted(images)
        for band, image in images.items():
            np.testing.assert_array_equal(store.images(row, [band])[0], image)
        assert np.isnan(store.field(row)).all()
        np.testing.assert_array_equal(store.weight(row), browse.pixel_weight())


def test_only_the_hourly_images_saturate(store):
    hourly = store.frames["source"] == "hourly_2012"
    expected = np.isin(store.passbands, list(browse.SATURATION)) & np.array(hourly)[:, None]
    np.testing.assert_array_equal(np.isfinite(store.ceilings), expected)
    assert expected.sum() == 6


def test_the_store_says_what_the_sets_are(store):
    assert "not calibrated AIA data" in store.provenance
    assert "magnetogram" not in store.provenance
    assert store.calibration[131].startswith("sensitivity as in 2012")
    # In miniature, every passband is scarce.
    assert list(store.caveats) == list(store.passbands)
    for caveat in store.caveats.values():
        # How many are trained on is for the weights to say.
        assert "rest on few images" in caveat


def test_the_store_has_no_problems_but_for_the_fields(store):
    assert len(find_problems(store, store.passbands, fields=False, complete=False, max_delay=0)) == 0
    assert len(find_problems(store, store.passbands, complete=False, max_delay=0)) >= len(store.frames)


def test_the_command_says_what_it_is_for(capsys):
    with pytest.raises(SystemExit, match="0"):
        as_command(sets, "--help")
    assert "python -m sunpy_mag2euv.training.recipe.sets [-h] directory store" in capsys.readouterr().out
