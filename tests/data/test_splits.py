"""Splits: sizes, disjoint artists, what is refused, and what is said about leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavemel.data.leaks import leak_check
from wavemel.data.sources import open_corpus
from wavemel.data.splits import METHODS, SplitChoice, cross_validation, make_folds, make_split
from wavemel.data.table import SPLITS, Corpus, as_table
from wavemel.errors import ConfigError, DataError


def corpus_of(rows: list[dict[str, Any]], origin: str = "") -> Corpus:
    return Corpus("music", as_table(rows, "music"), Path("/music"), split_origin=origin)


def rows_of(genres: dict[str, int], per_artist: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Return so many clips a genre; with ``per_artist``, so many clips an artist."""
    return [
        {
            "path": f"/music/{genre}/{i:04}.mp3",
            "genre": genre,
            "artist": f"{genre} {i // per_artist}" if per_artist else None,
            **{key: value(genre, i) for key, value in more.items()},
        }
        for genre, count in genres.items()
        for i in range(count)
    ]


def split(corpus: Corpus, how: str = "auto", **options: Any) -> pd.DataFrame:
    return make_split(corpus, corpus.table, SplitChoice(how, **options))[0]


def sizes(table: pd.DataFrame) -> list[int]:
    return [int((table["split"] == side).sum()) for side in SPLITS]


def test_stratified_is_80_10_10_in_every_genre() -> None:
    table = split(corpus_of(rows_of({"a": 100, "b": 50, "c": 3})), "stratified")
    counts = pd.crosstab(table["genre"], table["split"])[list(SPLITS)]
    assert counts.to_numpy().tolist() == [[80, 10, 10], [40, 5, 5], [1, 1, 1]]


@pytest.mark.parametrize("how", ["auto", "artist", "stratified", "random", "all"])
@pytest.mark.parametrize("fold", ["test_fold", "validation_fold"])
def test_a_fold_of_a_split_that_has_none_is_refused(how: str, fold: str) -> None:
    corpus = corpus_of(rows_of({"a": 60, "b": 60}, per_artist=3))
    with pytest.raises(ConfigError, match=r"a fold is asked for, but the split .* has none"):
        split(corpus, how, **{fold: 0})
    # Without it, it is a split.
    assert sizes(split(corpus, how))[0] >= 90


@pytest.mark.parametrize("how", ["stratified", "artist", "folds"])
def test_drawn_splits_follow_from_the_seed_not_from_the_order(how: str) -> None:
    corpus = corpus_of(rows_of({"a": 60, "b": 60}, per_artist=3))
    other = Corpus("music", corpus.table.sample(frac=1, random_state=0), corpus.root)
    one, two = (
        split(c, how, seed=1).set_index("path")["split"].sort_index() for c in (corpus, other)
    )
    assert one.equals(two)
    assert not one.equals(split(corpus, how, seed=2).set_index("path")["split"].sort_index())


def test_artist_split_keeps_artists_apart() -> None:
    table = split(corpus_of(rows_of({"a": 200, "b": 200}, per_artist=4)), "artist")
    assert (table.groupby("artist")["split"].nunique() == 1).all()
    training, validation, test = sizes(table)
    assert training > 300
    assert 30 <= validation <= 50
    assert 30 <= test <= 50
    assert not leak_check(table).leaks


def test_spellings_of_one_artist_stay_together() -> None:
    rows = rows_of({"a": 60, "b": 60}, per_artist=2)
    for i, row in enumerate(rows):
        row["artist"] = (row["artist"].upper() + " ") if i % 2 else row["artist"].replace(" ", "  ")
    table = split(corpus_of(rows), "artist")
    spelled = table["artist"].str.casefold().str.split().str.join(" ")
    assert (table["split"].groupby(spelled).nunique() == 1).all()


def test_few_artists_take_larger_parts(caplog: pytest.LogCaptureFixture) -> None:
    table, description = make_split(
        (corpus := corpus_of(rows_of({"a": 20, "b": 20}, per_artist=4))),
        corpus.table,
        SplitChoice("artist"),
    )
    assert (pd.crosstab(table["genre"], table["split"]) > 0).all(axis=None)
    assert "1/5 each" in description
    assert "too few artists for 80/10/10" in caplog.text


def test_an_artist_split_that_cannot_be() -> None:
    stratified = r"choose 'stratified' \(artists leak then\)"
    rows = rows_of({"a": 20}, per_artist=2) + rows_of({"b": 20}, per_artist=10)
    with pytest.raises(DataError, match=rf"genre 'b' has 2 artists; {stratified}$"):
        split(corpus_of(rows), "artist")
    # Without the genre two are left, which can be split.
    more = [*rows, *rows_of({"c": 20}, per_artist=2)]
    with pytest.raises(DataError, match=rf"{stratified} or leave the genre out$"):
        split(corpus_of(more), "artist")
    one = [{**row, "artist": "one"} for row in more]
    with pytest.raises(DataError, match=rf"genre 'a' has 1 artist; {stratified}$"):
        split(corpus_of(one), "artist")
    with pytest.raises(DataError, match="names no artists"):
        split(corpus_of(rows_of({"a": 20, "b": 20})), "artist")


@given(
    clips=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15)), min_size=6, max_size=40),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
def test_no_method_ever_lets_an_artist_leak_or_loses_a_clip(
    clips: list[tuple[int, int]], seed: int
) -> None:
    corpus = corpus_of(
        [
            {"path": f"{i}", "genre": f"g{g}", "artist": f"x{a}" if a else None}
            for i, (g, a) in enumerate(clips)
        ]
    )
    for how in ("artist", "folds"):
        try:
            table = split(corpus, how, seed=seed, folds=3)
        except DataError:
            continue
        assert len(table) == len(clips)
        assert min(sizes(table)) > 0
        assert not leak_check(table).artists
        assert set(table["genre"][table["split"] == "training"]) == set(corpus.classes)


def test_given_folds() -> None:
    corpus = corpus_of(rows_of({"a": 50, "b": 50}, fold=lambda _, i: i % 5), "given")
    table, description = make_split(corpus, corpus.table)
    assert description == "The given folds of music: 0, 1, 2 train, 3 validates, 4 tests."
    sides = {side: set(table["fold"][table["split"] == side]) for side in SPLITS}
    assert sides == {"training": {0, 1, 2}, "validation": {3}, "test": {4}}
    table = split(corpus, test_fold=0)
    assert set(table["fold"][table["split"] == "validation"]) == {4}
    table = split(corpus, test_fold=0, validation_fold=2)
    assert set(table["fold"][table["split"] == "validation"]) == {2}
    with pytest.raises(DataError, match=r"no fold 7 \(folds: 0, 1, 2, 3, 4\)"):
        split(corpus, test_fold=7)
    with pytest.raises(DataError, match="fold 1 cannot validate while fold 1 tests"):
        split(corpus, test_fold=1, validation_fold=1)


def test_given_split_wins_over_folds_unless_a_fold_is_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    side = {0: "test", 1: "validation", 2: None}
    corpus = corpus_of(
        rows_of(
            {"a": 60, "b": 60},
            split=lambda _, i: side.get(i % 6, "training"),
            fold=lambda _, i: i % 3,
        ),
        "official",
    )
    table, description = make_split(corpus, corpus.table)
    assert sizes(table) == [60, 20, 20]
    assert description.startswith("The official split of music. 20 clips have no side")
    assert "20 clips of music have no side" in caplog.text
    assert sizes(split(corpus, "official")) == [60, 20, 20]
    assert sizes(split(corpus, test_fold=0)) == [40, 40, 40]


def test_auto_keeps_artists_apart_where_they_are_known() -> None:
    genres = {"a": 60, "b": 60}
    with_artists, without = corpus_of(rows_of(genres, per_artist=2)), corpus_of(rows_of(genres))
    assert "without an artist on two sides" in make_split(with_artists, with_artists.table)[1]
    assert "artists are not kept apart" in make_split(without, without.table)[1]


def test_drawn_folds_and_cross_validation() -> None:
    corpus = corpus_of(rows_of({"a": 60, "b": 60}, per_artist=3))
    folds = make_folds(corpus.table, 4, seed=3)
    assert set(folds["fold"]) == {0, 1, 2, 3}
    assert (folds.groupby("artist")["fold"].nunique() == 1).all()
    tested = [split_ for choice in cross_validation(corpus, SplitChoice(seed=3, folds=4))
              for split_ in [make_split(corpus, corpus.table, choice)[0]]]  # fmt: skip
    assert len(tested) == 4
    held = pd.concat([t[t["split"] == "test"] for t in tested])
    assert sorted(held["path"]) == sorted(corpus.table["path"])
    with pytest.raises(DataError, match=r"25 folds .* need 25 artists; there are 4"):
        make_folds(corpus_of(rows_of({"a": 60, "b": 60}, per_artist=30)).table, 25)


def test_cross_validation_takes_given_folds_even_beside_a_split() -> None:
    corpus = corpus_of(
        rows_of({"a": 30, "b": 30}, fold=lambda _, i: i % 3, split=lambda *_: "training"), "given"
    )
    choices = list(cross_validation(corpus))
    assert [(c.how, c.test_fold) for c in choices] == [("given", 0), ("given", 1), ("given", 2)]
    assert [sizes(make_split(corpus, corpus.table, c)[0]) for c in choices] == [[20, 20, 20]] * 3
    with pytest.raises(DataError, match="cannot be cross-validated"):
        list(cross_validation(corpus, SplitChoice("artist")))


@pytest.mark.parametrize(
    ("rows", "how", "sentence"),
    [
        ({"a": 20, "b": 1}, "stratified", r"genre 'b' has one usable clip \(/music/b/0000.mp3\)"),
        ({"a": 20}, "stratified", "has one genre only"),
        ({"a": 20, "b": 20}, "given", "gives no split"),
        ({"a": 20, "b": 20}, "official", "has no official split"),
    ],
)
def test_refused(rows: dict[str, int], how: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        split(corpus_of(rows_of(rows)), how)


def test_empty_sides_and_unseen_genres_are_refused() -> None:
    corpus = corpus_of(rows_of({"a": 9, "b": 9}, split=lambda _, i: SPLITS[i % 2]))
    with pytest.raises(DataError, match=r"no test clips \(training 10, validation 8, test 0\)"):
        split(corpus)
    corpus = corpus_of(
        rows_of({"a": 9, "b": 9}, split=lambda g, i: SPLITS[i % 3] if g == "a" else "test")
    )
    with pytest.raises(DataError, match="genre 'b' has 9 clips but none in training"):
        split(corpus)
    with pytest.raises(DataError, match="no usable clips"):
        make_split(corpus, corpus.table.iloc[:0])
    with pytest.raises(DataError, match="needs 3 of them"):
        split(corpus_of(rows_of({"a": 9, "b": 9}, fold=lambda _, i: i % 2)))


def test_unknown_method_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'stratified'"):
        split(corpus_of(rows_of({"a": 9, "b": 9})), "stratify")
    assert set(METHODS) == {
        "auto", "given", "official", "stratified", "random", "artist", "folds", "all"
    }  # fmt: skip


def test_leaks_are_counted_named_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        ("training", "Ann", "Live", "d1"), ("training", "Bob", None, "d2"),
        ("validation", "Cat", "Live", "d3"), ("validation", "ann ", "Other", "d4"),
        ("test", "ANN", "live", "d5"), ("test", None, None, "d2"), ("test", "Dan", "Live", "d6"),
        ("test", None, None, "d7"), (None, "Dan", None, "d8"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["split", "artist", "album", "digest"]).assign(
        path=[f"{i}.mp3" for i in range(len(rows))], genre=["a", "b"] * 4 + ["a"]
    )
    report = leak_check(as_table(table, "t"))
    assert report.artists == ("ANN",) or report.artists == ("Ann",)
    assert len(report.albums) == 1
    assert report.twins == ("1.mp3",)
    assert (report.affected, report.test_clips, report.share) == (2, 4, 0.5)
    assert (report.known, report.clips) == (6, 8)
    assert report.sentence().startswith("Leak: 1 artist (Ann), 1 album (Live), 1 recording (1.mp3)")
    assert "2 of 4 test clips (50.0%)" in report.sentence()
    corpus = Corpus("t", as_table(table, "t"), Path("/"))
    make_split(corpus, corpus.table)
    assert report.sentence() in caplog.text


def test_what_cannot_be_known_is_said() -> None:
    unknown = split(corpus_of(rows_of({"a": 30, "b": 30})), "stratified")
    assert "cannot be told" in leak_check(unknown).sentence()
    rows = rows_of({"a": 60, "b": 60}, per_artist=2)
    rows[0]["artist"] = None
    table = split(corpus_of(rows), "artist")
    assert "(1 of 120 clips have no known artist)" in leak_check(table).sentence()


@pytest.mark.real
def test_emotify_folds_do_not_leak_and_random_ones_do(real_data: Path) -> None:
    corpus = open_corpus(str(real_data / "emotify" / "tracks.csv"))
    table = split(corpus)
    assert sizes(table) == [190, 64, 64]
    assert not leak_check(table).leaks
    assert not leak_check(split(corpus, "artist")).leaks
    assert leak_check(split(corpus, "stratified")).share > 0.5


def test_random_is_another_name_of_stratified() -> None:
    assert METHODS["random"] is METHODS["stratified"]


def test_validation_clips_train_where_nothing_is_chosen() -> None:
    rows = rows_of({"a": 30, "b": 30}, per_artist=2, fold=lambda genre, i: i // 2 % 5)
    corpus = corpus_of(rows)
    kept = split(corpus, test_fold=2)
    made, sentence = make_split(corpus, corpus.table, SplitChoice(test_fold=2, validate=False))
    assert sizes(kept) == [36, 12, 12]
    assert sizes(made) == [48, 0, 12]
    assert (made["split"] == "test").equals(kept["split"] == "test")
    assert "the validation clips train as well" in sentence


def test_all_clips_train() -> None:
    corpus = corpus_of(rows_of({"a": 10, "b": 10}))
    made, sentence = make_split(corpus, corpus.table, SplitChoice("all"))
    assert sizes(made) == [20, 0, 0]
    assert "nothing is left to test on" in sentence
