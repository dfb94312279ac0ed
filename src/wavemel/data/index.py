"""The scan's memory: findings by path, size and time of change, in one SQLite file."""

from __future__ import annotations

import dataclasses
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from wavemel.data.examine import PASSING, VERSION, Finding
from wavemel.errors import DataError

T = TypeVar("T")

log = logging.getLogger(__name__)

_FIELDS = tuple(field.name for field in dataclasses.fields(Finding))
_KEY = ("path", "size", "changed")


class ScanIndex:
    """Findings that survive; each call of `put` is durable once it returns.

    A damaged index is set aside and begun anew: it holds nothing that a scan
    cannot find again.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._mended(self._open)

    def _open(self) -> None:
        self._db = sqlite3.connect(self.file, timeout=60)
        columns = ", ".join((*_KEY, *_FIELDS))
        # One table a version: an older wavemel that shares the cache keeps its own.
        self._db.execute(f"CREATE TABLE IF NOT EXISTS v{VERSION} ({columns}, PRIMARY KEY (path))")
        self._db.commit()

    def _mended(self, work: Callable[[], T]) -> T:
        """Return what work on the file gives; where it is damaged, begin it anew and try again.

        Raises
        ------
        DataError
            It cannot be opened, or another process holds it.
        """
        try:
            return work()
        except sqlite3.OperationalError as error:
            raise DataError(
                f"{self.file}, the memory of scans, cannot be used: {error} (set WAVEMEL_CACHE to "
                "a folder that can be written)"
            ) from error
        except sqlite3.DatabaseError as error:
            log.warning("%s is damaged and is begun anew: %s", self.file, error)
            self._db.close()
            self.file.unlink()
            self._open()
            return work()

    def get(self, keys: Mapping[str, tuple[int, int]]) -> dict[str, Finding]:
        """Return the findings for the paths whose (size, time of change) are still the same."""
        return self._mended(lambda: self._get(keys))

    def _get(self, keys: Mapping[str, tuple[int, int]]) -> dict[str, Finding]:
        found: dict[str, Finding] = {}
        paths = list(keys)
        for at in range(0, len(paths), 500):
            some = paths[at : at + 500]
            marks = ",".join("?" * len(some))
            query = f"SELECT {', '.join((*_KEY, *_FIELDS))} FROM v{VERSION} WHERE path IN ({marks})"
            for path, size, changed, *values in self._db.execute(query, some):
                if keys[path] == (size, changed):
                    found[path] = Finding(*values)
        return found

    def put(self, findings: Iterable[tuple[str, tuple[int, int], Finding]]) -> None:
        """Remember findings; those that the next scan should look at again are not kept."""
        rows = [
            (path, *key, *dataclasses.astuple(finding))
            for path, key, finding in findings
            if finding.kind not in PASSING
        ]
        marks = ",".join("?" * (len(_KEY) + len(_FIELDS)))

        def keep() -> None:
            with self._db:
                self._db.executemany(f"INSERT OR REPLACE INTO v{VERSION} VALUES ({marks})", rows)

        self._mended(keep)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
