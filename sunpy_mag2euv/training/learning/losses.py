"""
What is to become small: how far synthetic images are from observed ones, in several ways.

Targets have holes: channels that a frame lacks, pixels without data, saturated pixels that are only lower limits. All
losses go around them. All are means over pixels, then over the passbands that a frame has, then over frames: because
the mean over frames comes last, processes that average their gradients learn what one with all their frames would.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from sunpy_mag2euv.metrics.spectrum import FINE_SCALES, spectrum_window, wave_numbers

if TYPE_CHECKING:
    from sunpy_mag2euv.grid import Grid

__all__ = ["absolute_error", "as_seen", "detail_error", "discordance", "structure_error", "surprise"]

#: Ends and middle of the fine scales in Mm, from large to small.
_SCALES = tuple(np.geomspace(max(FINE_SCALES.to_value("Mm")), min(FINE_SCALES.to_value("Mm")), 3))

#: Directions of waves that are told apart: along rows and columns, and along both diagonals.
_DIRECTIONS = 4

#: Standard deviation in Mm of the surroundings of a pixel, in which power is averaged: some waves of the largest scale.
_SURROUNDINGS = 80

#: Below this power, of log2 of DN/s, there is no structure: it is that of variations by some 0.1 per cent.
_FAINTEST = 2.5e-6


def absolute_error(
    predicted: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor, ceiling: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """
    Mean absolute error over what is known.

    Parameters
    ----------
    predicted, targets : `torch.Tensor`
        Scaled images, shape (batch, passbands, H, W); targets are NaN where there is no data.
    weight : `torch.Tensor`
        Of the pixels, shape (batch, H, W).
    ceiling : `torch.Tensor`
        Shape (batch, passbands): targets from there on are lower limits, and only what is below them is an error.
    spread : `torch.Tensor`
        Shape (passbands,), the unit of each passband's errors.

    Returns
    -------
    `torch.Tensor`
        Scalar.
    """
    aim, limit, share = _known(targets, weight, ceiling)
    short = aim - predicted
    error = torch.where(limit, short.clamp(min=0), short.abs())
    return _mean(_over_pixels(error, share) / spread, share)


def surprise(
    predicted: torch.Tensor,
    logarithms: torch.Tensor,
    targets: torch.Tensor,
    weight: torch.Tensor,
    ceiling: torch.Tensor,
) -> torch.Tensor:
    """
    Negative log likelihood of the targets, if they are normally distributed about the prediction.

    Lower limits are as likely as that anything is above them (Tobin 1958, Econometrica 26, 24, doi:10.2307/1907382).

    Parameters
    ----------
    predicted, logarithms : `torch.Tensor`
        Means and natural logarithms of the standard deviations, shape (batch, passbands, H, W).
    targets, weight, ceiling
        As of `absolute_error`.

    Returns
    -------
    `torch.Tensor`
        Scalar, in nats for each pixel, without the constant.
    """
    aim, limit, share = _known(targets, weight, ceiling)
    off = (aim - predicted) * (-logarithms).exp()
    nats = torch.where(limit, -torch.special.log_ndtr(-off), off.square() / 2 + logarithms)
    return _mean(_over_pixels(nats, share), share)


def discordance(
    images: torch.Tensor, observed: torch.Tensor, weight: torch.Tensor, ceiling: torch.Tensor
) -> torch.Tensor:
    """
    One minus the concordance correlation coefficient (Lin 1989, Biometrics 45, 255, doi:10.2307/2532051).

    It is large for images that do not vary with the observed ones, and for those that do, but are too bright, too faint
    or too flat: the correlation that is scored, kept from ignoring level and contrast.

    Parameters
    ----------
    images, observed : `torch.Tensor`
        In DN/s, shape (batch, passbands, H, W); ``observed`` is NaN where there is no data.
    weight : `torch.Tensor`
        Of the pixels, shape (batch, H, W); 0 for those that are not to be compared.
    ceiling : `torch.Tensor`
        In DN/s, shape (batch, passbands): both images are cut there, as where scores are computed.

    Returns
    -------
    `torch.Tensor`
        Scalar, from 0 to 2.
    """
    observed, _, share = _known(observed, weight, ceiling)
    images = torch.minimum(images, ceiling[..., None, None])
    means = [_over_pixels(image, share)[..., None, None] for image in (images, observed)]
    off = images - means[0], observed - means[1]
    together = _over_pixels(off[0] * off[1], share)
    apart = sum(_over_pixels(deviation.square(), share) for deviation in off)
    apart = apart + (means[0] - means[1])[..., 0, 0].square()
    return _mean(1 - 2 * together / apart.clamp(min=torch.finfo(apart.dtype).tiny), share)


def structure_error(
    images: torch.Tensor, observed: torch.Tensor, ceiling: torch.Tensor, grid: "Grid", wanted: float
) -> torch.Tensor:
    """
    How far the power at fine scales is from the observed, around every pixel.

    Images that are right on average over all that may be there are blurred. This asks for contrast at the scales of
    `sunpy_mag2euv.metrics.structure_ratio`, in two octaves or so, in four directions, and in every place for as much as
    there is in the observed image: otherwise a network makes stripes of one width and one direction in the one place
    where they do least harm.

    Parameters
    ----------
    images, observed, ceiling
        As of `discordance`.
    grid : Grid
        Of the images.
    wanted : float
        Ratio of powers, synthetic to observed.

    Returns
    -------
    `torch.Tensor`
        Scalar: mean square of the natural logarithm of what is missing or too much.
    """
    window = torch.from_numpy(spectrum_window(grid.radius)).to(images)
    observed, _, share = _known(observed, window.expand(len(images), -1, -1), ceiling)
    images = torch.minimum(images, ceiling[..., None, None])
    waves = torch.from_numpy(wave_numbers(grid.shape, grid.solar_radius)).to(images)
    around = torch.exp(-2 * (torch.pi * _SURROUNDINGS * waves).square())
    parts = [torch.from_numpy(part).to(images) for part in _parts(grid)]
    # Where the window is low, the limb shows in the powers.
    inside = share * (window > 0.1)
    transforms = []
    for image in (images, observed):
        values = torch.log2(image.clamp(min=0) + 1)
        transforms.append(torch.fft.fft2((values - _over_pixels(values, share)[..., None, None]) * share))
    error = 0
    for part in parts:
        powers = []
        for transform in transforms:
            passed = torch.fft.ifft2(transform * part).real
            powers.append(torch.fft.ifft2(torch.fft.fft2(passed.square()) * around).real.clamp(min=_FAINTEST))
        error = error + _over_pixels((powers[0].log() - powers[1].log() - np.log(wanted)).square(), inside)
    return _mean(error / len(parts), inside)  # type: ignore[arg-type]


def detail_error(
    detail: torch.Tensor, missing: torch.Tensor, weight: torch.Tensor, binning: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """
    Mean square error of what is added to images as detail.

    Parameters
    ----------
    detail : `torch.Tensor`
        Shape (batch, passbands, H, W).
    missing : `torch.Tensor`
        What it should be, of the same shape, NaN where that is not known.
    weight : `torch.Tensor`
        Of the pixels, shape (batch, H, W).
    binning : `torch.Tensor`
        As of `as_seen`: both are compared at that resolution.
    spread : `torch.Tensor`
        Shape (passbands,), the unit of each passband's errors.

    Returns
    -------
    `torch.Tensor`
        Scalar.
    """
    off = as_seen(missing - detail, binning)
    known = torch.isfinite(off)
    share = torch.where(known, weight[:, None], 0)
    error = torch.where(known, off, 0).square() / spread[:, None, None].square()
    return _mean(_over_pixels(error, share), share)


def as_seen(images: torch.Tensor, binning: torch.Tensor) -> torch.Tensor:
    """
    Images with the resolution of those that they are compared with.

    Parameters
    ----------
    images : `torch.Tensor`
        Shape (batch, passbands, H, W).
    binning : `torch.Tensor`
        Shape (batch,), integers: how many pixels in each direction have one value.

    Returns
    -------
    `torch.Tensor`
        Of the same shape, with the mean of each block in all of its pixels.
    """
    seen = []
    for image, block in zip(images, binning.tolist(), strict=True):
        blocks = functional.avg_pool2d(image[None], block)
        seen.append(functional.interpolate(blocks, scale_factor=block, mode="nearest")[0] if block > 1 else image)
    return torch.stack(seen)


def _parts(grid: "Grid") -> list[Any]:
    """Which elements of an image's Fourier transform belong together: arrays of bool, for each scale and direction."""
    low, middle, high = (1 / scale for scale in _SCALES)
    waves = wave_numbers(grid.shape, grid.solar_radius)
    octaves = (waves >= low) & (waves < middle), (waves >= middle) & (waves <= high)
    rows, columns = (np.fft.fftfreq(number) for number in grid.shape)
    # A wave and its opposite are one, so that directions repeat after half a turn.
    turns = np.arctan2(rows[:, None], columns) / np.pi
    direction = np.rint(turns * _DIRECTIONS) % _DIRECTIONS
    return [octave & (direction == number) for octave in octaves for number in range(_DIRECTIONS)]


def _known(targets: torch.Tensor, weight: torch.Tensor, ceiling: torch.Tensor) -> tuple:
    """Targets without NaN and cut at the ceiling, which of them are lower limits, and the weight of each pixel."""
    known = torch.isfinite(targets)
    ceiling = ceiling[..., None, None]
    aim = torch.minimum(torch.where(known, targets, 0), ceiling)
    return aim, aim >= ceiling, torch.where(known, weight[:, None], 0)


def _over_pixels(values: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Weighted mean over pixels; shape (batch, passbands)."""
    total = share.sum((-2, -1))
    return (values * share).sum((-2, -1)) / total.clamp(min=torch.finfo(total.dtype).tiny)


def _mean(values: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Mean over the passbands that a frame has, then over frames."""
    has = share.sum((-2, -1)) > 0
    return ((values * has).sum(1) / has.sum(1).clamp(min=1)).mean()
