import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunpy_mag2euv.scaling import AsinhScaling, LinearScaling, LogScaling, SqrtScaling, scaling_from_dict

EXAMPLES = [
    LinearScaling(-3000, 3000),
    SqrtScaling(0.3, 10),
    LogScaling(0, 100, offset=1),
    AsinhScaling(-3000, 3000, knee=10),
]


@st.composite
def scalings(draw):
    """Any scaling of every kind, for ranges such as fields in gauss and images in DN/s have."""
    kind = draw(st.sampled_from([LinearScaling, SqrtScaling, LogScaling, AsinhScaling]))
    positive = kind in (SqrtScaling, LogScaling)
    low = draw(st.floats(0 if positive else -5000, 5000))
    high = low + draw(st.floats(0.1, 20000))
    if kind is LogScaling:
        return kind(low, high, offset=draw(st.floats(0.01, 100)))
    if kind is AsinhScaling:
        return kind(low, high, knee=draw(st.floats(0.1, 1000)))
    return kind(low, high)


fractions = st.floats(0, 1)


@given(scalings(), fractions)
def test_inverse_undoes_forward(scaling, fraction):
    value = scaling.low + fraction * (scaling.high - scaling.low)
    scaled = scaling.forward(value)
    assert -1 <= scaled <= 1
    assert scaling.inverse(scaled) == pytest.approx(value, rel=1e-9, abs=1e-9 * (abs(scaling.low) + scaling.high))


@given(scalings(), st.floats(-1, 1))
def test_forward_undoes_inverse(scaling, scaled):
    value = scaling.inverse(scaled)
    assert scaling.low - 1e-6 <= value <= scaling.high + 1e-6
    # Where a wide range is squeezed, a rounding of the value is more than a rounding of the scaled number.
    assert scaling.forward(value) == pytest.approx(scaled, abs=1e-5)


@given(scalings())
def test_monotone_from_low_to_high(scaling):
    values = np.linspace(scaling.low, scaling.high, 50)
    scaled = scaling.forward(values)
    assert (scaled[0], scaled[-1]) == (-1, 1)
    assert np.all(np.diff(scaled) > 0)


@given(scalings(), st.floats(0, 1e6))
def test_clipped_outside(scaling, beyond):
    assert scaling.forward(scaling.low - beyond) == -1
    assert scaling.forward(scaling.high + beyond) == 1
    assert scaling.inverse(-1 - beyond) == scaling.inverse(-1) == pytest.approx(scaling.low, abs=1e-6)
    assert scaling.inverse(1 + beyond) == scaling.inverse(1) == pytest.approx(scaling.high, rel=1e-9)


@given(scalings())
def test_dictionary_round_trip(scaling):
    copy = scaling_from_dict(json.loads(json.dumps(scaling.to_dict())))
    assert type(copy) is type(scaling)
    assert copy == scaling


@pytest.mark.parametrize("scaling", EXAMPLES, ids=str)
def test_arrays_and_scalars(scaling):
    values = np.linspace(scaling.low, scaling.high, 12).reshape(3, 4)
    scaled = scaling.forward(values)
    assert scaled.shape == (3, 4)
    assert scaled[1, 2] == scaling.forward(values[1, 2])
    np.testing.assert_allclose(scaling.inverse(scaled), values, atol=1e-9)


def test_shape_of_each_stretch():
    assert LinearScaling(0, 100).forward(25) == -0.5
    assert SqrtScaling(0, 100).forward(25) == 0
    assert LogScaling(1, 100).forward(10) == pytest.approx(0)
    assert LogScaling(0, 99, offset=1).forward(9) == pytest.approx(0)
    field = AsinhScaling(-3000, 3000, knee=10)
    assert field.forward(0) == 0
    assert field.forward(-500) == pytest.approx(-field.forward(500))
    assert field.forward(0.2) == pytest.approx(2 * field.forward(0.1), rel=1e-3)  # linear below the knee
    steps = np.diff(field.forward(np.array([250, 500, 1000, 2000])))
    np.testing.assert_allclose(steps, steps[0], rtol=2e-3)  # logarithmic above


def test_log_scaling_of_park_et_al():
    rate = np.array([-5.0, 0.0, 0.5, 1.0, 100.0, 2.0**14 - 1, 1e6])
    expected = np.log2(np.clip(rate + 1, 1, 2**14)) / 14 * 2 - 1
    np.testing.assert_allclose(LogScaling(0, 2**14 - 1, offset=1).forward(rate), expected, atol=1e-12)


@pytest.mark.parametrize("kind", [LinearScaling, SqrtScaling, LogScaling, AsinhScaling])
@pytest.mark.parametrize("limits", [(2, 1), (1, 1), (float("nan"), 1)])
def test_low_must_be_below_high(kind, limits):
    with pytest.raises(ValueError, match="low < high; got low="):
        kind(*limits)


def test_bad_parameters():
    with pytest.raises(ValueError, match="square-root scaling needs low >= 0; got -1"):
        SqrtScaling(-1, 1)
    with pytest.raises(ValueError, match=r"needs low \+ offset > 0; got 0"):
        LogScaling(0, 1)
    with pytest.raises(ValueError, match=r"needs low \+ offset > 0; got -1"):
        LogScaling(-2, 1, offset=1)
    with pytest.raises(ValueError, match="needs knee > 0; got 0"):
        AsinhScaling(-1, 1, knee=0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"kind": "cubic", "low": 0, "high": 1}, "unknown scaling 'cubic'; expected one of linear, sqrt, log, asinh"),
        ({"low": 0, "high": 1}, "unknown scaling None"),
        ({"kind": "log", "low": 1}, "the log scaling cannot be made from .*high"),
        ({"kind": "linear", "low": 0, "high": 1, "offset": 1}, "the linear scaling cannot be made from .*offset"),
        ({"kind": "linear", "low": 1, "high": 0}, "low < high"),
    ],
)
def test_bad_record(record, message):
    before = dict(record)
    with pytest.raises(ValueError, match=message):
        scaling_from_dict(record)
    assert record == before


# -- Moments -----------------------------------------------------------------------------------------------------------

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(100)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def unclipped(scaling, scaled):
    """What `inverse` would be without its limits."""
    stretch, unstretch = {
        LinearScaling: (lambda value: value, lambda value: value),
        SqrtScaling: (np.sqrt, np.square),
        LogScaling: (lambda value: np.log(value + scaling.offset), lambda value: np.exp(value) - scaling.offset),
        AsinhScaling: (lambda value: np.arcsinh(value / scaling.knee), lambda value: scaling.knee * np.sinh(value)),
    }[type(scaling)]
    low, high = stretch(scaling.low), stretch(scaling.high)
    return unstretch(low + (scaled + 1) / 2 * (high - low))


def moments(scaling, mean, deviation, dtype=torch.float64):
    return [
        tensor.numpy()
        for tensor in scaling.moments(torch.tensor(mean, dtype=dtype), torch.tensor(deviation, dtype=dtype))
    ]


@given(scalings(), st.floats(-1, 1), st.floats(1e-3, 0.3))
def test_moments_are_those_of_the_inverse(scaling, mean, deviation):
    values = unclipped(scaling, mean + deviation * NODES)
    expected = values @ WEIGHTS
    spread = np.sqrt((values - expected) ** 2 @ WEIGHTS)
    # Rounding goes with the numbers from which differences are taken.
    rounding = 1e-9 * (abs(expected) + spread + getattr(scaling, "offset", 0))
    assert moments(scaling, mean, deviation) == pytest.approx([expected, spread], rel=1e-6, abs=rounding)


@given(scalings(), st.floats(-1, 1))
def test_what_is_certain_is_the_inverse(scaling, mean):
    rounding = 1e-12 * (abs(scaling.low) + scaling.high + getattr(scaling, "offset", 0))
    expected, spread = moments(scaling, mean, 0.0)
    assert expected == pytest.approx(scaling.inverse(mean), rel=1e-9, abs=rounding)
    assert spread == 0


@given(scalings(), st.floats(0, 0.3), st.floats(0, 10))
def test_means_beyond_the_range_are_clipped(scaling, deviation, beyond):
    for edge in (-1.0, 1.0):
        assert moments(scaling, edge * (1 + beyond), deviation) == moments(scaling, edge, deviation)


@pytest.mark.parametrize("scaling", EXAMPLES, ids=str)
def test_moments_have_the_shape_of_what_is_given(scaling):
    scaled, deviation = torch.rand(2, 3, 4), torch.rand(2, 3, 4) / 2
    for given_, dtype in ((scaled, torch.float32), (scaled.double(), torch.float64)):
        for moment in scaling.moments(given_, deviation.to(dtype)):
            assert moment.shape == (2, 3, 4)
            assert moment.dtype == dtype


@pytest.mark.parametrize("scaling", EXAMPLES, ids=str)
def test_moments_in_single_precision(scaling):
    means, deviations = (grid.ravel() for grid in np.meshgrid(np.linspace(-1, 1, 21), np.exp([-5.5, -3, -1.5, -0.5])))
    single, double = (moments(scaling, means, deviations, dtype) for dtype in (torch.float32, torch.float64))
    np.testing.assert_allclose(single[0], double[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(single[1], double[1], rtol=1e-4)


@pytest.mark.parametrize("scaling", EXAMPLES, ids=str)
def test_gradients_of_moments(scaling):
    means, deviations = np.meshgrid(np.linspace(-1.3, 1.3, 14), np.exp([-5.5, -3, -1.5, -0.5]))
    given_ = [torch.from_numpy(grid.ravel()).requires_grad_() for grid in (means, deviations)]
    # In units of the range, to which the tolerances fit.
    assert torch.autograd.gradcheck(lambda *x: [moment / scaling.high for moment in scaling.moments(*x)], given_)
    single = [tensor.detach().float().requires_grad_() for tensor in given_]
    for moment in scaling.moments(*single):
        for gradient in torch.autograd.grad(moment.sum(), single, retain_graph=True, allow_unused=True):
            assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("scaling", EXAMPLES, ids=str)
def test_gradients_of_the_mean_of_what_is_certain(scaling):
    """That of networks without deviations, by which they learn."""
    mean = torch.linspace(-1.2, 1.2, 13).requires_grad_()
    (gradient,) = torch.autograd.grad(scaling.moments(mean, torch.zeros(13))[0].sum(), mean)
    assert gradient.isfinite().all()
    within = mean.detach().abs() < 0.99
    assert (gradient[within] > 0).all()
    assert not gradient[mean.detach().abs() > 1.01].any()


@pytest.mark.parametrize("kind", ["linear", "sqrt", "log", "asinh"])
@pytest.mark.parametrize("value", [None, "1", True, [1], {}, float("inf"), -float("inf"), 1e19, -(10**400)])
@pytest.mark.parametrize("name", ["low", "high"])
def test_parameters_are_numbers(kind, name, value):
    with pytest.raises(ValueError, match=rf"{name} of a scaling must be a number up to 1e\+18; got"):
        scaling_from_dict({"kind": kind, "low": 1, "high": 2, name: value})


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "log", "low": 1, "high": 2, "offset": float("nan")},
        {"kind": "asinh", "low": 1, "high": 2, "knee": float("nan")},
        {"kind": "asinh", "low": 1, "high": 2, "knee": 1e-310},
        {"kind": "asinh", "low": -3000, "high": 3000, "knee": 1e-142},
        {"kind": "linear", "low": 1e9, "high": 1e9 + 1},
        {"kind": "log", "low": 1, "high": 1.001, "offset": 1e17},
        {"kind": "linear", "low": 1, "high": float("nan")},
        {"kind": ["log"], "low": 1, "high": 2},
        {"kind": "log", "low": 1},
        {"kind": "log", "low": 1, "high": 2, "knee": 1},
    ],
    ids=str,
)
def test_scalings_that_would_give_no_numbers(record):
    with np.errstate(all="raise"), pytest.raises(ValueError, match="scaling"):
        scaling_from_dict(record)


@pytest.mark.parametrize("scaling", EXAMPLES, ids=lambda scaling: type(scaling).__name__)
def test_forward_of_tensors(scaling):
    """As of arrays, and they stay tensors, wherever they are."""
    values = np.linspace(scaling.low - 1, scaling.high + 1, 101)
    scaled = scaling.forward(torch.from_numpy(values))
    assert isinstance(scaled, torch.Tensor)
    np.testing.assert_allclose(scaled.numpy(), scaling.forward(values), atol=1e-12)
    single = scaling.forward(torch.from_numpy(values.astype(np.float32)))
    assert single.dtype == torch.float32
    assert scaling.forward(torch.empty(3, device="meta")).device.type == "meta"
