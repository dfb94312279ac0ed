"""Tagging what a watch classifies: every file once, whatever is killed when.

The store commits a result before its file is tagged. What has been tagged
stands in a ledger, so that what a killed watch left, or one that did not tag,
is done by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wavemel.library.done import Taken
from wavemel.library.store import Store
from wavemel.outputs.rows import Row, path_of
from wavemel.tagging.apply import Outcome, apply
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import audio_digest
from wavemel.tagging.journal import Journal
from wavemel.tagging.ledger import Ledger
from wavemel.tagging.mapping import GenreMap
from wavemel.tagging.plan import plan
from wavemel.tagging.verdicts import Verdict


@dataclass(frozen=True)
class Rules:
    """By which files are tagged: the least probability, and the table of one's own tags."""

    min_confidence: float = 0.5
    mapping: GenreMap | None = None

    def __str__(self) -> str:
        """Return all that they say: where it differs, every file is looked at again."""
        return repr((self.min_confidence, dict(self.mapping or {})))


class Follower:
    """Writes the genres of results into their files, with one journal for all.

    Genres that a file has stay, and one of ours that was taken out stays out.

    Parameters
    ----------
    store : the results.
    ledger : path of the database that says what has been tagged; made where it is missing.
    journal : where writes are put down.

    Raises
    ------
    DataError
        The ledger or the journal cannot be used; by all methods.
    OSError
        The disk is full; by all methods.
    """

    def __init__(self, rules: Rules, store: Store, ledger: Path, journal: Path) -> None:
        self._rules, self._store = rules, store
        self._ledger, self._journal = Ledger(ledger, str(rules)), Journal(journal)

    def catch_up(self, paths: Iterable[str]) -> Iterator[Outcome]:
        """Tag those files that have a result, are as it found them, and were not tagged yet."""
        left = {
            os.path.abspath(path)
            for path in paths
            if self._store.settled(path) is Taken.DONE and not self._ledger.knows(path)
        }
        if not left:
            return
        # Paths that were typed are counted from where that was.
        start = self._store.note("folder") or ""
        for row in self._store.rows():
            path = os.path.abspath(os.path.join(start, path_of(row)))
            if path in left:
                yield from self.tag(path, row)

    def tag(self, path: str, row: Row) -> Iterator[Outcome]:
        """Tag a file by its result; yield what became of it where there is anything to say."""
        if row["error"] is not None or self._store.settled(path) is not Taken.DONE:
            return  # Changed meanwhile: it is classified anew.
        genres = [(genre["genre"], genre["probability"]) for genre in row["genres"]]
        verdict = Verdict(path, genres, row["unsure"])
        # A file that cannot be written to now is to fail when it is: it is tried again.
        (change,) = plan(
            [verdict],
            min_confidence=self._rules.min_confidence,
            mapping=self._rules.mapping,
            check=False,
        )
        if change.failed:
            yield Outcome(path, "kept", change.why)
        taken_out = self._taken_out(path) if change.writes else None
        if not change.writes or taken_out:
            self._ledger.keep(path, taken_out or self._ledger.audio(path))
            return
        for outcome in apply([change], self._journal, store=self._store):
            if outcome.status == "written":
                self._ledger.keep(path, _audio(path))
            yield outcome

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def _taken_out(self, path: str) -> str | None:
        """Return the digest of a file's audio where it held a genre of ours and lost it by somebody's hand."""
        audio = _audio(path)
        return audio if audio is not None and self._ledger.wrote(path, audio) else None


def _audio(path: str) -> str | None:
    try:
        return audio_digest(path)
    except TagError:
        return None
