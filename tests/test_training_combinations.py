import dataclasses
import math

import numpy as np
import pytest
import torch
from docutils.core import publish_doctree
from hypothesis import given
from hypothesis import strategies as st
from training_store import GRID, SCORED, TRAINED, QuickStore, configure, make_field, make_images, make_store, manifest

from astropy.table import Table, vstack

from sunpy_mag2euv.metrics import correlation
from sunpy_mag2euv.models import ImageModel
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.training.learning.card import SCORES, score_pair
from sunpy_mag2euv.training.learning.combinations import (
    REGRESSION,
    added,
    combinations,
    frames_of,
    leading,
    score_model,
    score_regression,
    summarize,
    tasks_of,
    to_name,
    to_passbands,
    write_table,
)
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.problems import usable_split

BANDS = (131, 171, 304)

#: Every subset with a channel to make.
TASKS = [task for size in (1, 2) for task in combinations(BANDS, size)]


# -- Which there are ---------------------------------------------------------------------------------------------------


def test_the_papers_networks_are_counted():
    greedy = [combinations(PASSBANDS, 1 + len(best), best) for best in ((), (131,), (131, 1600))]
    assert [len(tasks) for tasks in greedy] == [72, 56, 42]
    assert sum(map(len, greedy)) == 170
    assert [len(combinations(PASSBANDS, size)) for size in (1, 2, 3)] == [72, 252, 504]
    assert sum(len(combinations(PASSBANDS, size)) for size in (1, 2, 3)) == 828


def test_combinations_of_three_channels():
    assert combinations(BANDS, 1) == [
        *(((131,), 171), ((131,), 304), ((171,), 131), ((171,), 304), ((304,), 131), ((304,), 171))
    ]
    assert combinations(BANDS, 2) == [((131, 171), 304), ((131, 304), 171), ((171, 304), 131)]
    # Ascending, in whatever order a search found them.
    assert combinations(BANDS, 2, (304,)) == [((131, 304), 171), ((171, 304), 131)]
    assert combinations(BANDS[::-1], 2) == [((171, 304), 131), ((131, 304), 171), ((131, 171), 304)]
    assert combinations(BANDS, 3) == []


@given(st.lists(st.sampled_from(list(PASSBANDS)), min_size=2, unique=True), st.data())
def test_combinations_are_all_that_there_are_each_once(bands, data):
    fixed = tuple(data.draw(st.lists(st.sampled_from(bands), max_size=len(bands) - 2, unique=True)))
    size = data.draw(st.integers(max(1, len(fixed)), len(bands) - 1))
    tasks = combinations(bands, size, fixed)
    count = math.comb(len(bands) - len(fixed), size - len(fixed)) * (len(bands) - size)
    assert len({(frozenset(inputs), target) for inputs, target in tasks}) == len(tasks) == count
    for inputs, target in tasks:
        assert len(set(inputs)) == size
        assert inputs == tuple(sorted(inputs))
        assert set(fixed) <= set(inputs)
        assert target in bands
        assert target not in inputs


@given(st.lists(st.sampled_from(list(PASSBANDS)), min_size=1, unique=True))
def test_names_are_those_of_the_passbands_whatever_their_order(bands):
    assert to_name(bands) == to_name(sorted(bands))
    assert to_passbands(to_name(bands)) == tuple(sorted(bands))


def test_names_ascend_in_wavelength():
    assert to_name((131, 1600, 304)) == "131+304+1600"
    assert to_name([131]) == "131"
    # As the search found them, in tables of before.
    assert to_passbands("131+1600+304") == (131, 1600, 304)


# -- Scores ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two of the scored frames lack a channel each; brighter in the first channel means brighter in the others."""
    path = tmp_path_factory.mktemp("combinations") / "store"
    only = {171: [*range(10), 10, 11], 304: [*range(10), 10, 12]}
    make_store(path, bands=BANDS, only=only, fields=False)
    return QuickStore.open(path)


@pytest.fixture(scope="module")
def split(tmp_path_factory, store):
    return usable_split(configuration(tmp_path_factory.mktemp("combinations")), store)


def configuration(directory, inputs=BANDS, passbands=BANDS, **model):
    data = {"inputs": list(inputs), "passbands": list(passbands)}
    scaling = {str(band): {"kind": "linear", "low": 0.0, "high": 20000.0} for band in BANDS}
    return configure(directory, "store", "translation", data=data, model={"image_scaling": scaling, **model})


@pytest.fixture(scope="module")
def knowing(tmp_path_factory, store):
    """Makes a model that knows how the toy images follow from each other; it has no network."""

    class Knowing(ImageModel):
        asked = ()
        off = 1.0
        deviation = 0.0

        def run(self, given, device, answers=None):
            object.__setattr__(self, "asked", (*self.asked, tuple(given)))
            band, image = next(iter(given.items()))
            base = image / (1 + BANDS.index(band)) * self.off
            planes = [
                scaling.forward(np.nan_to_num(base * (1 + BANDS.index(band))))
                for band, scaling in self.image_scalings.items()
            ]
            logarithms = [np.full(GRID.shape, np.log(self.deviation))] * len(planes) if self.deviation else []
            return torch.tensor(np.stack([*planes, *logarithms]))

    def make(off=1.0, deviation=0.0, **changes):
        record = model_record(configuration(tmp_path_factory.mktemp("knowing"), **changes), store)
        model = Knowing(**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)})
        object.__setattr__(model, "off", off)
        object.__setattr__(model, "deviation", deviation)
        return model

    return make


def test_a_model_that_knows_scores_one(knowing, store, split):
    table = score_model(knowing(), store, split["test"], TASKS)
    assert table.colnames == ["inputs", "size", "target", "method", "frame", "rotation", *SCORES]
    for name, best in (("cc", 1), ("cc_log", 1), ("re", 0), ("ppe10", 1), ("ppe50", 1)):
        np.testing.assert_allclose(table[name], best, atol=1e-3)
    assert set(table["method"]) == {"any"}
    assert table.meta == {"provenance": "made up"}
    assert set(score_model(knowing(), store, split["test"], TASKS, method="mine")["method"]) == {"mine"}


def test_frames_that_lack_an_input_or_the_target_are_passed_over(knowing, store, split):
    assert list(split["test"]) == list(SCORED)
    model = knowing()
    table = score_model(model, store, split["test"], TASKS)
    scored = {(row["inputs"], row["target"], row["frame"]) for row in table}
    expected = {
        *((to_name(inputs), target, "toy 10") for inputs, target in TASKS),
        *(("131", 171, "toy 11"), ("171", 131, "toy 11"), ("131", 304, "toy 12"), ("304", 131, "toy 12")),
    }
    assert scored == expected
    assert len(table) == len(expected)
    # Asked once for all that is to be made of the same images, and given those alone.
    inputs = dict.fromkeys(inputs for inputs, _ in TASKS)
    assert list(model.asked) == [*inputs, (131,), (171,), (131,), (304,)]
    for row in table:
        assert row["size"] == len(to_passbands(row["inputs"]))
        (frame,) = np.nonzero(store.frames["name"] == row["frame"])[0]
        assert row["rotation"] == store.frames["rotation"][frame]


def test_scores_are_those_of_the_pair_on_the_disk(knowing, store):
    model = knowing(off=1.3, deviation=0.02)
    table = score_model(model, store, [10], [((171,), 304), ((131, 304), 171)])
    for row, (given_band, target) in zip(table, ((171, 304), (131, 171)), strict=True):
        given_image, observed = store.images(10, [given_band, target])
        factor = {(171, 304): 3 / 2, (131, 171): 2}[given_band, target]
        image = np.nan_to_num(given_image * factor * 1.3)
        deviation = np.full(GRID.shape, 0.02 / 2 * 20000)
        expected = score_pair(image, observed, target, store, 10, deviation)["disk"]
        np.testing.assert_allclose([row[name] for name in SCORES], expected, rtol=1e-3, atol=1e-3)
        assert row["re"] == pytest.approx(0.3, abs=0.02)
        assert 0 < row["within_68"] <= row["within_95"] <= 1


def test_models_are_not_given_saturated_pixels(tmp_path, knowing):
    """As they are not by users, whose saturated pixels are unknown."""
    store = make_store(tmp_path / "store", frames=manifest([2099.2]), bands=BANDS, fields=False)
    images = make_images(make_field(0), BANDS)
    store.write(0, None, images, ceilings={131: 100.0})
    model = knowing()
    given = []
    run = type(model).run
    object.__setattr__(model, "run", lambda images, *rest: given.append(images) or run(model, images, *rest))
    score_model(model, store, [0], [((131, 171), 304)])
    (found,) = given
    np.testing.assert_array_equal(found[131], np.where(images[131] < 100, images[131], np.nan))
    np.testing.assert_array_equal(found[171], images[171])


def test_scoring_a_model_leaves_the_random_numbers_alone(knowing, store):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    score_model(knowing(), store, [10], TASKS[:1])
    assert torch.equal(torch.get_rng_state(), before)


def test_scoring_needs_frames(knowing, store):
    message = r"no frame to test that has both inputs and target; look at split\.test"
    for rows, tasks in (([], TASKS), ([11], [((304,), 171)]), ([12], [((131, 304), 171)])):
        with pytest.raises(ValueError, match=message):
            score_model(knowing(), store, rows, tasks)


def test_what_a_model_can_be_asked(knowing):
    assert tasks_of(knowing()) == tasks_of(knowing(), 2) == TASKS
    assert tasks_of(knowing(), 1) == combinations(BANDS, 1)
    # What it does not make is not asked for.
    some = knowing(inputs=(131, 171))
    assert tasks_of(some) == [((131,), 171), ((171,), 131)]


def test_a_model_that_needs_all_its_inputs_is_asked_nothing_else(tmp_path, store):
    network = {"kind": "generator", "levels": 5, "width": 2}
    data = {"inputs": [304, 131], "passbands": [171]}
    config = configure(tmp_path, "store", "model-a", data=data, model={"planes": ["image"], "network": network})
    assert tasks_of(model_record(config, store)) == [((304, 131), 171)]


def test_frames_that_have_what_is_needed(store, split):
    share = frames_of(split, store, (131, 171), 304)
    assert {part: list(rows) for part, rows in share.items()} == {
        **{part: list(rows) for part, rows in split.items()},
        "test": [10],
    }
    assert list(frames_of(split, store, (131,), 304)["test"]) == [10, 12]
    message = r"there is no frame to {} with 131\+171 and 304; look at split\.test and data\.draws"
    for part in ("train", "test"):
        with pytest.raises(ValueError, match=message.format(part)):
            frames_of({**split, part: np.array([11])}, store, (131, 171), 304)
    # Of what is only watched, there need not be any.
    assert not frames_of({**split, "validation": np.array([11])}, store, (131, 171), 304)["validation"].size


# -- Regression --------------------------------------------------------------------------------------------------------


def law(store, factor, exponents):
    """The same store, in which the first two channels are independent, and the third follows by a power law."""
    changed = QuickStore(store._group)
    images = []
    for row, image in enumerate(store.everything[0]):
        other = 30 * np.random.default_rng(row).lognormal(0, 1, GRID.shape)
        images.append(np.stack([image[0], other, factor * image[0] ** exponents[0] * other ** exponents[1]]))
    changed.everything = images, store.everything[1]
    return changed


@pytest.mark.parametrize(("factor", "exponents"), [(0.5, (0.8, 0.2)), (40, (0.3, -0.1)), (3, (0.0, 0.5))])
def test_regression_finds_a_power_law(store, split, factor, exponents):
    table = score_regression(law(store, factor, exponents), split, [((131, 171), 304)])
    assert set(table["method"]) == {REGRESSION}
    assert list(table["frame"]) == ["toy 10"]
    for name, best in (("cc", 1), ("cc_log", 1), ("re", 0), ("ppe10", 1)):
        np.testing.assert_allclose(table[name], best, atol=2e-3)
    # It gives no deviations.
    assert np.isnan(table["within_68"]).all()
    # With one of the two it cannot know.
    if 0 not in exponents:
        alone = score_regression(law(store, factor, exponents), split, [((131,), 304)])
        assert (alone["cc_log"] < 0.999).all()


def test_regression_is_fitted_to_the_frames_to_train(store, split):
    """The others are twice as bright as the law says that they are."""
    changed = law(store, 10, (0.8, 0.2))
    for row in range(len(store.frames)):
        if row not in TRAINED:
            changed.everything[0][row][2] *= 2
    found = score_regression(changed, split, [((131, 171), 304)])
    np.testing.assert_allclose(found["re"], -0.5, atol=0.01)
    np.testing.assert_allclose(found["cc_log"], 1, atol=1e-3)


def test_regression_goes_on_where_there_is_no_logarithm(store, split):
    """AIA's darkest pixels may have no counts, or less; what is not known is left out."""
    changed = law(store, 0.5, (0.8, 0.2))
    for image in changed.everything[0]:
        image[0, 16, 10:14], image[2, 17, 10:14], image[1, 20, 10:20] = 0, -3, np.nan
    table = score_regression(changed, split, [((131, 171), 304)])
    assert (table["cc"] > 0.9).all()


def test_regression_is_not_fitted_to_lower_limits(store, split):
    """Whatever they are."""
    changed, expected = law(store, 0.5, (0.8, 0.2)), law(store, 0.5, (0.8, 0.2))
    changed.ceilings[:, changed.columns([304])] = 100
    for image in changed.everything[0]:
        image[2][image[2] >= 100] = 1e5
    found, expected = (score_regression(frames, split, [((131, 171), 304)]) for frames in (changed, expected))
    # Scored are both images, cut where the limit is.
    np.testing.assert_allclose([found["cc"], expected["cc"]], 1, atol=2e-3)
    np.testing.assert_allclose(found["re"], 0, atol=2e-3)


def test_regression_is_scored_on_every_combination(store, split):
    table = score_regression(store, split, TASKS)
    assert {(row["inputs"], row["target"]) for row in table} == {(to_name(inputs), target) for inputs, target in TASKS}
    assert len(table) == len(TASKS) + 4
    # The toy images follow from each other.
    np.testing.assert_allclose(table["cc"], 1, atol=1e-3)
    with pytest.raises(ValueError, match=r"no frame to test with 131\+304 and 171"):
        score_regression(store, {**split, "test": np.array([12])}, [((131,), 304), ((131, 304), 171)])


# -- Tables ------------------------------------------------------------------------------------------------------------


def scores(*rows, method="net"):
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


def test_summaries_are_means_over_channels_of_means_over_images():
    table = scores(
        ("131", 171, 0.2, 0.8),
        # A single image counts as much as several.
        ("131", 304, 0.6),
        ("171", 131, 0.9, 0.7),
        ("171", 304, 0.9),
        ("131+171", 304, 0.95),
        ("131+304", 171, 0.97),
    )
    summary = summarize(vstack([table, scores(("131", 171, 0.1), method="another")]))
    assert summary.colnames == ["method", "inputs", "size", "targets", "cc", "lowest", "hardest", "cc_log"]
    # The best of each size comes first.
    assert list(summary["method"]) == ["another", "net", "net", "net", "net"]
    assert list(summary["inputs"]) == ["131", "171", "131", "131+304", "131+171"]
    assert list(summary["size"]) == [1, 1, 1, 2, 2]
    assert list(summary["targets"]) == [1, 2, 2, 1, 1]
    np.testing.assert_allclose(summary["cc"], [0.1, 0.85, 0.55, 0.97, 0.95])
    np.testing.assert_allclose(summary["lowest"], [0.1, 0.8, 0.5, 0.97, 0.95])
    assert list(summary["hardest"]) == [171, 131, 171, 171, 304]
    np.testing.assert_allclose(summary["cc_log"], summary["cc"] / 2)


def test_summaries_do_not_depend_on_the_order_of_inputs_in_names():
    """As tables of before have them, in which a search's names were in the order of its path."""
    rows = [("131", 304, 0.5), ("304+131", 171, 0.4), ("131+304", 193, 0.8), ("304+171+131", 94, 0.9)]
    table, expected = scores(*rows), scores(*((to_name(to_passbands(name)), *row) for name, *row in rows))
    before = list(table["inputs"])
    for found, wanted in ((summarize(table), summarize(expected)), (added(table), added(expected))):
        assert list(found["inputs"]) == list(wanted["inputs"])
        for name in wanted.colnames:
            np.testing.assert_array_equal(found[name], wanted[name])
    summary = summarize(table)
    assert list(summary["inputs"]) == ["131", "131+304", "131+171+304"]
    np.testing.assert_allclose(summary["cc"], [0.5, 0.6, 0.9])
    assert list(table["inputs"]) == before


def test_an_image_without_contrast_correlates_with_nothing():
    """Else the worst network would be the best, or the mean none."""
    flat = correlation(np.full(5, 3.0), np.arange(5.0))
    assert np.isnan(flat)
    summary = summarize(scores(("131", 171, flat, 0.8), ("131", 304, 0.5), ("171", 131, flat), ("171", 304, flat)))
    assert list(summary["inputs"]) == ["131", "171"]
    np.testing.assert_allclose(summary["cc"], [0.45, 0])
    np.testing.assert_allclose(summary["lowest"], [0.4, 0])
    assert summary["hardest"][0] == 171


def test_what_one_more_channel_adds():
    table = scores(
        ("131", 171, 0.2, 0.4),
        ("131", 304, 0.6),
        ("171", 131, 0.9),
        ("171", 304, 0.8),
        ("304+131", 171, 0.7),
        ("131+171", 304, 0.9, 0.5),
    )
    another = scores(("131", 171, 0.1), ("131", 304, 0.2), ("131+304", 171, 0.0), method="another")
    found = added(vstack([table, another]))
    assert found.colnames == ["method", "inputs", "added", "targets", "before", "after"]
    rows = {(row["method"], row["inputs"], int(row["added"])): row for row in found}
    assert rows.keys() == {
        ("another", "131", 304), ("net", "131", 171), ("net", "131", 304), ("net", "171", 131),
    }  # fmt: skip
    assert len(found) == 4
    for key, targets, before, after in (
        (("another", "131", 304), 1, 0.1, 0),
        (("net", "131", 171), 1, 0.6, 0.7),
        (("net", "131", 304), 1, 0.3, 0.7),
        (("net", "171", 131), 1, 0.8, 0.7),
    ):
        assert rows[key]["targets"] == targets
        np.testing.assert_allclose([rows[key]["before"], rows[key]["after"]], [before, after])


def cells(path):
    """Of the one table in a document, row by row; and its title."""
    document = publish_doctree(path.read_text(encoding="utf-8"), settings_overrides={"halt_level": 2})
    (table,) = document.findall(lambda node: node.tagname == "table")
    (title,) = table.findall(lambda node: node.tagname == "title")
    return title.astext(), [
        [cell.astext() for cell in row.findall(lambda node: node.tagname == "entry")]
        for row in table.findall(lambda node: node.tagname == "row")
    ]


MANY = scores(
    ("131", 171, 0.4), ("131", 304, 0.6),
    ("171", 131, -0.3), ("171", 304, 0.1),
    ("304", 131, 0.2), ("304", 171, 0.3),
    ("131+171", 304, 0.7), ("131+304", 171, 0.8), ("171+304", 131, 0.75),
    ("131+171+304", 94, 0.99),
)  # fmt: skip


def test_all_single_inputs_lead_and_the_best_of_more():
    summary = summarize(MANY)
    assert len(summary) == 7
    found = leading(summary)
    assert list(found["inputs"]) == ["131", "304", "171", "131+304", "131+171+304"]
    assert found.colnames == summary.colnames
    pairs = summary[summary["size"] == 2]
    assert list(leading(pairs)["inputs"]) == ["131+304"]


def test_summaries_become_tables(tmp_path):
    write_table(leading(summarize(MANY)), tmp_path / "table.rst", "Some scores")
    title, (head, *rows) = cells(tmp_path / "table.rst")
    assert title == "Some scores"
    assert head == ["Inputs (Å)", "Channels made", "Mean CC", "Lowest CC", "of (Å)", "Mean CC of logarithms"]
    assert rows == [
        ["131", "2", "0.500", "0.400", "171", "0.250"],
        ["304", "2", "0.250", "0.200", "131", "0.125"],
        ["171", "2", "−0.100", "−0.300", "131", "−0.050"],
        ["131+304", "1", "0.800", "0.800", "171", "0.400"],
        ["131+171+304", "1", "0.990", "0.990", "94", "0.495"],
    ]
    write_table(summarize(MANY), tmp_path / "table.rst", "All")
    assert len(cells(tmp_path / "table.rst")[1]) == 1 + 7


def test_tables_of_networks_for_one_combination_have_one_row(tmp_path):
    write_table(summarize(scores(("131+171", 304, 0.7, 0.9))), tmp_path / "table.rst", "One")
    _, (_, *rows) = cells(tmp_path / "table.rst")
    assert rows == [["131+171", "1", "0.800", "0.800", "304", "0.400"]]
