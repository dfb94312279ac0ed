"""MP4 (M4A): the list of items in ``moov.udta.meta.ilst``."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, DamagedError, TagFormat

KEY = "\xa9gen"
CONTAINERS = {b"moov", b"udta", b"trak", b"mdia", b"minf", b"stbl", b"meta", b"moof", b"traf", b"edts", b"dinf"}  # fmt: skip
META = (b"moov", b"udta", b"meta")
#: Tables of places in the file: how many bytes an entry has.
OFFSETS = {b"stco": 4, b"co64": 8}


@dataclass(frozen=True)
class Atom:
    """One box: its names from the outermost in, where its content starts, and how long that is."""

    path: tuple[bytes, ...]
    start: int
    size: int


class Mp4(TagFormat):
    """ISO base media files with one movie box."""

    order = 1

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether the file starts with a file type box."""
        return head[4:8] == b"ftyp"

    def _open(self, file: BinaryIO) -> Any:
        from mutagen.mp4 import MP4

        file.seek(0)
        return MP4(file)

    def read(self, file: BinaryIO) -> list[str]:
        """Return the values of the genre item; a numbered genre comes as its name."""
        tags = self._open(file).tags
        return [] if tags is None else [value for value in tags.get(KEY, []) if value.strip()]

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace the genre item by one with a value a genre."""
        audio = self._open(file)
        if audio.tags is None:
            audio.add_tags()
        if genres:
            audio.tags[KEY] = list(genres)
        elif KEY in audio.tags:
            del audio.tags[KEY]
        file.seek(0)
        audio.save(file)

    def check(self, file: BinaryIO) -> None:
        """Raise DamagedError where a box is cut off, or reaches over the one that it lies in."""
        for _ in _leaves(file, 0, file.seek(0, 2), ()):
            pass

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all boxes but the tags, with the chunks each track points to, and of the other items.

        Source: ISO/IEC 14496-12, sections 4.2 and 8.7.5.
        """
        leaves = list(_leaves(file, 0, file.seek(0, 2), ()))
        media = [leaf for leaf in leaves if leaf.path == (b"mdat",)]
        audio = Digest()
        for leaf in leaves:
            name = leaf.path[-1]
            if leaf.path[:3] == META and name in (b"ilst", b"free", b"hdlr"):
                continue
            audio.add(b".".join(leaf.path))
            if name in OFFSETS:
                audio.add(_targets(file, leaf, media))
            else:
                audio.stream(file, leaf.start, leaf.size)
            if name in (b"tfhd", b"mfra", b"saio"):
                # Fragments keep places in the file that mutagen does not all follow.
                audio.add(leaf.start.to_bytes(8, "big"))
        tags = self._open(file).tags
        others = Digest()
        if tags is not None:
            kept = sorted((key, repr(value)) for key, value in tags.items() if key != KEY)
            failed = sorted(
                (k, [bytes(d) for d in v]) for k, v in tags._failed_atoms.items() if k != "gnre"
            )
            if kept or failed:
                others.add(repr((kept, failed)).encode("utf-8", "surrogateescape"))
        return audio.hex(), others.hex()


def _leaves(file: BinaryIO, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[Atom]:
    at = start
    while at + 8 <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            header = 16
        elif size == 0:
            size = end - at
        if size < header or at + size > end:
            raise DamagedError(f"its box {name!r} is cut off")
        inner = at + header
        if name in CONTAINERS:
            # ``meta`` is a full box: version and flags come first.
            inner += 4 if name == b"meta" else 0
            yield from _leaves(file, inner, at + size, (*path, name))
        else:
            yield Atom((*path, name), inner, size - header)
        at += size


def _targets(file: BinaryIO, table: Atom, media: list[Atom]) -> bytes:
    """Return the table's places as places inside the media boxes, which a moved box does not change."""
    file.seek(table.start)
    data = file.read(table.size)
    (count,) = struct.unpack_from(">I", data, 4)
    width = OFFSETS[table.path[-1]]
    if len(data) < 8 + width * count:
        raise DamagedError("its table of chunks is cut off")
    starts = [box.start for box in media]
    told = bytearray()
    for i in range(count):
        place = int.from_bytes(data[8 + i * width : 8 + (i + 1) * width], "big")
        box = bisect_right(starts, place) - 1
        inside = place - starts[box] if box >= 0 else place
        told += struct.pack(">iq", box, inside)
    return bytes(told)


FORMATS.register("mp4")(Mp4())
