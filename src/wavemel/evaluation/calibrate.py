"""Calibration of trained networks: what is fitted, and the figures before and after, as plain data.

All figures are of whole tracks, as a classified file gets its answer.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wavemel.evaluation.calibration import Scaling, cross_fit, fit
from wavemel.evaluation.calibration_error import (
    error_by_chance,
    error_interval,
    expected_calibration_error,
    reliability,
)
from wavemel.evaluation.metrics import brier_scores, log_losses, validate
from wavemel.evaluation.predictions import probability_columns
from wavemel.evaluation.runs import Tracks, tracks
from wavemel.evaluation.selective import (
    CONFIDENCE,
    PRECISION,
    answered,
    choose_threshold,
    coverage_curve,
    risk_coverage_area,
)
from wavemel.pooling import MEAN, typical_variation

#: Where the scaling behind the figures comes from.
OTHER_FOLDS, VALIDATION = "other folds", "validation"


def calibrate_folds(
    members: Sequence[tuple[pd.DataFrame, Hashable]],
    classes: tuple[str, ...],
    *,
    method: str = "temperature",
    pooling: str = MEAN,
    precision: float = PRECISION,
    confidence: float = CONFIDENCE,
) -> dict[str, Any]:
    """Return the calibration of a cross-validation, every figure of tracks that were held out.

    Parameters
    ----------
    members : as in `cross_fit`.
    classes, method, pooling : as in `fit`.
    precision, confidence : of the threshold; see `choose_threshold`.

    Returns
    -------
    dict
        ``fitted_on``, ``measured_on``, ``pooling``, ``method``, ``temperature`` (and ``scale``, ``bias``):
        one fit on all folds' held-out tracks, for a model that is trained on
        everything; ``temperatures`` of the folds; ``n`` predictions (each seed has one
        a track) of ``tracks`` tracks, all ``fitted_tracks``; ``before``, ``after``: see `figures_of`; ``curve``:
        see `coverage_curve`, after; ``unsure``: the threshold, chosen on the
        tracks of ``after``, as `Threshold.as_dict`; ``held_out``: what
        thresholds that were chosen without a fold do on it, and which of them
        ``promised``; see `_without`; ``window_variation``: see there.

    Raises
    ------
    DataError, ConfigError
        as `cross_fit`.
    """
    scaled = cross_fit(members, classes, method, pooling)
    before = _joined([tracks(table, classes, "track", pooling) for table, _ in members])
    parts = [tracks(table, classes, "track", pooling) for table, _ in scaled]
    after = _joined(parts)
    found = fit([table for table, _ in members], classes, method, pooling)
    count = len(set(after.paths))
    repeats = _repeats(after)
    chosen = choose_threshold(after.truth, after.probabilities, precision, confidence, repeats)
    folds = [fold for _, fold in members]
    held, promises = [0, 0], []
    for fold in dict.fromkeys(folds):
        others = _without(fold, members, classes, method, pooling)
        without = choose_threshold(
            others.truth, others.probabilities, precision, confidence, _repeats(others)
        )
        promises.append(without.promised)
        for part in (p for p, f in zip(parts, folds, strict=True) if f == fold):
            said, right = answered(part.truth, part.probabilities, without.below)
            held[0] += said
            held[1] += right
    return {
        "fitted_on": OTHER_FOLDS,
        "measured_on": "test",
        "pooling": pooling,
        **_scaling(found),
        "fitted_tracks": count,
        "temperatures": [scaling.temperature for _, scaling in scaled],
        "n": len(after.truth),
        "tracks": count,
        "before": figures_of(before),
        "after": figures_of(after),
        "curve": coverage_curve(after.truth, after.probabilities),
        "unsure": chosen.as_dict(),
        "held_out": _answers(held[0], held[1], len(after.truth)) | {"promised": promises},
        "window_variation": window_variation([table for table, _ in scaled], classes, pooling),
    }


def calibrate_split(
    validation: pd.DataFrame,
    test: pd.DataFrame | None,
    classes: tuple[str, ...],
    *,
    method: str = "temperature",
    pooling: str = MEAN,
    precision: float = PRECISION,
    confidence: float = CONFIDENCE,
) -> dict[str, Any]:
    """Return the calibration of one run: fitted on its validation tracks, measured on its test tracks.

    ``before`` and ``after`` are of the validation tracks where ``test`` is
    None, which flatters (the epoch was picked on them too); ``measured_on``
    says so. The rest is as `calibrate_folds` returns it; ``held_out`` is what
    the threshold does on the test tracks.

    Raises
    ------
    DataError, ConfigError
        as `fit`.
    """
    found = fit([validation], classes, method, pooling)
    learnt = tracks(found.predictions(validation, classes), classes, "track", pooling)
    chosen = choose_threshold(learnt.truth, learnt.probabilities, precision, confidence)
    asked = validation if test is None else test
    before = tracks(asked, classes, "track", pooling)
    after = tracks(found.predictions(asked, classes), classes, "track", pooling)
    held = None
    if test is not None:
        held = _answers(*answered(after.truth, after.probabilities, chosen.below), len(after.truth))
    return {
        "fitted_on": VALIDATION,
        "measured_on": VALIDATION if test is None else "test",
        "pooling": pooling,
        **_scaling(found),
        "temperatures": [found.temperature],
        "n": len(after.truth),
        "tracks": len(after.truth),
        "before": figures_of(before),
        "after": figures_of(after),
        "curve": coverage_curve(after.truth, after.probabilities),
        "unsure": chosen.as_dict(),
        "held_out": held,
        "window_variation": window_variation([found.predictions(asked, classes)], classes, pooling),
    }


def _without(
    fold: Hashable,
    members: Sequence[tuple[pd.DataFrame, Hashable]],
    classes: tuple[str, ...],
    method: str,
    pooling: str,
) -> Tracks:
    """Return the tracks that choose a threshold without a fold, scaled without it as well.

    They are cross-fitted anew among the other folds, for all that was done to choose the threshold
    on all folds is repeated here without one of them (nested cross-validation: Varma & Simon
    2006, "Bias in error estimation when using cross-validation for model selection"). The scaling that the held-out fold
    gets was fitted on these very tracks, and a promise wants tracks that the scaling has not seen.
    Of two folds there is but one other, which must be scaled by what was fitted on itself.
    """
    others = [(table, other) for table, other in members if other != fold]
    if len({other for _, other in others}) > 1:
        scaled = [table for table, _ in cross_fit(others, classes, method, pooling)]
    else:
        found = fit([table for table, _ in others], classes, method, pooling)
        scaled = [found.predictions(table, classes) for table, _ in others]
    return _joined([tracks(table, classes, "track", pooling) for table in scaled])


def figures_of(found: Tracks) -> dict[str, Any]:
    """Return what stated probabilities are worth on tracks.

    ``top1``, ``log_loss`` (nats), ``brier``; ``ece`` with ``ece_ci95`` over
    artists, ``ece_adaptive``; ``ece_chance`` and ``ece_chance95``: see
    `error_by_chance`; ``aurc``: see `risk_coverage_area`; ``reliability``.
    """
    t, p = validate(found.truth, found.probabilities)
    chance, chance95 = error_by_chance(p, found.paths)
    return {
        "top1": float((p.argmax(1) == t).mean()),
        "log_loss": float(log_losses(t, p).mean()),
        "brier": float(brier_scores(t, p).mean()),
        "ece": expected_calibration_error(t, p),
        "ece_ci95": error_interval(t, p, found.artists),
        "ece_adaptive": expected_calibration_error(t, p, adaptive=True),
        "ece_chance": chance,
        "ece_chance95": chance95,
        "aurc": risk_coverage_area(t, p),
        "reliability": reliability(t, p),
    }


def window_variation(
    predictions: Sequence[pd.DataFrame], classes: tuple[str, ...], pooling: str = MEAN
) -> float | None:
    """Return how much the windows of a track vary; see `typical_variation`."""
    columns = probability_columns(classes)
    return typical_variation(
        (
            windows.to_numpy(np.float64)
            for table in predictions
            for _, windows in table.groupby("path")[columns]
        ),
        pooling,
    )


def _scaling(found: Scaling) -> dict[str, Any]:
    return {
        "method": found.method,
        "temperature": found.temperature,
        "scale": None if found.scale is None else list(found.scale),
        "bias": None if found.bias is None else list(found.bias),
        "fitted_tracks": found.n,
        "at_bound": found.at_bound,
    }


def _answers(said: int, right: int, n: int) -> dict[str, Any]:
    return {"coverage": said / n, "share_right": right / said if said else None, "answered": said}


def _joined(parts: Sequence[Tracks]) -> Tracks:
    return Tracks(
        np.concatenate([p.paths for p in parts]),
        np.concatenate([p.truth for p in parts]),
        np.concatenate([p.probabilities for p in parts]),
        np.concatenate([p.artists for p in parts]),
    )


def _repeats(found: Tracks) -> int:
    """Return how many predictions a track has at most."""
    return int(np.unique(found.paths, return_counts=True)[1].max())
