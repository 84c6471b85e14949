"""
The yardstick: what the code of Park et al. 2019 has to do for images, and the same network run by this package.

For nine passbands these are nine networks of 54 million parameters, one after the other, in plain eager single
precision. Their weights are not published. These are random ones, with normalisations that have seen a magnetogram, so
that numbers inside and images are as large as after a training.
"""

import contextlib
import dataclasses
from unittest import mock

import numpy as np
import torch

from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.scaling import LinearScaling

__all__ = ["computed_in", "paper_model", "plain", "rms", "scaled"]

#: In gauss, what the paper's networks are shown as −1 and 1.
_FIELD = LinearScaling(-100.0, 100.0)


def paper_model(model, architecture, field):
    """
    Make a model of one passband with one of the paper's networks, as if it had been trained.

    Parameters
    ----------
    model : FieldModel
        Which has its grid, and its scaling of 193 Å.
    architecture : dict
        "generator" and its parameters.
    field : `~numpy.ndarray`
        On the model's grid; the normalisations have their statistics from it.

    Returns
    -------
    FieldModel
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(**architecture).train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # Statistics are those of all that has been seen.
        with torch.no_grad():
            network(scaled(field, torch.device("cpu")))
    return dataclasses.replace(
        model,
        name="paper",
        architecture=architecture,
        planes=("signed",),
        field_scaling=_FIELD,
        unpolarized=False,
        image_scalings={193: model.image_scalings[193]},
        deviation_factors={},
        block_factors={},
        state=network.state_dict(),
    )


def scaled(field, device):
    """What the paper's networks are shown of a field."""
    return torch.from_numpy(np.clip(_FIELD.forward(field), -1, 1))[None, None].to(device)


def plain(network, inputs):
    """What a network says to whoever asks it without further ado."""
    with torch.inference_mode():
        return network(inputs)


@contextlib.contextmanager
def computed_in(dtype):
    """Have networks computed in these numbers, whatever the package would choose."""
    with mock.patch("sunpy_mag2euv.models.model.number_format", return_value=dtype):
        yield


def rms(images, expected):
    """How far images are off, root of the mean square, relative to that of what is expected."""
    difference = np.square(np.subtract(images, expected, dtype=float)).mean()
    return float(f"{np.sqrt(difference / np.square(expected, dtype=float).mean()):.2g}")
