"""What has been done is known, whoever did it and however it ended."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tones import write_tone

from wavemel.audio.locate import content_hash
from wavemel.errors import AudioError, ModelError
from wavemel.library import store as module
from wavemel.library.done import Done, Taken
from wavemel.library.store import Store
from wavemel.outputs.rows import error_row

ABOUT = {"model": "m@1", "reading": "whole"}


@pytest.fixture
def song(tmp_path: Path) -> str:
    return str(write_tone(tmp_path / "song.wav", 0, 0.1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl.state"


def done(song: str, error: str | None = None, reason: str = "damaged") -> Done:
    row = error_row(song, reason, error or "", "m@1")
    row["error"] = error
    return Done(song, row, content_hash(song) if os.path.exists(song) else None)


def finish(store: Store, song: str, error: str | None = None, reason: str = "damaged") -> bool:
    with store.transaction():
        return store.finish(done(song, error, reason))


def test_a_file_is_taken_once_and_done_once(path: Path, song: str) -> None:
    store, other = Store(path, ABOUT), Store(path, ABOUT)
    assert store.settled(song) is None
    assert store.take(song) is Taken.YOURS
    assert other.take(song) is Taken.BUSY
    assert other.busy(song)
    assert not store.busy(song)
    assert finish(store, song) is False
    for each in (store, other, Store(path, ABOUT)):
        assert each.take(song) is Taken.DONE
        assert each.settled(song) is Taken.DONE
    assert [row["path"] for row in other.rows()] == [song]


def test_failures_of_the_file_are_final_others_are_tried_again(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    store.take(song)
    finish(store, song, "is damaged")
    assert store.take(song) is Taken.FAILED
    for reason in ("permission", "missing", "no-decoder"):
        os.utime(song, ns=(0, hash(reason) % 10**9))
        Path(song).write_bytes(Path(song).read_bytes() + b"x")
        assert store.take(song) is Taken.YOURS
        finish(store, song, "cannot be read", reason)
        assert store.settled(song) is None
        assert store.take(song) is Taken.YOURS
        finish(store, song, "is damaged")


def test_touched_files_are_known_by_their_content(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    store.take(song)
    finish(store, song)
    os.utime(song, (1, 1))
    assert store.settled(song) is None
    assert store.take(song) is Taken.DONE
    assert store.settled(song) is Taken.DONE  # the new time is remembered
    data = bytearray(Path(song).read_bytes())
    data[-1] ^= 1  # the same size
    Path(song).write_bytes(data)
    assert store.take(song) is Taken.YOURS
    assert finish(store, song) is True  # an older row is replaced
    assert store.count() == 1


def test_a_transaction_that_ctrl_c_left_open_is_taken_back(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    assert store.take(song) is Taken.YOURS
    # As if it had come between two lines of `transaction`, after the first of them.
    store._db.execute("begin immediate")
    store._db.execute("delete from files")
    assert finish(store, song) is False
    store._db.execute("begin immediate")
    store.close()
    again = Store(path, ABOUT)
    assert again.take(song) is Taken.DONE
    again.close()


def test_what_a_dead_process_took_is_free(path: Path, song: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from wavemel.library.store import Store\n"
        f"Store(Path({str(path)!r}), {ABOUT!r}).take({song!r}); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    store = Store(path, ABOUT)
    assert store.take(song) is Taken.YOURS


def test_what_a_killed_and_unreaped_process_took_is_free(path: Path, song: str) -> None:
    code = (
        "import sys, time; from pathlib import Path; from wavemel.library.store import Store\n"
        f"Store(Path({str(path)!r}), {ABOUT!r}).take({song!r}); print('taken', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    store = Store(path, ABOUT)
    assert store.take(song) is Taken.BUSY
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still listed
    assert store.take(song) is Taken.YOURS
    process.wait()


def test_another_machine_is_believed_for_a_while(
    path: Path, song: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Store(path, ABOUT, owner="another machine 1  abcd")
    away.take(song)
    here = Store(path, ABOUT)
    assert here.take(song) is Taken.BUSY
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + module._LEASE + 1)
    assert here.take(song) is Taken.YOURS


def test_closing_gives_back_what_was_not_finished(path: Path, song: str, tmp_path: Path) -> None:
    second = str(write_tone(tmp_path / "second.wav", 1, 0.1))
    store = Store(path, ABOUT)
    store.take(second)
    finish(store, second)
    Path(second).write_bytes(Path(second).read_bytes() + b"more")
    assert store.take(second) is Taken.YOURS
    assert store.take(song) is Taken.YOURS
    store.close()
    after = Store(path, ABOUT)
    assert not after.busy(song)
    assert after.take(song) is Taken.YOURS
    assert after.take(second) is Taken.YOURS
    assert after.count() == 1  # the older result stands until there is a newer


def test_a_renamed_file_takes_its_result_along(path: Path, song: str, tmp_path: Path) -> None:
    store = Store(path, ABOUT)
    store.take(song)
    finish(store, song)
    copy = tmp_path / "copy.wav"
    copy.write_bytes(Path(song).read_bytes())
    assert store.moved_here(str(copy)) is None  # the first is still there: a copy
    copy.unlink()
    new = os.path.join(tmp_path, os.fsdecode(b"caf\xe9.wav"))
    os.rename(song, new)
    row = store.moved_here(new)
    assert row is not None
    assert row["path"].endswith("caf\\xe9.wav")
    assert store.settled(new) is Taken.DONE
    assert [r["path_base64"] for r in store.rows()] == [row["path_base64"]]


def test_a_renamed_file_that_cannot_be_read_is_not_known(
    path: Path, song: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> str:
        raise AudioError(name, "permission", "cannot be read")

    store = Store(path, ABOUT)
    store.take(song)
    finish(store, song)
    os.rename(song, tmp_path / "new.wav")
    monkeypatch.setattr(module, "content_hash", refuse)
    assert store.moved_here(str(tmp_path / "new.wav")) is None


def test_members_of_archives_are_not_taken_for_renamed(path: Path, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.wav", 0, 0.1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(song, "song.wav")
    member = f"{tmp_path / 'a.zip'}!/song.wav"
    store = Store(path, ABOUT)
    store.take(member)
    with store.transaction():
        store.finish(Done(member, done(str(song)).row, content_hash(member)))
    assert store.moved_here(str(song)) is None
    (tmp_path / "a.zip").unlink()
    assert store.moved_here(str(song)) is not None


def test_accepted_changes_are_not_done_again(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    store.take(song)
    finish(store, song)
    Path(song).write_bytes(Path(song).read_bytes() + b"tags")
    store.accept(song)
    assert store.settled(song) is Taken.DONE


def test_other_settings_are_refused(path: Path) -> None:
    Store(path, ABOUT).close()
    with pytest.raises(
        ModelError,
        match=r"model 'm@1', not 'm@2': give another --out, .* or remove it, .* to start afresh",
    ):
        Store(path, {**ABOUT, "model": "m@2"})


def test_what_is_no_store_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(b"this is no database, and longer than a page header" * 100)
    with pytest.raises(ModelError, match="is no store of results"):
        Store(path, ABOUT)
    assert path.read_bytes().startswith(b"this is no database")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_FULL, "No space left"),
        (sqlite3.SQLITE_CANTOPEN, "needs a folder that may be written to"),
        (sqlite3.SQLITE_READONLY, "look at its access rights"),
        (sqlite3.SQLITE_BUSY | 2 << 8, "in use by others for 60 seconds: run again"),
        (sqlite3.SQLITE_IOERR, "look at the disk"),
    ],
)
def test_trouble_around_the_store_is_told_and_nobody_is_told_to_remove_it(
    code: int, said: str, path: Path
) -> None:
    error = sqlite3.OperationalError("said by SQLite")
    error.sqlite_errorcode = code
    store = Store(path, ABOUT)
    with pytest.raises((ModelError, OSError), match=said) as told, store._told():
        raise error
    assert "remove" not in str(told.value)


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none/x\.state cannot be opened or made"):
        Store(tmp_path / "none" / "x.state", ABOUT)


def test_a_full_disk_changes_nothing(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    store.take(song)
    (pages,) = store._db.execute("pragma page_count").fetchone()
    store._db.execute(f"pragma max_page_count={pages}")
    large = done(song)
    large.row["notes"] = ["x" * 100_000]
    with pytest.raises(OSError, match="No space left") as told, store.transaction():
        store.finish(large)
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(path))
    assert store.count() == 0
    assert finish(store, song) is False  # and it goes on
    store.close()


def test_a_transaction_that_fails_changes_nothing(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    store.take(song)

    def fail() -> None:
        with store.transaction():
            store.finish(done(song))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.count() == 0


def test_rows_are_json_in_the_database(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    store.take(song)
    finish(store, song)
    (text,) = sqlite3.connect(path).execute("select row from files").fetchone()
    assert json.loads(text)["path"] == song


def test_a_file_whose_process_died_before_it_took_it_is_kept_too(path: Path, song: str) -> None:
    store = Store(path, ABOUT)
    with store.transaction():
        assert store.finish(done(song, "makes the decoder crash")) is False
    assert [row["error"] for row in store.rows()] == ["makes the decoder crash"]
