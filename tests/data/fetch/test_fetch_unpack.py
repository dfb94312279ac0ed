from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import fma_archive
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavemel.data.fetch import unpack as module
from wavemel.data.fetch.unpack import unpack
from wavemel.errors import DataError


def tree(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def make(file: Path, members: list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file


def test_archive_unpacks_to_the_bytes_it_holds(
    archives: fma_archive.Archives, tmp_path: Path
) -> None:
    got = unpack(archives.folder / "fma_small.zip", tmp_path / "fma_small")
    for track in archives.tracks:
        assert (got / track.inner).read_bytes() == archives.clips[track.id]
    assert len(tree(got)) == len(archives.tracks) + 2
    assert os.listdir(tmp_path) == ["fma_small"]


def test_interrupted_unpacking_goes_on(
    archives: fma_archive.Archives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = module._write, 0

    def stop_at_the_hundredth(*args: object) -> None:
        nonlocal count
        count += 1
        if count == 100:
            raise KeyboardInterrupt
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_write", stop_at_the_hundredth)
    with pytest.raises(KeyboardInterrupt):
        unpack(archives.folder / "fma_small.zip", tmp_path / "fma_small")
    assert not (tmp_path / "fma_small").exists()
    count = 1000
    got = unpack(archives.folder / "fma_small.zip", tmp_path / "fma_small")
    assert count - 1000 == len(archives.tracks) + 2 - 99
    assert (got / archives.tracks[0].inner).read_bytes() == archives.clips[archives.tracks[0].id]


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


GOOD = ("fma_small/000/000002.mp3", b"music")
EVIL = {
    "traversal": [GOOD, ("fma_small/../../evil", b"x")],
    "traversal at the start": [GOOD, ("../evil", b"x")],
    "traversal that comes back": [GOOD, ("fma_small/a/../../fma_small/b", b"x")],
    "absolute": [GOOD, ("/tmp/evil", b"x")],
    "drive": [GOOD, ("C:/evil", b"x")],
    "backslash": [GOOD, ("fma_small\\..\\..\\evil", b"x")],
    "another folder": [GOOD, ("elsewhere/evil", b"x")],
    "no folder": [GOOD, ("evil", b"x")],
    "control": [GOOD, ("fma_small/a\nb", b"x")],
    "link": [(link("fma_small/000"), b"/tmp"), ("fma_small/000/evil", b"x")],
    "link that stays inside": [GOOD, (link("fma_small/l"), b"000")],
    "same name in capitals": [GOOD, ("fma_small/000/000002.MP3", b"x")],
    "same name in other Unicode": [("fma_small/\u00e9", b"x"), ("fma_small/e\u0301", b"x")],
    "file and folder": [("fma_small/000", b"x"), GOOD],
}


@pytest.mark.parametrize("what", EVIL)
def test_malicious_archive_is_refused_and_writes_nothing(what: str, tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", EVIL[what])
    with pytest.raises(DataError, match=r"a\.zip.*not unpacked"):
        unpack(file, tmp_path / "inner" / "fma_small")
    assert tree(tmp_path) == {"a.zip"}


def test_duplicate_names_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = make(tmp_path / "a.zip", [GOOD, (GOOD[0], b"other")])
    with pytest.raises(DataError, match="twice"):
        unpack(file, tmp_path / "fma_small")
    assert tree(tmp_path) == {"a.zip"}


def test_name_cut_at_a_nul_byte_is_refused(tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", [("fma_small/evil#/../../x", b"x")])
    file.write_bytes(file.read_bytes().replace(b"evil#", b"evil\0"))
    with pytest.raises(DataError):
        unpack(file, tmp_path / "fma_small")
    assert tree(tmp_path) == {"a.zip"}


def test_bomb_of_one_member_is_refused(tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", [("fma_small/zeros", bytes(65 << 20))])
    assert file.stat().st_size < 4096
    with pytest.raises(DataError, match="absurd size"):
        unpack(file, tmp_path / "fma_small")
    assert tree(tmp_path) == {"a.zip"}


def test_bomb_of_many_members_is_refused(tmp_path: Path) -> None:
    zeros = bytes(10 << 20)
    file = make(tmp_path / "a.zip", [(f"fma_small/{i}", zeros) for i in range(30)])
    with pytest.raises(DataError, match="the whole would unpack to an absurd size"):
        unpack(file, tmp_path / "fma_small")
    assert tree(tmp_path) == {"a.zip"}


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", [("fma_small/a", b"x" * 999), ("fma_small/b", b"y" * 999)])
    data = bytearray(file.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    # The second entry of the central directory points at the first one's bytes.
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    file.write_bytes(data)
    with pytest.raises(DataError, match="overlap"):
        unpack(file, tmp_path / "fma_small")
    assert tree(tmp_path) == {"a.zip"}


def test_size_that_lies_is_noticed(tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", [("fma_small/a", bytes(50 << 20))])
    data = bytearray(file.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    file.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        unpack(file, tmp_path / "fma_small")
    assert not (tmp_path / "fma_small").exists()
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) < 10_000


def test_damaged_member_is_named(tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", [(GOOD[0], os.urandom(5000))])
    data = bytearray(file.read_bytes())
    data[2000] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"000002\.mp3 is damaged"):
        unpack(file, tmp_path / "fma_small")
    assert not (tmp_path / "fma_small").exists()


def test_link_in_the_way_of_unpacking_is_not_followed(tmp_path: Path) -> None:
    file = make(tmp_path / "a.zip", [GOOD])
    (tmp_path / "outside").mkdir()
    (tmp_path / "fma_small.part").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="is a link"):
        unpack(file, tmp_path / "fma_small")
    assert tree(tmp_path / "outside") == set()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_any_changed_bytes_end_in_the_members_or_our_error(
    changes: list[tuple[int, int]], tmp_path: Path
) -> None:
    members = [(f"fma_small/000/{i:06d}.mp3", bytes([i]) * 100) for i in range(6)]
    file = make(tmp_path / "b.zip", members)
    data = bytearray(file.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    file.write_bytes(data)
    target = tmp_path / "work" / "fma_small"
    try:
        unpack(file, target)
    except DataError:
        assert not target.exists()
    finally:
        shutil.rmtree(target.parent, ignore_errors=True)
    assert tree(tmp_path) == {"b.zip"}
