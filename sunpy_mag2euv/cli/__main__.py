"""``python -m sunpy_mag2euv.cli`` is ``mag2euv``."""

import sys

from sunpy_mag2euv.cli import main

__all__ = []

if __name__ == "__main__":
    sys.exit(main())
