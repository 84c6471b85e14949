import copy
import dataclasses
import gc
import hashlib
import json
import os
import pickle
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

import astropy.units as u
from astropy.table import Table
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_mag2euv import remote
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import (
    DEFAULT_CHART_MODEL,
    DEFAULT_MODEL,
    DEFAULT_TRANSLATOR,
    FieldModel,
    ImageModel,
    available_models,
    files,
    load_model,
    registry,
    save_model,
)
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.scaling import AsinhScaling, LogScaling

ANGSTROMS = [94, 131, 171, 193, 211, 304, 335, 1600, 1700]

#: Of the table of published models
COLUMNS = ["name", "inputs", "passbands", "pixels", "pixel_size", "size", "packaged", "default_for"]
COLUMNS += ["description", "file", "sha256"]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def record(tiny_model):
    """The tiny model's record as it is read from a file."""
    return json.loads(json.dumps(tiny_model.record()))


@pytest.fixture
def write(tmp_path, tiny_model):
    """A function that writes a weights file with the given metadata."""

    def write(metadata, state=None):
        path = tmp_path / "written.safetensors"
        save_file(tiny_model.state if state is None else state, path, metadata=metadata)
        return path

    return write


@pytest.fixture
def published(tiny_weights, monkeypatch):
    """The tiny model as if it were the packaged default."""
    entry = {
        "file": tiny_weights.name,
        "sha256": digest(tiny_weights),
        "passbands": ANGSTROMS,
        "description": "All nine passbands",
        "pixels": [256, 256],
        "arcsec": 9.8,
        "size": tiny_weights.stat().st_size,
    }
    monkeypatch.setattr(registry, "_registry", lambda: {DEFAULT_MODEL: entry})
    monkeypatch.setattr(remote, "_PACKAGED", tiny_weights.parent)
    return entry


# -- Files -------------------------------------------------------------------------------------------------------------


def test_round_trip(tiny_model, tiny_weights):
    loaded = load_model(tiny_weights)
    assert loaded.record() == tiny_model.record()
    assert loaded.sha256 == digest(tiny_weights)
    for field in dataclasses.fields(FieldModel):
        if field.name not in ("sha256", "state"):
            assert getattr(loaded, field.name) == getattr(tiny_model, field.name), field.name


def test_round_trip_of_what_is_known_of_the_training(tiny_model, tmp_path):
    known = {
        "epochs": {94: "launch", 1700: "2011-01-01"},
        "training_images": {94: 3, 1700: 2048},
        "strongest_field": 1234.5,
        "deviation_factors": {171: 0.9, 193: 1.25},
        "block_factors": {171: 0.8, 193: 0.95},
    }
    nothing = {"epochs": {}, "training_images": {}, "strongest_field": float("inf"), "deviation_factors": {}}
    nothing["block_factors"] = {}
    for values in (known, nothing):
        save_model(dataclasses.replace(tiny_model, **values), tmp_path / "trained.safetensors")
        loaded = load_model(tmp_path / "trained.safetensors")
        assert {name: getattr(loaded, name) for name in values} == values
    # These are what a model has of which nothing is known.
    needed = [field for field in dataclasses.fields(FieldModel) if field.default is field.default_factory]
    model = FieldModel(**{field.name: getattr(tiny_model, field.name) for field in needed})
    assert {name: getattr(model, name) for name in nothing} == nothing


@pytest.mark.parametrize("saturation", [100.0, float("inf")])
def test_round_trip_of_the_saturation(tiny_model, tmp_path, saturation):
    save_model(dataclasses.replace(tiny_model, saturation=saturation), tmp_path / "saturated.safetensors")
    assert load_model(tmp_path / "saturated.safetensors").saturation == saturation


@pytest.mark.parametrize(("key", "nothing"), [("epochs", {}), ("block_factors", {}), ("saturation", float("inf"))])
def test_older_records_do_not_say_everything(write, record, key, nothing):
    record.pop(key)
    assert getattr(load_model(write({"sunpy_mag2euv": json.dumps(record)})), key) == nothing


def test_round_trip_keeps_the_order_of_the_output_planes(tiny_model, tiny_weights):
    # The order of the scalings says which plane of the network's output is which passband.
    assert list(tiny_model.image_scalings) == ANGSTROMS
    assert list(load_model(tiny_weights).image_scalings) == ANGSTROMS
    assert [passband.angstrom for passband in load_model(tiny_weights).passbands] == ANGSTROMS


def test_round_trip_keeps_the_centre_of_the_grid(tiny_model, tmp_path):
    model = dataclasses.replace(tiny_model, grid=Grid((64, 64), 98.0, center=(0.0, 20.5)))
    save_model(model, tmp_path / "off-centre.safetensors")
    assert load_model(tmp_path / "off-centre.safetensors").grid == model.grid


def test_round_trip_keeps_the_answer(tiny_model, tiny_weights):
    loaded = load_model(tiny_weights)
    field = np.random.default_rng(0).normal(0, 100, (256, 256))
    device = torch.device("cpu")
    expected, image = (model.run(field, device).numpy() for model in (tiny_model, loaded))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(image, expected, atol=0.01)


def test_weights_are_kept_in_half_precision(tiny_model, tiny_weights):
    loaded = load_model(tiny_weights)
    assert loaded.state.keys() == tiny_model.state.keys()
    for name, tensor in tiny_model.state.items():
        assert loaded.state[name].dtype == torch.float16
        torch.testing.assert_close(loaded.state[name].float(), tensor, rtol=2**-10, atol=1e-7)
    assert tiny_weights.stat().st_size < 2 * sum(tensor.numel() for tensor in tiny_model.state.values()) + 8000


def test_network_computes_in_single_precision_without_gradients(tiny_weights):
    network = load_model(tiny_weights).network(torch.device("cpu"))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
    assert load_model(tiny_weights).network(torch.device("cpu")) is network  # neither read nor built twice


def test_the_networks_of_many_models_are_not_all_kept(tiny_model):
    """A study of channels uses hundreds of them, one after the other."""
    networks = []
    for _ in range(12):
        network = dataclasses.replace(tiny_model).network(torch.device("cpu"))
        networks.append(weakref.ref(network))
    del network
    gc.collect()
    assert networks[0]() is None
    assert networks[-1]() is not None


def test_counts_are_not_rounded(tiny_model, tmp_path):
    state = tiny_model.state | {"batches": torch.tensor(123457)}
    save_model(dataclasses.replace(tiny_model, state=state), tmp_path / "counted.safetensors")
    assert load_model(tmp_path / "counted.safetensors").state["batches"] == 123457


def test_save_returns_the_hash_of_the_file(tiny_model, tmp_path):
    path = tmp_path / "saved.safetensors"
    sha256 = save_model(tiny_model, path)
    assert sha256 == digest(path)
    assert save_model(tiny_model, str(path)) == sha256
    assert load_model(str(path), sha256).sha256 == sha256


@pytest.mark.parametrize("existing", [None, b"an earlier model"])
def test_nothing_half_written_is_left(tiny_model, tmp_path, monkeypatch, existing):
    path = tmp_path / "saved.safetensors"
    if existing:
        path.write_bytes(existing)
    write_bytes = Path.write_bytes

    def full_disk(self, content):
        write_bytes(self, content[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_model(tiny_model, path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([existing] if existing else [])


def test_save_into_a_folder_that_is_not_there(tiny_model, tmp_path):
    with pytest.raises(FileNotFoundError):
        save_model(tiny_model, tmp_path / "absent" / "saved.safetensors")
    assert list(tmp_path.iterdir()) == []


def _save(model, path, barrier):
    """Save a model several times, as soon as the others do."""
    barrier.wait(120)
    return {save_model(model, path) for _ in range(20)}


def test_many_may_save_to_one_place_at_once(tiny_model, tmp_path):
    path, barrier = tmp_path / "saved.safetensors", threading.Barrier(4)
    models = [dataclasses.replace(tiny_model, name=f"model {number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(_save, models, [path] * 4, [barrier] * 4))
    assert [len(found) for found in hashes] == [1] * 4
    assert list(tmp_path.iterdir()) == [path]
    assert {digest(path)} in hashes
    assert load_model(path).name in [model.name for model in models]


@pytest.mark.parametrize(("hours", "kept"), [(23, True), (25, False)])
def test_what_killed_processes_left_is_removed(tiny_model, tmp_path, hours, kept):
    left, another = tmp_path / ".mag2euv-00000000-1-x", tmp_path / "mag2euv"
    for folder in (left, another):
        folder.mkdir()
        (folder / "saved.safetensors").write_bytes(b"half a model")
        os.utime(folder, (time.time() - 3600 * hours,) * 2)
    save_model(tiny_model, tmp_path / "saved.safetensors")
    assert another.is_dir()
    assert left.is_dir() == kept
    assert len(list(tmp_path.iterdir())) == 2 + kept


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("existing", [False, True])
def test_saved_files_have_the_permissions_of_new_files(tiny_model, tmp_path, existing):
    path, usual = tmp_path / "saved.safetensors", tmp_path / "usual"
    usual.touch()
    if existing:
        path.write_bytes(b"an earlier model")
    save_model(tiny_model, path)
    assert path.stat().st_mode == usual.stat().st_mode


def test_long_names(tiny_model, tmp_path):
    path = tmp_path / f"{'Å' * 120}.safe"
    save_model(tiny_model, path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [1e5, float("nan"), float("inf")])
def test_weights_that_half_precision_cannot_hold(tiny_model, tmp_path, value):
    """They would be infinite in the file."""
    state = {**tiny_model.state, "read.bias": torch.full((18,), value)}
    with pytest.raises(ValueError, match=r"half precision has, up to 65504; read\.bias holds others"):
        save_model(dataclasses.replace(tiny_model, state=state), tmp_path / "saved.safetensors")
    assert list(tmp_path.iterdir()) == []


# -- Damaged files -----------------------------------------------------------------------------------------------------


def _flip(content, byte, bit):
    """A file with one bit that is another."""
    content = bytearray(content)
    content[byte] ^= 1 << bit
    return bytes(content)


def _tensors(content):
    """Where the tensors of a weights file begin."""
    return 8 + int.from_bytes(content[:8], "little")


@given(st.data())
def test_a_flipped_bit_in_the_weights_is_found(tiny_weights, tmp_path_factory, data):
    content = tiny_weights.read_bytes()
    byte, bit = data.draw(st.integers(_tensors(content), len(content) - 1)), data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("damaged") / "tiny.safetensors"
    path.write_bytes(_flip(content, byte, bit))
    with pytest.raises(ValueError, match=f"{path} cannot be read: record and weights are not those that were written"):
        load_model(path)


@given(st.data())
def test_a_flipped_bit_in_the_header_is_found_or_does_no_harm(tiny_weights, tmp_path_factory, data):
    content, sound = tiny_weights.read_bytes(), load_model(tiny_weights)
    byte, bit = data.draw(st.integers(0, _tensors(content) - 1)), data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("damaged") / "tiny.safetensors"
    path.write_bytes(_flip(content, byte, bit))
    try:
        model = load_model(path)
    except ValueError:
        return
    # A space is another, or the digest is not called so any more.
    assert model.record() == sound.record()
    assert all(torch.equal(tensor, sound.state[name]) for name, tensor in model.state.items())


@pytest.mark.parametrize(
    "state",
    [{"a": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2), "b": torch.zeros(0)}, {"a": torch.zeros(6).half()}, {}],
    ids=["shape", "more", "type", "none"],
)
def test_the_digest_is_of_all_there_is(tiny_model, state):
    digests = {files._digest(tiny_model.record(), state) for state in (state, {"a": torch.zeros(3, 2)})}
    assert len(digests) == 2
    assert files._digest({"name": "other"}, state) not in digests
    # The order of the tensors is not that of the file.
    twice = {"b": torch.ones(1), "a": torch.tensor(1)}
    assert files._digest({}, twice) == files._digest({}, dict(sorted(twice.items())))


@pytest.mark.parametrize("digest", [None, 5, "", "0" * 64, [], {}])
def test_digests_that_are_others(write, record, digest):
    with pytest.raises(ValueError, match="record and weights are not those that were written with it"):
        load_model(write({"sunpy_mag2euv": json.dumps(record | {"digest": digest})}))


def test_another_file_under_the_name_of_a_published_model(published, tiny_model, write, record, tmp_path):
    """Files of earlier versions, the packaged ones among them, do not say themselves that they are intact."""
    record["name"] = DEFAULT_MODEL
    path = write({"sunpy_mag2euv": json.dumps(record)})
    for _ in range(2):
        with pytest.warns(SunpyUserWarning, match=f"{path} is named {DEFAULT_MODEL} and is not the published model"):
            load_model(path)
    # Who gives the hash knows which file it is, and who trains a model may call it anything.
    assert load_model(path, digest(path)).name == DEFAULT_MODEL
    save_model(dataclasses.replace(tiny_model, name=DEFAULT_MODEL), tmp_path / "own.safetensors")
    assert load_model(tmp_path / "own.safetensors").name == DEFAULT_MODEL


def test_packaged_files_are_known_wherever_they_are(tmp_path):
    path = tmp_path / "copy.safetensors"
    content = (resources.files("sunpy_mag2euv") / "weights" / "any-browse.safetensors").read_bytes()
    path.write_bytes(content)
    assert load_model(path).sha256 == load_model(DEFAULT_TRANSLATOR).sha256
    path.write_bytes(_flip(content, len(content) - 1000, 4))
    with pytest.warns(SunpyUserWarning, match="it was damaged, or changed, or is of another release; load the publ"):
        load_model(path)


# -- Models that cannot be changed in place ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.epochs.update({193: "2010-01-01"}),
        lambda model: model.epochs.__setitem__(193, "2010-01-01"),
        lambda model: model.epochs.setdefault(9, "launch"),
        lambda model: model.caveats.clear(),
        lambda model: model.calibration.pop(193),
        lambda model: model.training_images.popitem(),
        lambda model: model.deviation_factors.__delitem__(193),
        lambda model: model.image_scalings.__ior__({}),
        lambda model: model.state.pop("read.bias"),
        lambda model: model.architecture["widths"].append(5),
        lambda model: model.architecture["widths"].__setitem__(0, 5),
        lambda model: model.architecture["widths"].__iadd__([5]),
        lambda model: model.architecture["widths"].sort(),
        lambda model: setattr(model, "epochs", {}),
    ],
)
def test_models_cannot_be_changed_in_place(tiny_weights, change):
    """Everybody who asks for one is given the same."""
    model = load_model(tiny_weights)
    before = model.record()
    with pytest.raises((TypeError, dataclasses.FrozenInstanceError), match=r"cannot (be changed in place|assign)"):
        change(model)
    assert load_model(tiny_weights) is model
    assert model.record() == before


def test_what_a_model_is_made_of_may_change(tiny_model):
    epochs, architecture = {193: "launch"}, copy.deepcopy(tiny_model.record()["architecture"])
    model = dataclasses.replace(tiny_model, epochs=epochs, architecture=architecture)
    epochs[193] = "2010-01-01"
    architecture["widths"][0] = 5
    assert model.epochs == {193: "launch"}
    assert model.architecture == tiny_model.architecture


def test_records_are_for_whoever_asks(tiny_model):
    record = tiny_model.record()
    record["architecture"]["widths"].append(5)
    record["architecture"]["head"] = 5
    record["epochs"]["193"] = "2010-01-01"
    assert tiny_model.record() != record
    assert tiny_model.record() == tiny_model.record()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_models_are_like_them(tiny_model, copied):
    model = copied(tiny_model)
    assert model.record() == tiny_model.record()
    assert json.loads(json.dumps(model.architecture)) == tiny_model.architecture
    assert all(torch.equal(tensor, tiny_model.state[name]) for name, tensor in model.state.items())
    for entries in (model.epochs, model.architecture):
        with pytest.raises(TypeError, match=r"make another one with dataclasses\.replace"):
            entries["kind"] = "generator"


def test_what_is_made_of_the_entries_of_models_can_be_changed(tiny_model):
    for entries in (
        tiny_model.epochs | {193: "launch"},
        {94: "launch"} | tiny_model.epochs,
        {**tiny_model.epochs},
        tiny_model.epochs.copy(),
        dict(tiny_model.epochs),
    ):
        entries[193] = "2010-01-01"
        assert dataclasses.replace(tiny_model, epochs=entries).epochs[193] == "2010-01-01"
    widths = tiny_model.architecture["widths"] + [5]
    widths.append(6)
    assert widths == [4, 8, 5, 6]


# -- Loading -----------------------------------------------------------------------------------------------------------


def test_hash_is_checked_before_anything_is_parsed(tiny_weights, tmp_path, monkeypatch):
    content = bytearray(tiny_weights.read_bytes())
    content[-1] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    monkeypatch.setattr(safetensors, "safe_open", lambda *args, **kwargs: pytest.fail("parsed an unchecked file"))
    with pytest.raises(ValueError, match=f"{damaged} has sha256 .*, not the expected {digest(tiny_weights)}"):
        load_model(damaged, sha256=digest(tiny_weights))
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        load_model(damaged, sha256="abc")


@pytest.mark.parametrize("absent", ["absent.safetensors", "folder/absent", Path("absent.safetensors")])
def test_missing_file(absent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"there is no weights file {absent}"):
        load_model(absent)


def test_unknown_name():
    with pytest.raises(ValueError, match=f"no model 'pix2pix'; choose one of {DEFAULT_MODEL}.*or give a file's path"):
        load_model("pix2pix")


@pytest.mark.parametrize("address", ["https://example.org/a.safetensors", "doi:10.5281/zenodo.1/a.safetensors"])
def test_address_needs_a_hash(address):
    with pytest.raises(
        ValueError, match="sha256 must be the 64 hexadecimal digits published with the weights file; got None"
    ):
        load_model(address)


def test_address_is_fetched(tiny_weights, monkeypatch):
    address, asked = "https://example.org/tiny.safetensors", []
    monkeypatch.setattr(remote, "download", lambda *args: asked.append(args) or tiny_weights)
    model = load_model(address, digest(tiny_weights))
    assert asked == [(address, digest(tiny_weights))]
    assert (model.name, model.sha256) == ("tiny", digest(tiny_weights))


@pytest.mark.parametrize("content", [b"", b"SIMPLE  =                    T", b"PK\x03\x04 a pickled module"])
def test_not_safetensors(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} is not a safetensors file"):
        load_model(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_weights_of_something_else(write, metadata):
    with pytest.raises(ValueError, match=r"holds weights but no record of a model; write it with .*save_model"):
        load_model(write(metadata))


@pytest.mark.parametrize("key", ["grid", "valid_radius", "calibration", "training_images", "deviation_factors"])
def test_record_of_another_version(write, record, key):
    del record[key]
    with pytest.raises(ValueError, match=f"lacks '{key}'; was it written by another version"):
        load_model(write({"sunpy_mag2euv": json.dumps(record)}))


def test_record_with_an_unknown_scaling(write, record):
    record["field_scaling"]["kind"] = "cubic"
    with pytest.raises(ValueError, match="unknown scaling 'cubic'"):
        load_model(write({"sunpy_mag2euv": json.dumps(record)}))


def test_record_with_more_than_this_version_knows(write, record):
    model = load_model(write({"sunpy_mag2euv": json.dumps(record | {"scores": {"193": 0.8}})}))
    assert model.name == "tiny"


@pytest.mark.parametrize("text", ["{", "[]", '{"grid": 1}'])
def test_a_record_that_cannot_be_read(write, text):
    with pytest.raises(ValueError, match=r"cannot be read|lacks"):
        load_model(write({"sunpy_mag2euv": text}))


def test_weights_of_another_network(write, record):
    record["architecture"]["head"] = 5
    model = load_model(write({"sunpy_mag2euv": json.dumps(record)}))
    with pytest.raises(ValueError, match="the weights of tiny do not fit its architecture"):
        model.network(torch.device("cpu"))


@pytest.mark.parametrize(("source", "kind"), [(5, "int"), (b"shared-browse", "bytes"), (["shared-browse"], "list")])
def test_neither_name_nor_path(source, kind):
    with pytest.raises(TypeError, match=f"by its name, by the path of a weights file or by an address; got {kind}"):
        load_model(source)


@pytest.mark.parametrize("sha256", [5, int("1" * 64), b"0" * 64, True, ["0" * 64], "", "0" * 63, f" {'0' * 63}", 0.5])
@pytest.mark.parametrize("source", [DEFAULT_MODEL, "file", "https://example.org/a.safetensors"])
def test_hashes_that_are_none(tiny_weights, source, sha256):
    with pytest.raises(ValueError, match="sha256 must be the 64 hexadecimal digits"):
        load_model(tiny_weights if source == "file" else source, sha256)


@pytest.mark.parametrize("name", ["my:weights.safetensors", "C:x.safetensors", "doi:weights", "https:weights"])
def test_files_with_a_colon_in_their_names(tiny_weights, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote, "download", lambda *args: pytest.fail("went to the network"))
    Path(name).write_bytes(tiny_weights.read_bytes())
    for source in (name, Path(name), str(tmp_path / name)):
        assert load_model(source).name == "tiny"


@pytest.mark.parametrize("name", ["my:weights.safetensors", "mailto:someone", "ftp://example.org/a.safetensors"])
def test_what_is_neither_a_file_nor_an_address(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"cannot fetch '{name}'; expected https://"):
        load_model(name, "0" * 64)


@pytest.mark.parametrize("source", [Path("https://example.org/a.safetensors"), Path("my:weights.safetensors")])
def test_paths_are_never_addresses(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote, "download", lambda *args: pytest.fail("went to the network"))
    with pytest.raises(FileNotFoundError, match="there is no weights file"):
        load_model(source)


class _PathLike:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_paths_of_other_classes(tiny_weights):
    assert load_model(_PathLike(str(tiny_weights))).name == "tiny"
    with pytest.raises(TypeError, match="got bytes"):
        load_model(_PathLike(bytes(tiny_weights)))


@pytest.mark.parametrize("name", ["a\0b.safetensors", "a\nb.safetensors", f"{'x' * 5000}.safetensors", "folder.d"])
def test_names_that_no_file_has(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("folder.d").mkdir()
    for source in (name, Path(name), tmp_path / name):
        with pytest.raises(FileNotFoundError, match="there is no weights file") as error:
            load_model(source)
        assert str(error.value).isprintable()


def test_files_that_may_not_be_read(tiny_weights, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(registry, "digest", denied)
    with pytest.raises(OSError, match=rf"{tiny_weights} cannot be read \(Permission denied\); make it readable, or"):
        load_model(tiny_weights)


def test_files_that_change_while_they_are_read(tiny_weights, tmp_path, monkeypatch):
    path = tmp_path / "changing.safetensors"
    path.write_bytes(tiny_weights.read_bytes())
    monkeypatch.setattr(files, "digest", lambda path: "0" * 64)
    with pytest.raises(ValueError, match=f"{path} was changed while it was read; load it again"):
        load_model(path)


def test_what_was_read_does_not_change_with_the_file(tiny_weights, tmp_path):
    path = tmp_path / "changing.safetensors"
    path.write_bytes(tiny_weights.read_bytes())
    model = load_model(path)
    before = {name: tensor.clone() for name, tensor in model.state.items()}
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state.items())


# -- Records that are not what they must be ----------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")


def altered(record, place, value):
    """A record with another value at some place, such as "grid.shape.0"."""
    record = copy.deepcopy(record)
    node, *keys = record, *place.split(".")
    for key in keys[:-1]:
        node = node[int(key) if isinstance(node, list) else key]
    node[int(keys[-1]) if isinstance(node, list) else keys[-1]] = value
    return record


@pytest.mark.parametrize("text", ["[1, 2]", "5", "null", '"text"', "NaN", "true"])
def test_records_that_are_no_objects(write, text):
    with pytest.raises(ValueError, match="it is not an object but"):
        load_model(write({"sunpy_mag2euv": text}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"name": {"[" * 50}1{"]" * 50}}}', "it is nested too deeply"),
        (f'{{"name": {"[" * 100_000}', "it is nested too deeply"),
        (f'{{"name": {"1" * 5000}}}', "Exceeds the limit"),
        (f'{{"name": "{"x" * 2**20}"}}', "more than the 1048576 that are read"),
        ('{"name": "one", "name": "other"}', "a key comes twice in it"),
        (r'{"name": {"in\nlines": 1}}', r"its keys must be names; got 'in\\nlines'"),
    ],
)
def test_records_beyond_measure(write, text, message):
    with pytest.raises(ValueError, match=rf"record in .* cannot be read: .*{message}.*; get an intact copy"):
        load_model(write({"sunpy_mag2euv": text}))


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("name", [5, None, "", [], "two\nlines", "\x00", "x" * 2000]),
        ("description", [5, None, [], "\x1b[31m"]),
        ("architecture", [5, None, "shared-unet", [], {}, {"widths": [4]}]),
        ("grid", [5, None, [], {}, {"shape": [256, 256]}]),
        ("grid.shape", [5, None, "ab", [256], [256, 256, 256], {}, [10**9, 10**9], [1, 10**9], [256.0, 256], [0, 256]]),
        ("grid.shape.0", [-256, "256", None, True, NAN, 10**400, [256]]),
        ("grid.solar_radius", [0, -98, NAN, INF, None, "98", True, 1e300, 10**400, [98]]),
        ("grid.center", [5, None, [], [1], [1, 2, 3], "ab"]),
        ("grid.center.0", [NAN, INF, -INF, None, "1", 1e300, 5000]),
        ("planes", [None, 5, [], "signed", {}, ["signed", 5], [None], ["mu"] * 2000]),
        ("planes.0", ["", "wind", "absolute 1e-9 Mm", "absolute 1e9 Mm", "absolute inf Mm", "0x0 mu", "3x3 mu"]),
        ("planes.1", ["99999999x99999999 mu", "٤x٤ mu", f"{'9' * 5000}x{'9' * 5000} mu", None]),
        ("image_scalings", [None, 5, [], {}, [5], [[]], [{}], "text"]),
        ("image_scalings.0.passband", [None, "94", 94.5, True, [94], {}, 5, 131, -94, NAN, 10**400]),
        ("image_scalings.0.kind", [None, 5, "cubic", [], {}]),
        ("image_scalings.0.low", [None, "0", True, NAN, INF, 1e300, 10**400, -1, 1e9, [0]]),
        ("image_scalings.1.offset", [None, "0", NAN, INF, -10, 1e17]),
        ("image_scalings.1.high", [None, 1, 0, -1, NAN, INF, 1e17]),
        ("image_scalings.0.more", [1]),
        ("field_scaling", [None, 5, [], {}, {"kind": "asinh"}, {"kind": "linear", "low": -1, "high": 2}]),
        ("field_scaling.knee", [0, -1, NAN, None, 1e-320]),
        ("valid_radius", [0, -1, NAN, INF, None, "1.25", True, []]),
        ("calibration", [None, 5, [], {}, "text", {"193": "launch"}, {"5": "launch"}]),
        ("calibration.193", [None, 5, [], "\x00"]),
        ("provenance", [None, 5, []]),
        ("epochs", [None, 5, [], {"5": "launch"}]),
        ("epochs.193", [None, 5, "", "soon", "2011-13-01", "2011-02-30", "1999-01-01", "20110101", "2011", []]),
        ("caveats", [None, 5, [], {"x": "text"}]),
        ("caveats.211", [None, 5, []]),
        ("references", [None, 5, "doi", {}, [5], [None]]),
        ("training_images", [None, 5, [], {"193.0": 1}, {" 193": 1}]),
        ("training_images.193", [None, -1, 1.5, "3", True, NAN, 10**400]),
        ("deviation_factors", [None, 5, [], {"193": {}}]),
        ("deviation_factors.193", [None, 0, -1, NAN, INF, "1", True, 1e300]),
        ("block_factors", [None, 5, [], {"193": 0}, {"193": -1.0}, {"193": NAN}, {"193": None}]),
        ("unpolarized", [None, 1, 0, "true", []]),
        ("saturation", [None, 0, -1, NAN, "100", True]),
        ("strongest_field", [None, 0, -1, NAN, "100", True]),
    ],
)
def test_records_with_entries_that_cannot_be(write, record, place, values):
    for value in values:
        path = write({"sunpy_mag2euv": json.dumps(altered(record, place, value))})
        with pytest.raises(ValueError, match=r"cannot be read: .*; get an intact copy") as error:
            load_model(path)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"name": ""}, "name of a model must be a line of text; got ''"),
        ({"valid_radius": NAN}, "valid_radius of a model must be a number from 0.1 to 100 solar radii; got nan"),
        ({"planes": ["signed"]}, r"planes of a model must be a tuple .*; got \['signed'\]"),
        ({"deviation_factors": {193: 0.0}}, "deviation_factors of a model must be .*; got {193: 0.0}"),
        ({"image_scalings": {}}, "a scaling for each of one or more passbands; got {}"),
        ({"calibration": {94: "launch"}}, "must be of all its passbands; 131 is missing"),
        ({"grid": Grid((64, 64), 98.0, center=(500.0, 0.0))}, "that holds some of the solar disk"),
        ({"grid": Grid((10**9, 10**9), 98.0)}, "at most 8192 by 8192 pixels"),
        ({"unpolarized": "yes"}, "unpolarized of a model must be True or False; got 'yes'"),
        ({"field_scaling": AsinhScaling(-3000, 2000, knee=10)}, "must scale fields of both signs alike"),
        ({"planes": ("3x3 mu",)}, "256 × 256 pixels are no whole number of 3 × 3 blocks"),
        ({"image_scalings": {94: LogScaling(1e-17, 1e17)}}, "must give numbers in single precision"),
    ],
)
def test_models_are_sound_whoever_makes_them(tiny_model, entries, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(tiny_model, **entries)


def test_whatever_is_a_number_will_do(tiny_model):
    """Who computes a record has numbers of NumPy."""
    model = dataclasses.replace(
        tiny_model,
        valid_radius=np.float64(1.2),
        strongest_field=np.float32(1000),
        training_images={193: np.int64(5)},
        deviation_factors={193: np.float32(1.5)},
        epochs={193: " LAUNCH ", 171: "2011-01-01T00:00:00.000"},
        provenance="in two\nlines",
    )
    assert model.valid.any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kind": "pix3pix"}, "unknown network 'pix3pix'; expected one of generator"),
        ({"kind": ["shared-unet"]}, r"unknown network \['shared-unet'\]"),
        ({"widths": [10**6, 10**6]}, "widths of a network must be one to twelve whole numbers from 1 to 10000; got"),
        ({"widths": [4] * 100_000}, "widths of a network must be one to twelve whole numbers"),
        ({"widths": []}, "widths of a network must be one to twelve whole numbers"),
        ({"widths": 4}, "widths of a network must be"),
        ({"head": 0}, "head of a network must be a whole number from 1 to 10000; got 0"),
        ({"head": "4"}, "head of a network must be a whole number from 1 to 10000; got '4'"),
        ({"in_channels": -1}, "in_channels of a network must be a whole number"),
        ({"dropout": NAN}, "dropout of a network must be a number from 0 to 1; got nan"),
        ({"deviations": 1}, "deviations of a network must be true or false; got 1"),
        ({"more": 1}, "the network shared-unet cannot be made: .*more"),
        ({"in_channels": 6}, "tiny must have 7 in_channels, as many as there are planes; it has 6"),
        (
            {"out_channels": 8},
            "tiny must make 9 planes, one for each passband, or .*; it makes 16",
        ),
        ({"widths": [4, 8, 8, 8, 8, 8, 8, 8, 8]}, "needs a grid with sides that are multiples of 512; its grid is 256"),
        ({"widths": [9999, 9999]}, "the weights of tiny do not fit its architecture"),
    ],
)
def test_architectures_that_cannot_be(tiny_model, parameters, message):
    """Found without memory for them."""
    model = dataclasses.replace(tiny_model, architecture={**tiny_model.architecture, **parameters})
    with pytest.raises(ValueError, match=message):
        model.network(torch.device("cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: tensor * NAN, r"the weights of tiny must be finite numbers; read\.bias holds others"),
        (lambda tensor: tensor + INF, r"the weights of tiny must be finite numbers; read\.bias holds others"),
        (lambda tensor: tensor.double() + 1e300, "must be finite numbers"),
        (
            lambda tensor: tensor.int(),
            r"read\.bias must be numbers of .*; it is whole numbers of shape \(18,\)",
        ),
        (lambda tensor: tensor[:9], r"read\.bias must be numbers of shape \(18,\); it is numbers of shape \(9,\)"),
        (lambda tensor: tensor.to(torch.complex64), r"do not fit its architecture: read\.bias must be numbers"),
        (lambda tensor: None, r"the weights of tiny do not fit its architecture: they lack 'read\.bias'"),
    ],
)
def test_weights_that_cannot_be(tiny_model, change, message):
    state = {**tiny_model.state, "read.bias": change(tiny_model.state["read.bias"])}
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(tiny_model, state=state).network(torch.device("cpu"))
    with pytest.raises(ValueError, match="they have 'more'"):
        dataclasses.replace(tiny_model, state={**tiny_model.state, "more": torch.zeros(1)}).network(torch.device("cpu"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_weights_of_any_precision_will_do(tiny_model, dtype):
    state = {name: tensor.to(dtype) for name, tensor in tiny_model.state.items()}
    network = dataclasses.replace(tiny_model, state=state).network(torch.device("cpu"))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    torch.testing.assert_close(network.read.bias, tiny_model.state["read.bias"], rtol=1e-2, atol=1e-2)


def test_networks_with_counts_are_loaded_as_they_are(tiny_model):
    """Statistics of batches come with a count, which is no parameter."""
    architecture = {"kind": "generator", "in_channels": 1, "out_channels": 9, "levels": 5, "width": 4}
    with torch.random.fork_rng(devices=[]):
        expected = build_network(**architecture).eval().requires_grad_(False)
    expected.encoder[1][1].num_batches_tracked.fill_(12345)
    model = dataclasses.replace(
        tiny_model, architecture=architecture, planes=("signed",), state=expected.state_dict(), deviation_factors={}
    )
    network = model.network(torch.device("cpu"))
    assert network.encoder[1][1].num_batches_tracked == 12345
    field = torch.linspace(-1, 1, 64 * 64).reshape(1, 1, 64, 64)
    torch.testing.assert_close(network(field), expected(field))


# -- Registry ----------------------------------------------------------------------------------------------------------


def test_load_by_name(published):
    for model in (load_model(), load_model(DEFAULT_MODEL), load_model(DEFAULT_MODEL, published["sha256"])):
        assert (model.name, model.sha256) == ("tiny", published["sha256"])


@pytest.mark.parametrize("source", [DEFAULT_MODEL, "file"])
def test_hash_in_capitals(published, tiny_weights, source):
    # What HISTORY says must not depend on how the hash was typed.
    model = load_model(tiny_weights if source == "file" else source, published["sha256"].upper())
    assert model.sha256 == published["sha256"]


def test_hash_of_a_name_is_known(published):
    with pytest.raises(
        ValueError, match=f"{DEFAULT_MODEL} has sha256 {published['sha256']}, not {'0' * 64}; leave sha256 out"
    ):
        load_model(DEFAULT_MODEL, "0" * 64)


def test_packaged_copy_is_checked(published):
    published["sha256"] = "f" * 64
    with pytest.raises(ValueError, match="not the expected ffff"):
        load_model()


def test_available_models():
    table = available_models()
    assert table.colnames == COLUMNS
    assert list(table["default_for"][:1]) == ["magnetograms"]
    defaults = {row["default_for"]: row["name"] for row in table if row["default_for"]}
    assert defaults == {
        "magnetograms": DEFAULT_MODEL,
        "charts": DEFAULT_CHART_MODEL,
        "AIA images": DEFAULT_TRANSLATOR,
    }
    for row in table:
        assert row["passbands"] == tuple(ANGSTROMS)
        assert row["file"].endswith(".safetensors")
        assert len(row["sha256"]) == 64
        assert row["description"]


def test_available_models_print_what_one_chooses_by(published, monkeypatch):
    other = {**published, "inputs": [131, 304], "passbands": [335], "file": "x", "description": "Long, " * 20 + "end"}
    everything = {**published, "inputs": ANGSTROMS}
    registry_ = {DEFAULT_MODEL: published, "other": other, DEFAULT_TRANSLATOR: everything}
    monkeypatch.setattr(registry, "_registry", lambda: registry_)
    table = available_models()
    head, dashes, *lines = str(table).splitlines()
    assert head.split() == ["name", "inputs", "passbands", "pixels", "pixel", "size", "size", "packaged"]
    assert set(dashes) == {"-", " "}
    size = f"{published['size'] / 1e6:.1f} MB"
    assert lines[0].split(maxsplit=1) == [DEFAULT_MODEL, f"magnetogram all nine  256 × 256 9.8 arcsec {size} yes"]
    assert lines[1] == "    All nine passbands. Default for magnetograms."
    assert lines[2].split(maxsplit=1) == ["other", f"131 304     335       256 × 256 9.8 arcsec {size} no"]
    assert lines[3].startswith("    Long, Long, ")
    assert lines[-3].endswith("end.")
    assert lines[-2].split()[:3] == [DEFAULT_TRANSLATOR, "AIA", "images"]
    assert max(map(len, str(table).splitlines())) <= 80
    assert repr(table) == str(table)
    text = table._repr_html_()
    for word in ("131 304", "all nine", "default for", "magnetograms", "Long, Long", "9.8 arcsec"):
        assert word in text
    assert published["sha256"] not in text

    # Rows, and tables of which columns were taken away or added, are astropy's as ever.
    assert str(table[1:2]).splitlines()[3:] == lines[3:-2]
    table["mine"] = 1
    for odd in (table, table["name", "sha256"], table[[]]):
        assert "name" not in odd.colnames or odd.colnames[-1] in str(odd)
        assert "length" in repr(odd)
        assert "length" in odd._repr_html_()


def test_the_packaged_models_fit_a_terminal():
    lines = str(available_models()).splitlines()
    assert max(map(len, lines)) <= 80


def test_available_models_can_be_kept(tmp_path):
    table = available_models()
    table.write(tmp_path / "models.ecsv")
    read = Table.read(tmp_path / "models.ecsv")
    assert list(read["name"]) == list(table["name"])
    assert read["pixel_size"].unit == u.arcsec
    assert str(pickle.loads(pickle.dumps(table))) == str(table)


def test_available_models_of_different_sizes(published, monkeypatch):
    entries = {
        DEFAULT_MODEL: published,
        "one": {**published, "passbands": [193]},
        "two": {**published, "url": "https://x/y"},
    }
    monkeypatch.setattr(registry, "_registry", lambda: {DEFAULT_MODEL: published, "same": published})
    assert list(available_models()["passbands"]) == [tuple(ANGSTROMS)] * 2

    monkeypatch.setattr(registry, "_registry", lambda: entries)
    table = available_models()
    assert list(table["name"]) == [DEFAULT_MODEL, "one", "two"]
    assert table["passbands"][1] == (193,)
    assert table.colnames == COLUMNS


def test_registry_agrees_with_the_packaged_files():
    packaged = resources.files("sunpy_mag2euv") / "weights"
    rows = [row for row in available_models() if (packaged / row["file"]).is_file()]
    if not rows:
        pytest.skip("no weights are packaged yet")
    for row in rows:
        model = load_model(row["name"])
        assert model.name == row["name"]
        assert model.description == row["description"]
        assert tuple(model.image_scalings) == row["passbands"]
        assert model.sha256 == row["sha256"] == digest(packaged / row["file"])
        assert model.grid.shape == row["pixels"]
        # The Sun from 1 au
        assert row["pixel_size"] == round(959.63 / model.grid.solar_radius, 1)
        assert row["size"] == (packaged / row["file"]).stat().st_size / 1e6
        assert row["packaged"]
    assert DEFAULT_MODEL in [row["name"] for row in rows]


# -- Inputs and outputs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def field(tiny_model):
    rng = np.random.default_rng(0)
    return np.where(tiny_model.grid.radius < 1, rng.normal(0, 300, tiny_model.grid.shape), 0).astype(">f8")


def planes_of(model, field, *names):
    """Some planes by name."""
    model = dataclasses.replace(model, planes=names)
    return dict(zip(names, model.inputs(field).numpy(), strict=True))


def test_inputs(tiny_model, field):
    planes = planes_of(tiny_model, field, "absolute", "signed", "mu", "radius", "disk")
    scaled = np.arcsinh(np.clip(field, -3000, 3000) / 10) / np.arcsinh(300)
    expected = {
        "signed": scaled,
        "absolute": np.abs(scaled),
        "mu": tiny_model.grid.mu,
        "radius": tiny_model.grid.radius - 1,
        "disk": tiny_model.grid.radius < 1,
    }
    for name, plane in planes.items():
        assert plane.dtype == np.float32
        np.testing.assert_allclose(plane, expected[name], atol=1e-6)


@pytest.mark.parametrize("megametres", [7, 14.5, 57, 227])
def test_the_field_averaged_over_its_surroundings(tiny_model, field, megametres):
    sigma = megametres / 696 * tiny_model.grid.solar_radius
    signed, absolute = planes_of(tiny_model, field, f"signed {megametres} Mm", f"absolute {megametres} Mm").values()
    assert np.abs([signed, absolute]).max() < 3  # of order one
    native = field.astype(float)
    # There is nothing beyond the edges, and no pixel is too far away.
    strengths = (gaussian_filter(values, sigma, mode="constant", truncate=12) for values in (native, np.abs(native)))
    for seen, expected in zip((2 * np.sinh(3 * signed), np.expm1(3 * absolute)), strengths, strict=True):
        np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("grid", [Grid((256, 256), 98.0), Grid((128, 192), 40.0)])
def test_surroundings_are_as_wide_on_every_grid(tiny_model, grid):
    """One strong pixel is seen as a Gaussian of that many Mm, for 696 Mm in the Sun's radius."""
    field = np.zeros(grid.shape)
    row, column = (size // 2 for size in grid.shape)
    field[row, column] = -1e4
    model = dataclasses.replace(tiny_model, grid=grid)
    signed, absolute = planes_of(model, field, "signed 57 Mm", "absolute 57 Mm").values()
    rows, columns = np.indices(grid.shape)
    for seen, sign in ((2 * np.sinh(3 * signed), -1), (np.expm1(3 * absolute), 1)):
        # Nothing is lost, and it is where it was.
        assert seen.sum() == pytest.approx(1e4 * sign, rel=1e-3)
        for distance in (rows - row, columns - column):
            assert (seen * distance).sum() == pytest.approx(0, abs=1)
            width = np.sqrt((seen * distance**2).sum() / seen.sum())
            assert width / grid.solar_radius * 696 == pytest.approx(57, rel=0.01)


def test_a_wide_average_of_mixed_polarities_vanishes(tiny_model):
    chessboard = 500.0 * (-1) ** np.indices(tiny_model.grid.shape).sum(axis=0)
    signed, absolute = planes_of(tiny_model, chessboard, "signed 57 Mm", "absolute 57 Mm").values()
    # But for the edges, beyond which there is nothing.
    middle = np.s_[64:-64, 64:-64]
    np.testing.assert_allclose(signed[middle], 0, atol=1e-4)
    np.testing.assert_allclose(absolute[middle], np.log1p(500) / 3, rtol=1e-4)


ODD = ("signed", "signed 14 Mm", "signed 114 Mm")
EVEN = ("absolute", "absolute 7 Mm", "absolute 227 Mm", "mu", "radius", "disk")


def test_mirrored_polarity(tiny_model, field):
    inputs, mirrored = (planes_of(tiny_model, sign * field, *ODD, *EVEN) for sign in (1, -1))
    for plane in ODD:
        assert inputs[plane].std() > 1e-3
        np.testing.assert_allclose(mirrored[plane], -inputs[plane], atol=1e-6)
    for plane in EVEN:
        assert inputs[plane].std() > 1e-3
        np.testing.assert_allclose(mirrored[plane], inputs[plane], atol=1e-6)


@pytest.mark.parametrize("grid", [Grid((32, 32), 13.0), Grid((64, 64), 4.0)])
@pytest.mark.parametrize("megametres", [1, 7, 28])
def test_a_flat_field_stays_flat(tiny_model, grid, megametres):
    """Also where the average is narrower than a pixel."""
    model = dataclasses.replace(tiny_model, grid=grid)
    flat = np.full(grid.shape, 300.0)
    signed, absolute = planes_of(model, -flat, f"signed {megametres} Mm", f"absolute {megametres} Mm").values()
    middle = np.s_[10:-10, 10:-10]
    np.testing.assert_allclose(signed[middle], -np.arcsinh(150) / 3, rtol=1e-4)
    np.testing.assert_allclose(absolute[middle], np.log1p(300) / 3, rtol=1e-4)


UNKNOWN_PLANES = [
    *("wind", "mu 57 Mm", "radius 57 Mm", "absolute 57", "absolute 57 km", "signed wide Mm", "signed 57 Mm wide"),
    *("absolute 0 Mm", "absolute -7 Mm", "absolute nan Mm", "signed inf Mm"),
]


@pytest.mark.parametrize("plane", UNKNOWN_PLANES)
def test_planes_that_there_are_not(tiny_model, plane):
    """They are refused when the model is made, not when it is used."""
    with pytest.raises(ValueError, match=f"unknown input plane '{plane}'; expected one of signed, absolute, mu, "):
        dataclasses.replace(tiny_model, planes=("signed", plane))


def test_record_with_an_unknown_plane(write, record):
    record["planes"][0] = "wind"
    with pytest.raises(ValueError, match="unknown input plane 'wind'"):
        load_model(write({"sunpy_mag2euv": json.dumps(record)}))


def test_planes_come_in_the_order_of_the_record(tiny_model, field):
    one = dataclasses.replace(tiny_model, planes=("mu", "signed 14 Mm", "signed"))
    planes = dict(zip(tiny_model.planes, tiny_model.inputs(field), strict=True))
    torch.testing.assert_close(one.inputs(field), torch.stack([planes[name] for name in one.planes]))


def test_fields_saturate_as_the_model_says(tiny_model, field):
    names = ("signed", "absolute 14 Mm", "4x4 signed", "4x4 absolute 14 Mm")
    saturated = dataclasses.replace(tiny_model, saturation=200.0)
    planes, clipped = planes_of(saturated, field, *names), planes_of(tiny_model, np.clip(field, -200, 200), *names)
    plain = planes_of(tiny_model, field, *names)
    for name in names:
        # Blocks are seen as they are.
        expected, other = (plain, clipped) if name.startswith("4x4") else (clipped, plain)
        np.testing.assert_allclose(planes[name], expected[name], atol=1e-6)
        assert np.abs(planes[name] - other[name]).max() > 1e-3


@pytest.fixture(scope="module")
def certain_model(tiny_model):
    """One that gives no deviations."""
    architecture = {**tiny_model.architecture, "deviations": False}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = build_network(**architecture).state_dict()
    return dataclasses.replace(tiny_model, architecture=architecture, deviation_factors={}, state=state)


@pytest.mark.parametrize("units", [[u.cgs, u.si], []])
def test_outputs_whatever_units_are_enabled(tiny_model, output, units):
    with u.set_enabled_units(units):
        images, deviations = tiny_model.outputs(output)
    assert images.unit == deviations.unit == u.DN / u.s


def test_outputs_without_deviations(certain_model):
    codes = torch.linspace(-1, 1, 9)[:, None, None].expand(9, 2, 3)
    images, deviations = certain_model.outputs(codes)
    assert deviations is None
    assert images.unit == u.DN / u.s
    assert images.dtype == np.float32
    assert images.shape == (9, 2, 3)
    for image, code, scaling in zip(images.value, codes.numpy(), certain_model.image_scalings.values(), strict=True):
        np.testing.assert_allclose(image, scaling.inverse(code), rtol=1e-5)


def test_outputs_without_deviations_stay_in_the_range_trained_on(certain_model):
    scalings = certain_model.image_scalings.values()
    for code, limits in ((-3, [s.low for s in scalings]), (3, [s.high for s in scalings])):
        images, _ = certain_model.outputs(torch.full((9, 1, 1), float(code), requires_grad=True))
        np.testing.assert_allclose(images.value.ravel(), limits, rtol=1e-5, atol=1e-4)


@pytest.fixture(scope="module")
def output():
    """What a network with deviations might say of nine passbands."""
    torch.manual_seed(2)
    return torch.cat([2 * torch.rand(9, 4, 5) - 1, -0.5 - 5 * torch.rand(9, 4, 5)])


def test_outputs_with_deviations(tiny_model, output):
    images, deviations = tiny_model.outputs(output.requires_grad_())
    for quantity in (images, deviations):
        assert quantity.unit == u.DN / u.s
        assert quantity.dtype == np.float32
        assert quantity.shape == (9, 4, 5)
    codes, logarithms = output.detach().double().split(9)
    for number, (band, scaling) in enumerate(tiny_model.image_scalings.items()):
        mean, deviation = scaling.moments(codes[number], logarithms[number].exp())
        np.testing.assert_allclose(images[number].value, mean, rtol=1e-5)
        np.testing.assert_allclose(
            deviations[number].value, deviation * tiny_model.deviation_factors[band], rtol=1e-5, err_msg=str(band)
        )


def test_images_are_brighter_the_less_certain_they_are(tiny_model):
    """What is normally distributed in the scaled values is skewed in DN/s."""
    code = torch.zeros(9, 1, 1)
    images = [tiny_model.outputs(torch.cat([code, code + logarithm]))[0].value.ravel() for logarithm in (-5.5, -0.5)]
    kinds = [scaling.to_dict()["kind"] for scaling in tiny_model.image_scalings.values()]
    assert set(kinds) == {"linear", "sqrt", "log"}
    for kind, *image in zip(kinds, *images, strict=True):
        assert image[1] == pytest.approx(image[0]) if kind == "linear" else image[1] > 1.05 * image[0]


def test_factors_are_of_the_deviations_alone(tiny_model, output):
    factors = {band: 0.5 + number for number, band in enumerate(ANGSTROMS)}
    without, some = (dataclasses.replace(tiny_model, deviation_factors=known) for known in ({}, {171: 3.0}))
    images, expected = without.outputs(output)
    for model, known in ((dataclasses.replace(tiny_model, deviation_factors=factors), factors), (some, {171: 3.0})):
        others, deviations = model.outputs(output)
        assert np.array_equal(others, images)
        for number, band in enumerate(ANGSTROMS):
            assert u.allclose(deviations[number], known.get(band, 1) * expected[number], rtol=1e-6)


def test_moments_of_a_batch_are_those_of_each(tiny_model, certain_model, output):
    batch = torch.stack([output, output.flip(-1)])
    for moments, of_first in zip(tiny_model.moments(batch), tiny_model.moments(output), strict=True):
        assert moments.shape == (2, 9, 4, 5)
        torch.testing.assert_close(moments[0], of_first)
        torch.testing.assert_close(moments[1], of_first.flip(-1))
    mean, deviation = certain_model.moments(batch[:, :9])
    assert deviation is None
    assert mean.shape == (2, 9, 4, 5)
    # Whoever learns from images in DN/s needs their gradients.
    codes = batch.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(tiny_model.moments(codes)[0].sum(), codes)
    assert gradient.isfinite().all()
    assert (gradient[:, :9] > 0).all()


def test_means_may_be_taken_over_other_deviations(tiny_model, output):
    """Those of the coarse part of a network of two scales: the images are then as bright as it says."""
    coarse = output[9:].flip(-1)
    means, deviations = tiny_model.moments(torch.cat([output, coarse]))
    torch.testing.assert_close(means, tiny_model.moments(torch.cat([output[:9], coarse]))[0])
    torch.testing.assert_close(deviations, tiny_model.moments(output)[1])
    assert not torch.allclose(means, tiny_model.moments(output)[0])
    images, factored = tiny_model.outputs(torch.cat([output, coarse]))
    np.testing.assert_allclose(images.value, means.detach(), rtol=1e-6)
    assert u.allclose(factored, tiny_model.outputs(output)[1])


@pytest.mark.parametrize("planes", [8, 10, 17, 19, 36])
def test_outputs_need_planes_for_every_passband(tiny_model, planes):
    message = f"the model tiny needs 9 planes, 18 with deviations, or 27 with others for means; got {planes}"
    for ask, shape in ((tiny_model.outputs, (planes, 2, 2)), (tiny_model.moments, (3, planes, 2, 2))):
        with pytest.raises(ValueError, match=message):
            ask(torch.zeros(shape))


@pytest.mark.parametrize("name", ["tiny_model", "certain_model"])
def test_run(request, name, field):
    model = dataclasses.replace(request.getfixturevalue(name), unpolarized=False)
    image = model.run(field, torch.device("cpu"))
    assert image.shape == ({"tiny_model": 18, "certain_model": 9}[name], 256, 256)
    assert not image.requires_grad
    torch.testing.assert_close(image, model.network(torch.device("cpu"))(model.inputs(field)[None])[0])


@pytest.mark.parametrize("name", ["tiny_model", "certain_model"])
def test_run_of_several(request, name, field):
    """As of each, and polarities are not mixed up."""
    model, device = request.getfixturevalue(name), torch.device("cpu")
    fields = np.stack([field, 2 * field, -field, field[::-1]])
    answers = model.run(fields, device)
    assert not torch.allclose(answers[0], answers[1])
    for answer, each in zip(answers, fields, strict=True):
        torch.testing.assert_close(answer, model.run(each, device), rtol=1e-4, atol=1e-5)
    images, deviations = model.outputs(answers)
    assert images.shape == (4, 9, 256, 256)
    assert (deviations is None) == (name == "certain_model")
    assert u.allclose(images[3], model.outputs(answers[3])[0])


@pytest.mark.parametrize("name", ["tiny_model", "certain_model"])
def test_run_does_not_know_polarity(request, name, field):
    device = torch.device("cpu")
    model = request.getfixturevalue(name)
    polarized = dataclasses.replace(model, unpolarized=False)
    image, reverse = (polarized.run(sign * field, device) for sign in (1, -1))
    assert (image - reverse).abs().max() > 1e-3
    torch.testing.assert_close(model.run(field, device), (image + reverse) / 2)
    torch.testing.assert_close(model.run(-field, device), model.run(field, device))
    for answer, mirrored in zip(*(model.outputs(model.run(sign * field, device)) for sign in (1, -1)), strict=True):
        assert (answer is None and mirrored is None) or u.allclose(answer, mirrored, rtol=1e-4, atol=1e-4 * answer.unit)


@pytest.fixture(scope="module")
def two_scale_model(tiny_model):
    """One whose coarse part is the tiny model, on a grid of four times its pixels."""
    coarse = {name: of for name, of in tiny_model.architecture.items() if name not in ("kind", "out_channels")}
    planes = (*(f"2x2 {plane}" for plane in tiny_model.planes), "absolute", "net 14 Mm")
    architecture = {
        **{"kind": "two-scale", "in_channels": len(planes), "out_channels": 9, "coarse": coarse, "block": 2},
        **{"odd": [1, 6], "widths": [4], "head": 4},
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        state = build_network(**architecture).state_dict()
    state["detail.read.weight"] = torch.linspace(-0.3, 0.3, state["detail.read.weight"].numel()).reshape(18, -1, 3, 3)
    state |= {f"coarse.{name}": tensor for name, tensor in tiny_model.state.items()}
    grid = Grid((512, 512), 196.0)
    return dataclasses.replace(tiny_model, architecture=architecture, planes=planes, grid=grid, state=state)


def test_blocks_are_those_of_the_network(tiny_model, two_scale_model):
    assert (tiny_model.block, two_scale_model.block) == (1, 2)


def test_models_of_two_scales_give_deviations_if_their_coarse_part_does(tiny_model, certain_model, two_scale_model):
    assert [model.gives_deviations for model in (tiny_model, certain_model, two_scale_model)] == [True, False, True]


@pytest.mark.usefixtures("single_precision")
def test_models_of_two_scales_are_asked_once_about_both_polarities(two_scale_model, monkeypatch):
    """The network averages them already."""
    rng = np.random.default_rng(0)
    field = np.where(two_scale_model.grid.radius < 1, rng.normal(0, 300, two_scale_model.grid.shape), 0)
    device, asked = torch.device("cpu"), []
    network = two_scale_model.quick_network(device)
    monkeypatch.setattr(network, "scales", lambda x, scales=network.scales: asked.append(len(x)) or scales(x))
    image, mirrored = (two_scale_model.run(sign * field, device) for sign in (1, -1))
    assert asked == [1, 1]
    assert image.shape == (27, 512, 512)
    torch.testing.assert_close(mirrored, image, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"odd": []}, r"odd of the architecture of tiny must be \[1, 6\], which .*; it is \[\]"),
        ({"odd": [0, 1, 6]}, r"must be \[1, 6\]"),
        ({"block": 4}, "the coarse part of tiny must see blocks of 4 pixels; '2x2 absolute' are none"),
        ({"block": 0}, "block of a network must be a whole number from 1 to 64; got 0"),
        ({"block": "2"}, "block of a network must be a whole number from 1 to 64; got '2'"),
        ({"coarse": None}, "coarse of a network must be a dictionary with in_channels; got None"),
        ({"coarse": {"in_channels": 100, "deviations": True}}, "the coarse part cannot see 100 planes out of 9"),
        ({"coarse": {"in_channels": 7}}, "the coarse part must give deviations; it gives none"),
        ({"coarse": {"in_channels": 7, "widths": [-1]}}, "widths of a network must be"),
        ({"odd": 5}, "odd of a network must be whole numbers that count planes from 0; got 5"),
    ],
)
def test_networks_of_two_scales_that_do_not_fit_their_planes(two_scale_model, change, message):
    model = dataclasses.replace(two_scale_model, architecture={**two_scale_model.architecture, **change})
    with pytest.raises(ValueError, match=message):
        model.network(torch.device("cpu"))


def test_networks_of_two_scales_that_do_not_say_their_block(two_scale_model):
    architecture = {name: of for name, of in two_scale_model.architecture.items() if name != "block"}
    with pytest.raises(ValueError, match="the architecture of tiny must say its block"):
        dataclasses.replace(two_scale_model, architecture=architecture).network(torch.device("cpu"))


def test_detail_must_not_depend_on_polarity(two_scale_model):
    model = dataclasses.replace(two_scale_model, planes=(*two_scale_model.planes[:-1], "signed"))
    with pytest.raises(ValueError, match="the detail of tiny must not depend on polarity; 'signed' does"):
        model.network(torch.device("cpu"))


@pytest.mark.usefixtures("single_precision")
def test_models_of_two_scales_answer_as_their_coarse_part_without_detail(tiny_model, two_scale_model):
    """It is asked about means of blocks, and its answers are what is between them; but for the limb, seen finer."""
    rng = np.random.default_rng(0)
    blocks = np.where(tiny_model.grid.radius < 0.9, rng.normal(0, 300, tiny_model.grid.shape), 0)
    device = torch.device("cpu")
    coarse = tiny_model.run(blocks, device)
    field = np.kron(blocks, np.ones((2, 2))) + np.kron(np.ones((256, 256)), [[50, -50], [-50, 50]])
    nothing = {"detail.read.weight": 0 * two_scale_model.state["detail.read.weight"]}
    state = two_scale_model.state | nothing | {"detail.read.bias": torch.zeros(18)}
    image = dataclasses.replace(two_scale_model, state=state).run(field, device)
    # Between the centres of four blocks, that of the first counts most.
    near = (9 * coarse[:, :-1, :-1] + 3 * coarse[:, :-1, 1:] + 3 * coarse[:, 1:, :-1] + coarse[:, 1:, 1:]) / 16
    # The tiny network sees no farther than that.
    off_the_limb = torch.from_numpy(np.abs(tiny_model.grid.radius[:-1, :-1] - 1) > 0.35)
    assert off_the_limb.float().mean() > 0.3
    torch.testing.assert_close(image[:18, 1:-1:2, 1:-1:2][:, off_the_limb], near[:, off_the_limb], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(image[18:], image[9:18])


def test_the_field_is_prepared_once(tiny_model, field, monkeypatch):
    prepared, inputs = [], FieldModel.inputs
    monkeypatch.setattr(FieldModel, "inputs", lambda *args: prepared.append(1) or inputs(*args))
    tiny_model.run(field, torch.device("cpu"))
    assert len(prepared) == 1


def test_valid(tiny_model):
    assert tiny_model.valid.shape == (256, 256)
    np.testing.assert_array_equal(tiny_model.valid, tiny_model.grid.radius <= 1.25)
    assert not tiny_model.valid[0, 0]


# -- Models that answer to images --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def translator(tiny_translator):
    """With what a trained one knows."""
    return dataclasses.replace(
        tiny_translator,
        levels={band: 10.0 + number for number, band in enumerate(ANGSTROMS)},
        deviation_factors={171: 1.5},
    )


@pytest.fixture(scope="module")
def of_two(translator):
    """One that makes 335 of 304 and 131, in that order, and needs both."""
    architecture = {**translator.architecture, "in_channels": 2, "out_channels": 1, "deviations": False}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = build_network(**architecture).state_dict()
    return dataclasses.replace(
        translator,
        architecture=architecture,
        planes=("image",),
        input_scalings={band: translator.input_scalings[band] for band in (304, 131)},
        image_scalings={335: translator.image_scalings[335]},
        deviation_factors={},
        state=state,
    )


@pytest.fixture(scope="module")
def images(translator):
    """In DN/s, each with a gap of its own."""
    rng = np.random.default_rng(0)
    images = {}
    for number, (band, scaling) in enumerate(translator.input_scalings.items()):
        images[band] = scaling.inverse(rng.uniform(-1, 1, translator.grid.shape)).astype(np.float32)
        images[band][10 * number : 10 * number + 20] = np.nan
    return images


@pytest.mark.parametrize("name", ["translator", "of_two"])
def test_round_trip_of_a_translator(request, name, images, tmp_path):
    model = request.getfixturevalue(name)
    path = tmp_path / "translator.safetensors"
    sha256 = save_model(model, path)
    loaded = load_model(path)
    assert type(loaded) is ImageModel
    assert loaded.sha256 == sha256
    assert loaded.record() == model.record()
    for field in dataclasses.fields(ImageModel):
        if field.name not in ("sha256", "state"):
            assert getattr(loaded, field.name) == getattr(model, field.name), field.name
    # The order of the scalings says which plane of the input is which passband.
    assert list(loaded.input_scalings) == list(model.input_scalings)
    expected, answer = (one.run(images, torch.device("cpu")).numpy() for one in (model, loaded))
    assert np.nanmax(expected) - np.nanmin(expected) > 0.1
    np.testing.assert_allclose(answer, expected, atol=0.01)


def test_levels_are_not_known_of_every_translator(translator):
    needed = [field for field in dataclasses.fields(ImageModel) if field.default is field.default_factory]
    assert ImageModel(**{field.name: getattr(translator, field.name) for field in needed}).levels == {}


@pytest.mark.parametrize("key", ["levels", "planes"])
def test_a_translators_record_of_another_version(tmp_path, translator, key):
    record = translator.record()
    del record[key]
    path = tmp_path / "written.safetensors"
    save_file(translator.state, path, metadata={"sunpy_mag2euv": json.dumps(record)})
    with pytest.raises(ValueError, match=f"lacks '{key}'; was it written by another version"):
        load_model(path)


def test_what_a_translator_takes(translator, of_two):
    assert translator.selective
    assert not of_two.selective
    assert [band.angstrom for band in translator.input_passbands] == ANGSTROMS
    assert [band.angstrom for band in of_two.input_passbands] == [304, 131]
    assert [band.angstrom for band in of_two.passbands] == [335]
    assert (translator.channels, of_two.channels) == (9 + 9 + 3, 2)
    assert dataclasses.replace(of_two, planes=("disk", "image", "mu")).channels == 4


def test_inputs_of_a_translator(translator, images):
    given = {band: images[band] for band in (1600, 131)}
    inputs = translator.inputs(given).numpy()
    assert inputs.shape == (21, 256, 256)
    assert inputs.dtype == np.float32
    for number, (band, scaling) in enumerate(translator.input_scalings.items()):
        known = np.isfinite(given.get(band, np.full((256, 256), np.nan)))
        assert known.any() == (band in given)
        np.testing.assert_array_equal(inputs[9 + number], known)
        assert not inputs[number][~known].any()
        if band in given:
            np.testing.assert_allclose(inputs[number][known], scaling.forward(given[band][known]), atol=1e-5)
    np.testing.assert_allclose(inputs[18], translator.grid.mu, atol=1e-6)


def test_inputs_do_not_depend_on_the_order_in_which_images_are_given(translator, of_two, images):
    backwards = dict(reversed(images.items()))
    for model in (translator, of_two):
        assert torch.equal(model.inputs(backwards), model.inputs(images))
    other = dataclasses.replace(of_two, input_scalings=dict(reversed(of_two.input_scalings.items())))
    assert torch.equal(other.inputs(images), of_two.inputs(images).flip(0))
    assert not torch.equal(other.inputs(images), of_two.inputs(images))


def test_run_of_a_translator(translator, of_two, images):
    device = torch.device("cpu")
    # 9 images and 36 pairs.
    for model, shape in ((translator, (45, 18)), (of_two, (1,))):
        answer = model.run(images, device)
        assert answer.shape == (*shape, 256, 256)
        assert not answer.requires_grad
    assert all(torch.isfinite(planes).all() for planes in translator.estimate(translator.run(images, device)))
    torch.testing.assert_close(answer, of_two.network(device)(of_two.inputs(images)[None])[0])
    made, deviations = translator.outputs(translator.run(images, device))
    assert made.unit == deviations.unit == u.DN / u.s
    assert made.shape == deviations.shape == (9, 256, 256)
    plain = dataclasses.replace(translator, deviation_factors={})
    expected = plain.outputs(plain.run(images, device))[1]
    for band, plane, other in zip(ANGSTROMS, deviations, expected, strict=True):
        np.testing.assert_allclose(plane.value, other.value * (1.5 if band == 171 else 1), rtol=1e-5)
    made, deviations = of_two.outputs(of_two.run(images, device))
    assert made.shape == (1, 256, 256)
    assert deviations is None


def alone(model, images, *bands):
    """What the network itself says to some of the images."""
    device = torch.device("cpu")
    return model.network(device)(model.inputs({band: images[band] for band in bands})[None])[0].detach()


def test_a_translator_puts_together_what_it_says_to_one_and_two_images(translator, images):
    given = {band: images[band] for band in (304, 131, 1700)}
    mean, deviation = translator.estimate(translator.run(given, torch.device("cpu")))
    parts = [(131,), (304,), (1700,), (131, 304), (131, 1700), (304, 1700)]
    means, deviations = (
        torch.stack(planes).double()
        for planes in zip(*(translator.moments(alone(translator, images, *part)) for part in parts), strict=True)
    )
    known = torch.tensor(np.stack([np.any([np.isfinite(images[band]) for band in part], axis=0) for part in parts]))
    assert not known.all()
    weights = known[:, None] * (means / deviations) ** 2
    expected = (weights * means).sum(0) / weights.sum(0)
    variance = (weights * (deviations**2 + (means - expected) ** 2)).sum(0) / weights.sum(0)
    # There is no place in which none of the three is known.
    torch.testing.assert_close(mean.double(), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(deviation.double(), variance.sqrt(), atol=1e-3, rtol=1e-3)


def test_answers_that_agree_are_no_more_certain_than_each(translator):
    answer = torch.cat([torch.linspace(-0.8, 0.8, 9), torch.full((9,), -2.0)])[:, None, None].expand(18, 4, 4)
    mean, deviation = translator.moments(answer)
    together = translator.estimate(answer.expand(5, -1, -1, -1))
    torch.testing.assert_close(together[0], mean)
    torch.testing.assert_close(together[1], deviation)


def test_where_no_image_is_known_there_is_no_answer(translator, images):
    there = translator.grid.radius < 0.5
    given = {band: np.where(there, np.nan_to_num(images[band], nan=1.0), np.nan) for band in (131, 171, 193)}
    for planes in translator.estimate(translator.run(given, torch.device("cpu"))):
        assert (torch.isfinite(planes) == torch.from_numpy(there)).all()


def test_one_image_is_answered_by_the_network_as_it_is(translator, images):
    answer = translator.run({193: images[193]}, torch.device("cpu"))
    torch.testing.assert_close(answer, alone(translator, images, 193))


def test_a_translator_without_deviations_takes_the_mean(translator, images):
    planes = slice(None, translator.architecture["out_channels"])
    state = {name: value[planes] if name.startswith("read.") else value for name, value in translator.state.items()}
    plain = dataclasses.replace(translator, architecture={**translator.architecture, "deviations": False}, state=state)
    whole = {band: np.nan_to_num(images[band], nan=1.0) for band in (94, 211)}
    mean, deviation = plain.estimate(plain.run(whole, torch.device("cpu")))
    said = torch.stack([plain.moments(alone(plain, whole, *part))[0] for part in ((94,), (211,), (94, 211))])
    torch.testing.assert_close(mean, said.mean(0), atol=1e-3, rtol=1e-4)
    assert deviation is None


def test_answers_are_kept_for_other_parts_of_the_same_images(translator, images, monkeypatch):
    device, answers = torch.device("cpu"), {}
    first = translator.run({band: images[band] for band in (171, 94)}, device, answers)
    assert set(answers) == {(94,), (171,), (94, 171)}
    second = {band: images[band] for band in (94, 171, 335)}
    expected = translator.run(second, device)
    asked = []
    inputs = ImageModel.inputs
    monkeypatch.setattr(ImageModel, "inputs", lambda model, given: asked.append(tuple(given)) or inputs(model, given))
    torch.testing.assert_close(translator.run(second, device, answers), expected, equal_nan=True)
    assert asked == [(335,), (94, 335), (171, 335)]
    torch.testing.assert_close(
        translator.run({band: images[band] for band in (94, 171)}, device, answers), first, equal_nan=True
    )


def test_a_translator_answers_to_whatever_there_is(translator, images):
    device = torch.device("cpu")
    answers = [
        translator.outputs(translator.run({band: images[band] for band in given}, device))[0].value
        for given in (ANGSTROMS, [131], [131, 1600], [])
    ]
    assert all(np.isfinite(answer).all() for answer in answers)
    for number, one in enumerate(answers):
        assert all(np.abs(one - other).max() > 1e-3 for other in answers[:number])


@pytest.mark.parametrize("plane", ["signed", "wind", "mu 57 Mm", "absolute 57 Mm"])
def test_planes_that_there_are_not_in_translators(translator, plane):
    with pytest.raises(ValueError, match=f"unknown input plane '{plane}'; expected one of image, known, mu, radius, d"):
        dataclasses.replace(translator, planes=("image", plane))


@pytest.mark.parametrize("plane", ["image", "known"])
def test_planes_of_images_are_not_there_in_models_of_fields(tiny_model, plane):
    with pytest.raises(ValueError, match=f"unknown input plane '{plane}'; expected one of signed, absolute, mu, "):
        dataclasses.replace(tiny_model, planes=("signed", plane))


def test_available_models_say_what_they_take(published, monkeypatch):
    of_one, of_many = {**published, "inputs": [131]}, {**published, "inputs": [131, 1600, 304]}
    for entries, expected in (
        ({DEFAULT_MODEL: published, DEFAULT_TRANSLATOR: of_many}, ["magnetogram", (131, 1600, 304)]),
        ({"one": of_one, "other": of_one}, [(131,), (131,)]),
        ({"one": published}, ["magnetogram"]),
    ):
        monkeypatch.setattr(registry, "_registry", lambda entries=entries: entries)
        table = available_models()
        assert list(table["inputs"]) == expected
        assert list(table["passbands"]) == [tuple(ANGSTROMS)] * len(entries)


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("input_scalings", [None, 5, [], {}, [{}]]),
        ("input_scalings.0.passband", [None, "94", 5, 131]),
        ("input_scalings.0.low", [None, NAN, 1e300]),
        ("levels", [None, 5, [], {"5": 1.0}]),
        ("levels.193", [None, 0, -1, NAN, INF, "1", True]),
        ("planes", [[], ["signed"], ["image", None]]),
        ("field_scaling", []),
    ],
)
def test_translators_records_with_entries_that_cannot_be(tmp_path, translator, place, values):
    record = json.loads(json.dumps(translator.record()))
    path = tmp_path / "written.safetensors"
    for value in values:
        save_file(translator.state, path, metadata={"sunpy_mag2euv": json.dumps(altered(record, place, value))})
        with pytest.raises(ValueError, match=r"cannot be read: .*; get an intact copy"):
            load_model(path)


@pytest.mark.parametrize(
    "change", [{"planes": ("known", "image", "mu")}, {"planes": ("image", "mu")}, {"architecture": {"images": 3}}]
)
def test_networks_from_any_to_any_know_where_their_images_are(translator, change):
    change = {"architecture": {}, **change}
    change["architecture"] = {"kind": "any-to-any", "images": 9, **change["architecture"]}
    with pytest.raises(ValueError, match="must see images of 9 passbands, and then where they are known; this one"):
        dataclasses.replace(translator, **change)
