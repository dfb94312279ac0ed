"""One short piece of noise in every kind of file, and looks at files that share no code with wavemel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

RATE = 44100
KINDS = {
    "mp3": ("mp3", "MP3", "MPEG_LAYER_III"),
    "flac": ("flac", "FLAC", "PCM_16"),
    "ogg": ("ogg", "OGG", "VORBIS"),
    "opus": ("opus", "OGG", "OPUS"),
    "wav": ("wav", "WAV", "PCM_16"),
    "aiff": ("aiff", "AIFF", "PCM_16"),
    "m4a": ("m4a", "", ""),
    "m4a-moov-first": ("m4a", "", "faststart"),
}


def _encode_aac(path: Path, samples: np.ndarray, flags: str) -> None:
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as container:
        stream = container.add_stream("aac", rate=RATE)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout="stereo"
        )
        frame.rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("templates")
    rng = np.random.default_rng(1)
    samples = (rng.standard_normal((RATE // 2, 2)) * 0.1).astype(np.float32)
    made = {}
    for kind, (ending, form, subtype) in KINDS.items():
        path = made[kind] = folder / f"{kind}.{ending}"
        if not form:
            _encode_aac(path, samples, subtype)
        else:
            rate = 48000 if subtype == "OPUS" else RATE
            soundfile.write(path, samples, rate, format=form, subtype=subtype)
    return made


@pytest.fixture
def song(templates: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """A function that puts a song of a kind into the test's folder."""

    def put(kind: str = "wav", name: str | None = None) -> Path:
        path = tmp_path / (name or templates[kind].name)
        shutil.copyfile(templates[kind], path)
        return path

    return put


@pytest.fixture(scope="session")
def decoded() -> Callable[[Path], bytes]:
    """A function that returns all samples of a file, as bytes."""

    def decode(path: Path) -> bytes:
        if b"ftyp" in path.read_bytes()[:12]:
            with av.open(str(path)) as container:
                return b"".join(f.to_ndarray().tobytes() for f in container.decode(audio=0))
        # No more than a second: the header of a damaged file may promise a year.
        return soundfile.read(path, frames=RATE, dtype="float32")[0].tobytes()

    return decode


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)
