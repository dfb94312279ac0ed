"""Models are compared on one test: the same clips, genres and artists."""

import pandas as pd
import pytest

from wavemel.errors import DataError
from wavemel.evaluation.same_test import check_same_test

CLASSES = ("pop", "rock")


def table(**changes: list) -> pd.DataFrame:
    rows = {
        "path": ["b", "a", "a"],
        "start": [0.0, 0.0, 1.0],
        "genre": ["rock", "pop", "pop"],
        "artist": ["B", pd.NA, pd.NA],
    }
    return pd.DataFrame({**rows, **changes})


def test_what_all_were_asked_is_one_row_a_clip() -> None:
    shuffled = table().iloc[::-1].astype({"path": "string", "artist": "string"})
    asked = check_same_test({"one": table(), "other": shuffled}, CLASSES)
    assert asked.paths.tolist() == ["a", "b"]
    assert asked.truth.tolist() == [0, 1]
    # In the spelling that splits compare; nobody known: a group of its own.
    assert asked.artists.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"path": ["c", "a", "a"]}, r"different clips .*: other and one \(see [bc]\)"),
        (
            {"genre": ["pop", "pop", "pop"]},
            "other was tested with other labels: b is 'pop' there and 'rock' in one",
        ),
        (
            {"artist": ["C", pd.NA, pd.NA]},
            "other was tested with other artists: b is by 'C' there and 'B' in one",
        ),
        ({"artist": [pd.NA] * 3}, "b is by nobody known there and 'B' in one"),
    ],
)
def test_another_test_is_refused_with_a_clip(changes: dict[str, list], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        check_same_test({"one": table(), "same": table(), "other": table(**changes)}, CLASSES)
