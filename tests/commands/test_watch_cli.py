"""`wavemel watch`, as typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_model import CLASSES
from tones import write_tone
from typed import Run, paths_in, wait_for


def test_watch_takes_what_is_there_what_comes_and_what_is_renamed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("watchfiles")
    music, out = tmp_path / "music", tmp_path / "out.jsonl"
    write_tone(music / "old.wav", 0, 1.2)
    data = write_tone(tmp_path / "whole.wav", 1, 3.0).read_bytes()
    command = [sys.executable, "-m", "wavemel", "watch", str(music), "--out", str(out), "--settle", "1.5"]  # fmt: skip

    def names() -> list[str]:
        return sorted(os.path.basename(p) for p in paths_in(out)) if out.exists() else []

    watching = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: names() == ["old.wav"])
        with (music / "new.wav").open("wb") as file:  # a slow copy
            for part in range(4):
                file.write(data[part * len(data) // 4 : (part + 1) * len(data) // 4])
                file.flush()
                time.sleep(0.4)
        wait_for(lambda: names() == ["new.wav", "old.wav"])
        rows = {os.path.basename(r["path"]): r for r in map(json.loads, out.open())}
        assert (rows["new.wav"]["seconds"], rows["new.wav"]["complete"]) == (3.0, True)
        (music / "old.wav").rename(music / "renamed.wav")
        (music / "album").mkdir()
        write_tone(music / "album" / "third.wav", 2, 1.2)
        wait_for(lambda: names() == ["new.wav", "renamed.wav", "third.wav"])
    finally:
        watching.terminate()
    assert watching.wait(timeout=60) == 0
    write_tone(music / "while it slept.wav", 3, 1.2)
    once = subprocess.run(
        [*command, "--once", "-f", "jsonl"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = map(json.loads, once.stdout.splitlines())  # the others are known
    assert os.path.basename(row["path"]) == "while it slept.wav"
    assert len(names()) == 4


def test_watch_tags_by_choice_and_does_not_listen_twice(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    pytest.importorskip("mutagen")
    from wavemel.tagging.files import read_genres

    song = write_tone(tmp_path / "music" / "a.flac", 0, 1.2)
    state = {"WAVEMEL_STATE": str(tmp_path / "state")}
    words = ("watch", "music", "--settle", "0.2", "--once", "--tag", "--tag-confidence", "0.1")
    ran = run(*words, **state)
    assert ran.code == 0
    (genre,) = read_genres(song)
    assert genre.lower() in CLASSES
    again = run(*words, "-f", "jsonl", **state)
    assert (again.code, again.out) == (0, b"")


def test_watch_knows_what_was_renamed_while_it_slept(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    song = write_tone(tmp_path / "music" / "a.wav", 0, 1.2)
    words = ("watch", "music", "--out", "out.jsonl", "--settle", "0.2", "--once", "-f", "jsonl")
    assert [row["path"] for row in run(*words).rows()] == [str(song)]
    moved = tmp_path / "music" / "album" / "b.wav"
    moved.parent.mkdir()
    song.rename(moved)
    assert run(*words).rows() == []  # not classified again
    assert paths_in(tmp_path / "out.jsonl") == [str(moved)]


def test_watch_tells_what_to_do_where_the_system_watches_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchfiles = pytest.importorskip("watchfiles")
    from wavemel.commands.watch import _complete
    from wavemel.errors import ConfigError

    def watch(*_: object, **__: object) -> object:
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr(watchfiles, "watch", watch)
    with pytest.raises(ConfigError, match=r"limit reached.*--polling"):
        next(_complete(watchfiles, tmp_path, 0.1, False, False))


def test_watch_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    assert "nowhere is no folder" in run("watch", "nowhere").err
    (tmp_path / "music").mkdir()
    ran = run("watch", "music", "--out", "x.parquet")
    assert (ran.code, "rows as they come" in ran.err) == (2, True)
