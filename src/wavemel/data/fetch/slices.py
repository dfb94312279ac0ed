"""A few clips a genre out of a remote FMA archive, without the archive: only their bytes are fetched."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from wavemel.data.fetch.archives import METADATA, Archive, read_checksums
from wavemel.data.fetch.download import check_space
from wavemel.data.fetch.http import Retries, open_client
from wavemel.data.fetch.ranges import RangeFile
from wavemel.data.fetch.unpack import check_members, open_zip, read_member
from wavemel.data.fetch.verify import verify_folder
from wavemel.data.fma_tables import in_subset, keep_tracks, read_tracks
from wavemel.data.table import SPLITS
from wavemel.errors import DataError
from wavemel.progress import progress

log = logging.getLogger(__name__)
THREADS = 4
#: Clips under way at once: bounds memory when a slice is large.
AHEAD = 16
#: Room for a member's local header: 30 bytes, its name and extra fields.
HEADER = 30 + 512
TABLES = ("tracks.csv", "genres.csv")
CLIP = re.compile(r"[^/]+/\d{3}/\d{6}\.mp3")


def slice_name(archive: Archive, per_genre: int, seed: int = 0) -> str:
    """Return the name of the folder that holds a slice."""
    return f"{archive.stem}_{per_genre}_per_genre" + (f"_seed{seed}" if seed else "")


def choose_clips(tracks: pd.DataFrame, per_genre: int, seed: int = 0) -> list[int]:
    """Return ids of ``per_genre`` clips a genre, in the proportions of the official split.

    Parameters
    ----------
    tracks : of `read_tracks`, those of one subset.
    per_genre : clips a genre; a genre that has fewer gives all it has.
    seed : which clips are drawn.

    Raises
    ------
    DataError
        ``per_genre`` is under 3: a split would stay empty.
    """
    if per_genre < len(SPLITS):
        raise DataError(f"--per-genre {per_genre}: give 3 or more, so that no split is empty")
    chosen: list[int] = []
    for turn, (_, group) in enumerate(tracks.dropna(subset=["genre"]).groupby("genre")):
        parts = [np.sort(group.index[group["split"] == split].to_numpy()) for split in SPLITS]
        for part, count in zip(
            parts, _shares([len(p) for p in parts], per_genre, turn), strict=True
        ):
            # One generator a part: another genre's size does not change this one's draw.
            draw = np.random.default_rng([seed, int(part[0]) if len(part) else 0])
            chosen += draw.choice(part, count, replace=False).tolist()
    return sorted(chosen)


def _shares(sizes: list[int], wanted: int, turn: int) -> list[int]:
    """Split ``wanted`` in the proportions of ``sizes``, none 0 that need not be (largest remainder).

    Of equal remainders each genre in turn gives the odd clip to another split,
    so that over all genres the proportions hold.
    """
    wanted = min(wanted, sum(sizes))
    if not wanted:
        return [0] * len(sizes)
    exact = [wanted * size / sum(sizes) for size in sizes]
    counts = [max(int(e), min(1, size)) for e, size in zip(exact, sizes, strict=True)]
    while sum(counts) != wanted:
        step = 1 if sum(counts) < wanted else -1
        able = [
            i
            for i, count in enumerate(counts)
            if (count < sizes[i] if step > 0 else count > min(1, sizes[i]))
        ]
        best = max(
            able,
            key=lambda i: (round(step * (exact[i] - counts[i]), 9), (i + turn) % 2),
        )
        counts[best] += step
    return counts


def fetch_slice(
    archive: Archive,
    per_genre: int,
    folder: Path,
    base: str,
    *,
    seed: int = 0,
    retries: Retries | None = None,
) -> Path:
    """Fetch ``per_genre`` clips a genre of a remote archive; return the folder they lie in.

    The folder has FMA's form: ``fma_small/000/000002.mp3`` ..., ``fma_small/checksums``
    and ``fma_metadata/tracks.csv`` with the rows of these clips. It appears, by
    one rename, when all clips are there and each has the archive's CRC and SHA-1.

    Parameters
    ----------
    archive : which archive.
    per_genre : clips a genre.
    folder : where the slice's own folder will lie.
    base : address of the folder that the archives lie in.
    seed : which clips are drawn.
    retries : how to try again.

    Raises
    ------
    DataError
        The server has no Range requests, or a clip is damaged or missing.
    """
    target = folder / slice_name(archive, per_genre, seed)
    if target.is_dir():
        verify_folder(target / archive.stem)
        return target
    part = target.with_name(target.name + ".part")
    part.mkdir(parents=True, exist_ok=True)
    retries = retries or Retries()
    with open_client() as client:
        metadata = _metadata(
            part, folder, lambda: RangeFile(client, base + METADATA.file, replace(retries))
        )
        remote = RangeFile(client, base + archive.file, replace(retries))
        with open_zip(remote, remote.url) as zipped:  # type: ignore[arg-type]
            members = clip_members(zipped, remote, archive)
            tracks = read_tracks(io.BytesIO(metadata["tracks.csv"]), "tracks.csv")
            tracks = in_subset(tracks, archive.subset)
            ids = choose_clips(tracks[tracks.index.isin(members)], per_genre, seed)
            if not ids:
                raise DataError(f"{remote.url} holds no clip that tracks.csv lists")
            fetch_clips(zipped, remote, [members[number] for number in ids], part)
    write_whole(part / METADATA.stem / "tracks.csv", keep_tracks(metadata["tracks.csv"], ids))
    write_whole(part / METADATA.stem / "genres.csv", metadata["genres.csv"])
    for name in TABLES:
        (part / name).unlink(missing_ok=True)
    os.replace(part, target)
    return target


def _metadata(part: Path, folder: Path, remote: Callable[[], RangeFile]) -> dict[str, bytes]:
    """Return the two tables: from this disk, or out of the remote metadata archive (once)."""
    local = folder / METADATA.stem
    archive = folder / METADATA.file
    if all((local / name).is_file() for name in TABLES):
        return {name: (local / name).read_bytes() for name in TABLES}
    if archive.is_file():
        with open_zip(archive) as zipped:
            return {n: _table(zipped, n, str(archive)) for n in TABLES}
    if not all((part / name).is_file() for name in TABLES):
        file = remote()
        with open_zip(file, file.url) as zipped:  # type: ignore[arg-type]
            check_members(zipped.infolist(), file.url, file.size, top=METADATA.stem)
            for name in TABLES:
                member = _member(zipped, name, file.url)
                with progress(
                    f"fetching {name}", member.compress_size + HEADER, unit="bytes"
                ) as ticker:
                    data = file.fetch(*_span(file, member), ticker.advance)
                write_whole(part / name, read_clip(zipped, file, member, data))
    return {name: (part / name).read_bytes() for name in TABLES}


def _member(zipped: zipfile.ZipFile, name: str, where: str) -> zipfile.ZipInfo:
    try:
        return zipped.getinfo(f"{METADATA.stem}/{name}")
    except KeyError:
        raise DataError(f"{where} holds no {METADATA.stem}/{name}") from None


def clip_members(
    zipped: zipfile.ZipFile, remote: RangeFile, archive: Archive
) -> dict[int, zipfile.ZipInfo]:
    """Return track id to member of the clips in a remote archive, after `check_members`."""
    check_members(zipped.infolist(), remote.url, remote.size, top=archive.stem)
    return {
        int(PurePosixPath(member.filename).stem): member
        for member in zipped.infolist()
        if CLIP.fullmatch(member.filename)
    }


def _span(remote: RangeFile, member: zipfile.ZipInfo) -> tuple[int, int]:
    stop = member.header_offset + HEADER + member.compress_size
    return member.header_offset, min(stop, remote.size)


def fetch_clips(
    zipped: zipfile.ZipFile, remote: RangeFile, members: list[zipfile.ZipInfo], part: Path
) -> None:
    """Fetch members into ``part``, each checked and written whole; those already there stay."""
    top = members[0].filename.split("/")[0]
    sums: dict[str, str] = {}
    if f"{top}/checksums" in zipped.NameToInfo:
        listed = zipped.getinfo(f"{top}/checksums")
        text = read_clip(zipped, remote, listed, remote.fetch(*_span(remote, listed)))
        sums = {
            name.removeprefix(f"{top}/"): sha1
            for name, sha1 in read_checksums(text.decode(), f"{remote.url}: checksums").items()
        }
    missing = [
        member
        for member in sorted(members, key=lambda m: m.header_offset)
        if not (part / member.filename).is_file()
    ]
    sizes = [member.compress_size + HEADER for member in missing]
    check_space(part, sum(member.file_size for member in missing), f"a slice of {top}")
    with (
        ThreadPoolExecutor(THREADS) as pool,
        progress(f"fetching {len(missing)} clips", sum(sizes), unit="bytes") as ticker,
    ):
        for start in range(0, len(missing), AHEAD):
            batch = missing[start : start + AHEAD]
            spans = pool.map(lambda m: remote.fetch(*_span(remote, m)), batch)
            for member, data in zip(batch, spans, strict=True):
                clip = read_clip(zipped, remote, member, data, sums)
                write_whole(part / member.filename, clip)
                ticker.advance(member.compress_size + HEADER)
    kept = {m.filename.removeprefix(f"{top}/") for m in members} & set(sums)
    lines = [f"{sums[name]}  {name}\n" for name in sorted(kept)]
    write_whole(part / top / "checksums", "".join(lines).encode())


def read_clip(
    zipped: zipfile.ZipFile,
    remote: RangeFile,
    member: zipfile.ZipInfo,
    data: bytes,
    sums: dict[str, str] | None = None,
) -> bytes:
    """Return a member out of its fetched bytes, checked; what is wrong is fetched once more.

    Raises
    ------
    DataError
        Its CRC or its SHA-1 is wrong again.
    """
    wanted = (sums or {}).get(member.filename.partition("/")[2])
    for last in (False, True):
        remote.hold(member.header_offset, data)
        try:
            clip = read_member(zipped, member, remote.url)
            found = hashlib.sha1(clip, usedforsecurity=False).hexdigest()
            if wanted is None or found == wanted:
                return clip
            raise DataError(
                f"{remote.url}: {member.filename} is damaged: its SHA-1 is {found}, not {wanted}"
            )
        except DataError as error:
            if last:
                raise
            log.info("%s; fetching it once more", error)
        finally:
            remote.drop(member.header_offset)
        data = remote.fetch(*_span(remote, member))
    raise AssertionError("the second attempt returns or raises")


def _table(zipped: zipfile.ZipFile, name: str, where: str) -> bytes:
    return read_member(zipped, _member(zipped, name, where), where)


def write_whole(file: Path, data: bytes) -> None:
    """Write a file by way of a temporary name, so that it is never half there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, file)
