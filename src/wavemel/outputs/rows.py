r"""One row a file: what every format writes, and how a name that is no text is written.

| key | what |
| --- | --- |
| path | as given; bytes that are no UTF-8 stand as ``\xNN`` |
| path_base64 | the name's bytes, only where ``path`` had to be written so |
| genres | list of ``{"genre", "probability"}``, most probable first; empty where there are none |
| unsure | whether the answer should not be relied on |
| error, reason | why there is no answer: a sentence, and a word for programs; else null |
| notes | what is unusual about the audio |
| seconds, seconds_read, windows | length of the track, how much of it was read, in how many windows |
| whole, complete | whether all was read; False where the file ends in damage |
| model | name and id |
| timeline | list of ``{"start", "end", "genres"}``, where it was asked for |
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wavemel.inference.result import GenreProbability, TrackResult

Row = dict[str, Any]
#: Decimals of probabilities: float32 networks give no more, and rows stay short.
_DECIMALS = 6


def result_row(path: str, result: TrackResult, *, timeline: bool = False) -> Row:
    """Return the row of a classified file."""
    row = {
        **named(path),
        "genres": _genres(result.genres),
        "unsure": result.unsure,
        "error": None,
        "reason": None,
        "notes": list(result.notes),
        "seconds": round(result.seconds, 3),
        "seconds_read": round(result.seconds_read, 3),
        "windows": len(result.timeline),
        "whole": result.whole,
        "complete": result.complete,
        "model": result.model,
    }
    if timeline:
        row["timeline"] = [
            {"start": round(w.start, 3), "end": round(w.end, 3), "genres": _genres(w.genres)}
            for w in result.timeline
        ]
    return row


def error_row(path: str, reason: str, message: str, model: str) -> Row:
    """Return the row of a file that could not be classified."""
    return {
        **named(path),
        "genres": [],
        "unsure": True,
        "error": message,
        "reason": reason,
        "notes": [],
        "seconds": None,
        "seconds_read": None,
        "windows": 0,
        "whole": False,
        "complete": False,
        "model": model,
    }


def shortened(row: Row, top: int | None, timeline: bool) -> Row:
    """Return a row with the ``top`` genres only, and without its timeline unless it is wanted."""
    short = {**row, "genres": row["genres"][:top]}
    if not timeline:
        short.pop("timeline", None)
    elif "timeline" in row:
        short["timeline"] = [{**w, "genres": w["genres"][:top]} for w in row["timeline"]]
    return short


def path_of(row: Row) -> str:
    """Return the path that a row is about, as Python and the system know it."""
    encoded = row.get("path_base64")
    return os.fsdecode(base64.b64decode(encoded)) if encoded else row["path"]


def one_line(name: str) -> str:
    """Return a name for people: on one line, whatever it holds."""
    return name if name.isprintable() else ascii(name)


def named(path: str) -> Row:
    """Return the part of a row that says which file it is about."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(path)
        return {
            "path": raw.decode("utf-8", "backslashreplace"),
            "path_base64": base64.b64encode(raw).decode(),
        }
    return {"path": path}


def _genres(genres: tuple[GenreProbability, ...]) -> list[dict[str, Any]]:
    return [{"genre": g.genre, "probability": round(g.probability, _DECIMALS)} for g in genres]
