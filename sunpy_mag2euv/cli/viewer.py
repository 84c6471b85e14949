"""A picture on the screen, where there is one and somebody who looks at it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["show"]


def show(path: Path) -> bool:
    """
    Open a picture in the desktop's own viewer, and go on.

    It is not tried unless standard output is a terminal of a machine with a display: not in pipes, not over ssh.

    Parameters
    ----------
    path : `pathlib.Path`

    Returns
    -------
    bool
        Whether a viewer was started. That none could be is nobody's error.
    """
    if not (_is_terminal() and _has_display()):
        return False
    path = path.resolve()  # which does not begin with a dash
    try:
        if sys.platform == "win32":
            os.startfile(path)
        else:
            # Some viewers stay until their window is closed, and some are talkative.
            quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            opener = "open" if sys.platform == "darwin" else "xdg-open"
            subprocess.Popen([opener, path], start_new_session=True, **quiet)
    except OSError:
        return False
    return True


def _is_terminal() -> bool:
    """Whether somebody reads what is printed as it is."""
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def _has_display() -> bool:
    """Whether a window would be seen where the command was typed."""
    if any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
