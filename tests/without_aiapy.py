"""What is there if aiapy is not."""

import sys


def remove_aiapy(monkeypatch):
    """Make that which the package needs of aiapy as good as not installed, whatever the release calls it."""
    for name in ("aiapy.calibrate.utils", "aiapy.calibrate.util"):
        monkeypatch.setitem(sys.modules, name, None)
