"""FLAC: a block of Vorbis comments before the frames; ID3 tags around the file are read only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from wavemel.tagging import comments, id3
from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, DamagedError, TagFormat, after_id3, id3_size

PADDING, COMMENTS = 1, 4


class Flac(TagFormat):
    """Native FLAC; ID3 tags around it are left as they are."""

    order = 2

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether the stream marker stands at the start."""
        return head.startswith(b"fLaC")

    def _open(self, file: BinaryIO) -> Any:
        from mutagen.flac import FLAC

        file.seek(0)
        return FLAC(file)

    def read(self, file: BinaryIO) -> list[str]:
        """Return the values of GENRE."""
        return comments.genres_of(self._open(file).tags)

    def elsewhere(self, file: BinaryIO) -> list[str]:
        """Return the genres of an ID3 tag in front of or behind all, which some programs write."""
        from mutagen.id3 import ID3, ID3NoHeaderError

        file.seek(0)
        try:
            return id3.genres_of(ID3(file, translate=False))
        except ID3NoHeaderError:
            return []

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace GENRE in the block of comments, which is made where there is none."""
        audio: Any = self._open(file)
        if audio.tags is None:
            audio.add_tags()
            # A comment of ours must not claim to come from the encoder.
            audio.tags.vendor = ""  # type: ignore[attr-defined]
        comments.set_genres(audio.tags, genres)
        file.seek(0)
        audio.save(file)

    def check(self, file: BinaryIO) -> None:
        """Raise DamagedError where the blocks before the frames are damaged."""
        for kind, start, size in _blocks(file):
            if kind == COMMENTS:
                file.seek(start)
                block = file.read(size)
                comments.check(block, self._open(file).tags)

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all other metadata blocks (pictures, seek table) with the frames, and of the other comments."""
        audio, other = Digest(), comments.others(bytes(8))
        end = 0
        file.seek(0)
        while size := id3_size(file.read(10)):
            audio.stream(file, end, size)
            end += size
            file.seek(end)
        for kind, start, size in _blocks(file):
            end = start + size
            if kind == COMMENTS:
                file.seek(start)
                other = comments.others(file.read(size))
            elif kind != PADDING:
                audio.add(bytes([kind]))
                audio.stream(file, start, size)
        audio.stream(file, end)
        return audio.hex(), other


def _blocks(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield (kind, where its content starts, size) of the metadata blocks. Source: RFC 9639, section 8."""
    length = file.seek(0, 2)
    at = after_id3(file) + len(b"fLaC")
    last = False
    while not last:
        file.seek(at)
        header = file.read(4)
        start, size = at + 4, int.from_bytes(header[1:], "big")
        if start + size > length:
            raise DamagedError("its metadata is cut off")
        last = bool(header[0] & 0x80)
        yield header[0] & 0x7F, start, size
        at = start + size


FORMATS.register("flac")(Flac())
