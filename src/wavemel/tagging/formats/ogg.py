"""Ogg with Vorbis, Opus, Speex or FLAC in it: Vorbis comments in the second packet."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from wavemel.tagging import comments
from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, DamagedError, TagFormat

#: How a page begins, the bytes before its lacing values, and how many it has at most.
MARK, PAGE, LARGEST = b"OggS", 27, 27 + 255 + 255 * 255
#: Per codec: how its first packet starts, and how many bytes its second has before the comments.
CODECS = {
    b"\x01vorbis": len(b"\x03vorbis"),
    b"OpusHead": len(b"OpusTags"),
    b"Speex   ": 0,
    b"\x7fFLAC": 4,
}

_NO_COMMENTS = "it has no comments"


class Ogg(TagFormat):
    """One logical stream of audio in Ogg pages."""

    order = 3

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether the first page starts a stream of a codec with Vorbis comments."""
        return head.startswith(MARK) and _codec(head[PAGE + 1 :]) is not None

    def _open(self, file: BinaryIO) -> Any:
        from mutagen.oggflac import OggFLAC
        from mutagen.oggopus import OggOpus
        from mutagen.oggspeex import OggSpeex
        from mutagen.oggvorbis import OggVorbis

        file.seek(0)
        kind = _codec(file.read(64)[PAGE + 1 :])
        file.seek(0)
        opened = dict(zip(CODECS, (OggVorbis, OggOpus, OggSpeex, OggFLAC), strict=True))
        return opened[kind or b""](file)

    def read(self, file: BinaryIO) -> list[str]:
        """Return the values of GENRE."""
        return comments.genres_of(self._open(file).tags)

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace GENRE in the packet of comments; pages after it may be numbered anew."""
        audio = self._open(file)
        comments.set_genres(audio.tags, genres)
        file.seek(0)
        audio.save(file)

    def check(self, file: BinaryIO) -> None:
        """Raise DamagedError where the first pages, up to the comments, or the last ones are damaged."""
        block = next(
            (packet[skip:] for *_, packet, skip in _told_apart(file) if skip is not None), None
        )
        if block is None:
            raise DamagedError(_NO_COMMENTS)
        comments.check(block, self._open(file).tags)
        _check_end(file)

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all packets but the comments, with their granule positions, and of the other comments."""
        audio, other = Digest(), ""
        for serial, position, packet, skip in _told_apart(file):
            if skip is not None:
                other = comments.others(packet[skip:])
                continue
            audio.add(serial.to_bytes(4, "little") + position)
            audio.add(packet)
        if not other:
            raise DamagedError(_NO_COMMENTS)
        return audio.hex(), other


def _told_apart(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes, int | None]]:
    """Yield what `packets` does, and of the one with the comments how many bytes stand before them."""
    seen: dict[int, int] = {}
    commented, skip = None, 0
    for serial, position, packet in packets(file):
        number = seen.get(serial, 0)
        seen[serial] = number + 1
        if number == 0 and commented is None:
            codec = _codec(packet)
            if codec is not None:
                commented, skip = serial, CODECS[codec]
        yield serial, position, packet, skip if serial == commented and number == 1 else None


def packets(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (serial number, granule position of the page it ends on, packet) through the whole file.

    What lies between pages, and a packet that never ends, come with serial
    number 0 and -1 as position. Source: RFC 3533, section 6.

    Raises
    ------
    DamagedError
        The checksum of a page is wrong.
    """
    parts: dict[int, list[bytes]] = {}
    for header, lacing, body in _pages(file, 0):
        # First and last page of a stream are marked; whether a page continues a packet is its cut.
        position = bytes([header[5] & 0b110]) + header[6:14]
        serial = int.from_bytes(header[14:18], "little")
        at = size = 0
        # Headers share pages with nothing timed; a packet's own position is that of its page
        # only where it is the last to end there, which holds however pages are cut.
        last = max((i for i, lace in enumerate(lacing) if lace < 255), default=-1)
        for i, lace in enumerate(lacing):
            size += lace
            if lace < 255:
                own = parts.pop(serial, [])
                own.append(body[at : at + size])
                yield serial, position if i == last else b"", b"".join(own)
                at, size = at + size, 0
        if size or len(body) > at:
            parts.setdefault(serial, []).append(body[at:])
    behind = file.read()
    if behind:
        yield 0, b"\xff" * 8, behind
    for serial, own in parts.items():
        yield serial, b"\xff" * 8, b"".join(own)


def _pages(file: BinaryIO, start: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield (header, lacing values, body) of the pages from ``start`` on; ``file`` then stands behind them.

    Raises
    ------
    DamagedError
        The checksum of a page is wrong.
    """
    file.seek(start)
    while True:
        header = file.read(PAGE)
        if len(header) < PAGE or not header.startswith(MARK):
            file.seek(-len(header), 1)
            return
        lacing = file.read(header[26])
        body = file.read(sum(lacing))
        if _checksum(header[:22] + bytes(4) + header[26:] + lacing + body) != header[22:26]:
            # Players skip such a page; numbered anew, it would be played.
            raise DamagedError(f"its page that ends at byte {file.tell()} is damaged")
        yield header, lacing, body


def _check_end(file: BinaryIO) -> None:
    """Raise DamagedError where one of the last pages is damaged, as in a file that is cut off."""
    # In so many bytes a page begins and ends, whatever precedes it.
    start = max(0, file.seek(0, 2) - 2 * LARGEST)
    file.seek(start)
    end = file.read()
    at = end.find(MARK)
    while at >= 0:
        pages = _pages(file, start + at)
        try:
            whole = next(pages, None) is not None
        except DamagedError:
            whole = False  # or the mark stands within a page
        if whole:
            for _ in pages:
                pass
            return
        at = end.find(MARK, at + 1)


#: All bytes with their bits in the other order.
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(page: bytes) -> bytes:
    """Return the page's CRC: zlib's polynomial, from the other end and without inversions."""
    crc = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "little").translate(_MIRRORED)[::-1]


def _codec(packet: bytes) -> bytes | None:
    return next((magic for magic in CODECS if packet.startswith(magic)), None)


FORMATS.register("ogg")(Ogg())
