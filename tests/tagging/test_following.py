"""What a watch has classified is tagged once, whatever was killed in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wavemel.audio.locate import content_hash
from wavemel.errors import DataError
from wavemel.library.done import Done, Taken
from wavemel.library.store import Store
from wavemel.outputs.rows import error_row
from wavemel.tagging import following
from wavemel.tagging.files import read_genres, write_genres
from wavemel.tagging.following import Follower, Rules
from wavemel.tagging.mapping import GenreMap

Song = Callable[..., Path]


class Watch:
    """One store, and as many starts of what tags by it as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "out.state", {"model": "m"})

    def start(self, rules: Rules | None = None) -> Follower:
        return Follower(
            rules or Rules(), self.store, self.folder / "out.tagged", self.folder / "journal.jsonl"
        )

    def classified(self, path: Path, genre: str = "rock", probability: float = 0.9) -> dict:
        """Keep a result as a watch does before it tags."""
        name = os.fspath(path)
        assert self.store.take(name) is Taken.YOURS
        row = error_row(name, "", "", "m") | {"error": None, "reason": None, "unsure": False}
        row["genres"] = [{"genre": genre, "probability": probability}]
        with self.store.transaction():
            self.store.finish(Done(name, row, content_hash(name)))
        return row

    def caught_up(self, path: Path, rules: Rules | None = None) -> list[str]:
        """Start anew, and return what became of a file."""
        follower = self.start(rules)
        statuses = [outcome.status for outcome in follower.catch_up([os.fspath(path)])]
        follower.close()
        return statuses


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def test_a_result_whose_tag_was_lost_is_tagged_at_the_next_start(watch: Watch, song: Song) -> None:
    path = song("flac")
    watch.classified(path)  # and the watch is killed
    assert watch.caught_up(path) == ["written"]
    assert read_genres(path) == ["rock"]
    assert watch.store.settled(os.fspath(path)) is Taken.DONE
    assert watch.caught_up(path) == []


@pytest.mark.parametrize("killed", ["accept", "keep"])
def test_a_watch_killed_after_the_tag_writes_no_second_time(
    watch: Watch, song: Song, killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = song("mp3")
    row = watch.classified(path)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store if killed == "accept" else following.Ledger, killed, die)
        with pytest.raises(KeyboardInterrupt):
            list(watch.start().tag(os.fspath(path), row))
    tagged = path.read_bytes()
    assert read_genres(path) == ["rock"]
    if killed == "accept":  # its bytes are new to the store: it is classified again
        assert watch.caught_up(path) == []
        row = watch.classified(path, "jazz")
    assert watch.caught_up(path) == []
    assert path.read_bytes() == tagged


def test_genres_by_hand_stay_and_what_is_taken_out_stays_out(watch: Watch, song: Song) -> None:
    path = song("ogg")
    watch.classified(path)
    assert watch.caught_up(path) == ["written"]
    for genres in (["By hand"], []):
        write_genres(path, genres)
        watch.classified(path)
        for _ in range(2):
            assert watch.caught_up(path) == []
            assert read_genres(path) == genres


def test_what_is_taken_out_stays_out_under_another_name(watch: Watch, song: Song) -> None:
    path = song("mp3")
    link = path.with_name("link.mp3")
    link.symlink_to(path)
    watch.classified(link)
    assert watch.caught_up(link) == ["written"]
    # The other name of the same file, and the file under a new name.
    write_genres(path, [])
    watch.classified(path)
    assert watch.caught_up(path) == []
    moved = path.rename(path.with_name("moved.mp3"))
    link.unlink()
    for genres in (["rock"], []):
        write_genres(moved, genres)
        watch.classified(moved)
        assert watch.caught_up(moved) == []
        assert read_genres(moved) == genres


def test_a_copy_is_a_file_of_its_own(watch: Watch, song: Song) -> None:
    path = song("mp3")
    copy = path.with_name("copy.mp3")
    copy.write_bytes(path.read_bytes())
    for one in (path, copy):
        watch.classified(one)
        assert watch.caught_up(one) == ["written"]
        assert read_genres(one) == ["rock"]


def test_another_song_under_the_name_is_tagged(watch: Watch, song: Song) -> None:
    path = song("ogg")
    watch.classified(path)
    assert watch.caught_up(path) == ["written"]
    path.write_bytes(song("flac").read_bytes())
    watch.classified(path, "jazz")
    assert watch.caught_up(path) == ["written"]
    assert read_genres(path) == ["jazz"]


def test_other_rules_look_again(watch: Watch, song: Song) -> None:
    path = song("wav")
    watch.classified(path, probability=0.4)
    assert watch.caught_up(path) == []
    low = Rules(0.3, GenreMap({"rock": ["Loud"]}))
    assert watch.caught_up(path, low) == ["written"]
    assert read_genres(path) == ["Loud"]


def test_what_has_no_result_failed_or_has_changed_is_left(watch: Watch, song: Song) -> None:
    unknown, failed, changed = song("mp3"), song("wav"), song("flac")
    assert watch.store.take(os.fspath(failed)) is Taken.YOURS
    row = error_row(os.fspath(failed), "damaged", "is damaged", "m")
    with watch.store.transaction():
        watch.store.finish(Done(os.fspath(failed), row))
    row = watch.classified(changed)
    write_genres(changed, [])
    assert list(watch.start().tag(os.fspath(changed), row)) == []
    for path in (unknown, failed, changed):
        assert watch.caught_up(path) == []
        assert read_genres(path) == []


def test_paths_are_counted_from_where_they_were_typed(watch: Watch, song: Song) -> None:
    path = song("flac")
    row = watch.classified(path)
    with watch.store.transaction():
        watch.store.set_note("folder", os.fspath(path.parent))
        watch.store._run("update files set row = ?", (_json({**row, "path": path.name}),))
    assert watch.caught_up(path) == ["written"]


def _json(row: dict) -> str:
    import json

    return json.dumps(row)


def test_what_holds_no_tags_is_told_once(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "a.wv"
    path.write_bytes(b"wvpk" + bytes(100))
    watch.classified(path)
    assert watch.caught_up(path) == ["kept"]
    assert watch.caught_up(path) == []


def test_a_file_that_could_not_be_written_is_tried_again(watch: Watch, song: Song) -> None:
    path = song("flac")
    path.chmod(0o444)
    watch.classified(path)
    assert watch.caught_up(path) == ["failed"]
    path.chmod(0o644)
    assert watch.caught_up(path) == ["written"]


def test_a_ledger_that_is_none_is_named(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "out.tagged").write_text("words " * 100)
    with pytest.raises(DataError, match=r"out\.tagged, which says what was tagged, cannot be used"):
        watch.start()
