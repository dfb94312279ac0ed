"""Where MPEG audio begins."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from wavemel.audio.mpeg import JUNK, Frame, begins_with_frames, frame_at
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import read_genres, write_genres

Song = Callable[..., Path]


@pytest.mark.parametrize(
    ("header", "frame"),
    [
        ("fffb9000", Frame(3, 3, 44100, 417)),  # 128 kbit/s
        ("fffb9200", Frame(3, 3, 44100, 418)),  # padded
        ("fff38400", Frame(2, 3, 24000, 192)),  # MPEG-2, 64 kbit/s
        ("ffe34800", Frame(0, 3, 8000, 288)),  # MPEG-2.5, 32 kbit/s
        ("fffd8400", Frame(3, 2, 48000, 384)),  # layer 2, 128 kbit/s
        ("ffff4800", Frame(3, 1, 32000, 192)),  # layer 1, 128 kbit/s
        ("fffb0000", None),  # a free rate
        ("fffbf000", None),
        ("fffb9c00", None),
        ("ffeb9000", None),  # a reserved version
        ("fff19000", None),  # AAC
        ("fffb90", None),
    ],
)
def test_a_header_says_how_long_its_frame_is(header: str, frame: Frame | None) -> None:
    assert frame_at(bytes.fromhex(header), 0) == frame


FRAME = bytes.fromhex("fffb9000") + bytes(413)
OTHER = bytes.fromhex("fffb9400") + bytes(380)  # 48 kHz


@pytest.mark.parametrize(
    ("content", "begins"),
    [
        (FRAME * 2, True),
        (FRAME, False),
        (FRAME + OTHER, False),
        (bytes(100_000) + FRAME * 2, True),
        (b"junk" + FRAME * 3, False),
        (b"junk" + FRAME * 4, True),
        (b"j" * JUNK + FRAME * 4, True),
        (b"j" * (JUNK + 1) + FRAME * 4, False),
        (bytes(3 << 20) + FRAME * 4, False),
        (b"", False),
    ],
)
def test_frames_stand_at_the_beginning(content: bytes, begins: bool) -> None:
    assert begins_with_frames(io.BytesIO(content), 0) is begins


def test_a_song_with_junk_or_padding_in_front_is_tagged(
    song: Song, decoded: Callable[[Path], bytes]
) -> None:
    noise = random.Random(1).randbytes(700)
    for front in (bytes(2000), noise, b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(500)):
        path = song("mp3")
        path.write_bytes(front + path.read_bytes())
        samples = decoded(path)
        write_genres(path, ["Rock"])
        assert read_genres(path) == ["Rock"]
        assert decoded(path) == samples


def test_frames_far_behind_other_things_make_no_mp3(song: Song) -> None:
    path = song("mp3")
    path.write_bytes(b"Only text.\n" * 1000 + path.read_bytes() * 20)
    with pytest.raises(TagError, match="holds nothing that genres can be written to"):
        write_genres(path, ["Rock"])
