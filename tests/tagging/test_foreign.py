"""Files in which the frames of an MP3 can be found, and which are none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from wavemel.tagging.errors import TagError
from wavemel.tagging.files import read_genres, write_genres
from wavemel.tagging.foreign import foreign

Song = Callable[..., Path]


def _zip(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("x.mp3", data)
    return packed.getvalue()


def _tar(data: bytes, form: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        member = tarfile.TarInfo("x.mp3")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _old_tar(data: bytes) -> bytes:
    """Return a tar archive of the kind before POSIX, which has no sign."""
    packed = bytearray(_tar(data))
    packed[257:265] = bytes(8)
    packed[148:156] = b" " * 8
    packed[148:156] = b"%06o\0 " % sum(packed[:512])
    return bytes(packed)


MADE = {
    "zip archive": _zip,
    "tar archive": _tar,
    "tar archive (pax)": lambda data: _tar(data, tarfile.PAX_FORMAT),
    "tar archive (old)": _old_tar,
    "gzip archive": lambda data: gzip.compress(data, 0),
    "bzip2 archive": bz2.compress,
    "xz archive": lzma.compress,
    "7z archive": lambda data: b"7z\xbc\xaf\x27\x1c" + bytes(26) + data,
    "RAR archive": lambda data: b"Rar!\x1a\x07\x00" + bytes(50) + data,
    "PDF document": lambda data: b"%PDF-1.7\n1 0 obj stream\n" + data,
    "RIFF of a kind": lambda data: b"RIFF" + len(data).to_bytes(4, "little") + b"RMP3data" + data,
    "RIFX of a kind": lambda data: b"RIFX" + len(data).to_bytes(4, "big") + b"WAVE" + data,
    "film (MPEG-TS)": lambda data: b"G".ljust(188, b"x") * 3 + data,
    "disk image": lambda data: bytes(32768) + b"\x01CD001" + bytes(2042) + data,
}


@pytest.mark.parametrize("what", list(MADE))
def test_what_only_holds_an_mp3_is_named_and_left_alone(
    what: str, song: Song, tmp_path: Path
) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(MADE[what](20 * song("mp3", "inner.mp3").read_bytes()))
    before = path.read_bytes()
    named = rf"x\.mp3: is .*{what.partition(' (')[0]}.*: it was left alone"
    for call in (lambda: read_genres(path), lambda: write_genres(path, ["Rock"])):
        with pytest.raises(TagError, match=named):
            call()
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["inner.mp3", "x.mp3"]


def test_an_archive_behind_an_id3_tag_is_left_alone_too(song: Song) -> None:
    path = song("mp3")
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + _zip(path.read_bytes()))
    with pytest.raises(TagError, match="is a zip archive, no audio file"):
        write_genres(path, ["Rock"])


def test_an_mp3_in_a_film_is_left_alone(song: Song, tmp_path: Path) -> None:
    path = tmp_path / "film.mp3"
    with av.open(str(song("mp3"))) as source, av.open(str(path), "w", format="matroska") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(TagError, match="is Matroska/WebM, which holds no tags wavemel writes"):
        write_genres(path, ["Rock"])


def test_our_own_kinds_are_not_foreign(kind: str, templates: dict[str, Path]) -> None:
    assert foreign(templates[kind].read_bytes()[:512]) is None
