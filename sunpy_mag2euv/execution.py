"""
Execution: in which numbers networks are run for their images, and how many images at a time.

Where a machine has instructions for bfloat16, which has eight binary digits instead of 24, large images are computed in
it, all but what adds up to the image, see `~sunpy_mag2euv.network.quickened`. Of the packaged model that changes images
by one or two thousandths (root mean square), where they are off by a quarter. Small images take little time anyway.
Everywhere else, and in training, numbers are of single precision.
"""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from sunpy_mag2euv.grid import Grid

__all__ = ["at_once", "is_large", "number_format"]

#: What x86 processors call their instructions for bfloat16. Without them, it is emulated, and slower.
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")

#: Pixels from which on an image is large: 512 by 512.
_LARGE = 2**18

#: Pixels that a GPU is given at a time, so that it does not wait for the next image more often than it computes. In the
#: widest layers of the packaged networks each takes some 400 bytes.
_PIXELS = 2**22


def is_large(grid: "Grid") -> bool:
    """
    Tell whether images of a grid take so much time and memory that it matters how they are computed.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    bool
    """
    return grid.shape[0] * grid.shape[1] >= _LARGE


def number_format(grid: "Grid", device: "torch.device") -> "torch.dtype":
    """
    Tell in which numbers a device is best asked for images.

    Parameters
    ----------
    grid : Grid
        That of the images.
    device : `torch.device`

    Returns
    -------
    `torch.dtype`
        bfloat16 or float32.
    """
    import torch

    return torch.bfloat16 if is_large(grid) and _has_instructions(device.type) else torch.float32


@functools.cache
def _has_instructions(kind: str) -> bool:
    """Whether devices of a kind compute with bfloat16 themselves."""
    import torch

    if kind == "cpu":
        # Earlier versions of torch do not tell.
        has: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(has.get(name, False) for name in _INSTRUCTIONS)
    return kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def at_once(grid: "Grid", device: "torch.device") -> int:
    """
    Tell how many images a device is best asked for at a time.

    Parameters
    ----------
    grid : Grid
    device : `torch.device`

    Returns
    -------
    int
        One on a CPU, which has nothing to gain by more.
    """
    return 1 if device.type == "cpu" else max(1, _PIXELS // (grid.shape[0] * grid.shape[1]))
