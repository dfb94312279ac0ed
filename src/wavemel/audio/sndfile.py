"""Samples by libsndfile: wav, flac, mp3, ogg, opus, aiff and two dozen more."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

import numpy as np
import soundfile

from wavemel.audio.mix import clean, mix
from wavemel.audio.sniff import sniff

#: Frames a read: python-soundfile seeks after each read, and a seek in an MP3 decodes a few
#: frames again. From this size on blocks cost nothing; a stereo block is 2 MiB.
BLOCK = 1 << 18
_VALUES = 2 * BLOCK
#: After damage, what is left of a block is read in pieces of this size.
_PIECE = 1 << 10
#: Sizes from here on stand in the headers of WAVs whose writer did not know the size.
_STREAMED = 0x7FFF0000
_LARGEST_PAGE = 65307  # of Ogg, bytes
#: Unread MP3 frames behind the announced end that are too many to be padding or tags.
_TAIL = 1 << 14

#: Seconds of an MP3 that are decoded before what is wanted: four frames, over the four that mpg123
#: itself decodes again when it seeks. A frame may need 511 bytes of those before it.
_MP3_RUN_UP = 0.1
#: Two frames of so many bytes for 1,152 samples hold what a third one needs: mpg123's own four are
#: enough. (Below 32 kHz a frame is of 576 samples, and reaches back half as far.)
_LARGE_FRAME, _MP3_FRAME = 300, 1152

_stderr = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep mpg123's and libsndfile's C-level warnings off standard error.

    Descriptor 2 belongs to the whole process, so it is turned away only while
    this is the one Python thread: no other thread's message can be lost. That
    is so in the worker processes that scan and classify; in a program with
    threads the warnings show.
    """
    if threading.active_count() > 1 or not _stderr.acquire(blocking=False):
        yield
        return
    try:
        try:
            kept = os.dup(2)
        except OSError:  # standard error is closed: nothing to keep
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    finally:
        _stderr.release()


class SndfileStream:
    """Mono float32 blocks of one file.

    ``rate`` (Hz) and ``channels`` are the file's; ``announced`` is the header's
    count of frames, not to be trusted. After the last block ``complete`` says
    whether the stream ended where it should, ``replaced`` how many samples
    were no numbers and became 0.

    Raises
    ------
    soundfile.LibsndfileError
        libsndfile cannot open the file.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        # Before libsndfile has the descriptor: its position is that of the handle.
        self._uncut = not _is_cut(handle)
        self._file = self._open()
        self.rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.announced: int = self._file.frames
        # MP3 comes in WAV too.
        self._is_mp3 = self._file.subtype.startswith("MPEG_LAYER")
        self._run_up = int(self.rate * _MP3_RUN_UP) if self._has_small_frames() else 0
        self._position = 0
        self.forget()

    def restart(self) -> None:
        """Begin anew, and forget what reading has found amiss so far."""
        # Behind damage libsndfile can end early again, and say nothing of it.
        if self._touched:
            self._reopen()
        self.forget()

    def forget(self) -> None:
        """Forget what reading has found amiss so far."""
        self._touched = False
        self.complete, self.replaced = self._uncut, 0

    def is_seekable(self) -> bool:
        """Return whether ``announced`` is more than a guess from the size of an MP3's first frames."""
        if not self._is_mp3 or self._counts_frames():
            return True
        from wavemel.audio.mpeg import has_constant_rate  # few files need it

        return has_constant_rate(self._handle)

    def cancels(self) -> bool:
        """Return whether there is sound that the mean over channels leaves nothing of.

        Looks at the beginning, and is left there.
        """
        if self.channels < 2:
            return False
        self.seek(0)
        with quiet():
            block = self._file.read(_VALUES // self.channels, dtype="float32", always_2d=True)
        self.seek(0)
        loudest = np.abs(block).max(initial=0)
        return bool(loudest > 1e-3 and np.abs(block.mean(axis=1)).max() < 1e-2 * loudest)

    def _open(self) -> soundfile.SoundFile:
        self._handle.seek(0)
        # By descriptor: names that are no valid text work, and the file position shows how far
        # libsndfile has read. On Windows the library may hold another C runtime's descriptors.
        file = self._handle.fileno() if os.name == "posix" else self._handle
        with quiet():
            return soundfile.SoundFile(file, closefd=False)

    def _reopen(self) -> None:
        """Begin anew: after damage libsndfile may refuse even to seek."""
        self.close()
        self._file = self._open()
        self._position = 0

    def close(self) -> None:
        """Release libsndfile's side; the handle stays the caller's."""
        with suppress(soundfile.LibsndfileError):
            self._file.close()

    def seek(self, frame: int) -> int:
        """Go to ``frame`` or before it; return where the next block begins.

        Lossy formats begin early, so that the overlap and bit reservoir of earlier frames are
        as in a decode from the start.
        """
        self._touched = True
        if self._is_mp3:
            frame -= self._run_up
        elif self._file.format == "OGG":
            frame -= self.rate // 4
        frame = max(0, min(frame, self.announced - 1))
        try:
            with quiet():
                self._position = self._file.seek(frame)
        except soundfile.LibsndfileError:
            self._reopen()
        return self._position

    def blocks(self, frames: int | None = None) -> Iterator[np.ndarray]:
        """Yield mono float32 blocks until ``frames`` have come, or the file ends.

        A block is valid until the next one is asked for.
        """
        self._touched = True
        size = max(1, min(BLOCK, _VALUES // self.channels))
        if frames is not None:
            size = max(1, min(size, frames))
        buffer = np.empty((size, self.channels), dtype=np.float32)
        out = np.empty(size, dtype=np.float32)
        left = frames
        while left is None or left > 0:
            wanted = size if left is None else min(size, left)
            block = self._read(buffer[:wanted])
            if len(block):
                mono = mix(block, out)
                self.replaced += clean(mono)
                self._position += len(mono)
                if left is not None:
                    left -= len(mono)
                yield mono
            if len(block) < wanted:
                break
        else:
            return
        if not self.complete:
            return
        if self._ended_early():
            yield from self._rest(left, buffer, out)
        elif self._position < self.announced:
            # A guessed count may be too high; then all of the file has been read.
            self.complete = self._is_mp3 and not self._counts_frames() and self._used_up()

    def _read(self, out: np.ndarray) -> np.ndarray:
        """Read up to ``len(out)`` frames; on damage return those before it."""
        try:
            with quiet():
                return self._file.read(out=out)
        except soundfile.LibsndfileError:
            self.complete = False
        # The failed read may have decoded most of its frames but does not say how many.
        done, position = 0, self._position
        with suppress(soundfile.LibsndfileError):
            self._reopen()
            with quiet():
                self._position = self._file.seek(position)
                while done < len(out):
                    piece = self._file.read(out=out[done : done + _PIECE])
                    done += len(piece)
                    if len(piece) < _PIECE:
                        break
        return out[:done]

    def _head(self) -> tuple[int, bytes]:
        """Return where an MP3's frames begin, behind its ID3 tag, and the first of them."""
        position = self._handle.tell()
        self._handle.seek(0)
        head, start = self._handle.read(10), 0
        if head.startswith(b"ID3"):
            sevens = zip(head[6:], (21, 14, 7, 0), strict=False)
            start = 10 + sum((b & 127) << shift for b, shift in sevens)
        self._handle.seek(start)
        head = self._handle.read(256)
        self._handle.seek(position)
        return start, head

    def _counts_frames(self) -> bool:
        """Whether an MP3's first frame states how many there are; else libsndfile has guessed."""
        _, head = self._head()
        return any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))

    def _has_small_frames(self) -> bool:
        """Whether frames of an MP3 may be smaller than `_LARGE_FRAME`."""
        if os.name != "posix" or not self._is_mp3:
            return self._is_mp3
        start, head = self._head()
        size = os.fstat(self._handle.fileno()).st_size - start
        # Those of a variable rate may be of any size, whatever they are on average.
        varies = b"Xing" in head or b"VBRI" in head
        return varies or size * _MP3_FRAME < _LARGE_FRAME * self.announced

    def _ended_early(self) -> bool:
        """Whether an MP3 goes on behind the announced end.

        libsndfile stops at the count of a Xing header, which may be wrong, or
        where there is none at mpg123's guess (file size by the size of the
        first frames): most of a file whose bit rate falls later would be lost.
        """
        if os.name != "posix" or self._file.format != "MP3" or self._position < self.announced:
            return False
        position = self._handle.tell()
        size = os.fstat(self._handle.fileno()).st_size
        if size - position < _TAIL:
            return False
        head = self._handle.read(4)
        self._handle.seek(position)
        return sniff(head) == ("MP3", True) and head[:1] == b"\xff"

    def _used_up(self) -> bool:
        """Whether libsndfile has read the file to its end, but for padding or tags."""
        if os.name != "posix":
            return True  # its position is not that of our handle
        return self._handle.tell() >= os.fstat(self._handle.fileno()).st_size - _TAIL

    def _rest(self, left: int | None, buffer: np.ndarray, out: np.ndarray) -> Iterator[np.ndarray]:
        """Decode again through a pipe, which has no size to guess from, and go on where we were."""
        done, skip = 0, self._position
        source, sink = os.pipe()
        feeder = threading.Thread(target=self._feed, args=(sink,), daemon=True)
        feeder.start()
        try:
            with soundfile.SoundFile(source, closefd=False) as piped:
                while left is None or left > 0:
                    block = piped.read(out=buffer)
                    mono = mix(block, out)[max(0, skip - done) :]
                    done += len(block)
                    self.replaced += clean(mono)
                    if left is not None:
                        mono = mono[:left]
                        left -= len(mono)
                    if len(mono):
                        self._position += len(mono)
                        yield mono
                    if len(block) < len(buffer):
                        break
        except soundfile.LibsndfileError:
            self.complete = False
        finally:
            os.close(source)  # the feeder's next write fails, and it ends
            feeder.join()

    def _feed(self, sink: int) -> None:
        position = 0
        with suppress(BrokenPipeError):
            while chunk := os.pread(self._handle.fileno(), 1 << 16, position):
                view = memoryview(chunk if position else _without_count(chunk))
                position += len(chunk)
                while view:
                    view = view[os.write(sink, view) :]
        os.close(sink)


def _is_cut(handle: BinaryIO) -> bool:
    """Return whether a WAV or Ogg file ends before its end: libsndfile reads what is there, silently."""
    size = handle.seek(0, os.SEEK_END)
    handle.seek(0)
    head = handle.read(12)
    if head.startswith(b"RIFF") and head[8:] == b"WAVE":
        announced = int.from_bytes(head[4:8], "little")
        # Programs that write to a pipe announce nothing, or as much as can be.
        return size < announced + 8 and announced < _STREAMED
    if head.startswith(b"OggS"):
        handle.seek(max(0, size - _LARGEST_PAGE))
        end = handle.read(_LARGEST_PAGE)
        last = end.rfind(b"OggS")
        # Bit 2 of a page's flags: it is the last one of its stream.
        return last < 0 or not end[last + 5 : last + 6] or not end[last + 5] & 4
    return False


def _without_count(head: bytes) -> bytes:
    """Make an MP3's Xing header, if it is in ``head``, announce more frames than can come."""
    for tag in (b"Xing", b"Info"):
        at = head.find(tag)
        if at >= 0 and head[at + 7 : at + 8] and head[at + 7] & 1:
            return head[: at + 8] + b"\x7f\xff\xff\xff" + head[at + 12 :]
    return head
