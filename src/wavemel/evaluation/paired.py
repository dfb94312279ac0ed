"""Tests of two models on the same clips: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from wavemel.errors import DataError
from wavemel.evaluation.intervals import FloatArray, bootstrap, group_numbers, group_sums
from wavemel.evaluation.metrics import validate

#: Up to this many groups every pattern of signs is tried, 65,536 at most; beyond, patterns are drawn.
_EXACT_GROUPS = 16
#: Signs that one block of draws may hold, so that memory stays flat.
_BLOCK = 4_000_000


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return McNemar's exact two-sided p: clips that only one model has right, as tosses of a coin.

    It takes clips as independent; where artists have several, `sign_flip` is the one to quote.
    """
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


def sign_flip(differences: npt.ArrayLike, *, resamples: int = 9999, seed: int = 0) -> float:
    """Return the two-sided p of a paired permutation test.

    If the models are equally good, swapping their answers for a whole group
    changes nothing but the sign of that group's difference.

    Parameters
    ----------
    differences : (G,), summed over each group's clips.
    resamples : random patterns of signs where there are too many to try all;
        the observed pattern counts as one more (Phipson & Smyth 2010), so p is never 0.
    seed : of those patterns.
    """
    d = np.asarray(differences, dtype=np.float64)
    # A group without difference is the same under either sign.
    d = d[d != 0]
    g = len(d)
    if g == 0:
        return 1.0
    # Sums of the same numbers in another order may differ in their last bit.
    extreme = abs(d.sum()) - 1e-9 * np.abs(d).sum()
    if g <= _EXACT_GROUPS:
        signs = 1 - 2 * ((np.arange(2**g)[:, None] >> np.arange(g)) & 1)
        return float((np.abs(signs @ d) >= extreme).mean())
    rng = np.random.default_rng(seed)
    block, found = max(1, _BLOCK // g), 0
    for start in range(0, resamples, block):
        flipped = rng.integers(0, 2, (min(block, resamples - start), g), dtype=np.int8)
        sums = d.sum() - 2 * (flipped.astype(np.float64) @ d)
        found += int((np.abs(sums) >= extreme).sum())
    return (found + 1) / (resamples + 1)


def paired_test(
    truth: npt.ArrayLike,
    probabilities_a: npt.ArrayLike,
    probabilities_b: npt.ArrayLike,
    groups: Sequence[object] | npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the top-1 of models a and b on the same clips.

    Parameters
    ----------
    truth : (n,) class numbers.
    probabilities_a, probabilities_b : (n, K) each.
    groups : (n,) artists: what the permutation swaps and the bootstrap draws.
    confidence, resamples, seed : of the bootstrap and of the permutation.

    Returns
    -------
    dict
        ``n``, ``n_groups`` (None without groups), ``top1_a``, ``top1_b``,
        ``difference`` (a - b) with ``difference_ci95``, ``only_a``, ``only_b``
        (clips that only one has right), ``mcnemar_p``, ``permutation_p``.

    Raises
    ------
    DataError
        as `validate`; or the two have different shapes.
    """
    t, a = validate(truth, probabilities_a)
    t, b = validate(truth, probabilities_b)
    if a.shape != b.shape:
        raise DataError(f"two models with {a.shape[1]} and {b.shape[1]} classes cannot be compared")
    right_a, right_b = a.argmax(1) == t, b.argmax(1) == t
    numbers = group_numbers(groups, len(t))
    difference = right_a.astype(np.float64) - right_b

    def mean(sums: FloatArray) -> dict[str, FloatArray]:
        return {"difference": sums[:, 0] / sums[:, 1]}

    interval = bootstrap(
        np.column_stack([difference, np.ones(len(t))]),
        numbers,
        mean,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return {
        "n": len(t),
        "n_groups": None if groups is None else int(numbers.max()) + 1,
        "top1_a": float(right_a.mean()),
        "top1_b": float(right_b.mean()),
        "difference": float(difference.mean()),
        f"difference_ci{100 * confidence:g}": interval["difference"],
        "only_a": only_a,
        "only_b": only_b,
        "mcnemar_p": mcnemar_exact(only_a, only_b),
        "permutation_p": sign_flip(group_sums(difference, numbers), resamples=resamples, seed=seed),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being several, in the order given (Holm 1979).

    Calling what stays under .05 different errs, even once, in at most 5 % of such families.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()
