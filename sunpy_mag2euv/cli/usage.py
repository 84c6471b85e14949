"""What commands and their plug-ins have in common."""

import argparse
import textwrap
from typing import Any

__all__ = ["PLUGINS", "UsageError", "described"]

#: Entry-point group of functions that add a command.
PLUGINS = "sunpy_mag2euv.commands"

#: Columns of what ``--help`` says: those of a terminal of 80, less the two that argparse leaves.
_COLUMNS = 78


class UsageError(Exception):
    """Something is wrong with the arguments rather than with a file; nothing has been done, and the status is 2."""


def described(description: str, *examples: str) -> dict[str, Any]:
    """
    Say what ``--help`` of a command says above and below its options.

    Parameters
    ----------
    description : str
        What goes in and what comes out, in a sentence or two.
    *examples : str
        Commands as they are typed. A long one may go on in another line.

    Returns
    -------
    dict
        Arguments of `argparse.ArgumentParser` and of the ``add_parser`` of what its ``add_subparsers`` returned.
    """
    typed = textwrap.indent("\n".join(examples), "  ")
    return {
        "description": textwrap.fill(description, _COLUMNS, break_on_hyphens=False),
        "epilog": f"{'examples' if len(examples) > 1 else 'example'}:\n{typed}",
        # Examples are not to be filled like paragraphs.
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
