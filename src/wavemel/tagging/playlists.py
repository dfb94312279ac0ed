"""Playlists by genre out of results: extended M3U (UTF-8) and JSON."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from wavemel.errors import ConfigError
from wavemel.registry import suggest
from wavemel.tagging.mapping import GenreMap
from wavemel.tagging.verdicts import Verdict


@dataclass(frozen=True)
class Playlist:
    """One genre and its (path, probability), in the order of the paths."""

    genre: str
    tracks: tuple[tuple[str, float], ...]


def by_genre(
    results: Iterable[Verdict],
    *,
    min_confidence: float = 0.5,
    mapping: GenreMap | None = None,
    top: int = 1,
    unsure: bool = False,
) -> list[Playlist]:
    """Return one playlist a genre; a file stands in each of its ``top`` genres that is probable enough."""
    mapping = mapping or GenreMap({})
    tracks: dict[str, dict[str, float]] = {}
    for verdict in results:
        if verdict.error is not None or (verdict.unsure and not unsure):
            continue
        for genre, probability in verdict.genres[:top]:
            if probability < min_confidence:
                continue
            for tag in mapping.tags(genre):
                own = tracks.setdefault(tag, {})
                own[verdict.path] = max(probability, own.get(verdict.path, 0.0))
    return [
        Playlist(genre, tuple(sorted(own.items(), key=lambda pair: _natural(pair[0]))))
        for genre, own in sorted(tracks.items())
    ]


def write_playlists(
    playlists: Iterable[Playlist],
    folder: str | PathLike[str],
    *,
    format: str = "m3u",
    relative: bool = True,
) -> tuple[list[Path], list[str]]:
    """Write one file a playlist.

    Parameters
    ----------
    format : ``m3u`` (``.m3u8``) or ``json``.
    relative : name files as seen from ``folder``, so that both can move together.

    Returns
    -------
    list of Path, list of str
        The files written, and paths that an M3U file cannot hold (newlines,
        bytes that are no UTF-8).

    Raises
    ------
    ConfigError
        The format is unknown.
    """
    if format not in _WRITERS:
        raise ConfigError(
            f"there is no playlist format {format!r}{suggest(format, list(_WRITERS))}"
        )
    ending, render = _WRITERS[format]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    unheld: list[str] = []
    names: set[str] = set()
    for playlist in playlists:
        tracks = []
        for path, probability in playlist.tracks:
            if format == "m3u" and not _holds(path):
                unheld.append(path)
            else:
                tracks.append((_seen_from(folder, path, relative), probability))
        target = folder / f"{_file_name(playlist.genre, names)}{ending}"
        temporary = target.with_name(f".{target.name}.tmp")
        temporary.write_text(render(playlist.genre, tracks), encoding="utf-8", newline="\n")
        os.replace(temporary, target)
        written.append(target)
    return written, list(dict.fromkeys(unheld))


def _m3u(genre: str, tracks: list[tuple[str, float]]) -> str:
    lines = ["#EXTM3U", "#EXTENC:UTF-8", f"#PLAYLIST:{genre}"]
    for path, _ in tracks:
        name = re.split(r"[/\\]", path)[-1].rpartition(".")[0] or path
        lines += [f"#EXTINF:-1,{name}", path if not path.startswith("#") else f"./{path}"]
    return "\n".join(lines) + "\n"


def _json(genre: str, tracks: list[tuple[str, float]]) -> str:
    listed = [{"path": path, "probability": probability} for path, probability in tracks]
    return json.dumps({"name": genre, "tracks": listed}, indent=1) + "\n"


_WRITERS = {"m3u": (".m3u8", _m3u), "json": (".json", _json)}


def _holds(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not any(unicodedata.category(char) == "Cc" for char in path)


def _seen_from(folder: Path, path: str, relative: bool) -> str:
    absolute = os.path.abspath(path)
    if not relative:
        return absolute
    try:
        return os.path.relpath(absolute, os.path.realpath(folder))
    except ValueError:  # another drive
        return absolute


def _file_name(genre: str, taken: set[str]) -> str:
    """Return a name that every file system takes, and that no other genre has."""
    name = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "-", genre).strip(" .-") or "genre"
    name = name.encode("utf-8", "replace")[:200].decode("utf-8", "ignore")
    free, number = name, 2
    while free.casefold() in taken:
        free, number = f"{name} {number}", number + 1
    taken.add(free.casefold())
    return free


def _natural(path: str) -> list[tuple[int, int, str]]:
    """Sort 2 before 10."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in re.split(r"(\d+)", path)
        if part
    ]
