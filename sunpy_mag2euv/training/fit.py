"""
Train the default network on the browse archives: ``python -m sunpy_mag2euv.training.fit DATA WEIGHTS``.

The loss is the absolute error (Model A of Park et al. 2019) in the stretch of each passband, where noise is even,
averaged with `~sunpy_mag2euv.training.browse.staleness_weight`, summed over the passbands that a frame has. What is
known by symmetry is taught by augmentation: the Sun's mirror images are Suns too, and emission does not know polarity.
"""

import argparse
import copy
import dataclasses
import logging
import math
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from sunpy_mag2euv.models import DEFAULT_MODEL, Model, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.scaling import AsinhScaling
from sunpy_mag2euv.training.browse import GRID, STRETCHES, load_browse, split_rotations, staleness_weight

__all__ = ["default_record", "fit"]

log = logging.getLogger(__name__)

#: How often a frame of these archives is drawn compared with the others: they alone have the rare passbands.
DRAWS = {"full_sets_2015": 8, "same_time_2023": 8}

_SCARCE = (
    "the weights rest on {count} training images of this passband, of uncertain brightness: "
    "structure and level of the result are illustrative"
)


def default_record(counts):
    """
    Everything about the packaged model but its weights.

    Parameters
    ----------
    counts : dict
        Images of each passband that it is trained on.

    Returns
    -------
    Model
    """
    epochs = {94: "2012", 131: "2012", 171: "2012", 193: "2011 February-March", 304: "2011 February-March"}
    return Model(
        name=DEFAULT_MODEL,
        description="All nine passbands from one network, learnt from browse images and synoptic magnetograms",
        architecture={
            "kind": "shared-unet",
            "in_channels": 4,
            "out_channels": 9,
            "widths": [40, 80, 120, 160, 200],
            "head": 16,
        },
        grid=GRID,
        planes=("absolute", "signed", "mu", "radius"),
        field_scaling=AsinhScaling(-3000.0, 3000.0, knee=10.0),
        image_scalings=STRETCHES,
        unpolarized=True,
        valid_radius=1.25,
        calibration={
            band: f"sensitivity as in {epochs[band]}, not corrected for degradation"
            if band in epochs
            else "level uncertain: 2015 and 2023 browse images brightened by unknown amounts"
            for band in STRETCHES
        },
        provenance=(
            "8-bit SDO browse images (JPEG, 4.8 arcsec) and HMI synoptic charts of radial field seen from Earth, "
            "2010-2012, 2015 and 2023; not the 8544 simultaneous pairs of Park et al. 2019"
        ),
        caveats={band: _SCARCE.format(count=count) for band, count in counts.items() if count < 10},
        references=("10.3847/2041-8213/ab46bb", "10.3847/2041-8213/ac0d54"),
    )


def _augmented(field, target, rng):
    """A mirror image, another polarity, and the noise, gain and clipping of other magnetograms."""
    field = field.astype(np.float32)
    if rng.random() < 0.5:
        field, target = field[:, ::-1], target[..., ::-1]
    if rng.random() < 0.5:
        field, target = field[::-1], target[..., ::-1, :]
    if rng.random() < 0.5:
        field = -field
    field = field * np.exp(rng.normal(0, 0.1))
    field = field + rng.normal(0, rng.uniform(0, 4), field.shape)
    if rng.random() < 0.1:
        limit = rng.uniform(140, 1000)
        field = np.clip(field, -limit, limit)
    return np.where(GRID.radius < 1, field, 0), target


def _loss(predicted, target, saturation, weight, spread):
    """Weighted absolute error, in units of each passband's own spread; saturated pixels are lower limits."""
    known = torch.isfinite(target)
    saturated = target >= saturation[:, :, None, None]
    aim = torch.minimum(torch.where(known, target, 0), saturation[:, :, None, None])
    error = torch.where(saturated, (aim - predicted).clamp(min=0), (aim - predicted).abs())
    weight = torch.where(known, weight, 0)
    mean = (error * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1)
    return (mean / spread).sum(1).mean()


def _spread(data, frames):
    """Mean absolute deviation of each passband's scaled values on the disk; shape (9,)."""
    disk = GRID.radius < 1
    spreads = []
    for passband in STRETCHES:
        values = data.images[passband][np.isin(data.index[passband], frames)][:, disk].astype(np.float32)
        spreads.append(np.nanmean(np.abs(values - np.nanmedian(values))))
    return torch.tensor(spreads, dtype=torch.float32)


@torch.no_grad()
def _watch(network, model, data, frames):
    """Mean correlation on the disk, by passband, over some frames of the gap: to watch, never to report."""
    disk = GRID.radius < 1
    scores = {}
    for frame in frames:
        predicted = network(model.inputs(data.field[frame].astype(np.float32))[None])[0].numpy()
        for passband, image, target in zip(STRETCHES, predicted, data.target(frame), strict=True):
            if np.isfinite(target[disk]).all():
                scores.setdefault(passband, []).append(np.corrcoef(image[disk], target[disk])[0, 1])
    return {passband: round(float(np.mean(values)), 3) for passband, values in scores.items()}


def fit(directory, weights, *, steps=1300, batch=4, learning_rate=1e-3, seed=0, every=100):
    """
    Train, and write the weights file.

    A checkpoint beside the weights file is written every so often; running the same command again goes on from it, or,
    once it holds the last step, writes the weights file from it.

    Parameters
    ----------
    directory : path-like
        The archives, see `~sunpy_mag2euv.training.browse.load_browse`.
    weights : path-like
        The safetensors file to write.
    steps, batch : int
        Optimiser steps, and frames in each.
    learning_rate : float
        At its highest; it rises over the first hundred steps and falls with a cosine.
    seed : int
        Of the initial weights, the order of frames and the augmentation.
    every : int
        Steps between checkpoints.

    Returns
    -------
    Model
    """
    weights = Path(weights)
    weights.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = weights.with_suffix(".checkpoint")
    data = load_browse(directory)
    split = split_rotations(data.archive, data.rotation)
    train, watched = split["train"], split["gap"][::8]
    model = default_record({band: int(np.isin(data.index[band], train).sum()) for band in STRETCHES})
    draws = np.array([DRAWS.get(name, 1) for name in data.archive[train]], dtype=float)
    spread = _spread(data, train)
    weight = torch.from_numpy(staleness_weight())

    torch.manual_seed(seed)
    network = build_network(**model.architecture)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 100) * (1 + math.cos(math.pi * step / steps)) / 2
    )
    first = 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        for part, state in zip((network, average, optimizer, schedule), saved["states"], strict=True):
            part.load_state_dict(state)
        first = saved["step"]
        log.info("going on from step %d", first)

    progress = tqdm(range(first, steps), initial=first, total=steps, unit="step")
    for step in progress:
        # A generator for every step, so that a resumed run draws what an unbroken one would have drawn.
        rng = np.random.default_rng([seed, step])
        frames = rng.choice(train, batch, p=draws / draws.sum())
        pairs = [_augmented(data.field[frame], data.target(frame), rng) for frame in frames]
        inputs = torch.stack([model.inputs(field) for field, _ in pairs])
        targets = torch.from_numpy(np.stack([target for _, target in pairs]))
        saturation = torch.from_numpy(np.stack([data.saturation(frame) for frame in frames]))

        loss = _loss(network(inputs), targets, saturation, weight, spread)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        decay = min(0.995, (step + 1) / (step + 10))
        with torch.no_grad():
            for kept, parameter in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(parameter, 1 - decay)
        progress.set_postfix(loss=f"{loss.item():.3f}")

        if (step + 1) % every == 0 or step + 1 == steps:
            states = [part.state_dict() for part in (network, average, optimizer, schedule)]
            partial = checkpoint.with_suffix(".part")
            torch.save({"step": step + 1, "states": states}, partial)
            partial.replace(checkpoint)
            log.info("step %d, loss %.3f, gap %s", step + 1, loss.item(), _watch(average, model, data, watched))

    model = dataclasses.replace(model, state=average.state_dict())
    model = dataclasses.replace(model, sha256=save_model(model, weights))
    log.info("sha256 %s", model.sha256)
    return model


def main():
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m sunpy_mag2euv.training.fit", description=__doc__.splitlines()[1])
    parser.add_argument("data", help="directory of the browse archives")
    parser.add_argument("weights", help="safetensors file to write")
    parser.add_argument("--steps", type=int, default=1300)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads (all, unless given)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    fit(arguments.data, arguments.weights, steps=arguments.steps, batch=arguments.batch, seed=arguments.seed)


if __name__ == "__main__":
    main()
