"""Clips on this disk against the list of SHA-1 that came with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wavemel.data.fetch.archives import read_checksums
from wavemel.errors import DataError
from wavemel.progress import progress

LIST = "checksums"
BLOCK = 1 << 20


def verify_folder(folder: Path) -> int:
    """Hash every file that ``folder/checksums`` names; return how many are right.

    Raises
    ------
    DataError
        The list cannot be read, or files are missing or differ.
    """
    file = folder / LIST
    try:
        sums = read_checksums(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file} cannot be read, so the files beside it cannot be checked: {error}"
        ) from error
    wrong = []
    with progress(f"checking {folder.name}", len(sums)) as ticker:
        for name, sha1 in sums.items():
            if _sha1(folder / name.removeprefix(f"{folder.name}/")) != sha1:
                wrong.append(name)
            ticker.advance()
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(sums)} files in {folder} are missing or not the right ones "
            f"(first: {wrong[0]}): move the folder away and run the same command again"
        )
    return len(sums)


def _sha1(file: Path) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        with open(file, "rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
