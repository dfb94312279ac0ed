"""Samples -> the inputs a network asks for, in numpy: the twin of `wavemel.features.frontend`.

The same spectrogram inside the ONNX graph takes over three times as long, network included, for
onnxruntime's STFT has no fast Fourier transform of its own
(`benchmarks/classify_frontend.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wavemel.features.filterbank import hann, mel_filterbank

FloatArray = npt.NDArray[np.float32]

#: What a graph can take.
INPUTS = ("samples", "wave", "mel")
#: Of `wavemel.features.normalise`, which cannot be imported without torch.
EPSILON = np.float32(1e-6)
#: Frames whose spectra are made at once: few enough that they stay in the processor's cache.
_BLOCK = 64
#: Mel bands a product: filters are narrow, so a band's product with all bins is mostly zeros.
_GROUP = 16


@dataclass(frozen=True)
class MelSettings:
    """What a mel spectrogram is made with; as `wavemel.features.mel.MelConfig`."""

    n_fft: int = 2048
    hop: int = 528
    bands: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    top_db: float | None = 80.0
    normalise: str = "band"

    def __post_init__(self) -> None:
        if self.normalise not in ("band", "spectrogram"):
            raise ValueError(f"normalise must be 'band' or 'spectrogram', not {self.normalise!r}")


class LogMel:
    """Mel power spectrogram in decibels.

    Shape
    -----
    samples (B, T) -> float32 (B, bands, 1 + T // hop), in dB relative to 1, at least -100 dB and
    at most ``top_db`` under the clip's loudest point.

    Equal to `wavemel.features.mel.LogMel`, and so to librosa's, within float32 rounding.
    """

    def __init__(self, rate: int, settings: MelSettings) -> None:
        self.settings = settings
        self._window = hann(settings.n_fft)
        bank = mel_filterbank(rate, settings.n_fft, settings.bands, settings.fmin, settings.fmax)
        self._groups: list[tuple[slice, slice, FloatArray]] = []
        for first in range(0, settings.bands, _GROUP):
            rows = bank[first : first + _GROUP]
            bins = np.flatnonzero(rows.any(axis=0))
            low, high = (int(bins[0]), int(bins[-1]) + 1) if len(bins) else (0, 1)
            weights = np.ascontiguousarray(rows[:, low:high].T)
            self._groups.append((slice(first, first + len(rows)), slice(low, high), weights))

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Return the log-mel spectrograms of a batch."""
        return np.stack([self._one(row) for row in samples])

    def _one(self, samples: FloatArray) -> FloatArray:
        s = self.settings
        half = s.n_fft // 2
        padded = np.zeros(len(samples) + 2 * half, np.float32)
        padded[half : half + len(samples)] = samples
        count = 1 + (len(padded) - s.n_fft) // s.hop
        frames = np.lib.stride_tricks.sliding_window_view(padded, s.n_fft)[:: s.hop][:count]
        mel = np.empty((count, s.bands), np.float32)
        for first in range(0, count, _BLOCK):
            block = slice(first, first + _BLOCK)
            spectrum = np.fft.rfft(frames[block] * self._window)
            power = np.square(spectrum.real, dtype=np.float32, casting="same_kind")
            power += np.square(spectrum.imag, dtype=np.float32, casting="same_kind")
            for bands, bins, weights in self._groups:
                np.matmul(power[:, bins], weights, out=mel[block, bands])
        np.maximum(mel, 1e-10, out=mel)
        np.log10(mel, out=mel)
        mel *= 10
        if s.top_db is not None:
            np.maximum(mel, mel.max() - np.float32(s.top_db), out=mel)
        return mel.T


def zscore(x: FloatArray, axis: int | tuple[int, ...] = -1) -> FloatArray:
    """Return ``x`` with zero mean and unit standard deviation along an axis; constants become 0."""
    centred = x - x.mean(axis=axis, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=axis, keepdims=True))
    centred /= deviation + EPSILON
    return centred


class FrontEnd:
    """Turn samples into the inputs of an exported network.

    Parameters
    ----------
    inputs : the graph's inputs in order, of ``"samples"`` (as they are, where the
        front end is part of the graph), ``"wave"`` and ``"mel"``.
    rate : Hz.
    mel : settings of the spectrogram.

    Shape
    -----
    samples (B, T), any scale -> ``samples`` and ``wave`` (B, T), ``mel`` (B, bands, frames).
    """

    def __init__(self, inputs: Sequence[str], rate: int, mel: MelSettings | None = None) -> None:
        unknown = set(inputs) - set(INPUTS)
        if unknown:
            raise ValueError(f"unknown input {sorted(unknown)[0]!r}")
        self.inputs = tuple(inputs)
        self._logmel = LogMel(rate, mel or MelSettings()) if "mel" in inputs else None

    def __call__(self, samples: FloatArray) -> dict[str, FloatArray]:
        """Return the inputs by name."""
        made = {}
        for name in self.inputs:
            if name == "samples":
                made[name] = samples
            elif name == "wave":
                made[name] = zscore(samples)
            else:
                assert self._logmel is not None
                axis = (1, 2) if self._logmel.settings.normalise == "spectrogram" else -1
                made[name] = np.ascontiguousarray(zscore(self._logmel(samples), axis))
        return made
