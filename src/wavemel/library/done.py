"""What becomes of a file."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wavemel.outputs.rows import Row


@dataclass(frozen=True)
class Done:
    """A file's row; ``content``: hash of its bytes, where they were to be hashed."""

    path: str
    row: Row
    content: str | None = None


class Taken(enum.Enum):
    """Answer of `Store.take`."""

    YOURS = "to be classified by the caller"
    DONE = "done before, and unchanged"
    FAILED = "failed before, and unchanged"
    BUSY = "in the hands of another process"
