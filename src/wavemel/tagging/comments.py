"""Vorbis comments, as FLAC, Ogg Vorbis and Opus keep them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import DamagedError

KEY = "GENRE"


def genres_of(tags: Any) -> list[str]:
    """Return all values of GENRE, however its letters are cased."""
    if tags is None or KEY not in tags:
        return []
    return [value for value in tags[KEY] if value.strip()]


def set_genres(tags: Any, genres: Sequence[str]) -> None:
    """Replace GENRE by one comment a genre."""
    if genres:
        tags[KEY] = list(genres)
    elif KEY in tags:
        del tags[KEY]


def check(block: bytes, tags: Any) -> None:
    """Raise DamagedError where mutagen would not write all comments but GENRE back as they are.

    Parameters
    ----------
    block : as for `others`.
    tags : what mutagen read there.
    """
    if others(tags.write(framing=False)) != others(block):
        raise DamagedError("a comment that is damaged, or no UTF-8 text, would be lost")


def others(block: bytes) -> str:
    """Return a digest of all comments but GENRE, byte for byte and in their order, and the vendor.

    Parameters
    ----------
    block : vendor and comments, without what codecs put before them. Source:
        the Vorbis I specification, section 5.

    Raises
    ------
    DamagedError
        A length points outside the block.
    """
    digest = Digest()
    at = 0

    def take() -> bytes:
        nonlocal at
        if at + 4 > len(block):
            raise DamagedError("its comments are cut off")
        (size,) = struct.unpack_from("<I", block, at)
        at += 4 + size
        if at > len(block):
            raise DamagedError("its comments are cut off")
        return block[at - size : at]

    digest.add(take())
    if at + 4 > len(block):
        raise DamagedError("its comments are cut off")
    (count,) = struct.unpack_from("<I", block, at)
    at += 4
    for _ in range(count):
        comment = take()
        key = comment.partition(b"=")[0]
        if key.upper() != KEY.encode():
            digest.add(comment)
    return digest.hex()
