"""Embed once: the embeddings of each clip's windows, for training to draw among, and of whole tracks.

One file a clip, (windows, width) float32, named after the audio file's content,
in a folder named after everything else that decides the numbers; of a whole
track, a record a window: ``start`` in seconds and ``embedding``. A clip is
embedded by itself, so its embeddings do not depend on what else is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.audio.load import windows
from wavemel.audio.locate import content_hash
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
        _check(values, (job.windows, width), job.path)
        if cache:
            _write(_file(folder, job.content), values)
        made[job.content] = values
    return EmbeddingStore([made[content] for content in rows["content"]], filled, grid.hop, width)


class TrackEmbeddings:
    """Embeddings of all windows of whole tracks; those that the cache holds are not made again.

    Of the windows that training has embedded, those are taken.

    Parameters
    ----------
    grid : the windows, and what of a clip training hears.
    embed : turns windows of one track into their embeddings.
    width : length of an embedding.
    key : as in `embedding_store`.
    batch : windows of a track that are held at once.
    cache : keep embeddings on disk, and take them from there.
    """

    def __init__(
        self,
        grid: Grid,
        embed: Embed,
        width: int,
        *,
        key: Mapping[str, Any],
        batch: int,
        cache: bool = True,
    ) -> None:
        self._grid, self._embed, self._key, self._batch = grid, embed, key, batch
        self._cache = cache
        self._record = np.dtype([("start", "<f8"), ("embedding", "<f4", (width,))])
        shape = ["whole tracks", grid.clip.rate, grid.samples, grid.hop, width]
        self._folder, self._opened = _named(shape, key), False
        self._trained = _folder(grid, width, key)

    def __call__(self, path: str) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """Return where a track's windows begin, (n,) in seconds, and their embeddings, (n, width).

        Windows are those of `wavemel.audio.load.windows`.

        Raises
        ------
        AudioError
            as `windows`.
        DataError
            An embedding is not finite.
        """
        made = self._kept(path) if self._cache else self._made(path, None)
        return made["start"], made["embedding"]

    def _kept(self, path: str) -> npt.NDArray[Any]:
        """Return what the cache holds of a track; made, and kept there, where that is nothing."""
        # As the file is now: a table may be older.
        content = content_hash(path)
        file = _file(self._folder, content)
        made = _load(file)
        if made is None or made.dtype != self._record or not _finite(made["embedding"]):
            made = self._made(path, _load(_file(self._trained, content)))
            self._keep(file, made)
        return made

    def _made(self, path: str, trained: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        """Return a track's records, with what training has made of its first windows."""
        grid, (width,) = self._grid, self._record["embedding"].shape
        if trained is None or trained.shape[1:] != (width,) or not _finite(trained):
            trained = np.empty((0, width), np.float32)
        rate = grid.clip.rate
        track = windows(path, rate, seconds=grid.samples / rate, hop=grid.hop / rate)
        parts = []
        while batch := list(itertools.islice(track, self._batch)):
            part = np.empty(len(batch), self._record)
            part["start"] = [window.start for window in batch]
            at = np.rint(part["start"] * rate).astype(np.int64)
            known = (at % grid.hop == 0) & (at // grid.hop < len(trained))
            part["embedding"][known] = trained[at[known] // grid.hop]
            new = np.flatnonzero(~known)
            if len(new):
                values = self._embed(np.stack([batch[i].samples for i in new]))
                _check(values, (len(new), width), path)
                part["embedding"][new] = values
            parts.append(part)
        return np.concatenate(parts)

    def _keep(self, file: Path, made: npt.NDArray[Any]) -> None:
        # They are of use to later calls alone: without room for them, this one still has its answer.
        with contextlib.suppress(OSError, DataError):
            if not self._opened:
                _open(self._folder, made.nbytes, self._key)
                self._opened = True
            _write(file, made)


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


def _check(values: FloatArray, shape: tuple[int, int], path: str) -> None:
    if values.shape != shape or not np.isfinite(values).all():
        raise DataError(f"{path}: the encoder makes no numbers of it; take it out of the data")


def _folder(grid: Grid, width: int, key: Mapping[str, Any]) -> Path:
    return _named([grid.clip.rate, grid.clip.samples, grid.samples, grid.hop, width], key)


def _named(shape: Sequence[object], key: Mapping[str, Any]) -> Path:
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


def _write(file: Path, values: npt.NDArray[Any]) -> None:
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
    values = _load(file)
    return values if values is not None and values.shape == shape and _finite(values) else None


def _load(file: Path) -> npt.NDArray[Any] | None:
    try:
        with file.open("rb") as data:
            # Not np.load, which takes a damaged file for an archive or a pickle by its first bytes.
            values: npt.NDArray[Any] = np.lib.format.read_array(data, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return values


def _finite(values: npt.NDArray[Any]) -> bool:
    return values.dtype == np.float32 and bool(np.isfinite(values).all())
