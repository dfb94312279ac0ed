"""The scan: every kind of bad file has its status, and nothing is decoded twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import RATE, tone, write_folder, write_tone

from wavemel.data import scan as module
from wavemel.data.examine import Finding, examine
from wavemel.data.scan import index_file, left_out, scan, usable
from wavemel.data.sources import open_corpus
from wavemel.data.table import Corpus
from wavemel.errors import DataError
from wavemel.workers import Crashed


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "music", {"Rock": 3, "Jazz": 3})


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were decoded."""
    names: list[str] = []

    def noting(path: str) -> Finding:
        names.append(Path(path).name)
        return examine(path)

    monkeypatch.setattr(module, "examine", noting)
    return names


def statuses(corpus: Corpus) -> dict[str, str]:
    return {Path(row.path).name: row.status for row in corpus.table.itertuples()}


def reason(corpus: Corpus, name: str) -> str:
    table = corpus.table
    return table["reason"][table["path"].str.endswith(name)].fillna("").iloc[0]


def test_every_fault_has_a_status(music: Path) -> None:
    rock = music / "Rock"
    write_tone(rock / "short.wav", 50, seconds=1.5)
    write_tone(rock / "stub.wav", 51, seconds=0.01)
    (rock / "empty.mp3").touch()
    (rock / "text.mp3").write_text("no music here")
    soundfile.write(rock / "silent.wav", np.zeros(3 * RATE), RATE)
    soundfile.write(rock / "stereo.wav", np.stack([tone(60, rate=11025)] * 2, 1), 11025)
    # A twin of other bytes, in another genre, and a copy.
    soundfile.write(rock / "twin.flac", soundfile.read(music / "Jazz" / "001.wav")[0], RATE)
    shutil.copy(rock / "000.wav", rock / "copy.wav")
    corpus = scan(open_corpus(str(music)), workers=2)
    found = corpus.table.set_index(corpus.table["path"].str.removeprefix(f"{music}/"))
    assert found["status"].to_dict() == {
        "Jazz/000.wav": "ok", "Jazz/001.wav": "ok", "Jazz/002.wav": "ok",
        "Rock/000.wav": "ok", "Rock/001.wav": "ok", "Rock/002.wav": "ok",
        "Rock/copy.wav": "duplicate", "Rock/empty.mp3": "unreadable", "Rock/short.wav": "short",
        "Rock/silent.wav": "silent", "Rock/stereo.wav": "ok", "Rock/stub.wav": "short",
        "Rock/text.mp3": "unreadable", "Rock/twin.flac": "duplicate",
    }  # fmt: skip
    assert "labelled 'Jazz', not 'Rock'" in found["reason"]["Rock/twin.flac"]
    assert "labelled" not in found["reason"]["Rock/copy.wav"]
    assert found["reason"]["Rock/short.wav"] == "1.50 s, less than 2 s"
    assert (found["rate"]["Rock/stereo.wav"], found["channels"]["Rock/stereo.wav"]) == (11025, 2)
    assert found["seconds"]["Rock/000.wav"] == pytest.approx(2.5)
    assert found["content"]["Rock/empty.mp3"]
    assert len(usable(corpus.table)) == 7
    assert len(left_out(corpus.table)) == 7
    assert "1 clips decode to the same samples as a clip of another genre" in corpus.notes[0]


def test_files_that_are_not_there(music: Path) -> None:
    corpus = open_corpus(str(music))
    (music / "Rock" / "001.wav").unlink()
    scanned = scan(corpus, workers=0)
    assert left_out(scanned.table)[["status", "reason"]].to_numpy().tolist() == [
        ["unreadable", "does not exist"]
    ]
    shutil.rmtree(music)
    with pytest.raises(DataError, match="none of the 6 files of music exists"):
        scan(corpus, workers=0)


def test_second_scan_decodes_only_what_changed(music: Path, examined: list[str]) -> None:
    corpus = open_corpus(str(music))
    first = scan(corpus, workers=0)
    assert len(examined) == 6
    examined.clear()
    write_tone(music / "Rock" / "001.wav", 99, seconds=3)
    second = scan(corpus, workers=0)
    assert examined == ["001.wav"]
    same = first.table["path"] != str(music / "Rock" / "001.wav")
    assert second.table[same].equals(first.table[same])
    assert second.table["seconds"][~same].item() == 3


def test_the_shortest_length_can_change_without_decoding(music: Path, examined: list[str]) -> None:
    corpus = open_corpus(str(music))
    assert set(statuses(scan(corpus, workers=0)).values()) == {"ok"}
    assert set(statuses(scan(corpus, workers=0, min_seconds=2.6)).values()) == {"short"}
    assert len(examined) == 6


def test_no_cache_remembers_nothing(music: Path, examined: list[str]) -> None:
    for _ in range(2):
        scan(open_corpus(str(music)), workers=0, cache=False)
    assert len(examined) == 12
    assert not index_file().exists()


def test_stopped_scan_continues(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = open_corpus(str(music))
    done: list[str] = []

    def stopped_on_fourth(path: str) -> Finding:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(path)
        return examine(path)

    monkeypatch.setattr(module, "examine", stopped_on_fourth)
    with pytest.raises(KeyboardInterrupt):
        scan(corpus, workers=0)
    rest: list[str] = []
    monkeypatch.setattr(module, "examine", lambda path: rest.append(path) or examine(path))
    assert set(statuses(scan(corpus, workers=0)).values()) == {"ok"}
    assert sorted(done + rest) == sorted(corpus.table["path"])


def test_an_index_whose_pages_are_damaged_is_begun_anew(music: Path) -> None:
    before = statuses(scan(open_corpus(str(music)), workers=0))
    data = index_file().read_bytes()
    index_file().write_bytes(data[:4096] + b"Z" * max(4096, len(data) - 4096))
    assert statuses(scan(open_corpus(str(music)), workers=0)) == before
    index_file().unlink()
    index_file().mkdir()
    with pytest.raises(DataError, match="memory of scans, cannot be used"):
        scan(open_corpus(str(music)), workers=0)


def test_damaged_index_is_begun_anew(music: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = open_corpus(str(music))
    scan(corpus, workers=0)
    index_file().write_bytes(b"no database" * 1000)
    assert set(statuses(scan(corpus, workers=0)).values()) == {"ok"}
    assert "begun anew" in caplog.text


def test_crashed_decoder_is_a_status_and_tried_again(
    music: Path, monkeypatch: pytest.MonkeyPatch, examined: list[str]
) -> None:
    corpus = open_corpus(str(music))
    with monkeypatch.context() as patch:
        patch.setattr(
            module,
            "map_files",
            lambda f, items, workers: (
                (i, Crashed() if i == 1 else f(path)) for i, path in enumerate(items)
            ),
        )
        scanned = scan(corpus, workers=0)
    assert scanned.table["status"].tolist() == ["ok", "unreadable", *["ok"] * 4]
    assert scanned.table["reason"][1] == "the decoder crashed on it"
    examined.clear()
    assert set(statuses(scan(corpus, workers=0)).values()) == {"ok"}
    assert examined == ["001.wav"]


def test_clips_without_a_genre(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 1)
    write_tone(tmp_path / "b.wav", 2)
    shutil.copy(tmp_path / "a.wav", tmp_path / "c.wav")
    (tmp_path / "t.csv").write_text("path,genre\na.wav,\nb.wav,Rock\nc.wav,Jazz\n")
    scanned = scan(open_corpus(str(tmp_path / "t.csv")), workers=0)
    # The twin that has a genre is kept.
    assert statuses(scanned) == {"a.wav": "unlabelled", "b.wav": "ok", "c.wav": "ok"}


def test_cut_file_is_used_and_said(music: Path) -> None:
    cut = music / "Rock" / "cut.flac"
    soundfile.write(cut, tone(70, seconds=6), RATE)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    scanned = scan(open_corpus(str(music)), workers=0)
    assert statuses(scanned)["cut.flac"] == "ok"
    assert "cut short" in reason(scanned, "cut.flac")


@pytest.mark.real
@pytest.mark.slow
def test_emotify_is_whole(real_data: Path) -> None:
    scanned = scan(open_corpus(str(real_data / "emotify" / "tracks.csv")))
    assert set(scanned.table["status"]) == {"ok"}
    assert set(scanned.table["rate"]) == {44100}
