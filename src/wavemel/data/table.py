"""The one table (manifest) that every data set becomes: a row a clip.

| column | what |
| --- | --- |
| path | where the audio is: an absolute file path, or ``archive.zip!/member`` |
| genre | the label |
| artist, album, title | text, missing where not known |
| split | training, validation or test, where the source gives one |
| fold | small integer, where the source gives folds |
| seconds, rate, channels | as decoded (not as the header claims); set by the scan |
| status, reason | ``ok`` or why the clip is left out; set by the scan |
| content | hash of the file's bytes; set by the scan |
| digest | hash of the decoded samples; equal for twins; set by the scan |

A source may add columns of its own; they are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from wavemel.errors import DataError
from wavemel.registry import suggest

SPLITS = ("training", "validation", "test")
TEXT = (
    "path",
    "genre",
    "artist",
    "album",
    "title",
    "split",
    "status",
    "reason",
    "content",
    "digest",
)
COLUMNS: dict[str, str] = {
    **dict.fromkeys(TEXT[:6], "string"),
    "fold": "Int64",
    "seconds": "Float64",
    "rate": "Int64",
    "channels": "Int64",
    **dict.fromkeys(TEXT[6:], "string"),
}
REQUIRED = ("path", "genre")
#: ``unlabelled`` clips have no genre.
STATUSES = ("ok", "unreadable", "short", "silent", "unlabelled", "duplicate")


@dataclass(frozen=True)
class Corpus:
    """A data set, opened: its table and what a report must say about it.

    ``synthetic`` is True where the audio was made by a program. ``notes`` are
    sentences for the report (licence, what a split leaks, ...).
    ``split_origin`` says where the ``split`` or ``fold`` column comes from
    ("official", "given", or "" where there is none).
    """

    name: str
    table: pd.DataFrame
    root: Path
    synthetic: bool = False
    split_origin: str = ""
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Genres in alphabetical order: the class order of every network and report."""
        return tuple(sorted(self.table["genre"].dropna().unique()))


def as_table(rows: pd.DataFrame | Iterable[dict[str, Any]], where: str) -> pd.DataFrame:
    """Return ``rows`` with every column of the manifest, typed; extra columns are kept.

    Parameters
    ----------
    rows : a frame, or dicts with at least ``path`` and ``genre``.
    where : name of the source, for error messages.

    Raises
    ------
    DataError
        A required column is missing, there are no rows, a path stands twice,
        or a value is of the wrong type.
    """
    table = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    for column in REQUIRED:
        if column not in table.columns:
            near = suggest(column, list(map(str, table.columns))) if len(table.columns) else ""
            raise DataError(f"{where} has no column {column!r}{near}")
    if table.empty:
        raise DataError(f"{where} holds no clips")
    for column, dtype in COLUMNS.items():
        if column not in table.columns:
            table[column] = pd.Series(pd.NA, index=table.index, dtype=dtype)
            continue
        try:
            table[column] = table[column].astype(dtype)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{where}: column {column!r} is not of type {dtype}: {error}"
            ) from error
    for column in ("genre", "artist", "album", "title", "split"):
        stripped = table[column].str.strip()
        table[column] = stripped.mask(stripped == "", pd.NA)
    if table["path"].isna().any():
        raise DataError(f"{where}: {int(table['path'].isna().sum())} rows have no path")
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise DataError(
            f"{where} lists {twice.iloc[0]} twice ({len(twice)} paths stand more than once)"
        )
    unknown = set(table["split"].dropna()) - set(SPLITS)
    if unknown:
        name = sorted(unknown)[0]
        raise DataError(f"{where}: unknown split {name!r}{suggest(name, SPLITS)}")
    others = [c for c in table.columns if c not in COLUMNS]
    return table[[*COLUMNS, *others]].reset_index(drop=True)


def table_hash(table: pd.DataFrame, labels: str = "genre") -> str:
    """Return a short hash of which audio and labels a table holds, whatever the folder they lie in.

    It covers content (or, before a scan, the file name), genre, artist, split and fold, and the
    column of ``labels``.
    """
    columns = dict.fromkeys(("genre", "artist", "split", "fold", labels))
    name = table["content"].fillna(table["path"].str.rsplit("/", n=1).str[-1])
    key = pd.DataFrame({"name": name, **{c: table[c] for c in columns}})
    text = key.sort_values(list(key.columns)).to_csv(index=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
