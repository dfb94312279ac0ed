from __future__ import annotations

import os
import shutil
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import fma_archive
import numpy as np
import pytest
from fma_archive import ODD, SHORT, SILENT, TWINS, Track

from wavemel.audio.decode import decode
from wavemel.data import fma_metadata, fma_tables
from wavemel.data.leaks import leak_check
from wavemel.data.scan import scan, usable
from wavemel.data.sources import open_corpus
from wavemel.data.splits import SplitChoice, make_split
from wavemel.errors import DataError

FAULTY = (*SHORT, *fma_archive.NO_AUDIO, *SILENT, *(n for pair in TWINS for n in pair), *ODD)


def faulty_tracks() -> list[Track]:
    """A clip for every known fault, the ids being those of FMA-small, twins across splits."""
    splits = ("training", "validation", "test")
    genres = list(fma_archive.GENRES)
    tracks = [
        Track(n, genres[i % 8], splits[i % 3], artist_id=n, album_id=n, genres=(21, 58))
        for i, n in enumerate(FAULTY)
    ]
    # Twins stand on two sides, as if the archive's own split had a leak.
    assert all(len({t.split for t in tracks if t.id in pair}) == 2 for pair in TWINS)
    return tracks + fma_archive.make_tracks(3, first_id=1000)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> fma_archive.Archives:
    folder = tmp_path_factory.mktemp("fma")
    return fma_archive.build(folder, faulty_tracks(), lambda t: fma_archive.clip(t, seconds=2.2))


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> fma_archive.Archives:
    """An archive of noise, for tests that decode nothing."""
    return fma_archive.build(tmp_path_factory.mktemp("noise"), fma_archive.make_tracks(10))


@pytest.fixture(autouse=True)
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAVEMEL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def unpacked(archives: fma_archive.Archives, folder: Path) -> Path:
    for name in ("fma_small.zip", "fma_metadata.zip"):
        with zipfile.ZipFile(archives.folder / name) as archive:
            archive.extractall(folder)
    return folder


def test_table_has_fma_columns_and_official_split(moved: fma_archive.Archives) -> None:
    corpus = open_corpus(str(moved.folder))
    assert corpus.name == "fma-small"
    assert corpus.split_origin == "official"
    assert corpus.classes == tuple(sorted(fma_archive.GENRES))
    by_id = {t.id: t for t in moved.tracks}
    assert len(corpus.table) == len(by_id) == 80
    for row in corpus.table.itertuples():
        track = by_id[row.track_id]
        assert (row.genre, row.split, row.subset) == (track.genre, track.split, "small")
        assert row.artist == f"Artist {track.artist_id}"
        assert row.album == f"Album {track.album_id}"
        assert row.title == f"Title, {track.id}"
        assert row.licence == track.licence
        assert row.genres == track.genre
        assert row.path == f"{moved.folder}/fma_small.zip!/fma_small/{track.inner}"
    assert not leak_check(corpus.table).leaks


def test_zip_and_folder_give_equal_tables_and_equal_samples(
    faulty: fma_archive.Archives, tmp_path: Path
) -> None:
    zipped = open_corpus(str(faulty.folder / "fma_small.zip"))
    folder = open_corpus(str(unpacked(faulty, tmp_path / "u") / "fma_small"))
    assert zipped.name == folder.name
    rest = zipped.table.columns.drop("path")
    assert zipped.table[rest].equals(folder.table[rest])
    row = zipped.table.index[zipped.table["track_id"] == 72][0]
    one, other = (decode(c.table["path"][row]) for c in (zipped, folder))
    assert (one.rate, one.channels) == (other.rate, other.channels) == (48000, 2)
    assert np.array_equal(one.samples, other.samples)
    found = ["status", "reason", "seconds", "rate", "channels", "content", "digest"]
    first, second = scan(zipped, workers=0).table, scan(folder, workers=0).table
    for frame in (first, second):
        frame["reason"] = frame["reason"].str.replace(r"\S+/(?=\d{6}\.mp3)", "", regex=True)
    assert first[found].equals(second[found])


def test_scan_finds_every_known_fault_by_itself(faulty: fma_archive.Archives) -> None:
    table = scan(open_corpus(str(faulty.folder)), workers=0).table.set_index("track_id")
    status = table["status"]
    assert dict(status[list(SHORT)]) == dict.fromkeys(SHORT, "short")
    assert dict(status[list(fma_archive.NO_AUDIO)]) == dict.fromkeys(
        fma_archive.NO_AUDIO, "unreadable"
    )
    assert dict(status[list(SILENT)]) == dict.fromkeys(SILENT, "silent")
    for first, second in TWINS:
        assert sorted(status[[first, second]]) == ["duplicate", "ok"]
        assert table["content"][first] != table["content"][second]
        assert table["digest"][first] == table["digest"][second]
    bad = {*SHORT, *fma_archive.NO_AUDIO, *SILENT}
    assert set(status.index[status.isin(["short", "unreadable", "silent"])]) == bad
    assert table.loc[71, "channels"] == 1
    assert table.loc[72, "rate"] == 48000
    assert table.loc[73, "rate"] == 22050
    assert (status == "ok").sum() == len(status) - len(bad) - len(TWINS)


@pytest.mark.parametrize("how", ["official", "stratified"])
def test_twins_never_stand_on_two_sides(how: str, faulty: fma_archive.Archives) -> None:
    corpus = scan(open_corpus(str(faulty.folder)), workers=0)
    made, _ = make_split(corpus, usable(corpus.table), SplitChoice(how))
    assert leak_check(made).twins == ()
    assert made["digest"].is_unique


def test_random_split_is_told_to_leak_artists(moved: fma_archive.Archives) -> None:
    corpus = open_corpus(str(moved.folder))
    made, _ = make_split(corpus, corpus.table, SplitChoice("stratified"))
    report = leak_check(made)
    assert report.artists
    assert "Leak" in report.sentence()


def test_smaller_subset_is_part_of_the_larger(tmp_path: Path) -> None:
    tracks = fma_archive.make_tracks(9)
    tracks = [replace(t, subset=("small", "medium", "large")[i % 3]) for i, t in enumerate(tracks)]
    fma_archive.build(tmp_path, tracks, stem="fma_large")
    sizes = {
        name: len(open_corpus(f"{name}:{tmp_path}").table)
        for name in ("fma-small", "fma-medium", "fma-large")
    }
    assert sizes == {"fma-small": 24, "fma-medium": 48, "fma-large": 72}
    small = open_corpus(f"fma-small:{tmp_path}").table
    assert (small["subset"] == "small").all()
    assert small["path"].str.contains("fma_large.zip!/fma_large/").all()
    with pytest.raises(DataError, match="fetch fma-full"):
        open_corpus(f"fma-full:{tmp_path}")


def test_tracks_without_top_genre_keep_their_genres(tmp_path: Path) -> None:
    tracks = fma_archive.make_tracks(5)
    tracks.append(Track(5000, "", "test", "large", artist_id=9, genres=(12, 58, 103)))
    fma_archive.build(tmp_path, tracks, stem="fma_large")
    corpus = open_corpus(str(tmp_path))
    row = corpus.table.iloc[-1]
    assert row["genres"] == "Rock|Psych-Folk|Singer-Songwriter"
    assert corpus.table["genre"].isna().sum() == 1
    assert len(corpus.classes) == 8
    assert any("no top-level genre" in note for note in corpus.notes)


def test_two_artists_of_one_name_stay_two(tmp_path: Path) -> None:
    tracks = [
        Track(i, genre, artist_id=i % 3, artist=("Nova", "nova ", "Ember")[i % 3])
        for i, genre in enumerate([*fma_archive.GENRES, "Rock"], 1)
    ]
    fma_archive.build(tmp_path, tracks)
    table = open_corpus(str(tmp_path)).table
    assert set(table["artist"]) == {"Nova (#0)", "nova  (#1)", "Ember"}
    assert (table.groupby("artist_id")["artist"].nunique() == 1).all()


@pytest.mark.parametrize("name", ["fma-small", "fma-medium", "fma-large", "fma-full"])
def test_what_is_not_fetched_says_how_to_fetch_it(name: str, no_data: Path) -> None:
    with pytest.raises(DataError, match=f"'wavemel data fetch {name}'"):
        open_corpus(name)
    with pytest.raises(DataError, match=f"'wavemel data fetch {name} --per-genre 25'"):
        open_corpus(f"{name}:25")


def test_audio_without_metadata_says_how_to_fetch_them(
    moved: fma_archive.Archives, no_data: Path
) -> None:
    no_data.mkdir()
    shutil.copy(moved.folder / "fma_small.zip", no_data)
    with pytest.raises(DataError, match="'wavemel data fetch fma-metadata'"):
        open_corpus("fma-small")
    with pytest.raises(DataError, match=f"'wavemel data fetch fma-metadata --to {no_data}'"):
        open_corpus(str(no_data / "fma_small.zip"))


def test_two_archives_in_one_folder_must_be_told_apart(
    moved: fma_archive.Archives, tmp_path: Path
) -> None:
    shutil.copytree(moved.folder, tmp_path / "d")
    shutil.copy(tmp_path / "d" / "fma_small.zip", tmp_path / "d" / "fma_medium.zip")
    with pytest.raises(DataError, match="say which, as in fma-small:"):
        open_corpus(str(tmp_path / "d"))


def test_missing_clips_are_told_and_listed_by_the_scan(
    moved: fma_archive.Archives, tmp_path: Path
) -> None:
    folder = unpacked(moved, tmp_path / "u")
    gone = folder / "fma_small" / moved.tracks[0].inner
    gone.unlink()
    corpus = open_corpus(str(folder))
    assert any(note.startswith("1 of the 80 clips") for note in corpus.notes)
    row = scan(corpus, workers=0).table.iloc[0]
    assert row["path"] == str(gone)
    assert row["status"] == "unreadable"


def test_archive_without_any_wanted_clip_is_refused(
    moved: fma_archive.Archives, tmp_path: Path
) -> None:
    shutil.copytree(moved.folder, tmp_path / "d")
    fma_archive.write_zip(tmp_path / "d" / "fma_small.zip", {"fma_small/155/155066.mp3": b"x"})
    with pytest.raises(DataError, match="holds none of the clips"):
        open_corpus(str(tmp_path / "d"))
    fma_archive.write_zip(tmp_path / "d" / "fma_small.zip", {"song.mp3": b"x"})
    with pytest.raises(DataError, match="no clips of the form"):
        open_corpus(str(tmp_path / "d"))
    (tmp_path / "d" / "fma_small.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match="no whole zip"):
        open_corpus(str(tmp_path / "d"))


def csv_of(*lines: str) -> bytes:
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "two header rows"),
        (csv_of("track_id,genre", "2,Rock"), "no column album.id"),
        (b"\xff\xfe\x00binary" * 100, "no column"),
        (fma_archive.tracks_csv([]).replace(b"track_id", b"id"), "no line 'track_id'"),
        (fma_archive.tracks_csv([]) + b"2,3\n", "has not the form"),
        (fma_archive.tracks_csv([Track(2, "Rock")]).replace(b"\n2,", b"\nx,"), "has not the form"),
        (fma_archive.tracks_csv([Track(2, "Rock"), Track(2, "Pop")]), "a track twice"),
        (fma_archive.tracks_csv([Track(2, "Rock", subset="tiny")]), "unknown subset 'tiny'"),
        (fma_archive.tracks_csv([Track(2, "Rock", subset="large")]), "lists no track"),
    ],
)
def test_other_tables_are_refused(
    text: bytes, message: str, tmp_path: Path, moved: fma_archive.Archives
) -> None:
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_bytes(text)
    (tmp_path / "fma_metadata" / "genres.csv").write_bytes(fma_archive.genres_csv())
    shutil.copy(moved.folder / "fma_small.zip", tmp_path)
    with pytest.raises(DataError, match=message):
        open_corpus(str(tmp_path))


def test_kept_rows_are_those_of_the_ids_as_they_were() -> None:
    tracks = fma_archive.make_tracks(10)
    ids = [t.id for t in tracks[::7]]
    kept = fma_tables.keep_tracks(fma_archive.tracks_csv(tracks), ids)
    assert kept == fma_archive.tracks_csv(t for t in tracks if t.id in ids)


def test_plain_folder_of_genres_is_not_taken_for_fma(tmp_path: Path) -> None:
    for genre in ("rock", "pop"):
        (tmp_path / genre).mkdir()
        (tmp_path / genre / "a.mp3").write_bytes(b"x")
    assert open_corpus(str(tmp_path)).classes == ("pop", "rock")


def test_real_ids_splits_and_genres(tmp_path: Path) -> None:
    facts = (
        Path(os.environ.get("WAVEMEL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
        / "fma"
    )
    if not (facts / "fma_small_tracks.csv").is_file():
        pytest.skip(f"REAL FMA IDS ARE MISSING: no fma_small_tracks.csv in {facts}")
    tracks = fma_archive.real_tracks(facts)
    genres = (facts / "genres.csv").read_bytes()
    archives = fma_archive.build(tmp_path, tracks, lambda t: t.id.to_bytes(4), genres=genres)
    table = open_corpus(str(archives.folder)).table
    assert len(table) == 7997
    counts = Counter(zip(table["genre"], table["split"], strict=True))
    assert {counts[g, "validation"] for g in fma_archive.GENRES} == {100}
    assert {counts[g, "test"] for g in fma_archive.GENRES} == {100}
    assert {counts[g, "training"] for g in fma_archive.GENRES} == {799, 800}
    # Every genre of a track is a name of genres.csv, the top-level one or below it.
    assert table["genres"].notna().all()
    assert not table["genres"].str.contains(r"\d{3}").any()


def test_metadata_are_read_again_only_when_they_change(
    moved: fma_archive.Archives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(moved.folder, tmp_path / "d")
    first = open_corpus(str(tmp_path / "d")).table
    reads = []
    read = fma_metadata.read_tracks
    monkeypatch.setattr(fma_metadata, "read_tracks", lambda *a: reads.append(a) or read(*a))
    assert open_corpus(str(tmp_path / "d")).table.equals(first)
    assert reads == []
    fewer = fma_archive.build(tmp_path / "e", moved.tracks[:40])
    shutil.copy(fewer.folder / "fma_metadata.zip", tmp_path / "d")
    assert len(open_corpus(str(tmp_path / "d")).table) == 40
    assert len(reads) == 1
    for copy in Path(os.environ["WAVEMEL_CACHE"]).glob("tables/*"):
        copy.write_bytes(b"damaged")
    assert len(open_corpus(str(tmp_path / "d")).table) == 40
    assert len(reads) == 2
