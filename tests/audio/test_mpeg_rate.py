"""How MPEG audio goes on: its bit rate."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

from wavemel.audio.mpeg import has_constant_rate


def test_a_constant_rate_is_told_from_one_that_changes(falling_mp3, tmp_path: Path) -> None:
    t = np.arange(20 * 44_100) / 44_100
    sound = np.random.default_rng(0).standard_normal(len(t)) * np.where(t < 10, 0.2, 1e-4)
    for mode, constant in (("CONSTANT", True), ("VARIABLE", False)):
        path = tmp_path / f"{mode}.mp3"
        soundfile.write(path, sound, 44_100, bitrate_mode=mode, compression_level=0.3)
        with path.open("rb") as file:
            file.seek(5)
            assert has_constant_rate(file) is constant
            assert file.tell() == 5
    assert not has_constant_rate(io.BytesIO(falling_mp3()[0]))
    assert not has_constant_rate(io.BytesIO(b"\0" * 100_000))
