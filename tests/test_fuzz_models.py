"""Damaged weights files are refused in a sentence, or what is made with them is sound all the same."""

import copy
import dataclasses
import json
import os
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.preparation import prepare

#: How many damaged files are looked at; more find more.
EXAMPLES = int(os.environ.get("MAG2EUV_FUZZ", "40"))

fuzz = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

#: What may stand anywhere in a record by mistake.
ODD = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, "", "193", "launch", "text\nand more", "\x00", "\ud800", "é", [], {}, [[]], {"a": 1}),
            *(0, 1, -1, 2, 3, 64, 193, 10**9, 10**400, 0.5, -0.0, 1e-300, 1e300),
            *(float("nan"), float("inf"), -float("inf"), [1, 2], [193], ["signed"], {"193": 1.0}, {"193": None}),
            *("generator", "two-scale", "linear", "log", "2011-13-01", "1000x1000 signed", "absolute 1e-300 Mm"),
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)


class Workshop:
    """The tiny model on a grid of few pixels, to be damaged, and a place for what comes of it."""

    def __init__(self, model, magnetogram, folder):
        model = dataclasses.replace(model, grid=Grid((64, 64), 24.5))
        self.record = json.loads(json.dumps(model.record()))
        self.state = {name: tensor.half() for name, tensor in model.state.items()}
        self.magnetogram = magnetogram
        self.path = folder / "damaged.safetensors"

    def write(self, text, state=None):
        self.path.write_bytes(save(self.state if state is None else state, metadata={"sunpy_mag2euv": text}))

    def check(self):
        """Either a sentence says what is wrong, or images are made that are as good as any."""
        sentence = None
        try:
            model = load_model(self.path)
            model.network(torch.device("cpu"))
            # A grid may be of so small a part of the Sun that no magnetogram says enough of it.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SunpyUserWarning)
                known = prepare(self.magnetogram, model.grid).known & model.valid
        except (ValueError, TypeError, OSError) as error:
            sentence = str(error)
        if sentence is not None:
            assert len(sentence.splitlines()) == 1, sentence
            assert len(sentence) < 2000
            return
        with warnings.catch_warnings():
            # Which is what the record is free to say, of any image.
            warnings.simplefilter("ignore", SunpyUserWarning)
            image = mag2euv.generate(self.magnetogram, model.passbands[0], model=model, device="cpu")
        assert image.data.shape == known.shape
        np.testing.assert_array_equal(np.isfinite(image.data), known)
        if image.uncertainty is not None:
            np.testing.assert_array_equal(np.isfinite(image.uncertainty.array), known)
            assert (image.uncertainty.array[known] > 0).all()


@pytest.fixture(scope="module")
def workshop(tiny_model, make_magnetogram, tmp_path_factory):
    # Of both signs wherever a grid may be.
    magnetogram = make_magnetogram(lambda x, y: 300 * np.sin(40 * x + 1) * np.sin(37 * y + 2), size=96)
    return Workshop(tiny_model, magnetogram, tmp_path_factory.mktemp("damaged"))


def places(node, path=()):
    """The paths of all that is in a record, and the record itself."""
    yield path
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from places(node[key], (*path, key))


def changed(record, path, change):
    """A record in which something was changed at some place."""
    record = {"": copy.deepcopy(record)}
    node, last = record, ""
    for key in path:
        node, last = node[last], key
    change(node, last)
    return record[""]


def replace(value):
    def change(node, key):
        node[key] = value

    return change


def remove(node, key):
    del node[key]


def double(node, key):
    """Twice what there should be once."""
    if isinstance(node, list):
        node.append(node[key])
    else:
        node[f"{key}0"] = node[key]


def test_the_file_that_is_damaged_is_sound(workshop):
    workshop.write(json.dumps(workshop.record))
    assert json.loads(json.dumps(load_model(workshop.path).record())) == workshop.record
    workshop.check()


@fuzz
@given(st.data())
def test_records_with_odd_values(workshop, data):
    record = workshop.record
    for _ in range(data.draw(st.integers(1, 2))):
        # Of the record itself there is one, which can only be another.
        anywhere, *within = places(record)
        change, path = data.draw(
            st.one_of(
                st.tuples(ODD.map(replace), st.sampled_from([anywhere, *within])),
                *([st.tuples(st.sampled_from([remove, double]), st.sampled_from(within))] if within else []),
            )
        )
        record = changed(record, path, change)
    workshop.write(json.dumps(record))
    workshop.check()


@fuzz
@given(
    st.integers(0, 10**6), st.sampled_from(["", *'0123456789.-eE"{}[]:,\\NaIt ']), st.sampled_from(["over", "before"])
)
def test_records_with_odd_characters(workshop, place, new, where):
    text = json.dumps(workshop.record)
    place %= len(text)
    rest = text[place + 1 :] if where == "over" else text[place:]
    workshop.write(text[:place] + new + rest)
    workshop.check()


#: What may be written instead of a tensor.
OTHER_TENSORS = {
    **{kind: lambda tensor, kind=kind: tensor.to(kind) for kind in (torch.float64, torch.float32, torch.bfloat16)},
    **{kind: lambda tensor, kind=kind: tensor.to(kind) for kind in (torch.int32, torch.bool, torch.complex64)},
    torch.float8_e4m3fn: lambda tensor: tensor.to(torch.float8_e4m3fn),
    "empty": lambda tensor: tensor[:0],
    "deep": lambda tensor: tensor[None].contiguous(),
    "nothing": lambda tensor: 0 * tensor,
    "nan": lambda tensor: tensor + float("nan"),
    "inf": lambda tensor: tensor + float("inf"),
    "huge": lambda tensor: tensor.double() * 1e300,
    "large": lambda tensor: 100 * tensor,
}


@fuzz
@given(st.integers(0, 10**6), st.sampled_from(["absent", *OTHER_TENSORS]), st.sampled_from([False] * 4 + [True]))
def test_odd_weights(workshop, number, kind, more):
    state = dict(workshop.state)
    name = sorted(state)[number % len(state)]
    tensor = state.pop(name)
    if kind != "absent":
        state[name] = OTHER_TENSORS[kind](tensor)
    if more:
        state["more"] = torch.zeros(2)
    workshop.write(json.dumps(workshop.record), state)
    workshop.check()


@fuzz
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 10**6), st.integers(0, 7)), max_size=3),
    st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_flipped_bits_and_short_files(workshop, flips, length):
    workshop.write(json.dumps(workshop.record))
    content = bytearray(workshop.path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    for in_header, place, bit in flips:
        # The first eight bytes say how long the header is.
        content[8 + place % (header - 8) if in_header else place % len(content)] ^= 1 << bit
    workshop.path.write_bytes(content if length is None else content[: length % len(content)])
    workshop.check()
