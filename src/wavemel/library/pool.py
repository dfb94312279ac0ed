"""Processes that classify. One that crashes costs one file a row that says so, nothing else."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from wavemel.errors import WavemelError
from wavemel.library.worker import Done, Job, serve
from wavemel.outputs.rows import error_row

#: Files that wait at a worker, so that it need not wait for the parent.
_AHEAD = 2
#: Each process computes on one core: more threads would only get into each other's way.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _Process:
    def __init__(self, job: Job) -> None:
        # Spawned, not forked: a fork would copy the locks of whatever threads the caller has.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with _environment(_ONE_THREAD):
            self.process: BaseProcess = context.Process(
                target=serve, args=(theirs, job), daemon=True
            )
            self.process.start()
        theirs.close()
        self.connection: Connection = ours
        self.ready = False
        self.paths: deque[str] = deque()

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


class Pool:
    """Classify files in several processes.

    Parameters
    ----------
    job : what to do with each file.
    count : processes.
    label : the model's name and id, for rows of files whose process crashed.
    """

    def __init__(self, job: Job, count: int, label: str) -> None:
        self._job, self._label = job, label
        self._processes = [_Process(job) for _ in range(count)]

    def run(self, next_path: Callable[[], str | None]) -> Iterator[Done]:
        """Yield what becomes of each path, in the order in which they are done.

        Parameters
        ----------
        next_path : asked when a worker has room; None where there is nothing to do (for now:
            it is asked again when the next file is done).

        Raises
        ------
        WavemelError
            A process cannot load the model.
        """
        while True:
            for p in self._processes:
                while p.ready and len(p.paths) < _AHEAD:
                    path = next_path()
                    if path is None:
                        break
                    p.paths.append(path)
                    p.connection.send(path)
            busy = [p for p in self._processes if p.paths or not p.ready]
            if not any(p.paths for p in self._processes) and all(p.ready for p in self._processes):
                return
            answered = wait([p.connection for p in busy])
            for i, p in enumerate(self._processes):
                if p.connection in answered:
                    yield from self._answer(i, p)

    def _answer(self, index: int, p: _Process) -> Iterator[Done]:
        try:
            answer = p.connection.recv()
        except (EOFError, ConnectionResetError):
            yield from self._crashed(index, p)
            return
        if isinstance(answer, Done):
            p.paths.popleft()
            yield answer
        elif answer is None:
            p.ready = True
        else:
            assert isinstance(answer, WavemelError)
            raise answer

    def _crashed(self, index: int, p: _Process) -> Iterator[Done]:
        """Blame the file that was being decoded; give the others to a new process."""
        p.process.join()
        if not p.ready:
            raise WavemelError(
                "a process that classifies ended while it started "
                f"(exit code {p.process.exitcode}); try --workers 1"
            )
        culprit = p.paths.popleft() if p.paths else None
        fresh = _Process(self._job)
        p.connection.close()
        self._processes[index] = fresh
        if fresh.connection.recv() is None:
            fresh.ready = True
        for path in p.paths:
            fresh.paths.append(path)
            fresh.connection.send(path)
        if culprit is not None:
            code = p.process.exitcode or 0
            said = f"signal {-code}" if code < 0 else f"exit code {code}"
            message = f"makes the decoder crash ({said})"
            yield Done(culprit, error_row(culprit, "crash", message, self._label))

    def close(self) -> None:
        """End all processes."""
        for p in self._processes:
            p.stop()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
