"""Genres inside an ID3 tag, wherever it lies, and the way from ID3v2.3 to 2.4 without loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import DamagedError

#: Frames of ID3v2.3 for which 2.4 has other frames, or none.
OLD = ("TYER", "TDAT", "TIME", "TORY", "RVAD", "EQUA", "TRDA", "TSIZ")


def genres_of(tags: Any) -> list[str]:
    """Return the genres of TCON; ID3v1 numbers (``17``, ``(17)``) become their names."""
    if tags is None:
        return []
    return [genre for frame in tags.getall("TCON") for genre in frame.genres]


def set_genres(tags: Any, genres: Sequence[str]) -> None:
    """Replace TCON by one value a genre in ``tags`` (loaded untranslated), made fit for ID3v2.4.

    Raises
    ------
    DamagedError
        The tag holds a frame that ID3v2.4 has no way to keep.
    """
    from mutagen.id3 import TCON, Encoding

    upgrade(tags)
    tags.delall("TCON")
    if genres:
        tags.add(TCON(encoding=Encoding.UTF8, text=list(genres)))


def upgrade(tags: Any) -> None:
    """Turn frames of ID3v2.2 and 2.3 into those of 2.4, and keep the others.

    mutagen's own upgrade drops frames: years it cannot parse, relative volume
    (RVAD) and equalisation (EQUA), and those it does not know. Readers skip
    what they do not know, so all of these stay.
    """
    if tags.version[:2] == (2, 4):
        return
    old = {name: tags[name] for name in OLD if name in tags}
    unknown = [_upgraded(bytes(frame), tags.version) for frame in tags.unknown_frames]
    tags.update_to_v24()
    recorded = str(tags.get("TDRC", ""))
    told = {
        "TYER": bool(recorded),
        "TDAT": len(recorded) > len("2000"),
        "TIME": len(recorded) > len("2000-01-01"),
        "TORY": "TDOR" in tags,
    }
    for name, frame in old.items():
        if not told.get(name, False):
            tags.add(frame)
    tags.unknown_frames = unknown
    tags._unknown_v2_version = 4


def _upgraded(frame: bytes, version: tuple[int, ...]) -> bytes:
    """Return an unknown frame of ID3v2.3 with a header of ID3v2.4."""
    if version[:2] < (2, 3):
        raise DamagedError(f"it holds an ID3v2.2 frame {frame[:3]!r} that ID3v2.4 cannot keep")
    status, coding, body = frame[8], frame[9], frame[10:]
    if coding:
        raise DamagedError(f"it holds a compressed or encrypted frame {frame[:4]!r}")
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return frame[:4] + size + bytes((status >> 1, 0)) + body


def others(tags: Any) -> str:
    """Return a digest of all frames but TCON, as they are in ID3v2.4 (``tags`` is upgraded)."""
    digest = Digest()
    if tags is None:
        return digest.hex()
    upgrade(tags)
    frames = sorted((key, repr(frame)) for key, frame in tags.items() if key != "TCON")
    unknown = sorted(bytes(frame) for frame in tags.unknown_frames)
    if frames or unknown:
        digest.add(repr((frames, unknown)).encode("utf-8", "surrogateescape"))
    return digest.hex()
