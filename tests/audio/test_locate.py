from __future__ import annotations

import hashlib
import multiprocessing
import os
import zipfile

import numpy as np
import pytest

from wavemel.audio import locate
from wavemel.audio.decode import decode
from wavemel.errors import AudioError

METHODS = {
    "bzip2": zipfile.ZIP_BZIP2,
    "deflate": zipfile.ZIP_DEFLATED,
    "stored": zipfile.ZIP_STORED,
}


@pytest.fixture
def song(encode, sweep) -> bytes:
    return encode(sweep(1.0, 22050, 2), 22050, "mp3")


@pytest.fixture
def archive(tmp_path, song):
    path = tmp_path / "fma.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, method in METHODS.items():
            file.writestr(f"fma/000/{name}.mp3", song, method)
        file.writestr("fma/empty.mp3", b"")
        file.mkdir("fma/folder")
    return path


def reason(call, path) -> str:
    with pytest.raises(AudioError) as caught:
        call(path)
    return caught.value.reason


@pytest.mark.parametrize("name", METHODS)
def test_a_member_is_as_good_as_a_file(archive, song, tmp_path, name):
    path = f"{archive}!/fma/000/{name}.mp3"
    file = tmp_path / "unpacked.mp3"
    file.write_bytes(song)
    np.testing.assert_array_equal(decode(path).samples, decode(file).samples)
    np.testing.assert_array_equal(
        decode(path, start=0.3, seconds=0.2).samples, decode(file, start=0.3, seconds=0.2).samples
    )
    assert locate.content_hash(path) == locate.content_hash(file)
    assert locate.content_hash(file) == hashlib.blake2b(song, digest_size=16).hexdigest()
    assert locate.fingerprint(path) == (len(song), archive.stat().st_mtime_ns)
    assert locate.fingerprint(file) == (len(song), file.stat().st_mtime_ns)
    with locate.open_bytes(path) as opened:
        assert opened.read(len(song) + 1) == song
    assert locate.exists(path)
    assert locate.exists(file)


def test_what_is_not_there(archive, tmp_path):
    assert not locate.exists(tmp_path)
    assert not locate.exists(tmp_path / "none.mp3")
    assert not locate.exists(f"{archive}!/fma/none.mp3")
    assert not locate.exists(f"{tmp_path}/none.zip!/a.mp3")
    for call in (locate.open_bytes, locate.fingerprint, locate.content_hash, decode):
        assert reason(call, tmp_path / "none.mp3") == "missing"
        assert reason(call, f"{archive}!/fma/none.mp3") == "missing"
        assert reason(call, f"{tmp_path}/none.zip!/a.mp3") == "missing"
    assert reason(decode, f"{archive}!/fma/empty.mp3") == "empty"
    assert reason(decode, f"{archive}!/fma/folder/") == "not-audio"
    assert (
        locate.content_hash(f"{archive}!/fma/empty.mp3")
        == hashlib.blake2b(digest_size=16).hexdigest()
    )


def test_a_name_with_the_mark_may_be_a_file(song, tmp_path):
    folder = tmp_path / "odd.zip!"
    folder.mkdir()
    (folder / "a.mp3").write_bytes(song)
    assert locate.split(folder / "a.mp3") == (str(folder / "a.mp3"), None)
    assert decode(folder / "a.mp3").rate == 22050
    # Lower-casing some letters changes the length of a name.
    assert locate.split("İ/B.ZIP!/c/d.mp3") == ("İ/B.ZIP", "c/d.mp3")


def test_damaged_archives(archive, tmp_path):
    member = "fma/000/{}.mp3"
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        for name in METHODS:
            at = file.getinfo(member.format(name)).header_offset + 1000
            data[at] ^= 0xFF
    archive.write_bytes(bytes(data))
    for name in METHODS:
        assert reason(decode, f"{archive}!/{member.format(name)}") == "damaged"
        assert reason(locate.content_hash, f"{archive}!/{member.format(name)}") == "damaged"
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bytes(data[:5000]))
    assert reason(decode, f"{cut}!/{member.format('stored')}") == "damaged"


def test_encrypted_and_huge_members_are_refused(archive, monkeypatch):
    path = f"{archive}!/fma/000/stored.mp3"
    monkeypatch.setattr(locate, "MEMBER_LIMIT", 100)
    assert reason(decode, path) == "not-audio"
    monkeypatch.undo()
    info = locate._archive(path, str(archive)).getinfo("fma/000/stored.mp3")
    monkeypatch.setattr(info, "flag_bits", 1)
    assert reason(decode, path) == "permission"


def test_a_rewritten_archive_is_read_anew(archive, encode, sweep):
    path = f"{archive}!/fma/000/stored.mp3"
    assert decode(path).rate == 22050
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("fma/000/stored.mp3", encode(sweep(0.5, 8000), 8000))
    assert decode(path).rate == 8000


def test_few_archives_stay_open(tmp_path, song):
    for n in range(8):
        with zipfile.ZipFile(tmp_path / f"{n}.zip", "w") as file:
            file.writestr("a.mp3", song)
        assert locate.exists(f"{tmp_path}/{n}.zip!/a.mp3")
    assert len(locate._archives) <= 4


def _decode_often(path: str, count: int) -> int:
    return sum(len(decode(path.replace("stored", name)).samples) for name in [*METHODS] * count)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_processes_read_one_archive_at_once(archive):
    path = f"{archive}!/fma/000/stored.mp3"
    length = len(decode(path).samples)  # the parent has the archive open when it forks
    with multiprocessing.get_context("fork").Pool(3) as pool:
        jobs = [pool.apply_async(_decode_often, (path, 5)) for _ in range(3)]
        assert _decode_often(path, 5) == 15 * length
        assert [job.get(60) for job in jobs] == [15 * length] * 3
