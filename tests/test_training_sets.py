import numpy as np
import pytest
from browse_archives import (
    FRAMES,
    SET_TIMES,
    VEILED,
    as_command,
    field_of,
    is_brightened,
    link_archives,
    sun,
    write_archives,
    write_sets,
)

from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.problems import find_problems
from sunpy_mag2euv.training.recipe import browse, sets
from sunpy_mag2euv.training.recipe.archives import GRID, STRETCHES

DISK = GRID.radius < 0.9


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """All in miniature; of the first frame of 2012, there is one image only."""
    directory = tmp_path_factory.mktemp("sets")
    write_archives(directory)
    write_sets(directory)
    path = directory / "browse_pairs" / "hourly_2012.npz"
    with np.load(path) as archive:
        content = dict(archive)
    for name in ("aia_0094", "index_0094", "aia_0131", "index_0131"):
        content[name] = content[name][1:]
    np.savez(path, **content)
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


#: Archive, time and passbands of all sets in their order. Frames of a single image are no sets, and those of 2015 are
#: among the sets already. In ``daily_2010_2011`` every frame has both passbands.
EXPECTED = [
    ("aia_sets_512", time, [band for band in STRETCHES if band not in lacking]) for time, lacking in SET_TIMES.items()
] + [
    (name, time, list(bands))
    for name in ("hourly_2012", "daily_2010_2011", "full_set_2022", "same_time_2023", "full_set_1024")
    for time, bands in FRAMES[name][1 if name == "hourly_2012" else 0 :]
]


def test_sets_come_first_and_no_image_comes_twice(data):
    assert [(name, str(time)[:10]) for name, time in zip(data.archive, data.time, strict=True)] == [
        (name, time) for name, time, _ in EXPECTED
    ]
    for (_, time, bands), images in zip(EXPECTED, data.images, strict=True):
        assert sorted(images) == [band for band in bands if (band, time) not in VEILED]


def test_images_without_a_pixel_are_none(data):
    for images, lacking in zip(data.images, SET_TIMES.values(), strict=False):
        assert not set(images) & set(lacking)
        assert all(np.isfinite(image).any() for image in images.values())


def test_sets_are_at_launch_or_at_the_level_of_what_is(frames, data):
    for number, (time, _) in enumerate(SET_TIMES.items()):
        for band, image in data.images[number].items():
            if is_brightened("aia_sets_512", time):
                assert np.nanmedian(image[DISK]) == pytest.approx(frames.levels[band], rel=1e-5)
            else:
                ratio = np.nanmedian((image / sun(field_of(100 + number), band))[DISK])
                assert ratio == pytest.approx(1, abs=0.02)


def test_images_are_binned(data):
    image = data.images[0][171]
    assert (image.shape, image.dtype) == ((256, 256), np.float32)
    expected = sun(field_of(100), 171)
    known = np.isfinite(image)
    assert np.corrcoef(image[known], expected[known])[0, 1] > 0.999
    missing = np.zeros((256, 256), dtype=bool)
    missing[:15, :101] = True
    np.testing.assert_array_equal(~known, missing)


def test_frames_of_the_other_archives_are_as_they_are_there(frames, data):
    start = len(SET_TIMES)
    for number, (name, time, _) in enumerate(EXPECTED[start:], start):
        (frame,) = np.nonzero((frames.archive == name) & (frames.time == np.datetime64(time)))[0]
        for band, image in data.images[number].items():
            (found,) = frames.images[band][frames.index[band] == frame]
            np.testing.assert_array_equal(image, found)


@pytest.mark.parametrize("missing", ["aia_sets_512", "full_sets_2015"])
def test_a_missing_archive_is_named(archives, tmp_path, missing):
    link_archives(archives, tmp_path, but=[missing])
    with pytest.raises(FileNotFoundError, match=rf"holds no browse_pairs/{missing}\.npz"):
        sets.load_sets(tmp_path)


# -- The store ---------------------------------------------------------------------------------------------------------


def test_the_store_holds_the_sets_and_no_field(data, store):
    assert (store.grid, store.passbands) == (GRID, list(STRETCHES))
    assert list(store.frames["source"]) == list(data.archive)
    assert store.done.all()
    for row, images in enumerate(data.images):
        assert [band for band, there in zip(store.passbands, store.has[row], strict=True) if there] == sorted(images)
        for band, image in images.items():
            np.testing.assert_array_equal(store.images(row, [band])[0], image)
        assert np.isnan(store.field(row)).all()
        np.testing.assert_array_equal(store.weight(row), browse.pixel_weight())


def test_only_the_hourly_images_saturate(frames, store):
    hourly = store.frames["source"] == "hourly_2012"
    expected = np.isin(store.passbands, [131, 171]) & np.array(hourly)[:, None]
    np.testing.assert_array_equal(np.isfinite(store.ceilings), expected)
    assert expected.sum() == 6
    (of_171,) = store.columns([171])
    # Brought to launch, as the images are; code 176 is 176 / 255 of the way between the roots of 2 and of 1200.
    np.testing.assert_allclose(store.ceilings[hourly, of_171] / frames.factors[171][1:4], 593, rtol=1e-3)


def test_the_store_says_what_the_sets_are(store):
    assert "not calibrated AIA data" in store.provenance
    assert "magnetogram" not in store.provenance
    assert store.epochs == dict.fromkeys(STRETCHES, "launch")
    assert store.calibration[131] == "AIA's sensitivity at launch, by version 8 of its degradation table"
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
    said = " ".join(capsys.readouterr().out.split())
    assert "python -m sunpy_mag2euv.training.recipe.sets [-h] [--correction-table FILE] directory store" in said
