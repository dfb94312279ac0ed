"""Samples -> windows: where they lie in a track, and reading one, some or all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wavemel.audio.decode import RATES, Stream
from wavemel.audio.load import Window, stream_windows, stretch_at
from wavemel.audio.mix import clean
from wavemel.audio.resample import fit
from wavemel.inference.frontend import FloatArray

#: As in `wavemel.audio.load`: a last, moved-back window must show this share of a hop anew.
_UNSEEN = 0.25
#: Up to here, seconds, a stretch may begin with the file's first sample, where `stretch_at` does
#: not seek; to seek twice takes time.
_NEAR = 2.0
#: A window that comes out this much shorter than asked for has met the end of the file.
_SHORT = 0.99


@dataclass(frozen=True)
class Samples2Windows:
    """Windows of ``seconds`` at ``rate`` Hz, neighbours overlapping by the share ``overlap``."""

    rate: int
    seconds: float
    overlap: float

    @property
    def size(self) -> int:
        """Samples of a window."""
        return round(self.seconds * self.rate)

    @property
    def hop(self) -> float:
        """Seconds from window to window."""
        return self.seconds * (1 - self.overlap)

    def starts(self, total: float) -> list[float]:
        """Return where the windows of a track of ``total`` seconds begin, as `whole` reads them."""
        samples, step = round(total * self.rate), round(self.hop * self.rate)
        if samples < self.size:
            return [0.0]
        count = 1 + (samples - self.size) // step
        starts = [i * step / self.rate for i in range(count)]
        if samples - ((count - 1) * step + self.size) >= _UNSEEN * step:
            starts.append((samples - self.size) / self.rate)
        return starts

    def whole(self, stream: Stream, name: str) -> Iterator[Window]:
        """Yield all windows of a stream that stands at its beginning, in order."""
        return stream_windows(stream, self.rate, seconds=self.seconds, hop=self.hop, name=name)

    def at(self, stream: Stream, start: float) -> Window | None:
        """Return the window at ``start`` seconds; None where the stream ends before its end."""
        if start < _NEAR:
            stream.seek(0)
        samples = stretch_at(stream, self.rate, start, self.seconds)
        if len(samples) < _SHORT * self.size:
            return None
        return Window(start, fit(samples, self.size), self.seconds)


class ArrayStream:
    """Samples in memory, behind the interface of a decoder; see `wavemel.audio.decode.Stream`.

    Parameters
    ----------
    samples : (n,) or (n, channels), float in -1..1 or integer of full scale; channels-first
        arrays are recognised by their shape.
    rate : Hz.

    Raises
    ------
    ValueError
        Empty, of another shape or type, or with an impossible rate.
    """

    #: Longer stretches than this are not handed on at once.
    _BLOCK = 1 << 20

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        samples = np.asarray(samples)
        if samples.ndim not in (1, 2) or not samples.size:
            raise ValueError(f"samples must be (n,) or (n, channels), not {samples.shape}")
        mono: FloatArray
        samples = full_scale(samples)
        if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
            samples = samples.T
        self.channels = 1 if samples.ndim == 1 else samples.shape[1]
        with np.errstate(over="ignore"):
            mono = (samples if samples.ndim == 1 else samples.mean(axis=1)).astype(np.float32)
        self.replaced = clean(mono)
        self._samples = mono
        self.rate = checked_rate(rate)
        self.announced = len(mono)
        self.complete = True
        self._position = 0

    def seek(self, frame: int) -> int:
        """Go to ``frame``; return where the next block begins."""
        self._position = max(0, min(frame, self.announced))
        return self._position

    def blocks(self, frames: int | None = None) -> Iterator[np.ndarray]:
        """Yield blocks until ``frames`` have come, or the samples end."""
        end = self.announced if frames is None else min(self.announced, self._position + frames)
        while self._position < end:
            first = self._position
            self._position = min(end, first + self._BLOCK)
            yield self._samples[first : self._position]

    def is_seekable(self) -> bool:
        """Return True: all is in memory."""
        return True

    def restart(self) -> None:
        """Go back to the beginning."""
        self.seek(0)

    def close(self) -> None:
        """Nothing to release."""


def full_scale(samples: np.ndarray) -> np.ndarray:
    """Return samples as floats in -1..1: integers by what is full scale of them, floats as they are.

    Raises
    ------
    ValueError
        Neither, or integers that do not tell their full scale.
    """
    if np.issubdtype(samples.dtype, np.floating):
        return samples
    if not np.issubdtype(samples.dtype, np.integer):
        raise ValueError(f"samples must be float or integer, not {samples.dtype}")
    if samples.dtype.itemsize > 4:
        raise ValueError(
            f"samples of {samples.dtype} do not say what full scale is: give 8, 16 or 32 "
            "bits, or floats in -1..1"
        )
    scale = float(np.iinfo(samples.dtype).max) + 1
    # Unsigned audio has its zero in the middle.
    middle = scale / 2 if samples.dtype.kind == "u" else 0.0
    return (samples.astype(np.float64) - middle) / (middle or scale)


def checked_rate(rate: object) -> int:
    """Return a rate in Hz; raise ValueError where it is none that a file could have."""
    low, high = RATES
    number = isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool)
    if not number or not low <= rate <= high or rate != int(rate):  # type: ignore[call-overload, operator]
        raise ValueError(
            f"rate must be a whole number of Hz from {low:,} to {high:,}, not {rate!r}"
        )
    return int(rate)  # type: ignore[call-overload]
