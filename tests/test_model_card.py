"""What notebooks show of a model, in a line and as a card."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sunpy_mag2euv.models import available_models, load_model
from sunpy_mag2euv.models.published import published

DOCS = Path(__file__).parents[1] / "docs"

#: Tables of the documentation that hold the scores of published models, and what these are called there.
TABLES = {
    "detail-browse": ("detail", ["scores_detail.inc"]),
    "detail-browse-sharp": ("sharp", ["scores_detail.inc"]),
    "shared-browse": ("shared-browse", ["scores.inc", "scores_left_out.inc"]),
}


def rows_of(name):
    """Rows of a table of the documentation, intervals left out."""
    rows = []
    for line in (DOCS / name).read_text(encoding="utf-8").splitlines():
        if cell := re.fullmatch(r"   (\* -|  -)(?: (?:\| )?(.*))?", line):
            if cell[1] == "* -":
                rows.append([])
            rows[-1].append((cell[2] or "").replace("−", "-"))
    return rows[1:]


def text_of(card):
    """The text of a card, in pieces; an error if it is no well-formed HTML."""
    return [text.strip() for text in ET.fromstring(card).itertext()]


@pytest.mark.parametrize("name", list(available_models()["name"]))
def test_published(name):
    model = load_model(name)
    assert len(repr(model)) <= 100
    assert repr(model).startswith(f"<{type(model).__name__} {name}: 94 131 ")
    card = model._repr_html_()
    pieces = text_of(card)
    for text in (name, model.provenance, "MIT", model.sha256, f"doi:{model.references[0]}"):
        assert text in pieces
    (caveat,) = (piece for piece in pieces if "few images" in piece)
    assert caveat.startswith("each of ")
    assert f'href="https://doi.org/{model.references[0]}"' in card
    # Readable in dark notebooks and without a network
    assert not re.search(r"color|background|src=|<script|<style|<link|<img", card)


@pytest.mark.parametrize("name", list(TABLES))
def test_scores_are_those_of_the_documentation(name):
    method, tables = TABLES[name]
    known = [row for table in tables for row in rows_of(table) if row[1] == method]
    assert published(load_model(name).sha256)["scores"] == {
        row[0]: [int(row[2]), *map(float, row[3:6])] for row in known
    }
    pieces = text_of(load_model(name)._repr_html_())
    for band, _, images, cc, re_, ppe10, *_ in known:
        start = pieces.index(band)
        assert pieces[start : start + 6][2:] == [images, cc, re_.replace("-", "−"), ppe10]


def test_score_of_the_translator():
    scored = published(load_model("any-browse").sha256)["scored"]
    (row,) = (row for row in rows_of("channels_any.inc") if row[:2] == ["131", "8"])
    assert f"from 131 Å alone, the mean CC of the eight others is {row[2]}" in scored
    assert "from 131" in " ".join(text_of(load_model("any-browse")._repr_html_()))


def test_of_ones_own(tiny_model, tiny_translator):
    pieces = text_of(tiny_model._repr_html_())
    assert "CC" not in pieces
    assert "not said by the weights file" in pieces
    assert "a magnetogram" in pieces
    assert "256 × 256, each 7.1 Mm at the disk's centre; up to 1.25 solar radii from it" in pieces
    assert repr(tiny_model) == "<FieldModel tiny: 94 131 171 193 211 304 335 1600 1700 Å, 256 × 256 pixels>"
    pieces = text_of(tiny_translator._repr_html_())
    assert "AIA images, any of 94, 131, 171, 193, 211, 304, 335, 1600, 1700 Å" in pieces
    assert text_of(dataclasses.replace(tiny_model, sha256="")._repr_html_())[-1]
    with_nothing = dataclasses.replace(
        tiny_translator, sha256="", references=(), caveats={}, training_images={}, planes=("image", "mu")
    )
    pieces = text_of(with_nothing._repr_html_())
    assert "none, not in a file yet" in pieces
    assert "AIA images, all of 94, 131, 171, 193, 211, 304, 335, 1600, 1700 Å" in pieces
    assert not {"Papers", "Caveats"} & set(pieces)
    assert pieces.count("?") == 9


def test_everything_is_escaped(tiny_model):
    odd = "</td><script>alert('&\"')</script>"
    model = dataclasses.replace(
        tiny_model,
        name=odd,
        description=odd,
        provenance=odd,
        caveats={193: odd},
        references=(odd,),
        calibration=dict.fromkeys(tiny_model.calibration, odd) | {94: "another"},
        sha256=odd,
    )
    card = model._repr_html_()
    assert "<script" not in card
    pieces = text_of(card)
    assert pieces.count(odd) == 3
    assert f"doi:{odd}" in pieces
    assert f"94 Å: another; 131, 171, 193, 211, 304, 335, 1600, 1700 Å: {odd}" in pieces
    assert repr(model).startswith("<FieldModel </td><script>alert('&\"'…: 94 131")
    assert len(repr(model)) <= 100
