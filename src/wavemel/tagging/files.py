"""Read and write the genres of one file; a write replaces the file whole, or leaves it whole.

The new file is made beside the old one, tagged, checked (same audio, same
other tags, the genres asked for), brought to disk and only then moved over
the old name. A run killed at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO

from wavemel.audio.locate import split
from wavemel.tagging.digest import PIECE, file_hash
from wavemel.tagging.errors import TagError
from wavemel.tagging.formats import TagFormat, format_of, readable

PREFIX, SUFFIX = ".wavemel-", ".tmp"
_swept: set[str] = set()


@dataclass(frozen=True)
class Written:
    """One replaced file: its real path, genres before and after in the tag written, hashes of its bytes."""

    path: str
    before: list[str]
    after: list[str]
    before_hash: str
    after_hash: str
    #: Other names (hard links) that still lead to the old file.
    links: int = 0


def read_genres(path: str | PathLike[str]) -> list[str]:
    """Return the genre tags of a file, in their order, empty where it has none.

    Where the tags that are written hold none, those count that other programs
    write beside them (APEv2 in an MP3, the INFO list of a WAV, ID3 around a FLAC).

    Raises
    ------
    TagError
        The file cannot be read, is of no kind that holds tags, or is damaged.
    MissingExtraError
        mutagen is not installed.
    """
    path = fspath(path)
    with _told(path):
        _regular(path)
        with readable(path), open(path, "rb") as file:
            return _genres(format_of(file, path), file, path)


def check_writable(path: str | PathLike[str]) -> int:
    """Look whether genres can be written to a file, as far as that shows without trying.

    Returns
    -------
    int
        How many other names (hard links) would go on leading to the old file.

    Raises
    ------
    TagError
        They cannot.
    MissingExtraError
        mutagen is not installed.
    """
    path = os.path.realpath(path)
    with _told(path):
        found = _writable(path)
        with readable(path), open(path, "rb") as file:
            format_of(file, path).check(file)
    return found.st_nlink - 1


def links_note(links: int) -> str:
    """Return what is to be said of a file with so many other names, empty where it has none."""
    if not links:
        return ""
    return f"{links} other hard link{'s keep' if links > 1 else ' keeps'} the old file"


def audio_digest(path: str | PathLike[str]) -> str:
    """Return a digest of all in a file that is no tag: it stays, whatever is done to its tags.

    Raises
    ------
    TagError, MissingExtraError
        As `read_genres`.
    """
    path = fspath(path)
    with _told(path):
        _regular(path)
        with readable(path), open(path, "rb") as file:
            return format_of(file, path).rest(file)[0]


def write_genres(
    path: str | PathLike[str],
    genres: Sequence[str],
    *,
    expected: Sequence[str] | None = None,
    expected_hash: str | None = None,
    before_replacing: Callable[[Written], None] | None = None,
    keep_times: bool = False,
) -> Written:
    """Make ``genres`` the genre tags of a file (none: take them out), and change nothing else.

    Tags of kinds that are only read stay as they are, and so does a genre there.

    A symbolic link is followed. Of several hard links only this name gets the
    new file.

    Parameters
    ----------
    genres : one value each, in this order.
    expected, expected_hash : what the file must hold at present, else TagError.
    before_replacing : called once all is ready, with what will have been done;
        what it raises leaves the file as it was.
    keep_times : give the new file the old one's times.

    Raises
    ------
    TagError
        The file is read-only, damaged, of no kind that holds tags, is not what
        was expected, or cannot be tagged without touching anything else.
    MissingExtraError
        mutagen is not installed.
    """
    path = os.path.realpath(path)
    wanted = list(genres)
    with _told(path):
        old = _writable(path)
        folder = os.path.dirname(path)
        sweep(folder)
        handle, temporary = tempfile.mkstemp(SUFFIX, f"{PREFIX}{os.getpid()}-", folder)
        try:
            with os.fdopen(handle, "w+b") as new:
                before_hash = _copy(path, new)
                if expected_hash is not None and before_hash != expected_hash:
                    raise TagError(path, "has changed meanwhile; it was left as it is")
                before = _tag(new, path, wanted, expected)
                _keep_owner(path, temporary, old, keep_times)
                new.flush()
                os.fsync(new.fileno())
            written = Written(
                path, before, wanted, before_hash, file_hash(temporary), old.st_nlink - 1
            )
            now = os.stat(path)
            if (now.st_size, now.st_mtime_ns, now.st_ino) != (
                old.st_size, old.st_mtime_ns, old.st_ino,
            ):  # fmt: skip
                raise TagError(path, "was changed by another program meanwhile; run again")
            if before_replacing is not None:
                before_replacing(written)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(folder)
    return written


def _regular(path: str) -> os.stat_result:
    if split(path)[1] is not None:
        raise TagError(path, "lies in an archive, where tags cannot be written: unpack it first")
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise TagError(path, "is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise TagError(path, "is no file but a device or a pipe")
    return found


def _writable(path: str) -> os.stat_result:
    found = _regular(path)
    if not found.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise TagError(path, "is read-only: make it writable to tag it")
    # The new file is made there, under another name.
    if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        raise TagError(path, "lies in a folder that may not be written to")
    return found


def _copy(path: str, new: BinaryIO) -> str:
    hashed = hashlib.sha256()
    with open(path, "rb") as old:
        while piece := old.read(PIECE):
            hashed.update(piece)
            new.write(piece)
    new.flush()
    return hashed.hexdigest()


def _tag(new: BinaryIO, path: str, wanted: list[str], expected: Sequence[str] | None) -> list[str]:
    """Write the genres into the copy, prove that nothing else changed, return those it had."""
    with readable(path):
        kind = format_of(new, path)
        before = kind.read(new)
        if expected is not None and _genres(kind, new, path) != list(expected):
            raise TagError(path, "has other genres by now; look at the changes again")
        kind.check(new)
        audio, others = kind.rest(new)
        kind.write(new, wanted)
        new.flush()
        audio_now, others_now = kind.rest(new)
        if audio_now != audio:
            raise TagError(
                path, "cannot be tagged without touching its audio; it was left as it is"
            )
        if others_now != others:
            raise TagError(
                path, "cannot be tagged without loss of other tags; it was left as it is"
            )
        if not wanted and kind.read(new):
            raise TagError(path, "keeps a genre in a tag that is never changed (ID3v1)")
        if kind.read(new) != wanted:
            raise TagError(path, f"cannot hold the genres {wanted} as they are")
    return before


def _genres(kind: TagFormat, file: BinaryIO, path: str) -> list[str]:
    own = kind.read(file)
    if own:
        return own
    try:
        with readable(path):
            return kind.elsewhere(file)
    except TagError:
        return []  # A damaged tag that is none of ours is no obstacle.


def _keep_owner(path: str, temporary: str, old: os.stat_result, keep_times: bool) -> None:
    """Give the new file the old one's owner, mode and extended attributes."""
    if hasattr(os, "chown"):
        made = os.stat(temporary)
        if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
            try:
                os.chown(temporary, old.st_uid, old.st_gid)
            except PermissionError:
                # Only root gives files away; the group is what shared folders go by.
                os.chown(temporary, -1, old.st_gid)
    shutil.copystat(path, temporary)
    os.chmod(temporary, stat.S_IMODE(old.st_mode))
    if not keep_times:
        # Players look at this time to find out what to read again.
        os.utime(temporary)


def sweep(folder: str) -> None:
    """Remove what killed runs left in a folder (once a process and folder)."""
    if folder in _swept:
        return
    _swept.add(folder)
    for entry in Path(folder).glob(f"{PREFIX}*{SUFFIX}"):
        pid = entry.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            entry.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    if os.name != "posix":  # pragma: no cover (signal 0 would end the process there)
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sync_folder(folder: str) -> None:
    """Bring the names in a folder to disk."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what the system says of one file into a TagError; a full disk concerns all files."""
    try:
        yield
    except FileNotFoundError as error:
        raise TagError(path, "is not there") from error
    except PermissionError as error:
        raise TagError(path, "may not be read, or its folder not be written to") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TagError(path, f"cannot be read or written: {error.strerror or error}") from error
