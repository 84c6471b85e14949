"""The finer archives as a store: in miniature, and as they are where there are observations."""

import numpy as np
import pytest
from browse_archives import FINE_FRAMES, FRAMES, PATCHES, as_command, field_of, link_archives, sun, write_archives
from browse_archives import write_fine as write_fine_archives
from scipy.ndimage import binary_erosion, gaussian_filter

from sunpy_mag2euv.metrics import bin_image
from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.problems import find_problems
from sunpy_mag2euv.training.recipe import browse, fine
from sunpy_mag2euv.training.recipe.archives import FINE, SATURATION, STRETCHES, archive_paths, decode

DISK = fine.GRID.radius < 1

#: Most of it on the grid of the browse store, away from pixels that are only in part on the disk.
INNER = browse.GRID.radius < 0.97

#: Archive, day and passbands of all frames in their order: one for each moment, if anything is left of its images.
EXPECTED = [
    ("full_set_1024", "2025-07-22", list(STRETCHES)),
    ("full_set_1024", "2024-11-26", list(STRETCHES)),
    ("mdi_512", "2010-12-20", [193, 304]),
    ("mdi_512", "2011-01-04", [304]),
    ("sharp_377_512", "2011-02-14", [193]),
    ("sharp_377_512", "2011-02-14", [304]),
    ("sharps_2012_512", "2012-03-06", [94, 131, 171]),
]

#: Number of the field of each of them.
NUMBERS = [sum(map(len, FRAMES.values())) + number for number in (-2, -1)] + [6, 50, 51, 52, 54]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fine")
    write_archives(directory)
    write_fine_archives(directory)
    return directory


@pytest.fixture(scope="module")
def data(archives):
    return browse.load_browse(archives)


@pytest.fixture(scope="module")
def store(archives, tmp_path_factory):
    path = tmp_path_factory.mktemp("fine") / "store"
    as_command(fine, archives, path)
    return Store.open(path)


def rows_of(store, archive):
    return np.nonzero(store.frames["source"] == archive)[0]


def browse_image(data, archive, time, band):
    """The image that the browse store has of an archive and a time, and its factor."""
    close = abs(data.time[data.index[band]] - np.datetime64(time)) <= np.timedelta64(120, "s")
    (number,) = np.nonzero(close & (data.archive[data.index[band]] == archive))[0]
    return data.images[band][number], data.factors[band][number]


# -- In miniature ------------------------------------------------------------------------------------------------------


def test_frames_of_one_moment_are_one(store):
    found = [(str(frame["source"]), frame["time"].isot[:10]) for frame in store.frames]
    assert found == [(archive, day) for archive, day, _ in EXPECTED]
    assert store.done.all()
    for row, (_, _, bands) in enumerate(EXPECTED):
        assert [band for band, has in zip(store.passbands, store.has[row], strict=True) if has] == bands
    np.testing.assert_array_equal(store.frames["binning"], [1, 1, 2, 2, 2, 2, 2])


def test_two_fields_of_one_moment_are_no_one_frame(archives, tmp_path):
    link_archives(archives, tmp_path, but=["mdi_512"])
    with np.load(archives / "detail_pairs" / "mdi_512.npz") as archive:
        content = dict(archive)
    content["magnetogram"][1, 256, 256] += 1
    np.savez(tmp_path / "detail_pairs" / "mdi_512.npz", **content)
    with pytest.raises(ValueError, match="there is more than one mdi_512 2010-12-20"):
        fine.write_store(tmp_path, tmp_path / "store")


def test_one_grid_with_the_same_disk(store):
    assert store.grid == fine.GRID
    x, _ = fine.GRID.center
    # Centres of blocks of two pixels are those of pixels of the archives' grid.
    centers = ((np.arange(1024) - x) / fine.GRID.solar_radius).reshape(512, 2).mean(axis=1)
    np.testing.assert_allclose(centers, (np.arange(512) - 255.5) / 196)
    for row, (archive, _, bands) in enumerate(EXPECTED):
        for image in store.images(row, bands):
            blocks = image.reshape(512, 2, 512, 2)
            if archive != "full_set_1024":
                np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))


def test_fields_are_in_gauss_where_they_are_known(store):
    for row, (archive, day, _) in enumerate(EXPECTED):
        field, expected = store.field(row), field_of(NUMBERS[row])
        assert field.dtype == np.float32
        assert (field[~DISK] == 0).all()
        binned = bin_image(field, 4)
        if archive == "full_set_1024":
            whole = np.kron(expected, np.ones((4, 4), dtype=np.float32))
            whole = fine._in_place(whole, *fine._OFF[np.datetime64(day)])
            np.testing.assert_allclose(binned[INNER], bin_image(whole, 4)[INNER], atol=1e-3)
            assert np.corrcoef(binned.ravel(), expected.ravel())[0, 1] > 0.8
        elif archive == "mdi_512":
            assert np.corrcoef(binned.ravel(), expected.ravel())[0, 1] > 0.97
        else:
            rows, columns = (slice(2 * part.start, 2 * part.stop) for part in PATCHES[0])
            patch = np.zeros(DISK.shape, dtype=bool)
            # By a pixel, interpolation smears it.
            patch[rows.start - 1 : rows.stop + 1, columns.start - 1 : columns.stop + 1] = True
            assert (field[~patch] == 0).all()
            assert (field[patch] != 0).mean() > 0.9


@pytest.mark.parametrize("day", list(fine._OFF))
def test_fields_are_brought_to_where_the_images_have_them(day):
    """What is off by so much at the centre, and by so much more toward the limb, is there no longer."""
    offset, growth = map(np.array, fine._OFF[day])
    center = np.array(fine.GRID.center)[::-1]
    rows, columns = np.indices(fine.GRID.shape)
    for north, west in ((0, 0), (0.6, 0.2), (-0.3, 0.7)):
        place = center + fine.GRID.solar_radius * np.array([north, west])
        row, column = place + offset + growth @ [north, west]
        spot = 500 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2 / 3**2)
        moved = fine._in_place(spot, offset, growth)
        found = [(axis * moved).sum() / moved.sum() for axis in (rows, columns)]
        np.testing.assert_allclose(found, place, atol=0.01)
        assert np.hypot(*(place - [row, column])) > 0.05


def test_fields_are_interpolated_between_pixels(store):
    (row,) = rows_of(store, "sharps_2012_512")
    coarse = np.kron(field_of(54), np.ones((2, 2)))[220:230, 200:210]
    field = store.field(row)[440:460, 400:420]
    between = 0.75 * coarse[:, :-1] + 0.25 * coarse[:, 1:]
    expected = 0.75 * between[:-1] + 0.25 * between[1:]
    np.testing.assert_allclose(field[1:-1:2, 1:-1:2], expected, atol=1e-3)


def test_the_dark_sky_around_mdi_s_disk_is_no_field(store):
    rim = DISK & (fine.GRID.radius > 0.997)
    for row in rows_of(store, "mdi_512"):
        assert (store.field(row)[rim] == 0).all()
        assert (store.field(row)[DISK & ~rim] != 0).any()
    for row in rows_of(store, "full_set_1024"):
        assert (store.field(row)[rim] != 0).any()


def test_levels_are_those_of_the_browse_store(store, data):
    """To rounding, of the early stretch too: in miniature, finer images have nothing finer."""
    for row, archive in [(0, "full_set_1024"), (1, "full_set_1024"), (2, "daily_2010_2011")]:
        _, day, bands = EXPECTED[row]
        for band, image in zip(bands, store.images(row, bands), strict=True):
            expected, _ = browse_image(data, archive, day, band)
            np.testing.assert_allclose(bin_image(image, 4)[INNER], expected[INNER], rtol=1e-5)


def test_levels_of_what_the_browse_store_has_not(store):
    for row in (4, 5, 6):
        _, _, bands = EXPECTED[row]
        for band, image in zip(bands, store.images(row, bands), strict=True):
            expected = np.kron(sun(field_of(NUMBERS[row]), band), np.ones((4, 4)))
            known = image < store.ceilings[row, store.columns([band])[0]]
            ratio = image[known] / expected[known]
            assert np.median(ratio) == pytest.approx(1, abs=0.02)
            assert np.std(ratio) < 0.03
    # The early stretch: what can be told of it.
    expected = np.kron(sun(field_of(50), 304), np.ones((4, 4)))
    assert np.median((store.images(3, [304])[0] / expected)[fine.GRID.radius < 0.9]) == pytest.approx(1, abs=0.15)


def test_what_lacks_a_field_has_no_data(store):
    """Nor what lies within eight pixels of it, nor what is off the limb; around whole disks there is the corona."""
    rows, columns = (slice(2 * part.start + 8, 2 * part.stop - 8) for part in PATCHES[0])
    known = np.zeros(DISK.shape, dtype=bool)
    known[rows, columns] = True
    for row, (archive, _, bands) in enumerate(EXPECTED):
        for image in store.images(row, bands):
            if archive.startswith("sharp"):
                np.testing.assert_array_equal(np.isfinite(image), known)
            else:
                assert np.isfinite(image[DISK]).all()
                assert np.isfinite(image[-1]).all()
                assert np.isnan(image[0, 0])


def test_the_store_knows_what_is_a_lower_limit(store):
    """The highest code, or that at which the images of 2012 saturate, at the image's level."""
    sensitivity = Sensitivity.read()
    (row,) = rows_of(store, "sharps_2012_512")
    for band in (94, 131, 171):
        top = SATURATION["sharps_2012_512"].get(band, STRETCHES[band].inverse(254 / 127.5 - 1))
        expected = top / sensitivity.since_launch(band, "2012-03-06")
        assert store.ceilings[row, store.columns([band])[0]] == pytest.approx(expected, rel=0.002)
    np.testing.assert_array_equal(np.isfinite(store.ceilings), store.has)


def test_images_under_a_veil_are_dropped(archives, tmp_path):
    link_archives(archives, tmp_path, but=["full_set_1024"])
    with np.load(archives / "detail_pairs" / "full_set_1024.npz") as archive:
        content = dict(archive)
    codes = content["aia_1600"][0]
    content["aia_1600"][0] = np.where(codes == 255, 255, 100 + codes // 4)
    np.savez(tmp_path / "detail_pairs" / "full_set_1024.npz", **content)
    store = fine.write_store(tmp_path, tmp_path / "store")
    expected = np.ones((2, 9), dtype=bool)
    expected[0, store.columns([1600])[0]] = False
    np.testing.assert_array_equal(store.has[:2], expected)


def test_frames_with_a_faint_image_are_dropped(archives, tmp_path):
    link_archives(archives, tmp_path, but=["sharp_377_512"])
    with np.load(archives / "detail_pairs" / "sharp_377_512.npz") as archive:
        content = dict(archive)
    # Three days later, of half the code.
    content["time"][2], content["magnetogram"][2] = "2011-02-17", content["magnetogram"][0]
    content["aia_0193"] = content["aia_0193"][[0, 0]]
    content["aia_0193"][1] = np.where(content["aia_0193"][1] == 255, 255, content["aia_0193"][1] // 4)
    np.savez(tmp_path / "detail_pairs" / "sharp_377_512.npz", **content)
    store = fine.write_store(tmp_path, tmp_path / "store")
    assert [name[14:24] for name in store.frames["name"][rows_of(store, "sharp_377_512")]] == ["2011-02-14"] * 2


def test_the_store_says_what_its_images_are(store):
    assert "2024-11-26 and 2025-07-22" in store.provenance
    assert "MDI" in store.provenance
    assert "SHARP" in store.provenance
    assert store.epochs == dict.fromkeys(STRETCHES, "launch")
    assert store.calibration[171] == "AIA's sensitivity at launch, by version 8 of its degradation table"
    for row in range(len(store.frames)):
        np.testing.assert_array_equal(store.weight(row), browse.pixel_weight(fine.GRID))


def test_the_store_has_no_problems(store):
    assert len(find_problems(store, store.passbands, complete=False, max_delay=0)) == 0


@pytest.mark.parametrize("missing", FINE)
def test_missing_archives_are_named(archives, tmp_path, missing):
    link_archives(archives, tmp_path, but=[missing])
    with pytest.raises(FileNotFoundError, match=rf"holds no detail_pairs/{missing}\.npz$"):
        fine.write_store(tmp_path, tmp_path / "store")


def test_all_archives_are_in_miniature():
    assert list(FINE) == ["full_set_1024", *FINE_FRAMES]


# -- With observations -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_data(test_data):
    return browse.load_browse(test_data)


@pytest.fixture(scope="module")
def real(test_data, real_data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # Once is enough.
        patch.setattr(browse, "load_browse", lambda *_: real_data)
        return fine.write_store(test_data, tmp_path_factory.mktemp("fine") / "store")


def test_all_frames_are_there(real):
    found = {name: len(rows_of(real, name)) for name in FINE}
    # Of 36, 33 and 5, but for those of one moment, and two with nothing left of the patch at the limb.
    assert found == {"full_set_1024": 2, "mdi_512": 27, "sharp_377_512": 22, "sharps_2012_512": 5}
    assert dict(zip(real.passbands, map(int, real.has.sum(axis=0)), strict=True)) == {
        94: 7, 131: 7, 171: 7, 193: 32, 211: 2, 304: 37, 335: 2, 1600: 2, 1700: 2,
    }  # fmt: skip
    assert list(real.caveats) == [335, 1600, 1700]
    assert len(find_problems(real, real.passbands, complete=False, max_delay=0)) == 0


def test_full_sets_are_those_of_the_browse_store(real, real_data):
    for row in rows_of(real, "full_set_1024"):
        time = real.frames["time"][row].isot
        (frame,) = np.nonzero((real_data.archive == "full_set_1024") & (real_data.time == np.datetime64(time)))[0]
        # It has been put in its place since, by less than half of these pixels.
        pair = bin_image(real.field(row), 4)[INNER], real_data.field[frame][INNER]
        assert np.corrcoef(*pair)[0, 1] > 0.9
        for band, image, ceiling in zip(real.passbands, real.images(row), real.ceilings[row], strict=True):
            expected, factor = browse_image(real_data, "full_set_1024", time, band)
            known = np.isfinite(expected)
            np.testing.assert_allclose(bin_image(image, 4)[known], expected[known], rtol=1e-5)
            assert ceiling == pytest.approx(STRETCHES[band].inverse(253.9 / 127.5 - 1) * factor, rel=1e-5)


def test_early_images_are_those_of_the_browse_store(real, real_data):
    """They were put on the two grids separately, and in codes, so they are not the same to rounding."""
    medians = []
    for row in rows_of(real, "mdi_512"):
        for column in np.nonzero(real.has[row])[0]:
            band = real.passbands[column]
            expected, factor = browse_image(real_data, "daily_2010_2011", real.frames["time"][row].isot, band)
            assert np.isnan(factor)
            ratio = np.log(bin_image(real.images(row, [band])[0], 4) / expected)[INNER]
            # Medians of codes are whole numbers where images were not averaged, and a code is 1 to 2 %.
            assert np.nanmedian(ratio) == pytest.approx(0, abs=0.02)
            assert np.nanstd(ratio) < 0.06
            medians.append(np.nanmedian(ratio))
    assert len(medians) == 36
    assert np.mean(medians) == pytest.approx(0, abs=0.005)


def test_the_highest_codes_are_lower_limits(test_data, real):
    """And no others."""
    for name, path in archive_paths(test_data, FINE).items():
        with np.load(path) as archive:
            times = archive["time"].astype("datetime64[s]")
            for band in (94, 193, 304):
                if f"aia_{band:04d}" not in archive or name == "mdi_512":
                    continue
                for frame, codes in zip(archive[f"index_{band:04d}"], archive[f"aia_{band:04d}"], strict=True):
                    rows = np.nonzero(real.frames["name"] == f"{name} {times[frame]}")[0]
                    for row in rows:
                        image = real.images(row, [band])[0]
                        limits = image >= real.ceilings[row, real.columns([band])[0]]
                        expected = np.kron(codes == 254, np.ones([1024 // len(codes)] * 2, dtype=bool))
                        np.testing.assert_array_equal(limits, expected & np.isfinite(image))


def test_patches_are_away_from_what_is_not_known(test_data, real):
    (row,) = np.nonzero(real.frames["name"] == "sharp_377_512 2011-02-14T00:00:00")[0]
    with np.load(archive_paths(test_data, FINE)["sharp_377_512"]) as archive:
        (frame,) = np.nonzero(archive["time"] == "2011-02-14T00:00")[0]
        known = np.kron(archive["magnetogram"][frame] > -32768, np.ones((2, 2), dtype=bool))
    image = real.images(row, [193])[0]
    # A disk of eight pixels, which has no corners.
    within = np.hypot(*np.mgrid[-8:9, -8:9]) <= 7
    assert not np.isfinite(image[~binary_erosion(known, within)]).any()
    assert np.isfinite(image[binary_erosion(known, np.ones((21, 21)))]).all()


def test_there_is_no_dark_ring_around_mdi_s_disk(real):
    rim = DISK & (fine.GRID.radius > 0.98)
    for row in rows_of(real, "mdi_512"):
        assert abs(real.field(row)[rim].mean()) < 3


def offset(strength, image):
    """Pixels, to the north and to the west, by which an image is off where the field is, to a twentieth of a pixel."""
    window = np.hanning(len(strength))[:, None] * np.hanning(len(strength))
    first, second = (np.fft.fft2((plane - plane.mean()) * window) for plane in (strength, image))
    shifts = np.arange(-2, 2.01, 0.05)
    waves = np.exp(2j * np.pi * np.outer(shifts, np.fft.fftfreq(len(strength))))
    found = (waves @ (second * first.conj()) @ waves.T).real
    return shifts[list(np.unravel_index(found.argmax(), found.shape))]


@pytest.mark.parametrize("row", [0, 1])
def test_fields_of_full_sets_are_where_the_images_are(test_data, row):
    """In the photosphere: 1700 Å is brightest where the field is strongest."""
    with np.load(test_data / "detail_pairs" / "full_set_1024.npz") as data:
        time, field = data["time"][row].astype("datetime64[s]"), data["magnetogram"][row]
        image = decode(data["aia_1700"][row : row + 1], 1700, fine.GRID)[0]
    field = fine._on_grid(fine._Frame(time, "full_set_1024", field, {}, {}))
    strength = gaussian_filter(np.log1p(np.clip(np.abs(field), 0, 100) / 10), 1)
    bright = np.log(np.maximum(np.nan_to_num(image), 1))
    bright -= gaussian_filter(bright, 12)
    corners = [(448, 448), (300, 420), (620, 480), (460, 250), (460, 650)]
    offsets = [offset(*(plane[r : r + 128, c : c + 128] for plane in (strength, bright))) for r, c in corners]
    assert np.abs(np.median(offsets, axis=0)).max() <= 0.15
    assert np.abs(offsets).max() <= 0.4
