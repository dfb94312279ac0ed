"""Which files a watch has tagged: each is tagged once, whenever the watch is killed and run again.

An entry is made after the file was written. A watch that dies in between looks
at that file again, and finds the genre there.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from wavemel.audio.locate import fingerprint
from wavemel.errors import AudioError, DataError
from wavemel.library.database import connect, key_of, told

_SCHEMA = """
create table if not exists tagged (
  key blob primary key,            -- the absolute path's bytes
  size integer, changed integer,   -- as they were when the file had been dealt with
  how text,                        -- by which rules
  audio text                       -- digest of the audio, where a genre was written
) without rowid
"""


class Ledger:
    """The files dealt with, in an SQLite database.

    Parameters
    ----------
    path : the database; made where it is missing.
    how : the rules by which files are tagged now; under others all count as not dealt with.

    Raises
    ------
    DataError
        The database cannot be opened, read or written; by all methods.
    OSError
        The disk is full; by all methods that write.
    """

    def __init__(self, path: Path, how: str) -> None:
        self.path, self._how = path, how
        with self._told():
            self._db = connect(path)
            self._db.execute(_SCHEMA)

    def knows(self, path: str) -> bool:
        """Return whether a file was dealt with by these rules and has not changed since."""
        now = _fingerprint(path)
        return now is not None and self._entry("size, changed, how", path) == (*now, self._how)

    def audio(self, path: str) -> str | None:
        """Return the digest of the audio of a file that a genre was written to, else None."""
        found = self._entry("audio", path)
        return None if found is None or found[0] is None else str(found[0])

    def wrote(self, path: str, audio: str) -> bool:
        """Return whether a genre was written to this audio, at ``path`` or where the file was before.

        Another file of the same audio, still where it was, is a copy, and not this one.
        """
        with self._told():
            found = self._db.execute("select key from tagged where audio = ?", (audio,)).fetchall()
        here = os.path.realpath(path)
        places = [os.fsdecode(key) for (key,) in found]
        return any(not os.path.lexists(p) or os.path.realpath(p) == here for p in places)

    def keep(self, path: str, audio: str | None) -> None:
        """Say that a file, as it is now, has been dealt with.

        Parameters
        ----------
        audio : digest of its audio where it holds, or held, a genre of ours.
        """
        now = _fingerprint(path)
        if now is None:
            return  # gone or moved: under its new name it is looked at again
        with self._told():
            self._db.execute(
                "insert or replace into tagged values (?, ?, ?, ?, ?)",
                (key_of(path), *now, self._how, audio),
            )

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _entry(self, columns: str, path: str) -> tuple[object, ...] | None:
        with self._told():
            query = f"select {columns} from tagged where key = ?"
            return self._db.execute(query, (key_of(path),)).fetchone()

    def _told(self) -> AbstractContextManager[None]:
        return told(self.path, self._sentence)

    def _sentence(self, error: sqlite3.DatabaseError) -> DataError:
        return DataError(
            f"{self.path}, which says what was tagged, cannot be used ({error}): look at the "
            "disk and its access rights, or remove that file"
        )


def _fingerprint(path: str) -> tuple[int, int] | None:
    try:
        return fingerprint(path)
    except AudioError:
        return None
