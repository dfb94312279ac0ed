"""Answers that are withheld: from which confidence on an answer is right often enough.

A model that may say "unsure" answers the share of tracks whose top probability
reaches a threshold (coverage) and is right on some of these (precision, one
minus the selective risk): Geifman & El-Yaniv 2017, "Selective Classification
for Deep Neural Networks".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from wavemel.evaluation.metrics import FloatArray, validate

#: What an answer that is not withheld should be right with, where nobody says otherwise.
PRECISION = 0.9
#: The probability with which that shall hold for new tracks.
CONFIDENCE = 0.9
#: Share of all tracks that one step of the promise's search adds.
_STEP = 0.05
#: Points of a curve that are kept: enough for any drawing.
_POINTS = 101


@dataclass(frozen=True)
class Threshold:
    """A threshold of the top probability, and what it was on the tracks that chose it.

    ``below``: less probable answers are unsure; None where no threshold reaches
    ``precision``. ``promised``: whether new tracks reach it too, with
    probability ``confidence``; else it is the share right of these tracks.
    ``answered`` of ``n`` tracks reach the threshold, ``right`` of them rightly.
    """

    below: float | None
    precision: float
    confidence: float
    promised: bool
    n: int
    answered: int = 0
    right: int = 0

    @property
    def coverage(self) -> float:
        """Share of tracks that are answered."""
        return self.answered / self.n

    @property
    def share_right(self) -> float | None:
        """Share of the answers that are right; None without any."""
        return self.right / self.answered if self.answered else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {**asdict(self), "coverage": self.coverage, "share_right": self.share_right}


def coverage_curve(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike, points: int = _POINTS
) -> list[dict[str, float]]:
    """Return rows of ``threshold``, ``coverage`` and ``precision``, the fewest answers first.

    A row stands for each confidence that occurs, or for at most ``points`` of
    them; the last one answers everything.
    """
    thresholds, answered, right = _steps(truth, probabilities)
    keep = np.unique(np.linspace(0, len(thresholds) - 1, points).round().astype(int))
    return [
        {
            "threshold": float(thresholds[i]),
            "coverage": float(answered[i] / answered[-1]),
            "precision": float(right[i] / answered[i]),
        }
        for i in keep
    ]


def risk_coverage_area(truth: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the area under risk against coverage: the mean share wrong over all coverages.

    0 is perfect; an order that knows nothing has the share wrong of all tracks
    (AURC: Geifman et al. 2019, "Bias-Reduced Uncertainty Estimation"). Equal
    confidences enter together, as one threshold cannot part them.
    """
    _, answered, right = _steps(truth, probabilities)
    risk = 1 - right / answered
    return float((risk * np.diff(answered, prepend=0)).sum() / answered[-1])


def choose_threshold(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    precision: float = PRECISION,
    confidence: float = CONFIDENCE,
    repeats: int = 1,
) -> Threshold:
    """Return the lowest threshold from which on answers are right with the stated precision.

    Of all thresholds, the lowest at which the share right happens to reach the
    precision is a lucky one, and new tracks fall short of it. So a lower bound
    of the share right must reach it (Geifman & El-Yaniv; exact for a binomial:
    Clopper & Pearson 1934). Looking at one bound after another would add up
    their chances of error, unless the order is fixed before and the first
    failure ends it (fixed sequence testing: Angelopoulos et al. 2021, "Learn
    then Test"): from the `fewest_answers` most certain tracks on, twentieths
    of all tracks are added. Tracks count as independent; those of one artist
    are not quite.

    A promise of .9 wants 75 answers or more, nearly all of them right.
    Where the tracks allow none, the lowest threshold at which the share right
    reaches the precision is returned, and ``promised`` is False.

    Parameters
    ----------
    truth, probabilities : (n,) class numbers and (n, K), of tracks that were
        held out from training and, best, from the fit of the calibration.
    precision : share right that is wanted of the answers, above 0 and under 1.
    confidence : probability of the promise, 0 <= . < 1; 0 asks for none.
    repeats : predictions a track (as of several seeds), which tell no more
        than one: the bound is that of n / repeats tracks.

    Raises
    ------
    ValueError
        A setting is out of range.
    """
    if not 0 < precision < 1 or not 0 <= confidence < 1 or repeats < 1:
        raise ValueError("precision and confidence lie between 0 and 1, repeats is 1 or more")
    thresholds, answered, right = _steps(truth, probabilities)
    n = int(answered[-1])
    best = None
    if confidence > 0:
        best = _promise(answered / repeats, right / repeats, precision, 1 - confidence)
    promised = best is not None
    if best is None:
        passing = np.flatnonzero(right >= precision * answered)
        if not len(passing):
            return Threshold(None, precision, confidence, False, n)
        best = int(passing[-1])
    # Midway to the next confidence, so that rounding in another program changes no answer.
    last = best == len(thresholds) - 1
    below = 0.0 if last else float(thresholds[best : best + 2].mean())
    return Threshold(
        below, precision, confidence, promised, n, int(answered[best]), int(right[best])
    )


def answered(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike, below: float | None
) -> tuple[int, int]:
    """Return how many tracks reach a threshold, and how many of these are right; None: no track does."""
    confidence, right = _confidence(truth, probabilities)
    reach = np.zeros(len(right), bool) if below is None else confidence >= below
    return int(reach.sum()), int(right[reach].sum())


def fewest_answers(precision: float, confidence: float) -> int:
    """Return how many answers a promise begins with: enough to bear half the errors it allows."""

    def short(n: int) -> bool:
        return _bound(n, n * (1 + precision) / 2, 1 - confidence) < precision

    high = 1
    while short(high):
        high *= 2
    low = high // 2
    # More answers only raise the bound: halve until the first number that is enough is left.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if short(middle) else (low, middle)
    return high


def _promise(answered: FloatArray, right: FloatArray, precision: float, error: float) -> int | None:
    """Return the last step before the bound falls short of the precision for the first time."""
    n = answered[-1]
    sizes = np.arange(fewest_answers(precision, 1 - error), n, max(1, _STEP * n))
    best = None
    # A size that lies between equal confidences takes them all. The last size is all tracks.
    for step in dict.fromkeys([*np.searchsorted(answered, sizes).tolist(), len(answered) - 1]):
        if _bound(answered[step], right[step], error) < precision:
            break
        best = step
    return best


def _bound(n: float, right: float, error: float) -> float:
    """Return the one-sided lower bound of a share, Clopper & Pearson's."""
    return float(stats.beta.ppf(error, right, n - right + 1)) if right > 0 else 0.0


def _steps(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each confidence that occurs, highest first, with tracks at or above it and those right."""
    confidence, right = _confidence(truth, probabilities)
    values, where = np.unique(-confidence, return_inverse=True)
    return (
        -values,
        np.bincount(where).cumsum().astype(np.float64),
        np.bincount(where, right).cumsum(),
    )


def _confidence(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    t, p = validate(truth, probabilities)
    return p.max(1), p.argmax(1) == t
