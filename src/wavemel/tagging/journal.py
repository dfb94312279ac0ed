"""The journal of what was written: enough to take it back, on disk before a file is replaced.

One JSON object a line. ``write``: path, genres before and after, hashes of the
file before and after; ``store`` and ``name``, where the results of a store stood for
the file, under that name. ``undo``: a write was taken back; ``before_hash`` is the
state that was brought back, ``after_hash`` that of the file that now holds it
(other bytes for the same tags: padding, the version of ID3).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

import platformdirs

from wavemel.errors import DataError
from wavemel.tagging.files import Written, sync_folder

#: Environment variable that names another folder for journals, and for what a watch remembers.
FOLDER = "WAVEMEL_STATE"
#: How every journal begins, or what a killed run left of it.
_BEGINNINGS = tuple(f'{{"op": "{op}", "path": "'.encode() for op in ("write", "undo"))


@dataclass(frozen=True)
class Entry:
    """One line of a journal."""

    op: str
    path: str
    before: list[str]
    after: list[str]
    before_hash: str
    after_hash: str
    time: str = ""
    store: str = ""
    name: str = ""


class Journal:
    """A file that entries are appended to; it is made with the first one."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    def begin(self) -> None:
        """Make sure, before anything is written, that entries may be appended.

        Raises
        ------
        DataError
            There is such a file already, and it is no journal, or cannot be read or written;
            or none can be made there.
        OSError
            The disk is full.
        """
        with self._told():
            start = self._start()
        line = start.partition(b"\n")[0]
        ours = line and any(b.startswith(line) or line.startswith(b) for b in _BEGINNINGS)
        if start and not ours:
            raise DataError(
                f"{self.path} is no journal of 'wavemel tag' and was left as it is: "
                "give another --journal"
            )

    def _start(self) -> bytes:
        """Return how the file begins, b"" where it is still to be made."""
        there = self.path.exists()
        if there and not self.path.is_file():
            raise DataError(f"the journal {self.path} is no file: give another --journal")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path if there else self.path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not there:
            return b""
        with self.path.open("rb") as file:
            return file.read(len(_BEGINNINGS[0]))

    def append(self, op: str, written: Written, store: str = "", name: str = "") -> None:
        """Add an entry and return once it is on the disk.

        Parameters
        ----------
        store, name : path of the store whose result stands for the file, and the file's name there.

        Raises
        ------
        DataError
            The journal cannot be written, or the file is no journal.
        OSError
            The disk is full.
        """
        entry = Entry(
            op,
            written.path,
            written.before,
            written.after,
            written.before_hash,
            written.after_hash,
            datetime.now(UTC).isoformat(timespec="seconds"),
            store,
            name,
        )
        self.begin()
        # ASCII: names of files that are no UTF-8 come back as they were.
        line = json.dumps(asdict(entry)).encode("ascii") + b"\n"
        with self._told():
            self._append(line)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the system says of the journal into a DataError; a full disk concerns all files."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DataError(
                f"the journal {self.path} cannot be written: {error.strerror}; "
                "no file was tagged without it"
            ) from error

    def _append(self, line: bytes) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        handle = os.open(self.path, flags, 0o600)
        try:
            end = os.lseek(handle, 0, os.SEEK_END)
            if end:
                os.lseek(handle, end - 1, os.SEEK_SET)
                if os.read(handle, 1) != b"\n":
                    line = b"\n" + line  # A killed run left half a line.
            # One call, so that two runs on one journal do not mix their lines.
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
        if not end:
            sync_folder(str(self.path.parent))

    def entries(self) -> tuple[list[Entry], list[int]]:
        """Return the entries in the order written, and the numbers of lines that hold none.

        Half a line is what a killed run leaves; the file it was about was not
        replaced.

        Raises
        ------
        DataError
            The file is missing or is no journal.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise DataError(f"the journal {self.path} cannot be read: {error.strerror}") from error
        entries, broken = [], []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entries.append(Entry(**json.loads(line)))
            except (ValueError, TypeError):
                broken.append(number)
        if broken and not entries and (len(lines) > 1 or not lines[0].startswith(b'{"op"')):
            raise DataError(f"{self.path} is no journal of 'wavemel tag'")
        return entries, broken


def own_state() -> Path | None:
    """Return the folder that the user's environment names for journals and the like, if any."""
    own = os.environ.get(FOLDER)
    return Path(own) if own else None


def journals() -> Path:
    """Return the folder where journals lie by default."""
    return own_state() or platformdirs.user_state_path("wavemel") / "tags"


def watches() -> Path:
    """Return the folder where the results of watches lie by default."""
    return (own_state() or platformdirs.user_state_path("wavemel")) / "watch"


def new_journal() -> Path:
    """Return a path for the journal of this run."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return journals() / f"{now}-{os.getpid()}.jsonl"


def last_journal() -> Path:
    """Return the newest journal; raise DataError if there is none."""
    # By the form of `new_journal`'s names: results may lie in a folder of the user's own, too.
    found = sorted(journals().glob("[0-9]*T[0-9]*-[0-9]*.jsonl"))
    if not found:
        raise DataError(f"there is no journal in {journals()}: name the one to undo")
    return found[-1]
