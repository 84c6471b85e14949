import numpy as np
import pytest
from browse_archives import ALL, FRAMES, VEILED, as_command, field_of, is_brightened, link_archives, sun, write_archives

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.training.data.splits import rotations
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.problems import find_problems
from sunpy_mag2euv.training.recipe import browse
from sunpy_mag2euv.training.recipe.archives import GRID, SATURATION, STRETCHES

DISK = GRID.radius < 0.9

#: Archive, time and passbands of all frames in their order; what is in two archives is taken from the first.
EXPECTED = [
    (name, time, [band for band in bands if (band, time[:10]) not in VEILED and time[10:] != "T00:01"])
    for name, frames in FRAMES.items()
    for time, bands in frames
]


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
    assert list(data.archive) == [name for name, _, _ in EXPECTED]
    assert [str(time)[:10] for time in data.time] == [time[:10] for _, time, _ in EXPECTED]
    for number, field in enumerate(data.field):
        np.testing.assert_allclose(field, field_of(number), atol=1e-3)


def test_every_image_once_and_none_under_a_veil(data):
    for band in ALL:
        expected = [number for number, (_, _, bands) in enumerate(EXPECTED) if band in bands]
        assert sorted(data.index[band]) == expected
        assert data.images[band].shape == (len(expected), 256, 256)
        assert len(data.factors[band]) == len(expected)


def test_rotations_that_are_scored_are_held_out(data):
    split = rotations(data.rotation, browse.TEST_ROTATIONS)
    assert {str(time)[:10] for time in data.time[split["test"]]} == {
        "2012-09-20",
        "2010-09-10",
        "2015-01-11",
    }
    assert {"2012-10-20", "2015-03-02"} <= {str(time)[:10] for time in data.time[[*split["gap"], *split["train"]]]}


def test_images_are_at_launch_or_at_the_level_of_those_that_are(data):
    """To what the codes resolve, and to what can be told of the early stretch."""
    for band in ALL:
        for frame, image in zip(data.index[band], data.images[band], strict=True):
            name, time, _ = EXPECTED[frame]
            expected = sun(field_of(frame), band)
            if is_brightened(name, time):
                assert np.nanmedian(image[DISK]) == pytest.approx(data.levels[band], rel=1e-5)
                continue
            early = band in (193, 304) and time < "2011-02"
            ratio = np.nanmedian((image / expected)[DISK])
            assert ratio == pytest.approx(1, abs=0.15 if early else 0.02), (band, time)


def test_frames_with_a_faint_image_are_left_out(archives, data, tmp_path):
    link_archives(archives, tmp_path, but=["hourly_2012"])
    with np.load(archives / "browse_pairs" / "hourly_2012.npz") as archive:
        content = dict(archive)
    content["time"][2] = "2012-09-24"
    content["aia_0171"][2] = np.where(content["aia_0171"][2] == 255, 255, content["aia_0171"][2] // 4)
    np.savez(tmp_path / "browse_pairs" / "hourly_2012.npz", **content)
    found = browse.load_browse(tmp_path)
    for band in (94, 131, 171):
        np.testing.assert_array_equal(found.index[band], data.index[band][data.index[band] != 2])
        assert len(found.images[band]) == len(found.factors[band]) == len(found.index[band])
    for band in (193, 304, 335, 1700):
        np.testing.assert_array_equal(found.index[band], data.index[band])


def test_pixels_off_the_limb_weigh_less():
    weight = browse.pixel_weight()
    disk = GRID.radius < 1
    assert (weight[disk] == 1).all()
    assert (weight[~disk] < 1).all()
    assert (weight > 0).all()
    finer = browse.pixel_weight(Grid((512, 512), 196.0))
    assert finer.shape == (512, 512)
    assert set(np.unique(finer)) == set(np.unique(weight))


# -- The store ---------------------------------------------------------------------------------------------------------


def test_the_store_holds_what_the_archives_have(data, store):
    assert (store.grid, store.passbands) == (GRID, list(STRETCHES))
    assert list(store.frames["source"]) == list(data.archive)
    assert store.done.all()
    np.testing.assert_allclose(store.frames["rotation"], data.rotation)
    for column, band in enumerate(store.passbands):
        np.testing.assert_array_equal(np.nonzero(store.has[:, column])[0], np.sort(data.index[band]))
        for row, image in zip(data.index[band], data.images[band], strict=True):
            np.testing.assert_array_equal(store.images(row, [band])[0], image)
    np.testing.assert_array_equal(store.field(3), data.field[3])
    assert np.isnan(store.images(0, [171])[:, 5, 5]).all()


def test_the_store_knows_where_images_saturate(data, store):
    """At what the code stands for, brought to launch as the image is."""
    hourly = np.nonzero(store.frames["source"] == "hourly_2012")[0]
    saturated = np.isfinite(store.ceilings)
    expected = np.isin(store.passbands, [131, 171]) & np.isin(np.arange(len(saturated)), hourly)[:, None]
    np.testing.assert_array_equal(saturated, expected)
    for band, ceiling in SATURATION["hourly_2012"].items():
        np.testing.assert_allclose(
            store.ceilings[hourly, store.columns([band])[0]], ceiling * data.factors[band][: len(hourly)], rtol=1e-6
        )
        assert (data.factors[band][: len(hourly)] > 1).all()


def test_the_store_has_the_weights_of_pixels(store):
    for row in range(len(store.frames)):
        np.testing.assert_array_equal(store.weight(row), browse.pixel_weight())


def test_the_store_says_what_its_images_are(store):
    assert "not the 8544 simultaneous pairs" in store.provenance
    assert store.epochs == dict.fromkeys(STRETCHES, "launch")
    assert store.calibration[171] == "AIA's sensitivity at launch, by version 8 of its degradation table"
    # In miniature, every passband is scarce.
    assert list(store.caveats) == list(STRETCHES)
    assert "rest on few images" in store.caveats[171]


def test_the_store_has_no_problems(store):
    assert len(find_problems(store, store.passbands, complete=False, max_delay=0)) == 0


def test_a_store_is_not_overwritten(archives, store, tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(FileExistsError, match="store exists already"):
        browse.write_store(archives, tmp_path / "store")


def test_another_table_of_the_sensitivity(archives, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"there is no correction table .*absent"):
        as_command(browse, archives, tmp_path / "store", "--correction-table", tmp_path / "absent")
    assert not (tmp_path / "store").exists()
