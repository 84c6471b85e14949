"""
How a network learns: one Lightning module for Model A and the coarse packaged weights, one for Model B, and one for
the detail of networks of two scales.
"""

import math
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from sunpy_mag2euv.metrics.spectrum import fine_scales
from sunpy_mag2euv.network import build_network, initialize
from sunpy_mag2euv.training.learning.discriminator import Discriminator
from sunpy_mag2euv.training.learning.losses import (
    absolute_error,
    detail_error,
    discordance,
    structure_error,
    surprise,
)

if TYPE_CHECKING:
    from torch import nn

    from sunpy_mag2euv.models import Model

__all__ = ["Adversarial", "Refinement", "Regression", "learner_for"]


def learner_for(config: dict[Any, Any], model: "Model", spread: torch.Tensor) -> pl.LightningModule:
    """
    The learner that a configuration asks for.

    Parameters
    ----------
    config : dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returns it.
    model : Model
    spread : `torch.Tensor`
        See `~sunpy_mag2euv.training.learning.losses.absolute_error`.

    Returns
    -------
    `lightning.pytorch.LightningModule`
    """
    if config["loss"]["adversarial"]:
        return Adversarial(config, model, spread)
    if config["model"]["network"]["kind"] == "two-scale":
        return Refinement(config, model, spread)
    return Regression(config, model, spread)


class _Learner(pl.LightningModule):
    """What both have: the network, its first weights, its optimiser, and a look at watched frames."""

    # Of what belongs to a module torch knows no more than that it does.
    network: Any
    model: Any
    spread: torch.Tensor
    disk: torch.Tensor

    def __init__(self, config: dict[str, Any], model: "Model", spread: torch.Tensor) -> None:
        super().__init__()
        self.config = config
        self.model = model
        self.passbands = list(model.image_scalings)
        torch.manual_seed(config["run"]["seed"])
        self.network = build_network(**model.architecture)
        if config["run"]["initial_spread"]:
            initialize(self.network, config["run"]["initial_spread"])
        self.register_buffer("spread", spread)
        self.register_buffer("disk", torch.from_numpy(model.grid.radius < 1), persistent=False)

    def _optimizer(self, network: "nn.Module") -> Any:
        settings = self.config["optimizer"]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["name"]]
        return kind(
            [parameter for parameter in network.parameters() if parameter.requires_grad],
            lr=settings["learning_rate"],
            betas=tuple(settings["betas"]),
            weight_decay=settings["weight_decay"],
        )

    def _schedule(self, optimizer: Any) -> Any:
        settings, steps = self.config["optimizer"], self.config["run"]["steps"]

        def factor(step: int) -> float:
            rise = min(1, (step + 1) / settings["warmup"]) if settings["warmup"] else 1
            return rise * ((1 + math.cos(math.pi * step / steps)) / 2 if settings["decay"] == "cosine" else 1)

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: Any) -> None:
        """Seed what networks draw, dropout, by the step, so that a resumed run draws what an unbroken one would."""
        step = self.current_epoch * self.config["run"]["epoch"] + batch_idx
        torch.manual_seed(hash((self.config["run"]["seed"], step, self.global_rank)) % 2**63)

    def _error(self, predicted: Any, batch: dict[str, Any]) -> torch.Tensor:
        return absolute_error(predicted, batch["targets"], batch["weight"], batch["ceiling"], self.spread)

    def validation_step(self, batch: dict[str, Any]) -> None:
        """Correlation on the disk, in the scaled values: to watch, never to report."""
        predicted, targets = self.network(batch["inputs"])[0], batch["targets"][0]
        # After the images, there may be planes with their deviations.
        for band, image, target in zip(self.passbands, predicted, targets, strict=False):
            known = self.disk & torch.isfinite(target)
            there = bool(known.sum() > 1)
            pair = torch.stack([image[known].float(), target[known]])
            score = torch.corrcoef(pair)[0, 1] if there else image.new_zeros(())
            # Processes wait for each other with every number, so what is not there is logged too, with no weight.
            self.log(f"cc_{band:04}", score, batch_size=int(there), sync_dist=True)


class Regression(_Learner):
    """
    Learning from the images alone: Model A of Park et al. 2019, whose loss is the absolute error, and the packaged
    default, which has more to say.

    Parameters
    ----------
    config : dict
    model : Model
    spread : `torch.Tensor`
        See `~sunpy_mag2euv.training.learning.losses.absolute_error`.

    Raises
    ------
    ValueError
        If structure is asked for at scales that the model's grid does not resolve.
    """

    def __init__(self, config: dict[str, Any], model: "Model", spread: torch.Tensor) -> None:
        super().__init__(config, model, spread)
        grid = model.grid
        if config["loss"]["structure"] and not fine_scales(grid.shape, grid.solar_radius).any():
            raise ValueError(f"loss.structure needs pixels of at most 10 Mm; those of {grid} are larger")

    def configure_optimizers(self) -> Any:
        """The optimiser and its schedule, for Lightning."""
        optimizer = self._optimizer(self.network)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._schedule(optimizer), "interval": "step"},
        }

    def training_step(self, batch: dict[str, Any]) -> torch.Tensor:
        """The loss of a batch, for Lightning."""
        # In full precision, whatever the network works in: the losses take squares and exponentials.
        return self._total(self._terms(self.network(batch["inputs"]).float(), batch), batch)

    def _total(self, terms: dict[str, torch.Tensor], batch: dict[str, Any]) -> torch.Tensor:
        """The weighted sum of the terms, which are logged."""
        loss = sum(self.config["loss"][name] * term for name, term in terms.items())
        logged = {"loss": loss, **(terms if len(terms) > 1 else {})}
        self.log_dict(logged, prog_bar=True, sync_dist=True, batch_size=len(batch["weight"]))
        return loss

    def _terms(self, output: torch.Tensor, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The terms of the loss that have a weight, by name."""
        settings, terms = self.config["loss"], {}
        if settings["l1"]:
            terms["l1"] = self._error(output[:, : len(self.passbands)], batch)
        if settings["surprise"]:
            known = (batch[name] for name in ("targets", "weight", "ceiling"))
            terms["surprise"] = surprise(*output.chunk(2, dim=1), *known)
        if settings["discordance"] or settings["structure"]:
            terms |= self._terms_of_intensity(output, batch)
        return terms

    def _terms_of_intensity(self, output: torch.Tensor, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Those that compare images in DN/s."""
        settings, terms = self.config["loss"], {}
        images, _ = self.model.moments(output)
        observed, _ = self.model.moments(batch["targets"])
        ceiling = batch["ceiling"][..., None, None]
        top = self.model.moments(ceiling)[0].where(ceiling.isfinite(), ceiling)[..., 0, 0]
        if settings["discordance"]:
            terms["discordance"] = discordance(images, observed, batch["weight"] * self.disk, top)
        if settings["structure"]:
            terms["structure"] = structure_error(images, observed, top, self.model.grid, settings["structure_wanted"])
        return terms


class Refinement(Regression):
    """
    Learning the detail of a network of two scales, whose coarse part is left as it is.

    Detail is learnt by its squared error: what cannot be known of it then comes out as its mean, which is nothing. The
    deviations are learnt from how far the images are off, but the images not from the deviations, which would let a
    network learn most where it happens to know its few days by heart.

    Parameters
    ----------
    config, model, spread
        As of `Regression`; the model's state holds the weights of the coarse part.
    """

    def __init__(self, config: dict[str, Any], model: "Model", spread: torch.Tensor) -> None:
        super().__init__(config, model, spread)
        self.network.load_state_dict(model.state, strict=False)
        self.network.coarse.requires_grad_(False)

    def training_step(self, batch: dict[str, Any]) -> torch.Tensor:
        """The loss of a batch of windows, for Lightning."""
        settings, binning = self.config["loss"], batch["binning"]
        detail = self.network.refine(batch["planes"], batch["coarse"]).float()
        images, logarithms, _ = self.network.together(batch["coarse"], detail).chunk(3, dim=1)
        added, _ = detail.chunk(2, dim=1)
        terms = {"detail": detail_error(added, batch["missing"], batch["weight"], binning, self.spread)}
        if settings["surprise"]:
            # How far pixels are off does not follow from how far their means are.
            weight = batch["weight"] * (binning == 1)[:, None, None]
            terms["surprise"] = surprise(images.detach(), logarithms, batch["targets"], weight, batch["ceiling"])
        return self._total(terms, batch)


class Adversarial(_Learner):
    """
    Learning by absolute error and by an adversary that judges patches: Model B of Park et al. 2019.

    The generator's loss is ``adversarial * -log D(x, G(x)) + l1 * |y - G(x)|``, the adversary's
    ``-log D(x, y) - log(1 - D(x, G(x)))``, which is ln 4 for one that guesses.

    Parameters
    ----------
    config, model, spread
        As of `Regression`.
    """

    def __init__(self, config: dict[str, Any], model: "Model", spread: torch.Tensor) -> None:
        super().__init__(config, model, spread)
        # Two networks take turns, which Lightning leaves to the module.
        self.automatic_optimization = False
        self.discriminator = Discriminator(
            model.channels + len(self.passbands), stride2_layers=config["loss"]["stride2_layers"]
        )
        if config["run"]["initial_spread"]:
            initialize(self.discriminator, config["run"]["initial_spread"])

    def configure_optimizers(self) -> tuple:
        """Both optimisers and their schedules, for Lightning."""
        optimizers = [self._optimizer(self.network), self._optimizer(self.discriminator)]
        return optimizers, [self._schedule(optimizer) for optimizer in optimizers]

    def training_step(self, batch: dict[str, Any]) -> None:
        """One step of the adversary, then one of the generator."""
        of_generator, of_adversary = self.optimizers()  # type: ignore[attr-defined]
        inputs, known = batch["inputs"], torch.isfinite(batch["targets"])
        # What is not known of the real image must not give away the synthetic one.
        real = torch.where(known, batch["targets"], 0)
        predicted = self.network(inputs)
        synthetic = torch.where(known, predicted, 0)

        self.toggle_optimizer(of_adversary)
        judged_real, judged_synthetic = (self.discriminator(inputs, image) for image in (real, synthetic.detach()))
        loss_adversary = _says(judged_real, True) + _says(judged_synthetic, False)
        self._step(of_adversary, loss_adversary)
        self.untoggle_optimizer(of_adversary)

        self.toggle_optimizer(of_generator)
        error = self._error(predicted, batch)
        fooled = _says(self.discriminator(inputs, synthetic), True)
        settings = self.config["loss"]
        loss = settings["adversarial"] * fooled + settings["l1"] * error
        self._step(of_generator, loss)
        self.untoggle_optimizer(of_generator)

        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()
        logged = {"loss": loss, "l1": error, "fooled": fooled, "adversary": loss_adversary}
        self.log_dict(logged, prog_bar=True, sync_dist=True, batch_size=len(inputs))

    def _step(self, optimizer: Any, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if clip := self.config["optimizer"]["clip"]:
            self.clip_gradients(optimizer, gradient_clip_val=clip, gradient_clip_algorithm="norm")
        optimizer.step()


def _says(judged: torch.Tensor, real: bool) -> torch.Tensor:
    return binary_cross_entropy_with_logits(judged, torch.full_like(judged, float(real)))
