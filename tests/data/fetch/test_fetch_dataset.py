from __future__ import annotations

import os
from pathlib import Path

import fma_archive
import pytest
from fault_server import Server

from wavemel.data.fetch.archives import base_address, known_checksums, read_checksums
from wavemel.data.fetch.dataset import fetch_dataset
from wavemel.data.fetch.http import Retries
from wavemel.data.fetch.verify import verify_folder
from wavemel.data.sources import open_corpus
from wavemel.errors import DataError


def fetch(name: str, server: Server, archives: fma_archive.Archives, **more: object):
    more.setdefault("checksums", archives.checksums_file())
    return fetch_dataset(name, url=server.url, retries=Retries(4, first_wait=0.001), **more)


def test_name_brings_audio_and_metadata_and_opens(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    got = fetch("fma-small", server, archives)
    assert got.path == here / "fma_small.zip"
    assert sorted(os.listdir(here)) == ["fma_metadata.zip", "fma_small.zip"]
    assert got.data == "fma-small"
    assert len(open_corpus(got.data).table) == len(archives.tracks)
    assert fetch("fma-metadata", server, archives).data == ""
    assert len(server.requests) == 2


def test_unpacked_is_read_and_checked_when_fetched_again(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    got = fetch("fma-small", server, archives, unpacked=True)
    assert got.path == here / "fma_small"
    assert open_corpus("fma-small").table["path"].str.startswith(str(got.path)).all()
    requests = len(server.requests)
    assert fetch("fma-small", server, archives, unpacked=True).path == got.path
    assert len(server.requests) == requests
    (got.path / archives.tracks[3].inner).write_bytes(b"changed")
    with pytest.raises(DataError, match=rf"1 of 320 files .*{archives.tracks[3].inner}"):
        fetch("fma-small", server, archives, unpacked=True)


def test_own_folder_is_in_the_name_to_use(
    archives: fma_archive.Archives, server: Server, here: Path, tmp_path: Path
) -> None:
    got = fetch("fma-small", server, archives, to=tmp_path / "own")
    assert got.data == f"fma-small:{tmp_path / 'own'}"
    assert len(open_corpus(got.data).table) == len(archives.tracks)
    assert not here.exists()


def test_slice_is_named_checked_and_opened(
    archives: fma_archive.Archives, server: Server, here: Path, tmp_path: Path
) -> None:
    got = fetch("fma-small", server, archives, per_genre=5, checksums=None)
    assert got.data == "fma-small:5"
    corpus = open_corpus(got.data)
    assert corpus.name == "fma-small-5-per-genre"
    assert len(corpus.table) == 40
    assert any("slice" in note for note in corpus.notes)
    other = fetch("fma-small", server, archives, per_genre=5, seed=7, checksums=None)
    assert other.path != got.path
    table = open_corpus(other.data).table
    assert set(table["track_id"]) != set(corpus.table["track_id"])
    next(got.path.glob("fma_small/*/*.mp3")).unlink()
    with pytest.raises(DataError, match="1 of 40 files"):
        fetch("fma-small", server, archives, per_genre=5, checksums=None)


def test_whole_set_that_is_missing_names_the_slice_that_is_there(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    got = fetch("fma-small", server, archives, per_genre=3, checksums=None)
    with pytest.raises(DataError, match=f"the slice that is there: {got.path}"):
        open_corpus("fma-small")


def test_address_of_the_environment_is_used(
    archives: fma_archive.Archives, server: Server, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEMEL_FMA_URL", server.url.rstrip("/"))
    fetch_dataset("fma-metadata", checksums=archives.checksums_file())
    assert [r.path for r in server.requests] == ["fma_metadata.zip"]
    assert base_address("https://mirror.example/fma") == "https://mirror.example/fma/"


def test_archive_that_is_not_fma_is_refused_by_the_published_sum(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    with pytest.raises(DataError, match="not f0df49ffe5f2a6008d7dc83c6915b31835dfe733"):
        fetch("fma-small", server, archives, checksums=None)
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("fma-smal", {}, "did you mean 'fma-small'"),
        ("fma-metadata", {"per_genre": 5}, "holds no clips"),
        ("fma-small", {"per_genre": 5, "unpacked": True}, "leave out --unpack"),
        ("fma-small", {"per_genre": 2, "checksums": None}, "3 or more"),
        ("fma-medium", {}, r"no line for fma_medium\.zip"),
        ("fma-small", {"checksums": "missing.txt"}, "missing.txt cannot be read"),
    ],
)
def test_wrong_calls_are_one_sentence(
    name: str,
    more: dict,
    message: str,
    archives: fma_archive.Archives,
    server: Server,
    here: Path,
) -> None:
    with pytest.raises(DataError, match=message):
        fetch(name, server, archives, **more)


def test_address_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="--url 'ftp://x' is no address"):
        base_address("ftp://x")
    monkeypatch.setenv("WAVEMEL_FMA_URL", "here")
    with pytest.raises(DataError, match="WAVEMEL_FMA_URL 'here' is no address"):
        base_address()


def test_list_of_sums_is_as_sha1sum_writes_it(tmp_path: Path) -> None:
    sha1 = "A" * 40
    assert read_checksums(f"{sha1}  ./a b.zip\n\n{sha1} *c\n", "x") == {
        "a b.zip": "a" * 40,
        "c": "a" * 40,
    }
    with pytest.raises(DataError, match="x, line 2"):
        read_checksums(f"{sha1}  a\nnonsense\n", "x")
    assert len(known_checksums()) == 5


def test_folder_without_a_list_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be checked"):
        verify_folder(tmp_path)
