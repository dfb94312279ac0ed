"""The manifest: columns, types, and what it refuses."""

from __future__ import annotations

import pandas as pd
import pytest

from wavemel.data.table import COLUMNS, as_table, table_hash
from wavemel.errors import DataError

ROWS = [
    {"path": "/m/a.mp3", "genre": "Rock", "fold": 0, "artist": " Ann "},
    {"path": "/m/b.mp3", "genre": "Jazz", "fold": 1, "artist": ""},
]


def test_all_columns_typed() -> None:
    table = as_table([{**row, "mood": "sad"} for row in ROWS], "here")
    assert list(table.columns) == [*COLUMNS, "mood"]
    assert table["fold"].tolist() == [0, 1]
    assert table["artist"].tolist() == ["Ann", pd.NA]
    assert table["split"].isna().all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"path": "/m/a.mp3"}, "lists /m/a.mp3 twice"),
        ({"path": None}, "1 rows have no path"),
        ({"split": "train"}, "unknown split 'train'.*did you mean 'training'"),
        ({"fold": "first"}, "column 'fold' is not of type Int64"),
        ({"fold": 0.5}, "column 'fold' is not of type Int64"),
    ],
)
def test_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        as_table([ROWS[0], {**ROWS[1], **change}], "here")


def test_empty_and_without_genre() -> None:
    with pytest.raises(DataError, match="here has no column 'genre'"):
        as_table([{"path": "a"}], "here")
    with pytest.raises(DataError, match="here holds no clips"):
        as_table(pd.DataFrame({"path": [], "genre": []}), "here")


def test_hash_is_of_audio_and_labels_not_of_place_or_order() -> None:
    table = as_table(ROWS, "here")
    moved = as_table([{**row, "path": row["path"].replace("/m", "/n")} for row in ROWS], "there")
    assert table_hash(table) == table_hash(moved.iloc[::-1])
    relabelled = as_table([{**ROWS[0], "genre": "Pop"}, ROWS[1]], "here")
    assert table_hash(table) != table_hash(relabelled)
    # Where clips have several labels, those are what is learnt.
    several = table.assign(genres="Rock|Pop")
    assert table_hash(several) == table_hash(table)
    assert table_hash(several, "genres") != table_hash(several)
    assert table_hash(several, "genres") != table_hash(table.assign(genres="Rock"), "genres")
