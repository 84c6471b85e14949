"""The command line as a process: what a shell gives it, and what it returns to the shell."""

import os
import signal
import subprocess
import sys

import pytest

#: As the installed command does it
_COMMAND = [sys.executable, "-c", "import sys; from sunpy_mag2euv.cli import main; sys.exit(main())"]


def _shell(line, *arguments, **variables):
    """Status, output and errors of a line of shell, in which "$@" is the command with its arguments."""
    command = ["bash", "-c", line, "mag2euv", *_COMMAND, *arguments]
    finished = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | variables, check=False)
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('"$@" | true; exit ${PIPESTATUS[0]}', 0),
        ('"$@" >&-', 0),
        ('"$@" >&- 2>&- <&-', 0),
        ('"$@" nonsense 2>&-', 0),
        ('"$@" >/dev/full', 0),
    ],
)
def test_help_is_never_too_much(line, status):
    code, _, errors = _shell(line, "--help")
    assert code == status
    assert errors == ""


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "2>&1 | true; exit ${PIPESTATUS[0]}"])
def test_unusable_arguments_are_that_whoever_listens(streams):
    assert _shell(f'"$@" {streams}', "nonsense")[::2] == (2, "")


def test_models_for_those_who_have_seen_enough():
    status, out, err = _shell('"$@" | head -3; exit ${PIPESTATUS[0]}', "models", PYTHONIOENCODING="ascii")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 3
    assert "1024 \\xd7 1024" in out


def test_images_are_written_whoever_listens(tiny_weights, make_magnetogram, tmp_path):
    for number in (1, 2):
        make_magnetogram().save(tmp_path / f"hmi{number}.fits")
    files = [str(tmp_path / name) for name in ("hmi1.fits", "hmi2.fits")]
    options = ["--passband", "193,211", "--model", str(tiny_weights), "-o", str(tmp_path / "out")]
    status, out, err = _shell('"$@" >/dev/full', "generate", *files, *options, LC_ALL="C", PYTHONUTF8="0")
    assert (status, out) == (0, "")
    assert len(list((tmp_path / "out").iterdir())) == 4
    note, lost = err.splitlines()
    assert note.startswith("note: 211 \\xc5: ")
    assert lost == "mag2euv: standard output cannot be written to (No space left on device)"


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [(signal.SIGINT, 130, "mag2euv: interrupted\n"), (signal.SIGTERM, 143, "mag2euv: terminated\n")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_interrupted_while_others_are_imported(tmp_path, number, status, line):
    # A stand-in for what takes seconds, which makes something else of an interruption, as extension modules do
    (tmp_path / "sunpy.py").write_text(
        "print('importing', flush=True)\nimport time\n"
        "try:\n    time.sleep(60)\nexcept BaseException as error:\n    raise ImportError('failed') from error\n"
    )
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*_COMMAND, "models"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
        # What runs in a shell's background, as tests may, and all that it starts do not hear of Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", line)
    assert process.returncode == status
