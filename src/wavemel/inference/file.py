"""File -> result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from wavemel.audio.decode import Source, Stream, name_of, open_stream
from wavemel.audio.load import Window
from wavemel.audio.loudness import Loudness
from wavemel.audio.sndfile import quiet
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.inference.reading import (
    Reading,
    spread_out,
    windows_expected,
    windows_first,
    windows_needed,
)
from wavemel.inference.result import Probabilities2Result, TrackResult
from wavemel.inference.windows import Samples2Windows

#: What mel and network cost of a second, where decoding a second costs 1; see the breakdown of
#: `benchmarks/classify_speed.py`.
_THINKING = 0.3
#: Seconds that are decoded before a stretch in the middle of a file, for the decoder's memory
#: and the resampler's.
_RUN_UP = 0.2

#: Share of a damaged track that should decode: less of it may be its introduction.
_MOST_OF_IT = 0.5


@dataclass
class _Heard:
    """What has been read of a track so far: all windows, and those of them that are not silent."""

    read: list[tuple[float, float]] = field(default_factory=list)
    stretches: list[tuple[float, float]] = field(default_factory=list)
    rows: list[npt.NDArray[np.float64]] = field(default_factory=list)
    loudness: Loudness = field(default_factory=Loudness)
    end: float = 0.0

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        return np.concatenate(self.rows)

    @property
    def count(self) -> int:
        return len(self.stretches)

    def seconds(self) -> float:
        """How much of the track the windows cover, overlaps counted once."""
        covered = end = 0.0
        for first, last in sorted(self.read):
            covered += max(0.0, last - max(first, end))
            end = max(end, last)
        return covered


class File2Result:
    """Classify tracks, one at a time.

    Parameters
    ----------
    network : windows -> probabilities.
    reading : how much to read of each.
    min_confidence : see `Probabilities2Result`.
    """

    def __init__(
        self,
        network: Windows2Probabilities,
        reading: Reading | None = None,
        min_confidence: float | None = None,
    ) -> None:
        model = network.description
        self.network = network
        self.reading = reading or Reading()
        self.windows = Samples2Windows(model.rate, model.seconds, model.overlap)
        self.result = Probabilities2Result(model, min_confidence)

    def __call__(self, source: Source) -> TrackResult:
        """Classify a file: a path, ``archive.zip!/member``, bytes or a binary stream.

        Raises
        ------
        AudioError
            as `wavemel.audio.decode.decode`.
        """
        # Once for all of it: each of its many reads would turn standard error away and back.
        with quiet(), open_stream(source) as stream:
            return self.stream(stream, name_of(source))

    def stream(self, stream: Stream, name: str) -> TrackResult:
        """Classify an open stream."""
        total = stream.announced / stream.rate
        starts = self.windows.starts(total)
        heard = None
        if not self.reading.whole and self._promises(starts) and stream.is_seekable():
            heard = self._some(stream, starts)
        whole = heard is None
        if heard is None:
            stream.restart()
            heard = self._all(stream, name)
            total = heard.end
        return self._made(stream, name, heard, total, whole)

    def _promises(self, starts: list[float]) -> bool:
        """Return whether reading some windows is likely to be cheaper than reading all."""
        if len(starts) <= self._fewest(starts):
            return False
        if self.reading.seconds is not None:
            return True
        # Without this, a short track would be read in pieces where one go is quicker.
        model = self.network.description
        expected = windows_expected(
            len(starts), self.reading.tolerance, model.window_variation, model.pooling
        )
        return self._pays(max(self._fewest(starts), expected), starts)

    def _fewest(self, starts: list[float]) -> int:
        if self.reading.seconds is None:
            return windows_first(starts[-1] + self.windows.seconds)
        return max(1, int(self.reading.seconds / self.windows.seconds))

    def _some(self, stream: Stream, starts: list[float]) -> _Heard | None:
        """Read windows until the answer is good enough; None where the track must be read in one go."""
        heard = _Heard()
        order = spread_out(len(starts))
        wanted = self._fewest(starts)
        while True:
            if not self._further(stream, [starts[i] for i in islice(order, wanted)], heard):
                return None  # the header promised more than there is
            if heard.count == 0:
                return None  # nothing but silence yet: the rest decides
            if self.reading.seconds is not None:
                return heard
            needed = windows_needed(
                heard.probabilities,
                len(starts),
                self.reading.tolerance,
                self.network.description.window_variation,
                self.network.description.pooling,
            )
            if needed <= heard.count:
                return heard
            left = len(starts) - len(heard.read)
            if left == 0:
                return heard
            further = min(needed - heard.count, left)
            if not self._pays(further, starts):
                return None
            # An early estimate may be too high: at most twice as many, then look again.
            wanted = min(further, len(heard.read))

    def _further(self, stream: Stream, starts: list[float], heard: _Heard) -> bool:
        """Hear the windows at ``starts``; return whether all of them are there."""
        for first in range(0, len(starts), self.network.batch):
            wanted = starts[first : first + self.network.batch]
            found = [w for start in wanted if (w := self.windows.at(stream, start)) is not None]
            if len(found) < len(wanted):
                return False
            self._hear(heard, found)
        return True

    def _pays(self, count: int, starts: list[float]) -> bool:
        """Return whether so many separate windows more cost less than the whole track in one go."""
        length = self.windows.seconds
        some = count * (length * (1 + _THINKING) + _RUN_UP)
        return some < starts[-1] + length + len(starts) * length * _THINKING

    def _all(self, stream: Stream, name: str) -> _Heard:
        heard = _Heard()
        for batch in _batches(self.windows.whole(stream, name), self.network.batch):
            self._hear(heard, batch)
        return heard

    def _hear(self, heard: _Heard, batch: list[Window]) -> None:
        """Ask the network about windows; those without sound have no vote."""
        audible = []
        for window in batch:
            heard.end = max(heard.end, window.start + window.filled)
            heard.read.append((window.start, window.start + window.filled))
            if heard.loudness.hear(window, self.windows.rate):
                audible.append(window)
        if audible:
            heard.rows.append(self.network(np.stack([w.samples for w in audible])))
            heard.stretches += [(w.start, w.start + w.filled) for w in audible]

    def _made(
        self, stream: Stream, name: str, heard: _Heard, total: float, whole: bool
    ) -> TrackResult:
        notes = []
        if total < self.windows.seconds:
            notes.append(
                f"{total:.1f} s, shorter than the {self.windows.seconds:g} s that the model hears"
            )
        if stream.rate < self.windows.rate:
            notes.append(
                f"recorded at {stream.rate} Hz: without what the model hears above "
                f"{stream.rate / 2:g} Hz"
            )
        if not stream.complete:
            notes.append("damaged or cut short: only what decodes is classified")
        if stream.replaced:
            notes.append(f"{stream.replaced} samples are no finite numbers and count as 0")
        if heard.count == 0:
            kind = heard.loudness.silence(stream)
            notes.append(f"silent ({kind}): there is nothing to classify")
        elif silent := heard.loudness.silent:
            notes.append(f"{silent} of {silent + heard.count} windows are silent")
        genres = self.result.track(heard.probabilities) if heard.count else ()
        timeline = self.result.timeline(heard.stretches, heard.probabilities) if heard.count else ()
        return TrackResult(
            genres=genres,
            unsure=self.result.unsure(genres, total, stream.rate)
            or (not stream.complete and total < _MOST_OF_IT * stream.announced / stream.rate),
            timeline=timeline,
            model=self.network.description.label,
            seconds=total,
            seconds_read=total if whole else heard.seconds(),
            whole=whole,
            complete=stream.complete,
            notes=tuple(notes),
        )


def _batches(windows: Iterator[Window], size: int) -> Iterator[list[Window]]:
    batch: list[Window] = []
    for window in windows:
        batch.append(window)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
