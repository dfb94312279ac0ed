from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from wavemel.audio.decode import decode
from wavemel.errors import AudioError

av = pytest.importorskip("av")


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("mov", "aac"),
        ("adts", "aac"),
        ("matroska", "aac"),
        ("mpegts", "aac"),
        ("mp4", "alac"),
    ],
)
def test_what_libsndfile_does_not_read(encode_av, sweep, container, codec):
    rate = 44100
    samples = sweep(3.0, rate, 2)
    data = encode_av(samples, rate, container, codec)
    decoded = decode(data)
    assert (decoded.rate, decoded.channels, decoded.complete) == (rate, 2, True)
    # Lossy encoders put a frame or two of nothing before the music.
    mono = samples.mean(axis=1)[: rate // 4]
    lag = np.argmax([np.dot(decoded.samples[n : n + len(mono)], mono) for n in range(3000)])
    likeness = np.corrcoef(decoded.samples[lag : lag + len(mono)], mono)[0, 1]
    assert likeness > 0.99
    for start in (0.7, 1.234, 2.5):
        piece = decode(data, start=start, seconds=0.4).samples
        assert len(piece) == round(0.4 * rate)
        there = decoded.samples[round(start * rate) :][: len(piece)]
        if codec == "alac":
            np.testing.assert_array_equal(piece, there)
        else:
            # FFmpeg's AAC decoder draws its noise bands anew after a seek.
            assert np.corrcoef(piece, there)[0, 1] > 0.99


def test_a_cut_m4a_is_damaged(encode_av, sweep):
    data = encode_av(sweep(1.0, 44100)[:, 0], 44100)
    with pytest.raises(AudioError, match="cut short") as caught:
        decode(data[: len(data) // 2])
    assert caught.value.reason == "damaged"


def test_a_cut_matroska_keeps_what_decodes(encode_av, sweep):
    data = encode_av(sweep(2.0, 44100)[:, 0], 44100, "matroska")
    decoded = decode(data[: len(data) // 2])
    assert 0.5 < decoded.seconds < 1.5
    assert not decoded.complete


def test_a_playlist_opens_nothing(encode, sweep, tmp_path):
    song = tmp_path / "song.wav"
    song.write_bytes(encode(sweep(0.5, 8000), 8000))
    playlist = tmp_path / "list.mp3"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\nfile://{song}\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(AudioError) as caught:
        decode(playlist)
    assert caught.value.reason == "not-audio"
    playlist.write_text(f"ffconcat version 1.0\nfile '{song.name}'\n")
    with pytest.raises(AudioError) as caught:
        decode(playlist)
    assert caught.value.reason == "not-audio"


CRASHERS = """
import sys
from wavemel.audio.decode import decode
from wavemel.errors import AudioError
for channels in (9, 17, 33, 64, 65, 2000, 2**31 - 1):
    head = bytearray(open(sys.argv[1], "rb").read())
    at = head.index(b"lpcm") + 16
    head[at : at + 4] = channels.to_bytes(4, "big")
    try:
        decode(bytes(head))
    except AudioError as error:
        assert error.reason in ("damaged", "no-samples"), error
"""


def test_header_with_many_channels_does_not_crash_the_process(sweep, tmp_path):
    import soundfile

    # libsndfile refuses such a CAF and PyAV takes it; reading its planes then ran past an array.
    path = tmp_path / "many.caf"
    soundfile.write(path, sweep(0.5, 22050), 22050, format="CAF", subtype="PCM_32")
    command = [sys.executable, "-c", CRASHERS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
