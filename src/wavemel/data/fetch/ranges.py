"""A file on a web server as a seekable file, so that `zipfile` reads a remote archive's parts in place.

`zipfile` does all that concerns the zip format. (remotezip offers the same over
``requests``, but neither retries a cut answer nor notices that the archive changed.)
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavemel.data.fetch.http import (
    PassingError,
    Retries,
    Validators,
    content_range,
    request,
    validators_of,
)
from wavemel.errors import DataError

if TYPE_CHECKING:
    import httpx
    from _typeshed import WriteableBuffer

#: What tells where an archive's central directory begins is within its last 64 KiB.
TAIL = 1 << 16
READ_AHEAD = 1 << 16
BLOCK = 4 << 20


class RangeFile(io.RawIOBase):
    """Read-only view of a remote file; every read that is not in a window already is one Range request.

    Parameters
    ----------
    client : from `open_client`.
    url : the file.
    retries : how to try again.

    Raises
    ------
    DataError
        The server has no Range requests, or the file changed between two of them.
    """

    def __init__(self, client: httpx.Client, url: str, retries: Retries | None = None) -> None:
        self._client, self.url = client, url
        self._retries = retries or Retries()
        self._windows: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._at = 0
        self._known = Validators()
        tail = self._request(f"bytes=-{TAIL}")
        if self._known.size is None:
            raise DataError(f"{url}: the server does not tell the size of the file")
        self.size = self._known.size
        self._windows[self.size - len(tail)] = tail

    def fetch(self, start: int, stop: int, advance: Callable[[float], None] | None = None) -> bytes:
        """Return bytes ``start`` to ``stop`` of the remote file; any thread may call this.

        They come a block at a time, so that a broken connection costs one block;
        ``advance`` is told the size of each.
        """
        # A copy: other threads add and drop windows meanwhile.
        for held, data in list(self._windows.items()):
            if held <= start and stop <= held + len(data):
                return data[start - held : stop - held]
        pieces = []
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            pieces.append(self._request(f"bytes={first}-{last - 1}", first, last - first))
            if advance is not None:
                advance(last - first)
        return b"".join(pieces)

    def hold(self, start: int, data: bytes) -> None:
        """Keep bytes that were fetched, so that reading there makes no request."""
        self._windows[start] = data

    def drop(self, start: int) -> None:
        """Forget bytes that were kept."""
        self._windows.pop(start, None)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; see `io.IOBase.seek`."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill ``buffer`` as far as the file goes; see `io.RawIOBase.readinto`."""
        view = memoryview(buffer).cast("B")[: max(0, self.size - self._at)]
        filled = 0
        while filled < len(view):
            piece = self._held(len(view) - filled)
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._at += len(piece)
        return filled

    def _held(self, want: int) -> bytes:
        """Return at most ``want`` bytes from here on, fetched if they are in no window."""
        for start, data in self._windows.items():
            offset = self._at - start
            if 0 <= offset < len(data):
                return data[offset : offset + want]
        ahead = self.fetch(self._at, min(self.size, self._at + max(want, READ_AHEAD)))
        self._windows[self._at] = ahead
        return ahead[:want]

    def _request(self, wanted: str, start: int | None = None, length: int | None = None) -> bytes:
        while True:
            try:
                return self._attempt(wanted, start, length)
            except PassingError as fault:
                with self._lock:
                    self._retries.wait(fault, self.url)

    def _attempt(self, wanted: str, start: int | None, length: int | None) -> bytes:
        with request(self._client, self.url, {"Range": wanted}) as response:
            if response.status_code != 206:
                raise DataError(
                    f"{self.url}: the server has no Range requests, so a slice cannot be fetched from it: "
                    "fetch the whole archive (without --per-genre), or give another address with --url"
                )
            answer = validators_of(response)
            if answer.differ(self._known):
                raise DataError(f"{self.url} changed while it was read: run the same command again")
            first = content_range(response)[0]
            data = b"".join(response.iter_raw())
        expected = length if length is not None else (answer.size or 0) - first
        if (start is not None and first != start) or len(data) != expected:
            raise PassingError(f"{len(data)} of {expected} bytes came")
        self._known = answer
        self._retries.succeeded()
        return data
