"""ID3: the way from 2.2 and 2.3 to 2.4 loses nothing; ID3v1 and APE tags stay as they are."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from mutagen.id3 import ID3

from wavemel.tagging import id3
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import read_genres, write_genres

Song = Callable[..., Path]


def _frame(name: bytes, body: bytes, flags: int = 0) -> bytes:
    return name + struct.pack(">IH", len(body), flags) + body


def _tag(version: int, frames: bytes) -> bytes:
    size = len(frames)
    return (
        b"ID3" + bytes([version, 0, 0]) + bytes(size >> s & 0x7F for s in (21, 14, 7, 0)) + frames
    )


def _text(text: str) -> bytes:
    return b"\x01" + text.encode("utf-16")


PICTURE = b"\x00image/png\x00\x03\x00" + b"\x89PNG" + bytes(range(256))
V1 = b"TAG" + b"Old title".ljust(30) + b"Artist".ljust(90, b"\0") + b"only here".ljust(4, b"\0")
V1 = V1[:127].ljust(127, b"\0") + b"\x11"


def _put(path: Path, tag: bytes, end: bytes = b"") -> bytes:
    audio = path.read_bytes()
    path.write_bytes(tag + audio + end)
    return audio


def test_a_2_3_tag_becomes_2_4_with_all_its_frames(song: Song) -> None:
    path = song("mp3")
    frames = [
        _frame(b"TIT2", _text("Títle")),
        _frame(b"TCON", b"\x00(17)(9)Own"),
        _frame(b"TYER", b"\x001999"),
        _frame(b"TDAT", b"\x003112"),
        _frame(b"TIME", b"\x002359"),
        _frame(b"TORY", b"\x001970"),
        _frame(b"IPLS", b"\x00producer\x00Somebody\x00"),
        _frame(b"RVAD", b"\x03\x10\x00\x01\x00\x01"),
        _frame(b"TXXX", b"\x00MOOD\x00calm"),
        _frame(b"PRIV", b"owner\x00\x01\x02\x03"),
        _frame(b"XOWN", b"what no program knows", 0x8000),
        _frame(b"APIC", PICTURE),
    ]
    audio = _put(path, _tag(3, b"".join(frames) + bytes(300)))
    assert read_genres(path) == ["Rock", "Metal", "Own"]
    write_genres(path, ["Electronica", "Dance"])
    assert path.read_bytes().endswith(audio)
    tags = ID3(path, translate=False)
    assert tags.version == (2, 4, 0)
    assert tags["TCON"].text == ["Electronica", "Dance"]
    assert str(tags["TIT2"]) == "Títle"
    assert str(tags["TDRC"]) == "1999-12-31 23:59:00"
    assert str(tags["TDOR"]) == "1970"
    assert tags["TIPL"].people == [["producer", "Somebody"]]
    assert str(tags["TXXX:MOOD"]) == "calm"
    assert tags["PRIV:owner:\x01\x02\x03"].data == b"\x01\x02\x03"
    assert tags.getall("APIC")[0].data == PICTURE[13:]
    assert tags.getall("RVAD")
    assert not tags.getall("TYER") + tags.getall("TDAT") + tags.getall("TIME")
    body = b"what no program knows"
    assert b"XOWN\x00\x00\x00" + bytes([len(body)]) + b"\x40\x00" + body in path.read_bytes()


def test_dates_that_2_4_cannot_say_keep_their_old_frames(song: Song) -> None:
    path = song("mp3")
    frames = _frame(b"TYER", b"\x00ca. 1930") + _frame(b"TDAT", b"\x003112")
    _put(path, _tag(3, frames))
    write_genres(path, ["Jazz"])
    tags = ID3(path, translate=False)
    assert str(tags["TYER"]) == "ca. 1930"
    assert str(tags["TDAT"]) == "3112"


@pytest.mark.parametrize(
    ("new", "old", "kept"),
    [
        ((b"TDRC", b"2003"), (b"TYER", b"2001"), True),
        ((b"TDRC", b"2003-05-01"), (b"TYER", b"2003"), False),
        ((b"TDRC", b"2003-05-01"), (b"TDAT", b"0206"), True),
        ((b"TDRC", b"2003-05-01"), (b"TDAT", b"0105"), False),
        ((b"TDRC", b"2003-05-01T10:20"), (b"TIME", b"1021"), True),
        ((b"TDRC", b"2003-05-01T10:20"), (b"TIME", b"1020"), False),
        ((b"TDOR", b"1970"), (b"TORY", b"1971"), True),
        ((b"TDOR", b"1970-02"), (b"TORY", b"1970"), False),
        ((b"TIPL", b"mix\x00One\x00"), (b"IPLS", b"mix\x00Two\x00"), True),
        ((b"TIT2", b"Title"), (b"TORY", b"ca. 1970"), True),
    ],
)
def test_old_frames_stay_that_no_frame_of_2_4_tells(
    new: tuple[bytes, bytes], old: tuple[bytes, bytes], kept: bool, song: Song
) -> None:
    path = song("mp3")
    _put(path, _tag(3, b"".join(_frame(name, b"\x00" + body) for name, body in (new, old))))
    before = ID3(path, translate=False)
    write_genres(path, ["Jazz"])
    write_genres(path, [])
    tags = ID3(path, translate=False)
    left = {key: repr(before[key]) for key in before}
    if not kept:
        del left[old[0].decode()]
    assert {key: repr(tags[key]) for key in tags} == left


def test_a_date_lost_on_the_way_to_2_4_is_noticed(
    song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = song("mp3")
    _put(path, _tag(3, _frame(b"TDRC", b"\x002003") + _frame(b"TYER", b"\x002001")))
    monkeypatch.setattr(id3, "upgrade", lambda tags: tags.update_to_v24())
    with pytest.raises(TagError, match="without loss of other tags"):
        write_genres(path, ["Jazz"])


def test_a_2_2_tag_becomes_2_4(song: Song) -> None:
    path = song("mp3")
    frames = b"TT2\x00\x00\x06\x00Title" + b"TCO\x00\x00\x05\x00(17)"
    audio = _put(path, _tag(2, frames))
    assert read_genres(path) == ["Rock"]
    write_genres(path, ["Jazz"])
    assert str(ID3(path)["TIT2"]) == "Title"
    assert ID3(path).version == (2, 4, 0)
    assert path.read_bytes().endswith(audio)


@pytest.mark.parametrize(
    ("version", "frame"),
    [(2, b"XYZ\x00\x00\x03abc"), (3, _frame(b"XYZW", b"abcdef", 0x0080))],
    ids=["2.2", "compressed"],
)
def test_frames_that_2_4_cannot_keep_are_a_reason_to_refuse(
    version: int, frame: bytes, song: Song
) -> None:
    path = song("mp3")
    _put(path, _tag(version, frame))
    before = path.read_bytes()
    with pytest.raises(TagError, match="frame b'XYZ"):
        write_genres(path, ["Jazz"])
    assert path.read_bytes() == before


def test_an_id3v1_tag_and_an_ape_tag_stay_byte_for_byte(song: Song) -> None:
    path = song("mp3")
    ape = b"APETAGEX" + struct.pack("<4I", 2000, 32, 0, 0) + bytes(8)
    audio = _put(path, _tag(4, _frame(b"TIT2", b"\x03New title")), ape + V1)
    write_genres(path, ["Jazz", "Blues"])
    assert path.read_bytes().endswith(audio + ape + V1)
    assert read_genres(path) == ["Jazz", "Blues"]
    assert str(ID3(path, load_v1=False)["TIT2"]) == "New title"


def test_a_genre_of_an_id3v1_tag_counts_where_no_other_is_named(song: Song) -> None:
    path = song("mp3")
    _put(path, _tag(4, _frame(b"TIT2", b"\x03New title")), V1)
    assert read_genres(path) == ["Rock"]
    assert write_genres(path, ["Jazz"]).before == ["Rock"]
    write_genres(path, ["Rock"])
    with pytest.raises(TagError, match="keeps a genre in a tag that is never changed"):
        write_genres(path, [])


def test_a_file_with_id3v1_only_takes_its_fields_over(song: Song) -> None:
    path = song("mp3")
    audio = _put(path, b"", V1)
    assert read_genres(path) == ["Rock"]
    write_genres(path, ["Jazz"])
    assert path.read_bytes().endswith(audio + V1)
    assert str(ID3(path, load_v1=False)["TIT2"]) == "Old title"
    assert read_genres(path) == ["Jazz"]
