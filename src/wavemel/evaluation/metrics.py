"""Classification metrics from counts of hits, predictions and support.

Conventions: classes are numbered 0..K-1; probabilities are (n, K); the
prediction is the most probable class, the first one among equals. A confusion
matrix has the truth in its rows. Every figure follows from three counts a
class (right, predicted, present), which add up over clips: that is what makes
the bootstrap fast, and the functions here take any leading axes for it.

A class that was never predicted has precision 0, one that is absent from the
truth has recall 0, and macro figures are means over all K classes: as
scikit-learn's with ``labels=range(K), zero_division=0``. A class that is there, but
not in a resample, is left out of that resample's means: see `summary`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wavemel.errors import DataError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: How far from 1 a row of probabilities may sum: what float32 and a few decimals in a file cost.
SUM_TOLERANCE = 1e-3


def validate(truth: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
    """Return truth (n,) and probabilities (n, K), typed, each row scaled to sum to 1.

    Raises
    ------
    DataError
        No clips, lengths that differ, a truth outside 0..K-1, or rows that
        are no probabilities.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    t = np.asarray(truth)
    if p.ndim != 2 or p.shape[1] < 2:
        raise DataError(f"probabilities must have a row a clip and two or more columns: {p.shape}")
    if t.ndim != 1 or len(t) != len(p):
        raise DataError(f"{len(p)} rows of probabilities do not fit truth of shape {t.shape}")
    if not len(t):
        raise DataError("there are no clips to evaluate")
    if not np.issubdtype(t.dtype, np.integer):
        raise DataError(f"truth must be class numbers, not {t.dtype}")
    if t.min() < 0 or t.max() >= p.shape[1]:
        raise DataError(f"truth must lie between 0 and {p.shape[1] - 1}")
    sums = p.sum(1)
    bad = ~np.isfinite(sums) | (p < 0).any(1) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {len(p)} rows are no probabilities (first: row {int(bad.argmax())}): "
            "they must be at least 0 and sum to 1"
        )
    # A sum that is 1 up to rounding stays: scaling would push round values over the edge of a bin.
    sums[np.abs(sums - 1) < 1e-12] = 1
    return t.astype(np.int64), p / sums[:, None]


def confusion_matrix(truth: IntArray, predicted: IntArray, n_classes: int) -> IntArray:
    """Return counts (K, K) of truth (rows) by prediction (columns)."""
    flat = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def class_counts(truth: IntArray, predicted: IntArray, n_classes: int) -> FloatArray:
    """Return (n, 3, K): for each clip, one-hot of the class it hits, is predicted as, and is."""
    counts = np.zeros((len(truth), 3, n_classes))
    row = np.arange(len(truth))
    counts[row, 0, truth] = truth == predicted
    counts[row, 1, predicted] = 1
    counts[row, 2, truth] = 1
    return counts


def by_class(counts: FloatArray) -> dict[str, FloatArray]:
    """Return precision, recall and F1 of every class, (..., 3, K) -> (..., K) each."""
    hits, predicted, support = np.moveaxis(counts, -2, 0)
    return {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, predicted + support),
    }


def summary(counts: FloatArray, there: int | None = None) -> dict[str, FloatArray]:
    """Return the figures over all classes, (..., 3, K) -> (...) each.

    With ``there``, the number of classes that the whole has clips of, the counts are of resamples
    of it. A resample without a class says nothing of how that class is told, and counted as 0 it
    would draw every macro figure down: so a macro figure is then the mean over the classes that were
    drawn, times the share of the K that are there (the others count 0 in the whole as well).

    ``one_vs_rest_accuracy`` is what the paper calls accuracy: of the K yes/no
    questions asked of each clip, the share answered rightly. With one label
    and one answer a clip it equals ``1 - 2 (1 - top1) / K``.
    """
    hits, predicted, support = np.moveaxis(counts, -2, 0)
    n, right, asked = support.sum(-1), hits.sum(-1), predicted.sum(-1)
    wrong = (predicted - hits).sum(-1) + (support - hits).sum(-1)
    macro = {
        f"macro_{name}": values.mean(-1) if there is None else _mean_drawn(values, support, there)
        for name, values in by_class(counts).items()
    }
    return {
        "top1": right / n,
        **macro,
        "micro_precision": right / asked,
        "micro_recall": right / n,
        "micro_f1": 2 * right / (asked + n),
        "one_vs_rest_accuracy": 1 - wrong / (n * counts.shape[-1]),
    }


def log_losses(truth: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return -ln p(truth) of each clip, in nats; p is kept above float64's epsilon, as in scikit-learn."""
    p = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.clip(p, np.finfo(np.float64).eps, 1.0))


def brier_scores(truth: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return each clip's squared distance between probabilities and truth, 0 to 2 (Brier, 1950)."""
    one_hot = np.zeros_like(probabilities)
    one_hot[np.arange(len(truth)), truth] = 1
    return ((probabilities - one_hot) ** 2).sum(1)


def per_class(confusion: IntArray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row a class: name, precision, recall, F1, clips of it, clips taken for it."""
    counts = np.stack([confusion.diagonal(), confusion.sum(0), confusion.sum(1)])
    found = by_class(counts.astype(np.float64))
    return [
        {
            "class": name,
            **{key: float(values[i]) for key, values in found.items()},
            "support": int(counts[2, i]),
            "predicted": int(counts[1, i]),
        }
        for i, name in enumerate(classes)
    ]


def _mean_drawn(values: FloatArray, support: FloatArray, there: int) -> FloatArray:
    drawn = support > 0
    means = np.where(drawn, values, 0.0).sum(-1) / drawn.sum(-1)
    return np.asarray(means * (there / values.shape[-1]))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Divide; 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
