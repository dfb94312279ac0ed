"""Several seeds of one recipe: their mean with an interval, and their answers averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wavemel.errors import DataError
from wavemel.evaluation.intervals import FloatArray, bootstrap
from wavemel.evaluation.runs import Tracks, tracks
from wavemel.evaluation.same_test import check_same_test


def average_predictions(
    predictions: Sequence[pd.DataFrame], classes: tuple[str, ...], poolings: Sequence[str]
) -> pd.DataFrame:
    """Return the mean of several networks' probabilities, window by window.

    Networks that hear windows of other lengths have no window in common, and those whose windows
    become a track in other ways no pooling: theirs are averaged by track, which then has one row.

    Parameters
    ----------
    predictions : of each network, by window.
    classes : class list, in the networks' order.
    poolings : of each network; see `wavemel.pooling`.

    Raises
    ------
    DataError
        They are of different tracks, or of other genres or artists of them.
    """
    columns = [f"p_{name}" for name in classes]
    key = ["path", "start"]
    ordered = [p.sort_values(key, kind="stable").reset_index(drop=True) for p in predictions]
    if any(set(p["path"]) != set(ordered[0]["path"]) for p in ordered):
        raise DataError("networks that were asked about different tracks cannot be averaged")
    check_same_test({f"network {i}": p for i, p in enumerate(ordered, 1)}, classes)
    first = ordered[0]
    if len(set(poolings)) > 1 or not all(p[key].equals(first[key]) for p in ordered):
        facts = [c for c in ("artist", "genre") if c in first]
        shown = first.groupby("path", sort=True)[facts].first().reset_index()
        means = [
            tracks(p, classes, "track", pooling).probabilities
            for p, pooling in zip(ordered, poolings, strict=True)
        ]
        made = shown.assign(start=0.0)
        made[columns] = np.mean(means, axis=0)
        return made
    made = first.drop(columns=columns)
    made[columns] = np.mean([p[columns].to_numpy() for p in ordered], axis=0)
    return made


def over_seeds(tracks: Sequence[Tracks], seeds: Sequence[int]) -> dict[str, Any]:
    """Return top-1 by seed, its mean and standard deviation, and the mean's interval over artists.

    Parameters
    ----------
    tracks : one prediction a track, of each seed, on the same tracks.
    seeds : their numbers.

    Raises
    ------
    DataError
        They are of different tracks, or of other genres or artists of them.
    """
    first = tracks[0]
    if any(list(t.paths) != list(first.paths) for t in tracks):
        raise DataError("seeds that were tested on different tracks cannot be averaged")
    if any(
        list(t.truth) != list(first.truth) or list(t.artists) != list(first.artists) for t in tracks
    ):
        raise DataError("seeds that were tested with other labels or artists cannot be averaged")
    right = np.array([t.probabilities.argmax(1) == t.truth for t in tracks], dtype=np.float64)

    def mean(sums: FloatArray) -> dict[str, FloatArray]:
        return {"top1": sums[:, 0] / sums[:, 1]}

    values = np.column_stack([right.mean(0), np.ones(right.shape[1])])
    each = right.mean(1)
    return {
        "seeds": list(seeds),
        "n": right.shape[1],
        "top1_each": each.tolist(),
        "top1": float(each.mean()),
        "top1_sd": float(each.std(ddof=1)) if len(each) > 1 else None,
        "top1_ci95": bootstrap(values, first.artists, mean)["top1"],
    }
