"""Samples by PyAV (FFmpeg), the extra ``av``: m4a, wma and whatever libsndfile does not read."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from wavemel.audio.mix import clean, mix

#: Containers of audio. Playlists and the like are left out on purpose: FFmpeg would open the
#: files and addresses that they name.
_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,loas,matroska,webm,"
    "mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,nut,oga,ogg,oma,rm,shn,tak,tta,voc,w64,wav,wv"
)
#: Containers whose header states a length; of the others FFmpeg guesses it by the bit rate.
_STATES_LENGTH = {"mov", "asf", "matroska", "avi", "flv", "ape", "tta", "wv", "mpc8", "dsf"}
#: Containers whose time stamps are exact to the sample, so that a seek can be.
_EXACT = "mov"
#: A header cannot be trusted, but where it promises this much more the stream was cut.
_SLACK_SECONDS = 0.25
_PACKETS_DAMAGED = 1000
#: libswresample's own limit; FFmpeg believes a damaged header's millions, and crashes on them.
_CHANNELS = 64
_READ = 1 << 20


def available() -> bool:
    """Return whether PyAV is installed."""
    return find_spec("av") is not None


class _Bytes:
    """A file as FFmpeg may read it: no request, however large, is believed."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.tell = handle.tell

    def read(self, count: int) -> bytes:
        try:
            return self._handle.read(min(count, _READ))
        except OSError:  # a position that no file can have
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._handle.seek(offset, whence)


class LibavStream:
    """Mono float32 blocks of one file; attributes as those of `SndfileStream`.

    Raises
    ------
    av.error.FFmpegError, ValueError
        FFmpeg cannot open the file, or finds no audio in it.
    """

    def __init__(self, handle: BinaryIO) -> None:
        import av

        handle.seek(0)
        self._container: Any = av.open(
            _Bytes(handle),
            mode="r",
            options={"format_whitelist": _FORMATS},
            metadata_errors="ignore",
        )
        audio = self._container.streams.audio
        # A codec that FFmpeg does not know leaves a stream without a context.
        if not audio or audio[0].codec_context is None:
            self._container.close()
            raise ValueError("no audio stream that FFmpeg decodes")
        self._stream: Any = audio[0]
        self.rate = int(self._stream.rate or 0)
        self.channels = int(self._stream.channels or 0)
        if self.channels > _CHANNELS:
            self._container.close()
            raise ValueError(f"{self.channels} channels")
        names = set(self._container.format.name.split(","))
        seconds = self._container.duration if names & _STATES_LENGTH else 0
        self.codec: str = self._stream.codec_context.name
        self.announced = max(0, round((seconds or 0) / 1_000_000 * self.rate))
        self.complete = True
        self.replaced = 0
        self._first = 0
        self._sought = False
        self._shape: tuple[str, str, int] | None = None

    def is_seekable(self) -> bool:
        """Return False: a seek decodes from the beginning."""
        return False

    def restart(self) -> None:
        """Do nothing: what is not seekable has been read from its beginning, once, or not yet."""

    def close(self) -> None:
        """Release FFmpeg's side; the handle stays the caller's."""
        self._container.close()

    def seek(self, frame: int) -> int:
        """Go to ``frame`` or before it; return where the next block begins."""
        import av

        frame = max(0, frame - self.rate // 2)
        if frame == 0 or _EXACT not in self._container.format.name:
            return 0
        start = self._stream.start_time or 0
        target = start + int(frame / self.rate / self._stream.time_base)
        try:
            self._container.seek(target, stream=self._stream, backward=True)
            self._frames = self._decoded()
            first = next(self._frames, None)
            if first is None or first.pts is None:
                raise ValueError("no time stamp")
        except (av.error.FFmpegError, ValueError):
            self._container.seek(0)
            return 0
        self._sought = True
        self._pending = first
        return round((first.pts - start) * first.time_base * self.rate)

    def _decoded(self) -> Iterator[Any]:
        import av

        damaged = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    self.complete = False
                    damaged += 1
                    if damaged > _PACKETS_DAMAGED:
                        return
        except av.error.EOFError:
            pass
        # IndexError: PyAV, on a stream that appears only mid-file.
        except (av.error.FFmpegError, ValueError, IndexError):
            self.complete = False

    def _converted(self) -> Iterator[np.ndarray]:
        """Yield (frames, channels) float32 at the first frame's rate, whatever changes mid-stream."""
        import av

        frames = chain([self._pending], self._frames) if self._sought else self._decoded()
        try:
            for frame in frames:
                yield from self._floats(av, frame)
        except (av.error.FFmpegError, ValueError):
            self.complete = False

    def _floats(self, av: Any, frame: Any) -> Iterator[np.ndarray]:
        channels = frame.layout.nb_channels
        if channels > _CHANNELS:
            raise ValueError(f"{channels} channels")
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._shape != shape:
            self._shape = shape
            # Interleaved: PyAV counts the planes of a planar frame past the end of their array.
            self._resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=self.rate)
        frame.pts = None
        for converted in self._resampler.resample(frame):
            yield converted.to_ndarray().reshape(-1, channels)

    def blocks(self, frames: int | None = None) -> Iterator[np.ndarray]:
        """Yield mono float32 blocks until ``frames`` have come, or the file ends."""
        left, count = frames, 0
        for block in self._converted():
            mono = mix(block, np.empty(len(block), dtype=np.float32))
            self.replaced += clean(mono)
            count += len(mono)
            if left is not None:
                mono = mono[:left]
                left -= len(mono)
            if len(mono):
                yield mono
            if left == 0:
                return
        if not self._sought and count + _SLACK_SECONDS * self.rate < self.announced:
            self.complete = False
