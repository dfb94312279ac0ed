"""Work on many files in processes of their own: a file that crashes one of them costs only itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Crashed:
    """Stands for the result of an item on which the process died."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_files(
    function: Callable[[T], R], items: Sequence[T], *, workers: int | None = None, chunk: int = 8
) -> Iterator[tuple[int, R | Crashed]]:
    """Yield (index, function(item)) for every item, in the order in which they are done.

    Parameters
    ----------
    function : picklable; what it raises ends the work.
    items : picklable.
    workers : processes; one a core by default; 0 works in this process, without its protection.
    chunk : at most so many items go to a process at once.

    Yields
    ------
    tuple
        ``Crashed()`` in place of the result where a process died on that item.
    """
    if workers == 0:
        for index, item in enumerate(items):
            yield index, function(item)
        return
    count = max(1, min(workers or cores(), len(items)))
    chunk = max(1, min(chunk, len(items) // (4 * count)))
    todo = [range(at, min(at + chunk, len(items))) for at in range(0, len(items), chunk)]
    todo.reverse()
    while todo:
        suspects: list[range] = []
        yield from _Pool(function, items, count).run(todo, suspects)
        # Some process died on one item of these chunks; alone, each item answers for itself.
        for indices in suspects:
            for index in indices:
                alone = [range(index, index + 1)]
                guilty: list[range] = []
                yield from _Pool(function, items, 1).run(alone, guilty)
                if guilty:
                    yield index, Crashed()


class _Pool(Generic[T, R]):
    """Processes that live until the work is done or one of them dies."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T], count: int) -> None:
        self.function, self.items, self.count = function, items, count

    def run(self, todo: list[range], suspects: list[range]) -> Iterator[tuple[int, R]]:
        """Yield results while taking chunks off the end of ``todo``.

        Where a process dies, add the chunks that were under way to ``suspects`` and return.
        """
        # Not fork: the parent may hold threads and their locks (torch, OpenMP).
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        under_way: dict[Future[list[R]], range] = {}
        pool = ProcessPoolExecutor(self.count, context, _leave_interrupts_to_the_parent)
        try:
            while todo or under_way:
                # Few at a time: memory stays flat, and few are suspect when a process dies.
                while todo and len(under_way) < self.count + 1:
                    indices = todo.pop()
                    chunk = [self.items[i] for i in indices]
                    under_way[pool.submit(_each, self.function, chunk)] = indices
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    results = future.result()
                    yield from zip(under_way.pop(future), results, strict=True)
        except BrokenProcessPool:
            suspects.extend(under_way.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _each(function: Callable[[T], R], chunk: list[T]) -> list[R]:
    return [function(item) for item in chunk]


def _leave_interrupts_to_the_parent() -> None:
    # Ctrl-C reaches the whole process group; workers finish their chunk and are then let go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
