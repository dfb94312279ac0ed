"""Probabilities that mean what they say: one temperature, fitted on clips that taught nothing.

Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks")
divides the logits by one number, which is fitted on held-out clips by least log
loss. An exported model divides the log-probabilities of each window and then
pools a track's windows (`wavemel.pooling`), so the loss that is minimised here is
that of the same answer. Where windows are averaged, the temperature makes them softer or sharper
before they vote: where they disagree, the track's most probable class can change. The mean of more
windows is less certain, so a temperature holds for tracks about as long as those that it
was fitted on. A geometric mean keeps its most probable class at every temperature.

Vector scaling (ibid.), a scale and a bias a class, is here to be compared with.
Exported models hold a temperature alone: with a handful of classes and some
hundred tracks, Guo et al. find nothing to gain from more parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from wavemel.errors import ConfigError, DataError
from wavemel.evaluation.metrics import FloatArray, IntArray, log_losses
from wavemel.evaluation.predictions import first_rows, probability_columns
from wavemel.pooling import MEAN, logarithms, pool_tracks, softmax

#: Least and greatest temperature; beyond them lie only answers that are always or never certain.
BOUNDS = (0.05, 20.0)
#: Held-out tracks of its rarest class that vector scaling wants, for two parameters a class.
FEWEST_A_CLASS = 10
#: Weight of vector scaling's pull towards the temperature, in tracks (see `_vector`).
_PULL = 5.0


@dataclass(frozen=True)
class Scaling:
    """A fitted map of each window's log-probabilities: ``softmax(scale * log p + bias)``.

    ``temperature`` scales all classes alike by its inverse; ``scale`` and
    ``bias`` hold a number a class, in vector scaling only. ``n``: tracks it was
    fitted on.
    """

    method: str = "none"
    temperature: float = 1.0
    scale: tuple[float, ...] | None = None
    bias: tuple[float, ...] | None = None
    n: int = 0

    @property
    def at_bound(self) -> bool:
        """Whether the fit ran into the end of what was tried: the clips cannot fix a temperature."""
        low, high = BOUNDS
        return not low * 1.01 < self.temperature < high / 1.01

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return scaled probabilities of windows, (W, classes) -> (W, classes)."""
        logs = logarithms(probabilities)
        scale = 1 / self.temperature if self.scale is None else np.asarray(self.scale)
        return softmax(logs * scale + (0.0 if self.bias is None else np.asarray(self.bias)))

    def predictions(self, table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
        """Return predictions by window with scaled probabilities; `runs.tracks` reduces them."""
        columns = probability_columns(classes)
        scaled = table.copy()
        scaled[columns] = self(table[columns].to_numpy(np.float64))
        return scaled


@dataclass(frozen=True)
class _Windows:
    """Windows in the order of their tracks: logs (W, K), each track's first row (n,), truth (n,).

    ``pooling``: how windows become a track.
    """

    logs: FloatArray
    first: IntArray
    truth: IntArray
    pooling: str

    def loss(self, scale: FloatArray | float, bias: FloatArray | float = 0.0) -> float:
        """Return the mean log loss of the tracks' answers, in nats."""
        p = pool_tracks(softmax(self.logs * scale + bias), self.first, self.pooling)
        return float(log_losses(self.truth, p).mean())


def fit(
    predictions: Sequence[pd.DataFrame],
    classes: Sequence[str],
    method: str = "temperature",
    pooling: str = MEAN,
) -> Scaling:
    """Return the scaling with the least log loss of whole tracks.

    Parameters
    ----------
    predictions : tables by window, as `evaluate_run` keeps them, of clips that
        no network learnt from; several where several networks share a scaling.
    classes : class list, in the order of the columns.
    method : ``"temperature"``, ``"vector"`` or ``"none"``.
    pooling : how windows become a track; see `wavemel.pooling`.

    Raises
    ------
    ConfigError
        There is no such method.
    DataError
        Vector scaling with too few tracks of a class.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no calibration {method!r}: {', '.join(METHODS)}")
    return METHODS[method](_windows(predictions, classes, pooling), classes)


def cross_fit(
    members: Sequence[tuple[pd.DataFrame, Hashable]],
    classes: Sequence[str],
    method: str = "temperature",
    pooling: str = MEAN,
) -> list[tuple[pd.DataFrame, Scaling]]:
    """Return each member's predictions, scaled by what was fitted on the other folds' alone.

    So what is measured on them is of clips that the scaling has not seen.

    Parameters
    ----------
    members : (predictions by window on its test clips, fold) of each run of a
        cross-validation; seeds of one fold share its label.
    classes, method, pooling : as in `fit`.

    Raises
    ------
    DataError
        One fold alone, or folds that share clips.
    """
    folds: dict[Hashable, set[str]] = {fold: set() for _, fold in members}
    for table, fold in members:
        folds[fold] |= set(table["path"])
    if len(folds) < 2:
        raise DataError("cross-fitting needs two folds or more: one holds nothing out")
    if sum(map(len, folds.values())) != len(set().union(*folds.values())):
        raise DataError("two folds share test clips, so neither holds them out from the other")
    fitted = {
        fold: fit([table for table, other in members if other != fold], classes, method, pooling)
        for fold in folds
    }
    return [(fitted[fold].predictions(table, classes), fitted[fold]) for table, fold in members]


def _none(windows: _Windows, classes: Sequence[str]) -> Scaling:
    return Scaling("none", n=len(windows.truth))


def _temperature(windows: _Windows, classes: Sequence[str]) -> Scaling:
    def loss(log_temperature: float) -> float:
        return windows.loss(np.exp(-log_temperature))

    # A mean over windows has no convex loss: a grid finds the valley, then its floor is sought.
    grid = np.linspace(np.log(BOUNDS[0]), np.log(BOUNDS[1]), 25)
    best = int(np.argmin([loss(t) for t in grid]))
    sides = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(loss, bounds=sides, method="bounded", options={"xatol": 1e-5})
    return Scaling("temperature", float(np.exp(found.x)), n=len(windows.truth))


def _vector(windows: _Windows, classes: Sequence[str]) -> Scaling:
    """Fit a scale and a bias a class, pulled towards one temperature without bias.

    The pull is a squared distance, as Kull et al. 2019 ("Beyond temperature
    scaling") regularise; a track more or less counts as 1 / `_PULL` of it.
    """
    k, n = len(classes), len(windows.truth)
    rarest = int(np.bincount(windows.truth, minlength=k).argmin())
    count = int((windows.truth == rarest).sum())
    if count < FEWEST_A_CLASS:
        raise DataError(
            f"vector scaling needs {FEWEST_A_CLASS} held-out tracks of every class, and there "
            f"are {count} of {classes[rarest]!r}: use temperature scaling"
        )
    start = _temperature(windows, classes)

    def loss(values: FloatArray) -> float:
        log_scale, bias = values[:k], values[k:]
        pull = _PULL / n * float((log_scale**2).sum() + (bias**2).sum())
        return windows.loss(np.exp(log_scale) / start.temperature, bias) + pull

    found = optimize.minimize(loss, np.zeros(2 * k), method="L-BFGS-B", bounds=[(-3, 3)] * (2 * k))
    scale = np.exp(found.x[:k]) / start.temperature
    return Scaling(
        "vector", start.temperature, tuple(scale.tolist()), tuple(found.x[k:].tolist()), n
    )


#: Method -> what fits it.
METHODS: dict[str, Callable[[_Windows, Sequence[str]], Scaling]] = {
    "temperature": _temperature,
    "vector": _vector,
    "none": _none,
}


def _windows(predictions: Sequence[pd.DataFrame], classes: Sequence[str], pooling: str) -> _Windows:
    """Stack tables; a path that stands in several of them is a track of each."""
    index = {genre: i for i, genre in enumerate(classes)}
    columns = probability_columns(classes)
    logs, first, truth, rows = [], [], [], 0
    for table in predictions:
        ordered = table.sort_values("path", kind="stable")
        begins = first_rows(ordered["path"])
        logs.append(logarithms(ordered[columns].to_numpy(np.float64)))
        first.append(begins + rows)
        truth.append(ordered["genre"].iloc[begins].map(index).to_numpy(np.int64))
        rows += len(ordered)
    if not rows:
        raise DataError("there are no clips to calibrate on")
    return _Windows(np.concatenate(logs), np.concatenate(first), np.concatenate(truth), pooling)
