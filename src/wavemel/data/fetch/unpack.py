"""Zip archives of others, unpacked so that nothing lands outside the target and no bomb goes off."""

from __future__ import annotations

import itertools
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from wavemel.data.fetch.download import check_space
from wavemel.errors import DataError
from wavemel.progress import progress

#: Compressed bytes read at once: BZIP2 turns 4 KiB into 90 MB at worst, and all of it is held.
READ = 4096
#: A clip that holds digital silence shrinks a thousandfold, so small members may.
RATIO, RATIO_FROM = 200, 64 << 20
TOTAL_RATIO, TOTAL_FROM = 20, 256 << 20
FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def open_zip(file: str | os.PathLike[str] | zipfile.ZipFile, name: str = "") -> zipfile.ZipFile:
    """Return an opened zip; raise DataError where ``file`` is none."""
    if isinstance(file, zipfile.ZipFile):
        return file
    try:
        return zipfile.ZipFile(file)
    except FAULTS as error:
        raise DataError(f"{name or os.fspath(file)} is no whole zip archive: {error}") from error


def check_members(
    members: Iterable[zipfile.ZipInfo], where: str, size: int, top: str | None = None
) -> None:
    """Raise DataError where the central directory holds what no honest archive does.

    Refused are: absolute paths, ``..``, backslashes, drive letters and control
    characters in names; links, devices and encrypted members; two members of
    one name (also if only case or Unicode form differ) or a file that is
    another's folder; members that overlap; sizes that only a bomb has.

    Parameters
    ----------
    members : entries of the central directory.
    where : name of the archive, for the message.
    size : bytes of the archive.
    top : the one folder that all members must lie in, if known.
    """
    seen: dict[str, bool] = {}
    spans: list[tuple[int, int]] = []
    total = 0
    for member in members:
        _check_name(member, where, top)
        folded = unicodedata.normalize("NFC", member.filename).casefold().rstrip("/")
        if folded in seen:
            raise DataError(f"{where} holds {member.filename!r} twice: it was not unpacked")
        seen[folded] = member.is_dir()
        if member.file_size > RATIO_FROM and member.file_size > RATIO * max(
            1, member.compress_size
        ):
            raise _bomb(where, member.filename)
        total += member.file_size
        spans.append((member.header_offset, member.header_offset + member.compress_size))
    if total > TOTAL_FROM and total > TOTAL_RATIO * size:
        raise _bomb(where, "the whole")
    spans.sort()
    for (_, stop), (start, _) in itertools.pairwise(spans):
        if start < stop:
            raise DataError(f"{where} holds members that overlap, as bombs do: it was not unpacked")
    for name in seen:
        for parent in _parents(name):
            if not seen.get(parent, True):
                raise DataError(
                    f"{where}: {parent!r} is a file and a folder at once: it was not unpacked"
                )


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _check_name(member: zipfile.ZipInfo, where: str, top: str | None) -> None:
    # zipfile cuts a name at a NUL byte; the name as it was is in orig_filename.
    name = member.orig_filename
    parts = name.removesuffix("/").split("/")
    if (
        not name.strip("/")
        or any(part in ("", ".", "..") for part in parts)
        or re.search(r"[\x00-\x1f\\]|^[A-Za-z]:", name)
        or (top is not None and parts[0] != top)
    ):
        raise DataError(
            f"{where} holds {name!r}, which lies outside its folder: it was not unpacked"
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{where}: {name!r} is a link or a device, not a file: it was not unpacked")
    if member.flag_bits & 0x1:
        raise DataError(f"{where}: {name!r} is encrypted: it was not unpacked")


def _bomb(where: str, what: str) -> DataError:
    return DataError(f"{where}: {what} would unpack to an absurd size: it was not unpacked")


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    """Return one member's bytes after `zipfile` checked its CRC; raise DataError where it is damaged."""
    return b"".join(_pieces(archive, member, where))


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
    try:
        with archive.open(member) as stream:
            while piece := stream.read(READ):
                yield piece
    # bz2 says "Invalid data stream" by an OSError.
    except (*FAULTS, OSError) as error:
        raise DataError(f"{where}: {member.filename} is damaged: {error}") from error


def unpack(file: str | os.PathLike[str], target: str | os.PathLike[str]) -> Path:
    """Unpack a zip whose members lie in one folder, called as ``target`` is; keep the zip.

    Members go to ``target.part``, which is renamed at the end; a call that was
    interrupted is gone on with.

    Raises
    ------
    DataError
        See `check_members`; or a member is damaged, or the disk is too small.
    """
    file, target = Path(file), Path(target)
    if target.exists():
        return target
    part = target.with_name(target.name + ".part")
    with open_zip(file) as archive:
        members = archive.infolist()
        check_members(members, str(file), file.stat().st_size, top=target.name)
        if part.is_symlink():
            raise DataError(f"{part} is a link: remove it and run the same command again")
        part.mkdir(parents=True, exist_ok=True)
        missing = [m for m in members if not m.is_dir() and not _is_there(part, m)]
        check_space(part, sum(m.file_size for m in missing), f"unpacking {file.name}")
        with progress(
            f"unpacking {file.name}", sum(m.file_size for m in missing), unit="bytes"
        ) as ticker:
            for member in missing:
                _write(archive, member, _place(part, member), str(file))
                ticker.advance(member.file_size)
    os.replace(part, target)
    return target


def _place(part: Path, member: zipfile.ZipInfo) -> Path:
    return part.joinpath(*member.filename.split("/")[1:])


def _is_there(part: Path, member: zipfile.ZipInfo) -> bool:
    """Return whether an earlier call unpacked this member; each file comes whole, by a rename."""
    place = _place(part, member)
    return place.is_file() and not place.is_symlink() and place.stat().st_size == member.file_size


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, where: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(place.name + ".tmp")
    try:
        with open(temporary, "wb") as out:
            for piece in _pieces(archive, member, where):
                out.write(piece)
        os.replace(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)
