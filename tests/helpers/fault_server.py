"""A local web server for files, with faults on demand and a count of every byte it sends."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from local_server import running


@dataclass(frozen=True)
class Cut:
    """Close the connection after so many bytes of the answer's body."""

    after: int


@dataclass(frozen=True)
class Answer:
    """Answer with an error."""

    status: int
    retry_after: str = ""


@dataclass(frozen=True)
class Flip:
    """Send one byte of the file wrong, in the first answer that holds it."""

    position: int


@dataclass
class Request:
    """One request as it was served."""

    path: str
    range: str | None
    if_range: str | None
    when: float
    status: int = 0
    first: int = 0
    sent: int = 0


@dataclass
class Server:
    """What the tests see and set; ``faults`` are used up one a request."""

    url: str
    files: dict[str, bytes]
    faults: list[Cut | Answer | Flip | None] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    ranges: bool = True
    validators: bool = True
    pause: float = 0.0
    block: int = 1 << 16

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.requests)

    def body_requests(self, name: str) -> list[Request]:
        return [r for r in self.requests if r.path == name and r.status in (200, 206)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def setup(self) -> None:
        # A small buffer, so that what was sent is close to what has arrived.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        super().setup()

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        state, name = self.state, self.path.lstrip("/")
        served = Request(name, self.headers["Range"], self.headers["If-Range"], time.monotonic())
        state.requests.append(served)
        fault = state.faults.pop(0) if state.faults else None
        if isinstance(fault, Answer) or name not in state.files:
            served.status = fault.status if isinstance(fault, Answer) else 404
            self.send_response(served.status)
            if isinstance(fault, Answer) and fault.retry_after:
                self.send_header("Retry-After", fault.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = state.files[name]
        etag = f'"{hashlib.sha1(data).hexdigest()[:12]}"'
        first, stop, served.status = 0, len(data), 200
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", served.range or "")
        if wanted and state.ranges and served.if_range in (None, etag):
            if wanted[1]:
                first = int(wanted[1])
                stop = min(stop, int(wanted[2]) + 1) if wanted[2] else stop
            else:
                first = max(0, stop - int(wanted[2]))
            served.status = 206 if first < len(data) else 416
        served.first = first
        body = b"" if served.status == 416 else data[first:stop]
        if isinstance(fault, Flip):
            at = fault.position - first
            if 0 <= at < len(body):
                body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            else:
                state.faults.insert(0, fault)
        self.send_response(served.status)
        self.send_header("Content-Length", str(len(body)))
        if state.validators:
            self.send_header("ETag", etag)
        if served.status == 206:
            self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(data)}")
        self.end_headers()
        if isinstance(fault, Cut):
            body = body[: fault.after]
        for start in range(0, len(body), state.block):
            piece = body[start : start + state.block]
            try:
                self.wfile.write(piece)
            except OSError:
                return
            served.sent += len(piece)
            if state.pause:
                time.sleep(state.pause)
        if isinstance(fault, Cut):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve(folder: Path | None = None, **files: bytes) -> Iterator[Server]:
    """Serve the files of a folder (read once) and those given, on a port of the machine's choosing."""
    state = Server("", dict(files))
    if folder is not None:
        state.files |= {
            f.relative_to(folder).as_posix(): f.read_bytes()
            for f in folder.rglob("*")
            if f.is_file()
        }
    handler = type("Handler", (_Handler,), {"state": state})
    with running(handler) as address:
        state.url = f"{address}/"
        yield state
