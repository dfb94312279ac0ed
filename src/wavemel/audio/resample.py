"""Samples at one rate -> samples at another."""

from __future__ import annotations

import numpy as np
import soxr

#: soxr's "high quality": passes up to 91 % of the new band, aliases below -120 dB.
QUALITY = "HQ"


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Return ``samples`` at ``target`` Hz.

    Parameters
    ----------
    samples : float32 (n,).
    rate, target : Hz.

    Returns
    -------
    float32 (round(n * target / rate),); ``samples`` itself where the rates are equal.

    Raises
    ------
    ValueError
        A rate is not positive.
    """
    if rate <= 0 or target <= 0:
        raise ValueError(f"rates must be positive, not {rate} and {target}")
    if rate == target:
        return samples
    length = resampled_length(len(samples), rate, target)
    return fit(soxr.resample(samples, rate, target, quality=QUALITY), length)


def resampled_length(count: int, rate: int, target: int) -> int:
    """Return how many samples ``count`` samples become."""
    return round(count * target / rate)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Return ``samples`` cut, or padded with zeros at the end, to ``length``."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))
