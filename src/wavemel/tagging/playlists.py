"""Playlists by genre out of results: extended M3U (UTF-8) and JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from wavemel.errors import ConfigError
from wavemel.outputs.rows import named
from wavemel.registry import suggest
from wavemel.tagging.errors import shown
from wavemel.tagging.mapping import GenreMap
from wavemel.tagging.plan import check_limits
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
    """Return one playlist a genre; a file stands in each of its ``top`` genres if probable enough.

    Raises
    ------
    ConfigError
        ``min_confidence`` is no probability or ``top`` is below 1.
    """
    check_limits(min_confidence, top)
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
    """Write one file a playlist, in place of one of ours that an earlier run made.

    Parameters
    ----------
    format : ``m3u`` (``.m3u8``) or ``json``, where a name that is no UTF-8 stands as in results.
    relative : name files as seen from ``folder``, so that both can move together.

    Returns
    -------
    list of Path, list of str
        The files written, and paths that an M3U file cannot hold (newlines,
        bytes that are no UTF-8).

    Raises
    ------
    ConfigError
        The format is unknown, the folder cannot be made, a file in it not be written, or a file
        that is none of ours stands in a playlist's place; then nothing is written.
    OSError
        The disk is full.
    """
    if format not in _WRITERS:
        raise ConfigError(
            f"there is no playlist format {format!r}{suggest(format, list(_WRITERS))}"
        )
    ending, render = _WRITERS[format]
    folder = Path(folder)
    with _told(folder, "is no folder that playlists can be put into"):
        folder.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    targets = [(each, folder / f"{_file_name(each.genre, names)}{ending}") for each in playlists]
    for _, target in targets:
        with _told(target, "cannot be written"):
            _refuse_others(target, format)
    written: list[Path] = []
    unheld: list[str] = []
    for playlist, target in targets:
        tracks = []
        for path, probability in playlist.tracks:
            if format == "m3u" and not _holds(path):
                unheld.append(path)
            else:
                tracks.append((_seen_from(folder, path, relative), probability))
        with _told(target, "cannot be written"):
            _replace(target, render(_as_text(playlist.genre), tracks))
        written.append(target)
    return written, list(dict.fromkeys(unheld))


def others(
    folder: str | PathLike[str], written: Iterable[Path], *, format: str = "m3u"
) -> list[Path]:
    """Return the playlists of ours, of one format, that lie in a folder beside those just written.

    An earlier run made them, out of other results or with other options. They
    are told by how they begin, which an edited one does too: none is removed.

    Raises
    ------
    ConfigError
        The folder cannot be looked into.
    """
    ending, _ = _WRITERS[format]
    new = {path.name for path in written}
    with _told(Path(folder), "cannot be looked into"):
        found = sorted(Path(folder).glob(f"*{ending}"))
        return [path for path in found if path.name not in new and _begins_as(path, format)]


def _refuse_others(target: Path, format: str) -> None:
    """Raise ConfigError where a file with something in it, and none of ours, stands in a playlist's place."""
    if target.is_file() and target.stat().st_size and not _begins_as(target, format):
        raise ConfigError(
            f"{shown(str(target))} exists, and is no playlist that wavemel made: give another "
            "--to, or move it away"
        )


def _begins_as(path: Path, format: str) -> bool:
    sign = _SIGNS[format]
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(sign)) == sign


def _replace(target: Path, text: str) -> None:
    """Write a file whole, or leave it as it was."""
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Turn what the system says of a path into a ConfigError; a full disk concerns all paths."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ConfigError(f"{shown(str(path))} {what}: {error.strerror or error}") from error


def _m3u(genre: str, tracks: list[tuple[str, float]]) -> str:
    lines = ["#EXTM3U", "#EXTENC:UTF-8", f"#PLAYLIST:{' '.join(genre.split())}"]
    for path, _ in tracks:
        name = re.split(r"[/\\]", path)[-1].rpartition(".")[0] or path
        lines += [f"#EXTINF:-1,{name}", path if not path.startswith("#") else f"./{path}"]
    return "\n".join(lines) + "\n"


def _json(genre: str, tracks: list[tuple[str, float]]) -> str:
    listed = [{**named(path), "probability": probability} for path, probability in tracks]
    return json.dumps({"name": genre, "tracks": listed}, indent=1) + "\n"


_WRITERS = {"m3u": (".m3u8", _m3u), "json": (".json", _json)}
#: How the files of each begin.
_SIGNS = {"m3u": b"#EXTM3U\n#EXTENC:UTF-8\n#PLAYLIST:", "json": b'{\n "name": '}


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


def _as_text(genre: str) -> str:
    """Return a genre without what UTF-8 cannot write: results by others may hold anything."""
    return genre.encode("utf-8", "replace").decode("utf-8")


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
