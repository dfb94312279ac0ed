"""How far stated confidence is from the share that is right.

The confidence of a prediction is the probability of its class. Bins are closed
on the right, as in Guo et al. 2017 ("On Calibration of Modern Neural
Networks") and scikit-learn's ``calibration_curve``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wavemel.evaluation.metrics import FloatArray, IntArray, validate

#: Bins of Guo et al. 2017.
BINS = 15


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
