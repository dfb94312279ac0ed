"""New files of a folder, once they are complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wavemel.audio.locate import fingerprint
from wavemel.errors import AudioError, ConfigError, MissingExtraError
from wavemel.library.find import Found, find, is_audio
from wavemel.library.known import looked_at

#: Seconds between looks at files that settle.
_TICK = 0.5
#: Seconds between looks at the whole folder, where the system does not tell of changes.
_LOOK = 2.0
#: Of all time, so much may go into these looks: large folders are looked at less often.
_SHARE = 0.1


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


class Watched:
    """A folder whose audio files are yielded, in lists, once they are complete.

    First come those that are there, then those that appear or change. What
    cannot be looked into is yielded with its reason, once.

    Parameters
    ----------
    folder : an absolute path.
    settle : seconds for which a complete file has not changed.
    once : end when all files that are there have been yielded.
    polling : look again and again instead of asking the system, as network folders need.
    say : told, in a sentence, that it has to look again and again from now on.

    Raises
    ------
    MissingExtraError
        watchfiles is not installed, and it is not to poll.
    ConfigError
        While it yields: the system cannot watch the folder.
    """

    def __init__(
        self,
        folder: Path,
        settle: float,
        *,
        once: bool = False,
        polling: bool = False,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        if not polling:
            try:
                import watchfiles  # noqa: F401
            except ImportError as error:
                raise MissingExtraError("watch", "watching a folder") from error
        #: Whether it ended because the folder is no longer where it was.
        self.lost = False
        self._folder, self._once, self._polling, self._say = folder, once, polling, say
        self._identity = _identity(folder)
        self._settling = Settling(settle)
        self._refused: dict[str, Found] = {}
        self._told: set[str] = set()

    def __iter__(self) -> Iterator[list[Found]]:
        self._take(find([os.fspath(self._folder)]))
        changes = self._changes()
        while True:
            # What stands in a folder that is gone has not failed: it is gone too.
            self.lost = _identity(self._folder) != self._identity
            if self.lost:
                return
            ready = [*self._news(), *map(Found, self._settling.complete())]
            if ready:
                yield ready
            if self._once and not len(self._settling):
                return
            changed = next(changes, None)
            if changed is None:
                return
            self._take(changed)

    def _changes(self) -> Iterator[list[Found]]:
        """Yield, at least once a tick, what has appeared or changed."""
        if not self._polling:
            try:
                yield from self._told_by_the_system()
                return
            except OSError as error:  # what the system can watch is limited
                raise ConfigError(
                    f"{self._folder} cannot be watched ({error}): --polling looks again and again "
                    "instead"
                ) from error
            except (RuntimeError, UnicodeEncodeError) as error:
                # watchfiles ends at every name that is no UTF-8, and would do so again.
                self._say(
                    f"what the system says of {self._folder} cannot be read ({error}): from now on "
                    "it is looked at again and again, as with --polling"
                )
        yield from self._seen_by_looking()

    def _told_by_the_system(self) -> Iterator[list[Found]]:
        import watchfiles

        tick = round(_TICK * 1000)
        # What came after the first walk and before the system was asked, it does not tell of.
        again = [] if self._once else [os.fspath(self._folder)]
        for changes in watchfiles.watch(
            self._folder,
            debounce=tick,
            step=50,
            rust_timeout=tick,
            yield_on_timeout=True,
            watch_filter=None,
            ignore_permission_denied=True,
        ):
            # A folder that was moved here is one change, and so is a file within it.
            changed = {path for kind, path in changes if kind != watchfiles.Change.deleted}
            yield list(find([*again, *sorted(changed)]))
            again = []

    def _seen_by_looking(self) -> Iterator[list[Found]]:
        before: dict[Found, tuple[int, int]] = {}
        while True:
            start = time.monotonic()
            now = {found: looked_at(found.path) for found in find([os.fspath(self._folder)])}
            news = [found for found, seen in now.items() if before.get(found) != seen]
            before = now
            end = time.monotonic()
            yield news
            while time.monotonic() < max(start + _LOOK, end + (end - start) / _SHARE):
                time.sleep(_TICK)
                yield []

    def _take(self, changed: Iterable[Found]) -> None:
        for found in changed:
            if found.reason is None:
                if is_audio(found.path):
                    self._settling.touch([found.path])
            elif found.path not in self._told and os.path.lexists(found.path):
                self._refused[found.path] = found

    def _news(self) -> list[Found]:
        """Return what cannot be looked into and has not been told yet."""
        news = list(self._refused.values())
        self._told.update(self._refused)
        self._refused.clear()
        return news


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another of its name; None where there is none."""
    try:
        info = os.stat(folder)
    except OSError:
        return None
    return info.st_dev, info.st_ino
