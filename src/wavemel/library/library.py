"""A library of files -> rows, in processes, each file once."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from wavemel.inference.bundle import ModelDescription
from wavemel.library.done import Done, Taken
from wavemel.library.find import Found
from wavemel.library.worker import Job, work
from wavemel.outputs.rows import error_row

if TYPE_CHECKING:
    from wavemel.library.outfile import OutFile
    from wavemel.library.store import Store

#: Up to so many files are done before processes would have started.
_FEW = 3
#: Seconds between looks at files that another process has taken.
_PATIENCE = 0.5


class Library:
    """Classify many files.

    Parameters
    ----------
    job : the model, and how to read.
    model : its description.
    workers : processes; one a core by default.
    """

    def __init__(self, job: Job, model: ModelDescription, workers: int | None = None) -> None:
        self._job, self._label, self._workers = job, model.label, workers

    def classify(self, files: Sequence[Found]) -> Iterator[Done]:
        """Yield what becomes of each file, in the order in which they are done.

        Parameters
        ----------
        files : what to classify, as `find` gives them.

        Raises
        ------
        ModelError
            The model cannot be loaded.
        """
        yield from self._refused(files)
        for answer in self._map(self._job, [f.path for f in files if f.reason is None]):
            assert isinstance(answer, Done)
            yield answer

    def resume(
        self,
        files: Sequence[Found],
        store: Store,
        out: OutFile,
        skipped: Callable[[str, bool], None] = lambda path, failed: None,
    ) -> Iterator[Done]:
        """Yield what becomes of each file that the store does not know yet, once it is kept.

        A renamed file is known: its result goes with it. It ends when all are done, those
        included that other processes have taken.

        Parameters
        ----------
        files : what to classify.
        store, out : where results are kept before they are yielded.
        skipped : told of every file that was done before, and whether it had failed.
        """
        store.retire()
        for done in self._refused(files):
            if store.take(done.path) is Taken.YOURS:
                out.add(store, done)
                yield done
        todo = []
        for found in files:
            if found.reason is None:
                settled = store.settled(found.path)
                if settled is None and store.moved_here(found.path) is not None:
                    settled = Taken.DONE
                if settled is None:
                    todo.append(found.path)
                else:
                    skipped(found.path, settled is Taken.FAILED)
        job = dataclasses.replace(self._job, store=(store.path, store.owner))
        try:
            while todo:
                busy = []
                for answer in self._map(job, todo, store):
                    if isinstance(answer, Done):
                        out.add(store, answer)
                        yield answer
                    elif answer[1] is Taken.BUSY:
                        busy.append(answer[0])
                    else:
                        skipped(answer[0], answer[1] is Taken.FAILED)
                todo = busy
                while todo and all(store.busy(path) for path in todo):
                    time.sleep(_PATIENCE)
        finally:
            out.end(store)

    def _map(
        self, job: Job, paths: list[str], store: Store | None = None
    ) -> Iterator[Done | tuple[str, Taken]]:
        if len(paths) <= _FEW:
            for path in paths:
                # Here it is open already: a second time, nobody would close it.
                yield _answer(path, work(job, path, store))
            return
        # Not before it is needed: a single file is to be answered at once.
        from wavemel.workers import Crashed, map_files

        task = functools.partial(work, job)
        for index, answer in map_files(task, paths, workers=self._workers, chunk=1):
            path = paths[index]
            if isinstance(answer, Crashed):
                row = error_row(path, "crash", "makes the decoder crash", self._label)
                yield Done(path, row)
            else:
                yield _answer(path, answer)

    def _refused(self, files: Sequence[Found]) -> Iterator[Done]:
        """Yield the rows of what could not even be looked at."""
        for found in files:
            if found.reason is not None:
                row = error_row(found.path, found.reason, found.message or "", self._label)
                yield Done(found.path, row)


def _answer(path: str, answer: Done | Taken) -> Done | tuple[str, Taken]:
    return (path, answer) if isinstance(answer, Taken) else answer
