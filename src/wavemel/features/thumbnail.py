"""A small mel spectrogram of a file's middle, for people to look at."""

from __future__ import annotations

from os import PathLike

import numpy as np
import torch

from wavemel.audio.decode import decode
from wavemel.features.mel import LogMel, MelConfig


def mel_thumbnail(
    path: str | PathLike[str], *, seconds: float = 10.0, frames: int = 200, bands: int = 64
) -> tuple[np.ndarray, float]:
    """Return the log-mel spectrogram of a file's middle, and how many seconds it shows.

    Shape
    -----
    (bands, at most ``frames``), float32, in dB.

    Raises
    ------
    AudioError
        The file yields no samples.
    """
    decoded = decode(path)
    count = min(len(decoded.samples), round(seconds * decoded.rate))
    start = (len(decoded.samples) - count) // 2
    middle = decoded.samples[start : start + count]
    config = MelConfig(hop=max(1, count // frames), bands=bands)
    with torch.inference_mode():
        mel = LogMel(decoded.rate, config)(torch.from_numpy(middle)[None])[0]
    return mel[:, :frames].numpy(), count / decoded.rate
