"""WAV and AIFF: an ID3v2 tag in a chunk of its own; the INFO list of a WAV is read only."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from wavemel.tagging import id3
from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, DamagedError, TagFormat

#: Bytes that tags may take: sizes have 32 bits, and those of streams all of them set.
_ROOM = 1 << 16
_LARGEST = (1 << 32) - 1
_NO_LENGTH = "its header states no length, as that of a stream: save the file anew"
_CUT_OFF = "its ID3 chunk is cut off"


@dataclass(frozen=True)
class Chunk:
    """One chunk: its name, where its content starts, and how long it says that is."""

    name: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + self.size + self.size % 2

    @property
    def is_named(self) -> bool:
        """Whether the name can be one; mutagen finds no chunk behind one that cannot."""
        return bool(self.name.strip()) and all(0x20 <= byte <= 0x7E for byte in self.name)

    @property
    def is_id3(self) -> bool:
        """Whether it holds the tag."""
        return self.name.rstrip().upper() == b"ID3"


class Chunked(TagFormat):
    """A RIFF or IFF file; ``size`` is the struct code of its chunk sizes."""

    order = 1

    def __init__(self, form: bytes, kinds: tuple[bytes, ...], size: str) -> None:
        self._form, self._kinds, self._size = form, kinds, size

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether the file starts as a container of this form and kind."""
        file.seek(0)
        start = file.read(12)
        return start[:4] == self._form and start[8:12] in self._kinds

    def _open(self, file: BinaryIO) -> Any:
        from mutagen.aiff import AIFF
        from mutagen.wave import WAVE

        if self._declared(file) < 4:
            raise DamagedError(_NO_LENGTH)
        file.seek(0)
        kind = WAVE if self._form == b"RIFF" else AIFF
        return kind(file, translate=False, load_v1=False)

    def read(self, file: BinaryIO) -> list[str]:
        """Return the genres of the ID3 chunk."""
        return id3.genres_of(self._open(file).tags)

    def elsewhere(self, file: BinaryIO) -> list[str]:
        """Return the genres (IGNR) of a WAV's LIST INFO chunks, which other programs write."""
        if self._form != b"RIFF":
            return []
        found = []
        for chunk in self._chunks(file):
            if chunk.name == b"LIST":
                file.seek(chunk.start)
                found += _info_genres(file.read(min(chunk.size, _ROOM)))
        return found

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace TCON in the ID3 chunk (v2.4), which is appended where there is none."""
        audio = self._open(file)
        if audio.tags is None:
            audio.add_tags()
        id3.set_genres(audio.tags, genres)
        file.seek(0)
        audio.tags.save(file, v2_version=4)

    def check(self, file: BinaryIO) -> None:
        """Raise DamagedError unless the ID3 chunk can be found, or put behind all others."""
        length = file.seek(0, 2)
        declared = self._declared(file)
        if declared == _LARGEST:
            raise DamagedError(_NO_LENGTH)
        if declared + _ROOM > _LARGEST:
            raise DamagedError("it is too long for a tag: its kind ends at 4 GiB")
        # Where mutagen puts the chunk: were another to reach over it, it would be heard as noise.
        end = min(length, 8 + declared + declared % 2)
        at = 12
        for chunk in self._chunks(file):
            if chunk.is_id3:
                if chunk.start + chunk.size > length:
                    raise DamagedError(_CUT_OFF)
                id3.check(self._open(file).tags)
                return
            if chunk.size == _LARGEST:
                raise DamagedError(_NO_LENGTH)
            if not chunk.is_named:
                raise DamagedError(f"it holds what is no chunk at byte {at}")
            if chunk.start + chunk.size > end:
                raise DamagedError(f"its chunk {chunk.name.decode()!r} is longer than the file")
            at = chunk.end
            if at > end:
                raise DamagedError(
                    f"its chunk {chunk.name.decode()!r} lacks the byte that pads an odd length"
                )
        if at < end:
            raise DamagedError(f"it holds what is no chunk at byte {at}")

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all other chunks, in their order, and of the other ID3 frames."""
        digest = Digest()
        length = file.seek(0, 2)
        file.seek(0)
        header = file.read(12)
        digest.add(header[:4] + header[8:12])
        at = 12
        for chunk in self._chunks(file):
            if not chunk.is_id3:
                digest.add(chunk.name)
                digest.stream(file, chunk.start, chunk.size)
            elif chunk.start + chunk.size > length:
                raise DamagedError(_CUT_OFF)
            at = chunk.end
        digest.stream(file, at)
        return digest.hex(), id3.others(self._open(file).tags)

    def _declared(self, file: BinaryIO) -> int:
        file.seek(4)
        return int(struct.unpack(self._size, file.read(4))[0])

    def _chunks(self, file: BinaryIO) -> Iterator[Chunk]:
        end = min(file.seek(0, 2), 8 + self._declared(file))
        at = 12
        while at + 8 <= end:
            file.seek(at)
            name = file.read(4)
            (size,) = struct.unpack(self._size, file.read(4))
            chunk = Chunk(name, at + 8, size)
            yield chunk
            at = chunk.end


def _info_genres(content: bytes) -> list[str]:
    """Return the texts of IGNR in a list of kind INFO. Source: Multimedia Programming Interface 1.0, chapter 2."""
    found = []
    at = 4 if content.startswith(b"INFO") else len(content)
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        raw = content[at + 8 : at + 8 + size].split(b"\0")[0]
        at += 8 + size + size % 2
        if name == b"IGNR":
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                text = raw.decode("cp1252", "replace")  # no encoding is laid down
            found += [text.strip()] if text.strip() else []
    return found


FORMATS.register("wav")(Chunked(b"RIFF", (b"WAVE",), "<I"))
FORMATS.register("aiff")(Chunked(b"FORM", (b"AIFF", b"AIFC"), ">I"))
