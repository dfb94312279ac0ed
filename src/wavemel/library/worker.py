"""Classifying one file after another, in this process or in one that is told to."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from wavemel.audio.locate import content_hash
from wavemel.errors import AudioError, WavemelError
from wavemel.inference.classifier import Classifier
from wavemel.inference.reading import Reading
from wavemel.outputs.rows import Row, error_row, result_row


@dataclass(frozen=True)
class Job:
    """What to do with every file. ``hashed``: also hash its bytes, for the store."""

    model: str
    reading: Reading = field(default_factory=Reading)
    min_confidence: float | None = None
    timeline: bool = False
    threads: int = 1
    hashed: bool = False


@dataclass(frozen=True)
class Done:
    """A file's row; ``content``: hash of its bytes, where they were to be hashed."""

    path: str
    row: Row
    content: str | None = None


class Worker:
    """A loaded model and what to do with it."""

    def __init__(self, job: Job) -> None:
        classifier = Classifier(job.model, threads=job.threads)
        self._job = job
        self._label = classifier.description.label
        self._classify = classifier.files(job.reading, job.min_confidence)

    def __call__(self, path: str) -> Done:
        """Classify one file; what is wrong with it becomes its row."""
        content = None
        try:
            row = result_row(path, self._classify(path), timeline=self._job.timeline)
            if self._job.hashed:
                content = content_hash(path)
        except AudioError as error:
            row = error_row(path, error.reason, error.message, self._label)
            if self._job.hashed:
                content = _hash_if_readable(path)
        except MemoryError:
            row = error_row(path, "memory", "needs more memory than there is", self._label)
        return Done(path, row, content)


def _hash_if_readable(path: str) -> str | None:
    try:
        return content_hash(path)
    except AudioError:
        return None


def serve(connection: Connection, job: Job) -> None:
    """Answer paths with what becomes of them, until the other side is closed."""
    # Ctrl-C goes to every process of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        worker = Worker(job)
    except WavemelError as error:
        connection.send(error)
        return
    connection.send(None)
    try:
        while True:
            connection.send(worker(connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent has ended, or needs no more
