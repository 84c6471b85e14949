import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from training_store import BANDS, FINE_GRID, GRID, configure, make_coarse, make_store, manifest, write_config

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import FieldModel, ImageModel, load_model, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.planes import is_odd
from sunpy_mag2euv.scaling import scaling_from_dict
from sunpy_mag2euv.training.learning.config import PROTOCOLS, load_config, model_record, protocol_defaults, split_frames

#: All that the paper's protocols have no default for.
NEEDED = {"store": "store.zarr", "passbands": [193]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    directory = tmp_path_factory.mktemp("config")
    return make_store(directory / "store", frames=manifest([2096.5, 2099.5]), caveats={193: "scarce"})


def leaves(tables, inside=()):
    for key, value in tables.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*inside, key))
        else:
            yield ".".join((*inside, key)), value


# -- Protocols ---------------------------------------------------------------------------------------------------------


def test_protocols_have_the_same_keys():
    # Scalings and networks have parameters of their own.
    own = re.compile(r"model\.(network|image_scaling|field_scaling)\.")
    keys = {name: {key for key, _ in leaves(protocol_defaults(name)) if not own.match(key)} for name in PROTOCOLS}
    assert len(keys) == len(PROTOCOLS) == 5
    # What its coarse part has learnt, a network of two scales takes from there.
    keys["detail"].add("model.valid_radius")
    assert not {"image_scaling", "field_scaling"} & protocol_defaults("detail")["model"].keys()
    assert all(others == keys["shared"] for others in keys.values())


def test_model_a_is_the_papers():
    keys = dict(leaves(protocol_defaults("model-a")))
    assert {
        "model.network.kind": "generator",
        "model.network.levels": 8,
        "model.network.dropout": 0.5,
        "model.planes": ["signed"],
        "augmentation.shift": 15,
        "loss.l1": 1,
        "loss.adversarial": 0,
        "optimizer.name": "adam",
        "optimizer.learning_rate": 2e-4,
        "optimizer.betas": [0.5, 0.999],
        "optimizer.decay": "none",
        "run.steps": 500_000,
        "run.batch": 1,
        "run.epoch": 8544,
        "run.initial_spread": 0.02,
        "split.method": "park2019",
    }.items() <= keys.items()
    assert keys["run.steps"] / keys["run.epoch"] == pytest.approx(58.5, abs=0.05)
    # Of what other protocols do to magnetograms, gradients and weights, the paper tells nothing.
    off = ("mirror", "turns", "polarity", "gain", "noise", "clipping", "blur", "crop", "window")
    assert not any(keys[f"augmentation.{name}"] for name in off)
    assert keys["model.saturation"] == math.inf
    assert not any(keys[f"optimizer.{name}"] for name in ("weight_decay", "warmup", "clip", "averaging"))
    assert not any(keys[f"loss.{name}"] for name in ("surprise", "discordance", "structure", "detail", "evened"))
    assert keys["data.scarce"] == keys["data.inputs"] == []
    assert keys["model.coarse"] == ""


def test_model_b_is_model_a_with_an_adversary():
    of_a, of_b = (dict(leaves(protocol_defaults(name))) for name in ("model-a", "model-b"))
    changed = {key: of_b[key] for key in of_b if of_a[key] != of_b[key]}
    assert set(changed) == {"model.name", "model.description", "loss.l1", "loss.adversarial"}
    assert (changed["loss.l1"], changed["loss.adversarial"]) == (100, 1)
    assert of_b["loss.stride2_layers"] == 3


@pytest.mark.parametrize("protocol", ["model-a", "model-b"])
def test_the_papers_scalings(protocol):
    settings = protocol_defaults(protocol)["model"]
    image, field = scaling_from_dict(settings["image_scaling"]), scaling_from_dict(settings["field_scaling"])
    values = np.concatenate([[-50, -1, 0, 2.0**14 - 1, 2.0**14, 1e6], np.geomspace(1e-3, 1e5, 200)])
    expected = np.log2(np.clip(values + 1, 1, 2**14)) / 14 * 2 - 1
    np.testing.assert_allclose(image.forward(values), expected, atol=1e-12)
    gauss = np.linspace(-5000, 5000, 101)
    np.testing.assert_allclose(field.forward(gauss), np.clip(gauss, -3000, 3000) / 3000, atol=1e-12)


@pytest.mark.parametrize("protocol", ["model-a", "model-b"])
def test_the_papers_protocols_need_no_more_than_store_and_passband(tmp_path, protocol):
    config = load_config(write_config(tmp_path / "run.toml", protocol, data=NEEDED))
    defaults = protocol_defaults(protocol)
    assert config["protocol"] == protocol
    changed = {key for key, value in leaves(config) if dict(leaves(defaults)).get(key) != value}
    assert changed == {"protocol", "data.store", "data.passbands"}
    assert config["data"]["passbands"] == [193]


def test_the_shared_protocol_makes_the_packaged_model():
    """What `sunpy_mag2euv.load_model` says of the weights in the package is what the protocol says."""
    packaged, settings = load_model("shared-browse"), protocol_defaults("shared")["model"]
    in_and_out = {"in_channels": len(settings["planes"]), "out_channels": 9}
    assert packaged.architecture == {**settings["network"], **in_and_out}
    assert list(packaged.planes) == settings["planes"]
    assert packaged.field_scaling == scaling_from_dict(settings["field_scaling"])
    assert list(map(str, packaged.image_scalings)) == list(settings["image_scaling"])
    for band, scaling in packaged.image_scalings.items():
        rounded = scaling_from_dict(settings["image_scaling"][str(band)])
        assert type(rounded) is type(scaling)
        assert (rounded.low, rounded.high) == pytest.approx((scaling.low, scaling.high), rel=0.01)
    assert (packaged.unpolarized, packaged.valid_radius) == (settings["unpolarized"], settings["valid_radius"])


def test_the_shared_protocol_learns_how_far_off_it_may_be():
    defaults = protocol_defaults("shared")
    assert defaults["model"]["network"]["deviations"]
    assert defaults["loss"]["surprise"] > 0
    assert defaults["loss"]["discordance"] > 0
    assert defaults["loss"]["adversarial"] == 0


def test_the_translation_protocol_takes_any_images_of_the_default_models_passbands():
    settings, keys = protocol_defaults("translation")["model"], dict(leaves(protocol_defaults("translation")))
    assert settings["planes"] == ["image", "known", "mu", "radius", "disk"]
    assert settings["network"]["kind"] == "any-to-any"
    assert settings["network"]["deviations"]
    assert keys["augmentation.window"] > 0
    assert keys["augmentation.gain"] > 0
    # What is done to fields only is not done.
    assert not any(keys[f"augmentation.{name}"] for name in ("polarity", "noise", "clipping"))
    assert not settings["unpolarized"]
    shared = protocol_defaults("shared")["model"]
    assert settings["image_scaling"] == shared["image_scaling"]
    assert settings["valid_radius"] == shared["valid_radius"]


def test_the_detail_protocol_learns_nothing_but_detail():
    settings, keys = protocol_defaults("detail"), dict(leaves(protocol_defaults("detail")))
    assert settings["model"]["network"]["kind"] == "two-scale"
    assert not any(is_odd(plane) for plane in settings["model"]["planes"])
    assert [
        name for name in settings["loss"] if name not in ("structure_wanted", "stride2_layers") and keys[f"loss.{name}"]
    ] == [*("surprise", "detail", "detail_scale", "evened")]
    # From few days: each in all orientations, and the network's weights kept small.
    assert keys["augmentation.mirror"]
    assert keys["augmentation.turns"]
    assert keys["model.network.dropout"] > 0
    # In windows that the network fits.
    assert keys["augmentation.crop"] % (2 ** len(settings["model"]["network"]["widths"])) == 0
    # The packaged weights' passbands, which its coarse part is made for.
    assert keys["data.passbands"] == list(load_model().image_scalings)


# -- Reading -----------------------------------------------------------------------------------------------------------


def test_what_is_given_is_laid_over_the_defaults(tmp_path):
    path = write_config(
        tmp_path / "run.toml",
        "model-a",
        data={**NEEDED, "passbands": ["171", 193], "draws": {"toy": 3, "other": 0}},
        model={"network": {"levels": 10}},
        optimizer={"learning_rate": 1},
        trainer={"devices": 2, "strategy": "ddp"},
    )
    config, defaults = load_config(path), protocol_defaults("model-a")
    assert config["data"]["passbands"] == [171, 193]
    assert config["data"]["draws"] == {"toy": 3, "other": 0}
    assert config["model"]["network"] == {**defaults["model"]["network"], "levels": 10}
    assert config["optimizer"] == {**defaults["optimizer"], "learning_rate": 1.0}
    assert type(config["optimizer"]["learning_rate"]) is float
    assert config["trainer"] == {"accelerator": "auto", "devices": 2, "strategy": "ddp"}
    assert config["run"] == defaults["run"]


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "here").mkdir()
    path = write_config(tmp_path / "here" / "run.toml", "model-a", data={**NEEDED, "store": "../store.zarr"})
    assert load_config(path)["data"]["store"] == str(tmp_path / "store.zarr")
    path = write_config(tmp_path / "run.toml", "model-a", data={**NEEDED, "store": "/data/store.zarr"})
    assert load_config(path)["data"]["store"] == "/data/store.zarr"
    assert load_config(path)["run"]["start"] == ""
    for start, expected in (("runs/first", str(tmp_path / "runs" / "first")), ("/runs/first", "/runs/first")):
        path = write_config(tmp_path / "run.toml", "model-a", data=NEEDED, run={"start": start})
        assert load_config(path)["run"]["start"] == expected
    for coarse, expected in (
        ("../coarse.safetensors", str(tmp_path.parent / "coarse.safetensors")),
        ("/weights/coarse.safetensors", "/weights/coarse.safetensors"),
        # A name is not a path.
        ("shared-browse", "shared-browse"),
    ):
        path = write_config(tmp_path / "run.toml", "detail", data={"store": "store.zarr"}, model={"coarse": coarse})
        assert load_config(path)["model"]["coarse"] == expected


def test_another_network_keeps_nothing_of_the_default(tmp_path):
    network = {"kind": "shared-unet", "widths": [4, 8], "head": 4}
    config = load_config(write_config(tmp_path / "run.toml", "model-a", data=NEEDED, model={"network": network}))
    assert config["model"]["network"] == network
    scaling = {"kind": "sqrt", "low": 0.0, "high": 100.0}
    config = load_config(write_config(tmp_path / "run.toml", "model-a", data=NEEDED, model={"image_scaling": scaling}))
    assert config["model"]["image_scaling"] == scaling
    by_band = {"193": scaling}
    config = load_config(write_config(tmp_path / "run.toml", "model-a", data=NEEDED, model={"image_scaling": by_band}))
    assert config["model"]["image_scaling"] == by_band


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"optimiser": {}}, "run.toml has the unknown key optimiser; did you mean optimizer?"),
        ({"run": {"step": 3}}, "run.toml has the unknown key run.step; did you mean steps?"),
        (
            {"loss": {"xyz": 3}},
            "run.toml has the unknown key loss.xyz; there are l1, surprise, discordance, structure, ",
        ),
        ({"loss": {"suprise": 3}}, "run.toml has the unknown key loss.suprise; did you mean surprise?"),
        ({"run": {"steps": "many"}}, "run.toml: run.steps must be a int such as 500000; it is 'many'"),
        ({"run": {"steps": True}}, "run.toml: run.steps must be a int such as 500000; it is True"),
        ({"run": 3}, "run.toml: run must be a table; it is 3"),
        ({"model": {"network": "big"}}, "run.toml: model.network must be a table; it is 'big'"),
        ({"augmentation": {"mirror": 1}}, "run.toml: augmentation.mirror must be a bool such as False; it is 1"),
        ({"data": {**NEEDED, "store": ""}}, "run.toml must say where the frames are; give data.store"),
        ({"data": {"store": "x"}}, "run.toml must say what to learn; give data.passbands, such as [193]"),
        ({"data": {**NEEDED, "passbands": [195]}}, "195"),
        ({"model": {"planes": ["signed", "mu"]}}, "the plane mu cannot be shifted; set augmentation.shift = 0"),
        ({"model": {"planes": ["signed", "disk"]}}, "the plane disk cannot be shifted; set augmentation.shift = 0"),
        ({"run": {"steps": 0}}, "run.steps must be at least 1; it is 0"),
        ({"run": {"batch": -1}}, "run.batch must be at least 1; it is -1"),
        ({"run": {"epoch": 0}}, "run.epoch must be at least 1; it is 0"),
        (
            {"run": {"keep": 100, "epoch": 30}},
            "run.keep must be a whole number of epochs (run.epoch, 30 steps) before the last step",
        ),
        ({"run": {"keep": 60, "epoch": 30, "steps": 60}}, "before the last step (60); it is 60"),
        ({"run": {"keep": -30, "epoch": 30}}, "before the last step"),
        ({"run": {"kept_share": 1.5}}, "run.kept_share must be between 0 and 1; it is 1.5"),
        (
            {"data": {"store": "s.zarr", "passbands": [193], "evenness": -3.0}},
            "data.evenness must be between 0 and 1; it is -3.0",
        ),
        ({"augmentation": {"few": 0}}, "augmentation.few must be at least 1; it is 0"),
        ({"split": {"method": "random"}}, "split.method must be one of park2019, rotations; it is 'random'"),
        ({"optimizer": {"name": "sgd"}}, "optimizer.name must be one of adam, adamw; it is 'sgd'"),
        ({"optimizer": {"decay": "step"}}, "optimizer.decay must be one of none, cosine; it is 'step'"),
    ],
)
def test_mistakes_are_said_in_one_sentence(tmp_path, tables, message):
    if "run" in tables and not isinstance(tables["run"], dict):
        path = tmp_path / "run.toml"
        path.write_text(f'protocol = "model-a"\nrun = {tables["run"]}\n', encoding="utf-8")
    else:
        path = write_config(tmp_path / "run.toml", "model-a", **{"data": NEEDED, **tables})
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


NO_LOSS = "of the losses, at least one must have a weight, and none a negative one"
DEVIATIONS = "loss.surprise needs a network that gives deviations; set model.network.deviations = true"
ADVERSARIAL = "with loss.adversarial, of the other losses only loss.l1 is used; take out loss."


@pytest.mark.parametrize(
    ("protocol", "tables", "message"),
    [
        ("model-a", {"loss": {"surprise": 1.0}}, DEVIATIONS),
        ("shared", {"model": {"network": {"deviations": False}}}, DEVIATIONS),
        ("shared", {"model": {"network": {"kind": "generator", "levels": 5}}}, DEVIATIONS),
        ("model-b", {"loss": {"discordance": 1.0}}, ADVERSARIAL + "discordance"),
        ("model-b", {"loss": {"structure": 0.5}}, ADVERSARIAL + "structure"),
        ("shared", {"loss": {"adversarial": 1.0, "discordance": 0.0}}, ADVERSARIAL + "surprise"),
        ("shared", {"loss": {"adversarial": 1.0, "surprise": 0.0}}, ADVERSARIAL + "discordance"),
        ("model-a", {"loss": {"l1": 0.0}}, NO_LOSS),
        ("model-a", {"loss": {"structure": -0.1}}, NO_LOSS),
        ("model-b", {"loss": {"adversarial": -1.0}}, NO_LOSS),
        ("shared", {"loss": {"surprise": 0.0, "discordance": 0.0}}, NO_LOSS),
        ("shared", {"loss": {"structure_wanted": 0.0}}, "loss.structure_wanted must be positive; it is 0.0"),
        (
            "model-a",
            {"model": {"network": {"deviations": True}}},
            "a generator gives no deviations; take out model.network.deviations",
        ),
        ("shared", {"loss": {"surprise": 0.0}}, "deviations are learnt by loss.surprise; give it a weight"),
        (
            "shared",
            {"data": {**NEEDED, "scarce": [211, "193"]}},
            "passband 193 is both in data.passbands and in data.scarce; take out one",
        ),
        (
            "model-a",
            {"data": {**NEEDED, "scarce": [211]}},
            "data.scarce needs a network that gives deviations; leave it empty",
        ),
        (
            "model-a",
            {
                "data": {**NEEDED, "scarce": [211]},
                "loss": {"surprise": 1.0},
                "model": {"network": {"kind": "shared-unet", "deviations": True}},
            },
            "passband 211 has no scaling; give model.image_scaling.211",
        ),
    ],
)
def test_no_loss_is_left_out_in_silence(tmp_path, protocol, tables, message):
    path = write_config(tmp_path / "run.toml", protocol, **{"data": NEEDED, **tables})
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_config(path)
    assert str(caught.value).startswith("run.toml: ")
    assert "\n" not in str(caught.value)


#: What the protocol of detail has no default for.
FOR_DETAIL = {"data": {"store": "/store.zarr"}, "model": {"coarse": "/coarse.safetensors"}}
NEEDS_COARSE = "a two-scale network, and no other, needs model.coarse, the weights of its coarse part"
NEEDS_DETAIL = "a two-scale network, and no other, learns by loss.detail; look at its weight"
SHARED = {"kind": "shared-unet", "deviations": True}
TWO_SCALES = {"kind": "two-scale", "block": 4, "widths": [4, 8]}


@pytest.mark.parametrize(
    ("protocol", "tables", "message"),
    [
        # Windows
        ("detail", {"augmentation": {"crop": 0}}, "augmentation.crop must be a multiple of 8 pixels; it is 0"),
        ("detail", {"augmentation": {"crop": -64}}, "augmentation.crop must be a multiple of 8 pixels; it is -64"),
        ("detail", {"augmentation": {"crop": 100}}, "augmentation.crop must be a multiple of 8 pixels; it is 100"),
        (
            "detail",
            {"model": {**FOR_DETAIL["model"], "network": {"block": 3, "widths": [4, 8]}}, "augmentation": {"crop": 64}},
            "augmentation.crop must be a multiple of 12 pixels; it is 64",
        ),
        (
            "model-a",
            {"data": NEEDED, "model": {}, "augmentation": {"crop": 64}},
            "only networks of two scales learn from windows; set augmentation.crop = 0",
        ),
        # Networks
        ("detail", {"model": {}}, NEEDS_COARSE),
        ("shared", {"data": NEEDED}, NEEDS_COARSE),
        ("model-a", {"data": NEEDED}, NEEDS_COARSE),
        (
            "shared",
            {"data": NEEDED, "model": {"network": TWO_SCALES}, "augmentation": {"crop": 64}},
            NEEDS_COARSE,
        ),
        *(
            (
                "shared",
                {
                    "data": NEEDED,
                    "model": {"network": {name: of for name, of in TWO_SCALES.items() if name != lacking}},
                },
                f"a two-scale network needs model.network.{lacking}",
            )
            for lacking in ("block", "widths")
        ),
        (
            "detail",
            {"model": {"network": SHARED}, "augmentation": {"crop": 0}},
            "this protocol is for two-scale networks only; choose another",
        ),
        # Losses
        ("detail", {"loss": {"detail": 0.0}}, NEEDS_DETAIL),
        ("shared", {"data": NEEDED, "model": {}, "loss": {"detail": 1.0}}, NEEDS_DETAIL),
        ("detail", {"loss": {"detail": -1.0}}, NO_LOSS),
        ("detail", {"loss": {"detail": 0.0, "surprise": 0.0}}, NO_LOSS),
        *(
            (
                "detail",
                {"loss": {name: 1.0, "surprise": 0.0}},
                f"a two-scale network does not learn by loss.{name}; take it out",
            )
            for name in ("l1", "adversarial")
        ),
        *(
            ("detail", {"loss": {name: 1.0}}, f"a two-scale network does not learn by loss.{name}; take it out")
            for name in ("discordance", "structure")
        ),
        ("detail", {"loss": {"surprise": 0.0}}, "deviations are learnt by loss.surprise; give it a weight"),
        (
            "detail",
            {"data": {"store": "/store.zarr", "passbands": [171, 193], "scarce": [1600]}},
            "a two-scale network has the passbands of its coarse part; leave data.scarce empty",
        ),
    ],
)
def test_what_does_not_go_together_with_detail(tmp_path, protocol, tables, message):
    path = write_config(tmp_path / "run.toml", protocol, **{**FOR_DETAIL, **tables})
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_config(path)
    assert str(caught.value) == f"run.toml: {message}"


@pytest.mark.parametrize(
    ("protocol", "tables"),
    [
        ("detail", {}),
        (
            "detail",
            {"augmentation": {"crop": 64, "polarity": True}, "model": {**FOR_DETAIL["model"], "saturation": math.inf}},
        ),
        ("detail", {"model": {"coarse": "shared-browse", "network": {"block": 2, "widths": [4]}}}),
        (
            "shared",
            {
                "data": {**NEEDED, "store": "/store.zarr"},
                "model": {**FOR_DETAIL["model"], "network": TWO_SCALES},
                "augmentation": {"crop": 64},
                "loss": {"detail": 1.0, "discordance": 0.0},
            },
        ),
        ("shared", {"data": {**NEEDED, "store": "/store.zarr"}, "model": {"saturation": 500.0}}),
    ],
)
def test_what_goes_together_with_detail(tmp_path, protocol, tables):
    tables = {**FOR_DETAIL, **tables}
    config = load_config(write_config(tmp_path / "run.toml", protocol, **tables))
    for key, value in leaves(tables):
        assert dict(leaves(config))[key] == value


#: What the protocol of translation has no default for.
SETS = {"store": "/store.zarr", "passbands": [131, 171, 193], "inputs": [131, 171, 193]}
SOME = (
    "with the plane known, some of several images are given and the rest are learnt; "
    "name them in data.inputs as well as in data.passbands, or take the plane out"
)
WITHOUT = {"planes": ["image"], "network": {"kind": "shared-unet", "deviations": True}}
OTHERS = {**SETS, "passbands": [304], "inputs": [131, 171]}


@pytest.mark.parametrize(
    ("protocol", "tables", "message"),
    [
        # Networks and their planes
        (
            "translation",
            {"model": {"planes": ["image", "mu", "known"]}},
            'an any-to-any network needs model.planes that begin with "image" and "known"',
        ),
        (
            "translation",
            {"model": {"planes": ["image"]}},
            'an any-to-any network needs model.planes that begin with "image" and "known"',
        ),
        (
            "shared",
            {"model": {"network": {"kind": "any-to-any"}}},
            'an any-to-any network needs model.planes that begin with "image" and "known"',
        ),
        ("translation", {"data": {**SETS, "inputs": []}}, SOME),
        ("translation", {"data": {**SETS, "inputs": [131]}}, SOME),
        ("translation", {"data": {**SETS, "passbands": [304]}}, SOME),
        ("translation", {"data": {**SETS, "inputs": [131, 171, 304]}}, SOME),
        ("shared", {"data": SETS}, 'data.inputs needs planes of images; set model.planes = ["image"]'),
        ("model-a", {"data": OTHERS}, 'data.inputs needs planes of images; set model.planes = ["image"]'),
        # Passbands
        (
            "translation",
            {"data": SETS, "model": WITHOUT},
            "passband 131 is both in data.inputs and in data.passbands; take out one",
        ),
        (
            "translation",
            {"data": {**SETS, "inputs": [131, "171", 131]}},
            "passband 131 is in data.inputs more than once; take one out",
        ),
        (
            "translation",
            {"data": {**SETS, "passbands": [131, 193, "193"]}},
            "passband 193 is in data.passbands more than once; take one out",
        ),
        (
            "shared",
            {"data": {**NEEDED, "scarce": [211, 211]}},
            "passband 211 is in data.scarce more than once; take one out",
        ),
        (
            "translation",
            {"data": {**SETS, "scarce": [211]}},
            "scarce passbands are read from fields, not from images; leave data.scarce empty",
        ),
        # Variations
        (
            "shared",
            {"data": NEEDED, "augmentation": {"window": 0.5}},
            "only images are seen in a window; set augmentation.window = 0",
        ),
        (
            "model-a",
            {"data": NEEDED, "model": {"planes": ["image"]}, "augmentation": {"window": 0.5}},
            "only images are seen in a window; set augmentation.window = 0",
        ),
        (
            "translation",
            {"data": OTHERS, "model": WITHOUT},
            "a window needs the plane known; set augmentation.window = 0",
        ),
        (
            "translation",
            {"augmentation": {"polarity": True}},
            "augmentation.polarity is for fields, not for images; turn it off",
        ),
        (
            "translation",
            {"augmentation": {"noise": 1.0}},
            "augmentation.noise is for fields, not for images; turn it off",
        ),
        (
            "translation",
            {"augmentation": {"clipping": 0.1}},
            "augmentation.clipping is for fields, not for images; turn it off",
        ),
        ("translation", {"model": {"unpolarized": True}}, "images have no polarity; set model.unpolarized = false"),
        (
            "translation",
            {"augmentation": {"shift": 1}},
            "the plane disk cannot be shifted; set augmentation.shift = 0",
        ),
    ],
)
def test_what_does_not_go_together_with_images(tmp_path, protocol, tables, message):
    path = write_config(tmp_path / "run.toml", protocol, **{"data": SETS, **tables})
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_config(path)
    assert str(caught.value) == f"run.toml: {message}"


@pytest.mark.parametrize(
    ("protocol", "tables"),
    [
        ("translation", {}),
        ("translation", {"data": {**SETS, "inputs": [193, 131]}}),
        ("translation", {"model": {"planes": ["image", "known"]}, "augmentation": {"shift": 3}}),
        ("translation", {"data": OTHERS, "model": WITHOUT, "augmentation": {"window": 0.0}}),
        ("model-a", {"data": OTHERS, "model": {"planes": ["image"]}}),
        ("model-b", {"data": OTHERS, "model": {"planes": ["image"]}}),
        # The study of channels finds inputs of its own.
        ("model-a", {"data": {**SETS, "inputs": []}, "model": {"planes": ["image"]}}),
    ],
)
def test_what_goes_together_with_images(tmp_path, protocol, tables):
    tables = {"data": SETS, **tables}
    config = load_config(write_config(tmp_path / "run.toml", protocol, **tables))
    for key, value in leaves(tables):
        assert dict(leaves(config))[key] == value


def test_inputs_may_be_named_in_any_way_that_passbands_may(tmp_path):
    path = write_config(tmp_path / "run.toml", "translation", data={**SETS, "inputs": ["131", 193]})
    assert load_config(path)["data"]["inputs"] == [131, 193]
    path = write_config(tmp_path / "run.toml", "translation", data={**SETS, "inputs": [131, 195]})
    with pytest.raises(ValueError, match="there is no AIA passband 195"):
        load_config(path)


@pytest.mark.parametrize(
    ("protocol", "tables"),
    [
        ("model-a", {"loss": {"discordance": 1.0, "structure": 0.1}}),
        ("model-b", {"loss": {"l1": 0.0}}),
        ("shared", {"loss": {"structure": 0.05, "structure_wanted": 1.0}}),
        ("shared", {"data": {**NEEDED, "store": "/store.zarr", "scarce": [211, 1700]}}),
        ("shared", {"loss": {"surprise": 0.0, "l1": 1.0}, "model": {"network": {"deviations": False}}}),
        ("model-a", {"loss": {"surprise": 1.0}, "model": {"network": {"kind": "shared-unet", "deviations": True}}}),
        ("model-a", {"model": {"planes": ["signed", "absolute", "absolute 57 Mm", "signed 14 Mm"]}}),
    ],
)
def test_what_goes_together(tmp_path, protocol, tables):
    config = load_config(write_config(tmp_path / "run.toml", protocol, **{"data": NEEDED, **tables}))
    for key, value in leaves(tables):
        assert dict(leaves(config))[key] == value


def test_files_that_are_no_configuration(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no configuration .*run\.toml"):
        load_config(tmp_path / "run.toml")
    (tmp_path / "run.toml").write_text("protocol = ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"run\.toml is not TOML: "):
        load_config(tmp_path / "run.toml")
    message = "must name a protocol, one of model-a, model-b, shared, detail, translation; it has"
    for protocol in ("", 'protocol = "model-c"'):
        (tmp_path / "run.toml").write_text(protocol, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            load_config(tmp_path / "run.toml")


# -- What is made of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["model-a", "model-b", "shared"])
def test_models_of_protocols_work(tmp_path, store, protocol):
    if protocol != "shared":
        store = make_store(tmp_path / "store", frames=manifest([2096.5]), grid=Grid((64, 64), 26.0))
    config = configure(tmp_path, tmp_path / "store", protocol)
    model = model_record(config, store)
    assert list(model.image_scalings) == list(BANDS)
    assert (model.grid, model.provenance) == (store.grid, "made up")
    assert model.calibration == store.calibration
    assert model.caveats == store.caveats
    assert list(model.planes) == protocol_defaults(protocol)["model"]["planes"]
    assert model.architecture["in_channels"] == len(model.planes)
    assert model.architecture["out_channels"] == 2
    assert model.references == ("10.3847/2041-8213/ab46bb",)

    network = build_network(**model.architecture)
    save_model(dataclasses.replace(model, state=network.state_dict()), tmp_path / "weights.safetensors")
    loaded = load_model(tmp_path / "weights.safetensors")
    images, deviations = loaded.outputs(loaded.run(store.field(0), torch.device("cpu")))
    assert (deviations is None) == (protocol != "shared")
    for planes in (images,) if deviations is None else (images, deviations):
        assert planes.shape == (2, *store.grid.shape)
        assert planes.unit == "DN / s"
        assert np.isfinite(planes).all()


@pytest.fixture(scope="module")
def detail(tmp_path_factory):
    """A directory with coarse weights, and a store on a grid of sixteen times their pixels."""
    directory = tmp_path_factory.mktemp("detail")
    make_coarse(directory / "coarse.safetensors", caveats={171: "coarse", 193: "coarse"}, epochs={171: "launch"})
    settings = {"caveats": {193: "scarce"}, "epochs": {171: "launch"}}
    return directory, make_store(directory / "store", frames=manifest([2096.5]), grid=FINE_GRID, **settings)


def test_models_of_the_detail_protocol_are_of_their_coarse_part(detail):
    """But for what is of the grid, and of the frames that detail is learnt from."""
    directory, store = detail
    coarse = load_model(directory / "coarse.safetensors")
    model = model_record(configure(directory, "store", "detail"), store)
    assert type(model) is FieldModel
    planes = ("absolute", "signed", "mu", "absolute 57 Mm", "signed 114 Mm")
    assert model.planes == (*(f"4x4 {plane}" for plane in planes), "absolute", "mu", "absolute 14 Mm", "net 28 Mm")
    assert model.architecture == {
        **{"kind": "two-scale", "block": 4, "widths": [4, 8], "head": 4, "dropout": 0.1, "in_channels": 9},
        **{"out_channels": 2, "odd": [1, 4]},
        "coarse": {"in_channels": 5, "widths": [4, 8], "head": 4, "dropout": 0.2, "deviations": True},
    }
    assert (model.name, model.grid, model.saturation) == ("detail", FINE_GRID, 100.0)
    assert model.calibration == store.calibration
    assert model.caveats == {171: "coarse", 193: "scarce"}
    assert model.provenance == "detail from made up; the coarse part is coarse, from coarse frames"
    same = ("image_scalings", "field_scaling", "epochs", "valid_radius", "strongest_field", "training_images")
    assert all(getattr(model, name) == getattr(coarse, name) for name in same)
    # How far it is off is another thing.
    assert model.deviation_factors == {}
    assert model.sha256 == ""
    assert model.state.keys() == {f"coarse.{name}" for name in coarse.state}
    assert all(torch.equal(model.state[f"coarse.{name}"], tensor.float()) for name, tensor in coarse.state.items())


def test_models_of_the_detail_protocol_work(detail, tmp_path):
    directory, store = detail
    model = model_record(configure(directory, "store", "detail"), store)
    torch.manual_seed(0)
    state = build_network(**model.architecture).state_dict() | model.state
    save_model(dataclasses.replace(model, state=state), tmp_path / "weights.safetensors")
    loaded = load_model(tmp_path / "weights.safetensors")
    assert loaded.record() == model.record()
    output = loaded.run(store.field(0), torch.device("cpu"))
    for planes in loaded.outputs(output):
        assert planes.shape == (2, *FINE_GRID.shape)
        assert planes.unit == "DN / s"
        assert np.isfinite(planes).all()
    # Until it has learnt any detail, it says in blocks, about, what its coarse part says.
    blocks = store.field(0).reshape(32, 4, 32, 4).mean(axis=(1, 3))
    coarse = load_model(directory / "coarse.safetensors").run(blocks, torch.device("cpu"))
    means = output[:4].reshape(4, 32, 4, 32, 4).mean(dim=(2, 4))
    assert np.corrcoef(means.ravel(), coarse.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("of_coarse", "tables", "message"),
    [
        ({}, {"data": {"passbands": [193, 171]}}, "data.passbands must be those of coarse, in their order: 171, 193"),
        ({}, {"data": {"passbands": [171]}}, "data.passbands must be those of coarse, in their order: 171, 193"),
        (
            {},
            {"model": {"network": {"block": 2, "widths": [4], "head": 4}}},
            "which in blocks of 2 × 2 pixels is not the grid of",
        ),
        ({"grid": Grid((32, 32), 13.1)}, {}, "the store's frames are on Grid(shape=(128, 128), solar_radius=52.0"),
        ({"grid": Grid((32, 32), 13.0, center=(15.0, 15.5))}, {}, "is not the grid of coarse, Grid(shape=(32, 32)"),
        (
            {},
            {"model": {"network": {"block": 3, "widths": [4], "head": 4}}, "augmentation": {"crop": 12}},
            "128 × 128 pixels are no whole",
        ),
        (
            {},
            {"augmentation": {"crop": 124}},
            "windows of 124 pixels and a block around them do not fit into the store's frames of 128 × 128",
        ),
        (
            {},
            {"model": {"planes": ["absolute", "signed 14 Mm"]}},
            "detail does not depend on polarity, the plane 'signed 14 Mm' does; take it out of model.planes",
        ),
        ({}, {"model": {"planes": ["absolute", "wind"]}}, "unknown input plane 'wind'"),
        (
            {"field_kind": "SDOML Bz"},
            {},
            "the store's fields are of the kind 'line-of-sight magnetogram', those of coarse 'SDOML Bz'",
        ),
        ({"epochs": {}}, {}, "the store's images are at another epoch of AIA's sensitivity than those of coarse"),
        ({"epochs": {171: "2011-01-01"}}, {}, "at another epoch of AIA's sensitivity than those of coarse"),
        ({"epochs": {171: "launch", 193: "launch"}}, {}, "at another epoch of AIA's sensitivity than those of coarse"),
        (
            {"saturation": 500.0},
            {},
            "blocks are seen as they are, but for coarse fields saturate; give another model.coarse",
        ),
        *(
            (
                {"architecture": {"kind": kind, "deviations": deviations}, "state": {"nothing": torch.zeros(1)}},
                {},
                "the coarse part must be a shared-unet that answers to fields and gives deviations; coarse is none",
            )
            for kind, deviations in (("generator", False), ("shared-unet", False), ("two-scale", True))
        ),
    ],
)
def test_coarse_parts_that_do_not_fit(detail, tmp_path, of_coarse, tables, message):
    _, store = detail
    make_coarse(tmp_path / "coarse.safetensors", **{"epochs": {171: "launch"}} | of_coarse)
    config = configure(tmp_path, "store", "detail", **tables)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        model_record(config, store)
    assert "\n" not in str(caught.value)


def test_coarse_parts_answer_to_fields(detail, tmp_path, tiny_translator):
    save_model(tiny_translator, tmp_path / "coarse.safetensors")
    with pytest.raises(ValueError, match="must be a shared-unet that answers to fields"):
        model_record(configure(tmp_path, "store", "detail"), detail[1])


def test_coarse_parts_that_are_not_there(detail, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no weights file .*coarse\.safetensors"):
        model_record(configure(tmp_path, "store", "detail"), detail[1])
    unknown = {"coarse": "rough", "planes": ["absolute"]}
    with pytest.raises(ValueError, match="no model 'rough'; choose one of "):
        model_record(configure(tmp_path, "store", "detail", model=unknown), detail[1])


def test_models_of_the_translation_protocol_work(tmp_path, store):
    model = model_record(configure(tmp_path, "store", "translation"), store)
    assert type(model) is ImageModel
    assert list(model.input_scalings) == list(model.image_scalings) == list(BANDS)
    assert (model.grid, model.provenance) == (store.grid, "made up")
    assert (model.calibration, model.caveats) == (store.calibration, store.caveats)
    assert model.architecture == {
        "kind": "any-to-any",
        "widths": [4, 8],
        "head": 4,
        "deviations": True,
        "in_channels": 2 + 2 + 3,
        "out_channels": 2,
        "images": 2,
    }
    assert model.references == ("10.3847/2041-8213/ab46bb", "10.3847/2041-8213/ac0d54")

    network = build_network(**model.architecture)
    save_model(dataclasses.replace(model, state=network.state_dict()), tmp_path / "weights.safetensors")
    loaded = load_model(tmp_path / "weights.safetensors")
    images = {171: store.images(0, [171])[0]}
    for planes in loaded.outputs(loaded.run(images, torch.device("cpu"))):
        assert planes.shape == (2, *store.grid.shape)
        assert planes.unit == "DN / s"
        assert np.isfinite(planes).all()


def test_models_that_answer_to_images_know_both_orders(tmp_path):
    """The passbands that are given, and those that are made."""
    bands = (131, 171, 193, 304)
    store = make_store(tmp_path / "store", frames=manifest([2096.5]), bands=bands, caveats={131: "old", 193: "scarce"})
    data = {"inputs": [304, 131, 171], "passbands": [193]}
    model = model_record(configure(tmp_path, "store", "model-a", data=data, model={"planes": ["image"]}), store)
    assert type(model) is ImageModel
    assert not model.selective
    assert list(model.input_scalings) == [304, 131, 171]
    assert list(model.image_scalings) == list(model.calibration) == [193]
    # What there is to say against the images that are given is not said of those that are made.
    assert model.caveats == {193: "scarce"}
    assert model.architecture["in_channels"] == model.channels == 3
    assert model.architecture["out_channels"] == 1
    assert "images" not in model.architecture
    # By default, every image is scaled as in the paper.
    assert set(model.input_scalings.values()) == set(model.image_scalings.values())
    data = {"inputs": [304, 171, 193], "passbands": [193, 304, 131, 171]}
    model = model_record(configure(tmp_path, "store", "translation", data=data), store)
    assert model.architecture["images"] == 3
    assert model.architecture["in_channels"] == model.channels == 3 + 3 + 3
    assert model.architecture["out_channels"] == 4


def test_models_that_answer_to_images_need_what_the_store_has(tmp_path, store):
    data = {"inputs": [304], "passbands": [193]}
    config = configure(tmp_path, "store", "model-a", data=data, model={"planes": ["image"]})
    with pytest.raises(ValueError, match="the store has no passband 304; it has 171, 193"):
        model_record(config, store)
    scaling = {"193": {"kind": "sqrt", "low": 0.0, "high": 100.0}}
    data = {"inputs": [171], "passbands": [193]}
    config = configure(tmp_path, "store", "model-a", data=data, model={"planes": ["image"], "image_scaling": scaling})
    with pytest.raises(ValueError, match=r"passband 171 has no scaling; give model\.image_scaling\.171"):
        model_record(config, store)


def test_the_order_of_passbands_is_the_configurations(tmp_path, store):
    config = configure(tmp_path, "store", data={"passbands": [193, 171]})
    assert list(model_record(config, store).image_scalings) == [193, 171]
    config = configure(tmp_path, "store", data={"passbands": [193]})
    record = model_record(config, store)
    assert (list(record.calibration), record.architecture["out_channels"]) == ([193], 1)


def test_models_need_what_the_store_has(tmp_path, store):
    with pytest.raises(ValueError, match="the store has no passband 304; it has 171, 193"):
        model_record(configure(tmp_path, "store", data={"passbands": [193, 304]}), store)
    scaling = {"171": {"kind": "sqrt", "low": 0.0, "high": 100.0}}
    config = configure(tmp_path, "store", "model-a", model={"image_scaling": scaling})
    with pytest.raises(ValueError, match=r"passband 193 has no scaling; give model\.image_scaling\.193"):
        model_record(config, store)
    config = configure(tmp_path, "store", "model-a", model={"field_scaling": {"kind": "cubic"}})
    with pytest.raises(ValueError, match="unknown scaling 'cubic'"):
        model_record(config, store)


def test_frames_are_split_as_the_configuration_says(tmp_path, store):
    assert store.grid == GRID
    by_rotation = split_frames(configure(tmp_path, "store", split={"test": [2099], "validation": []}), store)
    assert {part: list(rows) for part, rows in by_rotation.items()} == {
        "train": [0],
        "validation": [],
        "gap": [],
        "test": [1],
    }
    # Sources that are never drawn from are none to train on.
    undrawn = configure(tmp_path, "store", split={"test": [2099], "validation": []}, data={"draws": {"toy": 0}})
    assert {part: list(rows) for part, rows in split_frames(undrawn, store).items()} == {
        "train": [],
        "validation": [],
        "gap": [],
        "test": [1],
    }
    # Sources that are not named are drawn as before.
    others = configure(tmp_path, "store", split={"test": [2099], "validation": []}, data={"draws": {"other": 0}})
    assert list(split_frames(others, store)["train"]) == [0]
    # Both are of 2010, with which the paper does nothing.
    by_date = split_frames(configure(tmp_path, "store", split={"method": "park2019"}), store)
    assert list(by_date["gap"]) == [0, 1]
