from __future__ import annotations

import pytest

from wavemel.audio.sniff import sniff


@pytest.mark.parametrize(
    ("name", "container"),
    [("wav", "WAV"), ("flac", "FLAC"), ("mp3", "MP3"), ("ogg", "Ogg"), ("opus", "Ogg"), ("aiff", "AIFF"), ("au", "AU"), ("caf", "CAF"), ("w64", "Wave64"), ("rf64", "WAV")],
)  # fmt: skip
def test_what_libsndfile_reads(encode, sweep, name, container):
    assert sniff(encode(sweep(0.1, 48000), 48000, name)[:64]) == (container, True)


@pytest.mark.parametrize(
    ("container", "found"),
    [("mp4", "MP4/M4A"), ("adts", "AAC"), ("matroska", "Matroska/WebM"), ("flv", "FLV"), ("avi", "AVI")],
)  # fmt: skip
def test_what_needs_av(encode_av, sweep, container, found):
    data = encode_av(sweep(0.1, 44100)[:, 0], 44100, container)
    assert sniff(data[:64]) == (found, False)


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"words of a letter", bytes(64), b"\xff\x00\x00\x00"]
)
def test_what_is_nothing(head):
    assert sniff(head)[0] is None
