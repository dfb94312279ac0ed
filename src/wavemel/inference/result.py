"""Probabilities of windows -> the result of a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wavemel.audio.verdict import MIN_SECONDS
from wavemel.inference.bundle import ModelDescription
from wavemel.pooling import pool


@dataclass(frozen=True)
class GenreProbability:
    """A genre and its calibrated probability."""

    genre: str
    probability: float


@dataclass(frozen=True)
class WindowResult:
    """What the model says of one stretch: ``start`` and ``end`` in seconds, most probable first."""

    start: float
    end: float
    genres: tuple[GenreProbability, ...]


@dataclass(frozen=True)
class TrackResult:
    """What the model says of one track.

    ``genres``: all of the model's, most probable first; none where there is
    nothing to classify (silence), and ``notes`` says so. ``unsure``: the
    answer should not be relied on. ``timeline``: the windows that were read,
    in order. ``model``: name and id. ``seconds``: the track's length, as
    decoded where it was read to its end (``whole``), else as its header says.
    ``seconds_read``: how much of it was decoded for the answer. ``complete``:
    False where the file ends in damage. ``notes``: sentences on what is
    unusual about the audio.
    """

    genres: tuple[GenreProbability, ...]
    unsure: bool
    timeline: tuple[WindowResult, ...]
    model: str
    seconds: float
    seconds_read: float
    whole: bool
    complete: bool = True
    notes: tuple[str, ...] = ()

    @property
    def genre(self) -> str | None:
        """The most probable genre."""
        return self.genres[0].genre if self.genres else None

    @property
    def probability(self) -> float | None:
        """The probability of `genre`."""
        return self.genres[0].probability if self.genres else None


#: Share of a window that sound should fill: with more padding the model hears what it was never
#: taught.
_ENOUGH = 0.75


@dataclass(frozen=True)
class Probabilities2Result:
    """One answer out of windows, its order, and whether to rely on it.

    ``min_confidence``, from 0 to 1, replaces the model's own threshold.
    """

    model: ModelDescription
    min_confidence: float | None = None

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence must lie between 0 and 1, not {self.min_confidence}")

    def genres(self, probabilities: npt.NDArray[np.float64]) -> tuple[GenreProbability, ...]:
        """Return genres with their probabilities, (classes,), most probable first."""
        # Stable: equal probabilities stay in the order of the classes.
        order = np.argsort(-probabilities, kind="stable")
        return tuple(
            GenreProbability(self.model.classes[i], float(probabilities[i])) for i in order
        )

    def track(self, windows: npt.NDArray[np.float64]) -> tuple[GenreProbability, ...]:
        """Return the genres of the track of these windows, (n, classes), most probable first."""
        return self.genres(pool(windows, self.model.pooling))

    def unsure(self, genres: Sequence[GenreProbability], seconds: float, rate: float) -> bool:
        """Return whether an answer is not to be relied on.

        It is not where the most probable genre stays below the threshold or there is none, nor where
        sound of ``seconds``, recorded at ``rate`` Hz, is much less than the model hears of others.
        """
        threshold = self.min_confidence
        if threshold is None:
            threshold = self.model.unsure_below
        short = seconds < max(MIN_SECONDS, _ENOUGH * self.model.seconds)
        dull = rate <= self.model.rate / 2
        return not genres or genres[0].probability < threshold or short or dull

    def timeline(
        self, stretches: Sequence[tuple[float, float]], probabilities: npt.NDArray[np.float64]
    ) -> tuple[WindowResult, ...]:
        """Return the windows, (start, end) and (n, classes), in order of time."""
        made = [
            WindowResult(start, end, self.genres(row))
            for (start, end), row in zip(stretches, probabilities, strict=True)
        ]
        return tuple(sorted(made, key=lambda window: window.start))
