"""What is known of published weights before, or besides, what their files say."""

import functools
import tomllib
from importlib import resources
from typing import Any

__all__ = ["published", "registry"]


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """The published weights by name, see ``registry.toml``."""
    return tomllib.loads((resources.files("sunpy_mag2euv") / "registry.toml").read_text(encoding="utf-8"))


def published(sha256: str) -> dict[str, Any]:
    """
    Find what is known of published weights beyond their record.

    Parameters
    ----------
    sha256 : str
        Of the weights file.

    Returns
    -------
    dict
        The entry of ``registry.toml``; empty for other weights.
    """
    return next((entry for entry in registry().values() if entry["sha256"] == sha256), {})
