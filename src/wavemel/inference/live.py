"""A stream of samples that goes on -> what is playing, with a rolling window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from wavemel.audio.mix import clean
from wavemel.audio.resample import QUALITY, fit
from wavemel.audio.verdict import SILENCE_DB, loudness_db
from wavemel.inference.frontend import FloatArray
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.inference.result import GenreProbability, Probabilities2Result
from wavemel.inference.windows import checked_rate, full_scale

#: Seconds, a day: longer than results can be waited for or be of.
_LONGEST = 86_400
#: Sample formats of raw PCM: numpy's type, and what full scale is.
FORMATS = {"s16le": ("<i2", 32768.0), "s32le": ("<i4", 2147483648.0), "f32le": ("<f4", 1.0)}


@dataclass(frozen=True)
class LiveResult:
    """What is playing at ``time``, in seconds since the stream began.

    ``genres``: of the windows that ended in the last ``over`` seconds together,
    most probable first. ``window``: the last window alone, from ``start`` to
    ``time``. Both are empty where that window is silent. ``unsure``: as of a file,
    also where the stream is short or of a low rate.
    """

    start: float
    time: float
    genres: tuple[GenreProbability, ...]
    window: tuple[GenreProbability, ...]
    unsure: bool


class Live:
    """Feed samples, get results.

    Parameters
    ----------
    network : windows -> probabilities.
    rate : Hz of the stream.
    every : seconds between results.
    over : seconds whose windows a result is of; at least the last window counts.
    min_confidence : see `Probabilities2Result`.

    Raises
    ------
    ValueError
        A number is not positive, no number, or out of all proportion.
    """

    def __init__(
        self,
        network: Windows2Probabilities,
        rate: int,
        *,
        every: float = 1.0,
        over: float = 15.0,
        min_confidence: float | None = None,
    ) -> None:
        rate = checked_rate(rate)
        if not 0 < every <= _LONGEST:
            raise ValueError(
                f"every must be positive, and at most {_LONGEST:,} seconds, not {every}"
            )
        if not 0 <= over <= _LONGEST:
            raise ValueError(f"over must be from 0 to {_LONGEST:,} seconds, not {over}")
        self._network = network
        self._result = Probabilities2Result(network.description, min_confidence)
        self._rate = network.description.rate
        self._recorded = rate
        self._size = network.description.samples
        self._every = max(1, round(every * self._rate))
        self._resampler = (
            None
            if rate == self._rate
            else soxr.ResampleStream(rate, self._rate, 1, dtype="float32", quality=QUALITY)
        )
        self._held: FloatArray = np.empty(0, np.float32)
        self._end = 0  # samples so far, at the model's rate
        self._next = self._size
        windows = 1 + int(over * self._rate / self._every)
        self._recent: deque[npt.NDArray[np.float64]] = deque(maxlen=windows)

    def feed(self, samples: npt.NDArray[np.generic]) -> Iterator[LiveResult]:
        """Yield a result for every window that these samples complete.

        Parameters
        ----------
        samples : mono (n,) at the stream's rate, float in -1..1 or integer of full scale; float32
            is cleaned in place.

        Raises
        ------
        ValueError
            Samples of another shape or type.
        """
        if samples.ndim != 1:
            raise ValueError(f"samples must be mono, (n,), not {samples.shape}")
        mono: FloatArray = full_scale(samples).astype(np.float32, copy=False)
        if not mono.flags.writeable:  # of bytes, as np.frombuffer makes them
            mono = mono.copy()
        clean(mono)
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono)
        yield from self._take(mono)

    def finish(self) -> Iterator[LiveResult]:
        """Yield the result of a stream that ended before its first window was full, if any."""
        if self._resampler is not None:
            yield from self._take(self._resampler.resample_chunk(np.empty(0, np.float32), True))
        if self._next == self._size and self._end:
            yield self._ask(self._held, self._end)

    def _take(self, samples: FloatArray) -> Iterator[LiveResult]:
        held = np.concatenate([self._held, samples])
        self._end += len(samples)
        while self._next <= self._end:
            last = len(held) - (self._end - self._next)
            yield self._ask(held[last - self._size : last], self._next)
            self._next += self._every
        # From where the next window begins, which may be still to come.
        first = self._next - self._size - (self._end - len(held))
        self._held = held[max(0, first) :].copy()

    def _ask(self, window: FloatArray, end: int) -> LiveResult:
        start, time = (end - len(window)) / self._rate, end / self._rate
        if loudness_db(window) < SILENCE_DB:
            self._recent.clear()  # what comes after silence is another piece
            return LiveResult(start, time, (), (), True)
        (row,) = self._network(fit(window, self._size)[None])
        self._recent.append(row)
        genres = self._result.track(np.stack(self._recent))
        unsure = self._result.unsure(genres, len(window) / self._rate, self._recorded)
        return LiveResult(start, time, genres, self._result.genres(row), unsure)


class PcmReader:
    """Raw PCM bytes -> mono float32, whatever the bytes' portions.

    Parameters
    ----------
    form : one of `FORMATS`.
    channels : interleaved channels.
    """

    def __init__(self, form: str, channels: int) -> None:
        kind, self._scale = FORMATS[form]
        self._type = np.dtype(kind)
        self._channels = channels
        self._rest = b""

    def __call__(self, data: bytes) -> npt.NDArray[np.float32]:
        """Return the samples that are complete; what is left over waits for the next bytes."""
        data = self._rest + data
        whole = len(data) - len(data) % (self._type.itemsize * self._channels)
        self._rest = data[whole:]
        frames = np.frombuffer(data[:whole], self._type).reshape(-1, self._channels)
        with np.errstate(invalid="ignore", over="ignore"):
            mono = frames.astype(np.float32).mean(axis=1, dtype=np.float32)
        return mono * np.float32(1 / self._scale)
