"""Writing genres: a file is replaced whole, by itself with other genres, or left as it was."""

from __future__ import annotations

import errno
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wavemel.tagging import files
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import read_genres, write_genres

GENRES = ["Electronica", "Dance", "Música clássica"]
Song = Callable[..., Path]


def test_the_mode_stays_and_the_time_is_new_unless_asked(song: Song) -> None:
    path = song("mp3")
    path.chmod(0o640)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    write_genres(path, ["Rock"], keep_times=True)
    assert path.stat().st_mtime == 1_000_000_000
    write_genres(path, ["Pop"])
    assert path.stat().st_mtime > 1_000_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_read_only_file_is_refused(song: Song) -> None:
    path = song("mp3")
    path.chmod(0o444)
    with pytest.raises(TagError, match="is read-only: make it writable to tag it"):
        write_genres(path, ["Rock"])


def test_a_symbolic_link_is_followed(song: Song, tmp_path: Path) -> None:
    path = song("mp3")
    link = tmp_path / "inner" / "link.mp3"
    link.parent.mkdir()
    link.symlink_to(path)
    assert write_genres(link, ["Rock"]).path == os.path.realpath(path)
    assert link.is_symlink()
    assert read_genres(path) == read_genres(link) == ["Rock"]
    assert os.listdir(link.parent) == ["link.mp3"]


def test_other_hard_links_keep_the_old_file(song: Song, tmp_path: Path) -> None:
    path = song("mp3")
    seeded = tmp_path / "seeded.mp3"
    os.link(path, seeded)
    assert write_genres(path, ["Rock"]).links == 1
    assert read_genres(path) == ["Rock"]
    assert read_genres(seeded) == []


def test_missing_files_folders_and_pipes_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    for name, said in (("none.mp3", "is not there"), ("", "is a folder"), ("pipe.mp3", "a pipe")):
        for call in (read_genres, lambda p: write_genres(p, ["x"])):
            with pytest.raises(TagError, match=said):
                call(tmp_path / name)


def test_members_of_archives_are_named(song: Song, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(song("mp3"), "a.mp3")
    for call in (read_genres, lambda p: write_genres(p, ["x"])):
        with pytest.raises(TagError, match="lies in an archive, where tags cannot be written"):
            call(tmp_path / "a.zip!" / "a.mp3")


def test_a_name_with_a_newline_is_one_line_in_errors(tmp_path: Path) -> None:
    with pytest.raises(TagError) as caught:
        read_genres(tmp_path / "a\nb.mp3")
    assert "\n" not in str(caught.value)


def test_what_is_not_as_expected_is_left(song: Song) -> None:
    path = song("flac")
    write_genres(path, ["Rock"])
    before = path.read_bytes()
    with pytest.raises(TagError, match="has other genres by now"):
        write_genres(path, ["Pop"], expected=["Jazz"])
    with pytest.raises(TagError, match="has changed meanwhile"):
        write_genres(path, ["Pop"], expected_hash="0" * 64)
    assert path.read_bytes() == before


def test_a_file_that_grows_meanwhile_is_left(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    path = song("mp3")
    tag = files._tag

    def tag_while_it_grows(*given):  # type: ignore[no-untyped-def]
        with path.open("ab") as file:
            file.write(b"more")
        return tag(*given)

    monkeypatch.setattr(files, "_tag", tag_while_it_grows)
    with pytest.raises(TagError, match="changed by another program"):
        write_genres(path, ["Rock"])
    assert path.read_bytes().endswith(b"more")
    assert os.listdir(path.parent) == [path.name]


def test_a_write_that_touches_audio_is_thrown_away(
    song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = song("mp3")
    before = path.read_bytes()
    from wavemel.tagging.formats.mp3 import Mp3

    write = Mp3.write

    def clumsy(self: Mp3, file, genres) -> None:  # type: ignore[no-untyped-def]
        write(self, file, genres)
        file.seek(-50, 2)
        file.write(b"!")

    monkeypatch.setattr(Mp3, "write", clumsy)
    with pytest.raises(TagError, match="without touching its audio"):
        write_genres(path, ["Rock"])
    assert path.read_bytes() == before


def test_a_full_disk_stops_the_run_and_leaves_the_file(
    song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = song("mp3")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_genres(path, ["Rock"])
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_error_of_the_callback_leaves_the_file(song: Song) -> None:
    path = song("mp3")
    before = path.read_bytes()

    def refuse(written: files.Written) -> None:
        assert written.after == ["Rock"]
        raise RuntimeError("no journal")

    with pytest.raises(RuntimeError):
        write_genres(path, ["Rock"], before_replacing=refuse)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_what_killed_runs_left_is_swept(song: Song, tmp_path: Path) -> None:
    path = song("mp3")
    left = tmp_path / f".wavemel-{2**22 + 1}-abc.tmp"
    running = tmp_path / f".wavemel-{os.getpid()}-abc.tmp"
    foreign = tmp_path / ".wavemel-notes.tmp"
    for file in (left, running, foreign):
        file.write_bytes(b"x")
    write_genres(path, ["Rock"])
    assert not left.exists()
    assert running.exists()
    assert foreign.exists()
