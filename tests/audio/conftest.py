"""Audio that the tests of this stage make for themselves."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from encoders import encoded, encoded_by_av

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def encode() -> Encode:
    """(samples, rate, name of a format) -> the bytes of such a file."""
    return encoded


@pytest.fixture(scope="session")
def encode_av() -> Encode:
    """(samples (n,) or (n, 2), rate, container, codec) -> the bytes of a file that FFmpeg writes."""
    pytest.importorskip("av")
    return encoded_by_av


@pytest.fixture(scope="session")
def sweep() -> Callable[..., np.ndarray]:
    """(seconds, rate, channels) -> tones that differ at every moment and in every channel."""

    def make(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
        t = np.arange(round(seconds * rate)) / rate
        tones = [0.3 * np.sin(2 * np.pi * (200 + 90 * c + 60 * t) * t + c) for c in range(channels)]
        noise = np.random.default_rng(channels).standard_normal((len(t), channels)) * 0.02
        return (np.stack(tones, axis=1) + noise).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def falling_mp3() -> Callable[[], tuple[bytes, int]]:
    """An MP3 whose bit rate falls and that has no Xing header, and its count of whole frames' samples."""

    def make() -> tuple[bytes, int]:
        rate = 44100
        t = np.arange(8 * rate) / rate
        noise = np.random.default_rng(0).standard_normal(len(t)) * 0.2
        loud_then_quiet = np.where(t < 4, noise, 1e-4 * np.sin(2 * np.pi * 440 * t))
        out = io.BytesIO()
        soundfile.write(
            out,
            loud_then_quiet,
            rate,
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="VARIABLE",
        )
        data = out.getvalue()
        assert b"Xing" in data[:200]
        kbps = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[data[2] >> 4]
        first_frame = 144_000 * kbps // rate + (data[2] >> 1 & 1)
        return data[first_frame:], len(t)

    return make
