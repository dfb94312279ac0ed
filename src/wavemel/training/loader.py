"""Batches of clips in an order that follows from (seed, epoch), read one batch ahead."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
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

    def batch(
        self, indices: npt.NDArray[np.int64], variants: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return clips (B, T); variant 0 is the clip as it is, v > 0 its v-th variant."""
        ...


class ClipLoader:
    """Iterates over (waveforms (B, T) float32, targets (B,) int64).

    Parameters
    ----------
    store : where the clips are.
    targets : class index a clip, (n,).
    batch_size : clips a batch; the last one may be smaller in evaluation, is dropped in
        training when it holds one clip (batch norm needs two).
    shuffle : a new order each epoch, for training.
    seed : all chance follows from it and `epoch`.
    balanced : draw each class equally often, with replacement, instead of each clip once.
    stretch : (probability, variants) of the variants that the store holds.
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
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.store, self.targets, self.batch_size = store, targets, batch_size
        self.shuffle, self.seed, self.stretch = shuffle, seed, stretch
        self.balanced = balanced
        self.rank, self.world = rank, world
        self.epoch = 0
        #: Seconds that the consumer has waited for batches, in the current epoch.
        self.waited = 0.0

    def _plan(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Return the epoch's batches as (indices, variants), of this rank."""
        n = len(self.targets)
        order = np.arange(n)
        variants = np.zeros(n, np.int64)
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
        cuts = range(self.batch_size, len(order), self.batch_size)
        batches = np.split(order, list(cuts))
        if self.shuffle and len(batches) > 1 and len(batches[-1]) == 1:
            batches.pop()
        return [(b, variants[b]) for b in batches]

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
                for indices, variants in self._plan():
                    clips = torch.from_numpy(self.store.batch(indices, variants))
                    if not put((clips, torch.from_numpy(self.targets[indices]))):
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
