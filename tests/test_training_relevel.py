"""Translators at other levels: what they see and say is the same but for a factor."""

import dataclasses

import numpy as np
import pytest
import torch
from browse_archives import as_command
from training_store import BANDS, GRID, TRAINED, make_store, write_config

from sunpy_mag2euv.models import ImageModel, load_model, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.scaling import LogScaling, SqrtScaling
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.export import disk_levels
from sunpy_mag2euv.training.recipe import relevel

FACTORS = {171: 1.25, 193: 0.4}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("relevel") / "store"
    make_store(path, fields=False)
    return path


@pytest.fixture(scope="module")
def model(store):
    """Trained on what the store has, divided by the factors."""
    architecture = {
        "kind": "shared-unet", "in_channels": 4, "out_channels": 2, "widths": [4, 8], "head": 4, "deviations": True,
    }  # fmt: skip
    levels = disk_levels(Store.open(store), TRAINED, BANDS)
    scalings = {171: SqrtScaling(2.0, 1200.0), 193: LogScaling(40.0, 2000.0, offset=3.0)}
    torch.manual_seed(0)
    return ImageModel(
        name="translator",
        description="Two passbands",
        architecture=architecture,
        grid=GRID,
        planes=("image", "known"),
        image_scalings=scalings,
        input_scalings=scalings,
        valid_radius=1.25,
        calibration={171: "of 2012", 193: "of 2011"},
        provenance="nothing",
        levels={band: levels[band] / FACTORS[band] for band in BANDS},
        state=build_network(**architecture).state_dict(),
    )


def test_what_it_says_is_the_same_but_for_a_factor(store, model):
    store = Store.open(store)
    other = relevel.relevel(model, store, TRAINED)
    assert other.levels == disk_levels(store, TRAINED, BANDS)
    assert other.calibration == store.calibration
    images = dict(zip(BANDS, store.images(0, BANDS), strict=True))
    fainter = {band: image / FACTORS[band] for band, image in images.items()}
    for given in ({171}, {193}, {171, 193}):
        before = model.outputs(model.run({band: fainter[band] for band in given}, torch.device("cpu")))
        after = other.outputs(other.run({band: images[band] for band in given}, torch.device("cpu")))
        for planes, scaled in zip(before, after, strict=True):
            for band, plane, brighter in zip(BANDS, planes, scaled, strict=True):
                np.testing.assert_allclose(brighter.value, plane.value * FACTORS[band], rtol=1e-4)


def test_what_cannot_be_done(store, model, tmp_path):
    store = Store.open(store)
    with pytest.raises(ValueError, match="translator does not know the level of 171 Å"):
        relevel.relevel(dataclasses.replace(model, levels={193: 100.0}), store, TRAINED)
    make_store(tmp_path / "store", fields=False, only={193: [8]})
    with pytest.raises(ValueError, match="the store has no image of passband 193 among those trained on"):
        relevel.relevel(model, Store.open(tmp_path / "store"), TRAINED)


def test_as_a_command(store, model, tmp_path, capsys):
    save_model(model, tmp_path / "old.safetensors")
    config = write_config(
        tmp_path / "run.toml",
        "translation",
        data={"store": str(store), "passbands": list(BANDS), "inputs": list(BANDS)},
        split={"method": "rotations", "validation": [2097], "test": [2099], "gap": 1},
    )
    as_command(relevel, tmp_path / "old.safetensors", config, tmp_path / "new.safetensors")
    said = capsys.readouterr().out
    found = load_model(tmp_path / "new.safetensors")
    assert found.sha256 in said
    assert found.levels[193] == pytest.approx(model.levels[193] * 0.4)
    assert found.image_scalings[193].offset == pytest.approx(3 * 0.4)
    with pytest.raises(SystemExit):
        as_command(relevel, "shared-browse", config, tmp_path / "none.safetensors")
    assert "answers to magnetograms" in capsys.readouterr().err
    assert not (tmp_path / "none.safetensors").exists()
