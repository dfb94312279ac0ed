"""Take back what a journal says was written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wavemel.errors import AudioError, ModelError
from wavemel.tagging.apply import Outcome
from wavemel.tagging.digest import file_hash
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import Written, links_note, sweep, write_genres
from wavemel.tagging.journal import Entry, Journal

if TYPE_CHECKING:
    from wavemel.library.store import Store


def undo(journal: Journal, *, force: bool = False, keep_times: bool = False) -> Iterator[Outcome]:
    """Give every file of a journal the genres back that it had, the last write first.

    Undo may be killed and run again. Results that stood for a file go on standing for it.

    Parameters
    ----------
    force : take back also where a file is no longer as `apply` left it; else it is refused.
    keep_times : leave the files' times as they are.

    Raises
    ------
    DataError
        There is no such journal.
    """
    entries, broken = journal.entries()
    for number in broken:
        yield Outcome(
            str(journal.path), "kept", f"line {number} is cut off: that file was not replaced"
        )
    same = _Same()
    writes: list[Entry] = []
    standing: dict[tuple[str, str], list[int]] = {}
    taken_back: set[int] = set()
    for entry in entries:
        of = standing.setdefault((entry.path, entry.before_hash), [])
        if entry.op == "write":
            of.append(len(writes))
            writes.append(entry)
        else:
            same.join(entry.after_hash, entry.before_hash)
            taken_back.update(of[-1:])
            del of[-1:]
    for folder in {os.path.dirname(entry.path) for entry in writes}:
        sweep(folder)
    with _Stores() as stores:
        for i, entry in reversed(list(enumerate(writes))):
            store = stores.standing_for(entry)
            outcome = _take_back(entry, journal, same, force, keep_times, i in taken_back)
            if store is not None and outcome.status == "written":
                # Where it cannot be kept, the file is classified again: nothing is lost.
                with contextlib.suppress(AudioError, ModelError):
                    store.accept(entry.name)
            yield outcome


class _Stores(contextlib.ExitStack):
    """The stores that a journal names, each opened when it is first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, Store | None] = {}

    def standing_for(self, entry: Entry) -> Store | None:
        """Return the store whose result stands for the file of an entry as it is now, if any."""
        if entry.store not in self._open:
            self._open[entry.store] = self._opened(entry.store)
        store = self._open[entry.store]
        try:
            return store if store is not None and store.stands_for(entry.name) else None
        except ModelError:
            return None

    def _opened(self, path: str) -> Store | None:
        from wavemel.library.store import Store

        # One that has been removed is not to be made again.
        if not path or not os.path.isfile(path):
            return None
        try:
            return self.enter_context(contextlib.closing(Store(Path(path))))
        except ModelError:
            return None


class _Same:
    """Hashes of files that differ only in how their tags lie, as after an undo (a union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def of(self, state: str) -> str:
        """Return the one hash that stands for all that are the same as this."""
        while state in self._parent:
            state = self._parent[state]
        return state

    def join(self, one: str, other: str) -> None:
        """Take two hashes for the same."""
        one, other = self.of(one), self.of(other)
        if one != other:
            self._parent[one] = other


def _take_back(
    entry: Entry, journal: Journal, same: _Same, force: bool, keep_times: bool, done: bool
) -> Outcome:
    try:
        now = file_hash(entry.path)
    except FileNotFoundError:
        return Outcome(entry.path, "failed", "is no longer there")
    except OSError as error:
        return Outcome(entry.path, "failed", f"cannot be read: {error.strerror}")
    state = same.of(now)
    if state == same.of(entry.before_hash):
        return Outcome(entry.path, "kept", "has its old genres", tuple(entry.before))
    if state != same.of(entry.after_hash) and done:
        return Outcome(entry.path, "kept", "was taken back before", tuple(entry.before))
    if state != same.of(entry.after_hash) and not force:
        return Outcome(
            entry.path, "failed", "has changed since it was tagged: --force restores its genres"
        )

    def put_down(written: Written) -> None:
        same.join(written.after_hash, entry.before_hash)
        back = Written(
            written.path, written.before, written.after, entry.before_hash, written.after_hash
        )
        journal.append("undo", back)

    try:
        written = write_genres(
            entry.path,
            entry.before,
            expected_hash=now,
            before_replacing=put_down,
            keep_times=keep_times,
        )
    except TagError as error:
        return Outcome(entry.path, "failed", error.message)
    return Outcome(entry.path, "written", links_note(written.links), tuple(entry.before))
