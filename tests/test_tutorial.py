"""The tutorial, whose examples are run as doctests: none of its blocks is one that nobody runs."""

from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.rst"


@pytest.mark.skipif(not TUTORIAL.exists(), reason="the documentation is not installed with the package")
def test_every_block_is_run():
    text = TUTORIAL.read_text(encoding="utf-8")
    assert text.count(">>> ") > 30
    for unrun in ("code-block:: python", "code:: python", "+SKIP"):
        assert unrun not in text
