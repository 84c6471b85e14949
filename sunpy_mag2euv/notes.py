"""What is said to users of the command line: errors in a sentence each, and what they are warned of."""

import contextlib
import sys
import textwrap
import warnings
from collections.abc import Iterator

__all__ = ["collected", "say", "sentence"]


def sentence(error: BaseException) -> str:
    """
    Put an exception in one line.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    str
        Its message; with its type before it, if it is of a type that is not meant for users.
    """
    text = textwrap.shorten(str(error), 500)
    expected = isinstance(error, OSError | TypeError | ValueError) and text
    return text if expected else f"{type(error).__name__}: {text}"


@contextlib.contextmanager
def collected() -> Iterator[list[str]]:
    """
    Collect what users are warned of in a block; warnings about other people's headers are not for them.

    This is for the whole process, and mixes up what several threads warn of.

    Yields
    ------
    list of str
        Filled when the block is left: each sentence once.
    """
    from sunpy.util.exceptions import SunpyUserWarning

    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield notes
        finally:
            said = (str(warning.message) for warning in caught if issubclass(warning.category, SunpyUserWarning))
            notes += dict.fromkeys(said)


def say(line: str) -> None:
    """
    Print to standard error, past a progress bar.

    Parameters
    ----------
    line : str
    """
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)
