"""Work on many files in processes of their own: a file that crashes one of them costs only itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from multiprocessing.resource_tracker import ensure_running
from typing import Generic, TypeVar

from wavemel.errors import WavemelError
from wavemel.signals import ended_in_order

T = TypeVar("T")
R = TypeVar("R")


class Crashed:
    """Stands for the result of an item on which the process died."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


#: More processes than this a core only cost memory.
_MOST = 8
#: Signals that end the work.
_ENDING = (signal.SIGINT, signal.SIGTERM)


def map_files(
    function: Callable[[T], R], items: Sequence[T], *, workers: int | None = None, chunk: int = 8
) -> Iterator[tuple[int, R | Crashed]]:
    """Yield (index, function(item)) for every item, in the order in which they are done.

    Parameters
    ----------
    function : picklable; what it raises ends the work.
    items : picklable.
    workers : processes, at most eight a core; one a core by default; 0 works in this process, without its protection.
    chunk : at most so many items go to a process at once.

    Yields
    ------
    tuple
        ``Crashed()`` in place of the result where a process died on that item.

    Raises
    ------
    WavemelError
        No process can be started.
    """
    if workers == 0:
        for index, item in enumerate(items):
            yield index, function(item)
        return
    count = max(1, min(workers or cores(), len(items), _MOST * cores()))
    chunk = max(1, min(chunk, len(items) // (4 * count)))
    todo = [range(at, min(at + chunk, len(items))) for at in range(0, len(items), chunk)]
    todo.reverse()
    while todo:
        suspects: list[range] = []
        yield from _Pool(function, items, count).run(todo, suspects)
        # Some process died on one item of these chunks: sent alone, each answers for itself.
        alone = [range(i, i + 1) for indices in suspects for i in indices]
        while alone:
            guilty: list[range] = []
            yield from _Pool(function, items, 1).run(alone, guilty, ahead=0)
            for indices in guilty:
                yield indices[0], Crashed()


class _Pool(Generic[T, R]):
    """Processes that live until the work is done or one of them dies."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T], count: int) -> None:
        self.function, self.items, self.count = function, items, count

    def run(
        self, todo: list[range], suspects: list[range], ahead: int = 1
    ) -> Iterator[tuple[int, R]]:
        """Yield results while taking chunks off the end of ``todo``, ``ahead`` more than are worked on.

        Where a process dies, add the chunks that were under way to ``suspects`` and return.
        """
        # Not fork: the parent may hold threads and their locks (torch, OpenMP).
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        under_way: dict[Future[list[R]], range] = {}
        pool = ProcessPoolExecutor(self.count, context, _end_with_the_parent)
        with ended_in_order():
            try:
                _check_start(pool)
                while todo or under_way:
                    # Few at a time: memory stays flat, and few are suspect when a process dies.
                    while todo and len(under_way) < self.count + ahead:
                        chunk = [self.items[i] for i in todo[-1]]
                        with _undisturbed():
                            # Taken off only then: a pool that has just died refuses it.
                            under_way[pool.submit(_each, self.function, chunk)] = todo[-1]
                            todo.pop()
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        results = future.result()
                        yield from zip(under_way.pop(future), results, strict=True)
            except BrokenProcessPool:
                suspects.extend(under_way.values())
            except (KeyboardInterrupt, SystemExit, GeneratorExit):
                # Nobody takes what is under way, so nobody is to wait for it.
                for process in list((pool._processes or {}).values()):
                    process.terminate()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _check_start(pool: ProcessPoolExecutor) -> None:
    """Raise where processes cannot even start: no file is at fault then."""
    with _undisturbed():
        started = pool.submit(os.getpid)
    try:
        started.result()
    except BrokenProcessPool:
        raise WavemelError(
            "worker processes cannot start: in a program of your own, call this below "
            "\"if __name__ == '__main__':\", or with workers=0"
        ) from None


def _each(function: Callable[[T], R], chunk: list[T]) -> list[R]:
    return [function(item) for item in chunk]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM while a process is started.

    In the middle of it, they would leave a process that nobody waits for; and the new one would
    answer them with a traceback before it has got to `_end_with_the_parent`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # It lets signals through when it starts, so it is to have started.
    ensure_running()
    held: list[int] = []
    # Blocking is for the process that is started, which inherits it: here it is of this thread
    # alone, and another one may take the signal.
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, answer in before.items():
        if callable(answer):
            signal.signal(number, lambda number, _: held.append(number))
    if hasattr(signal, "pthread_sigmask"):
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        for number, answer in before.items():
            if callable(answer):
                signal.signal(number, answer)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if held:
            signal.raise_signal(held[0])


def _end_with_the_parent() -> None:
    """Make this worker die at once on Ctrl-C, and when its parent is gone, however that died."""
    # Ctrl-C reaches the whole process group; the parent answers it, workers need no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)  # see `_undisturbed`
    parent = multiprocessing.parent_process()
    if parent is not None:
        # An idle worker waits on a queue that it holds open itself: it would wait for ever.
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)
