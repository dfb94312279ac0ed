"""Applying changes with a journal, undo, and runs killed at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wavemel.audio.locate import content_hash
from wavemel.errors import DataError
from wavemel.library.done import Done, Taken
from wavemel.library.store import Store
from wavemel.outputs.rows import error_row
from wavemel.tagging.apply import apply
from wavemel.tagging.files import read_genres, write_genres
from wavemel.tagging.journal import Journal, last_journal, new_journal
from wavemel.tagging.plan import Change
from wavemel.tagging.undo import undo

KINDS = ("mp3", "flac", "ogg", "opus", "wav", "aiff", "m4a", "m4a-moov-first")
AFTER = ["Electronica", "Dance"]
Song = Callable[..., Path]


def _library(song: Song) -> dict[Path, list[str]]:
    """Put songs of all kinds, every other one with genres; return what each has."""
    library = {}
    for number, kind in enumerate(KINDS):
        path = song(kind, f"{kind}.audio")
        library[path] = ["Old", f"Kind {kind}"] if number % 2 else []
        write_genres(path, library[path])
    return library


def _changes(library: dict[Path, list[str]]) -> list[Change]:
    return [Change(str(path), before, AFTER, "") for path, before in library.items()]


def _statuses(outcomes) -> list[str]:  # type: ignore[no-untyped-def]
    return [outcome.status for outcome in outcomes]


def _genres(library: dict[Path, list[str]]) -> dict[Path, list[str]]:
    return {path: read_genres(path) for path in library}


def test_undo_restores_all_genres(song: Song, tmp_path: Path) -> None:
    library = _library(song)
    journal = Journal(tmp_path / "deep" / "journal.jsonl")
    assert _statuses(apply(_changes(library), journal)) == ["written"] * len(library)
    assert all(genres == AFTER for genres in _genres(library).values())
    assert _statuses(undo(journal)) == ["written"] * len(library)
    assert _genres(library) == library
    assert _statuses(undo(journal)) == ["kept"] * len(library)


@pytest.mark.parametrize("lost", [False, True])
def test_results_stand_for_a_file_whose_tags_are_taken_back(
    song: Song, tmp_path: Path, lost: bool
) -> None:
    song("flac", "music.flac")
    name = str(tmp_path / "link.flac")  # as the results name it
    os.symlink("music.flac", name)
    store = Store(tmp_path / "r.jsonl.state", {"model": "m"})
    store.take(name)
    row = {**error_row(name, "", "", "m"), "error": None}
    with store.transaction():
        store.finish(Done(name, row, content_hash(name)))
    journal = Journal(tmp_path / "journal.jsonl")
    change = Change(name, [], AFTER, "")
    assert _statuses(apply([change], journal, store=store)) == ["written"]
    assert store.settled(name) is Taken.DONE
    if lost:
        store.close()
        store.path.unlink()
    assert _statuses(undo(journal)) == ["written"]
    if lost:
        assert not store.path.exists()
    else:
        assert store.settled(name) is Taken.DONE


def test_results_of_other_bytes_stand_for_no_file_that_is_taken_back(
    song: Song, tmp_path: Path
) -> None:
    name = str(song("flac"))
    store = Store(tmp_path / "r.jsonl.state", {"model": "m"})
    store.take(name)
    with store.transaction():
        store.finish(Done(name, {**error_row(name, "", "", "m"), "error": None}, "0" * 32))
    os.utime(name, (1, 1))
    journal = Journal(tmp_path / "journal.jsonl")
    assert _statuses(apply([Change(name, [], AFTER, "")], journal, store=store)) == ["written"]
    assert _statuses(undo(journal)) == ["written"]
    assert store.settled(name) is None


def test_the_journal_is_written_before_the_file(song: Song, tmp_path: Path) -> None:
    path = song("mp3")
    journal = Journal(tmp_path / "journal.jsonl")
    append = journal.append
    seen = []

    def watch(op, written) -> None:  # type: ignore[no-untyped-def]
        append(op, written)
        seen.append((json.loads(journal.path.read_text())["after"], read_genres(path)))

    journal.append = watch  # type: ignore[method-assign]
    list(apply([Change(str(path), [], AFTER, "")], journal))
    assert seen == [(AFTER, [])]


def test_nothing_is_written_without_a_journal_that_can_be(song: Song, tmp_path: Path) -> None:
    path = song("mp3")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*no file was tagged without it"):
        list(apply([Change(str(path), [], AFTER, "")], Journal(tmp_path / "file" / "j.jsonl")))
    assert read_genres(path) == []


def test_files_that_changed_since_are_refused_unless_forced(song: Song, tmp_path: Path) -> None:
    path = song("flac")
    journal = Journal(tmp_path / "journal.jsonl")
    list(apply([Change(str(path), [], AFTER, "")], journal))
    write_genres(path, ["My own"])
    (refused,) = undo(journal)
    assert refused.status == "failed"
    assert "has changed since it was tagged" in refused.message
    assert read_genres(path) == ["My own"]
    assert _statuses(undo(journal, force=True)) == ["written"]
    assert read_genres(path) == []


def test_a_file_that_is_gone_is_a_row(song: Song, tmp_path: Path) -> None:
    library = _library(song)
    journal = Journal(tmp_path / "journal.jsonl")
    list(apply(_changes(library), journal))
    gone, *rest = library
    gone.unlink()
    outcomes = {outcome.path: outcome for outcome in undo(journal)}
    assert outcomes[str(gone)].message == "is no longer there"
    assert all(read_genres(path) == library[path] for path in rest)


def test_two_writes_to_one_file_are_taken_back_in_turn(song: Song, tmp_path: Path) -> None:
    for kind in KINDS:
        path = song(kind)
        write_genres(path, ["First"])
        journal = Journal(tmp_path / f"{kind}.jsonl")
        list(apply([Change(str(path), ["First"], AFTER, "")], journal))
        list(apply([Change(str(path), AFTER, ["G" * 5000], "")], journal))
        assert _statuses(undo(journal)) == ["written", "written"]
        assert read_genres(path) == ["First"]
        # And again, on the same journal, now that it holds undone writes.
        list(apply([Change(str(path), ["First"], AFTER, "")], journal))
        assert _statuses(undo(journal)) == ["written", "kept", "kept"]
        assert read_genres(path) == ["First"]


def test_a_change_that_no_longer_holds_is_a_row(song: Song, tmp_path: Path) -> None:
    one, two = song("mp3"), song("flac")
    write_genres(one, ["By hand"])
    outcomes = list(apply([Change(str(p), [], AFTER, "") for p in (one, two)], None))
    assert _statuses(outcomes) == ["failed", "written"]
    assert "has other genres by now" in outcomes[0].message
    assert read_genres(one) == ["By hand"]


def test_hard_links_are_mentioned(song: Song, tmp_path: Path) -> None:
    path = song("mp3")
    os.link(path, tmp_path / "other.mp3")
    (outcome,) = apply([Change(str(path), [], AFTER, "")], None)
    assert outcome.message == "1 other hard link keeps the old file"


def test_names_that_are_no_utf8_come_back(song: Song, tmp_path: Path) -> None:
    path = os.fsencode(song("mp3", "plain.mp3"))
    odd = path.replace(b"plain", b"l\nine \xff")
    os.rename(path, odd)
    journal = Journal(tmp_path / "journal.jsonl")
    assert _statuses(apply([Change(os.fsdecode(odd), [], AFTER, "")], journal)) == ["written"]
    assert _statuses(undo(journal)) == ["written"]
    assert read_genres(os.fsdecode(odd)) == []


@pytest.mark.parametrize("content", ["", "words\n", '{"path": "a"}\n{"x": 1}\n'])
def test_what_is_no_journal_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(content)
    if content:
        with pytest.raises(DataError, match="is no journal"):
            list(undo(Journal(path)))
    else:
        assert list(undo(Journal(path))) == []
    with pytest.raises(DataError, match="cannot be read"):
        list(undo(Journal(tmp_path / "none.jsonl")))


@pytest.mark.parametrize(
    "content", [b"ID3\x04", b'{"path": "a"}\n', b"\n", b'{"op": "play"}', b"\0" * 100]
)
def test_no_other_file_is_taken_for_a_journal(content: bytes, song: Song, tmp_path: Path) -> None:
    path, other = song("mp3"), tmp_path / "other"
    other.write_bytes(content)
    for call in (Journal(other).begin, lambda: list(apply([_change(path)], Journal(other)))):
        with pytest.raises(DataError, match="other is no journal of 'wavemel tag'"):
            call()
    with pytest.raises(DataError, match="is no file"):
        Journal(tmp_path).begin()
    assert other.read_bytes() == content
    assert read_genres(path) == []


@pytest.mark.parametrize("content", ["", '{"o', '{"op": "undo", "pa', '{"op": "wr\n'])
def test_what_a_killed_run_left_of_a_journal_is_one(
    content: str, song: Song, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.begin()  # there is none yet
    journal.path.write_text(content)
    assert _statuses(apply([_change(song("mp3"))], journal)) == ["written"]
    assert "written" in _statuses(undo(journal))


def _change(path: Path) -> Change:
    return Change(str(path), [], AFTER, "")


def test_the_newest_journal_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, song: Song
) -> None:
    monkeypatch.setenv("WAVEMEL_STATE", str(tmp_path / "state"))
    with pytest.raises(DataError, match="there is no journal in"):
        last_journal()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "genres.jsonl").write_text("{}\n")  # results, kept there by somebody
    path = song("mp3")
    before: list[str] = []
    for genre in ("One", "Two"):
        journal = Journal(new_journal())
        list(apply([Change(str(path), before, [genre], "")], journal))
        before = [genre]
    assert last_journal() == journal.path
    assert os.stat(journal.path).st_mode & 0o077 == 0


CHILD = """
import json, os, signal, sys
from wavemel.tagging.apply import apply
from wavemel.tagging.journal import Journal
from wavemel.tagging.plan import Change
from wavemel.tagging.undo import undo

action, journal, fatal, changes = sys.argv[1], Journal(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
calls = 0

def deadly(function):
    def call(*given, **named):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)
    return call

if fatal:
    for name in ("replace", "fsync", "write", "chmod"):
        setattr(os, name, deadly(getattr(os, name)))
if action == "apply":
    for _ in apply([Change(p, b, a, "") for p, b, a in json.loads(changes)], journal): pass
else:
    for _ in undo(journal): pass
print("through", flush=True)
"""


def _run(action: str, journal: Path, fatal: int, library: dict[Path, list[str]]) -> bool:
    """Apply or undo in a process of its own that may die; return whether it came through."""
    changes = json.dumps([[str(p), before, AFTER] for p, before in library.items()])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, action, str(journal), str(fatal), changes],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


def _old_or_new(library: dict[Path, list[str]], decoded: Callable[[Path], bytes], samples) -> None:  # type: ignore[no-untyped-def]
    for path, before in library.items():
        assert read_genres(path) in (before, AFTER)
        assert decoded(path) == samples[path]


def test_a_run_killed_at_any_call_leaves_old_or_new_files_and_is_taken_back(
    song: Song, tmp_path: Path, decoded: Callable[[Path], bytes]
) -> None:
    library = {song("mp3"): ["Old"], song("ogg"): []}
    for path, before in library.items():
        write_genres(path, before)
    samples = {path: decoded(path) for path in library}
    originals = {path: path.read_bytes() for path in library}
    fatal = reached = 0
    while True:
        fatal += 1
        for path, data in originals.items():
            path.write_bytes(data)
        journal = tmp_path / f"{fatal}.jsonl"
        through = _run("apply", journal, fatal, library)
        _old_or_new(library, decoded, samples)
        if any(read_genres(path) == AFTER for path in library):
            reached += 1
            assert journal.exists()
        if journal.exists():
            # The undo dies too, at another place, and is run again.
            _run("undo", journal, fatal, library)
            _old_or_new(library, decoded, samples)
            assert all(outcome.status != "failed" for outcome in undo(Journal(journal)))
        assert _genres(library) == library
        leftover = [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]
        assert len(leftover) <= 2
        for path in leftover:
            path.unlink()
        if through:
            break
    assert fatal > 10
    assert reached >= 4


@pytest.mark.slow
def test_a_run_killed_at_any_time_leaves_old_or_new_files_and_is_taken_back(
    song: Song, tmp_path: Path, decoded: Callable[[Path], bytes]
) -> None:
    library = {}
    for number in range(24):
        kind = KINDS[number % len(KINDS)]
        path = song(kind, f"{number}.audio")
        library[path] = ["Old"] if number % 3 else []
        write_genres(path, library[path])
    samples = {path: decoded(path) for path in library}
    changes = json.dumps([[str(p), before, AFTER] for p, before in library.items()])
    rng = random.Random(0)
    for attempt in range(6):
        journal = tmp_path / f"{attempt}.jsonl"
        child = subprocess.Popen([sys.executable, "-c", CHILD, "apply", str(journal), "0", changes])
        while not journal.exists() and child.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.25))
        child.kill()
        child.wait()
        _old_or_new(library, decoded, samples)
        assert all(outcome.status != "failed" for outcome in undo(Journal(journal)))
        assert _genres(library) == library


def test_a_torn_line_is_skipped_and_later_lines_are_not_joined_to_it(
    song: Song, tmp_path: Path
) -> None:
    one, two = song("mp3"), song("flac")
    journal = Journal(tmp_path / "journal.jsonl")
    list(apply([Change(str(one), [], AFTER, "")], journal))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[: len(whole) // 2])
    list(apply([Change(str(two), [], AFTER, "")], journal))
    outcomes = list(undo(journal))
    assert _statuses(outcomes) == ["kept", "written", "written"]
    assert outcomes[0].message == "line 2 is cut off: that file was not replaced"
    assert read_genres(one) == read_genres(two) == []
