"""What the machine can do at best: the steps whose times are the floors of all others."""

import subprocess
import sys

import numpy as np
import torch

from astropy.io import fits

from benchmarks.rounds import Step

__all__ = ["ceilings", "in_new_process", "synchronized"]


def synchronized(device):
    """Wait until a device has done what it was asked."""
    getattr(torch, device.type).synchronize()


def in_new_process(*arguments):
    """Run Python, and what it is to run there."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def ceilings(device, directory, side):
    """
    Make the steps that tell what a machine can do.

    Parameters
    ----------
    device : `torch.device`
        What multiplies.
    directory : `~pathlib.Path`
        Where files are written.
    side : int
        Of matrices and images. A GPU is given matrices of twice that.

    Returns
    -------
    list of Step
        Products of matrices, and convolutions with many channels, for which there may be better code, by the
        floating-point operation; copies in memory, and FITS files, by the byte; and processes.
    """
    rows = side // 2 if device.type == "cpu" else 2 * side
    channels, pixels = rows // 8, rows // 32
    steps = []
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        left, right = torch.randn(2, rows, rows, device=device).to(dtype)
        image = torch.randn(1, channels, pixels, pixels, device=device)
        image = image.to(dtype, memory_format=torch.channels_last)
        weight = torch.randn(channels, channels, 3, 3, device=device).to(dtype)

        def product(left=left, right=right):
            left @ right
            synchronized(device)

        def convolution(image=image, weight=weight):
            with torch.inference_mode():
                torch.nn.functional.conv2d(image, weight, padding=1)
            synchronized(device)

        steps += [
            Step(f"matrix product, {name}", product, 2 * rows**3),
            Step(f"convolution, {name}", convolution, 2 * 9 * channels**2 * pixels**2),
        ]

    # Large enough for no cache to hold it.
    source = torch.ones(4 * side**2)
    target = torch.empty_like(source)
    values, path = np.ones((side, side), dtype=np.float32), directory / "ceiling.fits"

    def write():
        fits.writeto(path, values, overwrite=True)

    def read():
        # The file is big-endian, and only what has been turned round has been read.
        fits.getdata(path, memmap=False).astype(np.float32)

    return [
        *steps,
        Step("copy in memory, read and written", lambda: target.copy_(source), 2 * source.nbytes),
        Step("FITS file written", write, values.nbytes),
        Step("FITS file read", read, values.nbytes),
        Step("python -c pass", lambda: in_new_process("-c", "pass")),
        Step("import sunpy", lambda: in_new_process("-c", "import sunpy")),
        Step("import sunpy.map, torch", lambda: in_new_process("-c", "import sunpy.map, torch")),
    ]
