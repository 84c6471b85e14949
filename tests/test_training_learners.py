import dataclasses
import math

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from training_store import FINE_GRID, configure, make_coarse, make_field, make_images, make_store, manifest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import FieldModel
from sunpy_mag2euv.training.data.sampling import Frames
from sunpy_mag2euv.training.data.windows import WindowDraws, answer
from sunpy_mag2euv.training.learning import learners
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.learners import Adversarial, Refinement, Regression, learner_for
from sunpy_mag2euv.training.learning.losses import (
    absolute_error,
    detail_error,
    discordance,
    structure_error,
    surprise,
)

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(
        tmp_path_factory.mktemp("learners") / "store", frames=manifest([2100.1]), grid=Grid((64, 64), 26.0)
    )


@pytest.fixture
def make_learner(tmp_path, store):
    def make(protocol="model-b", kind=Adversarial, **tables):
        network = {"levels": 5, "width": 4, "dropout": 0.0}
        tables = {"model": {"network": network}, "data": {"passbands": [193]}, "run": {"steps": 100}} | tables
        config = configure(tmp_path, "store", protocol, **tables)
        model = model_record(config, store)
        return kind(config, model, torch.ones(len(model.image_scalings))), Frames(store, [0], model)

    return make


def fit(learner, frames, steps, *callbacks, watched=None):
    """Show one pair again and again."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=steps,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(learner, DataLoader(frames, 1), watched and DataLoader(watched, 1))
    return trainer


class Losses(pl.Callback):
    def __init__(self):
        self.all = []

    def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
        self.all.append({name: value.item() for name, value in trainer.callback_metrics.items()})


class Gradients(pl.Callback):
    """Of both networks when either is about to take a step: first the adversary, then the generator."""

    def __init__(self):
        self.all = []

    def on_before_optimizer_step(self, trainer, learner, optimizer):
        self.all.append(
            [
                [None if weight.grad is None else weight.grad.clone() for weight in network.parameters()]
                for network in (learner.discriminator, learner.network)
            ]
        )


def test_the_adversary_learns(make_learner):
    torch.manual_seed(0)
    learner, frames = make_learner()
    losses = Losses()
    fit(learner, frames, 15, losses)
    adversary = [loss["adversary"] for loss in losses.all]
    # One that guesses has ln 4.
    assert adversary[0] == pytest.approx(math.log(4), abs=0.5)
    assert max(adversary[-5:]) < 0.7 * math.log(4)
    assert np.isfinite([list(loss.values()) for loss in losses.all]).all()


def test_the_losses_are_those_of_the_paper(make_learner):
    """What is logged of the first step, computed from the two networks' first weights."""
    learner, frames = make_learner()
    learner.train()
    example = batch_of(frames)
    known = torch.isfinite(example["targets"])
    with torch.no_grad():
        predicted = learner.network(example["inputs"])
        real, synthetic = (torch.where(known, image, 0) for image in (example["targets"], predicted))
        judged = [torch.sigmoid(learner.discriminator(example["inputs"], image)) for image in (real, synthetic)]
    losses = Losses()
    fit(learner, frames, 1, losses)
    (logged,) = losses.all
    assert logged["adversary"] == pytest.approx(-(judged[0].log() + (1 - judged[1]).log()).mean().item(), rel=1e-4)
    l1 = (predicted - example["targets"])[known].abs().mean().item()
    assert logged["l1"] == pytest.approx(l1, rel=1e-4)
    assert logged["loss"] == pytest.approx(logged["fooled"] + 100 * l1, rel=1e-4)


def test_the_adversary_alone_teaches_the_generator(make_learner):
    learner, frames = make_learner(loss={"l1": 0.0})
    before = [weight.detach().clone() for weight in learner.network.parameters()]
    gradients = Gradients()
    fit(learner, frames, 1, gradients)
    of_generator = gradients.all[1][1]
    # Biases before a normalisation have none in any case.
    convolutions = [number for number, weight in enumerate(before) if weight.ndim == 4]
    assert len(convolutions) == 10
    for number, weight in enumerate(learner.network.parameters()):
        if number in convolutions:
            assert of_generator[number].any()
            assert not torch.equal(weight, before[number])


def test_each_step_leaves_the_other_network_alone(make_learner):
    learner, frames = make_learner()
    gradients = Gradients()
    fit(learner, frames, 1, gradients)
    (adversary, generator_then), (adversary_then, generator) = gradients.all
    assert all(grad is None for grad in generator_then)
    assert all(grad is not None for grad in (*adversary, *generator))
    # What the generator's loss says of the adversary's weights is not even computed.
    assert all(torch.equal(one, other) for one, other in zip(adversary, adversary_then, strict=True))
    assert all(weight.requires_grad for weight in learner.parameters())


def test_what_is_not_known_of_the_real_image_gives_nothing_away(make_learner):
    learner, frames = make_learner()
    known = torch.isfinite(frames[0]["targets"])
    assert not known.all()
    seen = []
    learner.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[1].detach().clone()))
    fit(learner, frames, 1)
    real, *synthetic = seen
    assert len(synthetic) == 2
    for image in synthetic:
        assert torch.equal(image[0][~known], real[0][~known])
        assert not torch.equal(image[0][known], real[0][known])


def test_regression_learns(make_learner):
    learner, frames = make_learner("model-a", Regression, optimizer={"learning_rate": 0.01})
    losses = Losses()
    fit(learner, frames, 25, losses)
    assert losses.all[-1]["loss"] < 0.8 * losses.all[0]["loss"]


def test_seeds_decide_on_the_first_weights(make_learner):
    def weights(seed, **run):
        learner, _ = make_learner(run={"seed": seed, **run})
        return torch.cat([weight.detach().ravel() for weight in learner.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    assert weights(0, initial_spread=0.1).abs().median() > 3 * weights(0).abs().median()


@pytest.mark.parametrize(("protocol", "kind"), [("model-a", Regression), ("model-b", Adversarial)])
def test_optimizers_are_those_of_the_paper(make_learner, protocol, kind):
    learner, _ = make_learner(protocol, kind)
    made = learner.configure_optimizers()
    optimizers, schedules = made if kind is Adversarial else ([made["optimizer"]], [made["lr_scheduler"]["scheduler"]])
    assert len(optimizers) == (2 if kind is Adversarial else 1)
    for optimizer, schedule in zip(optimizers, schedules, strict=True):
        assert type(optimizer) is torch.optim.Adam
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 0)
        assert schedule.lr_lambdas[0](0) == schedule.lr_lambdas[0](499_999) == 1


def test_learning_rates_rise_and_fall(make_learner):
    learner, _ = make_learner(
        "model-a", Regression, optimizer={"name": "adamw", "warmup": 10, "decay": "cosine", "weight_decay": 0.01}
    )
    made = learner.configure_optimizers()
    assert type(made["optimizer"]) is torch.optim.AdamW
    factor = made["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == pytest.approx((1 + math.cos(math.pi * 0.09)) / 2)
    assert factor(50) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)


def test_gradients_are_clipped(make_learner):
    norms = []

    class Norms(pl.Callback):
        def on_train_batch_end(self, trainer, learner, *args):
            for network in (learner.discriminator, learner.network):
                norms.append(torch.cat([weight.grad.ravel() for weight in network.parameters()]).norm().item())

    for clip in (0.0, 0.01):
        learner, frames = make_learner(optimizer={"clip": clip})
        fit(learner, frames, 1, Norms())
    assert min(norms[:2]) > 0.02
    assert norms[2:] == pytest.approx([0.01, 0.01], rel=1e-3)


def test_what_is_dropped_out_depends_on_the_step_alone(make_learner):
    learner, _ = make_learner()

    def drawn(step, seed=0):
        learner.config["run"]["seed"] = seed
        learner.on_train_batch_start(None, step)
        return torch.rand(5)

    learner.trainer = None
    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))
    assert not torch.equal(drawn(3), drawn(3, seed=1))


# -- More than the absolute error --------------------------------------------------------------------------------------

#: All that a loss may consist of, without an adversary.
TERMS = ("l1", "surprise", "discordance", "structure")
NONE = dict.fromkeys(TERMS, 0.0)


@pytest.fixture(scope="module")
def fine_store(tmp_path_factory):
    """Two frames whose pixels resolve fine scales; of the second, one passband is saturated and the other missing."""
    grid = Grid((144, 144), 72.0)
    store = make_store(tmp_path_factory.mktemp("learners") / "fine", frames=manifest([2100.1, 2100.3]), grid=grid)
    field = make_field(1, grid)
    store.write(1, field, {193: make_images(field, grid=grid)[193]}, ceilings={193: 300.0})
    return store


@pytest.fixture
def make_shared(tmp_path, fine_store):
    def make(*, deviations=True, **loss):
        network = {"widths": [4, 8], "head": 4, "deviations": deviations}
        tables = {"run": {"steps": 10}, "optimizer": {"learning_rate": 0.01, "warmup": 0}}
        # Deviations without a likelihood are refused, but each term has to work alone.
        asked = NONE | loss | ({"surprise": 1.0} if deviations else {})
        config = configure(tmp_path, "store", model={"network": network}, loss=asked, **tables)
        config["loss"] |= NONE | loss
        model = model_record(config, fine_store)
        return Regression(config, model, torch.tensor([0.5, 2.0])), Frames(fine_store, [0, 1], model)

    return make


def batch_of(frames):
    return next(iter(DataLoader(frames, len(frames))))


def expected_terms(learner, batch, wanted):
    """Every term as it is meant, by way of NumPy where something is scaled."""
    scalings = learner.model.image_scalings.values()
    with torch.no_grad():
        output = learner.network(batch["inputs"])
    scaled, logarithms = output[:, :2], output[:, 2:]
    targets, weight, ceiling = (batch[name] for name in ("targets", "weight", "ceiling"))
    images = [
        scaling.moments(scaled[:, number].double(), logarithms[:, number].double().exp())[0]
        for number, scaling in enumerate(scalings)
    ]
    observed, top = (
        torch.stack(
            [
                torch.from_numpy(scaling.inverse(tensor[:, number].double().numpy()))
                for number, scaling in enumerate(scalings)
            ],
            dim=1,
        )
        for tensor in (targets, ceiling)
    )
    top[ceiling.isinf()] = math.inf
    images, grid = torch.stack(images, dim=1), learner.model.grid
    disk = weight * torch.from_numpy(grid.radius < 1)
    return {
        "l1": absolute_error(scaled, targets, weight, ceiling, torch.tensor([0.5, 2.0])).item(),
        "surprise": surprise(scaled, logarithms, targets, weight, ceiling).item(),
        "discordance": discordance(images, observed, disk, top).item(),
        "structure": structure_error(images, observed, top, grid, wanted).item(),
    }


def test_the_loss_is_the_weighted_sum_of_its_terms(make_shared):
    weights = {"l1": 2.0, "surprise": 0.5, "discordance": 3.0, "structure": 0.25}
    learner, frames = make_shared(**weights, structure_wanted=0.9)
    assert frames[1]["ceiling"].isfinite().tolist() == [False, True]
    first = torch.utils.data.Subset(frames, [1])
    expected = expected_terms(learner, batch_of(first), 0.9)
    assert min(np.abs(list(expected.values()))) > 0.01
    losses = Losses()
    fit(learner, first, 1, losses)
    (logged,) = losses.all
    assert logged.keys() == {"loss", *TERMS}
    assert {name: logged[name] for name in TERMS} == pytest.approx(expected, rel=1e-3)
    assert logged["loss"] == pytest.approx(sum(weights[name] * expected[name] for name in TERMS), rel=1e-3)


@pytest.mark.parametrize("term", TERMS)
def test_terms_without_weight_are_not_computed(make_shared, monkeypatch, term):
    for name, other in zip(TERMS, ("absolute_error", "surprise", "discordance", "structure_error"), strict=True):
        if name != term:
            monkeypatch.setattr(learners, other, lambda *_, other=other: pytest.fail(f"{other} was computed"))
    if term in ("l1", "surprise"):
        monkeypatch.setattr(FieldModel, "moments", lambda *_: pytest.fail("images in DN/s were computed"))
    learner, frames = make_shared(**{term: 2.0})
    losses = Losses()
    fit(learner, torch.utils.data.Subset(frames, [0]), 1, losses)
    # One term is the loss, and needs no name of its own.
    assert losses.all[0].keys() == {"loss"}


@pytest.mark.parametrize(
    ("term", "deviations"),
    # Without deviations, there is no likelihood.
    [(term, deviations) for term in TERMS for deviations in (False, True) if deviations or term != "surprise"],
)
def test_every_term_teaches_the_whole_network(make_shared, term, deviations):
    learner, frames = make_shared(deviations=deviations, **{term: 1.0})
    batch = batch_of(frames)
    output = learner.network(batch["inputs"])
    output.retain_grad()
    (loss,) = learner._terms(output, batch).values()
    loss.backward()
    for name, weight in learner.network.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name
    assert output.grad.isfinite().all()
    # Both passbands of the first frame, and of the second what there is.
    known = torch.isfinite(batch["targets"])
    assert known.any(dim=(2, 3)).tolist() == [[True, True], [False, True]]
    reached = output.grad.unflatten(1, (1 + deviations, 2))
    assert reached[:, 0].any(dim=3).any(dim=2).tolist() == [[True, True], [False, True]]
    assert not reached[:, 0][~known].any()
    if deviations:
        # Means in DN/s depend on the deviations as well, where the scaling is curved.
        expected = [[term != "l1"] * 2, [False, term != "l1"]]
        assert reached[:, 1].any(dim=3).any(dim=2).tolist() == expected
        assert not reached[:, 1][~known].any()


def test_discordance_is_of_the_disk(make_shared):
    learner, frames = make_shared(discordance=1.0)
    batch = batch_of(frames)
    output = learner.network(batch["inputs"])
    (gradient,) = torch.autograd.grad(learner._terms(output, batch)["discordance"], output)
    assert gradient[..., learner.disk].any()
    assert not gradient[..., ~learner.disk].any()


def test_structure_needs_pixels_that_resolve_it(make_shared):
    learner, _ = make_shared(structure=1.0)
    model = dataclasses.replace(learner.model, grid=Grid((144, 144), 69.0))
    with pytest.raises(ValueError, match=r"loss\.structure needs pixels of at most 10 Mm; those of Grid"):
        Regression(learner.config, model, torch.tensor([0.5, 2.0]))


def test_networks_with_deviations_train_and_are_watched(make_shared):
    learner, frames = make_shared(surprise=1.0, discordance=1.0)
    losses = Losses()
    one = torch.utils.data.Subset(frames, [0])
    trainer = fit(learner, one, 12, losses, watched=one)
    assert all(np.isfinite(list(loss.values())).all() for loss in losses.all)
    assert losses.all[-1]["loss"] < losses.all[0]["loss"] - 0.1
    # It is the images that are watched, not their deviations.
    with torch.no_grad():
        images = learner.network(frames[0]["inputs"][None])[0, :2]
    for band, image, target in zip((171, 193), images, frames[0]["targets"], strict=True):
        known = learner.disk & target.isfinite()
        expected = np.corrcoef(image[known], target[known])[0, 1]
        assert trainer.callback_metrics[f"cc_{band:04}"].item() == pytest.approx(expected, abs=1e-4)


# -- Detail ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refined(tmp_path_factory):
    """A configuration, its model, the store and windows of three frames: the last is of larger pixels."""
    directory = tmp_path_factory.mktemp("refined")
    make_coarse(directory / "coarse.safetensors")
    frames = manifest([2100.1, 2100.3, 2100.5])
    frames["binning"] = [1, 1, 2]
    store = make_store(directory / "store", frames=frames, grid=FINE_GRID)
    field = make_field(1, FINE_GRID)
    store.write(1, field, {193: make_images(field, grid=FINE_GRID)[193]}, ceilings={193: 300.0})
    tables = {"network": {"widths": [4, 8], "head": 4, "dropout": 0.0}}
    optimizer = {"learning_rate": 0.01, "warmup": 0, "averaging": 0.0}
    config = configure(directory, store, "detail", model=tables, optimizer=optimizer, run={"steps": 50})
    model = model_record(config, store)
    answers = answer(store, range(3), model, config["loss"]["detail_scale"])

    def windows(row, count=4):
        draws = {"draws": {}, "evenness": 0, "seed": 0, "numbers": range(count)}
        return WindowDraws(answers, store, [row], model, augmentation=config["augmentation"], **draws)

    return config, model, store, windows


@pytest.fixture
def refine(refined):
    """A function that makes a learner, whose terms are handed out as they are."""

    def refine(**loss):
        config, model, *_ = refined
        config = {**config, "loss": {**config["loss"], **loss}}
        learner = Refinement(config, model, torch.tensor([0.5, 2.0]))
        # Something is read from every feature.
        torch.nn.init.normal_(learner.network.detail.read.weight, 0, 0.1)
        learner._total = lambda terms, batch: terms
        return learner

    return refine


def of_images(gradient):
    """The part of what is read that is added to the images, and the part that is added to their deviations."""
    return gradient.unflatten(0, (2, 2))


def test_learners_are_those_that_protocols_ask_for(refined, make_learner, make_shared):
    config, model, *_ = refined
    assert type(learner_for(config, model, torch.ones(2))) is Refinement
    for learner, kind in ((make_learner()[0], Adversarial), (make_shared(l1=1.0)[0], Regression)):
        assert type(learner_for(learner.config, learner.model, torch.ones(2))) is kind


def test_detail_is_learnt_beside_a_coarse_part_that_knows_already(refined):
    config, model, *_ = refined
    learner = Refinement(config, model, torch.ones(2))
    state = learner.network.state_dict()
    assert model.state.keys() == {name for name in state if name.startswith("coarse.")}
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state.items())
    # Seeds decide on the rest.
    again = Refinement(config, model, torch.ones(2)).network.state_dict()
    other = Refinement({**config, "run": {**config["run"], "seed": 1}}, model, torch.ones(2)).network.state_dict()
    assert all(torch.equal(again[name], state[name]) for name in state)
    assert all(torch.equal(other[name], state[name]) for name in model.state)
    assert not torch.equal(other["detail.enter.weight"], state["detail.enter.weight"])
    assert not state["detail.read.weight"].any()


def test_the_loss_of_detail_is_the_weighted_sum_of_its_terms(refined, refine):
    *_, windows = refined
    learner = refine(detail=2.0, surprise=0.5)
    batch = batch_of(windows(0))
    terms = learner.training_step(batch)
    with torch.no_grad():
        added = learner.network.refine(batch["planes"], batch["coarse"])
    images, logarithms = batch["coarse"][:, :2] + added[:, :2], batch["coarse"][:, 2:] + added[:, 2:]
    known = batch["targets"], batch["weight"], batch["ceiling"]
    expected = {
        "detail": detail_error(
            added[:, :2], batch["missing"], batch["weight"], torch.ones(4, dtype=int), torch.tensor([0.5, 2.0])
        ),
        "surprise": surprise(images, logarithms.clamp(-5.5, -0.5), *known),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {name: term.item() for name, term in expected.items()}, rel=1e-5
    )
    del learner._total
    losses = Losses()
    fit(learner, windows(0, 1), 1, losses)
    logged = losses.all[0]
    assert logged.keys() == {"loss", "detail", "surprise"}
    assert logged["loss"] == pytest.approx(2 * logged["detail"] + 0.5 * logged["surprise"], rel=1e-5)


def test_without_a_weight_there_is_no_surprise(refined, refine):
    *_, windows = refined
    assert refine(surprise=0.0).training_step(batch_of(windows(0))).keys() == {"detail"}


def test_deviations_do_not_move_the_images(refined, refine):
    """Each of the two is learnt by a term of its own; and the coarse part by none."""
    *_, windows = refined
    for row in (0, 1):
        for term, images, deviations in (("detail", True, False), ("surprise", False, True)):
            learner = refine()
            learner.training_step(batch_of(windows(row)))[term].backward()
            read = learner.network.detail.read
            for gradient in (read.weight.grad, read.bias.grad):
                of_image, of_deviation = of_images(gradient)
                # The second frame has no image of the first passband.
                assert [bool(part.any()) for part in of_image] == [images and row == 0, images]
                assert [bool(part.any()) for part in of_deviation] == [deviations and row == 0, deviations]
            for name, weight in learner.network.detail.named_parameters():
                assert weight.grad.isfinite().all(), name
                assert weight.grad.any(), name
            assert all(weight.grad is None for weight in learner.network.coarse.parameters())


def test_frames_of_larger_pixels_have_no_part_in_surprise(refined, refine):
    *_, windows = refined
    learner = refine()
    large = batch_of(windows(2))
    assert large["binning"].tolist() == [2] * 4
    terms = learner.training_step(large)
    assert terms["surprise"].item() == 0
    assert terms["detail"].item() > 0
    both = batch_of(torch.utils.data.ConcatDataset([windows(0), windows(2)]))
    assert both["binning"].tolist() == [1] * 4 + [2] * 4
    term = learner.training_step(both)["surprise"]
    # Half of the frames have something to say.
    assert term.item() == pytest.approx(learner.training_step(batch_of(windows(0)))["surprise"].item() / 2, rel=1e-5)
    both["targets"][4:] += 1
    assert learner.training_step(both)["surprise"].item() == term.item()
    both["targets"][:4] += 1
    assert learner.training_step(both)["surprise"].item() > term.item()


def test_detail_of_larger_pixels_is_that_of_their_means(refined, refine):
    *_, windows = refined
    learner, batch = refine(), batch_of(windows(2))
    added = learner.network.refine(batch["planes"], batch["coarse"])[:, :2]
    missing = batch["missing"].unflatten(2, (16, 2)).unflatten(4, (16, 2)).mean(dim=(3, 5))
    means = added.unflatten(2, (16, 2)).unflatten(4, (16, 2)).mean(dim=(3, 5))
    weight, spread = torch.ones(4, 16, 16), torch.tensor([0.5, 2.0])
    expected = detail_error(means, missing, weight, torch.ones(4, dtype=int), spread).item()
    assert learner.training_step(batch)["detail"].item() == pytest.approx(expected, rel=1e-4)


def test_steps_change_the_detail_and_leave_the_coarse_part_alone(refined):
    config, model, store, windows = refined
    learner = Refinement(config, model, torch.tensor([0.5, 2.0]))
    before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    losses = Losses()
    trainer = fit(
        learner, windows(0, 1), 15, losses, watched=torch.utils.data.Subset(Frames(store, [0, 1], model), [0])
    )
    for name, tensor in learner.network.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("coarse."), name
    optimized = {id(weight) for group in trainer.optimizers[0].param_groups for weight in group["params"]}
    assert optimized == {id(weight) for weight in learner.network.detail.parameters()}
    assert losses.all[-1]["detail"] < 0.9 * losses.all[0]["detail"]
    assert losses.all[-1]["surprise"] < losses.all[0]["surprise"]
    # Watched is the whole frame, with its coarse part.
    assert -1 <= trainer.callback_metrics["cc_0193"].item() <= 1
