"""`wavemel tag PATH`, which classifies first."""

from __future__ import annotations

import os
import re
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import Result

import wavemel
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.library.library import Library
from wavemel.tagging.files import read_genres

Run = Callable[..., Result]


#: What a tiny model says of half a second of noise is not to be trusted, but it is a genre.
ANY = ("--unsure", "--min-confidence", "0")


def test_files_are_classified_where_no_results_are_given(
    run: Run, songs: list[Path], heard: list[str], tmp_path: Path
) -> None:
    (songs[0].parent / "notes.txt").write_text("not music")
    songs[1].write_bytes(songs[1].read_bytes()[:20])
    result = run("tag", songs[0].parent, "--model", "tiny", "--apply", *ANY)
    assert result.exit_code == 1
    assert re.search(rf"failed {songs[1]}: not classified: \w+", result.stdout)
    genre = wavemel.load("tiny").classify(songs[0]).genre
    assert [read_genres(songs[i]) for i in (0, 2)] == [[genre], [genre]]
    heard.clear()
    again = run("tag", songs[0], songs[2], "--all", *ANY)
    assert again.stdout.count("has a genre") == 2
    assert heard == []
    run("tag", songs[0], "--overwrite", *ANY)
    assert heard == [str(songs[0])]
    with pytest.raises(ModelError, match="no model called 'tini'"):
        run("tag", songs[0], "--model", "tini")
    mapping = tmp_path / "map.txt"
    mapping.write_text("polka = Polka\n")
    with pytest.raises(ConfigError, match="no genre 'polka'"):
        run("tag", songs[0].parent, "--mapping", mapping)


def test_many_files_are_classified_in_processes(
    run: Run, songs: list[Path], heard: list[str]
) -> None:
    more = [songs[0].with_name(f"{i}.wav") for i in range(6)]
    for path in more:
        path.write_bytes(songs[0].read_bytes())
    result = run("tag", *more, "--workers", "2", *ANY)
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"write {path}" for path in more]


def test_a_journal_that_cannot_be_made_is_told_before_it_listens(
    run: Run, songs: list[Path], heard: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="no file was tagged without it"):
        run("tag", songs[0], "--apply", "--journal", tmp_path / "file" / "deep" / "j.jsonl", *ANY)
    assert heard == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_it_listens_it_says_that_nothing_was_written(
    number: signal.Signals,
    code: int,
    run: Run,
    songs: list[Path],
    heard: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        assert callable(signal.getsignal(number))
        signal.raise_signal(number)

    monkeypatch.setattr(Library, "classify", stop)
    result = run("tag", *songs, "--apply", *ANY)
    assert (result.exit_code, result.stderr) == (code, "stopped: nothing was written\n")
    assert [read_genres(song) for song in songs] == [[], [], []]


def test_folders_patterns_and_what_cannot_be_entered(
    run: Run, songs: list[Path], heard: list[str], tmp_path: Path
) -> None:
    music = songs[0].parent
    (music / "up").symlink_to(music)
    (music / "film.mka").write_bytes(b"no tags here")
    result = run("tag", music, *ANY)
    assert result.exit_code == 1
    assert f"failed {music / 'up'}: not classified: is a link to a folder" in result.stdout
    assert "film.mka" not in result.stdout
    assert "1 left alone (1 of kinds that hold no tags wavemel writes), 1 failed" in result.stderr
    assert run("tag", music / "*.wav", *ANY).stdout.startswith(f"write {songs[0]}")
    assert "film.mka: " in run("tag", music / "film.mka").stdout  # named outright
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio files that hold tags in"):
        run("tag", tmp_path / "empty")


def test_an_archive_is_left_alone_by_name_and_in_a_folder(
    run: Run, songs: list[Path], heard: list[str]
) -> None:
    member = songs[0].with_suffix(".mp3")
    rng = np.random.default_rng(0)
    soundfile.write(member, rng.standard_normal((90_000, 1)) * 0.1, 44_100, format="MP3")
    packed = member.with_name("packed.mp3")
    with tarfile.open(packed, "w") as archive:
        archive.add(member, "x.mp3")
    before = packed.read_bytes()
    for named in (packed, packed.parent):
        result = run("tag", named, "--apply", "--overwrite", *ANY)
        assert result.exit_code == 1
        assert re.search(rf"failed {packed}: .*\btar archive", result.stdout)
    assert packed.read_bytes() == before
    assert len(read_genres(member)) == 1
