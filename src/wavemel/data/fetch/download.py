"""One file from a web server: resumed after any interruption, hashed while it comes, whole or not there."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from wavemel.data.fetch.http import (
    PassingError,
    Retries,
    Validators,
    content_range,
    open_client,
    request,
    validators_of,
)
from wavemel.errors import DataError
from wavemel.progress import Ticker, progress

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)
BLOCK = 1 << 20
#: Kept free beside what is fetched, so that the disk is not filled to the last byte.
SPARE = 64 << 20


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    sha1: str | None = None,
    retries: Retries | None = None,
    extra_space: float = 0.0,
) -> Path:
    """Fetch ``url`` to ``target``; what an earlier call left unfinished is gone on with.

    Bytes go to ``target.part``, the server's validators to ``target.part.json``;
    ``target`` appears, by one rename, only when the SHA-1 is right. A file that
    is already there is hashed, not fetched.

    Parameters
    ----------
    url : http or https address.
    target : file to write.
    sha1 : what the file's SHA-1 must be; without it the size alone is checked.
    retries : how to try again.
    extra_space : disk needed besides the file, as a share of its size
        (1 for an archive that will be unpacked beside itself).

    Raises
    ------
    DataError
        The server refuses, the disk is too small, the SHA-1 is wrong, or
        another process fetches the same file.
    """
    target = Path(target)
    if target.exists():
        return verify(target, sha1)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with _locked(part) as file, open_client() as client:
        fetched = _Part(file, part.with_name(part.name + ".json"), url)
        fetched.load()
        with progress(
            f"fetching {target.name}", fetched.known.size, unit="bytes", done=fetched.have
        ) as ticker:
            fetched.run(client, retries or Retries(), ticker, extra_space)
        found = fetched.digest.hexdigest()
        wrong = sha1 is not None and found != sha1.lower()
        if wrong:
            fetched.discard()
        os.fsync(file.fileno())
    # Windows moves and removes no open file.
    if wrong:
        part.unlink()
        raise DataError(
            f"{url}: what arrived is not the right file (its SHA-1 is {found}, not {sha1}) and "
            "was removed: run the same command again, or give another address with --url"
        )
    os.replace(part, target)
    fetched.state_file.unlink(missing_ok=True)
    return target


def verify(file: Path, sha1: str | None) -> Path:
    """Return ``file`` after hashing it; raise DataError where its SHA-1 is another."""
    if sha1 is None:
        return file
    digest = hashlib.sha1(usedforsecurity=False)
    with (
        open(file, "rb") as stream,
        progress(f"checking {file.name}", file.stat().st_size, unit="bytes") as ticker,
    ):
        _hash(stream, digest, ticker)
    if digest.hexdigest() != sha1.lower():
        raise DataError(
            f"{file} exists but is not the right file (its SHA-1 is {digest.hexdigest()}, not {sha1}): "
            "move it away and run the same command again"
        )
    return file


def check_space(folder: Path, needed: float, what: str) -> None:
    """Raise DataError where the disk of ``folder`` has not ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise DataError(
            f"{what} needs {_gib(needed + SPARE)} on the disk of {folder}, where {_gib(free)} are free: "
            "free some, or choose another folder with --to"
        )


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"


def _hash(stream: BinaryIO, digest: hashlib._Hash, ticker: Ticker) -> None:
    while block := stream.read(BLOCK):
        digest.update(block)
        ticker.advance(len(block))


class _Part:
    """The unfinished file: its bytes, their hash so far, and the version of the file they belong to."""

    def __init__(self, file: BinaryIO, state_file: Path, url: str) -> None:
        self.file, self.state_file, self.url = file, state_file, url
        self.digest = hashlib.sha1(usedforsecurity=False)
        self.have = self.furthest = 0
        self.known = Validators()

    def run(
        self, client: httpx.Client, retries: Retries, ticker: Ticker, extra_space: float
    ) -> None:
        """Fetch what is missing, however often the connection breaks."""
        while True:
            try:
                if self._attempt(client, retries, ticker, extra_space):
                    return
            except PassingError as fault:
                retries.wait(fault, self.url)

    def load(self) -> None:
        """Hash what an earlier call left; it counts only with the validators it came with."""
        try:
            stored = json.loads(self.state_file.read_text(encoding="utf-8"))
            known = Validators(**stored["validators"])
        except (OSError, ValueError, TypeError, KeyError):
            self.discard()
            return
        there = os.fstat(self.file.fileno()).st_size
        if stored.get("url") != self.url or known.size is None or there > known.size:
            self.discard()
            return
        self.known = known
        self.file.seek(0)
        with progress("checking what is already here", there, unit="bytes") as ticker:
            _hash(self.file, self.digest, ticker)
        self.have = self.furthest = self.file.tell()

    def restart(self, ticker: Ticker) -> None:
        """Begin again with nothing."""
        ticker.advance(-self.have)
        self.discard()

    def discard(self) -> None:
        """Forget bytes, hash and validators, on disk too."""
        self.state_file.unlink(missing_ok=True)
        self.file.seek(0)
        self.file.truncate()
        self.digest = hashlib.sha1(usedforsecurity=False)
        self.have, self.known = 0, Validators()

    def _attempt(
        self, client: httpx.Client, retries: Retries, ticker: Ticker, extra_space: float
    ) -> bool:
        """Make one request and read it to its end; return whether the file is complete."""
        if self.have and self.have == self.known.size:
            return True
        headers = {}
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
            if self.known.strong:
                headers["If-Range"] = self.known.strong
        with request(client, self.url, headers) as response:
            if response.status_code == 416:
                # The file has become shorter than what is here.
                self.restart(ticker)
                return False
            answer = validators_of(response)
            if response.status_code == 206:
                if content_range(response)[0] != self.have or answer.differ(self.known):
                    self.restart(ticker)
                    return False
            elif self.have:
                log.info("%s has changed, or cannot be resumed: starting anew", self.url)
                self.restart(ticker)
            self._begin(answer, ticker, extra_space)
            for block in response.iter_raw():
                self._append(block)
                ticker.advance(len(block))
                # Only bytes never had before: a server that always breaks at one place must not hold us for ever.
                if self.have > self.furthest:
                    self.furthest = self.have
                    retries.succeeded()
        if answer.size is not None and self.have < answer.size:
            raise PassingError(f"the connection ended after {self.have} of {answer.size} bytes")
        return True

    def _begin(self, answer: Validators, ticker: Ticker, extra_space: float) -> None:
        if answer.size is not None:
            ticker.total(answer.size)
            needed = answer.size * (1 + extra_space) - self.have
            check_space(self.state_file.parent, needed, self.url.rsplit("/", 1)[-1])
        self.known = answer
        temporary = self.state_file.with_name(self.state_file.name + ".tmp")
        state = {"url": self.url, "validators": asdict(answer)}
        temporary.write_text(json.dumps(state), encoding="utf-8")
        os.replace(temporary, self.state_file)

    def _append(self, block: bytes) -> None:
        # The file is unbuffered: what was written survives the death of this process.
        view = memoryview(block)
        while view:
            view = view[self.file.write(view) :]
        self.digest.update(block)
        self.have += len(block)


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open the unfinished file for this process alone; the lock goes with the process."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    with open(descriptor, "r+b", buffering=0) as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows
            pass
        except BlockingIOError:
            raise DataError(f"another process is fetching {part.with_suffix('')}") from None
        yield file
