"""The program, run as a user types it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ran:
    code: int
    out: bytes
    err: str

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.out.decode("utf-8").splitlines()]


Run = Callable[..., Ran]


def paths_in(out: Path) -> list[str]:
    return sorted(json.loads(line)["path"] for line in out.read_text().splitlines())


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
