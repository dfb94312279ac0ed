"""What a store knows of one file, and whether that file is still the same."""

from __future__ import annotations

import json
from dataclasses import dataclass

from wavemel.audio.locate import content_hash, fingerprint
from wavemel.errors import AudioError
from wavemel.library.done import Taken

#: Failures that lie outside of the file and may be over: they are tried again in every run.
_OUTSIDE = ("permission", "missing", "no-decoder", "memory", "loop", "changing")
#: What to ask a store for, by a file's key.
SELECT = "select size, changed, content, row, failed, owner, until from files where key = ?"
#: Size and time of change of a file that cannot be looked at.
_UNSEEN = (-1, -1)


@dataclass(frozen=True)
class Known:
    """One row of the table: the file as it was when it was taken, its result, and who is at it."""

    size: int
    changed: int
    content: str | None
    row: str | None
    failed: int | None
    owner: str | None
    until: float | None

    def stands_for(self, path: str) -> bool:
        """Return whether it has a result, and the file has the bytes that this is of."""
        return self.row is not None and (self.untouched(path) or same_content(path, self.content))

    def untouched(self, path: str) -> bool:
        """Return whether the file, by size and time of change, is the one that was classified."""
        return self.owner is None and (self.size, self.changed) == looked_at(path)

    @property
    def again(self) -> bool:
        """Whether it failed for a reason that may be over, or is being done again."""
        if self.owner is not None:
            return True
        return bool(self.failed) and json.loads(self.row or "{}").get("reason") in _OUTSIDE

    @property
    def verdict(self) -> Taken:
        """What becomes of a file that is done."""
        return Taken.FAILED if self.failed else Taken.DONE


def looked_at(path: str) -> tuple[int, int]:
    """Return size and time of change of a file; of one that cannot be looked at, what no file has."""
    try:
        return fingerprint(path)
    except AudioError:
        return _UNSEEN


def same_content(path: str, content: str | None) -> bool:
    """Return whether a file's bytes have a hash; False where it cannot be read, or there is no hash."""
    try:
        return content is not None and content_hash(path) == content
    except AudioError:
        return False
