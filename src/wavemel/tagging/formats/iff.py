"""WAV and AIFF: an ID3v2 tag in a chunk of its own."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

from wavemel.tagging import id3
from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, DamagedError


class Chunked:
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

        file.seek(0)
        kind = WAVE if self._form == b"RIFF" else AIFF
        return kind(file, translate=False, load_v1=False)

    def read(self, file: BinaryIO) -> list[str]:
        """Return the genres of the ID3 chunk; a LIST INFO chunk is not looked at."""
        return id3.genres_of(self._open(file).tags)

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace TCON in the ID3 chunk (v2.4), which is appended where there is none."""
        audio = self._open(file)
        if audio.tags is None:
            audio.add_tags()
        id3.set_genres(audio.tags, genres)
        file.seek(0)
        audio.tags.save(file, v2_version=4)

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all other chunks, in their order, and of the other ID3 frames."""
        digest = Digest()
        length = file.seek(0, 2)
        file.seek(0)
        header = file.read(12)
        declared = struct.unpack(self._size, header[4:8])[0]
        end = min(length, 8 + declared)
        digest.add(header[:4] + header[8:12])
        at = 12
        while at + 8 <= end:
            file.seek(at)
            name = file.read(4)
            size = struct.unpack(self._size, file.read(4))[0]
            if name.rstrip().upper() != b"ID3":
                digest.add(name)
                digest.stream(file, at + 8, size)
            elif at + 8 + size > length:
                raise DamagedError("its ID3 chunk is cut off")
            at += 8 + size + size % 2
        digest.stream(file, at)
        return digest.hex(), id3.others(self._open(file).tags)


FORMATS.register("wav")(Chunked(b"RIFF", (b"WAVE",), "<I"))
FORMATS.register("aiff")(Chunked(b"FORM", (b"AIFF", b"AIFC"), ">I"))
