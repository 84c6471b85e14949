"""What commands and their plug-ins have in common."""

__all__ = ["PLUGINS", "UsageError"]

#: Entry-point group of functions that add a command.
PLUGINS = "sunpy_mag2euv.commands"


class UsageError(Exception):
    """Something is wrong with the arguments rather than with a file; nothing has been done, and the status is 2."""
