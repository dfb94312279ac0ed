"""Is there sound in the windows of a track? And if there is none, what kind of silence is it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavemel.audio.decode import Stream
from wavemel.audio.load import Window
from wavemel.audio.sndfile import SndfileStream
from wavemel.audio.verdict import SILENCE_DB, loudness_db

#: Less than the rounding of 16 bits leaves: nothing was recorded.
_DIGITAL_SILENCE_DB = -110.0
#: A file below this throughout holds zeros, or what a decoder makes of them.
_NOTHING = 1e-4
#: Samples that soxr HQ's filter spans at the lower rate.
_RING = 512


@dataclass
class Loudness:
    """What has been heard of a track's windows so far.

    ``silent``: how many of them are. ``loudest``: of any, in dB. ``peak``:
    largest magnitude in the silent ones.
    """

    silent: int = 0
    loudest: float = -np.inf
    peak: float = 0.0

    def hear(self, window: Window, rate: int) -> bool:
        """Take in a window at ``rate`` Hz; return whether there is sound in it."""
        filled = window.samples[: max(1, round(window.filled * rate))]
        # Where a file begins and ends with an offset, the resampler rings.
        margin = min(_RING, len(filled) // 4)
        level = loudness_db(filled[margin : len(filled) - margin])
        self.loudest = max(self.loudest, level)
        if level >= SILENCE_DB:
            return True
        self.silent += 1
        self.peak = max(self.peak, float(np.abs(filled).max(initial=0)))
        return False

    def silence(self, stream: Stream) -> str:
        """Return what kind of silence a track is all of whose windows are silent; may move ``stream``."""
        if isinstance(stream, SndfileStream) and stream.cancels():
            return f"its {stream.channels} channels cancel each other out"
        if self.loudest >= _DIGITAL_SILENCE_DB:
            return f"{self.loudest:.0f} dB RMS"
        return "digital silence" if self.peak < _NOTHING else f"a constant of {self.peak:.2g}"
