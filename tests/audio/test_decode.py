from __future__ import annotations

import builtins
import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavemel.audio import decode as decode_module
from wavemel.audio import libav, locate
from wavemel.audio.decode import decode, open_stream
from wavemel.errors import AudioError

#: How far lossy formats may be from what went in, RMS against RMS.
LOSS = {"mp3": 0.2, "ogg": 0.2, "opus": 0.3, "wav-adpcm": 0.1, "au": 0.05}
EXACT = ("wav", "wav-float", "flac", "aiff", "caf", "rf64", "w64")


@pytest.mark.parametrize("name", [*EXACT, *LOSS])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_its_samples_back(encode, sweep, name, channels):
    rate = 48000
    samples = sweep(1.0, rate, channels)
    decoded = decode(encode(samples, rate, name))
    assert (decoded.rate, decoded.channels, decoded.complete) == (rate, channels, True)
    assert decoded.samples.dtype == np.float32
    mono = samples.mean(axis=1)
    count = min(len(mono), len(decoded.samples))
    # Block formats fill their last block.
    assert len(mono) <= len(decoded.samples) <= len(mono) + 2048
    error = decoded.samples[:count] - mono[:count]
    # A step of 16 bits is 3e-5.
    assert np.sqrt(np.mean(error**2)) < max(4e-5, LOSS.get(name, 0) * np.sqrt(np.mean(mono**2)))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 96000])
def test_rates(encode, sweep, rate):
    decoded = decode(encode(sweep(0.5, rate), rate, "flac"))
    assert (decoded.rate, len(decoded.samples)) == (rate, rate // 2)
    assert decoded.seconds == pytest.approx(0.5, abs=1 / rate)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_averaged(encode, sweep, channels):
    samples = sweep(0.2, 22050, channels)
    decoded = decode(encode(samples, 22050, "wav-float"))
    np.testing.assert_allclose(decoded.samples, samples.mean(axis=1), atol=1e-6)
    assert decoded.channels == channels


def test_blocks_join_without_a_seam(encode, sweep, monkeypatch):
    samples = sweep(1.0, 44100, 3)
    data = encode(samples, 44100, "wav-float")
    whole = decode(data).samples
    monkeypatch.setattr("wavemel.audio.sndfile.BLOCK", 1000)
    # Not equal: in which order BLAS adds three channels may depend on the size of the block.
    np.testing.assert_allclose(decode(data).samples, whole, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "ogg", "opus", "wav-adpcm"])
def test_a_stretch_equals_that_part_of_the_whole(encode, sweep, name):
    rate = 48000
    data = encode(sweep(4.0, rate, 2), rate, name)
    whole = decode(data).samples
    for start, seconds in [(0, 0.5), (0.1, 0.3), (1.2345, 1), (3.5, 5), (2.0, None)]:
        part = decode(data, start=start, seconds=seconds).samples
        first = round(start * rate)
        last = len(whole) if seconds is None else first + round(seconds * rate)
        np.testing.assert_allclose(part, whole[first:last], atol=1e-6)


def test_a_stretch_behind_the_end_says_so(encode, sweep):
    with pytest.raises(AudioError, match="ends before 9 s") as caught:
        decode(encode(sweep(1.0, 8000), 8000), start=9)
    assert caught.value.reason == "no-samples"


@pytest.mark.parametrize("wrong", [{"start": -1}, {"seconds": 0}, {"start": float("nan")}])
def test_a_stretch_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="start must be"):
        decode(b"x", **wrong)


def test_sources_of_every_kind_agree(encode, sweep, tmp_path):
    data = encode(sweep(0.3, 16000, 2), 16000, "flac")
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    late = io.BytesIO(b"skipped" + data)
    late.seek(7)
    whole = decode(path).samples
    for source in (str(path), data, io.BytesIO(data), late, path.open("rb")):
        np.testing.assert_array_equal(decode(source).samples, whole)


@pytest.mark.parametrize(
    ("content", "name"), [("opus", "a.mp3"), ("mp3", "a.wav"), ("wav", "a.ogg"), ("flac", "noname")]
)
def test_content_counts_not_the_name(encode, sweep, tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(encode(sweep(0.5, 48000), 48000, content))
    assert decode(path).seconds == pytest.approx(0.5, abs=0.05)


def test_names_that_are_no_text(encode, sweep, tmp_path):
    data = encode(sweep(0.1, 8000), 8000)
    for name in (b"new\nline.wav", b"latin-\xe9.wav", "日本.wav".encode()):
        path = os.fsencode(tmp_path) + b"/" + name
        try:
            Path(os.fsdecode(path)).write_bytes(data)
        except OSError:
            pytest.skip("this file system refuses such names")
        assert len(decode(os.fsdecode(path)).samples) == 800


def test_an_mp3_without_a_length_is_read_to_its_end(falling_mp3):
    data, count = falling_mp3()
    claimed = soundfile.info(io.BytesIO(data)).frames
    assert claimed < 0.8 * count, "the file no longer shows the fault it is made for"
    decoded = decode(data)
    assert count <= len(decoded.samples) <= count + 3000
    assert decoded.complete
    part = decode(data, start=6.0, seconds=1.0).samples
    np.testing.assert_allclose(part, decoded.samples[6 * 44100 : 7 * 44100], atol=1e-6)
    assert len(decode(data, start=0, seconds=7).samples) == 7 * 44100


@pytest.mark.parametrize("share", [0, 0.5])
def test_an_mp3_that_announces_too_little_is_read_to_its_end(encode, sweep, share):
    data = encode(sweep(4.0, 44100, 2), 44100, "mp3")
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    told = int.from_bytes(data[at : at + 4], "big")
    lying = data[:at] + int(told * share).to_bytes(4, "big") + data[at + 4 :]
    whole, read = decode(data).samples, decode(lying).samples
    assert len(whole) <= len(read) + 1152
    middle = slice(44100, 3 * 44100)
    if share:
        np.testing.assert_allclose(read[middle], whole[middle], atol=1e-6)


def test_two_mp3_in_a_row_are_both_read(encode, sweep):
    data = encode(sweep(2.0, 44100), 44100, "mp3")
    assert decode(data + data).seconds == pytest.approx(4.0, abs=0.1)


def test_tags_behind_an_mp3_are_not_music(encode, sweep):
    data = encode(sweep(2.0, 44100), 44100, "mp3")
    whole = decode(data)
    tagged = decode(data + b"APETAGEX" + bytes(200_000))
    np.testing.assert_array_equal(tagged.samples, whole.samples)
    assert tagged.complete


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "ogg", "opus"])
def test_a_cut_file_keeps_what_decodes_and_says_so(encode, sweep, name):
    rate = 48000
    data = encode(sweep(4.0, rate), rate, name)
    whole = decode(data).samples
    cut = decode(data[: len(data) // 2])
    assert 0.9 * rate < len(cut.samples) < 3 * rate
    assert not cut.complete
    assert decode(data).complete
    np.testing.assert_allclose(cut.samples[: rate // 2], whole[: rate // 2], atol=1e-6)


def test_a_wav_from_a_pipe_knows_no_size_and_is_whole(encode, sweep):
    data = bytearray(encode(sweep(1.0, 8000), 8000, "wav"))
    data[4:8] = data[40:44] = b"\xff" * 4
    assert decode(bytes(data)).complete


@pytest.mark.parametrize(
    ("kind", "said"), [("zip", "name what is in it"), ("tar", "a tar archive"), ("gz", "gzip")]
)
def test_an_archive_is_no_song_whatever_lies_in_it(encode, sweep, tmp_path, kind, said):
    song = tmp_path / "song.mp3"
    song.write_bytes(encode(sweep(3.0, 44100), 44100, "mp3"))
    file = tmp_path / f"music.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(song, "song.mp3")
    elif kind == "tar":
        with tarfile.open(file, "w") as archive:
            archive.add(song, "song.mp3")
    else:
        file.write_bytes(gzip.compress(song.read_bytes()))
    with pytest.raises(AudioError, match=said) as told:
        decode(file)
    assert told.value.reason == "not-audio"
    if kind == "zip":
        assert decode(f"{file}!/song.mp3").complete


def test_a_hole_in_a_flac_does_not_cost_what_came_before(encode, sweep):
    rate = 22050
    data = bytearray(encode(sweep(5.0, rate), rate, "flac"))
    whole = decode(bytes(data)).samples
    at = len(data) * 7 // 10
    data[at : at + 200] = bytes(200)
    decoded = decode(bytes(data))
    good = 2 * rate
    np.testing.assert_array_equal(decoded.samples[:good], whole[:good])


def test_numbers_that_are_none_become_zero(encode, sweep):
    samples = sweep(0.1, 8000, 2)
    samples[10, 0], samples[20, 1], samples[30], samples[40] = (
        np.nan,
        np.inf,
        (np.inf, -np.inf),
        1e30,
    )
    decoded = decode(encode(samples, 8000, "wav-float"))
    assert decoded.replaced == 4
    assert np.isfinite(decoded.samples).all()
    assert not decoded.samples[[10, 20, 30, 40]].any()
    np.testing.assert_allclose(decoded.samples[50:], samples[50:].mean(axis=1), atol=1e-6)


def test_nothing_but_nan_is_damage(encode):
    with pytest.raises(AudioError, match="finite") as caught:
        decode(encode(np.full(4000, np.nan, np.float32), 8000, "wav-float"))
    assert caught.value.reason == "damaged"


def wav_header(frames: int, rate: int = 44100, channels: int = 2) -> bytes:
    size = min(frames * channels * 2, 0xFFFFFFFF - 36)
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16
    )
    return (
        struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
    )


def test_a_header_that_claims_2_to_the_31_frames_allocates_nothing():
    import tracemalloc

    data = wav_header(1 << 31) + bytes(range(200)) * 20
    tracemalloc.start()
    try:
        decoded = decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(decoded.samples) == 1000
    assert peak < 100 << 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"This is a letter, not a song.\n" * 50, "not-audio"),
        (bytes(5000), "not-audio"),
        (wav_header(1 << 31), "no-samples"),
        (wav_header(100, rate=3) + bytes(400), "damaged"),
        (b"fLaC", "damaged"),
        (b"\xf0\x7e" + bytes(100), "not-audio"),
    ],
)
def test_what_holds_no_music_is_told_apart(data, reason):
    with pytest.raises(AudioError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    def reason(path):
        with pytest.raises(AudioError) as caught:
            decode(path)
        assert caught.value.path == os.fspath(path)
        return caught.value.reason

    (tmp_path / "empty.mp3").touch()
    assert reason(tmp_path / "none.mp3") == "missing"
    assert reason(tmp_path / "empty.mp3" / "x.mp3") == "missing"
    assert reason("nul\0byte.wav") == "missing"
    assert reason(tmp_path / ("n" * 5000)) == "missing"
    assert reason(tmp_path / "empty.mp3") == "empty"
    assert reason(tmp_path) == "not-audio"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        assert reason(tmp_path / "pipe.wav") == "not-audio"
    locked = tmp_path / "locked.wav"
    locked.write_bytes(b"RIFF")
    opened = builtins.open

    def refuse(file, *args, **kwargs):  # root may read anything, so chmod proves nothing
        if file == str(locked):
            raise PermissionError(13, "Permission denied", file)
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", refuse)
    assert reason(locked) == "permission"


def test_libsndfile_alone_names_what_is_missing(encode_av, sweep, monkeypatch):
    data = encode_av(sweep(0.3, 44100)[:, 0], 44100)
    monkeypatch.setattr(libav, "available", lambda: False)
    with pytest.raises(AudioError, match=r"pip install 'wavemel\[av\]'") as caught:
        decode(data)
    assert caught.value.reason == "no-decoder"
    with pytest.raises(AudioError) as caught:
        decode(b"words " * 100)
    assert caught.value.reason == "not-audio"
    with pytest.raises(AudioError) as caught:
        decode(b"RIFF" + b"\xff" * 100)
    assert caught.value.reason == "damaged"


def test_a_refused_rate_closes_the_file(monkeypatch):
    opened = []
    spool = locate.spool
    monkeypatch.setattr(
        decode_module.locate, "spool", lambda s: opened.append(spool(s)) or opened[-1]
    )
    with pytest.raises(AudioError):
        decode(wav_header(100, rate=3) + bytes(400))
    assert opened[0].closed


def test_an_error_inside_open_stream_is_not_swallowed(encode, sweep):
    with pytest.raises(KeyError), open_stream(encode(sweep(0.1, 8000), 8000)):
        raise KeyError("mine")


LOUD = """
import sys, threading, time
from wavemel.audio.decode import decode
data = open(sys.argv[1], "rb").read()
if sys.argv[2] == "threads":
    stop = threading.Event()
    threading.Thread(target=stop.wait, daemon=True).start()
decode(data)
print("python speaks", file=sys.stderr)
"""


@pytest.mark.skipif(os.name != "posix", reason="descriptor 2 is turned away on POSIX systems")
def test_decoders_are_quiet_while_no_other_thread_could_speak(encode, sweep, tmp_path):
    data = encode(sweep(3.0, 44100), 44100, "mp3")
    path = tmp_path / "cut.mp3"
    path.write_bytes(data[: len(data) // 2])  # mpg123 warns that the size is off

    def said(mode):
        command = [sys.executable, "-c", LOUD, str(path), mode]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr

    assert said("alone") == "python speaks\n"
    assert said("threads").endswith("python speaks\n")
    assert "Warning" in said("threads"), "mpg123 no longer warns: `quiet` can go"


def test_threads_decode_at_once(encode, sweep):
    data = [encode(sweep(0.5 + i / 10, 22050, 2), 22050, "flac") for i in range(6)]
    lengths: dict[int, int] = {}

    def work(i: int) -> None:
        for _ in range(5):
            lengths[i] = len(decode(data[i]).samples)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == {i: round((0.5 + i / 10) * 22050) for i in range(6)}


def test_decoding_imports_nothing_heavy():
    heavy = "{'torch', 'pandas', 'matplotlib', 'scipy', 'librosa', 'av', 'lightning'}"
    modules = "wavemel.audio.load, wavemel.audio.verdict, wavemel.audio.locate"
    code = f"import sys, {modules}; assert not {heavy} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.real
def test_real_music_decodes_whole(real_data):
    clips = sorted((real_data / "emotify").glob("*/*.mp3"))
    assert len(clips) == 318
    for path in clips[::53]:
        decoded = decode(path)
        assert decoded.complete
        assert decoded.channels == 2
        assert 29 < decoded.seconds < 31
    tracks = [p for p in (real_data / "library").iterdir() if p.suffix in (".mp3", ".ogg")]
    for path in sorted(tracks)[::6]:
        assert decode(path, seconds=20).seconds == 20
