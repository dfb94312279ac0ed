"""Files are complete when they rest; a folder is watched until it is gone."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wavemel.errors import ConfigError
from wavemel.library import watching
from wavemel.library.find import Found
from wavemel.library.watching import Settling, Watched


def test_a_growing_file_waits(tmp_path: Path) -> None:
    now = [0.0]
    settling = Settling(2.0, lambda: now[0])
    song, gone = tmp_path / "a.mp3", tmp_path / "b.mp3"
    song.write_bytes(b"1")
    gone.write_bytes(b"1")
    settling.touch([str(song), str(gone)])
    gone.unlink()
    for moment, size in ((0, 1), (1, 2), (2, 3), (3, 3), (4, 4)):
        now[0] = moment
        song.write_bytes(b"1" * size)
        assert settling.complete() == []
    assert len(settling) == 1
    now[0] = 5.9
    assert settling.complete() == []
    now[0] = 6
    assert settling.complete() == [str(song)]
    assert settling.complete() == []
    assert len(settling) == 0


def test_a_file_that_goes_on_growing_is_complete_again(tmp_path: Path) -> None:
    now = [0.0]
    settling = Settling(1.0, lambda: now[0])
    song = tmp_path / "a.mp3"
    song.write_bytes(b"half")
    for moment in (0, 1, 2):
        settling.touch([str(song)]) if moment == 0 else None
        now[0] = moment
        found = settling.complete()
    assert found == []
    song.write_bytes(b"whole!")
    settling.touch([str(song)])
    now[0] = 10
    assert settling.complete() == []
    now[0] = 11
    assert settling.complete() == [str(song)]


def _changes(monkeypatch: pytest.MonkeyPatch, *changes: object) -> None:
    """Let the system tell of changes: errors are raised, functions are called before."""
    watchfiles = pytest.importorskip("watchfiles")

    def watch(*_: object, **__: object) -> Iterator[set[object]]:
        for change in changes:
            if isinstance(change, Exception):
                raise change
            yield {(watchfiles.Change.added, str(change))} if isinstance(change, Path) else set()

    monkeypatch.setattr(watchfiles, "watch", watch)


def test_what_to_do_where_the_system_watches_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _changes(monkeypatch, OSError("OS file watch limit reached"))
    with pytest.raises(ConfigError, match=r"limit reached.*--polling"):
        next(iter(Watched(tmp_path, 0.1)))


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"d\xe9/in.wav"])
def test_names_that_are_no_utf8_are_looked_for(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """watchfiles ends at the first of them."""
    pytest.importorskip("watchfiles")
    monkeypatch.setattr(watching, "_LOOK", 0.0)
    said: list[str] = []
    watched = iter(Watched(tmp_path, 0.0, say=said.append))
    (tmp_path / "first.wav").touch()
    assert next(watched) == [Found(str(tmp_path / "first.wav"))]
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    path.parent.mkdir(exist_ok=True)
    path.touch()
    while Found(str(path)) not in next(watched):
        pass
    (tmp_path / "late.wav").touch()
    assert next(watched) == [Found(str(tmp_path / "late.wav"))]
    assert [("Unable to decode path" in one, "as with --polling" in one) for one in said] == [
        (True, True)
    ]


def test_polling_sees_what_comes_and_what_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)  # it looks by itself
    monkeypatch.setattr(watching, "_LOOK", 0.0)
    song = tmp_path / os.fsdecode(b"caf\xe9.wav")
    song.touch()
    watched = iter(Watched(tmp_path, 0.0, polling=True))
    assert next(watched) == [Found(str(song))]
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "b.wav").touch()
    assert next(watched) == [Found(str(tmp_path / "album" / "b.wav"))]
    song.write_bytes(b"more")
    assert next(watched) == [Found(str(song))]


def test_what_cannot_be_looked_into_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    for link in (tmp_path / "up", tmp_path / "one" / "up"):
        link.symlink_to(link.parent)
    _changes(monkeypatch, tmp_path / "one", tmp_path, tmp_path / "gone [1].mp3", None)
    (told,) = Watched(tmp_path, 0.0)
    assert sorted((found.path, found.reason) for found in told) == [
        (str(tmp_path / "one" / "up"), "loop"),
        (str(tmp_path / "up"), "loop"),
    ]


@pytest.mark.parametrize("back", [False, True])
def test_a_folder_that_is_gone_ends_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "a.mp3").write_bytes(b"1")
    _changes(monkeypatch, *[None] * 9)
    watched = Watched(folder, 0.0)
    lists = iter(watched)
    assert next(lists) == [Found(str(folder / "a.mp3"))]
    assert not watched.lost
    folder.rename(tmp_path / "elsewhere")
    if back:
        shutil.copytree(tmp_path / "elsewhere", folder)  # what the system reports is the other
    assert list(lists) == []
    assert watched.lost


def test_what_comes_while_the_watch_begins_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchfiles = pytest.importorskip("watchfiles")

    def watch(*_: object, **__: object) -> Iterator[set[object]]:
        (tmp_path / "late.mp3").write_bytes(b"1")
        yield from (set() for _ in range(3))

    monkeypatch.setattr(watchfiles, "watch", watch)
    assert list(Watched(tmp_path, 0.0)) == [[Found(str(tmp_path / "late.mp3"))]]


def test_only_audio_files_are_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.mp3", "notes.txt", "._a.mp3"):
        (tmp_path / name).write_bytes(b"1")
    _changes(monkeypatch, tmp_path / "notes.txt", tmp_path / "._a.mp3", None)
    assert list(Watched(tmp_path, 0.0)) == [[Found(str(tmp_path / "a.mp3"))]]
