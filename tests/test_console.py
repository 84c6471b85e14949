"""What befalls the standard streams of a process, and the signals that it gets."""

import io
import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from sunpy_mag2euv.console import Terminated, at_the_end, prompt_end, tidying, unfailing_streams


def _started_with(monkeypatch, **streams):
    """Have these streams as if Python had been started with them."""
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
        monkeypatch.setattr(sys, f"__{name}__", stream)


def test_streams_write_what_they_can(monkeypatch, tmp_path):
    path = tmp_path / "printed"
    with path.open("w", encoding="ascii") as stream:
        _started_with(monkeypatch, stdout=stream)
        with unfailing_streams() as lost:
            print("193 Å of \udce9")  # as in the name of a file that is not UTF-8
            assert not sys.stdout.isatty()
            assert sys.stdout.fileno() == stream.fileno()
            assert lost() is None
        assert sys.stdout is stream
        assert not stream.closed
    assert path.read_text() == "193 \\xc5 of \\udce9\n"


def test_full_streams_end_nothing(monkeypatch):
    with open("/dev/full", "w") as stdout, open("/dev/full", "w") as stderr:
        _started_with(monkeypatch, stdout=stdout, stderr=stderr)
        with unfailing_streams() as lost:
            assert lost() is None
            print("a line")
            print("another", file=sys.stderr, flush=True)
            assert lost().strerror == "No space left on device"


def test_a_reader_that_leaves_ends_nothing(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout:
        _started_with(monkeypatch, stdout=stdout)
        with unfailing_streams() as lost:
            print("a line", flush=True)
            assert lost() is None


@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
def test_lines_are_seen_when_they_are_written(buffered):
    code = """
        import sys
        from sunpy_mag2euv.console import unfailing_streams

        with unfailing_streams():
            print("a line", file=sys.stderr)
            sys.stdin.read()
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    command = [sys.executable, *([] if buffered else ["-u"]), "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert select.select([process.stderr], [], [], 60)[0]
        assert process.stderr.readline() == b"a line\n"
        assert process.poll() is None
        process.communicate()


def test_streams_that_are_missing(monkeypatch):
    _started_with(monkeypatch, stdout=None, stderr=None)
    with unfailing_streams():
        # Whatever the process has in their places now, they can be asked what streams are asked.
        assert [sys.stdout.fileno(), sys.stderr.fileno()] == [1, 2]
        assert sys.stderr.encoding == "utf-8"
        assert sys.stdout.write("") == 0
    assert sys.stdout is sys.stderr is None


def test_streams_that_were_redirected_are_left_alone(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with unfailing_streams() as lost:
        print("Å")
        assert lost() is None
    assert stream.getvalue() == "Å\n"


def test_no_file_is_taken_for_a_standard_stream(tmp_path):
    code = (
        "from sunpy_mag2euv.console import unfailing_streams\n"
        "with unfailing_streams(), open('image', 'w') as image: print(image.fileno(), file=image)"
    )
    command = 'exec "$0" -c "$1" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, sys.executable, code], cwd=tmp_path, check=True)
    assert int((tmp_path / "image").read_text()) > 2


#: A process that says when it is ready, and waits for a signal.
_WAIT = """
import contextlib, time
from sunpy_mag2euv.console import prompt_end, tidying
with prompt_end(), {block}:
    try:
        print("ready", flush=True)
        time.sleep(60)
    {handler}:
        print("tidied", flush=True)
"""


def _signalled(code, *numbers):
    """Status and output of a process that is sent signals as soon as it says something."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in a shell's background, as tests may, and all that it starts do not hear of Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [(signal.SIGINT, 130, "mag2euv: interrupted\n"), (signal.SIGTERM, 143, "mag2euv: terminated\n")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_the_end_is_prompt(number, status, line):
    # Not even those who catch everything can hold it up.
    code = _WAIT.format(block="contextlib.nullcontext()", handler="except BaseException")
    assert _signalled(code, number) == (status, "", line)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")], ids=str
)
def test_the_end_waits_for_tidying(number, error):
    status, out, err = _signalled(_WAIT.format(block="tidying()", handler="finally"), number)
    assert status != 0
    assert out == "tidied\n"
    assert error in err.splitlines()[-1]


def test_signals_that_are_arranged_for_are_left_alone():
    def mine(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, mine)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with prompt_end():
            assert signal.getsignal(signal.SIGTERM) is mine
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def test_signals_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with prompt_end():
        assert signal.getsignal(signal.SIGTERM) is not before
        with pytest.raises(Terminated), tidying():
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_done_at_the_end():
    done = []
    with at_the_end(lambda: done.append("in order")):
        assert done == []
    with pytest.raises(KeyError), at_the_end(lambda: done.append("by an error")):
        raise KeyError
    assert done == ["in order", "by an error"]


@pytest.mark.parametrize("block", ["contextlib.nullcontext()", "tidying()"])
def test_what_is_done_at_a_prompt_end(block):
    code = _WAIT.format(
        block=f"at_the_end(lambda: print('last', flush=True)), {block}", handler="except ZeroDivisionError"
    )
    status, out, err = _signalled(code.replace("import prompt_end", "import at_the_end, prompt_end"), signal.SIGTERM)
    assert status != 0
    assert out == "last\n"
    assert err == "mag2euv: terminated\n" or err.splitlines()[-1].endswith("Terminated")


def test_a_silent_end():
    code = _WAIT.format(block="contextlib.nullcontext()", handler="except BaseException")
    assert _signalled(code.replace("prompt_end()", "prompt_end(silent=True)"), signal.SIGTERM) == (143, "", "")
