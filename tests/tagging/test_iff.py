"""WAV and AIFF: where a chunk of tags can be put, and genres that lie elsewhere."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from wavemel.tagging.errors import TagError
from wavemel.tagging.files import read_genres, write_genres
from wavemel.tagging.plan import plan
from wavemel.tagging.verdicts import Verdict

#: What encoders write for a length that they do not know yet.
UNKNOWN = 0xFFFFFFFF
EVEN = bytes(range(100, 156)) * 20
ODD = EVEN + b"\x80"
TAG = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)


def chunk(name: bytes, body: bytes, size: int | None = None, pad: bool = True) -> bytes:
    size = len(body) if size is None else size
    return name + struct.pack("<I", size) + body + bytes(len(body) % 2 if pad else 0)


FORM = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8))


def wav(*chunks: bytes, size: int | None = None, more: bytes = b"") -> bytes:
    body = b"WAVE" + FORM + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body + more


GOOD = {
    "even": wav(chunk(b"data", EVEN)),
    "odd": wav(chunk(b"data", ODD)),
    "the pad byte not counted": wav(chunk(b"data", ODD), size=4 + len(FORM) + 8 + len(ODD)),
    "more behind the end": wav(chunk(b"data", EVEN), more=b"more of it"),
    "longer than it is": wav(chunk(b"data", EVEN), size=50_000),
    "a tag in the middle": wav(chunk(b"id3 ", TAG), chunk(b"data", EVEN)),
    "an empty tag": wav(chunk(b"data", EVEN), chunk(b"ID3 ", b"")),
}
BAD = {
    "a stream": (wav(chunk(b"data", EVEN, UNKNOWN), size=UNKNOWN), "states no length"),
    "a stream's data": (wav(chunk(b"data", EVEN, UNKNOWN)), "states no length"),
    "sizes 0": (wav(chunk(b"data", EVEN, 0), size=0), "states no length"),
    "4 GiB": (wav(chunk(b"data", EVEN, UNKNOWN - 300), size=UNKNOWN - 200), "is too long"),
    "no pad byte": (wav(chunk(b"data", ODD, pad=False)), "'data' lacks the byte that pads"),
    "cut off": (wav(chunk(b"data", EVEN))[:-100], "'data' is longer than the file"),
    "ends early": (wav(chunk(b"data", EVEN), size=500), "'data' is longer than the file"),
    "half a chunk": (wav(chunk(b"data", EVEN), b"abc"), "what is no chunk at byte"),
    "no name": (wav(chunk(b"data", EVEN), chunk(b"\xff\x01ab", b"xx")), "what is no chunk at byte"),
    "half a tag": (wav(chunk(b"data", EVEN), chunk(b"id3 ", TAG, 5000)), "ID3 chunk is cut off"),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_what_a_dry_run_would_write_is_written(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    (change,) = plan([Verdict(str(path), [("rock", 0.9)])])
    assert change.writes
    write_genres(path, ["rock"])
    assert read_genres(path) == ["rock"]


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_written_is_told_by_a_dry_run(
    data: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    (change,) = plan([Verdict(str(path), [("rock", 0.9)])])
    assert change.failed
    assert said in change.why
    with pytest.raises(TagError) as refused:
        write_genres(path, ["rock"])
    assert refused.value.message == change.why
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("raw", "genre"),
    [(b"Rock\0", "Rock"), (b"Rock", "Rock"), (b"Caf\xe9\0\0", "Café"), ("Café".encode(), "Café")],
)
def test_a_genre_of_the_info_list_counts_and_stays(raw: bytes, genre: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Odd\0\0") + chunk(b"IGNR", raw))
    other = chunk(b"LIST", b"adtl" + chunk(b"IGNR", b"None\0"))
    path.write_bytes(wav(other, info, chunk(b"data", EVEN)))
    assert read_genres(path) == [genre]
    verdict = Verdict(str(path), [("electronic", 0.9)])
    assert plan([verdict])[0].why == "has a genre"
    (change,) = plan([verdict], overwrite=True)
    written = write_genres(path, change.after, expected=change.before)
    assert read_genres(path) == ["electronic"]
    assert info in path.read_bytes()
    assert written.before == []
    write_genres(path, written.before)  # as an undo does
    assert read_genres(path) == [genre]


def test_an_info_list_without_a_genre_or_cut_off_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for body in (
        b"INFO" + chunk(b"IGNR", b" \0"),
        b"INFO" + chunk(b"IGNR", b"Rock")[:7],
        b"IN",
        b"",
    ):
        path.write_bytes(wav(chunk(b"LIST", body), chunk(b"data", EVEN)))
        assert read_genres(path) == []
