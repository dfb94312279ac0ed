"""Classifying one file, in whichever process is told to."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wavemel.audio.locate import content_hash
from wavemel.errors import AudioError
from wavemel.inference.classifier import Classifier
from wavemel.inference.reading import Reading
from wavemel.library.done import Done, Taken
from wavemel.outputs.rows import Row, error_row, result_row

if TYPE_CHECKING:
    from wavemel.library.store import Store

#: How often a file is read that changes meanwhile.
_TRIES = 2


@dataclass(frozen=True)
class Job:
    """What to do with every file.

    ``store``: path of the store, and name of the owner under which files are
    taken, where results are kept.
    """

    model: str
    reading: Reading = field(default_factory=Reading)
    min_confidence: float | None = None
    timeline: bool = False
    threads: int = 1
    store: tuple[Path, str] | None = None


class Worker:
    """A loaded model and what to do with it."""

    def __init__(self, job: Job) -> None:
        classifier = Classifier(job.model, threads=job.threads)
        self._job = job
        self._label = classifier.description.label
        self._classify = classifier.files(job.reading, job.min_confidence)

    def __call__(self, path: str, store: Store | None = None) -> Done | Taken:
        """Classify one file; what is wrong with it becomes its row.

        Where there is a store, a file that is not to be done gives what the store says of it.
        """
        if store is None:
            return Done(path, self._row(path))
        for _ in range(_TRIES):
            taken = store.take(path)
            if taken is not Taken.YOURS:
                return taken
            row, content = self._row(path), _hash(path)
            # Else the hash may be of other bytes than the answer, which would then stand for them.
            if store.unchanged(path):
                return Done(path, row, content)
        changing = "changes while it is read: run again when it is complete"
        return Done(path, error_row(path, "changing", changing, self._label))

    def _row(self, path: str) -> Row:
        try:
            return result_row(path, self._classify(path), timeline=self._job.timeline)
        except AudioError as error:
            return error_row(path, error.reason, error.message, self._label)
        except MemoryError:
            return error_row(path, "memory", "needs more memory than there is", self._label)


def work(job: Job, path: str, store: Store | None = None) -> Done | Taken:
    """Do a job on one file; the process keeps the model for the next.

    Parameters
    ----------
    store : the job's, where this process has it open; else it is opened, and kept for the next.
    """
    if store is None and job.store is not None:
        store = _store(*job.store)
    return _worker(job)(path, store)


@functools.lru_cache(maxsize=1)
def _worker(job: Job) -> Worker:
    return Worker(job)


@functools.lru_cache(maxsize=1)
def _store(path: Path, owner: str) -> Store:
    from wavemel.library.store import Store

    return Store(path, owner=owner)


def _hash(path: str) -> str | None:
    try:
        return content_hash(path)
    except AudioError:
        return None
