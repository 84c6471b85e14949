import numpy as np
import pytest
from browse_archives import PERIODS, as_command, write_archives

from sunpy_mag2euv.training.data.splits import rotations
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.problems import find_problems
from sunpy_mag2euv.training.recipe import browse


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    directory = tmp_path_factory.mktemp("browse")
    write_archives(directory)
    return directory


@pytest.fixture(scope="module")
def data(archives):
    return browse.load_browse(archives)


@pytest.fixture(scope="module")
def store(archives, tmp_path_factory):
    path = tmp_path_factory.mktemp("browse") / "store"
    as_command(browse, archives, path)
    return Store.open(path)


def test_frames_come_archive_by_archive(data):
    assert list(data.archive) == [name for name, (times, _) in PERIODS.items() for _ in times]
    assert [str(time)[:10] for time in data.time] == [time for times, _ in PERIODS.values() for time in times]
    for band, index in data.index.items():
        assert list(data.archive[index]) == [
            name for name, (times, bands) in PERIODS.items() if band in bands for _ in times
        ]
        assert data.images[band].shape == (len(index), 256, 256)


def test_rotations_that_are_scored_are_held_out(data):
    split = rotations(data.rotation, browse.TEST_ROTATIONS)
    assert {str(time)[:10] for time in data.time[split["test"]]} == {"2012-09-20", "2010-09-10", "2015-01-11"}
    assert str(data.time[split["gap"]][0])[:10] == "2012-10-20"


def test_levels_are_those_of_the_well_sampled_epoch(data):
    disk = browse.GRID.radius < 0.9
    for band, reference in browse.REFERENCE_ARCHIVE.items():
        archive = data.archive[data.index[band]]
        levels = np.array([np.nanmedian(image[disk]) for image in data.images[band]])
        expected = np.median(levels[archive == reference])
        np.testing.assert_allclose(levels[archive != reference], expected, rtol=1e-4)


def test_codes_are_matched_at_equal_activity():
    rng = np.random.default_rng(0)
    activity = rng.gamma(2, 1, 40000)
    other = rng.gamma(4, 1, 40000)  # a more active Sun
    code = np.rint(40 + 10 * activity).astype(int)
    table = browse.match_codes(code, np.rint(np.clip(20 + 18 * other, 0, 254)).astype(int), activity, other)
    for level in (1, 2, 4):
        assert table[40 + 10 * level] == pytest.approx(20 + 18 * level, abs=4)
    assert (np.diff(table) >= 0).all()


def test_pixels_off_the_limb_weigh_less():
    weight = browse.pixel_weight()
    disk = browse.GRID.radius < 1
    assert (weight[disk] == 1).all()
    assert (weight[~disk] < 1).all()
    assert (weight > 0).all()


def test_frames_with_a_faint_image_are_left_out(archives, data, tmp_path):
    for name in browse.ARCHIVES:
        with np.load(archives / f"{name}.npz") as archive:
            content = dict(archive)
        if name == "hourly_2012":
            content["aia_0171"][2] //= 4
        np.savez(tmp_path / f"{name}.npz", **content)
    found = browse.load_browse(tmp_path)
    for band in (94, 131, 171):
        np.testing.assert_array_equal(found.index[band], data.index[band][data.index[band] != 2])
        assert len(found.images[band]) == len(found.index[band])
    for band in (193, 304, 335, 1700):
        np.testing.assert_array_equal(found.index[band], data.index[band])


@pytest.mark.parametrize("missing", browse.ARCHIVES)
def test_missing_archives_are_named(archives, tmp_path, missing):
    for name in browse.ARCHIVES:
        if name != missing:
            (tmp_path / f"{name}.npz").symlink_to(archives / f"{name}.npz")
    with pytest.raises(FileNotFoundError, match=missing):
        browse.load_browse(tmp_path)


# -- The store ---------------------------------------------------------------------------------------------------------


def test_the_store_holds_what_the_archives_have(data, store):
    assert (store.grid, store.passbands) == (browse.GRID, list(browse.STRETCHES))
    assert list(store.frames["source"]) == list(data.archive)
    assert store.done.all()
    np.testing.assert_allclose(store.frames["rotation"], data.rotation)
    for column, band in enumerate(store.passbands):
        np.testing.assert_array_equal(np.nonzero(store.has[:, column])[0], data.index[band])
        for row, image in zip(data.index[band], data.images[band], strict=True):
            np.testing.assert_array_equal(store.images(row, [band])[0], image)
    np.testing.assert_array_equal(store.field(3), data.field[3])
    assert np.isnan(store.images(8)[:, 5, 5]).all()


def test_the_store_knows_where_images_saturate(store):
    hourly = np.nonzero(store.frames["source"] == "hourly_2012")[0]
    saturated = np.isfinite(store.ceilings)
    expected = np.isin(store.passbands, list(browse.SATURATION)) & np.isin(np.arange(len(saturated)), hourly)[:, None]
    np.testing.assert_array_equal(saturated, expected)
    ceiling = store.ceilings[hourly[0], store.columns([171])[0]]
    assert ceiling == pytest.approx(browse.STRETCHES[171].inverse(176 / 127.5 - 1), rel=1e-6)


def test_the_store_has_the_weights_of_pixels(store):
    for row in range(len(store.frames)):
        np.testing.assert_array_equal(store.weight(row), browse.pixel_weight())


def test_the_store_says_what_its_images_are(store):
    assert "not the 8544 simultaneous pairs" in store.provenance
    assert store.calibration[171].startswith("sensitivity as in 2012")
    assert store.calibration[335].startswith("level uncertain")
    # In miniature, every passband is scarce.
    assert list(store.caveats) == list(browse.STRETCHES)
    assert "rest on few images" in store.caveats[171]


def test_the_store_has_no_problems(store):
    assert len(find_problems(store, store.passbands, complete=False, max_delay=0)) == 0


def test_a_store_is_not_overwritten(archives, store, tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(FileExistsError, match="store exists already"):
        browse.write_store(archives, tmp_path / "store")
