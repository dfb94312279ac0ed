"""Percentile bootstrap, by groups of clips.

Clips of one artist resemble each other: 100 clips of 10 artists tell less than
100 clips of 100. So whole artists are drawn, with all their clips (cluster
bootstrap: Davison & Hinkley 1997, section 3.8; Field & Welsh 2007). Figures
that follow from sums over clips need only each group's sums, and a resample is
a row of counts times those sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.errors import DataError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Numbers that one block of resamples may hold, so that memory stays flat.
_BLOCK = 4_000_000


def group_numbers(groups: Sequence[object] | npt.ArrayLike | None, n: int) -> IntArray:
    """Return each clip's group as a number 0..G-1, in order of appearance.

    Parameters
    ----------
    groups : a name a clip; one that is missing (None, NaN, NA or an empty
        text) makes its clip a group of its own. None: every clip is.
    n : number of clips.

    Raises
    ------
    DataError
        ``groups`` has another length than ``n``.
    """
    if groups is None:
        return np.arange(n)
    names = pd.Series(np.asarray(groups, dtype=object).ravel(), dtype=object)
    if len(names) != n:
        raise DataError(f"{len(names)} groups do not fit {n} clips")
    blank = names.map(lambda name: isinstance(name, str) and not name.strip()).astype(bool)
    # A tuple cannot be equal to any name that a table gives.
    keys = [
        ("", i) if missing else name
        for i, (name, missing) in enumerate(zip(names, names.isna() | blank, strict=True))
    ]
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def group_sums(values: FloatArray, numbers: IntArray) -> FloatArray:
    """Return the sum of ``values`` (n, ...) over each group, (G, ...)."""
    sums = np.zeros((int(numbers.max()) + 1, *values.shape[1:]))
    np.add.at(sums, numbers, values)
    return sums


def resampled_sums(sums: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Return totals of ``resamples`` draws of G groups with replacement, (G, C) -> (resamples, C)."""
    g = len(sums)
    block = max(1, _BLOCK // g)
    totals = np.empty((resamples, sums.shape[1]))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        # How often each group is drawn: one bincount over all rows, each with numbers of its own.
        drawn = rng.integers(0, g, (rows, g)) + np.arange(rows)[:, None] * g
        times = np.bincount(drawn.ravel(), minlength=rows * g).reshape(rows, g)
        totals[start : start + rows] = times.astype(np.float64) @ sums
    return totals


def percentiles(values: FloatArray, confidence: float) -> list[float]:
    """Return the [low, high] between which the middle ``confidence`` of ``values`` lies."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return [float(low), float(high)]


def around(figure: float, values: FloatArray, confidence: float) -> list[float]:
    """Return the interval of a macro figure, a mean over classes in 0..1, from its resamples.

    Ratios of few clips bend: where classes are many and their artists few, the resamples of a
    mean of ratios may all lie to one side of the figure. Then that bias is taken off their
    percentiles (Efron & Tibshirani 1993, chapter 10), so that the interval holds the figure.
    """
    low, high = percentiles(values, confidence)
    if not low <= figure <= high:
        bias = float(values.mean()) - figure
        low, high = max(low - bias, 0.0), min(high - bias, 1.0)
    return [min(low, figure), max(high, figure)]


def check_settings(confidence: float, resamples: int) -> None:
    """Raise ValueError where no interval can be made with these settings."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")


def resampled(
    values: FloatArray,
    groups: Sequence[object] | npt.ArrayLike | None,
    statistic: Callable[[FloatArray], dict[str, FloatArray]],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, FloatArray] | None:
    """Return what `bootstrap` takes its percentiles of: each figure of every resample.

    None where all clips are of one group.
    """
    sums = group_sums(values, group_numbers(groups, len(values)))
    if len(sums) < 2:
        return None
    return statistic(resampled_sums(sums, resamples, np.random.default_rng(seed)))


def bootstrap(
    values: FloatArray,
    groups: Sequence[object] | npt.ArrayLike | None,
    statistic: Callable[[FloatArray], dict[str, FloatArray]],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, list[float] | None]:
    """Return an interval for each figure, a ratio of sums, that ``statistic`` makes of sums over clips.

    Parameters
    ----------
    values : (n, C), what each clip adds to the sums.
    groups : as in `group_numbers`.
    statistic : takes sums (resamples, C), returns figures (resamples,) by name.
    confidence, resamples, seed : of the bootstrap.

    Returns
    -------
    dict
        name -> [low, high], or None where all clips are of one group, whose
        spread nobody can know.
    """
    check_settings(confidence, resamples)
    found = resampled(values, groups, statistic, resamples=resamples, seed=seed)
    if found is None:
        return dict.fromkeys(statistic(values))
    return {name: percentiles(figures, confidence) for name, figures in found.items()}
