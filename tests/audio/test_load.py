from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from wavemel.audio.decode import decode
from wavemel.audio.load import Window, load, windows
from wavemel.errors import AudioError


@pytest.mark.parametrize(
    ("rate", "target"),
    [(44100, 16000), (8000, 22050), (48000, 44100), (44100, 44100), (44101, 16000)],
)
def test_a_stretch_equals_that_part_of_the_whole(encode, sweep, rate, target):
    data = encode(sweep(5.0, rate, 2), rate, "flac")
    whole = load(data, target)
    assert len(whole) == round(5 * target)
    for start, seconds in [(0, 1.0), (0.01, 0.5), (1.23456, 2), (4.5, 3), (2.5, None)]:
        part = load(data, target, start=start, seconds=seconds)
        first = round(start * target)
        last = len(whole) if seconds is None else min(len(whole), first + round(seconds * target))
        assert len(part) == last - first
        np.testing.assert_allclose(part, whole[first:last], atol=2e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_a_stretch_of_an_mp3_equals_that_part_of_the_whole(encode, sweep, rate):
    data = encode(sweep(5.0, rate, 2), rate, "mp3")
    whole = load(data, 22050)
    # At every place within a frame, of 24 to 72 ms.
    for start in np.arange(0.3, 3.4, 0.0217):
        part = load(data, 22050, start=start, seconds=0.1)
        np.testing.assert_allclose(part, whole[round(start * 22050) :][: len(part)], atol=2e-6)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("level", [0.0, 0.6, 0.99])
@pytest.mark.parametrize("cover", [0, 400_000])
def test_frames_of_any_size_are_decoded_with_what_they_need(encode, mode, level, cover):
    # Noise that comes and goes: frames borrow from those before them.
    rate, rng = 44100, np.random.default_rng(0)
    loud = np.repeat(rng.choice([0.01, 0.3], 50), rate // 10)[:, None]
    song = (rng.normal(size=(len(loud), 2)) * loud).astype(np.float32)
    data = encode(song, rate, "mp3", bitrate_mode=mode, compression_level=level)
    size = bytes(cover >> shift & 127 for shift in (21, 14, 7, 0))
    data = b"ID3\4\0\0" + size + bytes(cover) + data
    whole = load(data, 16000)
    for start in np.arange(0.5, 3.4, 0.0217):
        part = load(data, 16000, start=start, seconds=0.1)
        np.testing.assert_allclose(part, whole[round(start * 16000) :][: len(part)], atol=5e-6)


def test_only_the_stretch_is_decoded(encode, sweep, monkeypatch):
    from wavemel.audio import sndfile

    read = []
    plain = sndfile.SndfileStream._read
    monkeypatch.setattr(
        sndfile.SndfileStream, "_read", lambda self, out: read.append(len(out)) or plain(self, out)
    )
    data = encode(sweep(20.0, 22050), 22050, "mp3")
    load(data, 16000, start=10, seconds=2)
    assert sum(read) < 3 * 22050


def test_errors_pass_through(encode, sweep):
    data = encode(sweep(1.0, 8000), 8000)
    with pytest.raises(AudioError, match="ends before 5 s"):
        load(data, 16000, start=5, seconds=1)
    with pytest.raises(ValueError, match="seconds > 0"):
        load(data, 16000, seconds=-1)
    with pytest.raises(ValueError, match="positive"):
        next(windows(data, 8000, seconds=1, hop=0))


@pytest.mark.parametrize(("rate", "target"), [(44100, 16000), (22050, 22050), (16000, 44100)])
@pytest.mark.parametrize(("seconds", "hop"), [(1.0, 1.0), (1.0, 0.4), (0.5, 0.8)])
def test_windows_equal_the_whole(encode, sweep, rate, target, seconds, hop, monkeypatch):
    monkeypatch.setattr("wavemel.audio.sndfile.BLOCK", 5000)
    data = encode(sweep(4.3, rate, 2), rate, "flac")
    whole = load(data, target)
    found = list(windows(data, target, seconds=seconds, hop=hop))
    size = round(seconds * target)
    for window in found:
        first = round(window.start * target)
        assert window.filled == seconds
        np.testing.assert_allclose(window.samples, whole[first : first + size], atol=2e-6)
    regular = [n * hop for n in range(100) if n * hop + seconds <= 4.3 + 1e-9]
    starts = [window.start for window in found]
    assert starts[: len(regular)] == pytest.approx(regular)
    # What no window has shown at the end is shown by one that ends with the file.
    unseen = 4.3 - (regular[-1] + seconds)
    assert len(starts) - len(regular) == (unseen >= 0.25 * hop - 1e-9)
    if len(starts) > len(regular):
        assert starts[-1] == pytest.approx(4.3 - seconds, abs=1e-4)


def test_a_short_file_gives_one_padded_window(encode, sweep):
    (window,) = windows(encode(sweep(0.5, 8000), 8000), 8000, seconds=2, hop=1)
    assert isinstance(window, Window)
    assert (window.start, window.filled, len(window.samples)) == (0.0, 0.5, 16000)
    assert window.samples[:4000].any()
    assert not window.samples[4000:].any()


def test_limit_acts_as_the_end_of_the_file(encode, sweep):
    data = encode(sweep(6.0, 44100), 44100, "flac")
    found = list(windows(data, 16000, seconds=1, hop=1, limit=2.5))
    assert [window.start for window in found] == [0, 1, 1.5]
    (short,) = windows(data, 16000, seconds=4, hop=1, limit=2.5)
    assert short.filled == 2.5
    np.testing.assert_allclose(short.samples[:40000], load(data, 16000)[:40000], atol=2e-6)


def test_windows_of_an_mp3_without_a_length(falling_mp3):
    data, count = falling_mp3()
    found = list(windows(data, 22050, seconds=1, hop=1))
    assert [window.start for window in found[:8]] == list(range(8))
    whole = decode(data).samples
    assert len(whole) >= count


def test_windows_of_nothing_finite(encode):
    data = encode(np.full(9000, np.nan, np.float32), 8000, "wav-float")
    with pytest.raises(AudioError, match="finite"):
        list(windows(data, 8000, seconds=5, hop=5))


@pytest.mark.parametrize(
    ("hours", "target"), [(1, 4000), pytest.param(10, 4000, marks=pytest.mark.slow)]
)
def test_long_files_in_flat_memory(tmp_path, hours, target):
    rate, frames = 8000, hours * 3600 * 8000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", frames + 36, b"WAVE") + form)
        file.write(struct.pack("<4sI", b"data", frames))
        file.truncate(44 + frames)  # a hole: no disk is used
    tracemalloc.start()
    try:
        count = sum(1 for _ in windows(path, target, seconds=15, hop=15))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == hours * 240
    assert peak < 16 << 20  # the samples of one hour take 58 MB
