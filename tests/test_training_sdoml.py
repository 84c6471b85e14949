"""From a store as SDOML's, on a server on loopback, to a store for training."""

import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sdoml_store import AIA_MINUTES, DAYS, SPOT, Server, make_bz, make_image, write_sdoml

import astropy.units as u
import sunpy.map
from astropy.time import Time

from sunpy_mag2euv.cli import main
from sunpy_mag2euv.field_kinds import SDOML_BZ
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.training.data import remote_arrays, sdoml, sdoml_index
from sunpy_mag2euv.training.data.archive import TABLE, read_table, slots
from sunpy_mag2euv.training.data.observations import SATURATION
from sunpy_mag2euv.training.data.sdoml_frames import prepare_field, prepare_image
from sunpy_mag2euv.training.data.sdoml_selection import select
from sunpy_mag2euv.training.data.store import Store

PAGE = Path(__file__).parents[1] / "docs" / "sdoml.rst"

SMALL = Grid((64, 64), 24.5)
BANDS = (171, 193, 304)
ALL = slots("2011-01-01", "2011-07-01", 6 * u.h)

#: Those of two days.
TIMES = ALL[: 40 * 4]

#: Of the first day in time.
FIRST = DAYS.index("2011-01-01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store as SDOML's, in which nothing is wrong."""
    path = tmp_path_factory.mktemp("sdoml")
    write_sdoml(path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test, and no patience."""
    monkeypatch.setenv("SUNPY_MAG2EUV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_arrays, "_PAUSE", 0)
    monkeypatch.setattr(remote_arrays, "_ATTEMPTS", 3)
    return tmp_path / "cache" / "sdoml"


def take(root, path, times=TIMES, bands=BANDS, **settings):
    """All that the command does."""
    selection = select(str(root), times, bands, **settings)
    store = sdoml.open_store(path, selection, SMALL)
    return store, sdoml.fill(store, selection, path)


def reasons(table, **wanted):
    """Why rows of the table, with some values, are as they are."""
    chosen = [row for row in table if all(row[name] == value for name, value in wanted.items())]
    return [str(row["reason"]) for row in chosen]


def spot(values, radius=0.25):
    """Where the spot is, in pixels of the grid from where it belongs."""
    rows, columns = np.indices(SMALL.shape)
    x, y = SMALL.center + np.array(SPOT) * SMALL.solar_radius
    near = np.hypot(columns - x, rows - y) < radius * SMALL.solar_radius
    weight = np.where(near, np.clip(values - 0.2 * values[near].max(), 0, None), 0)
    return np.hypot((columns * weight).sum() / weight.sum() - x, (rows * weight).sum() / weight.sum() - y)


def test_frames_times_and_levels(folder, tmp_path):
    with Server(folder) as server:
        store, table = take(server.root, tmp_path / "store", ALL)
        # Nothing of a chunk is asked for twice, and nothing at all of other components.
        assert max(server.gets.values()) == 1
        assert not any("/Bx/" in name or "/By/" in name for name, _ in server.gets)
    assert store.done.all()
    assert store.has.all()
    assert len(store.frames) == 4 * len(DAYS)
    # In the order of time, on UTC, whatever the order of days and the clock of the instrument.
    times = store.frames["time"]
    assert (np.diff(times.unix) > 0).all()
    assert times[0].isot == "2010-12-31T23:59:26.000"
    assert set(Time(times.unix + 34, format="unix").strftime("%H:%M:%S")) == {f"{h:02}:00:00" for h in (0, 6, 12, 18)}
    np.testing.assert_allclose(store.delay, np.tile([band % 12 + 34.84 for band in BANDS], (24, 1)), atol=1e-3)
    # SDOML's levels, signs and places.
    number = round((times[5].unix + 34) / 3600)
    np.testing.assert_allclose(store.field(5), prepare_field(make_bz(number), SMALL))
    for band, image in zip(BANDS, store.images(5, BANDS), strict=True):
        np.testing.assert_allclose(image, prepare_image(make_image(number, band), SMALL))
    np.testing.assert_allclose(store.ceilings, (SATURATION - 0.5) / 2.0 / 0.9, rtol=1e-6)
    # What they are.
    assert store.epochs == dict.fromkeys(BANDS, "launch")
    assert store.field_kind == Store.open(tmp_path / "store").field_kind == SDOML_BZ
    assert SDOML_BZ in store.provenance
    assert "DEG_COR" in store.calibration[304]
    # The table says all of it.
    assert (table["status"] == "taken").sum() == 4 * 24
    assert {len(reasons(table, passband=band, status="taken")) for band in (0, *BANDS)} == {24}
    assert set(reasons(table, status="rejected", slot="2011-01-02T00:00:00")) == {
        "no record within 360 s of 2011-01-02T00:00:00"
    }
    taken = [row for row in read_table(tmp_path / "store" / TABLE) if row["status"] == "taken"]
    first = 4 * len(AIA_MINUTES) * FIRST
    assert taken[1] == {
        "slot": "2011-01-01T00:00:00",
        "passband": 171,
        "record": f"2011/171A[{first + 2}]",
        "time": "2011-01-01T00:00:03.840",
        "quality": "0x00000000",
        "file": "20101231_235926",
        "bytes": 0,
        "status": "taken",
        "reason": "",
    }


def test_geometry():
    """Means over area, in the right place; nothing known beyond SDOML's edge."""
    field, image = prepare_field(make_bz(0), SMALL), prepare_image(make_image(0, 193), SMALL)
    assert spot(field) < 0.15
    assert spot(image) < 0.15
    assert field.dtype == image.dtype == np.float32
    assert (field[SMALL.radius >= 1] == 0).all()
    # What is 0 on the disk, near its northern limb, counts as missing.
    assert np.isfinite(image[1:-1, 1:-1][np.abs(SMALL.radius[1:-1, 1:-1] - 1) > 0.06]).all()
    assert all(np.isnan(edge).all() for edge in (image[0], image[-1], image[:, 0], image[:, -1]))
    # Dark sky is no missing data, and not brightened by what is.
    np.testing.assert_array_equal(image[-5, 20:40], 0)
    uniform = np.where(make_bz(0) != 0, np.float32(100), np.float32(0))
    np.testing.assert_allclose(prepare_field(uniform, SMALL)[SMALL.radius < 0.97], 100, rtol=1e-5)


@pytest.mark.parametrize("bad", [0, np.nan, np.inf, -32768])
def test_pixels_that_are_none(bad):
    """One pixel is left out of an average, a patch makes a magnetogram unusable."""
    field = make_bz(0)
    whole = prepare_field(field, SMALL)
    field[60, 60] = bad
    np.testing.assert_allclose(prepare_field(field, SMALL), whole, atol=40)
    field[60:70, 60:70] = bad
    with pytest.raises(ValueError, match=r"the magnetogram must cover the whole disk; \d\d pixels"):
        prepare_field(field, SMALL)
    image = make_image(0, 193)
    whole = prepare_image(image, SMALL)
    image[60:70, 60:70] = bad
    patched = prepare_image(image, SMALL)
    assert 10 < np.isnan(patched[SMALL.radius < 1]).sum() < 40
    known = np.isfinite(patched)
    np.testing.assert_allclose(patched[known], whole[known], rtol=0.8)
    image[40:] = bad
    with pytest.raises(ValueError, match=r"the image must show the whole disk; [0-9]+% of it has no data"):
        prepare_image(image, SMALL)


def first(channel, frames, offset=0):
    """The number of the frame that is taken for the first slot, or near it."""
    minutes = len(frames) // (4 * len(DAYS))
    return 4 * minutes * FIRST + minutes // 2 + offset


def test_rejections(tmp_path):
    """The next frame stands in for a bad one; a channel that has none is missing, and its frame goes without."""

    def change(channel, frames, headers):
        here = first(channel, frames)
        if channel == "171A":
            headers["QUALITY"][here] = "0x00002000"
        if channel == "193A":
            # Neither this one nor those before and after it.
            for number, quality in zip(range(here - 1, here + 2), (-(2**31), None, 1.5), strict=True):
                headers["QUALITY"][number] = quality
        if channel == "304A":
            headers["DEG_COR"][here] = -0.003
            headers["EXPTIME"][here + 1] = 0.0
            headers["DEG_COR"][here + 5] = float("nan")
        if channel == "Bz":
            frames[here + 6][:40] = 0
            headers["T_OBS"][here + 9] = "MISSING"
        if channel == "335A":
            return False
        return None

    write_sdoml(tmp_path, (*BANDS, 335), change=change)
    times, bands = slots("2011-01-01", "2011-01-02", 6 * u.h), (*BANDS, 335)
    store, table = take(tmp_path, tmp_path / "store", times, bands, tolerance=7 * u.min)
    rejected = {
        (slot, band): reasons(table, status="rejected", passband=band, slot=f"2011-01-01T{slot}:00:00")
        for slot in ("00", "06", "12", "18")
        for band in (0, *bands)
    }
    assert rejected["00", 171] == ["QUALITY must be 0; it is 0x00002000 (bits 13)"]
    assert rejected["00", 193][:2] == [
        "must have a QUALITY word of 32 bits; it has none",
        "QUALITY must be 0; it is 0x80000000 (bits 31)",
    ]
    assert rejected["00", 304][0].startswith("DEG_COR, which the image was divided by, must be a number from 0.02")
    assert rejected["06", 304][0].endswith("it is nan")
    assert rejected["00", 335] == ["there is no sdomlv2.zarr/2011/335A"]
    assert rejected["12", 0][0].startswith("the magnetogram must cover the whole disk")
    assert rejected["18", 0] == ["no record within 360 s of 2011-01-01T18:00:00"]
    assert not any(reasons(table, slot=f"2011-01-01T{slot}:00:00", status="taken") for slot in ("12", "18"))
    # Nobody is given images without a field.
    np.testing.assert_array_equal(store.has, [[True, False, True, False], [True, True, True, False], [False] * 4])
    assert store.done.all()
    assert not (table["status"] == "failed").any()
    assert store.delay[0, 0] == pytest.approx(-360 + 34.84 + 171 % 12, abs=1e-3)
    # Nothing more is fetched by another call.
    with Server(tmp_path) as server:
        selection = select(server.root, times, bands, tolerance=7 * u.min)
        server.gets.clear()
        again = sdoml.fill(sdoml.open_store(tmp_path / "store", selection, SMALL), selection, tmp_path / "store")
        assert not server.gets
    assert [tuple(row) for row in again] == [tuple(row) for row in table]


def test_frames_that_share_a_chunk_and_a_magnetogram(folder, tmp_path):
    """At a finer cadence, a chunk is still fetched once, and a magnetogram is one frame."""
    with Server(folder) as server:
        store, table = take(server.root, tmp_path / "store", slots("2011-01-01", "2011-01-01T00:30", 5 * u.min))
        assert max(server.chunks.values()) == 1
        assert len({name for name, _ in server.chunks}) == 4
    assert len(store.frames) == 2
    assert store.has.all()
    assert reasons(table, passband=0, slot="2011-01-01T00:05:00") == [
        "is the magnetogram of 2011-01-01T00:00:00 already"
    ]


def test_buckets_are_asked_without_an_account(folder, tmp_path, monkeypatch):
    """As the public copy; s3fs looks for another address than Amazon's in the environment."""
    pytest.importorskip("s3fs")
    (tmp_path / "bucket").symlink_to(folder)
    with Server(tmp_path) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.root)
        store, _ = take("s3://bucket", tmp_path / "store", bands=(171,))
        with pytest.raises(FileNotFoundError, match=r"s3://bucket/nothing must hold sdomlv2_hmi\.zarr"):
            select("s3://bucket/nothing", TIMES, (171,))
        assert max(server.chunks.values()) == 1
    assert store.has.all()


def test_attributes_are_read_once(folder, tmp_path, cache):
    def attributes(server):
        return sum(number for (name, _), number in server.gets.items() if name.endswith(".zattrs"))

    root = tmp_path / "root"
    root.mkdir()
    for name in ("sdomlv2.zarr", "sdomlv2_hmi.zarr"):
        (root / name).symlink_to(folder / name)
    with Server(root) as server:
        one = select(server.root, TIMES, BANDS)
        assert attributes(server) == 4
        assert len(list(cache.glob("*.npz"))) == 4
        other = select(server.root, TIMES, BANDS)
        assert attributes(server) == 4
        assert [frame.keys() for frame in one.pieces] == [frame.keys() for frame in other.pieces]
        # What is damaged, and what is new, is read again.
        next(cache.glob("*171A*")).write_bytes(b"PK")
        path = folder / "sdomlv2.zarr" / "2011" / "193A" / ".zattrs"
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
        select(server.root, TIMES, BANDS)
        assert attributes(server) == 6


def test_a_server_that_fails_now_and_then(folder, tmp_path):
    with Server(folder) as server:
        array = "sdomlv2.zarr/2011/171A"
        server.faults = {f"{array}/{chunk}.0.0": ["cut", 503] for chunk in range(8)}
        server.faults[f"{array}/.zattrs"] = [503, "cut"]
        store, table = take(server.root, tmp_path / "store")
    assert store.has.all()
    assert not (table["status"] == "failed").any()


def test_going_on_after_a_server_that_has_failed(folder, tmp_path):
    with Server(folder) as server:
        server.faults = {"sdomlv2.zarr/2011/304A/2.0.0": [503] * 3}
        with pytest.raises(ConnectionError, match=r"cannot read sdomlv2.zarr/2011/304A/2.0.0 of http://"):
            take(server.root, tmp_path / "store")
        assert not Store.open(tmp_path / "store").done.all()
        table = read_table(tmp_path / "store" / TABLE)
        assert "was not fetched yet; run the same again" in {
            row["reason"] for row in table if row["status"] == "failed"
        }
        before = dict(server.sent)
        store, _ = take(server.root, tmp_path / "store")
        again = [name for name in before if name[-1].isdigit() and server.sent[name] > before[name]]
        # What was on its way, at most.
        assert len(again) <= 8
    assert store.done.all()
    assert store.has.all()


@pytest.mark.parametrize("array", ["sdomlv2.zarr/2011/171A", "sdomlv2_hmi.zarr/2011/Bz"])
def test_damaged_chunks_are_tried_again(tmp_path, array):
    """All but their frames is done, and these are, once the archive is whole again."""
    write_sdoml(tmp_path)
    path = tmp_path / array / "1.0.0"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    store, table = take(tmp_path, tmp_path / "store")
    failed = reasons(table, status="failed")
    assert failed
    assert all("the chunk is damaged" in reason and "run the same again" in reason for reason in failed)
    assert not store.has.all()
    # A frame may lack an image, but not its field.
    lacking = ~np.array([np.isfinite(store.field(row)).all() for row in range(len(store.frames))])
    np.testing.assert_array_equal(store.done, ~lacking)
    assert lacking.any() == ("Bz" in array)
    path.write_bytes(whole)
    store, table = take(tmp_path, tmp_path / "store")
    assert store.has.all()
    assert not (table["status"] == "failed").any()


def arguments(root, path):
    times = ["--start", "2011-01-01", "--end", "2011-07-01", "--size", "64"]
    return ["data", "sdoml", *times, "--passbands", *map(str, BANDS), "--root", str(root), "-o", str(path)]


@pytest.mark.skipif(os.name != "posix", reason="needs signals that nobody can catch")
def test_kill(folder, tmp_path):
    """A process that is killed at any moment loses the chunks in work."""
    take(folder, tmp_path / "unbroken", ALL)
    with Server(folder) as server:
        command = [sys.executable, "-m", "sunpy_mag2euv.cli", *arguments(server.root, tmp_path / "store")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and written(tmp_path / "store") < 0.4:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        before = dict(server.sent)
        assert main(arguments(server.root, tmp_path / "store")) == 0
        again = [name for name in before if name[-1].isdigit() and server.sent[name] > before[name]]
        assert len(again) <= 8
    store, unbroken = Store.open(tmp_path / "store"), Store.open(tmp_path / "unbroken")
    assert store.done.all()
    assert store.has.all()
    for row in range(len(store.frames)):
        np.testing.assert_array_equal(store.field(row), unbroken.field(row))
        np.testing.assert_array_equal(store.images(row), unbroken.images(row))
    np.testing.assert_array_equal(store.delay, unbroken.delay)
    np.testing.assert_array_equal(store.ceilings, unbroken.ceilings)


def written(path):
    """How much of a store is there, and 0 before there is any."""
    try:
        return float(Store.open(path).written.mean())
    except (FileNotFoundError, KeyError, ValueError):
        return 0.0


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_interruption_does_not_wait_for_an_archive_that_stalls(folder, tmp_path, monkeypatch):
    stalled, over, fetch = threading.Event(), threading.Event(), remote_arrays.RemoteArray.fetch

    def stall(array, chunk, wanted):
        if "171A" in array.name:
            stalled.set()
            over.wait(30)
        return fetch(array, chunk, wanted)

    def interrupt():
        stalled.wait(30)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(remote_arrays.RemoteArray, "fetch", stall)
    thread = threading.Thread(target=interrupt)
    # In the background of a shell, interruptions are ignored.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            take(folder, tmp_path / "store")
        assert time.monotonic() - began < 20
        thread.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    over.set()
    store, _ = take(folder, tmp_path / "store")
    assert store.has.all()


def test_another_store_is_in_the_way(folder, tmp_path):
    take(folder, tmp_path / "store")
    selection = select(str(folder), TIMES, BANDS)
    with pytest.raises(ValueError, match="was made with other grid; give another path"):
        sdoml.open_store(tmp_path / "store", selection, Grid((32, 32), 12))
    with pytest.raises(ValueError, match="was made with other frames"):
        sdoml.open_store(tmp_path / "store", dataclasses.replace(selection, frames=selection.frames[:3]), SMALL)
    with pytest.raises(ValueError, match=r"empty would be empty: no record within 360 s"):
        sdoml.open_store(tmp_path / "empty", dataclasses.replace(selection, frames=selection.frames[:0]), SMALL)


@pytest.mark.parametrize("other", [None, "MISSING", float("nan"), "", "2011-13-01", "2011-01-01T00:00:08+01:00"])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2011-01-01T00:00:08.57Z", 8.57),
        ("2011-01-01T00:00:08", 8),
        ("2011.01.01_00:00:42_TAI", 8),
        ("2011.01.01_00:00:42.50_TAI", 8.5),
    ],
)
def test_a_time_that_is_none_does_not_have_the_others_read_one_by_one(monkeypatch, text, seconds, other):
    """Of a year, that takes half a minute for every channel."""
    one_by_one, time_of = [], sdoml_index._time
    monkeypatch.setattr(sdoml_index, "_time", lambda text: one_by_one.append(text) or time_of(text))
    times = sdoml_index._times([text, other, text])
    np.testing.assert_allclose(times - Time("2011-01-01").unix, [seconds, np.nan, seconds], atol=1e-6)
    assert one_by_one == [str(other)]


def test_attributes_that_are_not_sdomls(tmp_path):
    write_sdoml(
        tmp_path, (171,), change=lambda channel, frames, headers: headers["EXPTIME"].pop() if "A" in channel else 0
    )
    with pytest.raises(ValueError, match=r"EXPTIME of .*/2011/171A must have an entry for each of 120"):
        select(str(tmp_path), TIMES, (171,))


def test_commands(folder, tmp_path, capsys):
    with Server(folder) as server:
        command = arguments(server.root, tmp_path / "store")
        assert main([*command, "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert "724 times, magnetogram and 3 passbands" in said
        assert "frames to fetch: 432 of" in said
        assert not (tmp_path / "store").exists()
        assert not any(name.endswith(".zattrs") for name, _ in server.gets)
        assert main(command) == 0
        said = capsys.readouterr().out
        server.faults = {"sdomlv2_hmi.zarr/2011/Bz/.zarray": [503] * 3}
        assert main(command) == 1
    assert f"24 of 724 frames in {tmp_path / 'store'}\n96 taken, 700 rejected, 0 failed;" in said
    assert "run the same again to go on" in capsys.readouterr().err


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not installed with the package")
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated")
@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:the model has learnt from Bz of SDOML")
@pytest.mark.filterwarnings("ignore:there is no frame")
def test_the_page(tmp_path, monkeypatch, capsys, make_magnetogram):
    """What it shows is run as it stands there, but for the archive, and for sizes that take a minute."""
    blocks = re.findall(r"\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)", PAGE.read_text(encoding="utf-8"))
    blocks = [(language, textwrap.dedent(text).strip()) for language, text in blocks]
    (config,) = [text for language, text in blocks if language == "toml"]
    lines = [shlex.split(line) for language, text in blocks if language == "shell" for line in text.splitlines()]
    assert [line[:3] for line in lines] == [
        ["mag2euv", "data", "sdoml"],
        ["mag2euv", "train", "sdoml.toml"],
        ["mag2euv", "export", "run"],
        ["mag2euv", "score", "sdoml.toml"],
        ["mag2euv", "generate", "hmi.M_720s.20170901_000000_TAI.magnetogram.fits"],
        ["mag2euv", "data", "sdoml"],
    ]
    small = [
        "[run]\nsteps = 20\nepoch = 10\nworkers = 0",
        "[model.network]\nwidths = [4, 8]\nhead = 4",
        '[trainer]\naccelerator = "cpu"\nenable_progress_bar = false\nenable_model_summary = false',
    ]
    monkeypatch.chdir(tmp_path)
    Path("sdoml.toml").write_text("\n".join([config, *small]), encoding="utf-8")
    make_magnetogram(date="2017-09-01T00:00:00").save(lines[4][2])
    bands = (94, 131, 171, 193, 211, 304, 335, 1600, 1700)
    write_sdoml(tmp_path / "sdoml", bands, days=("2016-03-08", "2016-02-01", "2017-03-01", "2017-09-01"), hours=(0, 12))
    with Server(tmp_path / "sdoml") as server:
        for _, command, *rest in lines:
            more = ["--root", server.root, "--size", "64"] if command == "data" else []
            assert main([command, *rest, *more]) == 0
    said = capsys.readouterr().out
    assert "8 of 10228 frames in sdoml.zarr" in said
    assert Store.open("sdoml.zarr").has.all()
    model = load_model("weights.safetensors")
    assert model.field_kind == SDOML_BZ
    assert set(model.epochs.values()) == {"launch"}
    assert model.training_images == dict.fromkeys(bands, 4)
    assert "another kind of field" in sunpy.map.Map(next(Path("images").glob("*.fits"))).meta["validity"]
    assert "sdoml" in Path("scores.rst").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--root", "nowhere"], "nowhere must hold sdomlv2_hmi.zarr with Bz of 2011; it has none of these years"),
        (["--root", "nothing://there"], "Protocol not known: nothing"),
        (["--root", "nowhere", "--dry-run"], "nowhere has nothing of 2011; give another --root"),
        (["--end", "2010-01-01"], "no times between --start and --end"),
        (["--cadence", "6"], "--cadence must be a time with its unit"),
        (["--passbands", "94"], "store would be empty: there is no sdomlv2.zarr/2011/94A (24 of 748)"),
        (["--size", "0"], "--size and --radius must be positive"),
        (["-o", "."], ". is there and is no training store; give another -o"),
        (["--root", __file__], "must hold sdomlv2_hmi.zarr with Bz of 2011"),
    ],
)
def test_usage_errors(folder, tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments(folder, tmp_path / "store"), *more]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
