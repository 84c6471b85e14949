"""What a command shares with the shell that runs it: its standard streams, and the signals that end it."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Terminated", "at_the_end", "prompt_end", "tidying", "unfailing_streams"]

#: How many blocks of `tidying` are being executed.
_untidy = 0

#: What has to be called before the process ends, see `at_the_end`.
_last: list[Callable[[], object]] = []


class Terminated(BaseException):
    """SIGTERM came. Like `KeyboardInterrupt`, it is not for those who catch `Exception`."""


class _Unfailing(io.RawIOBase):
    """A stream that drops what cannot be written to ``raw``; ``error`` says why if that is nobody's wish."""

    def __init__(self, raw: Any) -> None:
        self.raw, self.name = raw, raw.name
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.raw.isatty()

    def fileno(self) -> int:
        return self.raw.fileno()

    def write(self, data: Any) -> int:
        written = None
        try:
            written = self.raw.write(data)
        except BrokenPipeError:
            pass  # Who closes a pipe has seen enough.
        except OSError as error:
            self.error = error
        return len(data) if written is None else written


@contextlib.contextmanager
def unfailing_streams() -> Iterator[Callable[[], OSError | None]]:
    """
    Let nothing that befalls standard output or standard error end the work.

    A stream may be closed, at the start or later, its disk may be full, and its encoding may lack a character, which is
    written as its escape sequence then. Streams that were redirected in Python are left alone.

    Yields
    ------
    callable
        Without arguments. Returns the `OSError` for which something printed is lost, or None.
    """
    # Otherwise the next file to be opened is what others, in C, take for standard error, and write to.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)

    before, raws = {}, {}
    for number, name in enumerate(("stdout", "stderr"), start=1):
        stream = getattr(sys, name)
        if stream is None:
            raws[name] = _Unfailing(io.FileIO(number, "w", closefd=False))
            settings: dict[str, Any] = {"encoding": "utf-8"}
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            raws[name] = _Unfailing(getattr(stream.buffer, "raw", stream.buffer))
            # Where Python is told not to buffer, no buffer of ours must hold back what others wait to see.
            settings = {"encoding": stream.encoding, "line_buffering": stream.line_buffering or stream.write_through}
        else:
            continue
        before[name] = stream
        setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(raws[name]), errors="backslashreplace", **settings))

    def lost() -> OSError | None:
        sys.stdout.flush()
        return raws["stdout"].error if "stdout" in raws else None

    try:
        yield lost
    finally:
        for name, stream in before.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)


@contextlib.contextmanager
def prompt_end(silent: bool = False) -> Iterator[None]:
    """
    Let Ctrl-C and SIGTERM end the process at once and in one line; within `tidying`, raise an exception first.

    For processes that do nothing else. An exception at any time would not do: libraries that are being imported can
    swallow it, or abort where they are written in C++. Signals that are ignored, or arranged for, are left alone.

    Parameters
    ----------
    silent : bool, optional
        Whether to leave the line to another process.
    """

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # for those who do not want to wait
        if _untidy:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        while _last:
            with contextlib.suppress(Exception):
                _last.pop()()
        if not silent:
            with contextlib.suppress(OSError):
                os.write(2, f"mag2euv: {'interrupted' if number == signal.SIGINT else 'terminated'}\n".encode())
        os._exit(128 + number)

    usual: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    usual = {number: handler for number, handler in usual.items() if signal.getsignal(number) is handler}
    for number in usual:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def tidying() -> Iterator[None]:
    """A block that has to be left by the end of it, or by an exception, since there is something to tidy up."""
    global _untidy
    _untidy += 1
    try:
        yield
    finally:
        _untidy -= 1


@contextlib.contextmanager
def at_the_end(function: Callable[[], object]) -> Iterator[None]:
    """
    A block after which something is done however it ends, be it by `prompt_end`.

    Parameters
    ----------
    function : callable
        Without arguments. It must not wait for anything that the main thread may be in the middle of.
    """
    _last.append(function)
    try:
        yield
    finally:
        if function in _last:
            _last.remove(function)
            function()
