"""Carry out changes, with a journal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wavemel.errors import AudioError, ModelError
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import Written, links_note, write_genres
from wavemel.tagging.journal import Journal
from wavemel.tagging.plan import Change

if TYPE_CHECKING:
    from wavemel.library.store import Store


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``written``, ``kept`` (nothing to do) or ``failed``, and a word on it."""

    path: str
    status: str
    message: str
    genres: tuple[str, ...] = ()


def apply(
    changes: Iterable[Change],
    journal: Journal | None,
    *,
    keep_times: bool = False,
    store: Store | None = None,
) -> Iterator[Outcome]:
    """Write what `plan` found, file by file; yield what became of each file with something to write.

    Parameters
    ----------
    journal : where each write is put down before the file is replaced; None for no way back.
    store : results that stand for the files as they are after the write, too, where they did before.

    Raises
    ------
    DataError
        The journal cannot be written, or another file lies in its place.
    OSError
        The disk is full, or the journal cannot be written; no file is half written.
    """
    for change in changes:
        if not change.writes:
            continue
        name = os.path.abspath(change.path)
        known = store if store is not None and store.stands_for(name) else None
        standing = (os.path.abspath(known.path), name) if known is not None else ()

        def put_down(written: Written, standing: tuple[str, ...] = standing) -> None:
            if journal is not None:
                journal.append("write", written, *standing)

        try:
            written = write_genres(
                change.path,
                change.after,
                expected=change.before,
                before_replacing=put_down,
                keep_times=keep_times,
            )
        except TagError as error:
            yield Outcome(change.path, "failed", error.message)
            continue
        if known is not None:
            # Where it cannot be kept, the file is classified again: nothing is lost.
            with contextlib.suppress(AudioError, ModelError):
                known.accept(name)
        yield Outcome(change.path, "written", links_note(written.links), tuple(change.after))
