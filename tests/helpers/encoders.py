"""Small audio files of every kind, in memory."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

#: name -> (format, subtype); all are written and read by libsndfile.
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-adpcm": ("WAV", "MS_ADPCM"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "aiff": ("AIFF", "PCM_24"),
    "au": ("AU", "ULAW"),
    "caf": ("CAF", "ALAC_16"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
}

#: name -> (container, codec); written and read by FFmpeg.
AV_FORMATS = {"m4a": ("mp4", "aac"), "adts": ("adts", "aac"), "matroska": ("matroska", "aac")}


def encoded(samples: np.ndarray, rate: int, name: str = "wav", **options: object) -> bytes:
    """Return a file of samples, (n,) or (n, channels), in one of `FORMATS`."""
    kind, subtype = FORMATS[name]
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype, **options)
    return out.getvalue()


def encoded_by_av(
    samples: np.ndarray, rate: int, container: str = "mp4", codec: str = "aac"
) -> bytes:
    """Return a stereo file of samples, (n,) or (n, 2), that FFmpeg writes."""
    av = pytest.importorskip("av")
    out = io.BytesIO()
    stereo = np.stack([samples, samples]) if samples.ndim == 1 else samples.T
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        if codec == "alac":
            planes, kind = np.round(stereo * 32767).astype(np.int16), "s16p"
        else:
            planes, kind = stereo.astype(np.float32), "fltp"
        planes = np.ascontiguousarray(planes)
        frame = av.AudioFrame.from_ndarray(planes, format=kind, layout="stereo")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return out.getvalue()
