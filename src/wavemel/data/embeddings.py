"""Embed once: the embeddings of each clip's windows, on disk or in memory, for training to draw among.

One file a clip, (windows, width) float32, named after the audio file's content,
in a folder named after everything else that decides the numbers. A clip is
embedded by itself, so its embeddings do not depend on what else is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.audio.resample import fit
from wavemel.data.cache import check_room, sweep
from wavemel.data.cachedir import cache_dir
from wavemel.data.store import ClipSpec, FloatArray, decode_clip
from wavemel.errors import DataError
from wavemel.progress import progress
from wavemel.workers import Crashed, map_files

#: Raised whenever the same settings give other embeddings.
VERSION = 1
#: So few files are decoded in this process.
_FEW = 32

#: (windows, samples) -> (windows, width)
Embed = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Grid:
    """Which windows of a clip are embedded: ``samples`` long, every ``hop`` samples from its start."""

    clip: ClipSpec
    samples: int
    hop: int

    def counts(self, filled: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many windows clips with so many samples have, (n,) -> (n,); at least one."""
        return np.maximum(filled - self.samples, 0) // self.hop + 1

    def windows(self, clip: FloatArray, count: int) -> FloatArray:
        """Return the first ``count`` windows of a clip, (count, samples)."""
        pieces = [clip[k * self.hop :][: self.samples] for k in range(count)]
        return np.stack([fit(piece, self.samples) for piece in pieces])


class EmbeddingStore:
    """Embeddings by index; reads like a store of clips, but of a window it returns what was made of it.

    Parameters
    ----------
    values : embeddings of each clip, (windows, width).
    filled : samples of each clip, (n,), that are not padding.
    hop : samples from one window to the next.
    """

    def __init__(
        self, values: list[FloatArray], filled: npt.NDArray[np.int64], hop: int, width: int
    ) -> None:
        self.filled = filled
        self._hop = hop
        self._counts = np.array([len(v) for v in values], np.int64)
        self._first = np.cumsum(self._counts) - self._counts
        self._values = np.concatenate([np.empty((0, width), np.float32), *values])

    def __len__(self) -> int:
        return len(self.filled)

    def batch(
        self,
        indices: npt.NDArray[np.int64],
        variants: npt.NDArray[np.int64] | None = None,
        *,
        starts: npt.NDArray[np.int64] | None = None,
        samples: int | None = None,
    ) -> FloatArray:
        """Return (B, width): of each clip the window that begins nearest to ``starts``, or the first.

        There are no ``variants``, and ``samples`` is what the windows were made with.
        """
        nearest = 0 if starts is None else np.rint(starts / self._hop).astype(np.int64)
        window = np.minimum(nearest, self._counts[indices] - 1)
        return self._values[self._first[indices] + window]


def embedding_store(
    rows: pd.DataFrame,
    grid: Grid,
    embed: Embed,
    width: int,
    *,
    key: Mapping[str, Any],
    cache: bool = True,
    workers: int | None = None,
) -> EmbeddingStore:
    """Embed what is not in the cache yet, and return the store that holds all of it.

    Parameters
    ----------
    rows : rows of a scanned table (``path``, ``content`` and ``seconds`` are read).
    grid : which windows of each clip.
    embed : turns the windows of one clip into their embeddings.
    width : length of an embedding.
    key : everything else that decides an embedding, ready for JSON.
    cache : keep embeddings on disk, and take them from there; else in memory alone.
    workers : processes that decode; one a core by default, 0 for none.

    Raises
    ------
    DataError
        The table has not been scanned, the disk has too little room (nothing
        was written then), or an embedding is not finite.
    AudioError
        A file can no longer be decoded.
    """
    if rows["content"].isna().any():
        raise DataError("clips cannot be embedded before their table is scanned")
    rate, most = grid.clip.rate, grid.clip.samples
    known = np.ceil(rows["seconds"].astype(float).to_numpy() * rate)
    filled = np.nan_to_num(known, nan=most).clip(0, most).astype(np.int64)
    counts = grid.counts(filled)
    folder = _folder(grid, width, key)
    made: dict[str, FloatArray] = {}
    jobs: list[_Job] = []
    wanted: set[str] = set()
    for path, content, count in zip(rows["path"], rows["content"], counts.tolist(), strict=True):
        if content in wanted:
            continue  # two files of equal bytes are one clip
        wanted.add(content)
        found = _read(_file(folder, content), (count, width)) if cache else None
        if found is None:
            jobs.append(_Job(path, content, count))
        else:
            made[content] = found
    if cache and jobs:
        _open(folder, 4 * width * sum(job.windows for job in jobs), key)
    for job, values in _embed(jobs, grid, embed, workers):
        if values.shape != (job.windows, width) or not np.isfinite(values).all():
            raise DataError(
                f"{job.path}: the encoder makes no numbers of it; take it out of the data"
            )
        if cache:
            _write(_file(folder, job.content), values)
        made[job.content] = values
    return EmbeddingStore([made[content] for content in rows["content"]], filled, grid.hop, width)


@dataclass(frozen=True)
class _Job:
    """A clip to be embedded, and how many windows it has."""

    path: str
    content: str
    windows: int


def _embed(
    jobs: list[_Job], grid: Grid, embed: Embed, workers: int | None
) -> Iterator[tuple[_Job, FloatArray]]:
    """Decode in other processes, embed in this one."""
    if not jobs:
        return
    if workers is None and len(jobs) <= _FEW:
        workers = 0
    work = partial(_decode, spec=grid.clip)
    with progress("embedding", len(jobs)) as ticker:
        for i, clip in map_files(work, [job.path for job in jobs], workers=workers):
            job = jobs[i]
            if isinstance(clip, Crashed):
                raise DataError(f"{job.path} crashes the decoder: take it out of the data")
            yield job, np.ascontiguousarray(embed(grid.windows(clip, job.windows)), np.float32)
            ticker.advance()


def _decode(path: str, spec: ClipSpec) -> FloatArray:
    return decode_clip(path, spec)


def _folder(grid: Grid, width: int, key: Mapping[str, Any]) -> Path:
    shape = [grid.clip.rate, grid.clip.samples, grid.samples, grid.hop, width]
    text = json.dumps([shape, dict(key)], sort_keys=True)
    return (
        cache_dir() / "embeddings" / f"v{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    )


def _file(folder: Path, content: str) -> Path:
    return folder / content[:2] / f"{content}.npy"


def _open(folder: Path, need: int, key: Mapping[str, Any]) -> None:
    """Make the folder, look for room, and say in it what it is of."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    check_room(folder, need, "embeddings")
    text = json.dumps(dict(key), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    _put(folder / "about.json", lambda part: part.write_text(text, "utf-8"))


def _write(file: Path, values: FloatArray) -> None:
    def save(part: Path) -> None:
        with part.open("xb") as out:
            np.save(out, values, allow_pickle=False)

    file.parent.mkdir(parents=True, exist_ok=True)
    _put(file, save)


def _put(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file that appears under its name when it is whole."""
    # A name of its own: two runs may embed the same clip at the same time.
    part = file.with_name(f"{file.name}.{uuid.uuid4().hex}.part")
    try:
        write(part)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _read(file: Path, shape: tuple[int, int]) -> FloatArray | None:
    """Return a clip's embeddings; None where they are not there, or the file is damaged."""
    try:
        values: FloatArray = np.load(file, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    good = values.shape == shape and values.dtype == np.float32 and bool(np.isfinite(values).all())
    return values if good else None
