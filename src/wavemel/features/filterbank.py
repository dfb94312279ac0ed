"""Mel filter banks and windows, in numpy, so that training and torch-free code share one definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above.
_LINEAR_STEP = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_STEP
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert frequencies in Hz to mels on Slaney's scale (librosa's default, ``htk=False``)."""
    f = np.asarray(hz, dtype=np.float64)
    log = _BREAK_MEL + np.log(np.maximum(f, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(f < _BREAK_HZ, f / _LINEAR_STEP, log)


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert mels on Slaney's scale to frequencies in Hz."""
    m = np.asarray(mel, dtype=np.float64)
    log = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(m, _BREAK_MEL) - _BREAK_MEL))
    return np.where(m < _BREAK_MEL, m * _LINEAR_STEP, log)


def mel_filterbank(
    rate: int, n_fft: int, bands: int, fmin: float = 0.0, fmax: float | None = None
) -> FloatArray:
    """Return triangular filters of equal area over the bins of a real FFT.

    Parameters
    ----------
    rate : sample rate in Hz.
    n_fft : points of the FFT.
    bands : number of mel bands.
    fmin, fmax : edges in Hz; ``fmax=None`` means half the rate.

    Returns
    -------
    array (bands, n_fft // 2 + 1)
        Equal to ``librosa.filters.mel(..., norm="slaney")``.
    """
    fmax = rate / 2 if fmax is None else fmax
    bins = np.fft.rfftfreq(n_fft, 1 / rate)
    edges = mel_to_hz(np.linspace(hz_to_mel(fmin), hz_to_mel(fmax), bands + 2))
    ramps = edges[:, None] - bins[None, :]
    width = np.diff(edges)
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling))
    bank *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return bank.astype(np.float32)


def hann(n: int) -> FloatArray:
    """Return the periodic Hann window of ``n`` samples, the one that spectral analysis uses."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)
