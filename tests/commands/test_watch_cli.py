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


def test_watch_tags_also_what_was_classified_before(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    pytest.importorskip("mutagen")
    from wavemel.tagging.files import read_genres, write_genres

    song = write_tone(tmp_path / "music" / "a.flac", 0, 1.2)
    words = ("watch", "music", "--out", "out.jsonl", "--settle", "0", "--once")
    assert run(*words).code == 0  # as a watch leaves it that is killed before it tags
    assert read_genres(song) == []
    state = {"WAVEMEL_STATE": str(tmp_path / "state")}
    tagging = (*words, "--tag", "--tag-confidence", "0.1", "-f", "jsonl")
    ran = run(*tagging, **state)
    assert (ran.code, ran.out, f"written {song}" in ran.err) == (0, b"", True)
    assert read_genres(song)[0].lower() in CLASSES
    write_genres(song, ["By hand"])
    for _ in range(2):
        assert "written" not in run(*tagging, **state).err
    assert read_genres(song) == ["By hand"]


def test_watch_keeps_its_results_where_the_environment_says(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    write_tone(tmp_path / "music" / "a.wav", 0, 1.2)
    state = {"WAVEMEL_STATE": str(tmp_path / "state")}
    assert run("watch", "music", "--settle", "0", "--once", **state).code == 0
    (kept,) = (tmp_path / "state" / "watch").glob("music-*.jsonl")
    assert len(paths_in(kept)) == 1
    for command in ("watch", "tag"):
        assert "WAVEMEL_STATE" in run(command, "--help").out.decode()


def test_watch_once_tells_that_files_failed(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    write_tone(tmp_path / "music" / "a.wav", 0, 1.2)
    (tmp_path / "music" / "b.mp3").write_bytes(b"no music")
    words = ("watch", "music", "--out", "out.jsonl", "--settle", "0", "--once", "-f", "jsonl")
    first, again = run(*words), run(*words)
    assert [row["error"] is None for row in first.rows()] == [True, False]
    assert (first.code, again.code, again.out) == (1, 1, b"")
    (tmp_path / "music" / "b.mp3").unlink()
    assert run(*words).code == 0


def test_watch_gives_a_row_for_what_it_cannot_look_into(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    loop = tmp_path / "music" / "up"
    loop.parent.mkdir()
    loop.symlink_to(loop.parent)
    ran = run("watch", "music", "--out", "out.jsonl", "--settle", "0", "--once", "-f", "jsonl")
    (row,) = ran.rows()
    assert (ran.code, row["path"], row["reason"]) == (1, str(loop), "loop")


def test_watch_ends_where_its_folder_is_gone(environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    music = tmp_path / "music"
    music.mkdir()
    command = [sys.executable, "-m", "wavemel", "watch", str(music), "--out", str(tmp_path / "o.csv")]  # fmt: skip
    watching = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert watching.stderr is not None
        assert watching.stderr.readline().startswith("watching")
        music.rmdir()
        assert watching.wait(timeout=60) == 1
        assert watching.stderr.read() == f"{music} is gone: the watch has ended\n"
    finally:
        watching.kill()


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


def test_watch_drops_results_of_files_that_are_gone_on_demand(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    gone, renamed = (write_tone(tmp_path / "music" / f"{i}.wav", i, 1.2) for i in range(2))
    elsewhere = write_tone(tmp_path / "other" / "c.wav", 2, 1.2)
    words = ("watch", "music", "--out", "out.jsonl", "--settle", "0", "--once", "-f", "jsonl")
    assert run("classify", elsewhere, "--out", "out.jsonl").code == 0
    assert len(run(*words).rows()) == 2
    elsewhere.unlink()
    gone.unlink()
    moved = renamed.rename(tmp_path / "music" / "b.wav")
    assert len(paths_in(tmp_path / "out.jsonl")) == 3
    pruned = run(*words, "--prune")
    assert (pruned.code, pruned.rows()) == (0, []), pruned.err
    assert "1 results are of files that are gone: dropped" in pruned.err
    assert paths_in(tmp_path / "out.jsonl") == sorted([str(moved), str(elsewhere)])


def test_watch_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "map.txt").write_text("rokc = Rock\n")
    (tmp_path / "unlike.txt").write_text("a xylophone = X\n")
    for words, said in (
        (("nowhere",), "nowhere is no folder"),
        (("",), "an empty name is no folder"),
        (("music", "--out", "x.parquet"), "rows as they come, into files that end in .csv, .jsonl"),
        (("music", "--format", "xml"), "(known: csv, jsonl, table)"),
        (("music", "--format", "parquet"), "--format 'parquet': watch writes rows as they come"),
        (("music", "--settle", "nan"), "--settle is from 0 to 3600 seconds, not nan"),
        (("music", "--settle", "inf"), "not inf"),
        (("music", "--settle", "-1"), "not -1"),
        (("music", "--mapping", "map.txt"), "--mapping says how to tag: give --tag too"),
        (("music", "--tag-confidence", "0"), "--tag-confidence says how to tag"),
        (("music", "--tag", "--tag-confidence", "1.5"), "from 0 to 1, not 1.5"),
        (("music", "--tag", "--tag-confidence", "nan"), "from 0 to 1, not nan"),
        (("music", "--tag", "--mapping", "map.txt"), "(did you mean 'rock'?)"),
        (("music", "--tag", "--mapping", "unlike.txt"), "there is no genre 'a xylophone' (known: "),
    ):
        ran = run("watch", *words, "--once")
        assert (ran.code, said in ran.err) == (2, True), (words, ran.err)
    waiting = run("watch", "music", "--prune")
    assert (waiting.code, "give --once too" in waiting.err) == (2, True)
