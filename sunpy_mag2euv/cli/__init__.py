"""
The command line: ``mag2euv generate | translate | compare | models | demo``, and what plug-ins add to it.

It does for files what the package does for Maps. Here is how a command starts and ends; what it does is in
``sunpy_mag2euv.cli.commands``. Until this module is imported nothing can be caught, so it imports next to nothing.

A plug-in is a function in the entry-point group `PLUGINS`, named after its command. It is called with what
`argparse.ArgumentParser.add_subparsers` returned, adds a parser to it, and does
``parser.set_defaults(command=function)``; ``function(arguments)`` returns the exit status, or raises `UsageError`. With
``prints=True`` beside it, the command has failed if what it printed is lost. `described` makes a description and
examples for its ``--help``, as all commands have them. This is how ``sunpy_mag2euv.training`` has commands although
nothing here
imports it.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from sunpy_mag2euv.cli.usage import PLUGINS, UsageError, described
from sunpy_mag2euv.console import Terminated, prompt_end, unfailing_streams

__all__ = ["PLUGINS", "UsageError", "described", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run ``mag2euv``.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process unless given.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 if a file could not be done or the answer not be printed, 2 if the arguments
        cannot be used, 130 if interrupted, 143 if terminated.
    """
    with unfailing_streams() as lost:
        try:
            status, message = _run(argv, lost), None
        except UsageError as error:
            status, message = 2, f"error: {error}"
        except KeyboardInterrupt:
            status, message = 130, "interrupted"
        except Terminated:
            status, message = 143, "terminated"
        if message:
            print(f"mag2euv: {message}", file=sys.stderr)
        return status


def _run(argv: Sequence[str] | None, lost: Callable[[], OSError | None]) -> int:
    """Do what the arguments say, and return the status."""
    with contextlib.ExitStack() as signals:
        if argv is None:
            signals.enter_context(prompt_end())
        from sunpy_mag2euv.cli import commands

        arguments = commands.parser().parse_args(argv)
        own = arguments.command.__module__ == commands.__name__
        try:
            with _quiet():
                if not own:
                    signals.close()  # What these make of an interruption is theirs to say.
                status = arguments.command(arguments)
        except ImportError as error:
            # What our commands need comes with the package: without it, the installation is broken.
            if own:
                raise
            raise UsageError(commands.lacking(error)) from error
    if error := lost():
        print(f"mag2euv: standard output cannot be written to ({error.strerror})", file=sys.stderr)
        # Where files are the answer, what is printed only says that they are there.
        status = status or int(getattr(arguments, "prints", False))
    return status


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep sunpy from telling how it goes about things."""
    from sunpy import log

    level = log.level
    log.setLevel("WARNING")
    try:
        yield
    finally:
        log.setLevel(level)
