"""How much of a track to read: all of it, some seconds, or what the answer needs.

The answer for a track pools its windows (`wavemel.pooling`). Windows far
apart in a track are a sample of them: a few, spread over the track, give the answer within a
tolerance that their own spread tells. Where two genres lie so close that the tolerance does not
tell them apart, neither would all windows: which of them leads says little, and is not worth reading
more. (Asked about the artists it was not taught, a network is right as often either way.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wavemel.pooling import MEAN, influences, pool, sway

#: How far a probability may be from the whole track's.
TOLERANCE = 0.2
#: Seconds of a track for which one window is read before the windows' spread is looked at, and how
#: many windows tell their spread well enough, however long the track is.
_EACH, _ENOUGH = 45.0, 12
#: The spread of so few windows is itself uncertain: it counts as if this many more windows had
#: the spread that is usual for such an answer. One window alone has none but the usual.
_PRIOR_WINDOWS = 1
#: Two-sided 95 % of a normal distribution.
_Z95 = 1.96


@dataclass(frozen=True)
class Reading:
    """How much to read of each track.

    ``whole``: every window. ``seconds``: windows that last this long
    together, spread over the track. Otherwise windows are added until, with 95 %
    confidence, every genre's probability is within ``tolerance`` of what the whole
    track would give; see `windows_needed`.
    """

    whole: bool = False
    seconds: float | None = None
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        if self.whole and self.seconds is not None:
            raise ValueError("whole and seconds exclude each other")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be a positive number, not {self.seconds}")
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must lie between 0 and 1, not {self.tolerance}")

    def __str__(self) -> str:
        if self.whole:
            return "whole"
        return f"tolerance {self.tolerance:g}" if self.seconds is None else f"{self.seconds:g} s"


def spread_out(count: int) -> Iterator[int]:
    """Yield 0..count-1, each once, so that the first few of any number lie spread over all.

    Source: van der Corput's sequence in base 2, centred: 1/2, 1/4, 3/4, 1/8, 5/8, ...
    """
    seen = set()
    for i in range(1, 2 << max(1, count - 1).bit_length()):
        bits = i.bit_length()
        reverse = int(f"{i:b}"[::-1], 2)
        index = min(count - 1, int(count * reverse / (1 << bits)))
        if index not in seen:
            seen.add(index)
            yield index
    yield from (index for index in range(count) if index not in seen)


def windows_first(total: float) -> int:
    """Return how many windows of a track of ``total`` seconds to read before any is judged.

    One for every three quarters of a minute that have begun, up to twelve. A clip of which one window
    is nearly certain needs no more; a long track may be of several kinds, and is asked about in
    several places.
    """
    return min(_ENOUGH, max(1, math.ceil(total / _EACH)))


def windows_needed(
    probabilities: npt.NDArray[np.float64],
    total: int,
    tolerance: float,
    variation: float,
    pooling: str = MEAN,
) -> int:
    """Return how many windows give the answer of all within ``tolerance``, with 95 % confidence.

    Parameters
    ----------
    probabilities : of the windows read so far, (n, classes).
    total : windows of the whole track.
    tolerance : for the genre whose probability varies most.
    variation : how much the windows of a track vary on average; see `typical_variation`.
    pooling : how windows become a track; see `wavemel.pooling`.

    Source: the standard error of a mean in sampling without replacement from
    ``total`` (Cochran, "Sampling Techniques", 1977, section 4.3).
    """
    answer, pulls = pool(probabilities, pooling), influences(probabilities, pooling)
    usual = variation * sway(answer, pooling)
    return _count(_variance(pulls, usual).max(), total, tolerance / _Z95)


def windows_expected(total: int, tolerance: float, variation: float, pooling: str = MEAN) -> int:
    """Return how many windows a track is likely to need of which none is heard yet.

    It is taken for an undecided one: a genre of a probability of one half moves most.
    """
    usual = variation * sway(np.array([0.5]), pooling)[0]
    return _count(usual**2, total, tolerance / _Z95)


def _variance(
    values: npt.NDArray[np.float64], usual: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the variance of each column, drawn towards the standard deviation that is usual."""
    squares = np.square(values - values.mean(axis=0)).sum(axis=0)
    return (squares + _PRIOR_WINDOWS * usual**2) / (len(values) - 1 + _PRIOR_WINDOWS)


def _count(variance: float, total: int, error: float) -> int:
    """Return how many of ``total`` values have a mean with a standard error of at most ``error``."""
    if variance == 0:
        return 1
    return min(total, math.ceil(variance * total / (error**2 * (total - 1) + variance)))
