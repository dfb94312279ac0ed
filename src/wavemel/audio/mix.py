"""Many channels -> one, and no sample that is not a number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

#: Full scale is 1. Float files hold more now and then, up to 32768 where somebody forgot to
#: scale; beyond this lies only damage, whose squares would overflow in every later stage.
LIMIT = float(1 << 20)
#: Samples that are made room for before any has come (64 MiB, six minutes), whatever is expected.
_AT_FIRST = 1 << 24


@np.errstate(invalid="ignore", over="ignore")  # `clean` deals with NaN and infinity
def mix(block: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return the mean over channels as a view of the beginning of ``out``.

    Parameters
    ----------
    block : float32 (frames, channels).
    out : float32, at least as long as ``block``.
    """
    frames, channels = block.shape
    mono = out[:frames]
    if channels == 1:
        mono[:] = block[:, 0]
    elif channels == 2:
        # mean(axis=1) takes a third of the time of decoding an MP3; this does not show.
        np.add(block[:, 0], block[:, 1], out=mono)
        mono *= 0.5
    else:
        np.matmul(block, np.full(channels, 1 / channels, dtype=np.float32), out=mono)
    return mono


def clean(mono: np.ndarray) -> int:
    """Set samples that are NaN, infinite or beyond `LIMIT` to 0, in place; return how many."""
    if not len(mono) or (mono.max() <= LIMIT and mono.min() >= -LIMIT):  # False on NaN
        return 0
    bad = ~(np.abs(mono) <= LIMIT)
    mono[bad] = 0
    return int(bad.sum())


def gather(blocks: Iterable[np.ndarray], expected: int) -> np.ndarray:
    """Return ``blocks`` joined; ``expected`` is a hint that may be wrong by any amount."""
    joined = np.empty(min(max(expected, 0), _AT_FIRST), dtype=np.float32)
    count = 0
    for block in blocks:
        end = count + len(block)
        if end > len(joined):
            larger = np.empty(max(end, 2 * len(joined)), dtype=np.float32)
            larger[:count] = joined[:count]
            joined = larger
        joined[count:end] = block
        count = end
    # A view would keep the unused rest alive.
    return joined[:count] if count > 0.9 * len(joined) else joined[:count].copy()
