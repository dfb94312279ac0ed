"""What happens to the played layers: amplifier, filter, textures, room, equaliser, noise, level."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.signal import lfilter

from wavemel.data.synth.compose import Studio
from wavemel.data.synth.oscillators import Samples


def lowpass(x: Samples, hertz: float, rate: int, order: int = 2) -> Samples:
    """Cascade one-pole low-pass filters (6 dB an octave each)."""
    pole = np.float32(np.exp(-2 * np.pi * min(hertz, 0.45 * rate) / rate))
    b, a = np.array([1 - pole], np.float32), np.array([1, -pole], np.float32)
    for _ in range(order):
        x = lfilter(b, a, x)
    return x


def amplify(x: Samples, rate: int, gain: float) -> Samples:
    """Overdrive a guitar and play it through a cabinet."""
    return lowpass(np.tanh(x * np.float32(gain)), 4200, rate)


def sweep(x: Samples, rate: int, period: float, phase: float) -> Samples:
    """Open and close a low-pass filter with the given period in seconds."""
    t = np.arange(len(x), dtype=np.float32) / rate
    share = 0.5 + 0.5 * np.sin(np.float32(2 * np.pi) * (t / np.float32(period) + np.float32(phase)))
    dull = lowpass(x, 450, rate)
    return (dull + (x - dull) * share).astype(np.float32)


def texture(kind: str, n: int, rate: int, rng: np.random.Generator) -> Samples | None:
    """Return what lies behind the music (RMS about 1), or None for nothing."""
    seconds = n / rate
    if kind == "crackle":
        out = np.zeros(n, np.float32)
        count = int(seconds * rng.uniform(8, 40)) + 1
        out[rng.integers(0, n, count)] = rng.standard_normal(count) * rng.uniform(5, 14)
        return lowpass(out, 5000, rate, 1)
    if kind == "hum":
        t = np.arange(n, dtype=np.float32) / rate
        mains = float(rng.choice([50.0, 60.0]))
        return np.asarray(
            sum(
                np.sin(np.float32(2 * np.pi * mains * k) * t) / np.float32(k) for k in (1, 2, 3, 5)
            ),
            np.float32,
        )
    if kind == "glitch":
        out = np.zeros(n, np.float32)
        for _ in range(int(seconds * rng.uniform(1, 5)) + 1):
            start, length = int(rng.uniform(0, n)), int(rng.uniform(0.01, 0.15) * rate)
            stop = min(n, start + length)
            burst = rng.standard_normal(stop - start, dtype=np.float32)
            hold = int(rng.integers(1, max(2, rate // 1000)))
            out[start:stop] = np.repeat(burst, hold)[: stop - start] * np.float32(
                rng.uniform(0.5, 2.5)
            )
        return out
    if kind in ("hiss", "sweep"):
        noise = rng.standard_normal(n, dtype=np.float32)
        return noise if kind == "hiss" else sweep(noise, rate, rng.uniform(3, 9), rng.random())
    return None


def record(music: Samples, studio: Studio, rate: int, rng: np.random.Generator) -> Samples:
    """Put the mix into a room, through a desk, onto a medium; peaks stay under full scale.

    Parameters
    ----------
    music : mono mix, any level.
    studio : how; see `Studio`.
    rate : samples a second.
    rng : draws the room and the noise.

    Returns
    -------
    numpy.ndarray
        as long as ``music``, float32, peak at ``studio.loudness`` dB below full scale or less.
    """
    n = len(music)
    tail = int(studio.tail * rate)
    size = fft.next_fast_len(n + tail, real=True)
    room = rng.standard_normal(tail, dtype=np.float32)
    room *= np.exp(np.linspace(0, -6.9, tail, dtype=np.float32))
    room = lowpass(room, 3500, rate, 1)
    room *= np.float32(studio.wet) / np.sqrt(np.sum(room**2) + 1e-9)
    loud = np.sqrt(np.mean(music**2)) + 1e-9
    noise = rng.standard_normal(n, dtype=np.float32) * np.float32(10 ** (studio.floor / 20))

    f = np.fft.rfftfreq(size, 1 / rate).astype(np.float32)
    octaves = np.log2(np.maximum(f, 40) / 800)
    level = studio.tilt * octaves
    level += studio.air * np.exp(-((np.log2(np.maximum(f, 40) / studio.peak) / 0.8) ** 2))
    gain = np.float32(10) ** (level / 20)
    gain /= np.sqrt(1 + (f / studio.cutoff) ** 10)
    gain *= np.sqrt(1 / (1 + (studio.lowcut / np.maximum(f, 1)) ** 4))

    spectrum = fft.rfft(music / loud, size) * (1 + fft.rfft(room, size))
    spectrum += fft.rfft(noise, size)
    out = fft.irfft(spectrum * gain, size)[:n]
    out /= np.sqrt(np.mean(out**2)) + np.float32(1e-9)
    out = np.tanh(out * np.float32(0.35 * studio.crush))
    return (out * np.float32(10 ** (studio.loudness / 20)) / (np.abs(out).max() + 1e-9)).astype(
        np.float32
    )
