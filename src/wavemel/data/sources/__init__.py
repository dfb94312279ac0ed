"""Where a data set comes from: one module a source, found through `SOURCES`.

A module registers an object with two methods: ``matches(data)`` says whether a
DATA argument means this source, ``open(data)`` returns its `Corpus`. The end of
such a module reads ``SOURCES.register("name")(NameSource())``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from wavemel.data.table import Corpus
from wavemel.errors import DataError
from wavemel.registry import Registry


class Source(Protocol):
    """What every source offers."""

    #: Sources are asked in this order, lowest first: names before paths.
    order: int

    def matches(self, data: str) -> bool:
        """Return whether ``data``, as typed by the user, means this source."""
        ...

    def open(self, data: str) -> Corpus:
        """Return the corpus; raise DataError with a sentence where that cannot be done."""
        ...


SOURCES: Registry[Source] = Registry("data source", __name__)


def open_corpus(data: str | os.PathLike[str]) -> Corpus:
    """Open DATA: ``demo``, another named source, a folder of genre folders, or a table file.

    Raises
    ------
    DataError
        Nothing of that name exists, or what exists is no data set.
    """
    name = os.fspath(data)
    if not name:
        raise DataError("the name of the data set is empty")
    for _, source in sorted(SOURCES.items(), key=lambda item: item[1].order):
        if source.matches(name):
            return source.open(name)
    what = "is no data set" if Path(name).expanduser().exists() else "does not exist"
    raise DataError(
        f"{name!r} {what}: give 'demo', a folder with one folder a genre, "
        "or a table file (.csv, .tsv or .parquet)"
    )
