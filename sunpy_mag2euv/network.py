"""
The networks: magnetogram tensor in, image tensor out.

`Generator` is the U-Net of Park et al. 2019 (ApJL 884 L23, doi:10.3847/2041-8213/ab46bb), one network per passband.
`SharedUNet` is one network for all passbands, and `TwoScaleUNet`, this package's default, two of them: one for what is
large, and one for detail. `AnyToAny` is for AIA images instead of a magnetogram, of which any may be missing.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = [
    "AnyToAny",
    "Generator",
    "SharedUNet",
    "TwoScaleUNet",
    "build_network",
    "enlarged",
    "initialize",
    "quickened",
]


class _BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the constants of the Keras layer that Park et al. used."""

    def __init__(self, channels: int, running: bool) -> None:
        super().__init__(channels, eps=1.01e-5, momentum=0.1, track_running_stats=running)


class _Dropout(nn.Dropout):
    """Dropout that can stay on at inference, which makes the output stochastic."""

    def __init__(self, probability: float, always: bool) -> None:
        super().__init__(probability)
        self.always = always

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, self.p, self.training or self.always)


class _Exact(nn.Module):
    """
    A last convolution, in single precision whatever the others are computed in.

    Its output is the image: with eight binary digits, it would be seen in steps.
    """

    weight: torch.Tensor

    def forward(self, x: torch.Tensor, *args: Any) -> torch.Tensor:
        return super().forward(x.to(self.weight.dtype), *args)


class _ExactConv(_Exact, nn.Conv2d):
    pass


class _ExactConvTranspose(_Exact, nn.ConvTranspose2d):
    pass


def initialize(network: nn.Module, spread: float = 0.02) -> None:
    """
    Draw initial weights as Park et al. 2019 do.

    Convolutions from N(0, ``spread``) with zero bias, normalisations from N(1, ``spread``); the rest is left as it is.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, spread)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, spread)


class Generator(nn.Module):
    """
    The Pix2Pix U-Net of Park et al. 2019.

    Kernels are 4×4 with stride 2; every decoder stage is joined with its mirror in the encoder. Eight levels are what
    the paper draws, ten (down to one pixel from 1024², without normalisation at the bottom) what its first code has.

    Parameters
    ----------
    in_channels, out_channels : int
        Images in and out.
    levels : int
        Number of halvings, at least 5; the input's sides must be multiples of ``2**levels``.
    width : int
        Channels of the first level; they double from level to level up to eight times that.
    dropout : float
        Probability, in the three lowest stages of the decoder.
    normalization : {"running", "batch"}
        ``"running"``: batch normalisation with the statistics gathered in training, and no dropout, at inference.
        ``"batch"``: statistics of the batch at hand, and dropout, at inference too, as in the paper's first code;
        the output is then stochastic and depends on what else is in view.

    Raises
    ------
    ValueError
        If ``levels`` or ``normalization`` is not among the accepted values.

    Examples
    --------
    >>> import torch
    >>> from sunpy_mag2euv.network import Generator
    >>> sum(p.numel() for p in Generator().parameters()) // 100_000 / 10
    54.4
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        levels: int = 8,
        width: int = 64,
        dropout: float = 0.5,
        normalization: str = "running",
    ) -> None:
        super().__init__()
        if levels < 5:
            raise ValueError(f"levels must be at least 5; got {levels}")
        if normalization not in ("running", "batch"):
            raise ValueError(f"normalization must be 'running' or 'batch'; got {normalization!r}")
        running = normalization == "running"
        self.in_channels, self.out_channels = in_channels, out_channels
        self.levels, self.step = levels, 2**levels
        widths = [width * min(2**level, 8) for level in range(levels)]
        # One pixel has no spread to normalise by, hence no normalisation at the bottom of the ten-level network.
        normalize_bottom = levels < 10

        self.encoder = nn.ModuleList()
        for level, width in enumerate(widths):
            layers: list[nn.Module] = [nn.Conv2d(in_channels if level == 0 else widths[level - 1], width, 4, 2, 1)]
            bottom = level == levels - 1
            if level > 0 and (not bottom or normalize_bottom):
                layers.append(_BatchNorm(width, running))
            layers.append(nn.ReLU() if bottom else nn.LeakyReLU(0.2))
            self.encoder.append(nn.Sequential(*layers))

        self.decoder = nn.ModuleList()
        for stage, level in enumerate(reversed(range(levels))):
            entering = widths[level] * (1 if stage == 0 else 2)
            if level == 0:
                layers = [_ExactConvTranspose(entering, out_channels, 4, 2, 1), nn.Tanh()]
            else:
                leaving = widths[level - 1]
                layers = [nn.ConvTranspose2d(entering, leaving, 4, 2, 1), _BatchNorm(leaving, running)]
                if stage < 3:
                    layers.append(_Dropout(dropout, always=not running))
                layers.append(nn.ReLU())
            self.decoder.append(nn.Sequential(*layers))

        initialize(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tensor (batch, in_channels, H, W) in −1…1 → (batch, out_channels, H, W) in −1…1."""
        if x.shape[-1] % self.step or x.shape[-2] % self.step:
            raise ValueError(
                f"a generator of {self.levels} levels needs sides that are multiples of {self.step}; "
                f"got {tuple(x.shape[-2:])}"
            )
        x = x.to(next(self.encoder.parameters()).dtype)
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for stage in self.decoder:
            x = stage(x)
            if skips:
                x = torch.cat([x, skips.pop()], dim=1)
        return x


class _ChannelNorm(nn.Module):
    """
    Each pixel's channels are brought to unit root mean square (Zhang & Sennrich 2019, arXiv:1910.07467).

    Nothing outside the pixel enters, so neither the rest of the batch nor the rest of the image can change the scale.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-6) * self.weight


class _Block(nn.Module):
    """Residual pair of 3×3 convolutions; dropout takes away whole channels of what it adds."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _ChannelNorm(channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class SharedUNet(nn.Module):
    """
    One network for all passbands: a shared trunk and one output plane per passband.

    The trunk works at half resolution, where pixels are folded into channels on entry (Shi et al. 2016,
    arXiv:1609.05158). Images grow by bilinear interpolation and convolution, never by transposed convolution, so no
    checkerboard is left (Odena et al. 2016, doi:10.23915/distill.00003). The last two convolutions see the input again,
    at full resolution, so that what is linear in the input need not go through the trunk.

    Parameters
    ----------
    in_channels, out_channels : int
        Input planes and passbands.
    widths : sequence of int
        Channels at each level, from half resolution down by factors of two.
    head : int
        Channels at full resolution.
    dropout : float
        Probability, in training, that what a block adds to a channel is left out.
    deviations : bool
        Whether it also says how far off it may be: a second set of planes, the natural logarithm of the standard
        deviation of each passband's scaled image, between −5.5 and −0.5.
    """

    #: Logarithm that is added to those of the deviations: near it trained networks end up.
    usual_deviation = -1.5

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 9,
        *,
        widths: Sequence[int] = (40, 80, 120, 160, 200),
        head: int = 16,
        dropout: float = 0.0,
        deviations: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels * (1 + deviations)
        self.step = 2 ** len(widths)
        self.deviations = deviations
        self.enter = nn.Conv2d(4 * in_channels, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_Block(width, dropout) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_Block(width, dropout) for width in widths[:-1])
        self.leave = nn.Sequential(_ChannelNorm(widths[0]), nn.Conv2d(widths[0], head, 1))
        self.head = nn.Sequential(nn.Conv2d(head + in_channels, head, 3, padding=1), nn.GELU())
        self.read = _ExactConv(head + in_channels, self.out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        Tensor (batch, in_channels, H, W) → (batch, out_channels, H, W), in which −1…1 is the range trained on.

        With ``deviations``, there are twice as many planes: first the images, then the logarithms.
        """
        x = self.read(self.features(x))
        if not self.deviations:
            return x
        images, deviations = x.chunk(2, dim=1)
        return torch.cat([images, _bounded(deviations + self.usual_deviation)], dim=1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the images are read from, by one last convolution: tensor (batch, head + in_channels, H, W)."""
        if x.shape[-1] % self.step or x.shape[-2] % self.step:
            raise ValueError(f"this network needs sides that are multiples of {self.step}; got {tuple(x.shape[-2:])}")
        seen = x = x.to(self.enter.weight.dtype)
        x = self.enter(functional.pixel_unshuffle(x, 2))
        skips = []
        for block, down in zip(self.encoder, self.down, strict=False):
            x = block(x)
            skips.append(x)
            x = down(x)
        x = self.encoder[-1](x)
        for block, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            x = block(_doubled(up(x)) + skips.pop())
        x = self.head(torch.cat([_doubled(self.leave(x)), seen], dim=1))
        return torch.cat([x, seen], dim=1)


class TwoScaleUNet(nn.Module):
    """
    A network of two scales: coarse images of the field averaged over blocks of pixels, and the detail that they lack.

    Both are a `SharedUNet`. The coarse one sees far, and knows of many days what is large; the other sees the field as
    it is, some sixty pixels around, together with the coarse images, and says what is to be added to them. So detail
    can be learnt from few days, and the coarse images stay what they are where it has nothing to say.

    Parameters
    ----------
    in_channels, out_channels : int
        Input planes and passbands. The first planes are the coarse network's, the same in all pixels of a block; the
        others are even in the field, so that detail does not depend on polarity.
    coarse : dict
        Parameters of the coarse network; it gives deviations.
    block : int
        Pixels in each direction of which the coarse network sees one.
    odd : sequence of int
        Which of the coarse network's planes change their sign with the field: its answers to both polarities are
        averaged, in training as well.
    widths, head, dropout
        Of the network that adds detail, see `SharedUNet`.

    Raises
    ------
    ValueError
        If the coarse network has more planes than there are, or gives no deviations.
    """

    #: Polarities are averaged already.
    unpolarized = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 9,
        *,
        coarse: dict[str, Any],
        block: int = 4,
        odd: Sequence[int] = (),
        widths: Sequence[int] = (48, 80, 112),
        head: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if coarse["in_channels"] > in_channels:
            raise ValueError(f"the coarse part cannot see {coarse['in_channels']} planes out of {in_channels}")
        if not coarse.get("deviations"):
            raise ValueError("the coarse part must give deviations; it gives none")
        self.block = block
        self.coarse_channels = coarse["in_channels"]
        self.signs = [-1.0 if channel in odd else 1.0 for channel in range(self.coarse_channels)]
        self.coarse = SharedUNet(out_channels=out_channels, **coarse)
        fine_channels = in_channels - self.coarse_channels + out_channels
        self.detail = SharedUNet(fine_channels, 2 * out_channels, widths=widths, head=head, dropout=dropout)
        self.in_channels, self.out_channels = in_channels, 3 * out_channels
        self.step = math.lcm(block * self.coarse.step, self.detail.step)
        # To begin with, there is nothing to add.
        nn.init.zeros_(self.detail.read.weight)
        nn.init.zeros_(self.detail.read.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        As that of `SharedUNet` with deviations, and a third set of planes: the logarithms of the coarse deviations.

        Means are to be taken over these: detail is what the coarse deviations are about, in part, and would count twice
        in means over the others.
        """
        return self.together(*self.scales(x))

    @staticmethod
    def together(coarse: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
        """Both parts of the answer as one, see `forward`."""
        images, deviations = (coarse + detail).chunk(2, dim=1)
        return torch.cat([images, _bounded(deviations), coarse.chunk(2, dim=1)[1]], dim=1)

    def scales(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Both parts of the answer: what the coarse network says, on the fine grid, and what is added to it.

        Returns
        -------
        coarse, detail : `torch.Tensor`
            Shape (batch, 2 · out_channels, H, W): images, then logarithms of their deviations.
        """
        coarse = enlarged(self.in_the_large(x), self.block)
        return coarse, self.refine(x[:, self.coarse_channels :], coarse)

    def in_the_large(self, x: torch.Tensor) -> torch.Tensor:
        """What the coarse network says of all planes; shape (batch, 2 · out_channels, H / block, W / block)."""
        planes = functional.avg_pool2d(x[:, : self.coarse_channels], self.block)
        signs = planes.new_tensor(self.signs)[:, None, None]
        return (self.coarse(planes) + self.coarse(planes * signs)) / 2

    def refine(self, planes: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """What is to be added to the enlarged coarse answer, given the other planes."""
        images, _ = coarse.chunk(2, dim=1)
        return self.detail(torch.cat([planes, images], dim=1))


class AnyToAny(SharedUNet):
    """
    One network from any of some images to all of them.

    To what the U-Net says, a mean is added of what every given image says by itself, pixel by pixel and linearly, with
    more weight for those that say more. So what is simple about it need not be learnt for each combination of images,
    and an image that says little cannot do much harm.

    Parameters
    ----------
    in_channels, out_channels : int
        Input planes and passbands. The planes begin with the images, 0 where they are not known, and as many planes
        that are 1 where they are.
    images : int
        How many images there can be.
    **parameters
        Those of `SharedUNet`.

    Raises
    ------
    ValueError
        If there are not two planes for every image.
    """

    def __init__(self, in_channels: int = 21, out_channels: int = 9, *, images: int = 9, **parameters: Any) -> None:
        super().__init__(in_channels, out_channels, **parameters)
        if 2 * images > in_channels:
            raise ValueError(f"{images} images need two planes each; there are {in_channels}")
        self.images = images
        # Half of the image's contrast to begin with, and all images alike.
        self.slope = nn.Parameter(torch.full((out_channels, images), 0.5))
        self.offset = nn.Parameter(torch.zeros(out_channels, images))
        self.logit = nn.Parameter(torch.zeros(out_channels, images))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As that of `SharedUNet`."""
        planes = super().forward(x)
        images, known = x[:, : self.images], x[:, self.images : 2 * self.images]
        weight = self.logit.exp()
        said = _mixed(images, weight * self.slope) + _mixed(known, weight * self.offset)
        mean = said / _mixed(known, weight).clamp(min=torch.finfo(x.dtype).eps)
        count = mean.shape[1]
        return torch.cat([planes[:, :count] + mean, planes[:, count:]], dim=1)


def _mixed(planes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sums of planes, pixel by pixel: shape (batch, planes, H, W), weights of shape (sums, planes)."""
    return functional.conv2d(planes, weights[..., None, None])


def quickened(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """
    Make a network answer sooner, and unfit to be trained.

    Normalisations with fixed statistics become part of the convolutions before them, which changes nothing but the
    rounding. What is left is computed in ``dtype``, but for the convolutions whose output is the image, and for the
    sums over images of `AnyToAny`.

    Parameters
    ----------
    network : `torch.nn.Module`
        One of this module's, in evaluation mode; changed in place.
    dtype : `torch.dtype`

    Returns
    -------
    `torch.nn.Module`
        The same.
    """
    for parent in list(network.modules()):
        if isinstance(parent, nn.Sequential):
            for place in range(len(parent) - 1, 0, -1):
                if isinstance(parent[place], nn.BatchNorm2d) and parent[place].track_running_stats:
                    before = parent[place - 1]
                    transposed = isinstance(before, nn.ConvTranspose2d)
                    parent[place - 1] = fuse_conv_bn_eval(before, parent[place], transpose=transposed)  # type: ignore
                    del parent[place]
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | _ChannelNorm) and not isinstance(module, _Exact):
            module.to(dtype)
    return network


def enlarged(images: torch.Tensor, block: int) -> torch.Tensor:
    """
    Coarse images on the fine grid of which every coarse pixel is a block, linear in between.

    Parameters
    ----------
    images : `torch.Tensor`
        Shape (batch, planes, H, W).
    block : int
        Pixels in each direction.

    Returns
    -------
    `torch.Tensor`
        Shape (batch, planes, block · H, block · W).
    """
    return functional.interpolate(images, scale_factor=block, mode="bilinear", align_corners=False)


def _bounded(logarithms: torch.Tensor) -> torch.Tensor:
    """Logarithms of deviations, kept where no pixel can be all that matters in a likelihood."""
    return logarithms.clamp(-5.5, -0.5)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return enlarged(x, 2)


_NETWORKS = {
    "generator": Generator,
    "shared-unet": SharedUNet,
    "two-scale": TwoScaleUNet,
    "any-to-any": AnyToAny,
}


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= value <= most  # type: ignore[operator]


def _are_whole(values: object, least: int, most: int) -> bool:
    return isinstance(values, list | tuple) and all(_is_whole(value, least, most) for value in values)


_COUNT = "a whole number from 1 to 10000", lambda value: _is_whole(value, 1, 10_000)

#: What parameters that may come from a file must be, in words and as a function. An image of 4096 pixels can be halved
#: twelve times.
_PARAMETERS = {
    **dict.fromkeys(("in_channels", "out_channels", "images", "width", "head"), _COUNT),
    "levels": ("a whole number up to 12", lambda value: _is_whole(value, 1, 12)),
    "widths": (
        "one to twelve whole numbers from 1 to 10000",
        lambda values: _are_whole(values, 1, 10_000) and 1 <= len(values) <= 12,
    ),
    "dropout": ("a number from 0 to 1", lambda value: isinstance(value, Real) and 0 <= value <= 1),  # type: ignore[operator]
    "deviations": ("true or false", lambda value: isinstance(value, bool)),
    "block": ("a whole number from 1 to 64", lambda value: _is_whole(value, 1, 64)),
    "odd": ("whole numbers that count planes from 0", lambda values: _are_whole(values, 0, 10_000)),
    "coarse": ("a dictionary with in_channels", lambda value: isinstance(value, dict) and "in_channels" in value),
}


def _check_parameters(parameters: dict[str, Any]) -> None:
    """ValueError unless all parameters are such as networks can be made from."""
    for name, value in parameters.items():
        if name in _PARAMETERS:
            wanted, holds = _PARAMETERS[name]
            if not holds(value):
                raise ValueError(f"{name} of a network must be {wanted}; got {value!r:.100}")
    if "coarse" in parameters:
        _check_parameters(parameters["coarse"])


def build_network(kind: str, **parameters: Any) -> nn.Module:
    """
    Make a network from a model's record.

    Parameters
    ----------
    kind : {"generator", "shared-unet", "two-scale", "any-to-any"}
    **parameters
        Those of the class.

    Raises
    ------
    ValueError
        If the kind is unknown, or the parameters are none that it has or can be made from.
    """
    if not isinstance(kind, str) or kind not in _NETWORKS:
        raise ValueError(f"unknown network {kind!r:.100}; expected one of {', '.join(_NETWORKS)}")
    _check_parameters(parameters)
    try:
        return _NETWORKS[kind](**parameters)
    except TypeError as error:
        # The values are sound, so it is a name that is unknown or missing.
        raise ValueError(f"the network {kind} cannot be made: {error!s:.200}") from None
