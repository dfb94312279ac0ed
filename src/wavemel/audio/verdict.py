"""Is there music in these samples? And are they the same as another file's?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: A clip below this, RMS against full scale with its mean removed, is silent: the noise of a
#: 16-bit converter lies at -96 to -90 dB, the quietest masters at -45.
SILENCE_DB = -60.0
#: Shorter clips hold no bar of music.
MIN_SECONDS = 1.0
_BLOCK = 1 << 15


@dataclass(frozen=True)
class Verdict:
    """``status``: ok, short or silent; ``reason``: a sentence on why, empty where ok."""

    status: str
    reason: str = ""


def judge(
    samples: np.ndarray,
    rate: int,
    *,
    min_seconds: float = MIN_SECONDS,
    silence_db: float = SILENCE_DB,
) -> Verdict:
    """Return whether a clip can be trained on or classified.

    Parameters
    ----------
    samples : float32 (n,).
    rate : Hz.
    min_seconds : a shorter clip is ``short``.
    silence_db : a clip with less RMS, without its mean, is ``silent``; so is a constant offset.
    """
    seconds = len(samples) / rate
    if seconds < min_seconds:
        return Verdict("short", f"{seconds:.2f} s, less than {min_seconds:g} s")
    level = loudness_db(samples)
    if level < silence_db:
        said = "digital silence" if np.isneginf(level) else f"{level:.0f} dB RMS"
        return Verdict("silent", f"{said}, below {silence_db:g} dB")
    return Verdict("ok")


def loudness_db(samples: np.ndarray) -> float:
    """Return the RMS of ``samples`` less their mean, in dB of full scale; -inf for a constant."""
    count = len(samples)
    if not count:
        return float("-inf")
    mean = sum(float(block.sum()) for block in _blocks(samples)) / count
    power = 0.0
    for block in _blocks(samples):
        rest = block - np.float32(mean)
        power += float(np.einsum("i,i->", rest, rest))
    power /= count
    # A constant leaves rounding behind: less than a float32 step of its mean is nothing.
    if power <= (mean * np.finfo(np.float32).eps) ** 2:
        return float("-inf")
    return float(10 * np.log10(power))


def sample_digest(samples: np.ndarray) -> str:
    """Return a hash of ``samples`` rounded to 16 bits: files that decode to the same are twins."""
    digest = hashlib.blake2b(digest_size=16)
    for block in _blocks(samples):
        scaled = block * np.float32(32767)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -32768, 32767, out=scaled)
        digest.update(scaled.astype("<i2").tobytes())
    return digest.hexdigest()


def _blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pieces that stay in a core's cache through several passes."""
    for start in range(0, len(samples), _BLOCK):
        yield samples[start : start + _BLOCK]
