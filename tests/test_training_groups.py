"""Scores by the activity of the Sun, and by the year."""

import numpy as np
import pytest
from docutils.core import publish_doctree

from astropy.table import Table

from sunpy_mag2euv.training.learning.card import SCORES
from sunpy_mag2euv.training.learning.groups import summarize_groups, write_groups

#: CC of each method, less what the number of the frame adds to it.
METHODS = {"net": 0.5, "other": 0.4, "climatology": 0.3, "power law": 0.2, "least squares": 0.25, "last rotation": 0.9}


@pytest.fixture(scope="module")
def images():
    """Thirty frames, in the order of their CC but not of their field, in three years and two passbands."""
    rng = np.random.default_rng(0)
    rows = []
    for band in (171, 304):
        for number, field in enumerate(rng.permutation(30)):
            for method, base in METHODS.items():
                for region in ("disk", "limb"):
                    cc = base + 0.001 * field + (0.1 if region == "limb" else 0) + (0.05 if band == 304 else 0)
                    scores = dict.fromkeys(SCORES, np.nan) | {"cc": cc, "re": -0.2 if method == "net" else 0.1}
                    facts = (f"frame {number}", 2100.0 + number, 2010 + number // 10, 5.0 + field, 100.0 + field)
                    rows.append((band, *facts, method, region, *scores.values()))
    names = ("passband", "frame", "rotation", "year", "field", "observed", "method", "region", *SCORES)
    return Table(rows=rows, names=names)


def test_by_activity(images):
    summary = summarize_groups(images, "activity")
    assert len(summary) == 2 * 4 * 2
    assert list(dict.fromkeys(summary["group"])) == ["quietest tenth", "quiet third", "medium third", "active third"]
    rows = summary[(summary["passband"] == 304) & (summary["method"] == "net")]
    assert list(rows["images"]) == [3, 10, 10, 10]
    # Fields are 5 to 34 G, one frame each, and all follows them.
    fields = np.array([1, 4.5, 14.5, 24.5])
    np.testing.assert_allclose(rows["field"], 5 + fields)
    np.testing.assert_allclose(rows["cc"], 0.55 + 0.001 * fields)
    np.testing.assert_allclose(rows["power law"], 0.25 + 0.001 * fields)
    np.testing.assert_allclose(rows["observed"], 100 + fields)
    np.testing.assert_allclose(rows["generated"], (100 + fields) * 0.8)
    assert set(summary["method"]) == {"net", "other"}


def test_by_year(images):
    summary = summarize_groups(images, "year")
    rows = summary[(summary["passband"] == 171) & (summary["method"] == "other")]
    assert list(rows["group"]) == ["2010", "2011", "2012"]
    assert list(rows["images"]) == [10, 10, 10]
    chosen = (images["passband"] == 171) & (images["method"] == "other") & (images["region"] == "disk")
    for row, year in zip(rows, (2010, 2011, 2012), strict=True):
        assert row["cc"] == pytest.approx(images["cc"][chosen & (images["year"] == year)].mean())
    np.testing.assert_allclose(rows["re"], 0.1)


def test_a_tenth_of_few_frames_is_one(images):
    few = images[(images["year"] == 2010) & (images["field"] < 15)]
    assert len(np.unique(few["frame"])) in range(2, 10)
    summary = summarize_groups(few, "activity")
    quietest = summary[(summary["group"] == "quietest tenth") & (summary["method"] == "net")]
    assert list(quietest["images"]) == [1, 1]
    assert quietest["field"][0] == few["field"].min()


def test_as_a_table(images, tmp_path):
    write_groups(summarize_groups(images, "year"), tmp_path / "table.rst", "Some scores")
    text = (tmp_path / "table.rst").read_text(encoding="utf-8")
    entries = [entry.astext() for entry in publish_doctree(text).findall(lambda node: node.tagname == "entry")]
    rows = [entries[start : start + 12] for start in range(0, len(entries), 12)]
    assert len(rows) == 1 + 2 * 3 * 2
    assert rows[0][:6] == ["Passband (Å)", "Frames", "Images", "Mean |B| (G)", "Method", "CC"]
    assert rows[0][6:] == [
        *("CC, climatology", "CC, power law", "CC, least squares"),
        *("RE", "Observed (DN/s)", "Generated (DN/s)"),
    ]
    summary = summarize_groups(images, "year")
    assert rows[1][:3] + rows[1][4:5] == ["171", "2010", "10", "net"]
    assert float(rows[1][3]) == pytest.approx(summary["field"][0], abs=0.06)
    assert float(rows[1][5]) == pytest.approx(summary["cc"][0], abs=6e-4)
    assert rows[1][9] == "−0.200"
    assert float(rows[1][11]) == pytest.approx(0.8 * summary["observed"][0], rel=1e-2)
