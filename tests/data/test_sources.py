"""Folders and table files: what becomes a clip, and one clear sentence where nothing does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from wavemel.data.sources import open_corpus
from wavemel.data.sources.table_file import write_table
from wavemel.data.table import as_table
from wavemel.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_folders_are_genre_artist_album(tmp_path: Path) -> None:
    touch(
        tmp_path, "Rock/a.mp3", "Rock/Ann/b.FLAC", "Jazz/Bob/Live/c.wav", "Jazz/Bob/Live/CD 1/d.ogg"
    )
    corpus = open_corpus(str(tmp_path))
    rows = corpus.table.set_index(corpus.table["path"].str.rsplit("/", n=1).str[-1])
    assert corpus.name == tmp_path.name
    assert corpus.classes == ("Jazz", "Rock")
    assert rows["artist"].fillna("-").to_dict() == {
        "a.mp3": "-", "b.FLAC": "Ann", "c.wav": "Bob", "d.ogg": "Bob",
    }  # fmt: skip
    assert rows["album"].fillna("-")["d.ogg"] == "Live"
    assert all(map(os.path.isabs, rows["path"]))


def test_folder_leaves_out_what_is_no_clip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "Rock/a.mp3", "Rock/.b.mp3", "Rock/cover.jpg", ".trash/c.mp3", "loose.mp3")
    corpus = open_corpus(str(tmp_path))
    assert [Path(p).name for p in corpus.table["path"]] == ["a.mp3"]
    assert "1 audio files lie in no genre folder" in corpus.notes[0]
    assert "loose.mp3" in caplog.text


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "music", "Rock/a.mp3")
    touch(tmp_path / "elsewhere", "b.mp3")
    (tmp_path / "music/Rock/again").symlink_to(tmp_path / "music")
    (tmp_path / "music/Jazz").symlink_to(tmp_path / "elsewhere")
    table = open_corpus(str(tmp_path / "music")).table
    assert table["path"].str.removeprefix(f"{tmp_path}/music/").tolist() == [
        "Jazz/b.mp3",
        "Rock/a.mp3",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_that_are_no_unicode_are_named_and_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "Rock/a.mp3", "Rock/two\nlines.mp3")
    with open(os.fsencode(tmp_path) + b"/Rock/\xff.mp3", "wb"):
        pass
    corpus = open_corpus(str(tmp_path))
    assert len(corpus.table) == 2
    assert "not valid Unicode" in corpus.notes[0]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "holds no audio files"),
        (("notes.txt",), "holds no audio files"),
        (("a.mp3",), "but no genre folders"),
    ],
)
def test_folder_without_clips(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        open_corpus(str(touch(tmp_path, *names)))


def test_table_paths_are_relative_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tracks.csv").write_text(
        "path,genre,artist,fold,mood\n"
        "a/../b.mp3,Rock,NA,0,sad\n"
        "/far/c.mp3,Jazz,007,1,\n"
        "z.zip!/in/d.mp3,Jazz,,2,\n",
        encoding="utf-8-sig",
    )
    monkeypatch.chdir(tmp_path.parent)
    corpus = open_corpus(f"{tmp_path.name}/tracks.csv")
    assert corpus.table["path"].tolist() == [
        f"{tmp_path}/b.mp3", "/far/c.mp3", f"{tmp_path}/z.zip!/in/d.mp3",
    ]  # fmt: skip
    assert corpus.table["artist"].fillna("-").tolist() == ["NA", "007", "-"]
    assert corpus.table["fold"].tolist() == [0, 1, 2]
    assert corpus.table["mood"].fillna("-").tolist() == ["sad", "-", "-"]
    assert (corpus.name, corpus.split_origin) == (tmp_path.name, "given")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_written_tables_read_back(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.csv").write_text(
        'path,genre,fold\n"a, b.mp3",Rock,0\n"two\nlines.mp3",Jazz,1\n'
    )
    corpus = open_corpus(str(tmp_path / "in.csv"))
    out = write_table(corpus.table, tmp_path / f"out{suffix}")
    pd.testing.assert_frame_equal(open_corpus(str(out)).table, corpus.table)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({"in.csv", out.name})
    moved = tmp_path / "moved"
    moved.mkdir()
    out.rename(moved / out.name)
    assert open_corpus(str(moved / out.name)).table["path"][0] == f"{moved}/a, b.mp3"


def test_names_that_begin_oddly_are_found_again(tmp_path: Path) -> None:
    rows = [(str(tmp_path / name), "folk") for name in (" a/ 1.mp3", "~b/2.mp3", "c/3.mp3")]
    table = as_table(pd.DataFrame(rows, columns=["path", "genre"]), "here")
    out = write_table(table, tmp_path / "out.csv")
    assert open_corpus(str(out)).table["path"].tolist() == table["path"].tolist()
    # Those of all others stand there as they are.
    assert out.read_text().endswith("\nc/3.mp3,folk\n")


def test_tables_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("path,genre\na.mp3,Rock\n")
    table = open_corpus(str(tmp_path / "in.csv")).table
    with pytest.raises(DataError, match=r"exists.*--force"):
        write_table(table, tmp_path / "in.csv")
    write_table(table, tmp_path / "in.csv", force=True)
    for name, sentence in (("x.xlsx", "ends in"), ("no/x.csv", "there is no folder")):
        with pytest.raises(DataError, match=sentence):
            write_table(table, tmp_path / name)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"path,genre\n", "holds no clips"),
        (b"file,genre\na.mp3,Rock\n", "no column 'path': rename 'file' if that is it"),
        (b"path,Genre\na.mp3,Rock\n", "no column 'genre': rename 'Genre' if that is it"),
        (b"path,x\na.mp3,Rock\n", "no column 'genre': its columns are path, x"),
        (b"path;genre\na.mp3;Rock\n", "separated by semicolons"),
        (b"path,genre\n,Rock\n", "1 rows have no path \\(first: row 1\\)"),
        (b"path,genre\na.mp3,\n", "the column 'genre' is empty"),
        (b"path,genre\na.mp3,Rock\n./a.mp3,Jazz\n", "lists .*a.mp3 twice"),
        (b"path,genre\na.mp3,R\xe9\n", "not UTF-8"),
        (b'path,genre\n"a.mp3,Rock\n', "no valid csv table"),
    ],
)
def test_table_that_does_not_hold(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        open_corpus(str(file))
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"path,genre\n")
    (tmp_path / "t.xlsx").write_bytes(b"x")
    for data, sentence in (
        (tmp_path / "t.parquet", "no valid parquet table"),
        (tmp_path / "t.csv", "there is no table file"),
        (tmp_path / "t.xlsx", "is no data set"),
        (tmp_path / "nothing", "does not exist"),
        ("", "is empty"),
    ):
        with pytest.raises(DataError, match=sentence):
            open_corpus(str(data))


@pytest.mark.real
def test_emotify(real_data: Path) -> None:
    corpus = open_corpus(str(real_data / "emotify" / "tracks.csv"))
    assert len(corpus.table) == 318
    assert corpus.classes == ("classical", "electronic", "pop", "rock")
    assert corpus.table["artist"].nunique() == 106
