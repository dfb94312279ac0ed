"""PATH... -> audio files: folders, patterns, lists, and what cannot be entered."""

from __future__ import annotations

import codecs
import errno
import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from wavemel.audio.locate import MEMBER_MARK, exists, members, split
from wavemel.audio.sniff import refused, sniff
from wavemel.errors import AudioError, ConfigError

#: Endings of the files that a folder's walk takes for audio; what they are, decoding finds out.
AUDIO_SUFFIXES = frozenset(
    (
        *(".mp3", ".mp2", ".wav", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc"),
        *(".au", ".snd", ".caf", ".w64", ".rf64", ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".wv"),
        *(".ape", ".mka", ".webm", ".mpc", ".tta", ".dsf", ".amr", ".ac3", ".dts"),
    )
)
#: Bytes of a list by which it is told from a file: enough for many names, and none is read for long.
_BEGINNING = 1 << 16
#: Part of a list's names that may hold control characters, where most of them do not exist.
_ODD = 0.1


@dataclass(frozen=True)
class Found:
    """A file to classify; or, with a ``reason`` and ``message``, a place that cannot be looked into."""

    path: str
    reason: str | None = None
    message: str | None = None


def find(paths: Iterable[str]) -> Iterator[Found]:
    """Yield every audio file that ``paths`` mean, each once, in a stable order.

    Parameters
    ----------
    paths : files (taken whatever their ending), folders (walked; links are followed, never
        twice into one folder), ``archive.zip!/member``, and patterns such as ``music/**/*.mp3``
        or ``archive.zip!/*.mp3`` where no file of that very name exists; of a pattern, what
        exists stands for itself.
    """
    seen: set[str] = set()
    folders: set[tuple[int, int]] = set()
    for path in paths:
        for found in _expand(path, folders):
            key = os.path.abspath(found.path)
            if key not in seen:
                seen.add(key)
                yield found


def _expand(path: str, folders: set[tuple[int, int]]) -> Iterator[Found]:
    if os.path.isdir(path):
        yield from _walk(path, folders)
    elif os.path.lexists(path) or not glob.has_magic(path):
        yield Found(path)
    elif split(path)[1] is not None:
        yield from _members(path)
    else:
        matches = sorted(glob.glob(_existing_part_escaped(path), recursive=True))
        if not matches:
            yield Found(path, "missing", "matches no file")
        for match in matches:
            if os.path.isdir(match):
                # "music/*" means what lies in music, folders with all they hold.
                yield from _walk(match, folders)
            elif is_audio(match) or _names_files(path):
                yield Found(match)


def _names_files(pattern: str) -> bool:
    """Return whether a pattern means files of any kind, as ``*.dat`` does: of ``*`` the audio is meant."""
    return os.path.splitext(pattern)[1] not in ("", ".*")


def _members(path: str) -> Iterator[Found]:
    """Yield the members of an archive that a pattern means; what is no archive, reading finds out."""
    archive, pattern = split(path)
    if pattern is None or not glob.has_magic(pattern) or exists(path):
        yield Found(path)
        return
    try:
        names = members(archive)
    except AudioError:
        yield Found(path)
        return
    wanted = pattern.split("/")
    matched = False
    for member in names:
        parts = member.split("/")
        taken = _matches(parts, wanted) and (is_audio(member) or _names_files(pattern))
        if not taken and is_audio(member):  # in a folder that is meant
            taken = any(_matches(parts[:count], wanted) for count in range(1, len(parts)))
        if taken:
            matched = True
            yield Found(f"{archive}{MEMBER_MARK}{member}")
    if not matched:
        yield Found(path, "missing", "matches no file in the archive")


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a member's name, part by part, is one that `glob` would find."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (
            bool(parts) and not parts[0].startswith(".") and _matches(parts[1:], pattern)
        )
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _existing_part_escaped(pattern: str) -> str:
    """Return a pattern whose longest leading part that exists stands for itself: ``[2001]/*.mp3``."""
    there = pattern
    while there and not os.path.lexists(there):
        there = os.path.dirname(there)
    return glob.escape(there) + pattern[len(there) :]


def _walk(root: str, folders: set[tuple[int, int]]) -> Iterator[Found]:
    """Yield what lies below ``root``; links to folders after all else, so that files keep their place."""
    links: list[str] = []
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            info = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            reason = "permission" if isinstance(error, PermissionError) else "missing"
            yield Found(folder, reason, f"is a folder that cannot be read: {error.strerror}")
            continue
        identity = (info.st_dev, info.st_ino)
        if identity in folders:
            continue
        folders.add(identity)
        below: list[str] = []
        for entry in entries:
            if _is_folder(entry):
                (links if entry.is_symlink() else below).append(entry.path)
            elif is_audio(entry.name):
                yield Found(entry.path)
            elif entry.is_symlink() and not os.path.exists(entry.path) and _loops(entry.path):
                yield Found(entry.path, "loop", "is a link that leads to itself")
        waiting += reversed(below)
        if not waiting:
            for link in reversed(links):
                if not _holds(link):
                    waiting.append(link)
            for link in links:
                if _holds(link):
                    yield Found(link, "loop", "is a link to a folder that holds it: not followed")
            links = []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_audio(name: str) -> bool:
    """Return whether a folder's walk takes a file of this name."""
    # "._name" is a Mac's note on a file, under the file's own ending.
    base = os.path.basename(name)
    return os.path.splitext(base)[1].lower() in AUDIO_SUFFIXES and not base.startswith("._")


def _holds(link: str) -> bool:
    """Return whether a link's target is the folder it lies in, or one above."""
    target, here = os.path.realpath(link), os.path.realpath(os.path.dirname(link) or ".")
    return here == target or here.startswith(target.rstrip(os.sep) + os.sep)


def _loops(link: str) -> bool:
    try:
        os.stat(link)
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def read_list(data: bytes) -> list[str]:
    """Return the paths of a list: one a line, or separated by NUL bytes where there are any.

    Bytes that are no UTF-8 are kept, as the system's own functions keep them.
    """
    data = data.removeprefix(codecs.BOM_UTF8)  # as Windows' editors begin a text
    separator = b"\0" if b"\0" in data else b"\n"
    names = data.split(separator)
    if separator == b"\n":
        names = [name.removesuffix(b"\r") for name in names]
    return [os.fsdecode(name) for name in names if name]


def list_on(stream: BinaryIO) -> list[str]:
    """Return the paths of the list on a stream, as `read_list` does.

    Raises
    ------
    ConfigError
        The stream holds something else: as names, its bytes would be ``/`` or ``*`` among others.
    """
    head = stream.read(_BEGINNING)
    _refuse_files(head)
    return read_list(head + stream.read())


def _refuse_files(head: bytes) -> None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in head[2:4]:
        raise ConfigError("standard input holds UTF-16 text: a list of paths is to be UTF-8")
    container, other = sniff(head)[0], refused(head)
    names = read_list(head)
    # A text may begin as some file does, and a name among many hold whatever it likes.
    if container is None and other is None:
        odd = sum(map(_has_controls, names)) > _ODD * len(names)
    else:
        odd = any(_has_controls(name) or not _is_utf8(name) for name in names)
    if not odd or 2 * sum(map(os.path.lexists, names)) >= len(names):
        return
    if other is not None:
        said = f"{other[0]}, no list of paths" + (f": {other[1]}" if other[1] else "")
    elif container is not None:
        said = f"audio ({container}), no list of paths: give - to classify it"
    else:
        said = "no list of paths, one a line or separated by NUL bytes"
    raise ConfigError(f"standard input holds {said}")


def _has_controls(name: str) -> bool:
    # NUL bytes set apart what holds newlines and tabs.
    return any(char < " " and char not in "\t\n\r" for char in name)


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)
