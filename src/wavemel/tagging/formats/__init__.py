"""How each kind of audio file keeps its genres: one module a kind, found by content.

A module registers an object that reads and writes the genres with mutagen,
and that tells, by a parser of its own, everything else in the file apart from
the genres: a write that changed any of that is thrown away.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from wavemel.audio.mpeg import after_zeros
from wavemel.audio.sniff import HEAD
from wavemel.registry import Registry
from wavemel.tagging import foreign
from wavemel.tagging.errors import TagError, require_mutagen


class DamagedError(ValueError):
    """A file whose structure does not hold."""


class TagFormat(Protocol):
    """What every kind of file offers; files are open for reading (and writing) in binary mode.

    Formats inherit from it what they have no need to say.
    """

    #: Formats are asked in this order, lowest first: sure signs before guesses.
    order: int

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether ``file``, which starts with ``head`` after any ID3v2 tags, is of this kind."""
        ...

    def read(self, file: BinaryIO) -> list[str]:
        """Return the genres."""
        ...

    def elsewhere(self, file: BinaryIO) -> list[str]:
        """Return the genres of tags that are never written; they count where `read` finds none."""
        return []

    def check(self, file: BinaryIO) -> None:
        """Raise DamagedError where a look at the structure tells that genres cannot be written."""
        return

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace the genres, in place."""
        ...

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return two digests: of the audio with all that is no tag, and of the other tags."""
        ...


FORMATS: Registry[TagFormat] = Registry("tag format", __name__)


def format_of(file: BinaryIO, path: str) -> TagFormat:
    """Return the format of an open file, judged by its content; raise TagError for an unknown one."""
    start = after_id3(file)
    head = _read(file, start)
    what = foreign.foreign(head) or foreign.foreign(_read(file, after_zeros(file, start)))
    if what is not None:
        raise TagError(path, f"is {what}: it was left alone")
    for _, known in sorted(FORMATS.items(), key=lambda item: item[1].order):
        if known.matches(file, head):
            return known
    raise TagError(
        path,
        "holds nothing that genres can be written to: tags go into "
        f"{', '.join(sorted(FORMATS))} files",
    )


def id3_size(header: bytes) -> int:
    """Return the size of the ID3v2 tag that starts with these 10 bytes, without its footer; 0 if none does."""
    if len(header) < 10 or header[:3] != b"ID3" or max(header[6:10]) > 0x7F:
        return 0
    a, b, c, d = header[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def after_id3(file: BinaryIO) -> int:
    """Return where the content of a file begins: after any ID3v2 tags."""
    start = 0
    while True:
        file.seek(start)
        size = id3_size(file.read(10))
        if not size:
            return start
        start += size


def _read(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    return file.read(HEAD)


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn what mutagen and our parsers say of a damaged file into a TagError."""
    require_mutagen()
    from mutagen import MutagenError

    # Beside its own errors, mutagen lets these through where a file is cut or garbled.
    garbled = (
        MutagenError, ValueError, IndexError, KeyError, EOFError, OverflowError,
        AssertionError, TypeError, struct.error,
    )  # fmt: skip
    try:
        yield
    except garbled as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise TagError(path, f"its tags cannot be read or written: {said}") from error
