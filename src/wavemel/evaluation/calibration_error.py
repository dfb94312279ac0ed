"""How far stated confidence is from the share that is right.

The confidence of a prediction is the probability of its class. Bins are closed
on the right, as in Guo et al. 2017 ("On Calibration of Modern Neural
Networks") and scikit-learn's ``calibration_curve``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wavemel.evaluation.intervals import (
    check_settings,
    group_numbers,
    group_sums,
    percentiles,
    resampled_sums,
)
from wavemel.evaluation.metrics import FloatArray, IntArray, validate

#: Bins of Guo et al. 2017.
BINS = 15
#: Clips times draws at a time, so that memory stays flat.
_BLOCK = 4_000_000


def reliability(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = BINS
) -> list[dict[str, Any]]:
    """Return the data of a reliability diagram: one row a bin of equal width.

    Each row holds ``low``, ``high`` (the bin), ``n`` (clips in it),
    ``confidence`` and ``accuracy`` (their means, None in an empty bin).
    """
    confidence, right = _confidence(*validate(truth, probabilities))
    edges = np.linspace(0, 1, bins + 1)
    n, stated, hits = _sums(confidence, right, edges)
    return [
        {
            "low": float(edges[i]),
            "high": float(edges[i + 1]),
            "confidence": float(stated[i] / n[i]) if n[i] else None,
            "accuracy": float(hits[i] / n[i]) if n[i] else None,
            "n": int(n[i]),
        }
        for i in range(bins)
    ]


def expected_calibration_error(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    bins: int = BINS,
    *,
    adaptive: bool = False,
) -> float:
    """Return the mean distance between confidence and accuracy over bins, weighted by clips.

    Parameters
    ----------
    truth, probabilities : (n,) class numbers and (n, K).
    bins : how many.
    adaptive : put the edges at quantiles of the confidences, so that bins hold
        equally many clips (Nguyen & O'Connor 2015); equal confidences stay in one bin.
    """
    confidence, right = _confidence(*validate(truth, probabilities))
    places = np.linspace(0, 1, bins + 1)
    edges = np.quantile(confidence, places) if adaptive else places
    _, stated, hits = _sums(confidence, right, edges)
    return float(np.abs(stated - hits).sum() / len(right))


def error_interval(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: Sequence[object] | npt.ArrayLike | None = None,
    bins: int = BINS,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[float] | None:
    """Return the [low, high] of the calibration error in bins of equal width; None with one group.

    Whole groups (artists) are drawn, as in `wavemel.evaluation.intervals`. A
    sum of absolute values grows with every noise, so resamples lie higher than
    the figure itself: that bias is taken off their percentiles (Efron &
    Tibshirani 1993, chapter 10), and what stays is the figure's spread.
    """
    check_settings(confidence, resamples)
    stated, right = _confidence(*validate(truth, probabilities))
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], stated)
    gaps = np.zeros((len(right), bins + 1))
    gaps[np.arange(len(right)), places] = stated - right
    gaps[:, bins] = 1
    sums = group_sums(gaps, group_numbers(groups, len(right)))
    if len(sums) < 2:
        return None
    drawn = resampled_sums(sums, resamples, np.random.default_rng(seed))
    errors = np.abs(drawn[:, :bins]).sum(1) / drawn[:, bins]
    figure = np.abs(gaps[:, :bins].sum(0)).sum() / len(right)
    low, high = percentiles(errors - errors.mean() + figure, confidence)
    return [max(low, 0.0), min(high, 1.0)]


def error_by_chance(
    probabilities: npt.ArrayLike,
    tracks: Sequence[object] | npt.ArrayLike | None = None,
    bins: int = BINS,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the calibration error if every confidence were true.

    With few clips a bin, the share right strays from even a perfect
    confidence. An error at this mean cannot be told from 0 (consistency
    resampling: Bröcker & Smith 2007).

    Parameters
    ----------
    probabilities : (n, K).
    tracks : which track each prediction is of, (n,), where several (of seeds) are of one:
        they are right and wrong together, as one truth makes them. Each its own by default.
    bins, draws, seed : how many, and chance.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    stated, _ = _confidence(*validate(np.zeros(len(p), np.int64), p))
    of_track = group_numbers(tracks, len(p))
    low, high = _stretch_of_answer(p, stated, of_track)
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], stated)
    of_bin = np.zeros((len(stated), bins))
    of_bin[np.arange(len(stated)), places] = 1
    rng = np.random.default_rng(seed)
    errors = np.empty(draws)
    block = max(1, _BLOCK // len(stated))
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        drawn = rng.random((rows, int(of_track.max()) + 1))[:, of_track]
        gaps = stated - ((drawn >= low) & (drawn < high))
        errors[start : start + rows] = np.abs(gaps @ of_bin).sum(1) / len(stated)
    return float(errors.mean()), float(np.percentile(errors, 95))


def _stretch_of_answer(
    p: FloatArray, stated: FloatArray, of_track: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return where in 0..1 a number drawn for its track must fall for each prediction to be right.

    Each prediction's probabilities divide 0..1 among the classes, in an order that a track's
    predictions share: its likeliest class first. So one that is as sure of the same
    class is right with it, and one that is sure of another class is not.
    """
    means = np.zeros((int(of_track.max()) + 1, p.shape[1]))
    np.add.at(means, of_track, p)
    order = np.argsort(-means, axis=1, kind="stable")[of_track]
    place = (order == p.argmax(1)[:, None]).argmax(1)
    ends = np.cumsum(np.take_along_axis(p, order, 1), 1)
    high = ends[np.arange(len(p)), place]
    return high - stated, high


def _confidence(truth: IntArray, probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
    # The rows sum to 1 only up to rounding: a lone winner may exceed it by one bit.
    confidence = np.minimum(probabilities.max(1), 1.0)
    return confidence, (probabilities.argmax(1) == truth).astype(np.float64)


def _sums(
    confidence: FloatArray, right: FloatArray, edges: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return clips, summed confidence and hits of each bin."""
    of = np.searchsorted(edges[1:-1], confidence)
    bins = len(edges) - 1
    return (
        np.bincount(of, minlength=bins).astype(np.int64),
        np.bincount(of, confidence, minlength=bins).astype(np.float64),
        np.bincount(of, right, minlength=bins).astype(np.float64),
    )
