"""Some of the Maps of ``benchmarks/attack.py``: each is used or refused as it is documented, and in its place."""

import attacks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

#: Always the same, so that a change which breaks nothing here breaks nothing in CI.
fuzz = settings(max_examples=100, derandomize=True, database=None, deadline=None)


@pytest.fixture(scope="module")
def models(tiny_model, tiny_translator):
    return {"generate": tiny_model, "translate": tiny_translator, "compare": None}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("verb", attacks.VERBS)
@fuzz
@given(seed=st.integers(0, 2**32 - 1))
def test_maps_that_something_is_wrong_with(models, verb, seed):
    attacks.VERBS[verb](np.random.default_rng(seed), models[verb])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("verb", attacks.VERBS)
def test_that_enough_are_used(models, verb):
    """Otherwise the fuzzer would find nothing."""
    outcomes = [attacks.VERBS[verb](np.random.default_rng(seed), models[verb]) for seed in range(30)]
    assert sum(outcome.startswith("used") for outcome in outcomes) > 5
    assert outcomes.count("refused") > 3
