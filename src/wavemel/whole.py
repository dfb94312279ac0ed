"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


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
        if folder.exists():
            replaceable(folder)
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            os.replace(folder, old)
            os.replace(part, folder)
            shutil.rmtree(old)
        else:
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def umask() -> int:
    """Return the access rights that this process's new files do not get."""
    # It can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
