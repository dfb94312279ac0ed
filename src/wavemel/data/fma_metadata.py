"""FMA's metadata as they lie on this disk, zipped or not; read once, then from the cache."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pandas as pd

from wavemel.data.cachedir import cache_dir
from wavemel.data.fetch.archives import METADATA
from wavemel.data.fetch.slices import TABLES
from wavemel.data.fetch.unpack import open_zip, read_member
from wavemel.data.fma_tables import read_genres, read_tracks
from wavemel.errors import DataError

#: Raised whenever `read_tracks` gives other columns or values.
VERSION = 1
CACHE = "tables"


def find_metadata(folder: Path) -> Path | None:
    """Return the metadata in a folder: unpacked, else the zip, else None."""
    if all((folder / METADATA.stem / name).is_file() for name in TABLES):
        return folder / METADATA.stem
    return folder / METADATA.file if (folder / METADATA.file).is_file() else None


def load_tracks(metadata: Path) -> pd.DataFrame:
    """Return `read_tracks` of a metadata folder or zip, from the cache where the file is the same.

    Unpacking and reading the 250 MiB costs ten seconds and more, the cache's copy a tenth of one.

    Raises
    ------
    DataError
        The file has not FMA's form.
    """
    file = metadata / "tracks.csv" if metadata.is_dir() else metadata
    found = file.stat()
    key = f"{VERSION}\n{file.resolve()}\n{found.st_size}\n{found.st_mtime_ns}"
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    copy = cache_dir() / CACHE / f"fma-{name}.parquet"
    try:
        return pd.read_parquet(copy)
    # pyarrow's errors are both.
    except (OSError, ValueError):
        tracks = read_tracks(io.BytesIO(_read(metadata, "tracks.csv")), f"{metadata}: tracks.csv")
    temporary = copy.with_name(f".{copy.name}.{os.getpid()}.tmp")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        tracks.to_parquet(temporary)
        os.replace(temporary, copy)
    except OSError:
        # A cache that cannot be written (a full or read-only disk) costs time, nothing else.
        temporary.unlink(missing_ok=True)
    return tracks


def load_genres(metadata: Path) -> dict[int, str]:
    """Return genre id to title; raise DataError where ``genres.csv`` has not FMA's form."""
    return read_genres(io.BytesIO(_read(metadata, "genres.csv")), f"{metadata}: genres.csv")


def _read(metadata: Path, name: str) -> bytes:
    if metadata.is_dir():
        return (metadata / name).read_bytes()
    with open_zip(metadata) as archive:
        try:
            member = archive.getinfo(f"{METADATA.stem}/{name}")
        except KeyError as error:
            raise DataError(f"{metadata} is not FMA's metadata: {error.args[0]}") from None
        return read_member(archive, member, str(metadata))
