import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from astropy.table import Table, vstack

from sunpy_mag2euv.training.learning.card import SCORES
from sunpy_mag2euv.training.learning.combinations import summarize
from sunpy_mag2euv.training.study.channels import NETWORK
from sunpy_mag2euv.training.study.figures import LIM2021, plot_best, plot_combinations, plot_pairs


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def scores(*rows, method=NETWORK):
    """Scores of images (inputs, target, CC of every image)."""
    others = [0.0] * (len(SCORES) - 2)
    return Table(
        rows=[
            (inputs, inputs.count("+") + 1, target, method, f"toy {frame}", 2100.0, cc, cc / 2, *others)
            for inputs, target, *found in rows
            for frame, cc in enumerate(found)
        ],
        names=("inputs", "size", "target", "method", "frame", "rotation", *SCORES),
    )


@pytest.fixture
def table():
    """Of three channels, all singles, all pairs, and a triple; and less of another method."""
    return vstack(
        [
            scores(
                ("131", 171, 0.2, 0.4), ("131", 1600, 0.7),
                ("171", 131, 0.9), ("171", 1600, -0.1),
                ("1600", 131, 0.1), ("1600", 171, 0.5),
                ("131+171", 1600, 0.75), ("131+1600", 171, 0.8), ("171+1600", 131, 0.6),
                ("131+171+1600", 304, 0.85),
            ),
            scores(("131", 171, 0.9), ("131", 1600, 0.3), ("171", 131, 0.5), ("131+171", 1600, 0.65), method="other"),
        ]
    )  # fmt: skip


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def points(line):
    return [(float(x), round(float(y), 9)) for x, y in zip(*line.get_data(), strict=True)]


# -- Every combination -------------------------------------------------------------------------------------------------


def test_every_combination_has_its_mean_and_its_lowest(table):
    (axes,) = plot_combinations(table).axes
    summary = summarize(table[table["method"] == NETWORK])
    assert len(summary) == 7
    assert axes.get_title() == NETWORK
    names = dict(zip(axes.get_yticks(), labels(axes.yaxis), strict=True))
    # From the bottom up: the best of the fewest inputs is on top.
    assert [names[position] for position in sorted(names, reverse=True)] == list(summary["inputs"])
    means, lowest = {}, {}
    for line in axes.lines:
        found = means if line.get_marker() == "o" else lowest
        found |= {names[position]: value for value, position in points(line)}
    assert means == pytest.approx({row["inputs"]: row["cc"] for row in summary})
    assert lowest == pytest.approx({row["inputs"]: row["lowest"] for row in summary})
    # Every pair is joined.
    joined = {
        names[y]: (left, right)
        for collection in axes.collections
        for (left, y), (right, _) in collection.get_segments()
    }
    assert joined.keys() == means.keys()
    for name, ends in joined.items():
        assert sorted(ends) == pytest.approx(sorted((lowest[name], means[name])))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "1 input: mean", "2 inputs: mean", "3 inputs: mean", "lowest"
    ]  # fmt: skip


def test_sizes_are_apart(table):
    (axes,) = plot_combinations(table).axes
    names = dict(zip(labels(axes.yaxis), axes.get_yticks(), strict=True))
    order = sorted(names, key=names.get)
    for below, above in itertools.pairwise(order):
        same = below.count("+") == above.count("+")
        assert names[above] - names[below] == (1 if same else 2)


def test_combinations_of_the_method_that_is_asked_for(table):
    (axes,) = plot_combinations(table, "other").axes
    assert axes.get_title() == "other"
    assert sorted(labels(axes.yaxis)) == ["131", "131+171", "171"]


# -- Every pair --------------------------------------------------------------------------------------------------------


def test_the_map_of_pairs_has_means_over_images(table):
    axes, bar = plot_pairs(table).axes
    assert axes.get_title() == NETWORK
    # In the order of the wavelengths, not of their digits.
    assert labels(axes.yaxis) == labels(axes.xaxis) == ["131", "171", "1600"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("of (Å)", "made (Å)")
    (picture,) = axes.images
    expected = [[np.nan, 0.3, 0.7], [0.9, np.nan, -0.1], [0.1, 0.5, np.nan]]
    np.testing.assert_allclose(picture.get_array().filled(np.nan), expected)
    assert picture.get_clim() == (0, 1)
    assert "correlation" in bar.get_ylabel()
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {
        (1, 0): "0.30", (2, 0): "0.70", (0, 1): "0.90", (2, 1): "−0.10", (0, 2): "0.10", (1, 2): "0.50"
    }  # fmt: skip


def test_the_map_of_pairs_that_were_not_all_tried(table):
    axes, _ = plot_pairs(table, "other").axes
    assert labels(axes.yaxis) == ["131", "171"]
    assert labels(axes.xaxis) == ["131", "171", "1600"]
    np.testing.assert_allclose(axes.images[0].get_array().filled(np.nan), [[np.nan, 0.9, 0.3], [0.5, np.nan, np.nan]])


# -- The best of each number -------------------------------------------------------------------------------------------


def test_the_best_of_each_number_beside_the_paper(table):
    figure = plot_best(table)
    (axes,) = figure.axes
    lines = {line.get_label(): points(line) for line in axes.lines}
    assert lines == {
        "Lim et al. 2021: mean, of 131, 131+1600, 131+1600+304": [(1, 0.84), (2, 0.95), (3, 0.97)],
        "Lim et al. 2021: lowest": [(3, 0.96)],
        f"{NETWORK}: mean, of 131, 131+1600, 131+171+1600": [(1, 0.5), (2, 0.8), (3, 0.85)],
        f"{NETWORK}: lowest": [(1, 0.3), (2, 0.8), (3, 0.85)],
        "other: mean, of 131, 131+171": [(1, 0.6), (2, 0.65)],
        "other: lowest": [(1, 0.3), (2, 0.65)],
    }
    assert list(axes.get_xticks()) == [1, 2, 3]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(lines)
    # Every method has a colour of its own.
    colors = {line.get_label(): line.get_color() for line in axes.lines}
    assert len(set(colors.values())) == 3
    for method in ("Lim et al. 2021", NETWORK, "other"):
        assert len({color for name, color in colors.items() if name.startswith(method)}) == 1


def test_the_papers_numbers():
    assert [name.count("+") + 1 for name, _, _ in LIM2021] == [1, 2, 3]
    assert LIM2021[-1] == ("131+1600+304", 0.97, 0.96)


# -- Mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plot", [plot_combinations, plot_pairs])
def test_methods_that_there_are_not(table, plot):
    with pytest.raises(ValueError, match="the table has no method 'guess'; it has one network each, other"):
        plot(table, "guess")
    assert not plt.get_fignums()


def test_pairs_need_single_inputs(table):
    with pytest.raises(ValueError, match="no combination with a single input; run the study from size 1"):
        plot_pairs(table[table["size"] > 1])
    assert not plt.get_fignums()
