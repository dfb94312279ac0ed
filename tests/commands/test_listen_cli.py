"""`wavemel listen`, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import RATE, sounds, tiny_model
from typed import Run


def test_listen_to_a_stream(run: Run) -> None:
    music = np.concatenate(sounds(3, 2.0, 16_000))
    stereo = np.repeat((music * 32767).astype("<i2")[:, None], 2, axis=1).tobytes()
    ran = run("listen", "--rate", "16000", "-f", "jsonl", stdin=stereo)
    rows = ran.rows()
    assert ran.code == 0
    assert [row["time"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert len(rows[0]["genres"]) == 3
    mono = music.astype("<f4").tobytes()
    text = run("listen", "--rate", "16000", "--channels", "1", "--samples", "f32le", stdin=mono)
    assert len(text.out.decode().splitlines()) == 6
    assert text.out.decode().startswith("0:01.0  ")
    nothing = run("listen", stdin=b"")
    assert (nothing.code, "holds no samples" in nothing.err) == (2, True)
    wrong = run("listen", "--samples", "s16be", stdin=b"")
    assert (wrong.code, "did you mean" in wrong.err) == (2, True)


def test_genres_that_standard_output_cannot_hold(run: Run, tmp_path: Path) -> None:
    file = tiny_model(tmp_path) / "model.json"
    classes = ["日本", "größer", "🎵"]
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": classes}))
    music = (sounds(1, 2.0)[0] * 32767).astype("<i2").tobytes()
    words = ("listen", "--model", file.parent, "--rate", str(RATE), "--channels", "1")
    rows = run(*words, "-f", "jsonl", stdin=music, PYTHONIOENCODING="cp1252").rows()
    assert {genre["genre"] for genre in rows[0]["genres"]} == set(classes)
    text = run(*words, stdin=music, PYTHONIOENCODING="cp1252").out.decode("cp1252")
    assert all(name in text for name in ("\\u65e5\\u672c", "größer", "\\U0001f3b5"))


def test_what_cannot_be_listened_to(run: Run, tmp_path: Path) -> None:
    music = sounds(1, 2.0, 16_000)[0]
    file = tmp_path / "song.wav"
    soundfile.write(file, music, 16_000)
    for words, said in (
        ((), "a WAV file, and listen takes raw PCM"),
        (("--over", "inf"), "over must be from 0 to 86,400 seconds"),
        (("--over", "-3"), "over must be from 0 to 86,400 seconds, not -3"),
        (("--every", "inf"), "must be positive"),
        (("--device", "3"), "--device is for --microphone"),
    ):
        ran = run("listen", *words, stdin=file.read_bytes())
        assert (ran.code, said in ran.err, ran.err.count("\n")) == (2, True, 1), ran.err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_stream_may_pause_and_ctrl_c_ends_it(environment: dict[str, str]) -> None:
    music = (sounds(1, 2.0)[0] * 32767).astype("<i2").tobytes()
    stream, end = os.pipe()
    os.set_blocking(stream, False)  # as some programs leave what they hand on
    command = [sys.executable, "-m", "wavemel", "listen", "--rate", str(RATE), "--channels", "1"]
    listening = subprocess.Popen(
        command, env=environment, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert listening.stdout
    for first in (b"0:01.0", b"0:03.0"):
        os.write(end, music)
        lines = [listening.stdout.readline() for _ in range(2)]
        assert lines[0].startswith(first)
        time.sleep(0.2)
    listening.send_signal(signal.SIGINT)
    assert listening.communicate(timeout=60) == (b"", b"")
    assert listening.returncode == 130
    os.close(stream)
    os.close(end)


def test_listen_to_a_microphone(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "sounddevice.py"
    fake.write_text(
        "import numpy as np\n"
        "class PortAudioError(Exception): pass\n"
        "class InputStream:\n"
        "    def __init__(self, samplerate, channels, dtype, device, callback):\n"
        "        if device == 'none': raise PortAudioError('no such device')\n"
        "        assert (channels, dtype) == (1, 'float32')\n"
        "        self.callback, self.rate = callback, samplerate\n"
        "    def __enter__(self):\n"
        "        rng = np.random.default_rng(0)\n"
        "        for _ in range(30):\n"
        "            data = rng.standard_normal((self.rate // 10, 1), dtype=np.float32)\n"
        "            self.callback(data, len(data), None, None)\n"
        "    def __exit__(self, *_): pass\n"
    )
    command = [sys.executable, "-m", "wavemel", "listen", "--microphone", "--rate", str(RATE)]
    changed = {**environment, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, env=changed, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        lines = [listening.stdout.readline() for _ in range(3)]
        listening.terminate()
    assert [line.split()[0] for line in lines] == ["0:01.0", "0:02.0", "0:03.0"]
    none = subprocess.run(
        [*command, "--device", "none"], env=changed, capture_output=True, text=True, check=False
    )
    assert (none.returncode, "no such device" in none.stderr) == (2, True)
    fake.write_text("raise OSError('PortAudio library not found')")
    missing = subprocess.run(command, env=changed, capture_output=True, text=True, check=False)
    assert (missing.returncode, "wavemel[listen]" in missing.stderr) == (2, True)
