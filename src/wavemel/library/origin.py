"""From where the relative paths of results are counted, as their store says; reading leaves no trace."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from wavemel.errors import ModelError


def folder_of(store: Path) -> str | None:
    """Return from where the relative paths of a store are counted; None where that is not known.

    Raises
    ------
    ModelError
        The store is there, and cannot be read.
    """
    if not store.is_file():
        return None
    try:
        if not _logged(store):
            # As it lies there: else SQLite makes files beside, which a folder may not let it, and
            # leaves them there.
            with contextlib.suppress(sqlite3.DatabaseError):
                return _folder_in(store, "mode=ro&immutable=1")
        return _folder_in(store, "mode=ro")
    except sqlite3.DatabaseError as error:
        raise ModelError(
            f"{store}, which says from where the paths of its results are counted, cannot be read "
            f"({error}): look at its access rights and its folder's"
        ) from error


def _folder_in(store: Path, how: str) -> str | None:
    with contextlib.closing(sqlite3.connect(f"{store.absolute().as_uri()}?{how}", uri=True)) as db:
        found = db.execute("select value from about where key = 'folder'").fetchone()
    return str(found[0]) if found else None


def _logged(store: Path) -> bool:
    """Return whether a part of the store still lies in SQLite's log."""
    try:
        return store.with_name(f"{store.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True
