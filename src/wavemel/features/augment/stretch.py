"""Time stretching that keeps the pitch, by a phase vocoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from wavemel.features.augment.base import AUGMENTATIONS, ClipAugmentation, check_range
from wavemel.features.filterbank import hann

FloatArray = npt.NDArray[np.float32]


def time_stretch(samples: FloatArray, factor: float, n_fft: int = 2048) -> FloatArray:
    """Play ``samples`` ``factor`` times as fast at the same pitch.

    A phase vocoder with a hop of a quarter window: magnitudes are
    interpolated between frames, phases advance by what the frames differ.

    Parameters
    ----------
    samples : mono, (n,).
    factor : over 1 is faster (shorter), under 1 slower.
    n_fft : window in samples.

    Returns
    -------
    array (round(n / factor),)

    Source: Flanagan & Golden 1966; the same scheme as ``librosa.effects.time_stretch``.
    """
    if factor <= 0:
        raise ValueError(f"factor must be over 0, not {factor}")
    length = round(len(samples) / factor)
    if len(samples) == 0 or length == 0:
        return np.zeros(length, np.float32)
    hop = n_fft // 4
    window = hann(n_fft)
    padded = np.pad(samples.astype(np.float32, copy=False), (n_fft // 2, n_fft + n_fft // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    spectrum = scipy.fft.rfft(frames * window, axis=1)

    steps = np.arange(0, len(samples) / hop + 1, factor)
    left = np.minimum(steps.astype(np.int64), len(spectrum) - 2)
    share = (steps - left).clip(0, 1).astype(np.float32)[:, None]
    magnitude = np.abs(spectrum)
    magnitudes = (1 - share) * magnitude[left] + share * magnitude[left + 1]
    # Unit phasors, multiplied up, instead of angles, added up: no arctangent, no wrapping.
    unit = spectrum / np.maximum(magnitude, 1e-12)
    unit[magnitude < 1e-12] = 1
    advance = unit[left + 1] * unit[left].conj()
    phase = np.empty((len(steps), unit.shape[1]), unit.dtype)
    phase[0] = unit[0]
    np.multiply.accumulate(advance[:-1], axis=0, out=phase[1:])
    phase[1:] *= unit[0]
    # Rounding lets long products drift off the unit circle.
    phase /= np.maximum(np.abs(phase), 1e-12)

    blocks = scipy.fft.irfft(phase * magnitudes, n=n_fft, axis=1).astype(np.float32) * window
    made = np.zeros(hop * len(steps) + n_fft, np.float32)
    weight = np.zeros_like(made)
    squared = window * window
    # Four interleaved sets of frames do not overlap within themselves: add each set at once.
    for offset in range(4):
        part = blocks[offset::4]
        span = slice(offset * hop, offset * hop + part.size)
        made[span] += part.ravel()
        weight[span] += np.tile(squared, len(part))
    made /= np.maximum(weight, 1e-3)
    stretched = made[n_fft // 2 : n_fft // 2 + length]
    return np.pad(stretched, (0, length - len(stretched)))


def fit_length(samples: FloatArray, length: int) -> FloatArray:
    """Cut ``samples`` to ``length`` or pad them with zeros at the end."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


@AUGMENTATIONS.register("stretch")
@dataclass(frozen=True)
class Stretch(ClipAugmentation):
    """Play a clip faster or slower at the same pitch; its length is kept by cutting or padding.

    The factor is drawn log-uniformly from ``rates``, so that faster and
    slower are equally likely. The variants are made ahead of time, because a
    phase vocoder costs as much as training on the clip.
    """

    rates: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("rates", self.rates, 0.01, 100)

    def variant(self, samples: FloatArray, rate: int, rng: np.random.Generator) -> FloatArray:
        """Return a stretched copy, (T,) -> (T,)."""
        factor = float(np.exp(rng.uniform(*np.log(self.rates))))
        # The same 46 ms at every rate.
        n_fft = scipy.fft.next_fast_len(round(rate * 2048 / 44_100 / 8)) * 8
        return fit_length(time_stretch(samples, factor, n_fft), len(samples))
