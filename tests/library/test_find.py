"""What is classified, and what cannot be looked at."""

import codecs
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavemel.errors import ConfigError
from wavemel.library.find import Found, find, list_on, read_list


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(found: list[Found], root: Path) -> list[str]:
    return [os.path.relpath(f.path, root) for f in found]


def test_a_folder_gives_its_audio_files_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.mp3", "a/2.FLAC", "a/1.wav", "a/cover.jpg", "a/._1.wav", "notes", "c/x/y.ogg")
    found = list(find([str(tmp_path)]))
    assert names(found, tmp_path) == ["b.mp3", "a/1.wav", "a/2.FLAC", "c/x/y.ogg"]
    assert all(f.reason is None for f in found)


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, "song.dat")
    song, none = str(tmp_path / "song.dat"), str(tmp_path / "none.mp3")
    assert [f.path for f in find([song, none])] == [song, none]


def test_each_file_once(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp3")
    one = str(tmp_path / "a" / "1.mp3")
    found = list(
        find([one, str(tmp_path), str(tmp_path / "a"), one, str(tmp_path / "a/../a/1.mp3")])
    )
    assert [f.path for f in found] == [one]


def test_patterns(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp3", "a/b/2.mp3", "a/b/3.ogg", "a/cover.jpg", "a/4.dat")
    assert names(list(find([f"{tmp_path}/**/*.mp3"])), tmp_path) == ["a/1.mp3", "a/b/2.mp3"]
    assert names(list(find([f"{tmp_path}/a/*"])), tmp_path) == ["a/1.mp3", "a/b/2.mp3", "a/b/3.ogg"]
    assert names(list(find([f"{tmp_path}/a/*.dat"])), tmp_path) == ["a/4.dat"]
    (missing,) = find([f"{tmp_path}/*.opus"])
    assert (missing.reason, missing.message) == ("missing", "matches no file")


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    make(tmp_path, "[live] 2.mp3", "l 2.mp3")
    assert names(list(find([f"{tmp_path}/[live] 2.mp3"])), tmp_path) == ["[live] 2.mp3"]


def test_a_folder_that_looks_like_a_pattern_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "Alb [2001]/1.mp3", "Alb [2001]/CD [1]/2.mp3", "Alb 2/3.mp3", "Alb 2/CD 1/4.mp3")
    monkeypatch.chdir(tmp_path)
    for root in ("", "./", f"{tmp_path}/", f"{tmp_path}//"):
        found = list(find([f"{root}Alb [2001]/*.mp3"]))
        assert names(found, tmp_path) == ["Alb [2001]/1.mp3"]
    assert names(list(find(["Alb [2001]/CD [1]/*"])), tmp_path) == ["Alb [2001]/CD [1]/2.mp3"]
    assert [f.message for f in find(["Alb [2001]/CD [12]/*"])] == ["matches no file"]
    assert names(list(find(["Alb [23]/CD [12]/*"])), tmp_path) == ["Alb 2/CD 1/4.mp3"]


def test_members_of_archives_pass(tmp_path: Path) -> None:
    member = f"{tmp_path}/a.zip!/x*.mp3"
    assert [f.path for f in find([member])] == [member]


def test_patterns_in_archives(tmp_path: Path) -> None:
    members = ("2.mp3", "10 [a].mp3", "notes.txt", "cd/1.mp3", "cd/x/3.ogg", "__MACOSX/._2.mp3")
    archive = tmp_path / "a [1].zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.mkdir("cd")
        for member in members:
            made.writestr(member, "x")

    def found(pattern: str) -> list[str]:
        listed = list(find([f"{archive}!/{pattern}"]))
        assert all(f.reason is None for f in listed)
        return [f.path.removeprefix(f"{archive}!/") for f in listed]

    assert found("*.mp3") == ["10 [a].mp3", "2.mp3"]
    assert found("*") == ["10 [a].mp3", "2.mp3", "cd/1.mp3", "cd/x/3.ogg"]
    assert found("**") == found("**/*") == found("*")
    assert found("**/*.mp3") == ["10 [a].mp3", "2.mp3", "cd/1.mp3"]
    assert found("c?/*") == found("cd/**") == ["cd/1.mp3", "cd/x/3.ogg"]
    assert found("*.txt") == ["notes.txt"]
    assert found("10 [a].mp3") == ["10 [a].mp3"]
    assert found("none.mp3") == ["none.mp3"]  # reading says that it is missing
    (missing,) = find([f"{archive}!/*.flac"])
    assert (missing.reason, missing.message) == ("missing", "matches no file in the archive")
    archive.write_bytes(b"no archive")
    assert found("*.mp3") == ["*.mp3"]


def test_links_are_followed_once_and_loops_are_told(tmp_path: Path) -> None:
    make(tmp_path, "music/a/1.mp3", "other/2.mp3")
    (tmp_path / "music" / "a" / "up").symlink_to(tmp_path / "music")
    (tmp_path / "music" / "a" / "self").symlink_to(".")
    (tmp_path / "music" / "b").symlink_to(tmp_path / "other")
    (tmp_path / "music" / "c").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "music" / "a")
    found = list(find([str(tmp_path / "music")]))
    assert names([f for f in found if f.reason is None], tmp_path) == ["music/a/1.mp3", "music/b/2.mp3"]  # fmt: skip
    loops = {os.path.relpath(f.path, tmp_path): f.message for f in found if f.reason == "loop"}
    assert set(loops) == {"music/a/up", "music/a/self"}
    assert loops["music/a/up"] == "is a link to a folder that holds it: not followed"


def test_links_that_lead_to_themselves_and_nowhere(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "y")
    (tmp_path / "y").symlink_to(tmp_path / "x")
    (tmp_path / "dead.mp3").symlink_to(tmp_path / "none")
    found = {os.path.basename(f.path): f.reason for f in find([str(tmp_path)])}
    assert found == {"x": "loop", "y": "loop", "dead.mp3": None}  # decoding says it is missing


def test_many_links_do_not_multiply(tmp_path: Path) -> None:
    for i in range(12):
        make(tmp_path, f"{i}/song.mp3")
        for j in range(12):
            (tmp_path / str(i) / f"to {j}").symlink_to(tmp_path / str(j))
    assert len([f for f in find([str(tmp_path)]) if f.reason is None]) == 12


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp3", "locked/2.mp3")
    (tmp_path / "locked").chmod(0)
    try:
        found = list(find([str(tmp_path)]))
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert [f.reason for f in found] == [None, "permission"]


def test_an_unreadable_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.mp3", "locked/2.mp3")
    scandir = os.scandir

    def refuse(folder: str):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    *_, locked = find([str(tmp_path)])
    assert locked.reason == "permission"
    assert locked.message == "is a folder that cannot be read: Permission denied"


def test_lists() -> None:
    assert read_list(b"a.mp3\n b.mp3 \r\n\nc\xff.mp3") == [
        "a.mp3",
        " b.mp3 ",
        os.fsdecode(b"c\xff.mp3"),
    ]
    assert read_list(b"a\nb.mp3\0c.mp3\0") == ["a\nb.mp3", "c.mp3"]
    assert read_list(b"\xef\xbb\xbfa.mp3\r\nb.mp3\r\n") == ["a.mp3", "b.mp3"]
    assert read_list(b"\n\n") == []


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "AIFF", "CAF", "MP3"])
def test_audio_is_no_list(form: str) -> None:
    for samples in (np.random.default_rng(0).standard_normal(44100) * 0.1, np.zeros(44100)):
        file = io.BytesIO()
        soundfile.write(file, samples, 44100, format=form)
        said = f"holds audio \\({form}\\), no list of paths: give - to classify it"
        with pytest.raises(ConfigError, match=f"(?i){said}"):
            list_on(io.BytesIO(file.getvalue()))


def test_what_else_is_no_list() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8).tobytes()
    for data, said in (
        (b"PK\x03\x04" + noise, r"holds a zip archive, .*: name what is in it"),
        (b"%PDF-1.4\n" + noise, "holds a PDF document, no list of paths"),
        (b"\0\0" + noise, "holds no list of paths, one a line"),
        (codecs.BOM_UTF16_LE + "a.mp3\n".encode("utf-16-le"), "UTF-16"),
    ):
        with pytest.raises(ConfigError, match=said):
            list_on(io.BytesIO(data))


def test_lists_of_odd_names_are_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "ID3\x01/a.mp3", "RIFF\x02.wav")
    for data in (
        b"ID3\x01/a.mp3\0RIFF\x02.wav\0",  # they exist
        b"RIFFs/1.wav\nRIFFs/2.wav\n",  # they do not, and are text
        b"a\nb.mp3\0c\rd.mp3\0",
        b"S\xe9culaire.mp3\n\xe9t\xe9.mp3\n",
        b"\x1b.mp3\n" + b"".join(b"%d.mp3\n" % i for i in range(20_000)),
        b"",
    ):
        assert list_on(io.BytesIO(data)) == read_list(data)
