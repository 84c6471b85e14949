import math

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from training_store import configure, make_store, manifest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.training.config import model_record
from sunpy_mag2euv.training.learners import Adversarial, Regression, absolute_error
from sunpy_mag2euv.training.sampling import Frames

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
]

NAN, INF = math.nan, math.inf


# -- Absolute error ----------------------------------------------------------------------------------------------------


def error(predicted, targets, *, weight=None, ceiling=None, spread=None):
    """Of frames given as nested lists (frame, passband, pixel)."""
    predicted, targets = (torch.tensor(values)[:, :, None] for values in (predicted, targets))
    frames, bands, _, pixels = targets.shape
    weight = torch.ones(frames, 1, pixels) if weight is None else torch.tensor(weight)[:, None]
    ceiling = torch.full((frames, bands), INF) if ceiling is None else torch.tensor(ceiling)
    spread = torch.ones(bands) if spread is None else torch.tensor(spread)
    return absolute_error(predicted, targets, weight, ceiling, spread).item()


def test_error_is_the_mean_over_pixels():
    assert error([[[1.0, 2.0, 3.0]]], [[[0.5, 4.0, 3.0]]]) == pytest.approx(2.5 / 3)


def test_pixels_without_data_do_not_count():
    assert error([[[1.0, 9.0, 3.0]]], [[[0.5, NAN, 4.0]]]) == pytest.approx(1.5 / 2)


def test_pixels_count_by_their_weight():
    assert error([[[1.0, 2.0]]], [[[0.0, 0.0]]], weight=[[3.0, 1.0]]) == pytest.approx(5 / 4)
    # That of pixels without data is not lost to the others.
    assert error([[[1.0, 2.0]]], [[[NAN, 0.0]]], weight=[[3.0, 1.0]]) == pytest.approx(2)


def test_from_the_ceiling_on_targets_are_lower_limits():
    def at(predicted, target):
        return error([[[predicted]]], [[[target]]], ceiling=[[0.4]])

    assert at(0.1, 0.8) == pytest.approx(0.3)
    assert at(0.4, 0.8) == at(0.9, 0.8) == at(5.0, 0.4) == 0
    # Below it they are what was observed.
    assert at(0.9, 0.2) == pytest.approx(0.7)
    assert at(0.1, 0.2) == pytest.approx(0.1)


def test_passbands_count_alike_in_units_of_their_spread():
    predicted, targets = [[[1.0, 1.0], [3.0, 3.0]]], [[[0.0, NAN], [0.0, 0.0]]]
    assert error(predicted, targets) == pytest.approx((1 + 3) / 2)
    assert error(predicted, targets, spread=[0.5, 2.0]) == pytest.approx((1 / 0.5 + 3 / 2) / 2)


def test_passbands_that_a_frame_lacks_do_not_count():
    assert error([[[1.0], [3.0]]], [[[NAN], [0.0]]]) == pytest.approx(3)
    assert error([[[1.0], [3.0]]], [[[NAN], [NAN]]]) == 0


def test_frames_count_alike_whatever_they_lack():
    predicted = [[[1.0], [3.0]], [[5.0], [7.0]]]
    assert error(predicted, [[[0.0], [0.0]], [[NAN], [0.0]]]) == pytest.approx(((1 + 3) / 2 + 7) / 2)
    # So two processes with one of the frames each have on average the error of one with both.
    alone = [error(predicted[:1], [[[0.0], [0.0]]]), error(predicted[1:], [[[NAN], [0.0]]])]
    assert error(predicted, [[[0.0], [0.0]], [[NAN], [0.0]]]) == pytest.approx(np.mean(alone))


def test_what_is_unknown_has_no_gradient():
    predicted = torch.zeros(1, 2, 1, 3, requires_grad=True)
    targets = torch.tensor([[[[1.0, NAN, 1.0]], [[NAN, NAN, NAN]]]])
    absolute_error(predicted, targets, torch.ones(1, 1, 3), torch.full((1, 2), INF), torch.ones(2)).backward()
    np.testing.assert_allclose(predicted.grad[0, :, 0], [[-0.5, 0, -0.5], [0, 0, 0]])


# -- Learners ----------------------------------------------------------------------------------------------------------


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


def fit(learner, frames, steps, *callbacks):
    """Show one pair again and again."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=steps,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(learner, DataLoader(frames, 1))
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
    example = {name: tensor[None] for name, tensor in frames[0].items()}
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
