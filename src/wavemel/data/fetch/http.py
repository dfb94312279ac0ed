"""Reading from a web server that may fail: retries with back-off, and validators that tell a changed file."""

from __future__ import annotations

import email.utils
import logging
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import wavemel
from wavemel.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)
#: Answers that a later attempt may improve on (RFC 9110; 429 is RFC 6585).
PASSING = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_WAIT = 600.0
#: A person who watches should know why nothing moves for so many seconds.
TELL_FROM = 5.0


class PassingError(Exception):
    """A fault of network or server that a later attempt may not meet again."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass(frozen=True)
class Validators:
    """What a server says a file's version is; two equal ones mean the same bytes."""

    etag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def strong(self) -> str:
        """Return what If-Range may hold: a strong ETag, else the date, else nothing."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified

    def differ(self, other: Validators) -> bool:
        """Return whether two answers are surely about different bytes."""
        return any(
            mine and theirs and mine != theirs
            for mine, theirs in (
                (self.etag, other.etag),
                (self.modified, other.modified),
                (self.size, other.size),
            )
        )


@dataclass
class Retries:
    """How often and how patiently to try again; the count starts anew whenever bytes arrive."""

    attempts: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    failed: int = field(default=0, init=False)

    def succeeded(self) -> None:
        """Forget earlier faults."""
        self.failed = 0

    def wait(self, fault: PassingError, url: str) -> None:
        """Sleep before the next attempt; raise DataError when there were too many.

        The wait doubles from attempt to attempt, with jitter so that many
        clients do not come back at once; a server's Retry-After is obeyed.
        """
        self.failed += 1
        if self.failed >= self.attempts:
            raise DataError(
                f"{url}: {fault} ({self.failed} attempts failed in a row); "
                "what has arrived is kept, run the same command again to go on"
            )
        backoff = min(self.first_wait * 2 ** (self.failed - 1), self.longest_wait)
        pause = max(backoff * random.uniform(0.5, 1.0), min(fault.wait, LONGEST_WAIT))
        level = logging.WARNING if pause >= TELL_FROM else logging.INFO
        log.log(level, "%s: %s; next attempt in %.0f s", url, fault, pause)
        time.sleep(pause)


def open_client(timeout: float = 30.0) -> httpx.Client:
    """Return an HTTP client that follows redirects; raise MissingExtraError without httpx."""
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("fetch", "fetching data") from error
    return httpx.Client(
        timeout=timeout,
        follow_redirects=True,
        # The bytes are hashed and counted as they stand in the file, so no content coding.
        headers={"Accept-Encoding": "identity", "User-Agent": f"wavemel/{wavemel.__version__}"},
    )


@contextmanager
def request(
    client: httpx.Client, url: str, headers: dict[str, str] | None = None
) -> Iterator[httpx.Response]:
    """Open one streamed GET; what is inside the ``with`` may read ``iter_raw()``.

    Raises
    ------
    PassingError
        Connection refused, cut or timed out, or an answer that may pass.
    DataError
        An answer that will stay as it is (404, 403, ...).
    """
    import httpx

    try:
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code in PASSING:
                raise PassingError(
                    f"the server answers {response.status_code} {response.reason_phrase}",
                    _retry_after(response.headers.get("Retry-After", "")),
                )
            if response.status_code >= 400 and response.status_code != 416:
                raise DataError(
                    f"{url}: the server answers {response.status_code} {response.reason_phrase}: "
                    "check the address (--url)"
                )
            yield response
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise DataError(f"{url} cannot be opened: {error}") from error
    except httpx.TransportError as error:
        raise PassingError(str(error) or type(error).__name__) from error


def _retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header (seconds or a date) asks to wait."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


def validators_of(response: httpx.Response) -> Validators:
    """Return what an answer (200 or 206) says of the whole file's version and size."""
    size: int | None
    if response.status_code == 206:
        size = content_range(response)[1]
    else:
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else None
    return Validators(
        response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""), size
    )


def content_range(response: httpx.Response) -> tuple[int, int | None]:
    """Return the first byte of a 206 answer and the size of the whole, if told."""
    match = re.fullmatch(
        r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip()
    )
    if match is None:
        raise DataError(
            f"{response.url}: the server's answer to a Range request cannot be understood"
        )
    return int(match[1]), int(match[2]) if match[2] != "*" else None
