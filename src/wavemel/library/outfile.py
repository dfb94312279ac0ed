"""The file of results beside its store: rows are appended as they come, and stand in it once."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from wavemel.errors import ConfigError
from wavemel.library.done import Done
from wavemel.library.store import Store
from wavemel.outputs import Layout, Output
from wavemel.outputs.rows import Row
from wavemel.whole import umask


def regular(out: Path) -> Path:
    """Return the file of results that a name means, links followed.

    Raises
    ------
    ConfigError
        It is a pipe or a device, in which no row can be replaced.
    """
    if out.is_symlink():
        out = Path(os.path.realpath(out))
    if out.exists() and not out.is_file() and not out.is_dir():
        raise ConfigError(f"--out {out} is no file: redirect standard output, as in > {out}")
    return out


def store_path(out: Path) -> Path:
    """Return where the store of a file of results lies: beside it."""
    return out.with_name(out.name + ".state")


#: Characters that `tempfile` adds to a name.
_RANDOM = 8


class OutFile:
    """A file of results that follows its store.

    A row is committed to the store before it is appended to the file: the file never holds what
    the store does not. A process that is stopped in between leaves rows for the next one to append,
    or a file whose length is not the one that the store knows; that is written anew, and what
    somebody else has made of it is put aside.

    Parameters
    ----------
    path : the file.
    output, layout : its format and what it holds.
    say : told, in a sentence, where a file was put aside.

    Raises
    ------
    ConfigError
        There is such a file already, of other origin, or no folder for it.
    MissingExtraError
        The format needs a library that is not installed.
    """

    def __init__(
        self,
        path: Path,
        output: Output,
        layout: Layout,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        output.check()
        if not path.parent.is_dir():
            raise ConfigError(f"--out {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise ConfigError(f"--out {path} is a folder: give the name of a file")
        if _too_long(path):
            raise ConfigError(
                f"--out {path}: its name is too long, for beside it lie others that begin with it: "
                "give a shorter one"
            )
        if path.exists() and path.stat().st_size and not store_path(path).exists():
            raise ConfigError(
                f"--out {path} exists, and no {store_path(path).name} beside it to continue: "
                "give another name, or remove it"
            )
        self.path, self._output, self._layout, self._say = path, output, layout, say
        # A row of another format or layout must not follow those that are there.
        self._shape = f"{type(output).__name__} {layout!r}"

    def begin(self, store: Store) -> None:
        """Bring the file to where the store is."""
        with store.transaction():
            if self._output.appendable:
                self._catch_up(store)

    def add(self, store: Store, done: Done) -> None:
        """Keep one result, in the store and in the file."""
        with store.transaction():
            if store.finish(done):
                store.set_note("stale", "yes")  # the file still holds the older row
        if self._output.appendable:
            with store.transaction():
                self._catch_up(store)

    def end(self, store: Store) -> None:
        """Leave the file whole: every row of the store, each once."""
        with store.transaction():
            if not self._output.appendable or store.note("stale") == "yes":
                self._rewrite(store)
            else:
                self._catch_up(store)

    def _catch_up(self, store: Store) -> None:
        """Append what the store has and the file has not: also what other processes have left to do."""
        if not self._fits(store):
            self._rewrite(store)
            return
        rows = list(store.rows(after=store.written()))
        if rows:
            with self.path.open("ab") as file:
                self._write(file, rows)
                length = file.tell()
            self._note(store, length)

    def _write(self, file: BinaryIO, rows: Iterable[Row]) -> None:
        writer = self._output.open(file, self._layout)
        for row in rows:
            writer.write(row)
        writer.close()

    def _note(self, store: Store, length: int) -> None:
        """Note that a file of this length holds all rows."""
        store.set_note("bytes", str(length))
        store.set_note("written", str(store.last()))

    def _fits(self, store: Store) -> bool:
        try:
            length = str(self.path.stat().st_size)
        except OSError:
            return False
        return store.note("bytes") == length and store.note("layout") == self._shape

    def _rewrite(self, store: Store) -> None:
        self._sweep()
        handle, name = tempfile.mkstemp(prefix=_prefix(self.path), dir=self.path.parent)
        part = Path(name)
        try:
            with open(handle, "wb") as file:
                self._write(file, store.rows())
            part.chmod(self._mode())
            length = part.stat().st_size
            self._put_aside(store, part)
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)
        self._note(store, length)
        store.set_note("layout", self._shape)
        store.set_note("stale", "no")

    def _mode(self) -> int:
        try:
            return stat.S_IMODE(self.path.stat().st_mode)
        except FileNotFoundError:
            return 0o666 & ~umask()

    def _put_aside(self, store: Store, new: Path) -> None:
        """Rename the file where it is not as it was left, unless all of it stands in the new one."""
        try:
            length = self.path.stat().st_size
        except FileNotFoundError:
            return
        if str(length) == store.note("bytes") or _begins(new, self.path):
            return
        aside = _free(self.path)
        os.rename(self.path, aside)
        self._say(
            f"{self.path} was not as wavemel had left it (changed by another program, or a run was "
            f"killed): it is written anew, and kept as it was in {aside.name}"
        )

    def _sweep(self) -> None:
        """Remove what processes that were killed while writing have left: one writes at a time."""
        with os.scandir(self.path.parent) as entries:
            for entry in entries:
                rest = entry.name.removeprefix(_prefix(self.path))
                if rest != entry.name and len(rest) == _RANDOM and "." not in rest:
                    os.unlink(entry.path)


def _prefix(path: Path) -> str:
    """Return how the names of files begin that are to take a file's place; others may begin with its own."""
    return f".{path.name}.wavemel-"


def _begins(whole: Path, part: Path) -> bool:
    """Return whether a file begins with all that another holds."""
    with whole.open("rb") as long, part.open("rb") as short:
        while chunk := short.read(1 << 20):
            if long.read(len(chunk)) != chunk:
                return False
    return True


def _free(path: Path) -> Path:
    """Return a name beside a file that none has."""
    aside = path.with_name(f"{path.name}.old")
    number = 2
    while os.path.lexists(aside):
        aside = path.with_name(f"{path.name}.old{number}")
        number += 1
    return aside


def _too_long(path: Path) -> bool:
    """Return whether the folder takes no names as long as those of the files beside."""
    try:
        os.lstat(path.with_name(_prefix(path) + "x" * _RANDOM))
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False
