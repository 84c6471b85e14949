"""Caveats of scarce passbands: once a process, in one sentence, unless Python's filters say otherwise."""

import dataclasses
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.caveats import caveats_of, warn_of_caveats
from sunpy_mag2euv.sample import sample_aia_maps, sample_chart

FEW, DIM = "few images", "its level is illustrative"


@pytest.fixture
def model(tiny_model):
    """One that nobody has been warned of."""
    caveats = {211: FEW, 335: FEW, 1600: DIM}
    return dataclasses.replace(tiny_model, caveats=caveats, sha256=uuid.uuid4().hex * 2)


@pytest.fixture
def said():
    """What is said, by Python's own filters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        yield lambda: [str(warning.message) for warning in caught]


def test_once_whichever_verb(model, said, make_magnetogram):
    magnetogram, chart = make_magnetogram(), sample_chart()
    cube = mag2euv.generate_cube(magnetogram, model=model)
    assert said() == [f"each of 211 and 335 Å: {FEW}", f"1600 Å: {DIM}"]
    image = mag2euv.generate(magnetogram, 335, model=model)
    list(mag2euv.generate([magnetogram] * 2, [211, 335], model=model))
    list(mag2euv.generate(chart, 335, observer=["earth", "l5"], model=model))
    mag2euv.generate_cube(magnetogram, model=model)
    mag2euv.generate_chart(chart, 1600, model=model)
    mag2euv.light_curve([magnetogram], 335, model=model)
    assert len(said()) == 2
    # Images say it all the same.
    assert image.meta["validity"] == "caution: scarce passband"
    assert f"caveat: {FEW}" in str(image.meta["history"])
    assert cube.data.shape == (9, 256, 256)


def test_of_translations(tiny_translator, said):
    translator = dataclasses.replace(tiny_translator, caveats={211: FEW}, sha256=uuid.uuid4().hex * 2)
    for _ in range(2):
        mag2euv.translate(sample_aia_maps([171, 304]), [211, 193], model=translator)
    assert [sentence for sentence in said() if FEW in sentence] == [f"211 Å: {FEW}"]


def test_only_of_what_is_asked_for_and_not_yet_told(model, said):
    by_number = {passband.angstrom: passband for passband in model.passbands}
    warn_of_caveats(model, [by_number[193]])
    assert said() == []
    warn_of_caveats(model, [by_number[335]])
    warn_of_caveats(model, model.passbands)
    warn_of_caveats(model, model.passbands)
    assert said() == [f"335 Å: {FEW}", f"211 Å: {FEW}", f"1600 Å: {DIM}"]
    # Of another model nobody knows it, though Python takes the sentence for the same until filters change.
    warnings.filterwarnings("ignore", message="yet another")
    warn_of_caveats(dataclasses.replace(model, sha256=uuid.uuid4().hex * 2), [by_number[335]])
    assert len(said()) == 4


def test_always_means_in_every_call(model, make_magnetogram):
    for _ in range(2):
        with pytest.warns(SunpyUserWarning) as caught:
            list(mag2euv.generate([make_magnetogram()] * 2, [335, 1600], model=model))
        assert [str(warning.message) for warning in caught] == [f"335 Å: {FEW}", f"1600 Å: {DIM}"]


def test_what_is_ignored_or_raised_has_not_been_said(model, said):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warn_of_caveats(model, model.passbands)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="each of 211", category=UserWarning)
        for _ in range(2):
            with pytest.raises(SunpyUserWarning, match=FEW):
                warn_of_caveats(model, model.passbands)
    assert said() == []
    warn_of_caveats(model, model.passbands)
    assert len(said()) == 2


@pytest.mark.parametrize("action", ["default", "module", "once"])
def test_filters_that_show_things_once(model, said, action):
    warnings.filterwarnings(action, module="sunpy_mag2euv")
    # Of other categories, modules or sentences
    warnings.simplefilter("error", DeprecationWarning)
    warnings.filterwarnings("error", module="sunpy_mag2euv.other")
    warnings.filterwarnings("error", message="something else")
    for _ in range(3):
        warn_of_caveats(model, model.passbands)
        # Python forgets then what it has shown.
        warnings.filterwarnings("ignore", message="yet another")
    assert len(said()) == 2


def test_in_one_thread_of_many(model, said):
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda _: warn_of_caveats(model, model.passbands), range(32)))
    assert len(said()) == 2


def test_in_words(model, tiny_model):
    assert caveats_of(model) == [f"each of 211 and 335 Å: {FEW}", f"1600 Å: {DIM}"]
    assert caveats_of(dataclasses.replace(tiny_model, caveats={})) == []
    three = dict.fromkeys([335, 1600, 1700], FEW)
    assert caveats_of(dataclasses.replace(tiny_model, caveats=three)) == [f"each of 335, 1600 and 1700 Å: {FEW}"]
