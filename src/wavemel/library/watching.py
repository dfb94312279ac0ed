"""New files of a folder, once they are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from wavemel.audio.locate import fingerprint
from wavemel.errors import AudioError


class Settling:
    """Files that somebody may still be writing; a file is complete once it has rested.

    Parameters
    ----------
    seconds : how long size and time of change must stay the same.
    clock : seconds, from wherever.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._waiting: dict[str, tuple[tuple[int, int], float]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def touch(self, paths: Iterable[str]) -> None:
        """Say that files have appeared or changed."""
        for path in paths:
            self._waiting[path] = ((-1, -1), self._clock())

    def complete(self) -> list[str]:
        """Return, once, the files that have rested; those that have gone are forgotten."""
        now = self._clock()
        done = []
        for path, (before, since) in list(self._waiting.items()):
            try:
                current = fingerprint(path)
            except AudioError as error:
                if error.reason == "missing":
                    del self._waiting[path]
                    continue
                current = (0, 0)
            if current != before:
                self._waiting[path] = (current, now)
            elif now - since >= self._seconds:
                del self._waiting[path]
                done.append(path)
        return sorted(done)
