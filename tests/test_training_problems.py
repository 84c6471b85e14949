import shutil

import numpy as np
import pytest
from training_store import BANDS, GRID, configure, damage, make_field, make_images, make_store, manifest

import astropy.units as u
from astropy.time import Time

from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning import problems, run
from sunpy_mag2euv.training.learning.problems import ProblemsError, find_problems, usable_split
from sunpy_mag2euv.training.learning.run import train

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

#: What is wrong with which frame of the store, in the order in which it is found.
WRONG = {
    "toy 1": ["cannot be read", "checksum"],
    "toy 2": ["lacks 193"],
    "toy 3": ["the image in 171 was taken 600 s from the magnetogram"],
    "toy 4": ["the field reaches 100000000, which no magnetogram in gauss does"],
    "toy 5": ["is a duplicate of toy 0"],
    "toy 6": ["the field stays below 0.1, which no magnetogram in gauss does"],
    "toy 7": ["was never completely written; run the command that made the store again"],
    "toy 8": ["the image in 193 has no data on the disk"],
    "toy 9": ["the field has pixels that are not finite"],
    "toy 10": ["the field is zero everywhere"],
    "toy 11": ["the field has pixels that are not finite"],
    "toy 12": ["cannot be read", "checksum"],
    "toy 13": ["is a duplicate of toy 0"],
}
COUNT = 18


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    """A store of eighteen frames: the first and the last four are as they should be."""
    path = tmp_path_factory.mktemp("flawed") / "store"
    frames = manifest(2090 + np.arange(COUNT) / 10)
    frames["time"][13] = frames["time"][0]
    store = Store.create(
        path, GRID, frames, BANDS, provenance="made up", calibration={band: "some epoch" for band in BANDS}
    )
    for row in range(COUNT):
        field, times = make_field(row), {}
        images = make_images(field)
        match row:
            case 2:
                del images[193]
            case 3:
                times[171] = Time(frames["time"][row]) - 600 * u.s
            case 4:
                field = field / np.abs(field).max() * 1e8
            case 5:
                field = make_field(0)
            case 6:
                field = field / np.abs(field).max() * 0.1
            case 7:
                continue
            case 8:
                images[193][GRID.radius < 1] = np.nan
            case 9:
                field[16, 16] = np.nan
            case 10:
                field = np.zeros_like(field)
        store.write(row, field, images, times=times)
    damage(path, "field", 1)
    shutil.rmtree(path / "field" / "c" / "11")
    damage(path, "images", 12, 1)
    return path


def found(problems):
    return {name: list(problems["problem"][problems["name"] == name]) for name in dict.fromkeys(problems["name"])}


def test_every_problem_is_found_by_name(flawed):
    problems = find_problems(Store.open(flawed), BANDS, complete=True, max_delay=360)
    assert list(found(problems)) == list(WRONG)
    for row, name, problem in problems.iterrows():
        assert name == f"toy {row}"
        assert all(part in problem for part in WRONG[name])
    assert len(problems) == len(WRONG)


def test_a_sound_store_has_no_problems(tmp_path):
    store = make_store(tmp_path / "store", frames=manifest([2100.1, 2100.2]))
    problems = find_problems(store, BANDS, complete=True, max_delay=0)
    assert len(problems) == 0
    assert problems.colnames == ["frame", "name", "problem"]


def test_only_the_passbands_to_learn_matter(flawed):
    names = set(found(find_problems(Store.open(flawed), [171], complete=True, max_delay=360)))
    assert names == set(WRONG) - {"toy 2", "toy 8", "toy 12"}


def test_frames_may_lack_channels_if_they_need_not_be_complete(flawed):
    store = Store.open(flawed)
    assert set(found(find_problems(store, BANDS, complete=False, max_delay=360))) == set(WRONG) - {"toy 2"}
    # Nor is a frame that has none of the passbands anybody's problem.
    assert "toy 2" not in found(find_problems(store, [193], complete=True, max_delay=360))


def test_longer_delays_can_be_allowed(flawed):
    names = set(found(find_problems(Store.open(flawed), BANDS, complete=True, max_delay=600.1)))
    assert names == set(WRONG) - {"toy 3"}


def test_a_frame_can_have_several_problems(tmp_path):
    frames = manifest([2100.1])
    store = make_store(tmp_path / "store", frames=frames)
    late = Time(frames["time"][0]) + 1 * u.h
    store.write(0, np.full(GRID.shape, np.nan), make_images(make_field(0)), times=dict.fromkeys(BANDS, late))
    problems = find_problems(store, BANDS, complete=True, max_delay=360)
    assert len(found(problems)["toy 0"]) == 3


def test_training_starts_with_all_problems_listed(flawed, tmp_path):
    config = configure(tmp_path, flawed, split={"validation": [], "test": []}, data={"complete": True})
    with pytest.raises(ProblemsError) as caught:
        train(config, tmp_path / "run")
    message = str(caught.value)
    assert message.startswith(f"{len(WRONG)} frames of the training set have problems; put them right, or set data.s")
    lines = message.splitlines()[1:]
    assert len(lines) == len(WRONG)
    for line, (name, parts) in zip(lines, WRONG.items(), strict=True):
        assert line.startswith(f"{name}: ")
        assert all(part in line for part in parts)
    assert not (tmp_path / "run").exists()


def test_training_can_go_on_without_the_frames_with_problems(flawed, tmp_path, monkeypatch, caplog):
    """They are never drawn: reading any of their channels is an error here, if only after the check."""
    drawn = []

    class Watchful(Store):
        def images(self, row, passbands=None):
            drawn.append(int(row))
            return super().images(row, passbands)

    def check(*args, **kwargs):
        found = find_problems(*args, **kwargs)
        drawn.clear()
        return found

    monkeypatch.setattr(run, "Store", Watchful)
    monkeypatch.setattr(problems, "find_problems", check)
    config = configure(
        tmp_path,
        flawed,
        data={"complete": True, "skip_problems": True},
        split={"validation": [], "test": []},
        run={"steps": 20, "epoch": 20, "batch": 2},
    )
    assert train(config, tmp_path / "run").trainer.global_step == 20
    assert set(drawn) == set(range(COUNT)) - {int(name.split()[1]) for name in WRONG}
    left_out = [record.getMessage() for record in caplog.records if record.name == problems.__name__]
    assert len(left_out) == len(WRONG)
    assert all(line.startswith(f"left out: {name}: ") for line, name in zip(left_out, WRONG, strict=True))


def test_training_needs_frames(flawed, tmp_path):
    config = configure(
        tmp_path, flawed, data={"skip_problems": True}, split={"method": "park2019", "validation": [], "test": []}
    )
    with pytest.raises(ValueError, match=r"no frame is left to train on; look at data\.passbands and split"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# -- Images without fields ---------------------------------------------------------------------------------------------

SETS = (171, 193, 304)

#: What is wrong with which set.
WRONG_SETS = {
    "toy 1": ["the image in 193 was taken 600 s from the frame"],
    "toy 2": ["is a duplicate of toy 0"],
    "toy 3": ["the image in 304 has no data on the disk"],
    "toy 4": ["cannot be read", "checksum"],
    "toy 5": ["lacks 193, 304"],
    "toy 6": ["was never completely written; run the command that made the store again"],
}


@pytest.fixture(scope="module")
def flawed_sets(tmp_path_factory):
    """Eight sets of images, of which the first and the last are as they should be."""
    path = tmp_path_factory.mktemp("flawed") / "store"
    frames = manifest(2090 + np.arange(8) / 10)
    calibration = {band: "some epoch" for band in SETS}
    store = Store.create(path, GRID, frames, SETS, provenance="made up", calibration=calibration)
    for row in range(8):
        images, times = make_images(make_field(row), SETS), {}
        match row:
            case 1:
                times[193] = Time(frames["time"][row]) + 600 * u.s
            case 2:
                images = make_images(make_field(0), SETS)
            case 3:
                images[304][GRID.radius < 1] = np.nan
            case 5:
                del images[193], images[304]
            case 6:
                continue
        store.write(row, None, images, times=times)
    damage(path, "images", 4, 1)
    return path


def test_every_problem_of_images_without_fields_is_found_by_name(flawed_sets):
    problems = find_problems(Store.open(flawed_sets), SETS, fields=False, complete=True, max_delay=360)
    assert list(found(problems)) == list(WRONG_SETS)
    for row, name, problem in problems.iterrows():
        assert name == f"toy {row}"
        assert all(part in problem for part in WRONG_SETS[name])
    assert len(problems) == len(WRONG_SETS)


def test_images_with_a_field_are_not_the_worse_for_it(tmp_path):
    """Nor are those with a bad one, if nobody asks for it."""
    store = make_store(tmp_path / "store", frames=manifest([2100.1, 2100.2]))
    store.write(1, np.zeros(GRID.shape), make_images(make_field(1)))
    assert len(find_problems(store, BANDS, fields=False, complete=True, max_delay=0)) == 0
    assert found(find_problems(store, BANDS, complete=True, max_delay=0)) == {"toy 1": ["the field is zero everywhere"]}


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    """Eight sets: all three images, each pair, each single one, and none."""
    path = tmp_path_factory.mktemp("partial") / "store"
    rows = {171: (0, 1, 2, 4), 193: (0, 1, 3, 5), 304: (0, 2, 3, 6)}
    return make_store(path, frames=manifest(2090 + np.arange(8) / 10), bands=SETS, only=rows, fields=False)


@pytest.mark.parametrize(
    ("inputs", "passbands", "usable"),
    [
        # Any of them to the rest: two at least.
        ((171, 193, 304), (171, 193, 304), [0, 1, 2, 3]),
        ((171, 193), (171, 193, 304), [0, 1, 2, 3]),
        ((171, 193), (171, 193), [0, 1]),
        # Some to others: all of the former and one at least of the latter.
        ((171,), (193, 304), [0, 1, 2]),
        ((171, 193), (304,), [0]),
        ((304,), (171,), [0, 2]),
    ],
)
def test_frames_that_cannot_be_translated_are_not_used(tmp_path, partial, inputs, passbands, usable):
    planes = ["image", "known"] if set(inputs) & set(passbands) else ["image"]
    config = configure(
        tmp_path,
        "store",
        "translation",
        data={"inputs": inputs, "passbands": passbands},
        model={"planes": planes, "network": {"kind": "shared-unet", "widths": [4, 8], "head": 4, "deviations": True}},
        augmentation={"window": 0.0},
    )
    assert list(usable_split(config, partial)["train"]) == usable


def test_frames_to_translate_with_problems_are_refused_or_left_out(flawed_sets, tmp_path):
    tables = {"model": {"planes": ["image", "known"], "network": {"widths": [4, 8], "head": 4}}}
    data = {"inputs": SETS, "passbands": SETS}
    config = configure(tmp_path, flawed_sets, "translation", data=data, split={"test": [], "validation": []}, **tables)
    with pytest.raises(ProblemsError, match="5 frames of the training set have problems"):
        usable_split(config, Store.open(flawed_sets))
    config["data"]["skip_problems"] = True
    # The sixth has a single image: that is no problem, but there is nothing to learn from it.
    assert list(usable_split(config, Store.open(flawed_sets))["train"]) == [0, 7]
