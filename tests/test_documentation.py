"""The documentation: every public name is in the reference, once, and what is told twice is told alike."""

import ast
import collections
import re
from pathlib import Path

import pytest
import yaml

import sunpy_mag2euv as mag2euv

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not installed with the package")


def _modules():
    """The package's modules as syntax trees, by their names."""
    modules = {}
    for path in sorted(Path(mag2euv.__file__).parent.rglob("*.py")):
        name = ".".join(path.relative_to(Path(mag2euv.__file__).parents[1]).with_suffix("").parts)
        modules[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return modules


MODULES = _modules()


def _names(module):
    """What a module's ``__all__`` has, but for the version."""
    for node in MODULES[module].body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("__")]
    return []


def _home(module, name):
    """The module in which what another one calls so is defined."""
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names] and node.module in MODULES:
            return _home(node.module, name)
    return module, name


def _reference():
    """How often the reference has each name, by where it is defined."""
    counts = collections.Counter()
    for page in [DOCS / "reference.rst", *(DOCS / "reference").glob("*.rst")]:
        text = page.read_text(encoding="utf-8")
        for module, options in re.findall(r"^\.\. automodapi:: (\S+)\n((?: +:.*\n)*)", text, re.MULTILINE):
            skipped = re.findall(r":skip: (\S+)", options)
            assert set(skipped) <= set(_names(module)), f"{page.name} skips what {module} does not have"
            for name in _names(module):
                home = _home(module, name)
                # Of what a package has from its modules, only functions and classes are described with it.
                if name not in skipped and (":include-all-objects:" in options or not name.isupper()):
                    counts[home] += 1
        for module, name in re.findall(r"^\.\. autofunction:: (\S+)\.(\w+)$", text, re.MULTILINE):
            counts[_home(module, name)] += 1
    return counts


def test_every_public_name_is_in_the_reference_once():
    public = {_home(module, name) for module in MODULES for name in _names(module)}
    counts = _reference()
    assert len(public) > 200
    missing = sorted(public - set(counts))
    assert not missing, f"not in docs/reference: {missing}"
    repeated = sorted(name for name, count in counts.items() if count > 1)
    assert not repeated, f"more than once in docs/reference: {repeated}"


@pytest.mark.parametrize("verb", mag2euv.__all__[1:])
def test_every_verb_has_a_page_with_a_picture(verb):
    text = (DOCS / "reference" / f"{verb}.rst").read_text(encoding="utf-8")
    assert text.startswith(f"{verb}\n{'=' * len(verb)}\n")
    assert "\n.. plot::\n" in text
    assert f".. autofunction:: sunpy_mag2euv.{verb}\n" in text
    assert f"   reference/{verb}\n" in (DOCS / "reference.rst").read_text(encoding="utf-8")


def _bibtex():
    """The entries of the page on citing, each a dictionary of its fields."""
    text = (DOCS / "citing.rst").read_text(encoding="utf-8")
    entries = re.findall(r"^   @(\w+)\{(\w+),\n(.*?)^   \}", text, re.MULTILINE | re.DOTALL)
    return {key: dict(re.findall(r"^     (\w+) += \{(.*)\},$", body, re.MULTILINE)) for _, key, body in entries}


def test_bibtex_agrees_with_the_citation_file():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    entries = _bibtex()
    software = entries.pop("sunpy_mag2euv")
    assert software["title"] == citation["title"]
    assert software["author"] == "{" + citation["authors"][0]["name"] + "}"
    assert software["license"] == citation["license"]
    assert len(entries) == len(citation["references"])
    for entry, reference in zip(entries.values(), citation["references"], strict=True):
        authors = [f"{author['family-names']}, {author['given-names']}" for author in reference["authors"]]
        assert entry == {
            "title": reference["title"],
            "author": " and ".join(authors),
            "year": str(reference["year"]),
            "journal": reference["journal"],
            "volume": str(reference["volume"]),
            "pages": reference["start"],
            "doi": reference["doi"],
        }


def test_papers_are_those_of_the_readme():
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    for entry in _bibtex().values():
        if "doi" in entry:
            assert f"doi:{entry['doi']}" in text
            assert f"{entry['volume']}, {entry['pages']}" in text
