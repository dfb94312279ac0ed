"""What makes training and classifying fast on this machine: the allocator's settings and the number format."""

from __future__ import annotations

import sys

from wavemel.errors import ConfigError

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 2**31 - 1
#: As much as the arrays of a window take, also of 15 s in stereo at 44.1 kHz.
_BLOCK = 16 << 20


def keep_freed_windows() -> None:
    """Let glibc keep what classifying one window frees for the next, 32 MiB at most.

    By default it hands large blocks back to the kernel and takes page faults to get them again, a
    fifth of the time of a short file. It takes a freed block for a sign that more of its size will
    come, and this is such a block. Unlike `keep_freed_memory` it sets nothing for good, in a process
    that may be another program's. Other allocators are not moved by it.

    Source: mallopt(3), on the dynamic mmap threshold.
    """
    import numpy as np

    # Of numpy, as the windows are: Python's own memory may come from another allocator.
    np.empty(_BLOCK, np.uint8)


def keep_freed_memory() -> bool:
    """Tell glibc to keep large blocks that are freed, and return whether it was told.

    By default it hands them back to the kernel after every training step and
    takes page faults to get them again, which costs more than half of the
    step. Peak memory grows by about a third. Elsewhere than on Linux with
    glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        libc = ctypes.CDLL("libc.so.6")
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGE))


def check_device(name: str) -> None:
    """Raise ConfigError where torch knows no device of this name, or this machine has none."""
    import torch

    try:
        # The least that can be computed there: a driver may be missing, or the second of one GPU.
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = " ".join(str(error).split("\n")[0].split())[:120]
        raise ConfigError(f"the device {name!r} cannot be used: {reason}") from error


def resolve_precision(precision: str, device: str) -> str:
    """Return ``"bf16"`` or ``"32"`` for ``"auto"``: bf16 where the hardware computes it natively.

    Parameters
    ----------
    precision : ``"auto"``, ``"32"`` or ``"bf16"``.
    device : ``"cpu"``, ``"cuda"``, ``"mps"``, ...
    """
    if precision != "auto":
        return precision
    import torch

    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    if device == "cpu":
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "bf16" if native else "32"
    return "32"
