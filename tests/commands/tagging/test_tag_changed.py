"""`wavemel tag --from`, where a song is no longer the one that was classified."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wavemel.audio.locate import content_hash
from wavemel.library.done import Done
from wavemel.library.outfile import store_path
from wavemel.library.store import Store
from wavemel.tagging.files import read_genres, write_genres

Run = Callable[..., Result]
SAID = "has changed since it was classified: run classify again, or give --force"


@pytest.fixture
def kept(results: Path) -> Path:
    """Results with the store that they were made with."""
    with contextlib.closing(Store(store_path(results))) as store:
        for row in map(json.loads, results.read_text().splitlines()):
            store.take(row["path"])
            with store.transaction():
                store.finish(Done(row["path"], row, content_hash(row["path"])))
    return results


def replace(song: Path) -> None:
    """Put a longer recording in a song's place."""
    content = song.read_bytes()
    song.write_bytes(content + bytes(100))


@pytest.mark.parametrize("words", [[], ["--apply"]])
def test_a_replaced_song_is_a_row_and_not_tagged(
    words: list[str], run: Run, kept: Path, songs: list[Path]
) -> None:
    replace(songs[1])
    content = songs[1].read_bytes()
    result = run("tag", "--from", kept, *words)
    assert result.exit_code == 1
    assert f"failed {songs[1]}: {SAID}\n" in result.stdout
    assert "1 failed" in result.stderr
    assert songs[1].read_bytes() == content
    assert [read_genres(song) for song in (songs[0], songs[2])] == [["electronic"] if words else []] * 2  # fmt: skip


def test_one_that_is_not_to_be_tagged_is_no_failure(
    run: Run, kept: Path, songs: list[Path]
) -> None:
    write_genres(songs[0], ["By hand"])
    replace(songs[1])
    result = run("tag", "--from", kept, "--min-confidence", "0.9")
    assert (result.exit_code, "3 left alone, 0 failed" in result.stderr) == (0, True)
    assert run("tag", songs[0], "--from", kept).exit_code == 0
    assert SAID in run("tag", songs[0], "--from", kept, "--overwrite").stdout


def test_it_is_tagged_on_demand(run: Run, kept: Path, songs: list[Path]) -> None:
    write_genres(songs[0], ["By hand"])
    result = run("tag", "--from", kept, "--overwrite", "--apply", "--force")
    assert (result.exit_code, read_genres(songs[0])) == (0, ["electronic"])


def test_a_song_of_the_same_bytes_is_tagged(run: Run, kept: Path, songs: list[Path]) -> None:
    copy = songs[0].with_suffix(".copy")
    shutil.copyfile(songs[0], copy)
    os.replace(copy, songs[0])
    os.utime(songs[1], (1_000_000_000, 1_000_000_000))
    assert run("tag", "--from", kept, "--apply").exit_code == 0
    assert [read_genres(song) for song in songs] == [["electronic"]] * 3
    # What was written is no change, nor what is taken back.
    assert run("tag", "--from", kept, "--overwrite", "--min-confidence", "0", "--top", "2").exit_code == 0  # fmt: skip
    assert run("tag", "--undo").exit_code == 0
    assert run("tag", "--from", kept).exit_code == 0


def test_one_that_a_killed_run_was_doing_again_has_changed(
    run: Run, kept: Path, songs: list[Path]
) -> None:
    replace(songs[0])
    store = Store(store_path(kept))
    store.take(str(songs[0]))  # Not closed, as after kill -9: the store knows its new size.
    result = run("tag", "--from", kept)
    assert f"failed {songs[0]}: {SAID}\n" in result.stdout
    store.close()


def test_a_dry_run_leaves_no_trace_beside_the_results(
    run: Run, kept: Path, songs: list[Path]
) -> None:
    before = sorted(os.listdir(kept.parent))
    run("tag", "--from", kept)
    assert sorted(os.listdir(kept.parent)) == before


def test_what_cannot_be_known_is_said_once_or_taken_as_it_is(
    run: Run, kept: Path, songs: list[Path]
) -> None:
    replace(songs[0])
    memory = store_path(kept)
    with contextlib.closing(sqlite3.connect(memory)) as database:
        database.execute("drop table files")
    broken = run("tag", "--from", kept)
    assert (broken.exit_code, broken.stderr.count("is not known")) == (0, 1)
    memory.unlink()
    without = run("tag", "--from", kept)
    assert (without.exit_code, "3 files to tag" in without.stderr) == (0, True)


def test_playlists_say_of_which_songs_the_genre_may_be_another(
    run: Run, kept: Path, songs: list[Path], tmp_path: Path
) -> None:
    words = ("playlists", kept, "--to", tmp_path / "lists")
    assert run(*words).stderr == ""
    replace(songs[1])
    songs[2].unlink()
    said = run(*words).stderr
    assert f"holds results of 1 files that have changed since, such as {songs[1]} (" in said
    assert f"holds results of 1 files that are gone, such as {songs[2]} (" in said
