"""Building blocks of instruments: wavetables, envelopes, vibrato.

Timbres are read from wavetables of one period whose harmonics stop below the
Nyquist frequency, in groups that fade at different rates: a fraction of the
cost of additive synthesis, and no aliasing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
_SIZE = 2048


@dataclass(frozen=True)
class Timbre:
    """How one player's instrument sounds; every field lies in 0 to 1."""

    bright: float
    attack: float
    decay: float
    detune: float
    colour: float
    vibrato: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Timbre:
        """Draw a timbre."""
        return cls(*(float(v) for v in rng.uniform(0, 1, 6)))


def harmonics(freq: float, rate: int, most: int = 40) -> NDArray[np.float64]:
    """Numbers of the harmonics below the Nyquist frequency, as floats; at least the first."""
    return np.arange(1, max(1, min(most, int(0.45 * rate / freq))) + 1, dtype=float)


def wavetable(amplitudes: NDArray[np.float64]) -> Samples:
    """One period of a sum of sines with the given amplitudes, scaled to an RMS of 0.7."""
    spectrum = np.zeros(_SIZE // 2 + 1, complex)
    power = float(np.sqrt(np.sum(amplitudes**2))) or 1.0
    spectrum[1 : len(amplitudes) + 1] = -0.5j * _SIZE * amplitudes / power
    return np.fft.irfft(spectrum).astype(np.float32)


def read(table: Samples, turns: NDArray[np.float64]) -> Samples:
    """Sample a wavetable at the given turns (periods since the start)."""
    return table[(turns * _SIZE).astype(np.int64) & (_SIZE - 1)]


def times(seconds: float, rate: int) -> NDArray[np.float64]:
    """Times of the samples of a sound, in seconds."""
    return np.arange(max(8, int(seconds * rate))) / rate


def decaying(t: NDArray[np.float64], seconds: float) -> Samples:
    """Envelope that falls to 1/e in ``seconds``."""
    return np.exp(t.astype(np.float32) * np.float32(-1.0 / seconds))


def held(t: NDArray[np.float64], attack: float, release: float) -> Samples:
    """Envelope of a held note: rises, stays, falls before the end."""
    rise = np.minimum(t / attack, 1.0)
    return np.minimum(rise, np.maximum(t[-1] - t, 0.0) / release, out=rise).astype(np.float32)


def wobble(
    freq: float, t: NDArray[np.float64], timbre: Timbre, depth: float
) -> NDArray[np.float64]:
    """Turns of a tone with vibrato that sets in after a quarter of a second."""
    if depth * timbre.vibrato < 1e-4:
        return freq * t
    speed = 4.5 + 2.0 * timbre.colour
    swing = np.sin(2 * np.pi * speed * t) * np.minimum(t * 4, 1)
    return freq * t + swing * (freq * depth * timbre.vibrato / (2 * np.pi * speed))


def struck(
    freq: float,
    seconds: float,
    rate: int,
    amplitudes: NDArray[np.float64],
    fades: tuple[float, float, float],
) -> Samples:
    """A struck or plucked string: high groups of harmonics fade sooner than low ones."""
    t = times(seconds, rate)
    out = np.zeros(len(t), np.float32)
    norm = np.sqrt(np.sum(amplitudes**2)) or 1.0
    for (first, last), fade in zip(((0, 2), (2, 6), (6, 40)), fades, strict=True):
        group = np.zeros_like(amplitudes)
        group[first:last] = amplitudes[first:last]
        share = np.sqrt(np.sum(group**2)) / norm
        if share > 1e-3:
            out += np.float32(share) * read(wavetable(group), freq * t) * decaying(t, fade)
    return ends(out, rate)


def ends(x: Samples, rate: int) -> Samples:
    """Take the clicks off both ends."""
    up, down = max(1, int(0.001 * rate)), max(1, int(0.012 * rate))
    if len(x) > up + down:
        x[:up] *= np.linspace(0, 1, up, dtype=np.float32)
        x[-down:] *= np.linspace(1, 0, down, dtype=np.float32)
    return x


def pluck_spectrum(k: NDArray[np.float64], place: float, slope: float) -> NDArray[np.float64]:
    """Amplitudes of a string plucked at ``place`` (a share of its length), falling with ``slope``."""
    return np.abs(np.sin(np.pi * k * place)) / k**slope


def fm(
    freq: float, seconds: float, rate: int, ratio: float, index: float, fades: tuple[float, float]
) -> Samples:
    """Frequency modulation by a sine at ``ratio`` times the frequency; the index is kept from aliasing."""
    t = times(seconds, rate).astype(np.float32)
    index = min(index, max(0.1, (0.42 * rate / freq - 1) / ratio - 1))
    inner = index * np.exp(-t / fades[1]) * np.sin(2 * np.pi * ratio * freq * t)
    return ends(
        (np.sin(2 * np.pi * freq * t + inner) * np.exp(-t / fades[0])).astype(np.float32), rate
    )
