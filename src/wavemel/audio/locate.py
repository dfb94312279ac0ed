"""Where audio bytes lie: a file, or a member of a zip archive (``archive.zip!/inner/name.mp3``)."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tempfile
import threading
import zlib
from collections import OrderedDict
from os import PathLike
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from wavemel.errors import AudioError

if TYPE_CHECKING:
    import zipfile  # imported where an archive is opened: few files lie in one

try:  # CPython can be built without lzma; an archive that needs it then has its own error.
    from lzma import LZMAError
except ImportError:  # pragma: no cover
    LZMAError = zlib.error  # type: ignore[misc,assignment]

MEMBER_MARK = "!/"
_MEMBER = re.compile(r"\.zip" + MEMBER_MARK, re.IGNORECASE)
#: A member above this is refused: no song is, and a zip bomb is.
MEMBER_LIMIT = 2 << 30
#: Members up to here are unpacked into memory, larger ones into an unnamed temporary file.
_IN_MEMORY = 256 << 20
_CHUNK = 1 << 20
_OPEN_ARCHIVES = 4

_Key = tuple[str, int, int]
_archives: OrderedDict[_Key, zipfile.ZipFile] = OrderedDict()
_lock = threading.Lock()


def _forget_archives() -> None:
    """Drop the archives a forked child inherits: it would share file offsets with its parent."""
    global _lock
    _lock = threading.Lock()
    _archives.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_archives)


def split(path: str | PathLike[str]) -> tuple[str, str | None]:
    """Return (file, None), or (archive, member) where ``path`` names a member of a zip archive."""
    name = os.fspath(path)
    mark = _MEMBER.search(name)
    if mark is None or os.path.lexists(name):
        return name, None
    return name[: mark.start() + len(".zip")], name[mark.end() :]


def open_bytes(path: str | PathLike[str]) -> BinaryIO:
    """Open the bytes of a file or archive member; seekable, unbuffered, with a descriptor.

    Raises
    ------
    AudioError
        ``missing``, ``permission``, ``empty``, ``not-audio`` (a folder, a device)
        or ``damaged`` (an archive that cannot be unpacked).
    """
    file, member = split(path)
    if member is None:
        return _open_file(file, path)
    archive, info = _member(path, file, member)
    if info.file_size == 0:
        raise AudioError(path, "empty", "is empty (0 bytes)")
    with _unpacking(path), archive.open(info) as unpacked:
        return spool(unpacked, info.file_size)


def spool(source: bytes | bytearray | memoryview | IO[bytes], size: int | None = None) -> BinaryIO:
    """Copy bytes, or what is left of a stream, to an unnamed file and return it, at its start.

    Decoders read a descriptor at C speed and a Python file object through a
    callback per audio frame, so even bytes in memory get a descriptor where
    the system offers one for memory (Linux).
    """
    target: IO[bytes]
    if isinstance(source, (bytes, bytearray, memoryview)):
        size = len(source)
        source = io.BytesIO(source)
    if size is not None and size <= _IN_MEMORY and hasattr(os, "memfd_create"):
        target = open(os.memfd_create("wavemel"), "w+b", buffering=0)  # noqa: SIM115
    else:
        target = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    try:
        while chunk := source.read(_CHUNK):
            view = memoryview(chunk)
            while view:
                view = view[target.write(view) :]
        target.seek(0)
    except BaseException:
        target.close()
        raise
    return cast(BinaryIO, target)


def exists(path: str | PathLike[str]) -> bool:
    """Return whether ``path`` names a file or an archive's member (readable or not)."""
    file, member = split(path)
    if member is None:
        return os.path.isfile(file)
    try:
        _member(path, file, member)
    except AudioError:
        return False
    return True


def is_gone(path: str | PathLike[str]) -> bool:
    """Return whether nothing lies at ``path``; False where one cannot look: no permission, a failing disk."""
    file, member = split(path)
    try:
        os.stat(file)
        if member is not None:
            _member(path, file, member)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL byte
        return True
    except OSError:
        return False
    except AudioError as error:
        return error.reason == "missing"
    return False


def fingerprint(path: str | PathLike[str]) -> tuple[int, int]:
    """Return (size in bytes, time of change in ns); cheap, differs when the bytes were rewritten.

    For a member: its unpacked size, and the time of change of the archive.

    Raises
    ------
    AudioError
        ``missing``, ``permission`` or ``damaged``.
    """
    file, member = split(path)
    info = _stat(file, path)
    if member is None:
        return info.st_size, info.st_mtime_ns
    return _member(path, file, member)[1].file_size, info.st_mtime_ns


def content_hash(path: str | PathLike[str]) -> str:
    """Return the BLAKE2b-128 of the file's bytes, in hex; of a member, of its unpacked bytes.

    Raises
    ------
    AudioError
        as `open_bytes`; an empty file has a hash.
    """
    digest = hashlib.blake2b(digest_size=16)
    file, member = split(path)
    if member is None:
        source: IO[bytes] = _open_file(file, path, may_be_empty=True)
    else:
        archive, info = _member(path, file, member)
        with _unpacking(path):
            source = archive.open(info)
    with _unpacking(path), source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _stat(file: str, path: str | PathLike[str]) -> os.stat_result:
    try:
        return os.stat(file)
    except PermissionError:
        raise AudioError(
            path, "permission", "cannot be reached: no permission on its folder"
        ) from None
    except OSError as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise AudioError(path, "missing", "does not exist") from None
        raise AudioError(path, "missing", f"cannot be reached: {error.strerror}") from None
    except ValueError:  # a NUL byte in the name
        raise AudioError(path, "missing", "is no valid file name") from None


def _open_file(file: str, path: str | PathLike[str], *, may_be_empty: bool = False) -> BinaryIO:
    info = _stat(file, path)
    if stat.S_ISDIR(info.st_mode):
        raise AudioError(path, "not-audio", "is a folder, not an audio file")
    # Opening a named pipe or a device can wait for ever.
    if not stat.S_ISREG(info.st_mode):
        raise AudioError(path, "not-audio", "is a pipe or device, not a file")
    if info.st_size == 0 and not may_be_empty:
        raise AudioError(path, "empty", "is empty (0 bytes)")
    try:
        return cast(BinaryIO, open(file, "rb", buffering=0))
    except PermissionError:
        raise AudioError(
            path, "permission", "cannot be read: no permission (check its access rights)"
        ) from None
    except OSError as error:
        raise AudioError(path, "missing", f"cannot be opened: {error.strerror}") from None


def _member(
    path: str | PathLike[str], file: str, member: str
) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
    archive = _archive(path, file)
    try:
        info = archive.getinfo(member)
    except KeyError:
        raise AudioError(path, "missing", "does not exist in the archive") from None
    if info.is_dir():
        raise AudioError(path, "not-audio", "is a folder in an archive, not an audio file")
    if info.flag_bits & 1:
        raise AudioError(path, "permission", "is encrypted: unpack the archive first")
    if info.file_size > MEMBER_LIMIT:
        raise AudioError(path, "not-audio", "unpacks to more than 2 GiB: unpack the archive first")
    return archive, info


def _archive(path: str | PathLike[str], file: str) -> zipfile.ZipFile:
    info = _stat(file, path)
    key = (os.path.abspath(file), info.st_size, info.st_mtime_ns)
    with _lock:
        if key in _archives:
            _archives.move_to_end(key)
            return _archives[key]
    _open_file(file, path).close()
    import zipfile

    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise AudioError(
            path, "damaged", f"cannot be read: the archive is damaged ({error})"
        ) from None
    with _lock:
        _archives[key] = archive
        # Not closed here: another thread may be reading; the last reference closes it.
        while len(_archives) > _OPEN_ARCHIVES:
            _archives.popitem(last=False)
    return archive


def members(archive: str | PathLike[str]) -> list[str]:
    """Return the names of an archive's members, folders left out, in order.

    Raises
    ------
    AudioError
        ``missing``, ``permission``, ``empty``, ``not-audio`` or ``damaged``: it is no archive that
        can be read.
    """
    opened = _archive(archive, os.fspath(archive))
    return sorted(info.filename for info in opened.infolist() if not info.is_dir())


class _unpacking:  # noqa: N801 - reads as a statement
    """Turn what zipfile raises on damaged members into AudioError."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotImplementedError):
            raise AudioError(
                self.path, "no-decoder", f"is packed by an unknown method ({error})"
            ) from None
        import zipfile

        damage = (zipfile.BadZipFile, zlib.error, EOFError, LZMAError, ValueError)
        # bz2 reports damage as an OSError without a number; a full disk has one.
        if isinstance(error, damage) or (isinstance(error, OSError) and error.errno is None):
            raise AudioError(
                self.path, "damaged", f"cannot be unpacked from its archive ({error})"
            ) from None
