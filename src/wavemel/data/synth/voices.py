"""Pitched instruments: each turns a frequency and a length into samples.

Timbres are read from wavetables of one period whose harmonics stop below the
Nyquist frequency, in groups that fade at different rates: a fraction of the
cost of additive synthesis, and no aliasing.
"""

from __future__ import annotations

from collections.abc import Callable
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


Voice = Callable[[float, float, int, Timbre, np.random.Generator], Samples]
VOICES: dict[str, Voice] = {}


def _voice(make: Voice) -> Voice:
    VOICES[make.__name__] = make
    return make


def _harmonics(freq: float, rate: int, most: int = 40) -> NDArray[np.float64]:
    return np.arange(1, max(1, min(most, int(0.45 * rate / freq))) + 1, dtype=float)


def _table(amplitudes: NDArray[np.float64]) -> Samples:
    """One period of the given harmonics, as sines, the sum of squares of which is one."""
    spectrum = np.zeros(_SIZE // 2 + 1, complex)
    power = float(np.sqrt(np.sum(amplitudes**2))) or 1.0
    spectrum[1 : len(amplitudes) + 1] = -0.5j * _SIZE * amplitudes / power
    return np.fft.irfft(spectrum).astype(np.float32)


def _read(table: Samples, turns: NDArray[np.float64]) -> Samples:
    return table[(turns * _SIZE).astype(np.int64) & (_SIZE - 1)]


def _time(seconds: float, rate: int) -> NDArray[np.float64]:
    return np.arange(max(8, int(seconds * rate))) / rate


def _fade(t: NDArray[np.float64], seconds: float) -> Samples:
    return np.exp(t.astype(np.float32) * np.float32(-1.0 / seconds))


def _held(t: NDArray[np.float64], attack: float, release: float) -> Samples:
    """Envelope of a held note: rises, stays, falls before the end."""
    rise = np.minimum(t / attack, 1.0)
    return np.minimum(rise, np.maximum(t[-1] - t, 0.0) / release, out=rise).astype(np.float32)


def _wobble(
    freq: float, t: NDArray[np.float64], timbre: Timbre, depth: float
) -> NDArray[np.float64]:
    """Turns of a tone with vibrato that sets in after a quarter of a second."""
    if depth * timbre.vibrato < 1e-4:
        return freq * t
    speed = 4.5 + 2.0 * timbre.colour
    swing = np.sin(2 * np.pi * speed * t) * np.minimum(t * 4, 1)
    return freq * t + swing * (freq * depth * timbre.vibrato / (2 * np.pi * speed))


def _struck(
    freq: float,
    seconds: float,
    rate: int,
    amplitudes: NDArray[np.float64],
    fades: tuple[float, float, float],
) -> Samples:
    """A struck or plucked string: high groups of harmonics fade sooner than low ones."""
    t = _time(seconds, rate)
    out = np.zeros(len(t), np.float32)
    norm = np.sqrt(np.sum(amplitudes**2)) or 1.0
    for (first, last), fade in zip(((0, 2), (2, 6), (6, 40)), fades, strict=True):
        group = np.zeros_like(amplitudes)
        group[first:last] = amplitudes[first:last]
        share = np.sqrt(np.sum(group**2)) / norm
        if share > 1e-3:
            out += np.float32(share) * _read(_table(group), freq * t) * _fade(t, fade)
    return _ends(out, rate)


def _ends(x: Samples, rate: int) -> Samples:
    """Take the clicks off both ends."""
    up, down = max(1, int(0.001 * rate)), max(1, int(0.012 * rate))
    if len(x) > up + down:
        x[:up] *= np.linspace(0, 1, up, dtype=np.float32)
        x[-down:] *= np.linspace(1, 0, down, dtype=np.float32)
    return x


def _pluck_spectrum(k: NDArray[np.float64], place: float, slope: float) -> NDArray[np.float64]:
    return np.abs(np.sin(np.pi * k * place)) / k**slope


@_voice
def guitar(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Steel or nylon strings."""
    k = _harmonics(freq, rate)
    spectrum = _pluck_spectrum(k, 0.08 + 0.25 * x.colour, 1.5 - 0.7 * x.bright)
    long = 0.5 + 0.9 * x.decay
    return _struck(freq, seconds, rate, spectrum, (long, long * 0.55, long * 0.22))


@_voice
def lute(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Oud, koto or banjo: short and nasal."""
    k = _harmonics(freq, rate)
    spectrum = _pluck_spectrum(k, 0.05 + 0.1 * x.colour, 1.0 - 0.4 * x.bright)
    long = 0.18 + 0.35 * x.decay
    return _struck(freq, seconds, rate, spectrum, (long, long * 0.8, long * 0.35))


@_voice
def sitar(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A string over a curved bridge: the buzz comes after the pluck."""
    k = _harmonics(freq, rate)
    t = _time(seconds, rate)
    turns = freq * t * (1 + 0.004 * x.detune * np.exp(-t * 9))
    body = _read(_table(_pluck_spectrum(k, 0.07, 1.1)), turns) * _fade(t, 0.4 + 0.5 * x.decay)
    buzz = np.where(k > 4, 1 / k**0.4, 0.0)
    late = np.minimum(t * 12, 1).astype(np.float32) * _fade(t, 0.25 + 0.3 * x.colour)
    return _ends(
        body + np.float32(0.25 + 0.35 * x.bright) * _read(_table(buzz), turns) * late, rate
    )


@_voice
def piano(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Two strings a note and the knock of the hammer."""
    k = _harmonics(freq, rate, 24)
    spectrum = np.exp(-k * (0.5 - 0.3 * x.bright)) * np.abs(np.sin(np.pi * k / 8.2))
    fade = (0.5 + 0.8 * x.decay) * (260 / freq) ** 0.4
    out = _struck(freq, seconds, rate, spectrum, (fade, fade * 0.6, fade * 0.3))
    beat = _struck(
        freq * (1.0006 + 0.003 * x.detune**3), seconds, rate, spectrum, (fade, fade * 0.6, 0.1)
    )
    out += np.float32(0.6) * beat
    knock = min(len(out), int(0.02 * rate))
    out[:knock] += (
        0.12
        * rng.standard_normal(knock, dtype=np.float32)
        * np.linspace(1, 0, knock, dtype=np.float32)
    )
    return out


@_voice
def mallet(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Marimba, kalimba or vibraphone: a bar's few partials."""
    t = _time(seconds, rate)
    out = np.sin(2 * np.pi * freq * t).astype(np.float32) * _fade(t, 0.12 + 0.6 * x.decay)
    high = (3.9 if x.colour < 0.6 else 5.4) * freq
    if high < 0.45 * rate:
        out += (
            np.float32(0.15 + 0.4 * x.bright)
            * np.sin(2 * np.pi * high * t).astype(np.float32)
            * _fade(t, 0.06)
        )
    return _ends(out, rate)


def _fm(
    freq: float, seconds: float, rate: int, ratio: float, index: float, fades: tuple[float, float]
) -> Samples:
    t = _time(seconds, rate).astype(np.float32)
    index = min(index, max(0.1, (0.42 * rate / freq - 1) / ratio - 1))
    inner = index * np.exp(-t / fades[1]) * np.sin(2 * np.pi * ratio * freq * t)
    return _ends(
        (np.sin(2 * np.pi * freq * t + inner) * np.exp(-t / fades[0])).astype(np.float32), rate
    )


@_voice
def epiano(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Electric piano by frequency modulation."""
    ratio = 1.0 if x.colour < 0.6 else 2.0
    return _fm(freq, seconds, rate, ratio, 0.4 + 2 * x.bright, (0.5 + 0.9 * x.decay, 0.25))


@_voice
def bell(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Bell or gong by frequency modulation at a ratio that is no whole number."""
    ratio = 1.41 + 2.2 * x.colour
    return _fm(freq, seconds, rate, ratio, 1 + 3 * x.bright, (0.5 + 1.5 * x.decay, 0.6))


@_voice
def organ(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Drawbars, with tremolo."""
    bars = np.array([1, 0.9, 0.5, 0.7, 0.0, 0.35, 0.0, 0.5]) * np.array(
        [1, 1, x.colour, 1, 1, x.bright, 1, x.bright]
    )
    k = len(_harmonics(freq, rate, 8))
    t = _time(seconds, rate)
    tremolo = (1 + 0.25 * x.vibrato * np.sin(2 * np.pi * (3 + 3.5 * x.detune) * t)).astype(
        np.float32
    )
    return _read(_table(bars[:k]), freq * t) * tremolo * _held(t, 0.012, 0.04)


@_voice
def reed(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Clarinet, accordion or shawm: odd harmonics to nasal ones."""
    k = _harmonics(freq, rate, 24)
    even = np.where(k % 2 == 0, 0.1 + 0.9 * x.colour, 1.0)
    spectrum = even / k ** (1.2 - 0.6 * x.bright)
    t = _time(seconds, rate)
    out = _read(_table(spectrum), _wobble(freq, t, x, 0.008))
    if x.detune > 0.5:
        out = (out + _read(_table(spectrum), freq * t * 1.004)) * np.float32(0.7)
    return out * _held(t, 0.02 + 0.05 * x.attack, 0.05)


@_voice
def flute(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Flute: few harmonics, breath and vibrato."""
    k = _harmonics(freq, rate, 6)
    t = _time(seconds, rate)
    tone = _read(_table(np.exp(-k * (2 - 1.1 * x.bright))), _wobble(freq, t, x, 0.012))
    breath = rng.standard_normal(len(t), dtype=np.float32)
    breath[1:] += breath[:-1]
    return (tone + np.float32(0.02 + 0.07 * x.colour) * breath) * _held(
        t, 0.03 + 0.08 * x.attack, 0.07
    )


@_voice
def fiddle(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A bowed string through its body's resonances."""
    k = _harmonics(freq, rate)
    f = k * freq
    body = (
        0.3
        + np.exp(-(((f - 500) / 300) ** 2))
        + (0.4 + x.bright) * np.exp(-(((f - 2600) / 900) ** 2))
    )
    t = _time(seconds, rate)
    return _read(_table(body / k), _wobble(freq, t, x, 0.014)) * _held(
        t, 0.03 + 0.09 * x.attack, 0.06
    )


@_voice
def strings(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A section of bowed strings, or a synthesiser's idea of it."""
    k = _harmonics(freq, rate, 30)
    table = _table(1 / k ** (1.9 - 0.8 * x.bright))
    t = _time(seconds, rate)
    spread = 0.002 + 0.005 * x.detune
    out = _read(table, _wobble(freq, t, x, 0.01)) + _read(table, freq * (1 + spread) * t + 0.3)
    return np.float32(0.7) * out * _held(t, 0.08 + 0.4 * x.attack, 0.15)


@_voice
def brass(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Brass: the louder, the brighter."""
    k = _harmonics(freq, rate, 24)
    t = _time(seconds, rate)
    turns = _wobble(freq, t, x, 0.006)
    level = _held(t, 0.04 + 0.06 * x.attack, 0.06)
    dull, sharp = (
        _read(_table(1 / k**2), turns),
        _read(_table(1 / k ** (1.1 - 0.5 * x.bright)), turns),
    )
    return level * (dull * (1 - level) + sharp * level)


_VOWELS = (
    (750, 1200, 2600),
    (450, 1900, 2600),
    (300, 2300, 3000),
    (420, 800, 2500),
    (330, 700, 2300),
)


@_voice
def singer(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A voice on one syllable: a consonant's noise, then one vowel becoming another."""
    k = _harmonics(freq, rate)
    t = _time(seconds, rate)
    size = 0.88 + 0.25 * x.colour

    def vowel(which: int) -> Samples:
        f = k * freq
        gain = sum(
            w * np.exp(-(((f - c * size) / (90 + 0.07 * c)) ** 2))
            for c, w in zip(_VOWELS[which], (1.0, 0.6, 0.2 + 0.5 * x.bright), strict=True)
        )
        return _table((gain + 0.02) / k**0.7)

    first, second = rng.integers(0, len(_VOWELS), 2)
    slide = 1 - 0.03 * x.attack * np.exp(-t * 18)
    turns = _wobble(freq, t, x, 0.016) * slide
    blend = np.linspace(0, 1, len(t), dtype=np.float32)
    out = _read(vowel(first), turns) * (1 - blend) + _read(vowel(second), turns) * blend
    out *= _held(t, 0.03 + 0.04 * x.attack, 0.05)
    hiss = min(len(out), int(0.05 * rate))
    if rng.random() < 0.5:
        noise = rng.standard_normal(hiss + 1, dtype=np.float32)
        out[:hiss] += (
            np.float32(0.12 + 0.15 * x.bright)
            * np.diff(noise)
            * np.hanning(hiss).astype(np.float32)
        )
    return out


@_voice
def saw(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Detuned sawtooths, a filter closing as the note fades."""
    k = _harmonics(freq, rate)
    t = _time(seconds, rate)
    turns = freq * t
    table = _table(1 / k)
    sharp = _read(table, turns) + _read(table, turns * (1.003 + 0.009 * x.detune) + 0.4)
    dull = _read(_table(np.exp(-k * 0.7)), turns)
    close = _fade(t, 0.06 + 0.8 * x.decay)
    return (sharp * np.float32(0.35 + 0.5 * x.bright) * close + dull * np.float32(0.5)) * _held(
        t, 0.004 + 0.01 * x.attack, 0.03
    )


@_voice
def pulse(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A pulse wave, from square to thin."""
    k = _harmonics(freq, rate)
    width = 0.5 - 0.38 * x.colour
    spectrum = np.abs(np.sin(np.pi * k * width)) / k ** (1.3 - 0.3 * x.bright)
    t = _time(seconds, rate)
    return (
        _read(_table(spectrum), _wobble(freq, t, x, 0.01))
        * _held(t, 0.004, 0.03)
        * _fade(t, 0.2 + 1.2 * x.decay)
    )


@_voice
def supersaw(
    freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator
) -> Samples:
    """Three wide sawtooths, held."""
    k = _harmonics(freq, rate)
    table = _table(np.exp(-k * 0.25 * (1 - x.bright)) / k)
    t = _time(seconds, rate)
    width = 0.004 + 0.01 * x.detune
    out = _read(table, freq * t) + _read(table, freq * (1 + width) * t + 0.37)
    out += _read(table, freq * (1 - width) * t + 0.71)
    return np.float32(0.55) * out * _held(t, 0.01 + 0.1 * x.attack, 0.08)


@_voice
def drive(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """An electric guitar's string before the amplifier, which distorts the sum of strings."""
    k = _harmonics(freq, rate, 20)
    spectrum = _pluck_spectrum(k, 0.12 + 0.1 * x.colour, 1.2)
    long = 0.7 + 0.8 * x.decay
    return _struck(freq, seconds, rate, spectrum, (long, long * 0.7, long * 0.4))


@_voice
def fingers(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Electric or double bass."""
    k = _harmonics(freq, rate, 16)
    spectrum = _pluck_spectrum(k, 0.2 + 0.1 * x.colour, 1.7 - 0.9 * x.bright)
    long = 0.35 + 0.5 * x.decay
    return _struck(freq, seconds, rate, spectrum, (long, long * 0.5, long * 0.15))


@_voice
def sub(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A sine bass with a little of the octave."""
    k = _harmonics(freq, rate, 4)
    t = _time(seconds, rate)
    return _read(_table(np.exp(-k * (3 - 1.8 * x.bright))), freq * t) * _held(t, 0.008, 0.04)


@_voice
def boom(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """The long drum-machine bass: falls in pitch, then rings."""
    t = _time(seconds, rate)
    turns = freq * t + freq * 0.03 * (1 - np.exp(-t * 30))
    tone = np.sin(2 * np.pi * turns).astype(np.float32) * _fade(t, 0.35 + 0.6 * x.decay)
    return _ends(np.tanh(tone * np.float32(1 + 2.5 * x.bright)), rate)


@_voice
def acid(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A sawtooth bass whose filter rings and closes."""
    k = _harmonics(freq, rate, 30)
    t = _time(seconds, rate)
    peak = 3 + 9 * x.bright
    ring = np.exp(-(((k - peak) / 1.5) ** 2)) * 1.2 + np.where(k < peak, 1 / k, 0.02)
    body = _read(_table(1 / k**1.6), freq * t)
    sweep = _read(_table(ring), freq * t) * _fade(t, 0.05 + 0.2 * x.decay)
    return (body * np.float32(0.6) + sweep) * _held(t, 0.004, 0.02)
