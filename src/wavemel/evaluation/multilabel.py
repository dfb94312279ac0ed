"""Figures for clips that have several genres at once.

The headline is macro average precision: the mean over genres of the area under
each one's precision-recall curve, as scikit-learn defines it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from wavemel.errors import DataError
from wavemel.evaluation.intervals import around, group_numbers, group_sums


def evaluate_multilabel(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    classes: Sequence[str],
    *,
    groups: Sequence[object] | npt.ArrayLike | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of a model of several labels a clip, ready for JSON.

    Parameters
    ----------
    truth : (n, K) of 0 and 1.
    probabilities : (n, K), each in 0..1.
    classes : K names.
    groups : (n,) artists; the interval is drawn over them.
    resamples, seed : of the percentile bootstrap (fewer than for single labels:
        each resample sorts all clips for every genre).

    Returns
    -------
    dict
        ``n``, ``n_groups``, ``n_classes``, ``n_scored`` (genres that some but not
        all clips have: the others have no curve and are left out of means);
        ``macro_average_precision`` with ``macro_average_precision_ci95``
        ([low, high]; None where a scored genre is one of ``one_group``: all clips
        with it, or all without it, are of one artist, and nobody knows its spread),
        ``macro_roc_auc``, ``top1`` (how often the first answer is one of the
        clip's genres), ``one_vs_rest_accuracy`` at .5, ``log_loss`` (binary,
        mean over clips and genres) and ``per_class`` rows.

    Raises
    ------
    DataError
        Shapes that do not fit, values out of range, or no genre that can be scored.
    """
    t, p = np.asarray(truth, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if t.ndim != 2 or t.shape != p.shape or t.shape[1] != len(classes) or not len(t):
        raise DataError(
            f"truth {t.shape} and probabilities {p.shape} must both be clips x {len(classes)} genres"
        )
    if not np.isin(t, (0, 1)).all() or not ((p >= 0) & (p <= 1)).all():
        raise DataError("truth must be 0 or 1, probabilities lie in 0..1")
    scored = (t.sum(0) > 0) & (t.sum(0) < len(t))
    if not scored.any():
        raise DataError("no genre has both clips with it and clips without it: nothing to score")
    numbers = group_numbers(groups, len(t))
    # In how many groups clips with each genre are, and clips without it.
    spread = [(group_sums(side, numbers) > 0).sum(0) for side in (t, 1 - t)]
    alone = scored & (np.minimum(*spread) == 1)
    # A sum of shares can round to a little more than 1.
    precision = np.minimum(average_precision_score(t[:, scored], p[:, scored], average=None), 1.0)
    auc = roc_auc_score(t[:, scored], p[:, scored], average=None)
    macro = float(np.mean(precision))
    clipped = p.clip(1e-15, 1 - 1e-15)
    found = iter(zip(np.atleast_1d(precision), np.atleast_1d(auc), strict=True))
    rows = []
    for i, name in enumerate(classes):
        ap, area = map(float, next(found)) if scored[i] else (None, None)
        rows.append(
            {"genre": name, "support": int(t[:, i].sum()), "average_precision": ap, "roc_auc": area}
        )
    return {
        "n": len(t),
        "n_groups": None if groups is None else int(numbers.max()) + 1,
        "n_classes": len(classes),
        "n_scored": int(scored.sum()),
        "macro_average_precision": macro,
        "macro_average_precision_ci95": None
        if alone.any()
        else _interval(macro, t[:, scored], p[:, scored], numbers, resamples, seed),
        "one_group": [name for name, lone in zip(classes, alone, strict=True) if lone],
        "macro_roc_auc": float(np.mean(auc)),
        "top1": float(t[np.arange(len(t)), p.argmax(1)].mean()),
        "one_vs_rest_accuracy": float(((p >= 0.5) == t).mean()),
        "log_loss": float(-(t * np.log(clipped) + (1 - t) * np.log(1 - clipped)).mean()),
        "per_class": rows,
    }


def _interval(
    macro: float,
    t: npt.NDArray[np.float64],
    p: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.int64],
    resamples: int,
    seed: int,
) -> list[float] | None:
    """Return the 95 % interval of macro average precision over the genres given, artists drawn whole.

    A resample in which all clips have a genre, or none, says nothing of it: its mean is that of
    the others, as in `wavemel.evaluation.metrics.summary`.
    """
    count = int(numbers.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        # How often each artist, and so each of its clips, was drawn.
        weight = np.bincount(rng.integers(0, count, count), minlength=count)[numbers]
        keep = weight > 0
        scored = (t[keep].sum(0) > 0) & (t[keep].sum(0) < keep.sum())
        if scored.any():
            drawn.append(
                average_precision_score(
                    t[keep][:, scored],
                    p[keep][:, scored],
                    average="macro",
                    sample_weight=weight[keep],
                )
            )
    return around(macro, np.minimum(drawn, 1.0), 0.95) if drawn else None
