"""What a store says of its results to whoever only reads them; reading leaves no trace."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from wavemel.errors import ModelError
from wavemel.library.database import key_of
from wavemel.library.known import SELECT, Known, same_content

T = TypeVar("T")


def folder_of(store: Path) -> str | None:
    """Return from where the relative paths of a store are counted; None where that is not known.

    Raises
    ------
    ModelError
        The store is there, and cannot be read.
    """
    return _note(store, "folder")


def has_newer(store: Path) -> bool:
    """Return whether a store holds rows in place of those that still stand in its file of results.

    Raises
    ------
    ModelError
        The store is there, and cannot be read.
    """
    return _note(store, "stale") == "yes"


def _note(store: Path, key: str) -> str | None:
    def noted(database: sqlite3.Connection) -> str | None:
        found = database.execute("select value from about where key = ?", (key,)).fetchone()
        return str(found[0]) if found else None

    return _asked(store, noted)


def changed_since(store: Path, paths: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that says whether one of the files is another than its result is of.

    It reads a file only where size and time of change differ. Of files without a
    result in the store, as where there is no store, it says no.

    Raises
    ------
    ModelError
        The store is there, and cannot be read.
    """
    paths = list(paths)

    def touched(database: sqlite3.Connection) -> dict[str, str | None]:
        hashes = {}
        for path in paths:
            found = database.execute(SELECT, (key_of(path),)).fetchone()
            known = None if found is None else Known(*found)
            if known is not None and known.row is not None and not known.untouched(path):
                hashes[path] = known.content
        return hashes

    before = _asked(store, touched) or {}
    return lambda path: path in before and not same_content(path, before[path])


def _asked(store: Path, ask: Callable[[sqlite3.Connection], T]) -> T | None:
    """Return what a store answers; None where there is none."""
    if not store.is_file():
        return None
    try:
        if not _logged(store):
            # As it lies there: else SQLite makes files beside, which a folder may not let it, and
            # leaves them there.
            with contextlib.suppress(sqlite3.DatabaseError):
                return _opened(store, "mode=ro&immutable=1", ask)
        return _opened(store, "mode=ro", ask)
    except sqlite3.DatabaseError as error:
        raise ModelError(
            f"{store}, which says which files its results are of, cannot be read ({error}): look at its "
            "access rights and its folder's"
        ) from error


def _opened(store: Path, how: str, ask: Callable[[sqlite3.Connection], T]) -> T:
    with contextlib.closing(sqlite3.connect(f"{store.absolute().as_uri()}?{how}", uri=True)) as db:
        return ask(db)


def _logged(store: Path) -> bool:
    """Return whether a part of the store still lies in SQLite's log."""
    try:
        return store.with_name(f"{store.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True
