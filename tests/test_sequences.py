"""Answers to many, in order, prepared ahead; and many Maps to the verbs."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import astropy.units as u
import sunpy.map
from ndcube import NDCube
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv import synthesis
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.sequences import Answers, are_several, in_step


def plain(count, at_once=1, allow_errors=False, prepare=lambda item: item, seen=None):
    """Answers to numbers, which are their squares."""

    def answer(items):
        if seen is not None:
            seen.append(items)
        return [item**2 for item in items]

    return Answers(((number,) for number in range(count)), prepare, answer, at_once, allow_errors)


def no_threes(number):
    if number % 3 == 0:
        raise ValueError(f"{number} is a multiple of three")
    return number


@pytest.mark.parametrize("at_once", [1, 2, 4, 100])
def test_in_order_and_at_once(at_once):
    seen = []
    assert list(plain(10, at_once, seen=seen)) == [number**2 for number in range(10)]
    assert list(itertools.chain(*seen)) == list(range(10))
    assert max(map(len, seen)) == min(at_once, 10)


@pytest.mark.parametrize("at_once", [1, 3])
def test_goes_on_after_errors(at_once):
    answers, found, notes = plain(8, at_once, prepare=no_threes), [], []
    while True:
        try:
            found.append(next(answers))
        except StopIteration:
            break
        except ValueError as error:
            found.append(str(error))
            notes += error.__notes__
    threes = [f"{number} is a multiple of three" for number in (0, 3, 6)]
    assert found == [threes[0], 1, 4, threes[1], 16, 25, threes[2], 49]
    assert notes == [f"This was number {number} of those given, counted from 1." for number in (1, 4, 7)]
    with pytest.raises(StopIteration):
        next(answers)


@pytest.mark.parametrize("at_once", [1, 3])
def test_leaves_out_what_it_may(at_once):
    with pytest.warns(SunpyUserWarning) as said:
        assert list(plain(8, at_once, allow_errors=True, prepare=no_threes)) == [1, 4, 16, 25, 49]
    assert [str(warning.message) for warning in said] == [
        f"number {number + 1} of those given is left out: {number} is a multiple of three" for number in (0, 3, 6)
    ]


def test_items_that_cannot_be_had():
    """As from ``map``, which goes on, and from a generator, which does not."""
    answers = Answers(map(lambda number: (no_threes(number),), range(3)), lambda n: n, list, 1, True)
    with pytest.warns(SunpyUserWarning, match="number 1 of those given is left out: 0 is"):
        found = list(answers)
    assert found == [1, 2]

    def generator():
        yield (1,)
        raise OSError("the disk is gone")

    answers = Answers(generator(), lambda number: number, list, 1, False)
    assert next(answers) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(answers)
    assert list(answers) == []


def test_nothing_happens_before_the_first_is_asked_for():
    taken = []
    answers = Answers(((taken.append(number),) for number in range(3)), lambda item: item, list, 1, False)
    time.sleep(0.05)
    assert taken == []
    next(answers)
    time.sleep(0.05)
    assert taken == [0, 1]


@pytest.mark.parametrize("at_once", [1, 4])
def test_no_more_is_taken_than_is_needed(at_once):
    taken = []
    items = (taken.append(number) or (number,) for number in itertools.count())
    answers = Answers(items, lambda number: number, list, at_once, False)
    for number in range(20):
        assert next(answers) == number
        assert len(taken) <= number + 2 * at_once + 1


def test_the_next_is_made_ready_while_one_is_computed():
    """Both together take as long as one of them: each waits for the other to begin."""
    preparing, answering = threading.Semaphore(0), threading.Semaphore(0)

    def prepare(number):
        preparing.release()
        if number == 1:
            assert answering.acquire(timeout=10)
        return number

    def answer(items):
        if items == [0]:
            answering.release()
            # The first and the second have begun.
            assert preparing.acquire(timeout=10)
            assert preparing.acquire(timeout=10)
        return items

    assert list(Answers(((number,) for number in range(3)), prepare, answer, 1, False)) == [0, 1, 2]


def test_python_ends_while_an_item_is_waited_for():
    script = """if True:
        import queue
        from sunpy_mag2euv.sequences import Answers
        items = queue.SimpleQueue()
        items.put((1,))
        answers = Answers(iter(items.get, None), lambda item: item, list, 1, False)
        print(next(answers), flush=True)
    """
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "1\n")


def test_several_threads_share_the_answers():
    answers, found = plain(200, at_once=2), []

    def ask():
        found.extend(answers)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [number**2 for number in range(200)]


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_errors_of_answers_are_in_their_places(at_once):
    """Those that were asked for together with the one that fails are answered."""

    def answer(items):
        if 5 in items:
            raise RuntimeError("out of memory")
        return items

    def ask(allow_errors):
        return Answers(((number,) for number in range(8)), lambda item: item, answer, at_once, allow_errors)

    answers = ask(False)
    assert [next(answers) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="out of memory") as raised:
        next(answers)
    assert raised.value.__notes__ == ["This was number 6 of those given, counted from 1."]
    assert list(answers) == [6, 7]
    with pytest.warns(SunpyUserWarning, match="number 6 of those given is left out: out of memory"):
        left = list(ask(True))
    assert left == [0, 1, 2, 3, 4, 6, 7]


def test_nothing_is_lost_by_an_interruption():
    interrupted = []

    def answer(items):
        if 3 in items and not interrupted:
            interrupted.append(items)
            raise KeyboardInterrupt
        return items

    answers = Answers(((number,) for number in range(6)), lambda item: item, answer, 2, False)
    assert [next(answers), next(answers)] == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        next(answers)
    assert list(answers) == [2, 3, 4, 5]


def test_what_ends_a_source_is_raised_once():
    def source():
        yield (0,)
        raise GeneratorExit

    answers = Answers(source(), lambda item: item, list, 1, False)
    assert next(answers) == 0
    with pytest.raises(GeneratorExit):
        next(answers)
    assert list(answers) == []


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps])
def test_answers_are_there_once(make):
    with pytest.raises(TypeError, match="can neither be copied nor sent"):
        make(plain(3))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_do_not_wait_for_ever():
    script = """if True:
        import os, signal
        from sunpy_mag2euv.sequences import Answers
        answers = Answers(((number,) for number in range(5)), lambda item: item, list, 1, False)
        next(answers)
        if os.fork() == 0:
            signal.alarm(20)
            try:
                next(answers)
            except RuntimeError as error:
                print(error, flush=True)
            os._exit(0)
        os.wait()
        print(list(answers))
    """
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines() == [
        "an iterator of answers must be used in one process; this is a fork of that. Make another one here",
        "[1, 2, 3, 4]",
    ]


def test_in_step():
    assert list(in_step(maps=[1, 2], observers=iter("ab"))) == [(1, "a"), (2, "b")]
    with pytest.raises(ValueError, match="maps and times must go in pairs; there are 2 maps and 3 times"):
        in_step(maps=[1, 2], times=(1, 2, 3))
    rows = in_step(maps=iter([1, 2]), times=iter([1]))
    assert next(rows) == (1, 1)
    with pytest.raises(ValueError, match="there are too few times"):
        next(rows)


@pytest.fixture(scope="module")
def days(make_magnetogram):
    magnetogram = make_magnetogram()
    return [sunpy.map.Map(magnetogram.data * factor, magnetogram.meta) for factor in (1, 0.5, -0.7)]


@pytest.fixture(scope="module")
def alone(days, tiny_model):
    return [mag2euv.generate(day, 193, model=tiny_model) for day in days]


def same(ours, theirs):
    np.testing.assert_array_equal(ours.data, theirs.data)
    np.testing.assert_array_equal(ours.uncertainty.array, theirs.uncertainty.array)
    assert ours.meta == theirs.meta


@pytest.mark.parametrize(
    "several",
    [list, tuple, iter, lambda maps: (image for image in maps), lambda maps: sunpy.map.Map(maps, sequence=True)],
)
def test_many_magnetograms(several, days, alone, tiny_model):
    assert not np.array_equal(alone[0].data, alone[1].data, equal_nan=True)
    answers = mag2euv.generate(several(days), 193, model=tiny_model)
    assert iter(answers) is answers
    for ours, theirs in zip(answers, alone, strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("at_once", [2, 3, 8])
def test_many_at_once(at_once, days, alone, tiny_model, monkeypatch):
    """As on a GPU."""
    monkeypatch.setattr(synthesis, "at_once", lambda grid, device: at_once)
    for ours, theirs in zip(mag2euv.generate(days, 193, model=tiny_model), alone, strict=True):
        np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-4)
        np.testing.assert_allclose(ours.uncertainty.array, theirs.uncertainty.array, rtol=1e-4)
        assert ours.meta == theirs.meta


def test_as_for_one(days, alone, tiny_model):
    """Several passbands are a list, and cubes are cubes."""
    for (first, second), theirs in zip(mag2euv.generate(days, [171, 193], model=tiny_model), alone, strict=True):
        assert first.wavelength == 171 * u.AA
        same(second, theirs)
    for cube, theirs in zip(mag2euv.generate_cube(days, [193], model=tiny_model), alone, strict=True):
        assert isinstance(cube, NDCube)
        np.testing.assert_array_equal(cube.data[0], theirs.data)


def test_none(tiny_model):
    assert list(mag2euv.generate([], 193, model=tiny_model)) == []


def test_one_that_cannot_be_used(days, alone, tiny_model):
    continuum = sunpy.map.Map(days[1].data, {**days[1].meta, "bunit": "DN/s"})
    answers = mag2euv.generate([days[0], continuum, days[2]], 193, model=tiny_model)
    same(next(answers), alone[0])
    with pytest.raises(ValueError, match="line-of-sight magnetogram in gauss") as raised:
        next(answers)
    assert raised.value.__notes__ == ["This was number 2 of those given, counted from 1."]
    same(next(answers), alone[2])

    with pytest.warns(SunpyUserWarning, match="number 2 of those given is left out: the magnetogram must be"):
        left = list(mag2euv.generate([days[0], continuum, days[2]], 193, model=tiny_model, allow_errors=True))
    for ours, theirs in zip(left, [alone[0], alone[2]], strict=True):
        same(ours, theirs)


def test_one_that_cannot_be_read(days, alone, tiny_model, tmp_path):
    for number, day in enumerate(days):
        day.save(tmp_path / f"{number}.fits")
    (tmp_path / "1.fits").write_text("not an image")
    paths = sorted(tmp_path.glob("*.fits"))
    answers = mag2euv.generate(map(sunpy.map.Map, paths), 193, model=tiny_model)
    assert np.isfinite(next(answers).data).any()
    with pytest.raises(Exception, match=r"1\.fits|SIMPLE|FITS|map"):
        next(answers)
    assert np.isfinite(next(answers).data).any()
    with pytest.warns(SunpyUserWarning, match="number 2 of those given is left out"):
        assert len(list(mag2euv.generate(map(sunpy.map.Map, paths), 193, model=tiny_model, allow_errors=True))) == 2


def test_generators_that_end_with_an_error(days, tiny_model):
    """What they would have given after it is lost, which has to be noticed."""

    def read():
        yield days[0]
        raise OSError("no file")
        yield days[1]

    answers = mag2euv.generate(read(), 193, model=tiny_model, allow_errors=True)
    next(answers)
    with pytest.raises(OSError, match="no file") as raised:
        next(answers)
    assert raised.value.__notes__ == ["This was number 2 of those given, counted from 1."]
    assert list(answers) == []


def test_one_observer_that_cannot_be(tiny_model):
    observers = iter(["earth", 5, "mars"])
    answers = mag2euv.generate(sample_chart(), 193, observer=observers, model=tiny_model)
    assert next(answers).meta["date-obs"]
    with pytest.raises(TypeError, match="observer must be a SkyCoord"):
        next(answers)
    assert next(answers).meta["date-obs"]


def test_mistakes_that_concern_all_are_found_at_once(days, tiny_model):
    for wrong in ({"passband": 192}, {"passband": 193, "model": "no such model"}, {"passband": 193, "device": "no"}):
        with pytest.raises((ValueError, FileNotFoundError)):
            mag2euv.generate(iter(days), **{"model": tiny_model, **wrong})


def test_what_is_said_of_many_is_said_once(days, tiny_model):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        list(mag2euv.generate(days, 211, model=tiny_model))
    assert len([warning for warning in said if "211" in str(warning.message)]) == 1


def test_many_charts(tiny_model):
    charts = [sample_chart(seed) for seed in (0, 1)]
    answers = list(mag2euv.generate(charts, 193, observer="earth", model=tiny_model))
    for ours, chart in zip(answers, charts, strict=True):
        same(ours, mag2euv.generate(chart, 193, observer="earth", model=tiny_model))
    answers = list(mag2euv.generate(charts, 193, observer=["earth", "mars"], model=tiny_model))
    same(answers[1], mag2euv.generate(charts[1], 193, observer="mars", model=tiny_model))
    with pytest.raises(ValueError, match="magnetograms and observers must go in pairs; there are 2 magnetograms and 3"):
        mag2euv.generate(charts, 193, observer=["earth"] * 3, model=tiny_model)


def test_charts_among_magnetograms(days, tiny_model):
    answers = mag2euv.generate([sample_chart(), days[0]], 193, model=tiny_model)
    with pytest.raises(ValueError, match="a chart must have an observer"):
        next(answers)
    assert next(answers).data.shape == tiny_model.grid.shape


def test_endless_observers(tiny_model):
    answers = mag2euv.generate(sample_chart(), 193, observer=itertools.cycle(["earth", "mars"]), model=tiny_model)
    earth, mars, again = (next(answers) for _ in range(3))
    same(earth, again)
    assert earth.meta != mars.meta


def test_are_several(days):
    assert are_several(days)
    assert are_several(iter(days))
    assert are_several(sunpy.map.Map(days, sequence=True))
    for one in (days[0], days[0].data, "a", b"a", {}, None, 1):
        assert not are_several(one)
