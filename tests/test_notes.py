"""What is said to users of the command line."""

import warnings

import pytest

from sunpy.util.exceptions import SunpyMetadataWarning, SunpyUserWarning, warn_user

from sunpy_mag2euv.notes import collected, sentence


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(), "ValueError: "),
    ],
    ids=repr,
)
def test_errors_are_sentences(error, text):
    assert sentence(error) == text


def test_long_errors_are_cut():
    assert len(sentence(ValueError("word " * 999))) <= 500


def _warn():
    with collected() as notes:
        for _ in range(2):
            warn_user("a note")
        warnings.warn("a header", SunpyMetadataWarning, stacklevel=1)
        warnings.warn("another", SunpyUserWarning, stacklevel=1)
    return notes


def test_warnings_for_users_are_collected():
    assert _warn() == ["a note", "another"]
