"""
Isolation: what torch and NumPy were told elsewhere in the process does not change what is computed here.

Settings that belong to a thread are put aside while something is computed. Torch's default dtype belongs to the
process, so that to set it back would disturb other threads: tensors are given a dtype of their own instead.

Nor does it matter that the process was forked: `isolation` sees to it that torch computes there at all.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["isolated"]

#: Where torch may have been told to compute in lower precision.
_AUTOCAST = ("cpu", "cuda", "mps", "xpu")


def _compute_alone() -> None:
    """
    Have torch compute with one thread.

    Of a process that is forked, nothing but the thread that forks it goes on in the child. Torch's other threads would
    be given work and waited for all the same, for ever.
    """
    torch: Any = sys.modules.get("torch")
    # It may be in the middle of being imported.
    if hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compute_alone)


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """
    Compute as torch and NumPy do by default, to be used with ``with`` or as a decorator.

    Put aside are torch's default device, its autocast, its gradients and its inference mode, since tensors that are
    made in it cannot be learnt with, and NumPy's way to treat floating-point errors.
    """
    import torch

    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        for kind in _AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield
