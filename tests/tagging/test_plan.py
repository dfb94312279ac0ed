"""What would be written, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wavemel.errors import ConfigError
from wavemel.tagging.apply import apply
from wavemel.tagging.files import write_genres
from wavemel.tagging.mapping import GenreMap
from wavemel.tagging.plan import Change, plan
from wavemel.tagging.verdicts import Verdict

GENRES = [("electronic", 0.6), ("pop", 0.3), ("rock", 0.1)]
MAP = GenreMap({"electronic": ["Electronica", "Dance"], "pop": ["dance", "Pop"], "rock": []})


@pytest.fixture
def path(song: Callable[..., Path]) -> str:
    return str(song("mp3"))


def test_the_first_genre_is_written_where_none_is(path: str) -> None:
    (change,) = plan([Verdict(path, GENRES)])
    assert change == Change(path, [], ["electronic"], "electronic 0.60")
    assert change.writes


def test_a_mapping_gives_several_tags_each_once(path: str) -> None:
    (change,) = plan([Verdict(path, GENRES)], mapping=MAP)
    assert change.after == ["Electronica", "Dance"]
    (change,) = plan([Verdict(path, GENRES)], mapping=MAP, top=3, min_confidence=0.05)
    assert change.after == ["Electronica", "Dance", "Pop"]
    assert change.why == "electronic 0.60, pop 0.30, rock 0.10"


@pytest.mark.parametrize(
    ("verdict", "given", "why"),
    [
        (Verdict("", GENRES), {"min_confidence": 0.7}, "electronic 0.60 is below 0.7"),
        (Verdict("", GENRES, unsure=True), {}, "the classifier is unsure"),
        (Verdict("", [("Rock", 0.9)]), {"mapping": MAP}, "the mapping leaves Rock untouched"),
        (Verdict("", []), {}, "no genre was found"),
    ],
)
def test_a_file_is_left_alone(
    verdict: Verdict, given: dict[str, object], why: str, path: str
) -> None:
    (change,) = plan([Verdict(path, verdict.genres, verdict.unsure)], **given)  # type: ignore[arg-type]
    assert change == Change(path, [], [], why)
    assert not change.writes


def test_each_genre_must_be_probable_enough(path: str) -> None:
    (change,) = plan([Verdict(path, GENRES)], top=3, min_confidence=0.3)
    assert change.after == ["electronic", "pop"]


def test_unsure_results_are_written_on_demand(path: str) -> None:
    (change,) = plan([Verdict(path, GENRES, unsure=True)], unsure=True)
    assert change.writes


def test_genres_are_replaced_on_demand_only(path: str) -> None:
    write_genres(path, ["Rock", "Pop"])
    (kept,) = plan([Verdict(path, GENRES)])
    assert kept == Change(path, ["Rock", "Pop"], ["Rock", "Pop"], "has a genre")
    (change,) = plan([Verdict(path, GENRES)], overwrite=True)
    assert (change.before, change.after) == (["Rock", "Pop"], ["electronic"])
    write_genres(path, ["electronic"])
    (same,) = plan([Verdict(path, GENRES)], overwrite=True)
    assert not same.writes
    assert same.why == "has it already (electronic 0.60)"


def test_failures_are_rows(path: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("words")
    changes = plan(
        [
            Verdict(path, error="is empty"),
            Verdict(str(tmp_path / "none.mp3"), GENRES),
            Verdict(str(tmp_path / "text.mp3"), GENRES),
            Verdict(path, GENRES),
        ]
    )
    assert [change.failed for change in changes] == [True, True, True, False]
    assert [change.why for change in changes[:2]] == ["not classified: is empty", "is not there"]
    assert not any(change.writes for change in changes[:3])


def test_a_read_only_file_fails_before_it_is_written(path: str) -> None:
    Path(path).chmod(0o444)
    (change,) = plan([Verdict(path, GENRES)])
    assert change == Change(path, [], [], "is read-only: make it writable to tag it", failed=True)
    write = plan([Verdict(path, GENRES, unsure=True)])
    assert not write[0].failed  # nothing is to be written


def test_a_file_of_two_names_is_written_once(path: str, tmp_path: Path) -> None:
    link = tmp_path / "a link.mp3"
    link.symlink_to(path)
    changes = plan(
        [Verdict(str(link), GENRES, unsure=True), Verdict(path, GENRES), Verdict(str(link), GENRES)]
    )
    assert [change.writes for change in changes] == [False, True, False]
    assert changes[2] == Change(str(link), [], [], f"the same file as {path}")
    assert [outcome.status for outcome in apply(changes, None)] == ["written"]


def test_other_hard_links_are_told_of_before_and_after(path: str, tmp_path: Path) -> None:
    for number, note in ((1, "1 other hard link keeps"), (2, "2 other hard links keep")):
        (tmp_path / f"{number}.mp3").hardlink_to(path)
        changes = plan([Verdict(path, GENRES)])
        assert changes[0].why == f"electronic 0.60; {note} the old file"
    (outcome,) = apply(changes, None)
    assert outcome.message == "2 other hard links keep the old file"
    (change,) = plan([Verdict(path, GENRES)], overwrite=True)
    assert change.why == "has it already (electronic 0.60)"


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="--min-confidence"):
        plan([], min_confidence=1.5)
    with pytest.raises(ConfigError, match="--top"):
        plan([], top=0)
