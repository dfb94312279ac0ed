"""Genres inside an ID3 tag, wherever it lies, and the way from ID3v2.3 to 2.4 without loss."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import DamagedError

#: Frames of ID3v2.3 for which 2.4 has other frames, or none.
OLD = ("TYER", "TDAT", "TIME", "TORY", "RVAD", "EQUA", "TRDA", "TSIZ", "IPLS")
#: Of those, what may be told by which frame of 2.4.
TOLD_BY = {"TYER": "TDRC", "TDAT": "TDRC", "TIME": "TDRC", "TORY": "TDOR", "IPLS": "TIPL"}
_STAMP = re.compile(r"[0-9]{4}(-[0-9]{2}.*)?")


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


def check(tags: Any) -> None:
    """Raise DamagedError where ``tags`` (loaded untranslated; upgraded by this) hold what 2.4 cannot keep."""
    if tags is not None:
        upgrade(tags)


def upgrade(tags: Any) -> None:
    """Turn frames of ID3v2.2 and 2.3 into those of 2.4, and keep the others.

    mutagen's own upgrade drops frames: years it cannot parse, relative volume
    (RVAD) and equalisation (EQUA), those it does not know, and dates beside a
    date of 2.4 that says otherwise. Readers skip what they do not know, so all
    of these stay.
    """
    if tags.version[:2] == (2, 4):
        return
    old = {name: tags[name] for name in OLD if name in tags}
    unknown = [_upgraded(bytes(frame), tags.version) for frame in tags.unknown_frames]
    originally = "TDOR" in tags
    tags.update_to_v24()
    for name, frame in old.items():
        by = tags.get(TOLD_BY.get(name, ""))
        if by is not None and _said(frame) and _said(frame) <= _said(by):
            continue
        if name == "TORY" and not originally:
            tags.delall("TDOR")  # It was made of what is no date.
        tags.add(frame)
    tags.unknown_frames = unknown
    tags._unknown_v2_version = 4


def _said(frame: Any) -> set[tuple[str, ...]]:
    """Return what a frame of dates or people says, the same for the frames of 2.3 and of 2.4."""
    name = frame.FrameID
    if name in ("IPLS", "TIPL"):
        return {("person", *map(str, person)) for person in frame.people}
    # Day and time of a recording have frames of their own in 2.3.
    year, day, time = "TYER", "TDAT", "TIME"
    if name in ("TORY", "TDOR"):
        year, day, time = "TORY", "TORY day", "TORY time"
    said = set()
    for value in map(str, frame.text):
        if name in ("TDAT", "TIME"):
            said.add((name, value))
        elif _STAMP.fullmatch(value):
            said |= {
                (year, value[:4]),
                (day, value[8:10] + value[5:7]),
                (time, value[11:13] + value[14:16]),
            }
        else:
            said.add((name, value))
    return {(what, value) for what, value in said if value}


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
    """Return a digest of all frames but TCON, as they are in ID3v2.4 (``tags`` is upgraded).

    What dates and people the tag names is added as it is before the upgrade, so
    that a frame lost by it shows.
    """
    digest = Digest()
    if tags is None:
        return digest.hex()
    named = {*TOLD_BY, *TOLD_BY.values()} & set(tags)
    said = sorted(set().union(*(_said(tags[name]) for name in named)))
    upgrade(tags)
    frames = sorted((key, repr(frame)) for key, frame in tags.items() if key != "TCON")
    unknown = sorted(bytes(frame) for frame in tags.unknown_frames)
    if frames or unknown:
        digest.add(repr((frames, unknown, said)).encode("utf-8", "surrogateescape"))
    return digest.hex()
