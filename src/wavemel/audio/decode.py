"""Any audio file -> mono float32 samples at the file's own rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import BinaryIO, Protocol

import numpy as np
import soundfile

from wavemel.audio import libav, locate
from wavemel.audio.mix import gather
from wavemel.audio.sndfile import SndfileStream
from wavemel.audio.sniff import HEAD, refused, sniff
from wavemel.errors import AudioError

Source = str | PathLike[str] | BinaryIO | bytes
#: Rates outside come from damaged headers, and would make resampling ask for any amount of memory.
RATES = (1_000, 1_000_000)
_UNKNOWN = "is not an audio file of a known format"


@dataclass(frozen=True)
class Decoded:
    """Samples of one file or stretch.

    ``samples``: float32 (n,), mono, all finite. ``rate``: the file's own, Hz.
    ``channels``: before mixing down. ``complete``: False where the stream
    ended in damage or before what its header announced. ``replaced``: samples
    that were no finite numbers and became 0.
    """

    samples: np.ndarray
    rate: int
    channels: int
    complete: bool
    replaced: int = 0

    @property
    def seconds(self) -> float:
        """Length as decoded."""
        return len(self.samples) / self.rate


class Stream(Protocol):
    """What a decoder of one open file offers; see `SndfileStream`."""

    rate: int
    channels: int
    announced: int
    complete: bool
    replaced: int

    def seek(self, frame: int) -> int:
        """Go to ``frame`` or before it; return where the next block begins."""
        ...

    def is_seekable(self) -> bool:
        """Return whether any place can be read at little cost: seeks are exact, the length is no guess."""
        ...

    def restart(self) -> None:
        """Go back to the beginning, and forget what reading has found amiss so far."""
        ...

    def blocks(self, frames: int | None = None) -> Iterator[np.ndarray]:
        """Yield mono float32 blocks, each valid until the next, until ``frames`` have come."""
        ...

    def close(self) -> None:
        """Release the decoder."""
        ...


def name_of(source: Source) -> str:
    """Return what error messages call ``source``."""
    if isinstance(source, (str, PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<audio>"


@contextmanager
def open_stream(source: Source) -> Iterator[Stream]:
    """Open a path, an archive's member, bytes or a readable stream for decoding.

    A stream that is no path is copied first (from where it stands), since
    most formats need seeking.

    Raises
    ------
    AudioError
        ``missing``, ``permission``, ``empty``, ``not-audio``, ``damaged`` or ``no-decoder``.
    """
    name = name_of(source)
    if isinstance(source, (str, PathLike)):
        handle = locate.open_bytes(source)
    else:
        handle = locate.spool(source)
    with handle:
        head = handle.read(HEAD)
        if not head:
            raise AudioError(name, "empty", "is empty (0 bytes)")
        other = refused(head)
        if other is not None:
            what, cure = other
            raise AudioError(name, "not-audio", f"is {what}{cure and ': '}{cure}")
        stream = _decoder(handle, head, name)
        try:
            if not RATES[0] <= stream.rate <= RATES[1] or stream.channels < 1:
                raise AudioError(
                    name,
                    "damaged",
                    f"is damaged: its header claims {stream.rate} Hz and {stream.channels} channels",
                )
            yield stream
        finally:
            stream.close()


def _decoder(handle: BinaryIO, head: bytes, name: str) -> Stream:
    container, by_sndfile = sniff(head)
    if by_sndfile:
        try:
            return SndfileStream(handle)
        except soundfile.LibsndfileError:
            pass
    if not libav.available():
        if container is None:
            raise AudioError(
                name, "not-audio", f"{_UNKNOWN} (pip install 'wavemel[av]' adds formats)"
            )
        if by_sndfile:
            raise AudioError(
                name,
                "damaged",
                f"is a {container} file that is damaged or of a rare kind (for rare kinds: "
                "pip install 'wavemel[av]')",
            )
        raise AudioError(
            name, "no-decoder", f"is a {container} file, which needs: pip install 'wavemel[av]'"
        )
    import av

    try:
        stream = libav.LibavStream(handle)
        # libsndfile reads all PCM in the containers it knows: this one's header is damaged, and
        # what FFmpeg makes of it a guess.
        stream.complete = not (by_sndfile and container and stream.codec.startswith("pcm"))
        return stream
    except (av.error.FFmpegError, ValueError, OverflowError):
        if container is None:
            raise AudioError(name, "not-audio", _UNKNOWN) from None
        raise AudioError(
            name, "damaged", f"is a {container} file without readable audio: damaged or cut short"
        ) from None


def decode(source: Source, *, start: float = 0.0, seconds: float | None = None) -> Decoded:
    """Decode a file, or the stretch of it from ``start``, to mono at its own rate.

    What a file is goes by its content, not its name. Nothing is allocated on
    the header's word. Damage ends the samples, or leaves a gap, and clears
    ``complete``; what decoded is kept.

    Parameters
    ----------
    source : path, ``archive.zip!/member``, bytes, or binary stream.
    start : where to begin, in seconds.
    seconds : how much, at most; all by default.

    Raises
    ------
    AudioError
        as `open_stream`, and ``no-samples`` (nothing decodes, or the file ends
        before ``start``) or ``damaged`` (no finite sample).
    ValueError
        ``start`` is negative or ``seconds`` is not positive.
    """
    if not start >= 0 or (seconds is not None and not seconds > 0):
        raise ValueError(f"start must be >= 0 and seconds > 0, not {start} and {seconds}")
    with open_stream(source) as stream:
        first = round(start * stream.rate)
        count = None if seconds is None else max(1, round(seconds * stream.rate))
        expected = stream.announced - first if count is None else count
        samples = gather(stretch(stream, first, count), expected)
        name = name_of(source)
        if not len(samples):
            if first:
                raise AudioError(name, "no-samples", f"ends before {start:g} s")
            raise AudioError(name, "no-samples", "holds no samples")
        if stream.replaced >= len(samples):
            raise AudioError(name, "damaged", "is damaged: none of its samples is a finite number")
        return Decoded(samples, stream.rate, stream.channels, stream.complete, stream.replaced)


def stretch(stream: Stream, first: int, count: int | None = None) -> Iterator[np.ndarray]:
    """Yield frames ``first`` to ``first + count``, as far as there are any, as blocks.

    A block is valid until the next one is asked for.
    """
    skip = first - stream.seek(first) if first else 0
    for block in stream.blocks(None if count is None else skip + count):
        if skip >= len(block):
            skip -= len(block)
            continue
        yield block[skip:] if skip else block
        skip = 0
