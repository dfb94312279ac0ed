"""From the probabilities of a track's windows to those of the track.

``"mean"`` is the mean of the probabilities. ``"geometric"`` is the mean of their
logarithms, scaled to sum to 1: a window that is sure against a genre weighs more than
one that is undecided. Which of them a model's tracks get is part of its recipe
(`evaluation.pooling`) and of its description.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

MEAN, GEOMETRIC = "mean", "geometric"
POOLINGS = (MEAN, GEOMETRIC)

#: What stands for a probability that was rounded to 0, so that its logarithm is finite.
LEAST = float(np.finfo(np.float64).tiny)


def softmax(values: FloatArray) -> FloatArray:
    """Return probabilities, rows of (n, K) that sum to 1."""
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def logarithms(probabilities: FloatArray) -> FloatArray:
    """Return natural logarithms, of 0 too."""
    return np.log(np.maximum(probabilities, LEAST))


def pool_tracks(probabilities: FloatArray, first: npt.ArrayLike, how: str = MEAN) -> FloatArray:
    """Return a row of probabilities a track.

    Parameters
    ----------
    probabilities : windows in the order of their tracks, (W, K).
    first : the row with which each track begins, (tracks,), rising from 0.
    how : one of `POOLINGS`.

    Raises
    ------
    ValueError
        There is no such pooling, or there are no windows.
    """
    if how not in POOLINGS:
        raise ValueError(f"pooling must be {' or '.join(POOLINGS)}, not {how!r}")
    begins = np.asarray(first, dtype=np.int64)
    if not len(begins) or begins[0] != 0 or (np.diff(begins, append=len(probabilities)) < 1).any():
        raise ValueError("every track must have a window")
    values = probabilities if how == MEAN else logarithms(probabilities)
    counts = np.diff(begins, append=len(values))
    means = np.add.reduceat(values, begins) / counts[:, None]
    return means if how == MEAN else softmax(means)


def pool(probabilities: FloatArray, how: str = MEAN) -> FloatArray:
    """Return one track's probabilities, (windows, K) -> (K,); see `pool_tracks`."""
    return np.asarray(pool_tracks(probabilities, (0,), how)[0])


def influences(probabilities: FloatArray, how: str = MEAN) -> FloatArray:
    """Return what each window of a track contributes to its probabilities, (windows, K).

    The track's probabilities vary with the choice of windows as the mean of these values does: how
    far the values scatter tells how many windows are needed. For the mean they
    are the probabilities themselves, for the geometric mean q its slopes,
    ``q_k (log p_ik - sum_j q_j log p_ij)``.

    Source: the linearisation (delta method) of Cochran, "Sampling Techniques",
    1977, section 6.
    """
    if how == MEAN:
        return probabilities
    logs = logarithms(probabilities)
    answer = pool(probabilities, how)
    return np.asarray(answer * (logs - (logs @ answer)[:, None]))


def sway(answer: FloatArray, how: str = MEAN) -> FloatArray:
    """Return how far windows move each probability of a track, (K,), up to a factor.

    The factor is how much the track's windows vary, alike for all its genres; see
    `typical_variation`. What is nearly certain hardly moves: for the mean it is
    the standard deviation of a share, ``sqrt(q (1 - q))``, for the geometric mean the slope of
    the logistic function, ``q (1 - q)``.
    """
    variance = answer * (1 - answer)
    return np.asarray(np.sqrt(variance) if how == MEAN else variance)


def typical_variation(tracks: Iterable[FloatArray], how: str = MEAN) -> float | None:
    """Return how much the windows of a track vary, typically, in units of `sway`.

    By it a classifier knows how many windows of a new track to read. Windows of clips of half a
    minute vary less than those of whole tracks do. None where no track has two windows, or
    nothing varies.

    Parameters
    ----------
    tracks : probabilities of the windows of each track, (windows, K).
    how : one of `POOLINGS`.
    """
    within = expected = 0.0
    for p in tracks:
        if len(p) > 1:
            within += float(influences(p, how).var(axis=0, ddof=1).sum())
            expected += float(np.square(sway(pool(p, how), how)).sum())
    return float(np.sqrt(within / expected)) if within > 0 and expected > 0 else None
