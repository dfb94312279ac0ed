"""A library of files -> rows, in processes, each file once."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from wavemel.inference.bundle import ModelDescription
from wavemel.library.find import Found
from wavemel.library.outfile import OutFile
from wavemel.library.pool import Pool
from wavemel.library.store import Store, Taken
from wavemel.library.worker import Done, Job, Worker
from wavemel.outputs.rows import error_row

#: Up to so many files are done before processes would have started.
_FEW = 3
#: Seconds between looks at files that another process has taken.
_PATIENCE = 0.5


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Library:
    """Classify many files.

    Parameters
    ----------
    job : the model, and how to read.
    model : its description.
    workers : processes; one a core by default.
    """

    def __init__(self, job: Job, model: ModelDescription, workers: int | None = None) -> None:
        self._job, self._label = job, model.label
        self._workers = workers or cores()

    def classify(
        self,
        files: Sequence[Found],
        store: Store | None = None,
        out: OutFile | None = None,
        skipped: Callable[[str, bool], None] = lambda path, failed: None,
    ) -> Iterator[Done]:
        """Yield what becomes of each file, in the order in which they are done.

        Parameters
        ----------
        files : what to classify, as `find` gives them.
        store, out : where results are kept before they are yielded; files that the store knows,
            unchanged, are skipped.
        skipped : told of every such file, and whether it had failed.

        Raises
        ------
        ModelError
            The model cannot be loaded.
        """
        queue = _Queue(files, store, skipped, self._label)
        try:
            for done in self._run(queue, len(files)):
                if store is not None and out is not None:
                    out.add(store, done)
                yield done
        finally:
            if store is not None and out is not None:
                out.end(store)

    def _run(self, queue: _Queue, count: int) -> Iterator[Done]:
        first = queue.next()
        yield from queue.refused()
        if first is None and not queue.busy:
            return
        if count <= _FEW:
            yield from self._here(queue, first)
            return
        pool = Pool(self._job, min(self._workers, count), self._label)
        waiting = deque([first] if first is not None else [])

        def next_path() -> str | None:
            return waiting.popleft() if waiting else queue.next()

        try:
            while True:
                for done in pool.run(next_path):
                    yield done
                    yield from queue.refused()
                yield from queue.refused()
                if not queue.busy:
                    return
                time.sleep(_PATIENCE)
        finally:
            pool.close()

    def _here(self, queue: _Queue, path: str | None) -> Iterator[Done]:
        worker = None
        while path is not None or queue.busy:
            if path is None:
                time.sleep(_PATIENCE)
            else:
                worker = worker or Worker(self._job)
                yield worker(path)
            path = queue.next()
            yield from queue.refused()


class _Queue:
    """Which file is next: those that the store says are to be done, and free."""

    def __init__(
        self,
        files: Sequence[Found],
        store: Store | None,
        skipped: Callable[[str, bool], None],
        label: str,
    ) -> None:
        self._files, self._store, self._skipped, self._label = iter(files), store, skipped, label
        self._refused: list[Done] = []
        self.busy: deque[str] = deque()

    def next(self) -> str | None:
        """Return a file to classify; None where there is none, or none is free at the moment."""
        for found in self._files:
            if self._is_free(found.path):
                if found.reason is None:
                    return found.path
                row = error_row(found.path, found.reason, found.message or "", self._label)
                self._refused.append(Done(found.path, row))
        for _ in range(len(self.busy)):
            path = self.busy.popleft()
            if self._is_free(path):
                return path
        return None

    def refused(self) -> Iterator[Done]:
        """Yield the rows of what could not even be looked at."""
        while self._refused:
            yield self._refused.pop(0)

    def _is_free(self, path: str) -> bool:
        if self._store is None:
            return True
        taken = self._store.take(path)
        if taken is Taken.BUSY:
            self.busy.append(path)
        elif taken is not Taken.YOURS:
            self._skipped(path, taken is Taken.FAILED)
        return taken is Taken.YOURS
