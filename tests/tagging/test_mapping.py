"""The table from a model's genres to tags."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavemel.errors import ConfigError
from wavemel.tagging.mapping import GenreMap, read_mapping

TABLE = """\ufeff# my own names
electronic = Electronica; Dance   # two
Classical=

  hip-hop = Hip-Hop ;; Rap;
pop = C# minor; a=b
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "map.txt"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_a_table_is_read(table: Path) -> None:
    mapping = read_mapping(table)
    assert mapping.tags("Electronic") == ("Electronica", "Dance")
    assert mapping.tags("classical") == ()
    assert mapping.tags("hip-hop") == ("Hip-Hop", "Rap")
    assert mapping.tags("pop") == ("C# minor", "a=b")
    assert mapping.tags("Rock") == ("Rock",)
    assert list(mapping) == ["electronic", "Classical", "hip-hop", "pop"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rock\n", r"line 1: 'rock' is not of the form"),
        ("\n= Rock\n", r"line 2: '= Rock' is not of the form"),
        ("rock = A\npop = B\nRock = C\n", r"line 3: 'Rock' stands in line 1 already"),
    ],
)
def test_a_line_that_does_not_hold_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "map.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_mapping(path)


def test_a_missing_file_and_one_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_mapping(tmp_path / "none.txt")
    path = tmp_path / "map.txt"
    path.write_bytes(b"rock = \xff\xfe\xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_mapping(path)


def test_an_unknown_genre_is_an_error_with_the_nearest() -> None:
    mapping = GenreMap({"electronc": ["Dance"]}, "map.txt")
    for complete in (True, False):
        with pytest.raises(
            ConfigError, match=r"map\.txt: .*'electronc' \(did you mean 'Electronic'"
        ):
            mapping.check(["Electronic", "Rock"], complete=complete)


def test_a_genre_not_seen_is_an_error_only_where_all_are_known() -> None:
    mapping = GenreMap({"rock": ["Rock"], "jazz": ["Jazz"]}, "map.txt")
    assert mapping.check(["Rock", "Pop"], complete=False) == ["jazz"]
    assert mapping.check(["Rock", "Jazz"], complete=True) == []
    with pytest.raises(ConfigError, match=r"no genre 'jazz' \(known: Pop, Rock\)"):
        mapping.check(["Rock", "Pop"], complete=True)


names = st.text(
    st.characters(exclude_characters="=;#\n\r", exclude_categories=("C", "Z")),
    min_size=1,
    max_size=8,
)


@given(st.dictionaries(names, st.lists(names, max_size=3), max_size=5))
def test_what_is_written_down_is_read_back(table: dict[str, list[str]]) -> None:
    folded = {genre.casefold() for genre in table}
    if len(folded) != len(table):
        return
    import tempfile

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write("\n".join(f"{genre} = {'; '.join(tags)}" for genre, tags in table.items()))
        file.flush()
        mapping = read_mapping(file.name)
    assert {genre: list(mapping.tags(genre)) for genre in table} == table
