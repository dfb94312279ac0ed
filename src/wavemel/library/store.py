"""What has been done, so that a killed run goes on where it stopped: SQLite, one row a file.

Several processes may work on one store. A file that one of them has taken
counts as free again when that process is dead, or, on another machine, when it
has not been heard of for some minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from wavemel.audio.locate import content_hash, fingerprint
from wavemel.errors import AudioError, ModelError
from wavemel.library.done import Done, Taken
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
"""
_FORMAT = "1"
#: Notes that may differ from run to run.
_NOTES = ("bytes", "stale", "layout")
#: Seconds for which another machine's silence is believed.
_LEASE = 300.0
#: Failures that lie outside of the file and may be over: they are tried again in every run.
_OUTSIDE = ("permission", "missing", "no-decoder", "memory", "loop")


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
        The store holds results of another model or way of reading, or is no store.
    """

    def __init__(
        self, path: Path, about: dict[str, str] | None = None, owner: str | None = None
    ) -> None:
        self.path = path
        self.owner = owner or _owner()
        self._renewed = time.time()
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            # WAL: a commit is one write to a log, and survives kill -9 at any point.
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=normal")
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                if about is not None:
                    self._check({"format": _FORMAT, **about})
        except sqlite3.DatabaseError as error:
            raise ModelError(f"{path} is no store of results ({error}): remove it") from error

    def _check(self, about: dict[str, str]) -> None:
        found = self._db.execute("select key, value from about")
        saved = {key: value for key, value in found if key not in _NOTES}
        if not saved:
            self._db.executemany("insert into about values (?, ?)", about.items())
            return
        for key, value in about.items():
            if saved.get(key) != value:
                raise ModelError(
                    f"{self.path} holds results with {key} {saved.get(key)!r}, not {value!r}: "
                    "give another --out, or ask as before"
                )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Change the store, and what goes with it, while no other process can."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def settled(self, path: str) -> Taken | None:
        """Return DONE or FAILED where a file was done and has not been touched since, else None."""
        known = self._known(_key(path))
        if known is None or known.row is None or known.again:
            return None
        if (known.size, known.changed) != _fingerprint(path):
            return None
        return known.verdict

    def busy(self, path: str) -> bool:
        """Return whether a file is in the hands of another process that is alive."""
        known = self._known(_key(path))
        return (
            known is not None
            and known.owner not in (None, self.owner)
            and _alive(known.owner or "", known.until)
        )

    def take(self, path: str) -> Taken:
        """Say what is to be done with a file, and take it where it is to be classified."""
        key = _key(path)
        size, changed = _fingerprint(path)
        known = self._known(key)
        if known is not None and known.row is not None and not known.again:
            if (known.size, known.changed) == (size, changed):
                return known.verdict
            # Touched or copied, but is it another file? Not asked within the transaction:
            # hashing takes time.
            if size >= 0 and size == known.size and _same_content(path, known.content):
                self._db.execute(
                    "update files set size = ?, changed = ? where key = ?", (size, changed, key)
                )
                return known.verdict
        with self.transaction():
            now = self._known(key)
            if now is not None and now.owner is not None and now.owner != self.owner:
                if _alive(now.owner, now.until):
                    return Taken.BUSY
            elif now != known:
                return Taken.BUSY  # another process has just finished it: look again
            self._db.execute(
                "insert into files (key, size, changed, owner, until) values (?, ?, ?, ?, ?) "
                "on conflict (key) do update set size = excluded.size, changed = excluded.changed, "
                "owner = excluded.owner, until = excluded.until",
                (key, size, changed, self.owner, time.time() + _LEASE),
            )
        return Taken.YOURS

    def finish(self, done: Done) -> bool:
        """Keep a result, within a transaction; return whether it replaces an older one."""
        key = _key(done.path)
        (before,) = self._db.execute("select row from files where key = ?", (key,)).fetchone()
        (number,) = self._db.execute("select ifnull(max(number), 0) + 1 from files").fetchone()
        self._db.execute(
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
            self._db.execute(
                "update files set until = ? where owner = ?",
                (self._renewed + _LEASE, self.owner),
            )
        return before is not None

    def moved_here(self, path: str) -> Row | None:
        """Return the row of a file that was renamed to ``path``, now under its new name, or None.

        Such a file has the bytes of one that was done and is no longer where it was.
        """
        try:
            size, changed = fingerprint(path)
        except AudioError:
            return None
        found = self._db.execute(
            "select key, content, row from files where size = ? and failed = 0 and owner is null",
            (size,),
        ).fetchall()
        gone = [item for item in found if not os.path.lexists(item[0])]
        if not gone or self._known(_key(path)) is not None:
            return None
        content = content_hash(path)
        for key, known, text in gone:
            if known == content:
                row = {**json.loads(text), **named(path)}
                if "path_base64" not in named(path):
                    row.pop("path_base64", None)
                self._db.execute(
                    "update files set key = ?, changed = ?, row = ? where key = ?",
                    (_key(path), changed, json.dumps(row, ensure_ascii=False), key),
                )
                self.set_note("stale", "yes")
                return row
        return None

    def accept(self, path: str) -> None:
        """Take a file's present bytes for those that were classified: only its tags have changed."""
        size, changed = fingerprint(path)
        self._db.execute(
            "update files set size = ?, changed = ?, content = ? where key = ? and row is not null",
            (size, changed, content_hash(path), _key(path)),
        )

    def rows(self) -> Iterator[Row]:
        """Yield all results in the order in which they came."""
        found = self._db.execute("select row from files where row is not null order by number")
        for (text,) in found:
            yield json.loads(text)

    def count(self) -> int:
        """Return how many results there are."""
        (count,) = self._db.execute("select count(*) from files where row is not null").fetchone()
        return int(count)

    def note(self, key: str) -> str | None:
        """Return what was noted under ``key``: of the file of results, its length and layout."""
        found = self._db.execute("select value from about where key = ?", (key,)).fetchone()
        return found[0] if found else None

    def set_note(self, key: str, value: str) -> None:
        """Note something, within a transaction."""
        self._db.execute("insert or replace into about values (?, ?)", (key, value))

    def close(self) -> None:
        """Give back what was taken and not finished, and close the database."""
        with contextlib.suppress(sqlite3.ProgrammingError), self.transaction():
            self._db.execute("delete from files where owner = ? and row is null", (self.owner,))
            self._db.execute(
                "update files set owner = null, until = null, changed = -2 where owner = ?",
                (self.owner,),
            )
        self._db.close()

    def _known(self, key: bytes) -> _File | None:
        found = self._db.execute(
            "select size, changed, content, row, failed, owner, until from files where key = ?",
            (key,),
        ).fetchone()
        return None if found is None else _File(*found)


class _File:
    """One row of the table."""

    def __init__(
        self,
        size: int,
        changed: int,
        content: str | None,
        row: str | None,
        failed: int | None,
        owner: str | None,
        until: float | None,
    ) -> None:
        self.size, self.changed, self.content = size, changed, content
        self.row, self.failed, self.owner, self.until = row, failed, owner, until

    @property
    def again(self) -> bool:
        """Whether it failed for a reason that may be over, or is being done again."""
        if self.owner is not None:
            return True
        return bool(self.failed) and json.loads(self.row or "{}").get("reason") in _OUTSIDE

    @property
    def verdict(self) -> Taken:
        return Taken.FAILED if self.failed else Taken.DONE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _File) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def _owner() -> str:
    """Return a name for this process that says which it is, on which machine, started when."""
    pid = os.getpid()
    return f"{platform.node()} {pid} {_start_time(pid)} {uuid.uuid4().hex[:8]}"


def _key(path: str) -> bytes:
    return os.fsencode(os.path.abspath(path))


def _fingerprint(path: str) -> tuple[int, int]:
    try:
        return fingerprint(path)
    except AudioError:
        return (-1, -1)


def _same_content(path: str, content: str | None) -> bool:
    try:
        return content is not None and content_hash(path) == content
    except AudioError:
        return False


def _alive(owner: str, until: float | None) -> bool:
    """Return whether the process that took a file may still be at it."""
    node, pid, start, _ = owner.rsplit(" ", 3)
    if node == platform.node() and os.name == "posix":
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        # A number is used again; the time of start tells.
        return start in ("", _start_time(int(pid)))
    return until is not None and time.time() < until


def _start_time(pid: int) -> str:
    """Return when a process started, where the system tells (Linux), else ''; '?' where it is dead."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    # A process that was killed stays listed, as "Z", until its parent takes note.
    return "?" if fields[0] == b"Z" else fields[19].decode()
