"""The blocks of code in reStructuredText and in docstrings."""

import ast
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

#: Directives whose content is no code: text, or nothing.
TEXT = {
    "autoclass", "autodata", "autofunction", "automodapi", "automodule", "autosummary", "card", "changelog", "class",
    "container", "contents", "csv-table", "currentmodule", "figure", "grid", "grid-item", "grid-item-card", "image",
    "include", "list-table", "math", "minigallery", "note", "only", "raw", "rst-class", "rubric", "seealso",
    "tab-item", "tab-set", "table", "tip", "toctree", "warning",
}  # fmt: skip

#: Directives whose argument says in which language their content is.
LANGUAGE = {"code", "code-block", "sourcecode"}

_DIRECTIVE = re.compile(r"(?P<indent> *)\.\. (?:\|[^|]+\| )?(?P<name>[\w:+-]+)::(?: +(?P<argument>.*))?$")
_OPTION = re.compile(r" *:[\w-]+:( .*)?$")


@dataclass(frozen=True)
class Block:
    """
    What stands below a directive, or below two colons.

    Attributes
    ----------
    path : `pathlib.Path`
        Of the file.
    line : int
        Of the directive, counted from 1.
    kind : str
        A language for blocks of code, "literal" below two colons, otherwise the directive's name.
    argument : str
        Of the directive.
    text : str
        Without options and indentation.
    """

    path: Path
    line: int
    kind: str
    argument: str
    text: str

    def __str__(self):
        return f"{self.path.name}:{self.line}, {self.kind}"


def find_blocks(path):
    """The blocks of a file, in order: those of reStructuredText, or of the docstrings of a module."""
    if path.suffix == ".py":
        blocks = []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
                text := ast.get_docstring(node, False)
            ):
                blocks += _find(path, inspect.cleandoc(text).splitlines(), node.body[0].lineno)
        return sorted(blocks, key=lambda block: block.line)
    return list(_find(path, path.read_text(encoding="utf-8").splitlines(), 1))


def _find(path, lines, first):
    number = 0
    while number < len(lines):
        line = lines[number]
        directive = _DIRECTIVE.match(line)
        start, number = number, number + 1
        if directive is None:
            # A comment may end in two colons, and a doctest hold them.
            if not line.rstrip().endswith("::") or re.match(r" *(\.\.|>>>|\.\.\.) ", line):
                continue
            kind, argument = "literal", ""
        else:
            kind, argument = directive["name"], (directive["argument"] or "").strip()
            if kind in LANGUAGE:
                kind, argument = argument, ""
            if kind in TEXT:
                continue  # What stands in it is looked at like any other text.
        end = _end(lines, number, len(line) - len(line.lstrip()))
        body = lines[number:end]
        while directive is not None and body and (not body[0].strip() or _OPTION.match(body[0])):
            body.pop(0)
        number = end
        yield Block(path, first + start, kind, argument, inspect.cleandoc("\n" + "\n".join(body)).strip("\n") + "\n")


def _end(lines, number, indent):
    """The first line after some that is indented by no more than so much."""
    while number < len(lines) and (
        not lines[number].strip() or len(lines[number]) - len(lines[number].lstrip()) > indent
    ):
        number += 1
    return number
