import numpy as np
import pytest
import zarr
from training_store import BANDS, GRID, damage, make_field, make_images, make_store, manifest

import astropy.units as u
from astropy.time import Time
from sunpy.coordinates.sun import carrington_rotation_number

from sunpy_mag2euv.training.data.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:.*(C|c)onsolidated metadata:UserWarning")

FACTS = {"provenance": "made up", "calibration": {171: "as in 2012", 193: "as in 2011"}}


@pytest.fixture
def frames():
    frames = manifest([2100.1, 2100.2, 2100.3])
    frames["source"] = ["day", "night", "day"]
    frames["remark"] = ["first", "second", "third"]
    return frames


@pytest.fixture
def weight():
    return np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)


@pytest.fixture
def written(tmp_path, frames, weight):
    """One frame with all channels, one with one of them, and one that is still to be written; read again."""
    store = Store.create(
        tmp_path / "store", GRID, frames, BANDS, caveats={193: "scarce"}, weights={"night": weight}, **FACTS
    )
    late = Time(frames["time"][0]) + 90 * u.s
    store.write(0, make_field(0), make_images(make_field(0)), times={193: late}, ceilings={171: 300.0})
    store.write(1, make_field(1), {193: make_images(make_field(1))[193]})
    return Store.open(tmp_path / "store")


def test_what_is_written_is_read(written, frames):
    for row in (0, 1):
        np.testing.assert_array_equal(written.field(row), make_field(row))
    expected = make_images(make_field(0))
    images = written.images(0)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, [expected[band] for band in BANDS])
    assert np.isnan(images[:, :3, :3]).all()
    np.testing.assert_array_equal(written.images(0, [193, 171]), images[::-1])
    assert (written.grid, written.passbands, written.provenance) == (GRID, [171, 193], "made up")
    assert (written.calibration, written.caveats) == (FACTS["calibration"], {193: "scarce"})
    for column in ("name", "source", "remark"):
        assert list(written.frames[column]) == list(frames[column])
    assert abs(written.frames["time"] - frames["time"]).max() < 1 * u.ms


def test_frames_come_with_where_the_sun_had_turned_to(written, frames):
    np.testing.assert_allclose(written.frames["rotation"], carrington_rotation_number(frames["time"]))
    # 2100 began on 9 August 2010: near the day on which the northern end of the axis is nearest to us.
    assert ((written.frames["b0"] > 6) & (written.frames["b0"] < 7.3)).all()


def test_channels_that_a_frame_lacks_are_nan_and_take_no_space(written, tmp_path):
    images = written.images(1)
    assert np.isnan(images[0]).all()
    np.testing.assert_array_equal(images[1], make_images(make_field(1))[193])
    assert [path.name for path in (tmp_path / "store/images/c/1").iterdir()] == ["1"]


def test_frames_that_are_not_done_have_nothing(written):
    np.testing.assert_array_equal(written.done, [True, True, False])
    np.testing.assert_array_equal(written.has, [[True, True], [False, True], [False, False]])
    assert np.isnan(written.images(2)).all()


def test_a_frame_whose_writing_was_broken_off_is_not_done(tmp_path, frames):
    store = Store.create(tmp_path / "store", GRID, frames, BANDS, **FACTS)
    with pytest.raises(ValueError, match="could not convert string to float"):
        store.write(0, np.full(GRID.shape, "nothing"), make_images(make_field(0)))
    for reader in (store, Store.open(tmp_path / "store")):
        assert not reader.done.any()
        assert not reader.has.any()


def test_ceilings_and_delays_are_those_of_the_images(written):
    np.testing.assert_array_equal(written.ceilings, [[300, np.inf]] + [[np.inf, np.inf]] * 2)
    np.testing.assert_allclose(written.delay, [[0, 90], [np.nan, 0], [np.nan, np.nan]], atol=1e-3)


def test_saturated_pixels_are_not_for_networks(written):
    """At a ceiling or above it; elsewhere, and where there is no ceiling, images are as they are."""
    images = dict(zip(BANDS, written.images(0), strict=True))
    saturated = images[171] >= 300
    assert 0 < saturated.mean() < 0.5
    found = written.unsaturated(0, [193, 171])
    assert list(found) == [193, 171]
    assert {image.dtype for image in found.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(found[171], np.where(saturated, np.nan, images[171]))
    np.testing.assert_array_equal(found[193], images[193])
    assert np.isnan(written.unsaturated(1, BANDS)[171]).all()


def test_every_pixel_has_a_value_of_its_own_unless_the_manifest_says_otherwise(written, tmp_path, frames):
    np.testing.assert_array_equal(written.binning, [1, 1, 1])
    frames["binning"] = [1, 4, 2]
    Store.create(tmp_path / "binned", GRID, frames, BANDS, **FACTS)
    binning = Store.open(tmp_path / "binned").binning
    np.testing.assert_array_equal(binning, [1, 4, 2])
    assert np.issubdtype(binning.dtype, np.integer)


def test_weights_go_by_source(written, weight):
    np.testing.assert_array_equal(written.weight(1), weight)
    for row in (0, 2):
        np.testing.assert_array_equal(written.weight(row), np.ones(GRID.shape))


def test_a_store_can_be_filled_later(written, tmp_path):
    store = Store.open(tmp_path / "store", mode="r+")
    store.write(2, make_field(2), make_images(make_field(2)))
    assert Store.open(tmp_path / "store").done.all()
    with pytest.raises(ValueError, match="read-only"):
        written.write(2, make_field(2), {})


def test_a_frame_that_is_written_again_keeps_nothing(written, tmp_path):
    store = Store.open(tmp_path / "store", mode="r+")
    store.write(0, make_field(2), {193: make_images(make_field(2))[193]})
    for reader in (store, Store.open(tmp_path / "store")):
        np.testing.assert_array_equal(reader.has[0], [False, True])
        assert np.isnan(reader.images(0)[0]).all()
        assert np.isinf(reader.ceilings[0]).all()


def test_frames_may_have_images_and_no_field(tmp_path, frames):
    store = Store.create(tmp_path / "store", GRID, frames, BANDS, **FACTS)
    images = make_images(make_field(0))
    store.write(0, None, images, ceilings={171: 300.0})
    for reader in (store, Store.open(tmp_path / "store")):
        field = reader.field(0)
        assert (field.shape, field.dtype) == (GRID.shape, np.float32)
        assert np.isnan(field).all()
        np.testing.assert_array_equal(reader.images(0), list(images.values()))
        np.testing.assert_array_equal(reader.done, [True, False, False])
        np.testing.assert_array_equal(reader.has[0], [True, True])
        np.testing.assert_array_equal(reader.ceilings[0], [300, np.inf])
    # What is not there takes no space.
    assert not (tmp_path / "store" / "field" / "c").exists()
    with pytest.raises(ValueError, match=r"the grid's shape \(32, 32\); got \(32, 31\)"):
        store.write(1, None, {171: np.zeros((32, 31))})


def test_a_frame_that_is_written_again_without_a_field_has_none(written, tmp_path):
    store = Store.open(tmp_path / "store", mode="r+")
    store.write(0, None, make_images(make_field(0)))
    assert np.isnan(Store.open(tmp_path / "store").field(0)).all()
    np.testing.assert_array_equal(Store.open(tmp_path / "store").field(1), make_field(1))


def test_what_is_not_on_the_grid_is_refused(tmp_path, frames):
    store = Store.create(tmp_path / "store", GRID, frames, BANDS, **FACTS)
    with pytest.raises(ValueError, match=r"the grid's shape \(32, 32\); got \(32, 31\)"):
        store.write(0, make_field(0), {171: np.zeros((32, 31))})
    with pytest.raises(ValueError, match="the store has no passband 304; it has 171, 193"):
        store.write(0, make_field(0), {304: make_field(0)})
    assert not store.done.any()


def test_nothing_is_overwritten(tmp_path, frames):
    (tmp_path / "store").mkdir()
    with pytest.raises(FileExistsError, match="store exists already; give another path, or remove it"):
        Store.create(tmp_path / "store", GRID, frames, BANDS, **FACTS)
    assert list((tmp_path / "store").iterdir()) == []


def test_names_are_unique(tmp_path, frames):
    frames["name"][2] = frames["name"][0]
    with pytest.raises(ValueError, match="a name of its own; there is more than one toy 0"):
        Store.create(tmp_path / "store", GRID, frames, BANDS, **FACTS)
    assert not (tmp_path / "store").exists()


def test_nothing_half_written_is_left(tmp_path, frames):
    with pytest.raises(KeyError, match="193"):
        Store.create(tmp_path / "store", GRID, frames, BANDS, provenance="made up", calibration={171: "as in 2012"})
    with pytest.raises(ValueError, match="could not convert"):
        Store.create(tmp_path / "store", GRID, frames, BANDS, weights={"day": "heavy"}, **FACTS)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "empty"):
        with pytest.raises(FileNotFoundError, match=f"no training store at .*{name}; make one with mag2euv data"):
            Store.open(tmp_path / name)
    zarr.create_group(tmp_path / "other")
    with pytest.raises(ValueError, match="other is not a training store of this version; make it anew"):
        Store.open(tmp_path / "other")


@pytest.mark.parametrize("array", ["field", "images"])
def test_a_damaged_chunk_is_found_when_it_is_read(tmp_path, array):
    store = make_store(tmp_path / "store", frames=manifest([2100.1, 2100.2]))
    damage(tmp_path / "store", array, 1) if array == "field" else damage(tmp_path / "store", array, 1, 0)
    read = {"field": store.field, "images": store.images}[array]
    read(0)
    with pytest.raises(RuntimeError, match="checksum"):
        read(1)
