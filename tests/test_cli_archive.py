"""The command line with many files."""

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import fsspec
import numpy as np
import psutil
import pytest

import astropy.units as u
import sunpy.map
from astropy.table import QTable

from sunpy_mag2euv import workers
from sunpy_mag2euv.cli import main
from sunpy_mag2euv.models import save_model
from sunpy_mag2euv.sample import sample_chart


@pytest.fixture(scope="module")
def magnetogram(make_magnetogram, tmp_path_factory):
    """Path of a small magnetogram file."""
    path = tmp_path_factory.mktemp("inputs") / "hmi.fits"
    make_magnetogram().save(path)
    return path


@pytest.fixture
def archive(magnetogram, tmp_path, monkeypatch):
    """Folder of three magnetograms, in the working directory."""
    monkeypatch.chdir(tmp_path)
    _fill(tmp_path / "archive", magnetogram, 3)
    return tmp_path / "archive"


def _fill(folder, magnetogram, number):
    folder.mkdir()
    for count in range(number):
        (folder / f"hmi{count:03}.fits").symlink_to(magnetogram)


@pytest.fixture
def run(tiny_weights):
    """Run ``mag2euv generate`` with the tiny model and output to the folder ``out``."""
    return lambda *arguments: main(
        ["generate", *map(str, arguments), "--passband", "193", "304", "--model", str(tiny_weights), "-o", "out"]
    )


def _names(folder="out"):
    return sorted(os.listdir(folder))


#: What is made of the archive.
_IMAGES = [f"hmi00{number}_aia_{band}.fits" for number in range(3) for band in ("0193", "0304")]


@pytest.mark.parametrize("words", [["archive"], ["archive/*.fits"], ["@list", "archive/hmi001.fits"]], ids=str)
def test_ways_to_name_many(run, archive, capsys, words):
    Path("list").write_text("# all\narchive/hmi000.fits\n\narchive/hmi00[12].fits\n")
    assert run(*words) == 0
    assert _names() == _IMAGES
    assert capsys.readouterr().out == "6 images of 3 magnetograms written to out\n"


def test_images_beside_the_magnetograms_are_no_inputs(run, archive, tiny_weights, capsys):
    command = ["generate", "archive", "--passband", "193", "--model", str(tiny_weights), "-o", "archive"]
    assert main(command) == 0
    assert main([*command, "--skip-existing"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "0 images of 0 magnetograms written to archive, 3 skipped"
    assert len(_names("archive")) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["empty"], "there are no images in the directory empty"),
        (["empty/*.fits"], "there is no file that the pattern empty/*.fits stands for"),
        (["@absent"], "the list absent cannot be read (No such file or directory)"),
        (["archive", "--jobs", "0"], "--jobs must be at least 1; got 0"),
        (["archive", "--report", "empty.ecsv"], "empty.ecsv is a directory; --report must name a file"),
        (
            ["archive", "--report", "file.ecsv"],
            "file.ecsv exists already; use --overwrite to replace it and all images",
        ),
        (["archive", "--report", "file.ecsv", "--skip-existing"], "file.ecsv exists already; use --overwrite"),
        (["archive", "--report", "file/table.ecsv"], "file is a file; -o must name a directory"),
        (["archive", "--report", "report.csv"], "--report must name a table that ends in .ecsv; got report.csv"),
        (["list.txt"], "list.txt is a list of inputs, it seems; give it as '@list.txt'"),
        (["archive", "--scheduler", "nonsense"], "there is no scheduler at nonsense ("),
    ],
)
def test_unusable_arguments(run, archive, capsys, words, message):
    Path("empty").mkdir()
    Path("empty.ecsv").mkdir()
    Path("list.txt").write_text("archive/hmi000.fits")
    for name in ("file", "file.ecsv"):
        Path(name).write_text("precious")
    assert run(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mag2euv: error: ")
    assert message in line
    assert not Path("out").exists()
    assert Path("file").read_text() == Path("file.ecsv").read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overwrite", "--skip-existing"], "not allowed with argument --overwrite"),
        (["--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"], "not allowed with argument --jobs"),
        (["--jobs", "archive/hmi000.fits"], "invalid int value"),
        *(
            ([option, "archive/hmi000.fits"], "'archive/hmi000.fits' is named as images are")
            for option in (
                "-o",
                "--report",
                "--model",
                "--sha256",
                "--device",
                "--observer",
                "--obstime",
                "--scheduler",
            )
        ),
        *(
            (["--passband", "193", word], f"'{word}' is no passband: give inputs before --passband, or after --")
            for word in ("archive", "archive/*", "@list", "https://example.org/hmi")
        ),
    ],
)
def test_options_swallow_no_inputs(archive, capsys, words, message):
    with pytest.raises(SystemExit) as exit_:
        main(["generate", "archive", "--passband", "193", *words, "--overwrite"])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
    assert Path("archive/hmi000.fits").read_bytes().startswith(b"SIMPLE")
    assert _names(".") == ["archive"]


def test_all_is_no_input(archive, tiny_weights):
    Path("all").mkdir()
    assert main(["generate", "archive", "--passband", "all", "--model", str(tiny_weights), "-o", "out"]) == 0
    assert len(_names()) == 27


def test_going_on(run, archive, capsys):
    assert run(archive / "hmi000.fits") == 0
    assert run(archive / "hmi001.fits", "--png") == 0
    before = {name: os.stat(f"out/{name}").st_mtime_ns for name in _names()}
    # Without being told so, images that are there are nobody's to replace.
    assert run(archive) == 1
    os.unlink("out/hmi001_aia_0193.fits")
    capsys.readouterr()
    assert run("archive", "--skip-existing") == 0
    assert capsys.readouterr().out == "2 images of 1 magnetogram written to out, 2 skipped\n"
    assert [name for name in _names() if name.endswith("fits")] == _IMAGES
    after = {name: os.stat(f"out/{name}").st_mtime_ns for name in _names()}
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"hmi001_aia_0193.fits", "hmi001_aia_0304.fits"}
    assert run("archive", "--skip-existing") == 0
    assert capsys.readouterr().out == "0 images of 0 magnetograms written to out, 3 skipped\n"
    assert run("archive", "--skip-existing", "--png") == 0
    assert capsys.readouterr().out == "4 images of 2 magnetograms written to out, 1 skipped\n"


def test_a_report(run, archive, capsys):
    (archive / "hmi001.fits").unlink()
    (archive / "hmi001.fits").write_text("no image")
    assert run(archive / "hmi000.fits") == 0
    assert run("archive", "--skip-existing", "--report", "tables/report.ecsv") == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1] == "2 images of 1 magnetogram written to out, 1 skipped, 1 failed"
    (line,) = captured.err.splitlines()
    table = QTable.read("tables/report.ecsv")
    assert list(table["input"]) == [f"archive/hmi00{number}.fits" for number in range(3)]
    assert list(table["status"]) == ["skipped", "failed", "done"]
    assert f"{table['input'][1]}: {table['reason'][1]}" == line
    # What is empty is read as masked.
    assert list(table["reason"].mask) == [True, False, True]
    # Whether an image is new or was there, it says the same.
    images = [sunpy.map.Map(pattern) for pattern in table["images"][[0, 2]]]
    assert [[image.wavelength.value for image in pair] for pair in images] == [[193, 304]] * 2
    assert table["validity"][0] == table["validity"][2] == images[0][0].meta["validity"]
    assert list(table["validity"].mask) == list(table["images"].mask) == [False, True, False]
    assert table["seconds"].unit == u.s
    assert table["seconds"][2] > 0
    assert list(table["model"]) == ["tiny", np.ma.masked, "tiny"]
    assert list(table.meta["weights sha256"]) == ["tiny"]
    assert table.meta["passbands"] == [193, 304]
    assert _names("tables") == ["report.ecsv"]

    # It is part of the work, and goes on with it.
    (archive / "hmi001.fits").unlink()
    capsys.readouterr()
    assert run("archive", "--report", "tables/report.ecsv") == 2
    assert "exists already; use --skip-existing to go on, --overwrite" in capsys.readouterr().err
    assert run("archive", "--skip-existing", "--report", "tables/report.ecsv") == 0
    assert list(QTable.read("tables/report.ecsv")["status"]) == ["skipped"] * 2
    assert run("archive", "--overwrite", "--report", "tables/report.ecsv") == 0
    assert list(QTable.read("tables/report.ecsv")["status"]) == ["done"] * 2


def test_a_report_of_names_that_are_no_text(run, archive):
    (archive / "hmi000.fits").rename(archive / os.fsdecode(b"\xe9[1].fits"))
    assert run("archive", "--report", "report.ecsv") == 0
    table = QTable.read("report.ecsv")
    assert table["input"][2] == "archive/\\xe9[1].fits"
    assert table["images"][2] == "out/\\xe9[[]1]_aia_*.fits"


def test_a_report_that_cannot_be_written(run, archive, capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(QTable, "write", fail)
    assert run("archive", "--report", "report.ecsv") == 1
    assert "cannot write report.ecsv (No space left on device)" in capsys.readouterr().err
    assert _names() == _IMAGES


def test_a_report_of_what_was_interrupted(run, archive, monkeypatch):
    def interrupted(image, path):
        if "hmi001" in path.name:
            raise KeyboardInterrupt
        image.save(path)

    monkeypatch.setattr("sunpy_mag2euv.storage.write", interrupted)
    assert run("archive", "--report", "report.ecsv") == 130
    table = QTable.read("report.ecsv")
    assert list(table["status"]) == ["done", "pending", "pending"]
    assert list(table["reason"][1:]) == ["interrupted", "interrupted"]
    assert _names() == _IMAGES[:2]


def test_charts_are_called_charts(tiny_weights, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample_chart().save("chart.fits")
    options = ["--passband", "193", "--observer", "earth", "--model", str(tiny_weights), "-o", "out"]
    assert main(["generate", "chart.fits", *options]) == 0
    assert main(["generate", "chart.fits", *options, "--skip-existing"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 image of 1 chart written to out",
        "0 images of 0 charts written to out, 1 skipped",
    ]


def test_addresses(run, archive, capsys):
    memory = fsspec.filesystem("memory")
    memory.pipe("/away/hmi009.fits", (archive / "hmi000.fits").read_bytes())
    assert run("memory://away/hmi009.fits", "memory://away/none.fits") == 1
    assert _names() == ["hmi009_aia_0193.fits", "hmi009_aia_0304.fits"]
    assert capsys.readouterr().err == "memory://away/none.fits: there is no file at this address\n"


def test_notes_are_said_once(archive, tiny_weights, capsys):
    assert main(["generate", "archive", "--passband", "211", "--model", str(tiny_weights), "-o", "out"]) == 0
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith("note: 211 Å: ")


def test_progress(run, archive, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run("archive") == 0
    drawn = capsys.readouterr().err
    assert "0/3 [00:00<?, ?file/s]" in drawn
    # With so few files there is none.
    assert run("archive/hmi000.fits", "--overwrite") == 0
    assert capsys.readouterr().err == ""


def test_progress_without_a_terminal(run, archive, capsys, monkeypatch):
    monkeypatch.setattr("sunpy_mag2euv.cli.batch._INTERVAL", 0)
    (archive / "hmi000.fits").unlink()
    (archive / "hmi000.fits").write_text("no image")
    assert run("archive") == 1
    failure, *lines = capsys.readouterr().err.splitlines()
    assert failure.startswith("archive/hmi000.fits: ")
    assert [re.sub(r"second, [\d:]+ left", "", re.sub(r"[\d.e+]+ a", "", line)) for line in lines] == [
        "1 of 3 files, 1 failed,  ",
        "2 of 3 files, 1 failed,  ",
    ]
    # Where there is nothing to do there is nothing to say.
    assert run(archive / "hmi001.fits", archive / "hmi002.fits", "--skip-existing") == 0
    assert capsys.readouterr().err == ""


def test_images_of_other_weights_that_are_skipped(run, archive, tiny_model, capsys, tmp_path):
    others = [dataclasses.replace(tiny_model, name="a name of more than a line " * 5), tiny_model]
    for number, model in enumerate(others):
        save_model(model, tmp_path / f"{number}.safetensors")
        Path("archive", f"hmi00{number}.fits").rename(f"hmi00{number}.fits")
    options = ["--passband", "193", "304", "-o", "out", "--model"]
    assert main(["generate", "hmi000.fits", *options, "0.safetensors"]) == 0
    assert run("hmi001.fits") == 0
    capsys.readouterr()
    inputs = ["hmi000.fits", "hmi001.fits", "archive", "--skip-existing", "--report", "report.ecsv"]
    assert run(*inputs) == 0
    name = others[0].name.strip()
    assert capsys.readouterr().err == f"note: 1 skipped magnetogram has images of {name}, not of tiny\n"
    assert list(QTable.read("report.ecsv")["model"]) == [name, "tiny", "tiny"]


class _Inline:
    """An executor whose processes die as told, after the work or before it."""

    def __init__(self, number, modules, retried):
        self.deaths = {"archive/hmi000.fits": "after", "archive/hmi001.fits": "at"}
        self.retried = retried

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, job, source):
        future = Future()
        death = self.deaths.get(source)
        if death == "at":
            future.set_exception(workers.WorkerError("two processes died at it, the last by SIGKILL"))
            return future
        if death == "after":
            self.retried("by SIGKILL", source)
            assert job(source).status == "done"
        future.set_result(job(source))
        return future

    def stop(self):
        pass


def test_who_dies_costs_no_more_than_a_file(run, archive, capsys, monkeypatch):
    monkeypatch.setattr(workers, "Workers", _Inline)
    assert run("archive", "--jobs", "2", "--report", "report.ecsv") == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "note: archive/hmi000.fits: a process died at it, by SIGKILL; it is tried once more",
        "archive/hmi001.fits: two processes died at it, the last by SIGKILL",
    ]
    # What somebody had made who did not live to say so is not called skipped.
    assert captured.out == "4 images of 2 magnetograms written to out, 1 failed\n"
    table = QTable.read("report.ecsv")
    assert list(table["status"]) == ["done", "failed", "done"]
    assert table["validity"][0] == table["validity"][2] != ""


def _start(tiny_weights, *arguments):
    """The command as a process of its own."""
    code = "import sys; from sunpy_mag2euv.cli import main; sys.exit(main())"
    options = ["--passband", "193,304", "--model", str(tiny_weights), "-o", "out", "--skip-existing"]
    return subprocess.Popen(
        [sys.executable, "-c", code, "generate", *arguments, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # A process group of its own, as of a terminal, in which Ctrl-C is heard.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _written():
    """When each image was written."""
    return {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*.fits")}


def _alive(group):
    """Whether there are processes of a group that are more than an entry in a list."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_processes_that_are_ended(run, tiny_weights, magnetogram, tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    _fill(tmp_path / "archive", magnetogram, 150)
    process = _start(tiny_weights, "archive", "--jobs", "2", "--report", "report.ecsv")
    with process:
        _wait_for(lambda: len(_written()) >= 10 or process.poll() is not None)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    _wait_for(lambda: not _alive(process.pid))
    earlier = _written()
    assert len(earlier) < 300
    assert out == ""
    if number == signal.SIGINT:
        assert process.returncode == 130
        lines = err.splitlines()
        assert re.fullmatch(r"\d+ of 150 files left; go on with --skip-existing", lines[0]), err
        assert lines[1:] == ["mag2euv: interrupted"], err
        statuses = Counter(QTable.read("report.ecsv")["status"])
        assert set(statuses) == {"done", "pending"}
        assert 1 <= statuses["done"] <= len(earlier) / 2
        assert not list(Path("out").glob(".*"))
    # Of what the rest takes, a few are enough to know.
    for path in sorted((tmp_path / "archive").iterdir())[len(earlier) // 2 + 4 :]:
        path.unlink()
    assert run("archive", "--skip-existing", "--report", "report.ecsv") == 0
    whole = [path for path in Path("out").iterdir() if np.isfinite(sunpy.map.Map(path).data).any()]
    assert len(whole) == len(_names()) >= len(earlier)
    # Where one of two was there, both were made again; else none twice.
    again = {name for name, time in _written().items() if earlier.get(name, time) != time}
    assert all({name.replace("0304", "0193"), name.replace("0193", "0304")} - set(earlier) for name in again)


def test_inputs_are_not_replaced_by_images(archive, capsys):
    shutil.copy("archive/hmi000.fits", "archive/hmi001_aia_0193.fits")
    words = ["generate", "archive/hmi001.fits", "archive/hmi001_aia_0193.fits", "--passband", "193", "-o", "archive"]
    before = Path("archive/hmi001_aia_0193.fits").read_bytes()
    assert main([*words, "--overwrite"]) == 2
    assert "an image of archive/hmi001.fits would replace the input" in capsys.readouterr().err
    assert Path("archive/hmi001_aia_0193.fits").read_bytes() == before
