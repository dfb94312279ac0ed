"""All figures of one model on one set of clips, in one flat dict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wavemel.errors import DataError
from wavemel.evaluation import metrics
from wavemel.evaluation.calibration_error import expected_calibration_error, reliability
from wavemel.evaluation.intervals import (
    FloatArray,
    around,
    check_settings,
    group_numbers,
    group_sums,
    percentiles,
    resampled,
)


def evaluate(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    classes: Sequence[str],
    *,
    groups: Sequence[object] | npt.ArrayLike | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return every figure of the house, ready for JSON.

    Parameters
    ----------
    truth : (n,) class numbers.
    probabilities : (n, K), rows that sum to 1.
    classes : K names, in the order of the columns.
    groups : (n,) artists; intervals are then drawn over artists, not clips. A
        clip without one is a group of its own.
    confidence, resamples, seed : of the percentile bootstrap.

    Returns
    -------
    dict
        ``n``, ``n_groups`` (None without groups), ``n_classes``; ``top1``,
        ``macro_precision``, ``macro_recall``, ``macro_f1``,
        ``micro_precision``, ``micro_recall``, ``micro_f1``,
        ``one_vs_rest_accuracy`` (the paper's accuracy), ``log_loss`` (nats) and
        ``brier``, each with ``*_ci95`` beside it ([low, high], or None where
        all clips are of one group; the number in the key is ``confidence``);
        ``one_group``: classes whose clips are all of one group, so that their
        spread, and with it that of every macro figure, cannot be known: where
        there are any, macro figures have None for an interval;
        ``ece`` and ``ece_adaptive``; ``per_class`` and ``reliability`` (lists
        of rows); ``confusion`` (rows: truth). Undefined ratios are 0 and macro
        means go over all K classes; of classes that a resample lacks, see
        `wavemel.evaluation.metrics.summary`.

    Raises
    ------
    DataError
        as `metrics.validate`; or names or groups do not fit.
    """
    check_settings(confidence, resamples)
    t, p = metrics.validate(truth, probabilities)
    k = p.shape[1]
    if len(classes) != k or len(set(classes)) != k:
        raise DataError(f"{k} columns of probabilities need {k} different names: {list(classes)}")
    predicted = p.argmax(1)
    additive = np.column_stack(
        [
            metrics.class_counts(t, predicted, k).reshape(len(t), -1),
            metrics.log_losses(t, p),
            metrics.brier_scores(t, p),
        ]
    )
    numbers = group_numbers(groups, len(t))
    # In how many groups each class is.
    spread = (group_sums(additive[:, 2 * k : 3 * k], numbers) > 0).sum(0)

    def figures(sums: FloatArray, there: int | None = None) -> dict[str, FloatArray]:
        counts = sums[:, : 3 * k].reshape(-1, 3, k)
        n = counts[:, 2].sum(1)
        return {
            **metrics.summary(counts, there),
            "log_loss": sums[:, -2] / n,
            "brier": sums[:, -1] / n,
        }

    def of_resamples(sums: FloatArray) -> dict[str, FloatArray]:
        return figures(sums, int((spread > 0).sum()))

    drawn = resampled(additive, numbers, of_resamples, resamples=resamples, seed=seed)

    def interval(name: str, value: float) -> list[float] | None:
        if drawn is None:
            return None
        if not name.startswith("macro_"):
            return percentiles(drawn[name], confidence)
        return None if (spread == 1).any() else around(value, drawn[name], confidence)

    suffix = f"ci{100 * confidence:g}"
    found: dict[str, Any] = {
        "n": len(t),
        "n_groups": None if groups is None else int(numbers.max()) + 1,
        "n_classes": k,
    }
    for name, value in figures(additive.sum(0, keepdims=True)).items():
        found[name] = float(value[0])
        found[f"{name}_{suffix}"] = interval(name, found[name])
    confusion = metrics.confusion_matrix(t, predicted, k)
    return {
        **found,
        "one_group": [name for name, n in zip(classes, spread, strict=True) if n == 1],
        "ece": expected_calibration_error(t, p),
        "ece_adaptive": expected_calibration_error(t, p, adaptive=True),
        "per_class": metrics.per_class(confusion, classes),
        "reliability": reliability(t, p),
        "confusion": confusion.tolist(),
    }
