"""The command line."""

import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from aia_images import make_aia
from sdo_files import correction_table
from without_aiapy import remove_aiapy

import sunpy.map
from astropy.io import fits
from astropy.table import QTable
from sunpy.map.sources import AIAMap

import sunpy_mag2euv
from sunpy_mag2euv import cli, inputs, remote
from sunpy_mag2euv.cli import UsageError, commands, main
from sunpy_mag2euv.models import available_models, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.sensitivity import Sensitivity


@pytest.fixture(scope="module")
def magnetogram(make_magnetogram, tmp_path_factory):
    """Path of a magnetogram file."""
    path = tmp_path_factory.mktemp("inputs") / "hmi.20140115_TAI.fits"
    make_magnetogram().save(path)
    return path


@pytest.fixture
def run(tiny_weights, tmp_path, monkeypatch):
    """Run ``mag2euv generate`` or ``demo`` with the tiny model in an empty folder, and output to its folder ``out``."""
    monkeypatch.chdir(tmp_path)

    def run(command, *arguments):
        return main([command, *map(str, arguments), "--model", str(tiny_weights), "-o", "out"])

    return run


@pytest.fixture
def names(tmp_path):
    """What is in the output folder, hidden files included."""
    return lambda: sorted(path.name for path in (tmp_path / "out").iterdir())


def test_all_passbands(run, magnetogram, names, capsys, tmp_path):
    assert run("generate", magnetogram, "--passband", "all") == 0
    bands = ("0094", "0131", "0171", "0193", "0211", "0304", "0335", "1600", "1700")
    assert names() == [f"hmi.20140115_TAI_aia_{band}.fits" for band in bands]
    image = sunpy.map.Map(tmp_path / "out" / "hmi.20140115_TAI_aia_0304.fits")
    assert isinstance(image, AIAMap)
    assert image.wavelength.value == 304
    assert image.date.isot == "2014-01-15T00:00:00.000"
    captured = capsys.readouterr()
    assert captured.out == "9 images of 1 magnetogram written to out\n"
    # The caveat of the scarce passband, and nothing else
    (note,) = captured.err.splitlines()
    assert note.startswith("note: 211 Å: ")


def test_png(run, magnetogram, names, tmp_path):
    assert run("generate", magnetogram, "--png", "--passband", "193", "171", "193") == 0
    assert names() == [
        f"hmi.20140115_TAI_aia_{band}.{suffix}" for band in ("0171", "0193") for suffix in ("fits", "png")
    ]
    for path in (tmp_path / "out").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_bad_file_does_not_stop_the_others(run, make_magnetogram, names, capsys, tmp_path):
    make_magnetogram().save(tmp_path / "first.fits.gz", filetype="fits")
    make_magnetogram(unit="DN/s").save(tmp_path / "second.fits")
    make_magnetogram().save(tmp_path / "third.fts", filetype="fits")
    files = ["first.fits.gz", "second.fits", "third.fts"]
    assert run("generate", *files, "--passband", "211") == 1
    assert names() == ["first_aia_0211.fits", "third_aia_0211.fits"]
    captured = capsys.readouterr()
    assert captured.out == "2 images of 2 magnetograms written to out, 1 failed\n"
    note, error = captured.err.splitlines()
    assert note.startswith("note: 211 Å")
    assert error.startswith("second.fits: the magnetogram must be a line-of-sight magnetogram in gauss")


def _truncate(path):
    path.write_bytes(path.read_bytes()[:20000])


def _two_images(path):
    with fits.open(path) as hdus:
        header, data = hdus[0].header, hdus[0].data
        fits.HDUList([fits.PrimaryHDU(data, header), fits.ImageHDU(data, header)]).writeto(path, overwrite=True)


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncate, "cannot be read as an image with solar coordinates ("),
        (lambda path: path.write_bytes(b""), "cannot be read as an image with solar coordinates ("),
        (lambda path: path.write_text("no image\n" * 999), "cannot be read as an image with solar coordinates ("),
        (
            lambda path: path.write_bytes(path.read_bytes()[:2880]),
            "cannot be read as an image with solar coordinates (",
        ),
        (_two_images, "the file must hold one image; it holds 2. Save one"),
        (lambda path: path.unlink(), "there is no such file"),
        (_pipe, "this is a pipe or a device; give a file"),
    ],
    ids=["truncated", "empty", "text", "header only", "two images", "missing", "pipe"],
)
def test_unusable_file(run, make_magnetogram, names, capsys, tmp_path, spoil, message):
    path = tmp_path / "bad.fits"
    make_magnetogram().save(path)
    spoil(path)
    assert run("generate", path, "--passband", "193") == 1
    assert names() == []
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"{path}: {message}")


def test_existing_files_are_kept(run, magnetogram, names, capsys, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    existing = tmp_path / "out" / "hmi.20140115_TAI_aia_0193.fits"
    existing.write_text("precious")
    with monkeypatch.context() as patch:
        patch.setattr("sunpy_mag2euv.synthesis.generate", lambda *args, **kwargs: pytest.fail("computed in vain"))
        assert run("generate", magnetogram, "--passband", "171", "193") == 1
    assert existing.read_text() == "precious"
    assert names() == [existing.name]
    message = "exists already; use --skip-existing to go on, --overwrite to replace it, or another -o DIR"
    assert message in capsys.readouterr().err

    assert run("generate", magnetogram, "--passband", "171", "193", "--overwrite") == 0
    assert names() == ["hmi.20140115_TAI_aia_0171.fits", "hmi.20140115_TAI_aia_0193.fits"]
    assert np.isfinite(sunpy.map.Map(existing).data).any()


def test_files_are_replaced_all_or_none(run, magnetogram, names, capsys, tmp_path, monkeypatch):
    """Something in the way of one keeps the others as they are, and is found before anything is computed."""
    (tmp_path / "out" / "hmi.20140115_TAI_aia_0193.png").mkdir(parents=True)
    existing = tmp_path / "out" / "hmi.20140115_TAI_aia_0171.fits"
    existing.write_text("precious")
    monkeypatch.setattr("sunpy_mag2euv.synthesis.generate", lambda *args, **kwargs: pytest.fail("computed in vain"))
    for options in ([], ["--overwrite"]):
        assert run("generate", magnetogram, "--png", *options, "--passband", "193") == 1
        assert "hmi.20140115_TAI_aia_0193.png is a directory" in capsys.readouterr().err
    assert existing.read_text() == "precious"
    assert len(names()) == 2


def test_permissions_are_the_usual_ones(run, magnetogram, tmp_path):
    before = os.umask(0o027)
    try:
        assert run("generate", magnetogram, "--png", "--passband", "193") == 0
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()] == [0o640, 0o640]


def test_what_a_killed_process_left_is_removed(run, magnetogram, names, tmp_path):
    left = tmp_path / "out" / ".mag2euv-x1y2z3"
    left.mkdir(parents=True)
    (left / "half.fits").write_text("half")
    os.utime(left, times=(0, 0))
    assert run("generate", magnetogram, "--passband", "193") == 0
    assert names() == ["hmi.20140115_TAI_aia_0193.fits"]


@pytest.mark.parametrize(
    "ending", ["", ".fits", ".FIT", ".fts", ".fz", ".fits.gz", ".FITS.Z", ".fits.fz", ".asdf", ".jp2", ".j2k"]
)
def test_outputs_are_named_after_the_image(ending):
    assert inputs.stem(f"hmi.1{ending}") == "hmi.1"


def test_asdf(run, make_magnetogram, names, capsys, tmp_path, monkeypatch):
    make_magnetogram().save(tmp_path / "hmi.asdf")
    assert run("generate", "hmi.asdf", "--passband", "193") == 0
    assert names() == ["hmi_aia_0193.fits"]
    monkeypatch.setitem(sys.modules, "asdf", None)
    assert run("generate", "hmi.asdf", "--passband", "171") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hmi.asdf: to read a file of this kind, install sunpy[asdf] (")


def test_jpeg_2000_without_a_decoder(run, translate, names, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "glymur", None)
    (tmp_path / "hmi.jp2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100))
    assert run("generate", "hmi.jp2", "--passband", "193") == 1
    assert translate("hmi.jp2", "--passband", "193") == 1
    for line in capsys.readouterr().err.splitlines():
        assert "hmi.jp2: to read a file of this kind, install sunpy_mag2euv[jp2] (" in line
    assert names() == []


def _fail_on_second(error):
    """A stand-in for `sunpy_mag2euv.storage.write` that fails half-way through the second file."""
    calls = []

    def write(image, path):
        calls.append(path)
        path.write_text("half")
        if len(calls) == 2:
            raise error

    return write


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (
            OSError(28, "No space left on device"),
            1,
            "hmi.20140115_TAI.fits: cannot write out/hmi.20140115_TAI_aia_0193.fits (No space left on device)",
        ),
        (KeyError("x"), 1, "hmi.20140115_TAI.fits: KeyError: 'x'"),
        (KeyboardInterrupt(), 130, "mag2euv: interrupted"),
    ],
    ids=["disk full", "bug", "Ctrl-C"],
)
def test_nothing_half_written_stays(run, magnetogram, names, capsys, monkeypatch, error, status, message):
    monkeypatch.setattr("sunpy_mag2euv.storage.write", _fail_on_second(error))
    assert run("generate", magnetogram, "--passband", "171", "193", "304") == status
    assert names() == []
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.endswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--passband", "4500"], "there is no AIA passband 4500"),
        (["--passband", "all", "193"], "a passband must be a channel"),
        (["--passband", "193", "--device", "nonsense"], "the device nonsense cannot be used here"),
        (["--passband", "193", "--model", "no-such"], "there is no model 'no-such'"),
        (["--passband", "193", "--model", "no/such.safetensors"], "there is no weights file no/such.safetensors"),
        (["--passband", "193", "--model", "https://127.0.0.1/w.safetensors"], "sha256 must be"),
        (["--passband", "193", "--sha256", "0" * 64], "has sha256"),
        (["--passband", ","], "the passbands must be at least one"),
        (["--passband", "193", "-o", "a-file/out"], "cannot write to the directory a-file/out (Not a directory)"),
        (["--passband", "193", "-o", "a-file"], "a-file is a file; -o must name a directory"),
    ],
)
def test_unusable_arguments(tiny_weights, magnetogram, capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    monkeypatch.setattr(sunpy.map, "Map", lambda *args, **kwargs: pytest.fail("a file was read"))
    assert main(["generate", "missing.fits", "--model", str(tiny_weights), *arguments]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("mag2euv: error: ")
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


@pytest.mark.parametrize(
    "words", [["193,171"], ["193", "171"], ["193,", "171"], ["193, 171"], [",193,,171.0,"]], ids=str
)
def test_ways_to_name_passbands(run, magnetogram, names, words):
    assert run("generate", magnetogram, "--passband", *words) == 0
    assert names() == [f"hmi.20140115_TAI_aia_{band}.fits" for band in ("0171", "0193")]


@pytest.mark.parametrize("command", ["generate", "translate"])
@pytest.mark.parametrize("words", [["hmi.fits"], ["193", "FITS"], ["193,171", "away/hmi.asdf", "x.fits.gz"]], ids=str)
def test_files_after_passbands(command, words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("193", "FITS"):
        (tmp_path / name).touch()
    with pytest.raises(SystemExit) as exit_:
        main([command, "first.fits", "--passband", *words])
    assert exit_.value.code == 2
    file = words[min(len(words) - 1, 1)]
    assert f"{file!r} is a file: give the files before --passband, or after --" in capsys.readouterr().err


def test_files_after_two_dashes(tiny_weights, magnetogram, names, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ["--model", str(tiny_weights), "-o", "out", "--passband", "193", "171"]
    assert main(["generate", *options, "--", str(magnetogram)]) == 0
    assert names() == [f"hmi.20140115_TAI_aia_{band}.fits" for band in ("0171", "0193")]


def test_a_model_without_the_passband(tiny_model, magnetogram, capsys, monkeypatch):
    scalings = {band: tiny_model.image_scalings[band] for band in (94, 131)}
    narrow = dataclasses.replace(tiny_model, name="narrow", image_scalings=scalings)
    monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: narrow)
    assert main(["generate", str(magnetogram), "--passband", "94", "193"]) == 2
    assert "the model narrow has no passband 193 Å; it has 94 Å, 131 Å" in capsys.readouterr().err


def test_two_inputs_of_one_name(run, capsys, tmp_path):
    assert run("generate", "a/x.fits", "b/x.fits.gz", "--passband", "193") == 2
    assert "b/x.fits.gz and a/x.fits would be written to the same files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [[], ["generate", "x.fits"], ["generate", "--passband", "193"], ["unknown"]])
def test_incomplete_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "error" in capsys.readouterr().err


def test_models(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(remote, "_PACKAGED", tmp_path)
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert out == f"{available_models()}\n"
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert re.fullmatch(r"detail-browse +magnetogram +all nine +1024 × 1024 2.4 arcsec 6.9 MB no", lines[2])

    (tmp_path / "detail-browse.safetensors").touch()
    assert main(["models"]) == 0
    assert re.match("detail-browse .* yes$", capsys.readouterr().out.splitlines()[2])


@pytest.fixture(scope="module")
def aia_files(tmp_path_factory):
    """Paths of AIA images of 171 and 304 Å, 15 minutes apart."""
    folder = tmp_path_factory.mktemp("aia")
    paths = [folder / "aia.lev1.171.fits", folder / "aia.lev1.304.fits"]
    for path, band, minute in zip(paths, (171, 304), ("00", "15"), strict=True):
        make_aia(lambda x, y: 50 + 10 * x, wavelength=band, date=f"2014-01-15T00:{minute}:00").save(path)
    return paths


@pytest.fixture
def table(tmp_path):
    """Path of a table of what AIA has lost of its sensitivity in 171 and 193 Å."""
    correction_table((171, 193)).write(tmp_path / "table.txt", format="ascii.fixed_width_two_line")
    return tmp_path / "table.txt"


@pytest.fixture
def translate(tiny_translator, tmp_path, monkeypatch):
    """Run ``mag2euv translate`` with the tiny translator in an empty folder, and output to its folder ``out``."""
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "translator.safetensors"
    save_model(tiny_translator, weights)
    return lambda *arguments: main(["translate", *map(str, arguments), "--model", str(weights), "-o", "out"])


def test_translate(translate, aia_files, names, capsys, tmp_path):
    options = ["--passband", "335", "211", "335", "--max-time-difference", "15", "--png"]
    assert translate(*aia_files, *options) == 0
    assert names() == [f"aia.lev1.171_aia_{band}.{suffix}" for band in ("0211", "0335") for suffix in ("fits", "png")]
    image = sunpy.map.Map(tmp_path / "out" / "aia.lev1.171_aia_0335.fits")
    assert isinstance(image, AIAMap)
    assert image.meta["inputs"] == "171 304"
    assert image.date.isot == "2014-01-15T00:00:00.000"
    captured = capsys.readouterr()
    assert captured.out == "2 images of 2 AIA images written to out\n"
    (note,) = captured.err.splitlines()
    assert note.startswith("note: 211 Å: ")

    capsys.readouterr()
    assert translate(aia_files[0], "--passband", "335") == 1
    assert "aia.lev1.171_aia_0335.fits exists already; use --overwrite" in capsys.readouterr().err
    assert translate(aia_files[0], "--passband", "335", "--overwrite") == 0
    assert sunpy.map.Map(tmp_path / "out" / "aia.lev1.171_aia_0335.fits").meta["inputs"] == "171"


def test_translate_to_all_others(translate, aia_files, names, capsys):
    assert translate(*aia_files, "--passband", "all", "--max-time-difference", "15") == 0
    others = ("0094", "0131", "0193", "0211", "0335", "1600", "1700")
    assert names() == [f"aia.lev1.171_aia_{band}.fits" for band in others]
    assert capsys.readouterr().out == "7 images of 2 AIA images written to out\n"


def test_translate_to_all_others_where_there_are_none(tiny_translator, aia_files, capsys, monkeypatch, tmp_path):
    scalings = {band: tiny_translator.image_scalings[band] for band in (171, 304)}
    architecture = tiny_translator.architecture | {"out_channels": 2}
    state = build_network(**architecture).state_dict()
    narrow = dataclasses.replace(
        tiny_translator, image_scalings=scalings, caveats={}, architecture=architecture, state=state
    )
    monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: narrow)
    files = list(map(str, aia_files))
    assert main(["translate", *files, "--passband", "all", "-o", str(tmp_path)]) == 1
    assert "the images given are of all passbands that the model makes; leave out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ([0, 1], ["--passband", "335"], "the images must be at most 12 min apart; these are 15 min apart"),
        ([0, 0], ["--passband", "335"], "the AIA images must be of one passband each; 2 are of 171 Å"),
        ([0], ["--passband", "335", "171"], "171 Å is among the images given"),
        (["missing.fits", 0], ["--passband", "335"], "missing.fits: there is no such file"),
        (
            [0, "hmi"],
            ["--passband", "all"],
            "error: image 2 of 2 must be an AIA image of level 1 or 1.5; this one is HMI",
        ),
        (
            [0, "hmi"],
            ["--passband", "335"],
            "error: image 2 of 2 must be an AIA image of level 1 or 1.5; this one is HMI",
        ),
    ],
)
def test_translate_fails(translate, aia_files, magnetogram, names, capsys, files, arguments, message):
    files = [aia_files[file] if isinstance(file, int) else magnetogram if file == "hmi" else file for file in files]
    assert translate(*files, *arguments) == 1
    assert names() == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mag2euv: error: ")
    assert message in line


def test_nothing_half_translated_stays(translate, aia_files, names, monkeypatch):
    monkeypatch.setattr("sunpy_mag2euv.storage.write", _fail_on_second(OSError(28, "No space left on device")))
    assert translate(aia_files[0], "--passband", "94", "335", "1600") == 1
    assert names() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--passband", "all", "335"], "a passband must be a channel"),
        (["--passband", "4500"], "there is no AIA passband 4500"),
        (["--passband", "335", "--max-time-difference", "-1"], "--max-time-difference must be a number of minutes"),
        (["--passband", "335", "--device", "nonsense"], "the device nonsense cannot be used here"),
        (["--passband", "335", "--correction-table", "absent.txt"], "there is no correction table absent.txt"),
        (["--passband", "335", "--model", "shared-browse"], "shared-browse answers to a magnetogram: use generate"),
    ],
)
def test_translate_with_unusable_arguments(tiny_translator, capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sunpy.map, "Map", lambda *args, **kwargs: pytest.fail("a file was read"))
    if "--model" not in arguments:
        monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: tiny_translator)
    assert main(["translate", "missing.fits", "-o", "out", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mag2euv: error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


def test_translate_from_one_level(tiny_translator, aia_files, table, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    save_model(dataclasses.replace(tiny_translator, epochs={171: "launch"}), tmp_path / "launch.safetensors")
    command = ["translate", str(aia_files[0]), "--passband", "335", "--model", "launch.safetensors"]
    divisors = {}
    for name, options in (("by_default", []), ("by_file", ["--correction-table", str(table)])):
        assert main([*command, "-o", name, *options]) == 0
        assert capsys.readouterr().err == ""
        history = sunpy.map.Map(tmp_path / name / "aia.lev1.171_aia_0335.fits").meta["history"].replace("\n", " ")
        divisors[name] = float(re.search(r"DN/s divided by ([\d.]+)", history)[1])
    assert divisors["by_default"] == pytest.approx(Sensitivity.read().since_launch(171, "2014-01-15"), rel=1e-3)
    assert divisors["by_file"] == pytest.approx(Sensitivity.read(table).since_launch(171, "2014-01-15"), rel=1e-3)
    assert abs(divisors["by_file"] - divisors["by_default"]) > 0.1


def test_generate_refuses_a_model_to_translate_with(run, magnetogram, tiny_translator, capsys, monkeypatch):
    monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: tiny_translator)
    for command in (["generate", magnetogram, "--passband", "193"], ["demo"]):
        assert run(*command) == 2
        assert "tiny translator answers to AIA images: use translate with it" in capsys.readouterr().err


def test_demo(run, make_magnetogram, names, capsys, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        "sunpy_mag2euv.sample.sample_magnetogram", lambda seed: seeds.append(seed) or make_magnetogram()
    )
    # Twice, since it may replace what it left before
    for _ in range(2):
        assert run("demo", "--seed", 7) == 0
        assert len(names()) == 10
        assert names()[0] == "contact_sheet.png"
        assert all(re.fullmatch(r"sample_aia_\d{4}\.fits", name) for name in names()[1:])
        picture, files = capsys.readouterr().out.splitlines()
        assert picture == f"all images in one picture: {os.path.join('out', 'contact_sheet.png')}"
        assert files == "9 FITS files written to out"
    assert seeds == [7, 7]


def test_demo_fails(run, names, capsys, monkeypatch, tmp_path):
    assert run("demo", "--seed", -1) == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "out" / "contact_sheet.png").mkdir(parents=True)
    monkeypatch.setattr("sunpy_mag2euv.sample.sample_magnetogram", lambda seed: pytest.fail("computed in vain"))
    assert run("demo") == 1
    assert names() == ["contact_sheet.png"]
    seed, directory = capsys.readouterr().err.splitlines()
    assert seed == "mag2euv: error: --seed must be at least 0; got -1"
    assert directory.startswith("mag2euv: error: out/contact_sheet.png is a directory where a file is to be written")


def test_images_are_written_without_standard_streams(run, magnetogram, names, monkeypatch):
    for stream in ("stdout", "stderr", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, stream, None)
    assert run("generate", magnetogram, "missing.fits", "--passband", "193", "211") == 1
    assert names() == [f"hmi.20140115_TAI_aia_{band}.fits" for band in ("0193", "0211")]


def test_an_answer_that_is_lost(monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "__stdout__", stream)
        assert main(["models"]) == 1
    assert capsys.readouterr().err == "mag2euv: standard output cannot be written to (No space left on device)\n"


def test_sunpy_is_as_talkative_as_before(run, magnetogram):
    level = sunpy.log.level
    assert run("generate", magnetogram, "--passband", "193") == 0
    assert sunpy.log.level == level


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"mag2euv {sunpy_mag2euv.__version__}\n"


def test_as_a_process(tiny_weights, tmp_path):
    """The demo as it is, made-up magnetogram and all."""
    command = [sys.executable, "-m", "sunpy_mag2euv.cli", "demo", "--model", str(tiny_weights)]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert finished.returncode == 0, finished.stderr
    assert len(list((tmp_path / "mag2euv-demo").glob("*.fits"))) == 9
    assert (tmp_path / "mag2euv-demo" / "contact_sheet.png").is_file()
    assert finished.stdout.splitlines()[-1] == "9 FITS files written to mag2euv-demo"
    (note,) = finished.stderr.splitlines()
    assert note.startswith("note: 211 Å")


@pytest.fixture
def synthetic(tiny_model, make_magnetogram, tmp_path):
    """Paths of two synthetic images that are an hour apart."""
    paths = []
    for hour in (0, 1):
        magnetogram = make_magnetogram(date=f"2014-01-15T0{hour}:00:00")
        paths.append(tmp_path / f"synthetic_{hour}.fits")
        sunpy_mag2euv.generate(magnetogram, 193, model=tiny_model).save(paths[-1])
    return [str(path) for path in paths]


@pytest.fixture
def launch(tiny_model, make_magnetogram, tmp_path):
    """Path of a synthetic image at AIA's sensitivity at launch."""
    model = dataclasses.replace(tiny_model, epochs={193: "launch"})
    sunpy_mag2euv.generate(make_magnetogram(), 193, model=model).save(tmp_path / "launch.fits")
    return str(tmp_path / "launch.fits")


@pytest.fixture
def aia_193(tmp_path):
    """Path of an observation of the same time."""
    make_aia(hglt_obs=0.0).save(tmp_path / "aia_193.fits")
    return str(tmp_path / "aia_193.fits")


def test_compare(synthetic, capsys):
    assert main(["compare", synthetic[0], synthetic[0]]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert "passband: 193" in lines
    assert "model: tiny" in lines
    (disk,) = (line.split() for line in lines if line.split()[0] == "disk")
    assert disk[1:6] == ["30172", "1.000", "0.000", "1.000", "1.000"]


def test_compare_at_one_level(launch, aia_193, table, capsys):
    left = {}
    for version, options in ((8, []), (10, ["--correction-table", str(table)])):
        assert main(["compare", launch, aia_193, *options]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        lines = dict(line.split(": ", 1) for line in captured.out.splitlines() if ": " in line)
        assert lines["level"] == (
            "the second image is brought from AIA's sensitivity of 2014-01-15 to that at launch, by version "
            f"{version} of its correction table"
        )
        left[version] = float(lines["divisor"])
    assert left[8] == Sensitivity.read().since_launch(193, "2014-01-15")
    assert left[10] == Sensitivity.read(table).since_launch(193, "2014-01-15")


def test_compare_where_the_level_is_not_known(launch, aia_193, capsys, monkeypatch):
    remove_aiapy(monkeypatch)
    assert main(["compare", launch, aia_193]) == 0
    captured = capsys.readouterr()
    (note,) = captured.err.splitlines()
    assert note.startswith("note: RE, PPE and RMSE are not to be trusted, since AIA's sensitivity is read by aiapy")
    assert "level: the second image is left as it is, since AIA's sensitivity is read by aiapy" in captured.out
    assert "divisor: 1.0" in captured.out.splitlines()


def test_compare_to_a_file(synthetic, capsys, tmp_path):
    output = tmp_path / "tables" / "table.ecsv"
    arguments = ["compare", *synthetic, "--max-time-difference", "60", "--binning", "2", "-o", str(output)]
    assert main(arguments) == 0
    table = QTable.read(output)
    assert table.meta["binning"] == 2
    assert table["cc"][0] == pytest.approx(1)
    capsys.readouterr()

    assert main(arguments) == 2
    assert f"{output} exists already" in capsys.readouterr().err
    for unusable, message in (
        (output.parent, "is a directory; -o must name a file"),
        (output / "table.ecsv", "table.ecsv is a file; -o must name a directory"),
        (output / "more" / "table.ecsv", "cannot write to the directory"),
    ):
        assert main([*arguments[:-1], str(unusable)]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in output.parent.iterdir()] == ["table.ecsv"]


def test_compare_draws(synthetic, capsys, tmp_path):
    figure, table = tmp_path / "figures" / "comparison.png", tmp_path / "table.ecsv"
    arguments = ["compare", *synthetic, "--max-time-difference", "60", "-o", str(table), "--png", str(figure)]
    assert main(arguments) == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert table.exists()
    capsys.readouterr()
    table.unlink()
    assert main(arguments) == 2
    assert f"{figure} exists already; remove it, or give another --png" in capsys.readouterr().err
    assert not table.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 1, "at most 12 min apart; these are 60 min apart"),
        (["--png", "figure.pdf"], 2, "--png must name a file that ends in .png; got figure.pdf"),
        (["--max-time-difference", "-1"], 2, "--max-time-difference must be a number of minutes; got -1"),
        (["--binning", "0"], 2, "--binning must be at least 1; got 0"),
        (["--correction-table", "absent.txt"], 2, "there is no correction table absent.txt"),
        (["--correction-table", __file__], 2, "test_cli.py is not a correction table as aiapy reads it"),
    ],
)
def test_compare_fails(synthetic, capsys, arguments, status, message):
    assert main(["compare", *synthetic, *arguments]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mag2euv: error: ")
    assert message in line


def test_compare_names_the_file_that_is_bad(synthetic, capsys, tmp_path, magnetogram):
    assert main(["compare", synthetic[0], str(tmp_path / "missing.fits")]) == 1
    assert f"{tmp_path / 'missing.fits'}: there is no such file" in capsys.readouterr().err
    assert main(["compare", synthetic[0], str(magnetogram)]) == 1
    assert "the second image must be an AIA image" in capsys.readouterr().err


class _Plugin:
    """An entry point."""

    name = "simulate"

    def __init__(self, function=None, missing=None):
        self.function, self.missing = function, missing

    def load(self):
        if self.missing:
            raise ModuleNotFoundError(f"No module named {self.missing!r}", name=self.missing)
        return self._add

    def _add(self, commands):
        parser = commands.add_parser(self.name, help="from outside")
        parser.add_argument("--number", type=int, default=3)
        parser.set_defaults(command=self.function)


def _run_plugin(arguments):
    return arguments.number


def _fail_plugin(arguments):
    raise UsageError("no such number")


def _import_plugin(arguments):
    import a_package_that_is_not_there  # noqa: F401


@pytest.fixture
def plug_in(monkeypatch):
    """Make these the only entry points."""

    def plug_in(*plugins):
        def entry_points(group):
            assert group == cli.PLUGINS == "sunpy_mag2euv.commands"
            return plugins

        monkeypatch.setattr(commands, "entry_points", entry_points)

    return plug_in


def test_plugins_add_commands(plug_in, capsys):
    plug_in(_Plugin(_run_plugin))
    assert main(["simulate"]) == 3
    assert main(["simulate", "--number", "5"]) == 5
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "from outside" in capsys.readouterr().out


def test_plugins_refuse_arguments(plug_in, capsys):
    plug_in(_Plugin(_fail_plugin))
    assert main(["simulate"]) == 2
    assert capsys.readouterr().err == "mag2euv: error: no such number\n"


@pytest.mark.parametrize(
    "plugin", [_Plugin(_import_plugin), _Plugin(missing="a_package_that_is_not_there")], ids=["called", "loaded"]
)
def test_plugins_without_what_they_need(plug_in, capsys, plugin):
    plug_in(plugin)
    assert main(["simulate", *(["x", "--number", "5"] if plugin.missing else [])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "(No module named 'a_package_that_is_not_there'); install sunpy_mag2euv[train]" in line
    assert main(["models"]) == 0


def test_a_broken_installation_is_no_missing_extra(plug_in, monkeypatch):
    plug_in()
    monkeypatch.setitem(sys.modules, "sunpy_mag2euv.models", None)
    monkeypatch.delattr(sunpy_mag2euv, "models")
    with pytest.raises(ImportError):
        main(["models"])


def test_charts_from_an_observer(run, tmp_path, capsys):
    sample_chart().save(tmp_path / "chart.fits")
    options = ("chart.fits", "--passband", "193", "--observer", "mars", "--obstime", "2014-01-02")
    assert run("generate", *options) == 0
    image = sunpy.map.Map(tmp_path / "out" / "chart_mars_20140102T000000_aia_0193.fits")
    assert (image.meta["telescop"], image.date.isot[:10]) == ("SDO/AIA-like (synthetic)", "2014-01-02")
    assert image.observer_coordinate.radius.to_value("AU") > 1.3
    assert run("generate", "chart.fits", "--passband", "304") == 1
    assert "a chart must have an observer" in capsys.readouterr().err
    assert run("generate", "chart.fits", "--passband", "193", "--observer=190,-10,0.5") == 0
    image = sunpy.map.Map(tmp_path / "out" / "chart_-170_-10_0.5au_aia_0193.fits")
    assert image.observer_coordinate.lon.wrap_at("360d").deg == pytest.approx(190)
    assert image.observer_coordinate.radius.to_value("AU") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--observer", "1,2"], "'1,2' must be a name, or LON,LAT,AU in degrees and au, such as 180,0,1"),
        (["--observer", "1,2,x"], "must be a name, or LON,LAT,AU"),
        (["--observer", "1,2,1e-9"], "must be outside of the Sun"),
        (["--observer", ""], "observer must have a name"),
        (["--observer", "far side"], "observer must be one place"),
        (["--observer", "far side"], "(here, a SkyCoord is LON,LAT,AU, such as --observer=180,0,1)"),
        (["--observer", "mars", "--obstime", "then"], "obstime must be a time"),
        (["--obstime", "2014-01-02"], "--obstime must come with --observer"),
    ],
)
def test_views_that_cannot_be(run, tmp_path, capsys, options, message):
    """Are found before any file is looked for."""
    try:
        status = run("generate", "none.fits", "--passband", "193", *options)
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
