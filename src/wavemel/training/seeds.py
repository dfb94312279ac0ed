"""One seed for a run, and independent ones derived from it for each use.

Every epoch's chance follows from (seed, epoch) alone, not from what was drawn
before: that is what makes a resumed run equal to an uninterrupted one, bit for bit.
"""

from __future__ import annotations

import zlib

import numpy as np


def derive(seed: int, *parts: int | str) -> int:
    """Return a 63-bit seed for one use, such as ``derive(seed, "order", epoch)``."""
    words = [zlib.crc32(p.encode()) if isinstance(p, str) else p for p in parts]
    state = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def generator(seed: int, *parts: int | str) -> np.random.Generator:
    """Return a numpy generator for one use."""
    return np.random.default_rng(derive(seed, *parts))
