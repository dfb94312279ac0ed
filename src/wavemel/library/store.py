"""What has been done, so that a killed run goes on where it stopped: SQLite, one row a file.

Several processes may work on one store. A file that one of them has taken
counts as free again when that process is dead, or, on another machine, when it
has not been heard of for some minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wavemel.audio.locate import content_hash, fingerprint, is_gone
from wavemel.errors import AudioError, ModelError
from wavemel.library.database import PATIENCE, code_of, connect, key_of, told
from wavemel.library.done import Done, Taken
from wavemel.library.known import SELECT, Known, looked_at, same_content
from wavemel.library.owners import may_be_alive, this_process
from wavemel.outputs.rows import Row, named

_SCHEMA = """
create table if not exists about (key text primary key, value text not null);
create table if not exists files (
  key blob primary key,      -- the absolute path's bytes
  size integer, changed integer,   -- as they were when the file was taken
  content text,              -- hash of the bytes
  row text,                  -- the result, as JSON
  failed integer,
  number integer unique,     -- order in which results came
  owner text, until real     -- who is at it, and for how long that is believed
) without rowid;
create index if not exists by_size on files (size);
"""
_FORMAT = "1"
#: Notes that may differ from run to run.
_NOTES = ("bytes", "written", "stale", "layout", "folder")
#: Seconds for which another machine's silence is believed.
_LEASE = 300.0
#: What is wrong where the store itself is not, by SQLite's code.
_TROUBLE = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened or made: it needs a folder that may be written to",
    sqlite3.SQLITE_READONLY: "may not be written to: look at its access rights",
    sqlite3.SQLITE_BUSY: f"was in use by others for {PATIENCE:g} seconds: run again",
    sqlite3.SQLITE_IOERR: "cannot be read or written: look at the disk, and run again",
}
#: Results that a renamed file takes along.
_MOVABLE = "row is not null and failed = 0 and owner is null"


class Store:
    """Results of one model under one way of reading.

    Parameters
    ----------
    path : the database; made where it is missing.
    about : what all results must share (model, reading); not looked at where None.
    owner : under whose name files are taken; by default one of this process.

    Raises
    ------
    ModelError
        The store holds results of another model or way of reading, is no store, or cannot be
        opened; by all methods, where it can no longer be read or written.
    OSError
        The disk is full; by all methods that write.
    """

    def __init__(
        self, path: Path, about: dict[str, str] | None = None, owner: str | None = None
    ) -> None:
        self.path = path
        self.owner = owner or this_process()
        self._renewed = time.time()
        with self._told():
            self._db = connect(path)
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                self._run(statement)
            if about is not None:
                self._check({"format": _FORMAT, **about})

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        with self._told():
            return self._db.execute(statement, values)

    def _told(self) -> contextlib.AbstractContextManager[None]:
        return told(self.path, self._sentence)

    def _sentence(self, error: sqlite3.DatabaseError) -> ModelError:
        said = _TROUBLE.get(code_of(error))
        if said is None:
            said = f"is no store of results ({error}): remove it"
        return ModelError(f"{self.path} {said}")

    def _check(self, about: dict[str, str]) -> None:
        found = self._run("select key, value from about")
        saved = {key: value for key, value in found if key not in _NOTES}
        if not saved:
            for item in about.items():
                self._run("insert into about values (?, ?)", item)
            return
        for key, value in about.items():
            if saved.get(key) != value:
                raise ModelError(
                    f"{self.path} holds results with {key} {saved.get(key)!r}, not {value!r}: "
                    "give another --out, ask as before, or remove it, and the file of results, to "
                    "start afresh"
                )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Change the store, and what goes with it, while no other process can; not to be nested."""
        try:
            # Ctrl-C can come between the beginning of a transaction and what is done in it:
            # what it left open is taken back.
            if self._db.in_transaction:
                self._run("rollback")
            self._run("begin immediate")
            yield
            self._run("commit")
        except BaseException:
            if self._db.in_transaction:  # on a full disk SQLite has rolled back by itself
                self._run("rollback")
            raise

    def settled(self, path: str) -> Taken | None:
        """Return DONE or FAILED where a file was done and has not been touched since, else None."""
        known = self._known(key_of(path))
        if known is None or known.row is None or known.again:
            return None
        if (known.size, known.changed) != looked_at(path):
            return None
        return known.verdict

    def busy(self, path: str) -> bool:
        """Return whether a file is in the hands of another process that is alive."""
        known = self._known(key_of(path))
        return (
            known is not None
            and known.owner not in (None, self.owner)
            and may_be_alive(known.owner or "", known.until)
        )

    def take(self, path: str) -> Taken:
        """Say what is to be done with a file, and take it where it is to be classified."""
        key = key_of(path)
        size, changed = looked_at(path)
        known = self._known(key)
        if known is not None and known.row is not None and not known.again:
            if (known.size, known.changed) == (size, changed):
                return known.verdict
            # Touched or copied, but is it another file? Not asked within the transaction:
            # hashing takes time.
            if size >= 0 and size == known.size and same_content(path, known.content):
                self._run(
                    "update files set size = ?, changed = ? where key = ?", (size, changed, key)
                )
                return known.verdict
        with self.transaction():
            now = self._known(key)
            if now is not None and now.owner is not None and now.owner != self.owner:
                if may_be_alive(now.owner, now.until):
                    return Taken.BUSY
            elif now != known:
                return Taken.BUSY  # another process has just finished it: look again
            self._run(
                "insert into files (key, size, changed, owner, until) values (?, ?, ?, ?, ?) "
                "on conflict (key) do update set size = excluded.size, changed = excluded.changed, "
                "owner = excluded.owner, until = excluded.until",
                (key, size, changed, self.owner, time.time() + _LEASE),
            )
        return Taken.YOURS

    def unchanged(self, path: str) -> bool:
        """Return whether a file is still as it was when it was taken."""
        known = self._known(key_of(path))
        return known is not None and (known.size, known.changed) == looked_at(path)

    def finish(self, done: Done) -> bool:
        """Keep a result, within a transaction; return whether it replaces an older one."""
        key = key_of(done.path)
        known = self._run("select row from files where key = ?", (key,)).fetchone()
        if known is None:
            # Its process died before it took the file.
            self._run("insert into files (key, size, changed) values (?, -1, -1)", (key,))
        before = known and known[0]
        # Also above those of rows that have been deleted since they were written to the file.
        number = max(self.last(), self.written()) + 1
        self._run(
            "update files set content = ?, row = ?, failed = ?, number = ?, owner = null, "
            "until = null where key = ?",
            (
                done.content,
                json.dumps(done.row, ensure_ascii=False),
                int(done.row["error"] is not None),
                number,
                key,
            ),
        )
        if time.time() - self._renewed > _LEASE / 10:
            self._renewed = time.time()
            self._run(
                "update files set until = ? where owner = ?",
                (self._renewed + _LEASE, self.owner),
            )
        return before is not None

    def moved_here(self, path: str) -> Row | None:
        """Return the row of a file that was renamed to ``path``, now under its new name, or None.

        Such a file has the bytes of one that was done and is no longer where it was.
        """
        key = key_of(path)
        if self._known(key) is not None:
            return None
        try:
            size, changed = fingerprint(path)
            found = self._run(
                f"select key, content from files where size = ? and {_MOVABLE}", (size,)
            )
            gone = [
                (old, content) for old, content in found.fetchall() if is_gone(os.fsdecode(old))
            ]
            # Not within a transaction: hashing takes time.
            content = content_hash(path) if gone else None
        except AudioError:
            return None  # its own row will say what is wrong with it
        for old, known in gone:
            if known == content:
                with self.transaction():
                    return self._rename(old, path, changed)
        return None

    def _rename(self, old: bytes, path: str, changed: int) -> Row | None:
        found = self._run(f"select row from files where key = ? and {_MOVABLE}", (old,)).fetchone()
        if found is None or self._known(key_of(path)) is not None:
            return None  # another process has been faster
        row = json.loads(found[0])
        row.pop("path_base64", None)
        row.update(named(path))
        self._run(
            "update files set key = ?, changed = ?, row = ? where key = ?",
            (key_of(path), changed, json.dumps(row, ensure_ascii=False), old),
        )
        self.set_note("stale", "yes")
        return dict(row)

    def missing(self, folders: Iterable[str], besides: Iterable[str] = ()) -> list[str]:
        """Return the files below folders that have a result and are there no longer.

        Parameters
        ----------
        besides : files that need not be looked for.
        """
        roots = tuple(os.path.join(key_of(folder), b"") for folder in folders)
        known = set(map(key_of, besides))
        found = self._run("select key from files where row is not null and owner is null")
        return [
            os.fsdecode(key)
            for (key,) in found.fetchall()
            if key.startswith(roots) and key not in known and is_gone(os.fsdecode(key))
        ]

    def drop(self, paths: Iterable[str]) -> None:
        """Forget results; the file of results follows when it is next brought to where the store is."""
        with self.transaction():
            for path in paths:
                self._run("delete from files where key = ? and owner is null", (key_of(path),))
            self.set_note("stale", "yes")

    def retire(self) -> None:
        """Drop the failures of folders that could not be looked into, and now can."""
        with self.transaction():
            failed = self._run(
                "select key, row from files where failed = 1 and owner is null"
            ).fetchall()
            for key, text in failed:
                passed = (
                    json.loads(text)["reason"] == "permission"
                    and os.path.isdir(key)
                    and os.access(key, os.R_OK | os.X_OK)
                )
                if passed:
                    self._run("delete from files where key = ?", (key,))
                    self.set_note("stale", "yes")

    def keep_folder(self, folder: str) -> None:
        """Remember from where relative paths are counted.

        Raises
        ------
        ModelError
            Those that the store has are counted from elsewhere.
        """
        with self.transaction():
            kept = self.note("folder")
            if kept is None:
                self.set_note("folder", folder)
            elif kept != folder:
                raise ModelError(
                    f"{self.path} holds paths that are counted from {kept}: run there, give absolute "
                    "paths, or another --out"
                )

    def stands_for(self, path: str) -> bool:
        """Return whether a file has a result, and the bytes that it is of."""
        known = self._known(key_of(path))
        return known is not None and known.owner is None and known.stands_for(path)

    def accept(self, path: str) -> None:
        """Take a file's present bytes for those that were classified: only its tags have changed."""
        size, changed = fingerprint(path)
        self._run(
            "update files set size = ?, changed = ?, content = ? where key = ? and row is not null",
            (size, changed, content_hash(path), key_of(path)),
        )

    def last(self) -> int:
        """Return the number of the result that came last; 0 where there is none."""
        (number,) = self._run("select ifnull(max(number), 0) from files").fetchone()
        return int(number)

    def written(self) -> int:
        """Return the number of the last result that the file of results is known to hold."""
        return int(self.note("written") or 0)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Yield results in the order in which they came, those with a number above ``after``."""
        found = self._run(
            "select row from files where row is not null and number > ? order by number", (after,)
        )
        for (text,) in found:
            yield json.loads(text)

    def count(self) -> int:
        """Return how many results there are."""
        (count,) = self._run("select count(*) from files where row is not null").fetchone()
        return int(count)

    def note(self, key: str) -> str | None:
        """Return what was noted under ``key``: of the file of results, its length and layout."""
        found = self._run("select value from about where key = ?", (key,)).fetchone()
        return found[0] if found else None

    def set_note(self, key: str, value: str) -> None:
        """Note something, within a transaction."""
        self._run("insert or replace into about values (?, ?)", (key, value))

    def close(self) -> None:
        """Give back what was taken and not finished, and close the database."""
        # Where nothing can be written, what was taken is free once this process is gone.
        trouble = (sqlite3.ProgrammingError, ModelError, OSError)
        with contextlib.suppress(*trouble), self.transaction():
            self._run("delete from files where owner = ? and row is null", (self.owner,))
            self._run(
                "update files set owner = null, until = null, changed = -2 where owner = ?",
                (self.owner,),
            )
        self._db.close()

    def _known(self, key: bytes) -> Known | None:
        found = self._run(SELECT, (key,)).fetchone()
        return None if found is None else Known(*found)
