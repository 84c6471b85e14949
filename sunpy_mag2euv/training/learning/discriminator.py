"""The adversary of Model B: a PatchGAN (Isola et al. 2017, arXiv:1611.07004) as Park et al. 2019 use it."""

import torch
from torch import nn

from sunpy_mag2euv.network import initialize

__all__ = ["Discriminator"]


class Discriminator(nn.Module):
    """
    Judges patches of an image together with the magnetogram that it belongs to.

    With three stride-2 layers each output sees 70×70 pixels, and there are 126×126 outputs for 1024×1024 pixels.

    Parameters
    ----------
    in_channels : int
        Input planes and images together; 2 for one magnetogram and one image.
    stride2_layers : int
        0…5, for outputs that see 1, 16, 34, 70, 142 or 286 pixels.
    width : int
        Channels of the first layer; they double from layer to layer up to eight times that.

    Raises
    ------
    ValueError
        If ``stride2_layers`` is not 0…5.
    """

    def __init__(self, in_channels: int = 2, *, stride2_layers: int = 3, width: int = 64) -> None:
        super().__init__()
        if stride2_layers not in range(6):
            raise ValueError(f"stride2_layers must be 0 to 5; got {stride2_layers!r}")
        if stride2_layers == 0:
            # Pixels one by one: Isola et al.'s PixelGAN.
            kernel, padding, strides = 1, 0, [1, 1]
        else:
            kernel, padding, strides = 4, 1, [2] * stride2_layers + [1]
        layers: list[nn.Module] = []
        channels = in_channels
        for number, stride in enumerate(strides):
            leaving = width * min(2**number, 8)
            layers.append(nn.Conv2d(channels, leaving, kernel, stride, padding))
            if number > 0:
                layers.append(nn.BatchNorm2d(leaving, eps=1.01e-5))
            layers.append(nn.LeakyReLU(0.2))
            channels = leaving
        layers.append(nn.Conv2d(channels, 1, kernel, 1, padding))
        self.layers = nn.Sequential(*layers)
        initialize(self)

    def forward(self, inputs: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """
        Judge.

        Parameters
        ----------
        inputs, images : `torch.Tensor`
            Shapes (batch, planes, H, W) and (batch, passbands, H, W).

        Returns
        -------
        `torch.Tensor`
            Log-odds that the images are real, shape (batch, 1, h, w). The paper's sigmoid is in the loss, where it can
            be computed without overflow in half precision.
        """
        return self.layers(torch.cat([inputs, images], dim=1))
