import dataclasses
import hashlib
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save_file

import astropy.units as u

from sunpy_mag2euv import models, remote
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import DEFAULT_MODEL, Model, available_models, load_model, save_model

ANGSTROMS = [94, 131, 171, 193, 211, 304, 335, 1600, 1700]


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
    }
    monkeypatch.setattr(models, "_registry", lambda: {DEFAULT_MODEL: entry})
    monkeypatch.setattr(remote, "_PACKAGED", tiny_weights.parent)
    return entry


# -- Files -------------------------------------------------------------------------------------------------------------


def test_round_trip(tiny_model, tiny_weights):
    loaded = load_model(tiny_weights)
    assert loaded.record() == tiny_model.record()
    assert loaded.sha256 == digest(tiny_weights)
    for field in dataclasses.fields(Model):
        if field.name not in ("sha256", "state"):
            assert getattr(loaded, field.name) == getattr(tiny_model, field.name), field.name


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


@pytest.mark.parametrize("key", ["grid", "valid_radius", "calibration"])
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


def test_neither_name_nor_path():
    with pytest.raises(TypeError, match="by its name, by the path of a weights file or by an address; got int"):
        load_model(5)


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
    assert table.colnames == ["name", "passbands", "file", "sha256", "description"]
    assert table["name"][0] == DEFAULT_MODEL
    for row in table:
        assert row["passbands"] == tuple(ANGSTROMS)
        assert row["file"].endswith(".safetensors")
        assert len(row["sha256"]) == 64
        assert row["description"]


def test_available_models_of_different_sizes(published, monkeypatch):
    entries = {
        DEFAULT_MODEL: published,
        "one": {**published, "passbands": [193]},
        "two": {**published, "url": "https://x/y"},
    }
    monkeypatch.setattr(models, "_registry", lambda: {DEFAULT_MODEL: published, "same": published})
    assert list(available_models()["passbands"]) == [tuple(ANGSTROMS)] * 2

    monkeypatch.setattr(models, "_registry", lambda: entries)
    table = available_models()
    assert list(table["name"]) == [DEFAULT_MODEL, "one", "two"]
    assert table["passbands"][1] == (193,)
    assert table.colnames == ["name", "passbands", "file", "sha256", "description"]


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
    assert DEFAULT_MODEL in [row["name"] for row in rows]


# -- Inputs and outputs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def field(tiny_model):
    rng = np.random.default_rng(0)
    return np.where(tiny_model.grid.radius < 1, rng.normal(0, 300, tiny_model.grid.shape), 0).astype(">f8")


def test_inputs(tiny_model, field):
    planes = dict(zip(tiny_model.planes, tiny_model.inputs(field), strict=True))
    assert set(planes) == {"absolute", "signed", "mu", "radius"}
    scaled = np.arcsinh(np.clip(field, -3000, 3000) / 10) / np.arcsinh(300)
    expected = {
        "signed": scaled,
        "absolute": np.abs(scaled),
        "mu": tiny_model.grid.mu,
        "radius": tiny_model.grid.radius - 1,
    }
    for name, plane in planes.items():
        assert plane.dtype == torch.float32
        np.testing.assert_allclose(plane.numpy(), expected[name], atol=1e-6)


def test_mirrored_polarity(tiny_model, field):
    inputs, mirrored = (dict(zip(tiny_model.planes, tiny_model.inputs(sign * field), strict=True)) for sign in (1, -1))
    torch.testing.assert_close(mirrored["signed"], -inputs["signed"], rtol=0, atol=1e-6)
    for plane in ("absolute", "mu", "radius"):
        torch.testing.assert_close(mirrored[plane], inputs[plane], rtol=0, atol=1e-6)


def test_planes_come_in_the_order_of_the_record(tiny_model, field):
    one = dataclasses.replace(tiny_model, planes=("mu", "signed"))
    four = dict(zip(tiny_model.planes, tiny_model.inputs(field), strict=True))
    torch.testing.assert_close(one.inputs(field), torch.stack([four["mu"], four["signed"]]))


def test_outputs(tiny_model):
    codes = torch.linspace(-1, 1, 9)[:, None, None].expand(9, 2, 3)
    images = tiny_model.outputs(codes)
    assert images.unit == u.DN / u.s
    assert images.dtype == np.float32
    assert images.shape == (9, 2, 3)
    for image, code, scaling in zip(images.value, codes.numpy(), tiny_model.image_scalings.values(), strict=True):
        np.testing.assert_allclose(image, scaling.inverse(code), rtol=1e-5)


def test_outputs_stay_in_the_range_trained_on(tiny_model):
    scalings = tiny_model.image_scalings.values()
    for code, limits in ((-3, [s.low for s in scalings]), (3, [s.high for s in scalings])):
        images = tiny_model.outputs(torch.full((9, 1, 1), float(code), requires_grad=True))
        np.testing.assert_allclose(images.value.ravel(), limits, rtol=1e-5, atol=1e-4)


def test_outputs_need_a_plane_for_every_passband(tiny_model):
    with pytest.raises(ValueError, match="zip"):
        tiny_model.outputs(torch.zeros(8, 2, 2))


def test_run(tiny_model, field):
    polarized = dataclasses.replace(tiny_model, unpolarized=False)
    image = polarized.run(field, torch.device("cpu"))
    assert image.shape == (9, 256, 256)
    assert not image.requires_grad
    torch.testing.assert_close(image, polarized.network(torch.device("cpu"))(polarized.inputs(field)[None])[0])


def test_run_does_not_know_polarity(tiny_model, field):
    device = torch.device("cpu")
    polarized = dataclasses.replace(tiny_model, unpolarized=False)
    image, reverse = (polarized.run(sign * field, device) for sign in (1, -1))
    assert (image - reverse).abs().max() > 1e-3
    torch.testing.assert_close(tiny_model.run(field, device), (image + reverse) / 2)
    torch.testing.assert_close(tiny_model.run(-field, device), tiny_model.run(field, device))


def test_valid(tiny_model):
    assert tiny_model.valid.shape == (256, 256)
    np.testing.assert_array_equal(tiny_model.valid, tiny_model.grid.radius <= 1.25)
    assert not tiny_model.valid[0, 0]
