"""From a name to checked files on this disk: what ``wavemel data fetch`` does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wavemel.data.fetch.archives import (
    METADATA,
    Archive,
    archive_called,
    base_address,
    data_folder,
    known_checksums,
)
from wavemel.data.fetch.download import download
from wavemel.data.fetch.http import Retries
from wavemel.data.fetch.unpack import unpack
from wavemel.data.fetch.verify import LIST, verify_folder
from wavemel.errors import DataError


@dataclass(frozen=True)
class Fetched:
    """What was brought: the file or folder, and how a command names it (empty for metadata)."""

    path: Path
    data: str


def fetch_dataset(
    name: str,
    *,
    to: str | os.PathLike[str] | None = None,
    per_genre: int | None = None,
    seed: int = 0,
    unpacked: bool = False,
    url: str | None = None,
    checksums: str | os.PathLike[str] | None = None,
    retries: Retries | None = None,
) -> Fetched:
    """Bring an FMA archive and the metadata it needs, or a slice of it, onto this disk.

    Parameters
    ----------
    name : fma-small, fma-medium, fma-large, fma-full or fma-metadata.
    to : folder; by default $WAVEMEL_DATA or the user's data folder.
    per_genre : fetch only so many clips a genre, without the archive.
    seed : which clips are drawn for a slice.
    unpacked : unpack the archive, too (it is read in place otherwise).
    url : folder of a mirror; by default $WAVEMEL_FMA_URL or the public address.
    checksums : list of SHA-1 as ``sha1sum`` writes it, for an address whose archives are not FMA's own.
    retries : how to try again.

    Raises
    ------
    DataError
        An unknown name, a server or disk that cannot serve, or bytes that are not the right ones.
    """
    archive = archive_called(name)
    folder = data_folder(to)
    base = base_address(url)
    home = folder == data_folder()
    if per_genre is not None:
        if not archive.subset:
            raise DataError(f"{name} holds no clips: --per-genre is for fma-small and larger")
        if unpacked or checksums is not None:
            raise DataError(
                "--per-genre fetches unpacked clips: leave out --unpack and --checksums"
            )
        from wavemel.data.fetch.slices import fetch_slice

        path = fetch_slice(archive, per_genre, folder, base, seed=seed, retries=retries)
        return Fetched(path, f"{name}:{per_genre}" if home and not seed else str(path))
    sums = known_checksums(checksums)
    wanted = [archive] if archive is METADATA else [METADATA, archive]
    for one in wanted:
        if one.file not in sums:
            raise DataError(f"{checksums} has no line for {one.file}")
    path = folder
    for one in wanted:
        path = _fetch_whole(one, folder, base, sums[one.file], unpacked, retries)
    if archive is METADATA:
        return Fetched(path, "")
    return Fetched(path, name if home else f"{name}:{folder}")


def _fetch_whole(
    archive: Archive,
    folder: Path,
    base: str,
    sha1: str,
    unpacked: bool,
    retries: Retries | None,
) -> Path:
    target = folder / archive.stem
    if target.is_dir():
        # Tables that the user unpacked one by one have no list; audio always has.
        if archive is not METADATA or (target / LIST).exists():
            verify_folder(target)
        return target
    # FMA's audio does not shrink; its tables unpack to four times their size.
    extra = (4.0 if archive is METADATA else 1.05) if unpacked else 0.0
    file = download(
        base + archive.file, folder / archive.file, sha1=sha1, retries=retries, extra_space=extra
    )
    return unpack(file, target) if unpacked else file
