"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: How the hidden name ends of a folder that is being replaced.
_OLD = ".replaced-by-wavemel"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the path of a file that becomes ``path`` when all went well; an old one is replaced."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8, moved into place when whole; return its path."""
    with new_file(path) as part:
        part.write_text(text, "utf-8")
    return path


@contextmanager
def new_folder(folder: Path, replaceable: Callable[[Path], None]) -> Iterator[Path]:
    """Yield an empty folder that becomes ``folder`` when all went well; an old one is deleted.

    Parameters
    ----------
    folder : where it will lie.
    replaceable : called with ``folder`` where it is there already, just before it is deleted with
        all in it; raises where it must stay, which is then as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    part.chmod(0o777 & ~umask())
    try:
        yield part
        while folder.exists():
            replaceable(folder)
            if _replaced(folder, part):
                return
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        put_back(folder.parent)


def _replaced(folder: Path, part: Path) -> bool:
    """Put ``part`` in the place of ``folder``, and the old one in its; False where that is to be tried again."""
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_OLD, dir=folder.parent))
    os.replace(folder, old)
    try:
        os.replace(part, folder)
    except OSError:
        if folder.exists():
            return False  # another process has put it back, as if this one had been killed
        raise
    os.replace(old, part)
    return True


def put_back(place: Path) -> None:
    """Give old folders in ``place`` their name again whose new one never came.

    A process that is killed while it replaces a folder (see `new_folder`) may leave the old one
    under a hidden name, and none under its own.
    """
    try:
        hidden = [entry for entry in place.iterdir() if entry.name.endswith(_OLD)]
    except OSError:
        return
    for old in hidden:
        name = old.name.removesuffix(_OLD).rpartition(".")[0].removeprefix(".")
        # Where it may not be renamed, or is put back by another process, it stays as it is.
        with suppress(OSError):
            if name and any(old.iterdir()) and not (place / name).exists():
                old.rename(place / name)


def umask() -> int:
    """Return the access rights that this process's new files do not get."""
    # It can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
