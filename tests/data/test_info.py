from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from wavemel.data.info import describe, examples
from wavemel.data.table import Corpus, as_table


def corpus(rows: list[dict], **more: object) -> Corpus:
    return Corpus("small", as_table(rows, "rows"), Path("/x"), **more)


def row(path: str, genre: str, split: str | None = "training", **more: object) -> dict:
    return {
        "path": path, "genre": genre, "split": split, "artist": f"a{path}", "album": "same",
        "seconds": 30.0, "rate": 44100, "channels": 2, "status": "ok", "digest": path,
        "licence": "CC BY",
    } | more  # fmt: skip


@pytest.fixture
def facts():
    return describe(
        corpus(
            [
                row("1", "folk"),
                row("2", "folk", "test", rate=48000, channels=1, licence=None),
                row("3", "folk", "validation", status="silent", reason="is silent"),
                row("4", "rock", seconds=15.0, artist="a1"),
                row("5", "rock", None),
                row("6", "jazz", status="unreadable", seconds=None, rate=None, channels=None),
            ],
            split_origin="official",
            notes=("a note",),
        )
    )


def test_counts_are_of_usable_clips_by_genre_and_side(facts) -> None:
    assert facts.sides == ("training", "test", "no split")
    assert facts.genres.drop(columns="hours").to_dict("index") == {
        "folk": {"clips": 3, "training": 1, "test": 1, "no split": 0, "left out": 1, "artists": 2},
        "jazz": {"clips": 1, "training": 0, "test": 0, "no split": 0, "left out": 1, "artists": 0},
        "rock": {"clips": 2, "training": 1, "test": 0, "no split": 1, "left out": 0, "artists": 2},
    }
    assert (facts.clips, facts.usable, facts.artists, facts.albums) == (6, 4, 3, 3)
    assert facts.hours == pytest.approx(105 / 3600)
    assert facts.genres["hours"].to_dict() == pytest.approx(
        {"folk": 60 / 3600, "jazz": 0, "rock": 45 / 3600}
    )


def test_statuses_rates_channels_licences(facts) -> None:
    assert facts.statuses["clips"].to_dict() == {"ok": 4, "unreadable": 1, "silent": 1}
    assert facts.rates == {"44100 Hz": 3, "48000 Hz": 1}
    assert facts.channels == {"stereo": 3, "mono": 1}
    assert facts.licences == {"CC BY": 3, "unknown": 1}
    assert facts.left_out["path"].tolist() == ["3", "6"]
    assert facts.lengths[1] == 30.0
    assert facts.notes == ("a note",)


def test_folds_are_sides_in_the_order_of_numbers() -> None:
    rows = [row(str(i), "folk", None, fold=i) for i in (10, 2, 0)]
    assert describe(corpus(rows)).sides == ("fold 0", "fold 2", "fold 10")


def test_artist_on_two_sides_is_told() -> None:
    rows = [row("1", "folk", artist="X"), row("2", "folk", "test", artist="X")]
    assert "Leak" in describe(corpus(rows)).leak


def test_an_artist_in_two_spellings_is_one() -> None:
    facts = describe(
        corpus([row("1", "folk", artist="The Band"), row("2", "folk", artist="the band ")])
    )
    assert (facts.artists, facts.genres["artists"].tolist()) == (1, [1])


def test_unscanned_table_has_counts_without_hours() -> None:
    facts = describe(corpus([{"path": "1", "genre": "folk"}, {"path": "2", "genre": "folk"}]))
    assert facts.statuses["clips"].to_dict() == {"not scanned": 2}
    assert (facts.usable, facts.hours, facts.artists) == (2, 0.0, 0)
    assert facts.leak == ""


def test_examples_are_usable_and_of_training_where_possible() -> None:
    rows = [
        row("1", "folk", "test"),
        row("2", "folk", status="silent"),
        row("3", "folk"),
        row("4", "rock", "test"),
    ]
    chosen = examples(corpus(rows))
    assert isinstance(chosen, pd.DataFrame)
    assert dict(zip(chosen["genre"], chosen["path"], strict=True)) == {"folk": "3", "rock": "4"}
