"""What the command line says of itself with ``--help``."""

import argparse
import shlex

import pytest

from sunpy_mag2euv.cli import commands
from sunpy_mag2euv.cli.usage import described


def _parsers(parser, name="mag2euv"):
    """A parser and all below it, by what is typed to get there."""
    found = {name: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                found |= _parsers(below, f"{name} {word}")
    return found


PARSERS = _parsers(commands.parser())


def _examples(parser):
    """The commands below the options, each in one line."""
    head, *lines = parser.epilog.splitlines()
    assert head == ("example:" if sum(line.startswith("  mag2euv ") for line in lines) == 1 else "examples:")
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def test_all_commands_are_found():
    own = {"generate", "translate", "compare", "models", "demo"}
    plugins = {"data", "data download", "data prepare", "train", "export", "score", "channels"}
    assert {f"mag2euv {name}" for name in own | plugins} < set(PARSERS)


@pytest.mark.parametrize("name", PARSERS)
def test_help(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = PARSERS[name]
    text = parser.format_help()
    assert max(map(len, text.splitlines())) <= 80
    assert parser.description.endswith(".")
    assert parser.description in text
    assert text.endswith(f"{parser.epilog}\n")


@pytest.mark.parametrize("name", PARSERS)
def test_examples_can_be_typed(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    examples = _examples(PARSERS[name])
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example)
        assert program == "mag2euv"
        assert " ".join([program, *arguments]).startswith(name)
        # It exits if it cannot be parsed.
        assert callable(PARSERS["mag2euv"].parse_args(arguments).command)


def test_descriptions_are_filled_and_examples_are_not():
    parser = argparse.ArgumentParser(prog="x", **described("word " * 40, "x --long \\\n    FILE", "x FILE"))
    text = parser.format_help()
    assert "\nexamples:\n  x --long \\\n      FILE\n  x FILE\n" in text
    assert all(len(line) <= 78 for line in text.splitlines())
    assert argparse.ArgumentParser(**described("One.", "x")).epilog == "example:\n  x"
