"""Decode once: clips on disk that training reads at memory speed.

One file a clip (and a variant of it), named after the audio file's content and
the settings, so that a renamed or copied file is found again and a changed one
is not. A file appears under its name only when it is whole: a build that is
killed half-way leaves nothing that looks whole, and continues where it stopped.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from wavemel.data.cachedir import cache_dir
from wavemel.data.store import (
    ClipSpec,
    ClipStore,
    DecodingStore,
    MakeVariant,
    decode_clip,
    is_whole,
    vary,
    write_clip,
)
from wavemel.errors import ConfigError, DataError
from wavemel.progress import progress
from wavemel.registry import suggest
from wavemel.workers import Crashed, map_files

__all__ = [
    "CachePart",
    "ClipSpec",
    "ClipStore",
    "DecodingStore",
    "MakeVariant",
    "cache_parts",
    "cached_store",
    "clear_cache",
]

#: Raised whenever decoding or resampling gives other samples.
VERSION = 1
#: So few files are decoded before worker processes have started (theirs import torch).
_FEW = 32
#: Disk that is left free for everybody else, in bytes.
_SPARE = 256 << 20
#: Unfinished files older than this were left by a build that was killed, in seconds.
_STALE = 24 * 3600
#: What the cache folder holds: name -> path below it. Nothing else there is ever removed.
PARTS = {
    "clips": "clips",
    "scan": "scan.sqlite",
    "embeddings": "embeddings",
    "demo": "demo",
    "tables": "tables",
}


def cached_store(
    rows: pd.DataFrame,
    spec: ClipSpec,
    *,
    variants: int = 0,
    variant_key: str = "",
    make_variant: MakeVariant | None = None,
    workers: int | None = None,
) -> ClipStore:
    """Decode into the cache what is not there yet, and return the store that reads it.

    Parameters
    ----------
    rows : rows of a scanned table (``path``, ``content`` and ``seconds`` are read).
    spec : what a clip is.
    variants : how many variants of each clip to make.
    variant_key : everything that decides the variants, as text; part of their names.
    make_variant : makes them; must be picklable and depend on its arguments alone.
    workers : processes that decode; one a core by default, 0 for none.

    Raises
    ------
    DataError
        The table has not been scanned, or the disk has too little room;
        nothing was written then.
    AudioError
        A file can no longer be decoded (it has changed since the scan).
    """
    if rows["content"].isna().any():
        raise DataError("clips cannot be cached before their table is scanned")
    folder = cache_dir() / "clips" / f"v{VERSION}-{spec.rate}hz-{spec.samples}"
    suffixes = [""]
    if variants:
        short = hashlib.sha256(variant_key.encode()).hexdigest()[:12]
        suffixes += [f".{short}-{v}" for v in range(1, variants + 1)]
    files = [
        [folder / content[:2] / f"{content}{suffix}.npy" for suffix in suffixes]
        for content in rows["content"]
    ]
    jobs: dict[str, _Job] = {}
    for path, content, targets in zip(rows["path"], rows["content"], files, strict=True):
        missing = {v: file for v, file in enumerate(targets) if not is_whole(file, spec)}
        # Two files of equal bytes are one clip.
        if missing and content not in jobs:
            jobs[content] = _Job(path, content, missing)
    if jobs:
        _build(list(jobs.values()), folder, spec, make_variant, workers)
    return ClipStore(rows, spec, files)


@dataclass(frozen=True)
class _Job:
    """One audio file, and the clip files to be made of it, by number of the variant."""

    path: str
    content: str
    targets: dict[int, Path]


def _build(
    jobs: list[_Job],
    folder: Path,
    spec: ClipSpec,
    make_variant: MakeVariant | None,
    workers: int | None,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    check_room(folder, spec.bytes * sum(len(job.targets) for job in jobs))
    work = partial(_make, spec=spec, make_variant=make_variant)
    if workers is None and len(jobs) <= _FEW:
        workers = 0
    with progress("decoding into the cache", len(jobs)) as ticker:
        for i, result in map_files(work, jobs, workers=workers):
            if isinstance(result, Crashed):
                raise DataError(f"{jobs[i].path} crashes the decoder: take it out of the data")
            ticker.advance()


def _make(job: _Job, spec: ClipSpec, make_variant: MakeVariant | None) -> None:
    """Decode one file and write the clip and the variants that are missing (in a worker)."""
    clip = decode_clip(job.path, spec)
    for number, file in job.targets.items():
        write_clip(file, vary(clip, job.content, number, make_variant) if number else clip)


def check_room(folder: Path, need: int, what: str = "clips") -> None:
    """Raise DataError where the disk has too little room for ``need`` bytes more in a folder of the cache."""
    free = shutil.disk_usage(folder).free
    if need + _SPARE > free:
        raise DataError(
            f"the cache of {what} needs {_gib(need)} in {folder}, where {_gib(free)} are free: "
            "free some, set WAVEMEL_CACHE to a folder on another disk, or use --no-cache"
        )


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def sweep(folder: Path) -> None:
    """Remove what builds that were killed left unfinished."""
    for part in folder.glob("*/*.part"):
        try:
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()
        except FileNotFoundError:
            continue


@dataclass(frozen=True)
class CachePart:
    """A part of the cache: ``name`` to clear it by, where it lies, files and bytes."""

    name: str
    path: Path
    files: int
    bytes: int


def cache_parts() -> list[CachePart]:
    """Return every part of the cache, those that are empty included."""
    parts = []
    for name, inner in PARTS.items():
        path = cache_dir() / inner
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
        parts.append(CachePart(name, path, len(files), sum(f.stat().st_size for f in files)))
    return parts


def clear_cache(*names: str) -> None:
    """Remove parts of the cache, all of them by default; whatever is removed can be made again.

    Raises
    ------
    ConfigError
        There is no such part.
    """
    for name in names:
        if name not in PARTS:
            raise ConfigError(f"the cache has no part {name!r}{suggest(name, PARTS)}")
    for name in names or PARTS:
        path = cache_dir() / PARTS[name]
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
