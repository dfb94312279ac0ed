"""SQLite files of ours: what is committed survives kill -9, and what goes wrong is told in a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

#: Seconds to wait for other processes that are writing.
PATIENCE = 60.0


def connect(path: Path) -> sqlite3.Connection:
    """Open a database, made where it is missing; transactions are the caller's.

    Raises
    ------
    sqlite3.DatabaseError
        It cannot be opened, or is none; see `told`.
    """
    database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        # WAL: a commit is one write to a log, and survives kill -9 at any point.
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=normal")
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def told(path: Path, sentence: Callable[[sqlite3.DatabaseError], Exception]) -> Iterator[None]:
    """Turn what SQLite says into what a user can do about it.

    Parameters
    ----------
    path : the database.
    sentence : the error to raise instead.

    Raises
    ------
    OSError
        The disk is full.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if code_of(error) == sqlite3.SQLITE_FULL:
            full = os.strerror(errno.ENOSPC)
            raise OSError(errno.ENOSPC, full, os.fspath(path)) from error
        raise sentence(error) from error


def code_of(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's primary code of an error: the rest of it says where."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def key_of(path: str) -> bytes:
    """Return under what a file stands in a database: its absolute path's bytes."""
    return os.fsencode(os.path.abspath(path))
