"""Ogg with Vorbis, Opus, Speex or FLAC in it: Vorbis comments in the second packet."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from wavemel.tagging import comments
from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, DamagedError, TagFormat

PAGE = 27
#: Per codec: how its first packet starts, and how many bytes its second has before the comments.
CODECS = {
    b"\x01vorbis": len(b"\x03vorbis"),
    b"OpusHead": len(b"OpusTags"),
    b"Speex   ": 0,
    b"\x7fFLAC": 4,
}


class Ogg(TagFormat):
    """One logical stream of audio in Ogg pages."""

    order = 3

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether the first page starts a stream of a codec with Vorbis comments."""
        return head.startswith(b"OggS") and _codec(head[PAGE + 1 :]) is not None

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

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all packets but the comments, with their granule positions, and of the other comments."""
        audio, other, commented = Digest(), "", None
        seen: dict[int, int] = {}
        skip = 0
        for serial, position, packet in packets(file):
            number = seen.get(serial, 0)
            seen[serial] = number + 1
            if number == 0 and commented is None:
                codec = _codec(packet)
                if codec is not None:
                    commented, skip = serial, CODECS[codec]
            if serial == commented and number == 1:
                other = comments.others(packet[skip:])
                continue
            audio.add(serial.to_bytes(4, "little") + position)
            audio.add(packet)
        if not other:
            raise DamagedError("it has no comments")
        return audio.hex(), other


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
    file.seek(0)
    while header := file.read(PAGE):
        if len(header) < PAGE or header[:4] != b"OggS":
            yield 0, b"\xff" * 8, header + file.read()
            break
        lacing = file.read(header[26])
        # First and last page of a stream are marked; whether a page continues a packet is its cut.
        position = bytes([header[5] & 0b110]) + header[6:14]
        serial = int.from_bytes(header[14:18], "little")
        body = file.read(sum(lacing))
        if _checksum(header[:22] + bytes(4) + header[26:] + lacing + body) != header[22:26]:
            # Players skip such a page; numbered anew, it would be played.
            raise DamagedError(f"its page that ends at byte {file.tell()} is damaged")
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
    for serial, own in parts.items():
        yield serial, b"\xff" * 8, b"".join(own)


#: All bytes with their bits in the other order.
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(page: bytes) -> bytes:
    """Return the page's CRC: zlib's polynomial, from the other end and without inversions."""
    crc = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "little").translate(_MIRRORED)[::-1]


def _codec(packet: bytes) -> bytes | None:
    return next((magic for magic in CODECS if packet.startswith(magic)), None)


FORMATS.register("ogg")(Ogg())
