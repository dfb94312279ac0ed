"""A folder of genre folders: ``root/genre/[artist/[album/]]file``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wavemel.data.sources import SOURCES
from wavemel.data.table import Corpus, as_table
from wavemel.errors import DataError

log = logging.getLogger(__name__)

#: Endings of the files that are taken for audio; whether they are, the scan finds out.
AUDIO_SUFFIXES = frozenset((
    ".mp3", ".mp2", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".wma", ".aif",
    ".aiff", ".aifc", ".au", ".caf", ".w64", ".wv", ".ape", ".mka", ".webm",
))  # fmt: skip
DEFAULT_ORDER = 50


def audio_files(root: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the audio files below ``root`` in order of their names, hidden ones left out.

    Links are followed, but never into a folder that the walk is already inside of.
    """
    yield from _walk(os.fspath(root), ())


def _walk(folder: str, inside: tuple[tuple[int, int], ...]) -> Iterator[str]:
    try:
        here = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        log.warning("%s cannot be read and is left out: %s", ascii(folder), error.strerror)
        return
    identity = (here.st_dev, here.st_ino)
    if identity in inside:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, (*inside, identity))
        elif os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES:
            yield entry.path


class FolderSource:
    """The first folder below the root is the genre, the second the artist, the third the album."""

    order = DEFAULT_ORDER

    def matches(self, data: str) -> bool:
        """Return whether ``data`` is a folder."""
        return Path(data).expanduser().is_dir()

    def open(self, data: str) -> Corpus:
        """Return the corpus; raise DataError where the folder holds no ``genre/file``."""
        root = Path(os.path.abspath(Path(data).expanduser()))
        rows: list[dict[str, Any]] = []
        loose: list[str] = []
        unnamable: list[str] = []
        for path in audio_files(root):
            *folders, _name = os.path.relpath(path, root).split(os.sep)
            if not folders:
                loose.append(path)
            elif not _is_unicode(path):
                unnamable.append(path)
            else:
                artist, album, *_ = (*folders[1:3], None, None)
                rows.append({"path": path, "genre": folders[0], "artist": artist, "album": album})
        if not rows:
            raise DataError(_nothing_found(root, loose))
        notes = []
        if loose:
            notes.append(
                f"{len(loose)} audio files lie in no genre folder and are left out (first: {os.path.basename(loose[0])})"
            )
        if unnamable:
            notes.append(
                f"{len(unnamable)} files whose names are not valid Unicode are left out (first: {unnamable[0]!a})"
            )
        for note in notes:
            log.warning("%s: %s", root, note)
        return Corpus(
            name=root.name, table=as_table(rows, str(root)), root=root, notes=tuple(notes)
        )


def _is_unicode(path: str) -> bool:
    """Return whether a name can stand in a table: bytes that are no UTF-8 become lone surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nothing_found(root: Path, loose: list[str]) -> str:
    if loose:
        return (
            f"{root} holds audio ({os.path.basename(loose[0])}, ...) but no genre folders: "
            "put the files into one folder a genre, or list them in a table file"
        )
    return f"{root} holds no audio files: give a folder with one folder of audio a genre"


SOURCES.register("folder")(FolderSource())
