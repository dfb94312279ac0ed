"""Many channels -> one, and no sample that is not a number."""

from __future__ import annotations

import numpy as np

#: Full scale is 1. Float files hold more now and then, up to 32768 where somebody forgot to
#: scale; beyond this lies only damage, whose squares would overflow in every later stage.
LIMIT = float(1 << 20)


def mix(block: np.ndarray) -> np.ndarray:
    """Return the mean over channels.

    Parameters
    ----------
    block : float32 (frames, channels); may be overwritten by the caller later.

    Returns
    -------
    float32 (frames,), a new array.
    """
    channels = block.shape[1]
    if channels == 1:
        return block[:, 0].copy()
    if channels == 2:
        # mean(axis=1) takes a third of the time of decoding an MP3; this does not show.
        mono = block[:, 0] + block[:, 1]
        mono *= 0.5
        return mono
    return block @ np.full(channels, 1 / channels, dtype=np.float32)


def clean(mono: np.ndarray) -> int:
    """Set samples that are NaN, infinite or beyond `LIMIT` to 0, in place; return how many."""
    if not len(mono) or (mono.max() <= LIMIT and mono.min() >= -LIMIT):  # False on NaN
        return 0
    bad = ~(np.abs(mono) <= LIMIT)
    mono[bad] = 0
    return int(bad.sum())
