"""Pitched instruments: each turns a frequency and a length into samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wavemel.data.synth.oscillators import (
    Samples,
    Timbre,
    decaying,
    ends,
    fm,
    harmonics,
    held,
    pluck_spectrum,
    read,
    struck,
    times,
    wavetable,
    wobble,
)

Voice = Callable[[float, float, int, Timbre, np.random.Generator], Samples]
VOICES: dict[str, Voice] = {}


def _voice(make: Voice) -> Voice:
    VOICES[make.__name__] = make
    return make


@_voice
def guitar(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Steel or nylon strings."""
    k = harmonics(freq, rate)
    spectrum = pluck_spectrum(k, 0.08 + 0.25 * x.colour, 1.5 - 0.7 * x.bright)
    long = 0.5 + 0.9 * x.decay
    return struck(freq, seconds, rate, spectrum, (long, long * 0.55, long * 0.22))


@_voice
def lute(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Oud, koto or banjo: short and nasal."""
    k = harmonics(freq, rate)
    spectrum = pluck_spectrum(k, 0.05 + 0.1 * x.colour, 1.0 - 0.4 * x.bright)
    long = 0.18 + 0.35 * x.decay
    return struck(freq, seconds, rate, spectrum, (long, long * 0.8, long * 0.35))


@_voice
def sitar(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A string over a curved bridge: the buzz comes after the pluck."""
    k = harmonics(freq, rate)
    t = times(seconds, rate)
    turns = freq * t * (1 + 0.004 * x.detune * np.exp(-t * 9))
    body = read(wavetable(pluck_spectrum(k, 0.07, 1.1)), turns) * decaying(t, 0.4 + 0.5 * x.decay)
    buzz = np.where(k > 4, 1 / k**0.4, 0.0)
    late = np.minimum(t * 12, 1).astype(np.float32) * decaying(t, 0.25 + 0.3 * x.colour)
    return ends(
        body + np.float32(0.25 + 0.35 * x.bright) * read(wavetable(buzz), turns) * late, rate
    )


@_voice
def piano(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Two strings a note and the knock of the hammer."""
    k = harmonics(freq, rate, 24)
    spectrum = np.exp(-k * (0.5 - 0.3 * x.bright)) * np.abs(np.sin(np.pi * k / 8.2))
    fade = (0.5 + 0.8 * x.decay) * (260 / freq) ** 0.4
    out = struck(freq, seconds, rate, spectrum, (fade, fade * 0.6, fade * 0.3))
    beat = struck(
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
    t = times(seconds, rate)
    out = np.sin(2 * np.pi * freq * t).astype(np.float32) * decaying(t, 0.12 + 0.6 * x.decay)
    high = (3.9 if x.colour < 0.6 else 5.4) * freq
    if high < 0.45 * rate:
        out += (
            np.float32(0.15 + 0.4 * x.bright)
            * np.sin(2 * np.pi * high * t).astype(np.float32)
            * decaying(t, 0.06)
        )
    return ends(out, rate)


@_voice
def epiano(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Electric piano by frequency modulation."""
    ratio = 1.0 if x.colour < 0.6 else 2.0
    return fm(freq, seconds, rate, ratio, 0.4 + 2 * x.bright, (0.5 + 0.9 * x.decay, 0.25))


@_voice
def bell(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Bell or gong by frequency modulation at a ratio that is no whole number."""
    ratio = 1.41 + 2.2 * x.colour
    return fm(freq, seconds, rate, ratio, 1 + 3 * x.bright, (0.5 + 1.5 * x.decay, 0.6))


@_voice
def organ(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Drawbars, with tremolo."""
    bars = np.array([1, 0.9, 0.5, 0.7, 0.0, 0.35, 0.0, 0.5]) * np.array(
        [1, 1, x.colour, 1, 1, x.bright, 1, x.bright]
    )
    k = len(harmonics(freq, rate, 8))
    t = times(seconds, rate)
    tremolo = (1 + 0.25 * x.vibrato * np.sin(2 * np.pi * (3 + 3.5 * x.detune) * t)).astype(
        np.float32
    )
    return read(wavetable(bars[:k]), freq * t) * tremolo * held(t, 0.012, 0.04)


@_voice
def reed(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Clarinet, accordion or shawm: odd harmonics to nasal ones."""
    k = harmonics(freq, rate, 24)
    even = np.where(k % 2 == 0, 0.1 + 0.9 * x.colour, 1.0)
    spectrum = even / k ** (1.2 - 0.6 * x.bright)
    t = times(seconds, rate)
    out = read(wavetable(spectrum), wobble(freq, t, x, 0.008))
    if x.detune > 0.5:
        out = (out + read(wavetable(spectrum), freq * t * 1.004)) * np.float32(0.7)
    return out * held(t, 0.02 + 0.05 * x.attack, 0.05)


@_voice
def flute(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Flute: few harmonics, breath and vibrato."""
    k = harmonics(freq, rate, 6)
    t = times(seconds, rate)
    tone = read(wavetable(np.exp(-k * (2 - 1.1 * x.bright))), wobble(freq, t, x, 0.012))
    breath = rng.standard_normal(len(t), dtype=np.float32)
    breath[1:] += breath[:-1]
    return (tone + np.float32(0.02 + 0.07 * x.colour) * breath) * held(
        t, 0.03 + 0.08 * x.attack, 0.07
    )


@_voice
def fiddle(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A bowed string through its body's resonances."""
    k = harmonics(freq, rate)
    f = k * freq
    body = (
        0.3
        + np.exp(-(((f - 500) / 300) ** 2))
        + (0.4 + x.bright) * np.exp(-(((f - 2600) / 900) ** 2))
    )
    t = times(seconds, rate)
    return read(wavetable(body / k), wobble(freq, t, x, 0.014)) * held(
        t, 0.03 + 0.09 * x.attack, 0.06
    )


@_voice
def strings(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A section of bowed strings, or a synthesiser's idea of it."""
    k = harmonics(freq, rate, 30)
    table = wavetable(1 / k ** (1.9 - 0.8 * x.bright))
    t = times(seconds, rate)
    spread = 0.002 + 0.005 * x.detune
    out = read(table, wobble(freq, t, x, 0.01)) + read(table, freq * (1 + spread) * t + 0.3)
    return np.float32(0.7) * out * held(t, 0.08 + 0.4 * x.attack, 0.15)


@_voice
def brass(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Brass: the louder, the brighter."""
    k = harmonics(freq, rate, 24)
    t = times(seconds, rate)
    turns = wobble(freq, t, x, 0.006)
    level = held(t, 0.04 + 0.06 * x.attack, 0.06)
    dull, sharp = (
        read(wavetable(1 / k**2), turns),
        read(wavetable(1 / k ** (1.1 - 0.5 * x.bright)), turns),
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
    k = harmonics(freq, rate)
    t = times(seconds, rate)
    size = 0.88 + 0.25 * x.colour

    def vowel(which: int) -> Samples:
        f = k * freq
        gain = sum(
            w * np.exp(-(((f - c * size) / (90 + 0.07 * c)) ** 2))
            for c, w in zip(_VOWELS[which], (1.0, 0.6, 0.2 + 0.5 * x.bright), strict=True)
        )
        return wavetable((gain + 0.02) / k**0.7)

    first, second = rng.integers(0, len(_VOWELS), 2)
    slide = 1 - 0.03 * x.attack * np.exp(-t * 18)
    turns = wobble(freq, t, x, 0.016) * slide
    blend = np.linspace(0, 1, len(t), dtype=np.float32)
    out = read(vowel(first), turns) * (1 - blend) + read(vowel(second), turns) * blend
    out *= held(t, 0.03 + 0.04 * x.attack, 0.05)
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
    k = harmonics(freq, rate)
    t = times(seconds, rate)
    turns = freq * t
    table = wavetable(1 / k)
    sharp = read(table, turns) + read(table, turns * (1.003 + 0.009 * x.detune) + 0.4)
    dull = read(wavetable(np.exp(-k * 0.7)), turns)
    close = decaying(t, 0.06 + 0.8 * x.decay)
    return (sharp * np.float32(0.35 + 0.5 * x.bright) * close + dull * np.float32(0.5)) * held(
        t, 0.004 + 0.01 * x.attack, 0.03
    )


@_voice
def pulse(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A pulse wave, from square to thin."""
    k = harmonics(freq, rate)
    width = 0.5 - 0.38 * x.colour
    spectrum = np.abs(np.sin(np.pi * k * width)) / k ** (1.3 - 0.3 * x.bright)
    t = times(seconds, rate)
    return (
        read(wavetable(spectrum), wobble(freq, t, x, 0.01))
        * held(t, 0.004, 0.03)
        * decaying(t, 0.2 + 1.2 * x.decay)
    )


@_voice
def supersaw(
    freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator
) -> Samples:
    """Three wide sawtooths, held."""
    k = harmonics(freq, rate)
    table = wavetable(np.exp(-k * 0.25 * (1 - x.bright)) / k)
    t = times(seconds, rate)
    width = 0.004 + 0.01 * x.detune
    out = read(table, freq * t) + read(table, freq * (1 + width) * t + 0.37)
    out += read(table, freq * (1 - width) * t + 0.71)
    return np.float32(0.55) * out * held(t, 0.01 + 0.1 * x.attack, 0.08)


@_voice
def drive(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """An electric guitar's string before the amplifier, which distorts the sum of strings."""
    k = harmonics(freq, rate, 20)
    spectrum = pluck_spectrum(k, 0.12 + 0.1 * x.colour, 1.2)
    long = 0.7 + 0.8 * x.decay
    return struck(freq, seconds, rate, spectrum, (long, long * 0.7, long * 0.4))


@_voice
def fingers(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """Electric or double bass."""
    k = harmonics(freq, rate, 16)
    spectrum = pluck_spectrum(k, 0.2 + 0.1 * x.colour, 1.7 - 0.9 * x.bright)
    long = 0.35 + 0.5 * x.decay
    return struck(freq, seconds, rate, spectrum, (long, long * 0.5, long * 0.15))


@_voice
def sub(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A sine bass with a little of the octave."""
    k = harmonics(freq, rate, 4)
    t = times(seconds, rate)
    return read(wavetable(np.exp(-k * (3 - 1.8 * x.bright))), freq * t) * held(t, 0.008, 0.04)


@_voice
def boom(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """The long drum-machine bass: falls in pitch, then rings."""
    t = times(seconds, rate)
    turns = freq * t + freq * 0.03 * (1 - np.exp(-t * 30))
    tone = np.sin(2 * np.pi * turns).astype(np.float32) * decaying(t, 0.35 + 0.6 * x.decay)
    return ends(np.tanh(tone * np.float32(1 + 2.5 * x.bright)), rate)


@_voice
def acid(freq: float, seconds: float, rate: int, x: Timbre, rng: np.random.Generator) -> Samples:
    """A sawtooth bass whose filter rings and closes."""
    k = harmonics(freq, rate, 30)
    t = times(seconds, rate)
    peak = 3 + 9 * x.bright
    ring = np.exp(-(((k - peak) / 1.5) ** 2)) * 1.2 + np.where(k < peak, 1 / k, 0.02)
    body = read(wavetable(1 / k**1.6), freq * t)
    sweep = read(wavetable(ring), freq * t) * decaying(t, 0.05 + 0.2 * x.decay)
    return (body * np.float32(0.6) + sweep) * held(t, 0.004, 0.02)
