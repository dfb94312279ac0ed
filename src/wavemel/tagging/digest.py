"""Hashes of files and of parts of files, read piece by piece."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

PIECE = 1 << 20


class Digest:
    """A SHA-256 over parts, each with its length, so that two ways to cut never look alike."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Add one part."""
        self._hash.update(len(data).to_bytes(8, "big"))
        self._hash.update(data)

    def stream(self, file: BinaryIO, start: int, size: int | None = None) -> None:
        """Add ``size`` bytes of ``file`` from ``start`` on, or all to its end, as one part."""
        end = file.seek(0, 2)
        size = max(0, end - start) if size is None else max(0, min(size, end - start))
        self._hash.update(size.to_bytes(8, "big"))
        file.seek(start)
        while size:
            piece = file.read(min(PIECE, size))
            self._hash.update(piece)
            size -= len(piece)

    def hex(self) -> str:
        """Return the hash of all parts so far."""
        return self._hash.hexdigest()


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
