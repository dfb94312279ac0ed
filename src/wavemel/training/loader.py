"""Batches of clips, or stretches of them, in an order that follows from (seed, epoch), read ahead."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wavemel.training.seeds import generator

Batch = tuple[Tensor, Tensor]


class Store(Protocol):
    """Where clips are read from: the cache, or the files themselves."""

    def __len__(self) -> int: ...

    #: Samples of each clip, (n,), that are not padding.
    filled: npt.NDArray[np.int64]

    def batch(
        self,
        indices: npt.NDArray[np.int64],
        variants: npt.NDArray[np.int64] | None = None,
        *,
        starts: npt.NDArray[np.int64] | None = None,
        samples: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return clips (B, T); variant 0 is the clip as it is, v > 0 its v-th variant."""
        ...


@dataclass(frozen=True)
class Chunks:
    """Which stretch of each clip a loader reads.

    ``samples`` of it, from a random place in training, else ``windows``
    stretches that lie evenly over the clip (one: its middle), each a row of its own.
    """

    samples: int
    windows: int = 1


@dataclass(frozen=True)
class _Rows:
    """What to read: clip, variant, first sample; each (n,)."""

    indices: npt.NDArray[np.int64]
    variants: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    def __getitem__(self, which: npt.NDArray[np.int64] | slice) -> _Rows:
        return _Rows(self.indices[which], self.variants[which], self.starts[which])

    def __len__(self) -> int:
        return len(self.indices)


class ClipLoader:
    """Iterates over (waveforms (B, T) or embeddings (B, width) float32, targets).

    Targets are (B,) int64, or (B, K) float32 where a clip has several labels.

    Parameters
    ----------
    store : where the clips are.
    targets : class index a clip, (n,), or 1 for each of its labels, (n, K).
    batch_size : clips a batch; the last one may be smaller in evaluation, is dropped in
        training when it holds one clip (batch norm needs two).
    shuffle : a new order each epoch, for training.
    seed : all chance follows from it and `epoch`.
    balanced : draw each class equally often, with replacement, instead of each clip once.
    stretch : (probability, variants) of the variants that the store holds.
    chunks : read stretches of the clips, not the clips.
    rank, world : this process's place among all that train together.
    """

    def __init__(
        self,
        store: Store,
        targets: npt.NDArray[np.int64],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        balanced: bool = False,
        stretch: tuple[float, int] = (0.0, 0),
        chunks: Chunks | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.store, self.targets, self.batch_size = store, targets, batch_size
        self.shuffle, self.seed, self.stretch = shuffle, seed, stretch
        self.balanced, self.chunks = balanced, chunks
        self.rank, self.world = rank, world
        self.epoch = 0
        #: Seconds that the consumer has waited for batches, in the current epoch.
        self.waited = 0.0

    def _plan(self) -> list[_Rows]:
        """Return the epoch's batches, of this rank."""
        n = len(self.targets)
        order = np.arange(n)
        variants = np.zeros(n, np.int64)
        starts = self._starts()
        if self.shuffle:
            rng = generator(self.seed, "order", self.epoch)
            order = rng.permutation(n)
            if self.balanced:
                weight = 1 / np.bincount(self.targets)[self.targets]
                order = rng.choice(n, n, p=weight / weight.sum())
            probability, count = self.stretch
            if count:
                drawn = rng.integers(1, count + 1, n)
                variants = np.where(rng.random(n) < probability, drawn, 0)
            # Every rank gets equally many, or the others would wait for ever.
            if self.world > 1:
                order = np.resize(order, -(-n // self.world) * self.world)
        order = order[self.rank :: self.world]
        windows = starts.shape[1]
        rows = _Rows(
            np.repeat(order, windows), np.repeat(variants[order], windows), starts[order].ravel()
        )
        size = self.batch_size
        batches = [rows[first : first + size] for first in range(0, len(rows), size)]
        if self.shuffle and len(batches) > 1 and len(batches[-1]) == 1:
            batches.pop()
        return batches

    def _starts(self) -> npt.NDArray[np.int64]:
        """Return where the stretches of each clip begin, (n, windows), in samples."""
        n = len(self.targets)
        if self.chunks is None:
            return np.zeros((n, 1), np.int64)
        # Not in the padding of a short clip, while there is anything else.
        room = np.maximum(self.store.filled - self.chunks.samples, 0)[:, None]
        if self.shuffle:
            drawn = generator(self.seed, "starts", self.epoch).random((n, 1))
            return np.floor(drawn * (room + 1)).astype(np.int64)
        place = (np.arange(self.chunks.windows) + 0.5) / self.chunks.windows
        return np.rint(place[None] * room).astype(np.int64)

    def _read(self, rows: _Rows) -> Batch:
        # Whole clips by the plain call: a store that knows no stretches will do.
        where = (
            {} if self.chunks is None else {"starts": rows.starts, "samples": self.chunks.samples}
        )
        clips = self.store.batch(rows.indices, rows.variants, **where)  # type: ignore[arg-type]
        return torch.from_numpy(clips), torch.from_numpy(self.targets[rows.indices])

    def __len__(self) -> int:
        return len(self._plan())

    def __iter__(self) -> Iterator[Batch]:
        """Yield the epoch's batches; a thread reads the next one meanwhile."""
        self.waited = 0.0
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=2)
        stop = threading.Event()

        def put(item: Batch | BaseException | None) -> bool:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def read() -> None:
            try:
                for rows in self._plan():
                    if not put(self._read(rows)):
                        return
                put(None)
            except BaseException as error:
                put(error)

        thread = threading.Thread(target=read, name="clip-loader", daemon=True)
        thread.start()
        try:
            while True:
                start = time.perf_counter()
                item = ready.get()
                self.waited += time.perf_counter() - start
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()
