"""Unpitched instruments: drums, cymbals, shakers, hand drums; one sample set a kit."""

from __future__ import annotations

import numpy as np

from wavemel.data.synth.oscillators import Samples

#: What every kit can play.
PIECES = (
    "kick", "snare", "clap", "rim", "hat", "open", "ride", "crash",
    "tom", "shaker", "low", "high", "slap", "bellhit",
)  # fmt: skip


def _decay(n: int, rate: int, seconds: float) -> Samples:
    return np.exp(np.arange(n, dtype=np.float32) * np.float32(-1 / (seconds * rate)))


def _noise(n: int, rng: np.random.Generator, thin: int) -> Samples:
    """White noise, differenced ``thin`` times (6 dB an octave brighter each)."""
    noise = rng.standard_normal(n + thin, dtype=np.float32)
    return np.diff(noise, thin) / np.float32(2**thin) if thin else noise


def _fall(n: int, rate: int, start: float, end: float, seconds: float) -> Samples:
    """A sine that falls from one frequency to another."""
    t = np.arange(n) / rate
    turns = end * t + (start - end) * seconds * (1 - np.exp(-t / seconds))
    return np.sin(2 * np.pi * turns).astype(np.float32)


def make_kit(kind: str, rate: int, rng: np.random.Generator) -> dict[str, Samples]:
    """Return one sample of each of `PIECES`.

    Parameters
    ----------
    kind : ``acoustic``, ``machine``, ``heavy``, ``dusty``, ``hand`` or ``scrap``.
    rate : samples a second.
    rng : draws the sizes and tunings.
    """
    # Every kind draws the same numbers, so that a kit differs from another by its kind alone.
    u = {name: float(v) for name, v in zip(PIECES, rng.uniform(0, 1, len(PIECES)), strict=True)}
    machine, heavy, dusty, scrap = (kind == k for k in ("machine", "heavy", "dusty", "scrap"))

    def length(seconds: float) -> int:
        return int(seconds * rate)

    n = length(0.5)
    low = (44 if machine else 52) + 22 * u["kick"]
    kick = _fall(n, rate, low * (3 + 4 * u["kick"]), low, 0.025 if machine else 0.015)
    kick *= _decay(n, rate, (0.16 if machine else 0.09) + 0.08 * u["rim"])
    click = length(0.006)
    kick[:click] += (0.5 if heavy or machine else 0.25) * _noise(click, rng, 1)

    n = length(0.35)
    tone = _fall(n, rate, 330, 165 + 70 * u["snare"], 0.02) * _decay(n, rate, 0.06)
    wires = _noise(n, rng, 0 if dusty else 1) * _decay(
        n, rate, (0.13 if heavy else 0.06) + 0.07 * u["snare"]
    )
    snare = tone * np.float32(0.6) + wires * np.float32(0.8 if dusty else 1.0)

    n = length(0.25)
    clap = _noise(n, rng, 1) * _decay(n, rate, 0.07)
    for at in (0.0, 0.011, 0.023):
        k = length(at)
        clap[k:] += _noise(n - k, rng, 1) * _decay(n - k, rate, 0.006)

    n = length(0.08)
    rim = _fall(n, rate, 900, 600 + 900 * u["rim"], 0.01) * _decay(n, rate, 0.012)

    n = length(0.1)
    hat = _noise(n, rng, 2) * _decay(n, rate, 0.012 + 0.025 * u["hat"])
    n = length(0.45)
    opened = _noise(n, rng, 2) * _decay(n, rate, 0.08 + 0.12 * u["open"])
    n = length(0.7)
    ping = sum(_fall(n, rate, f, f, 1.0) for f in (2310.0, 3170.0, 3560.0)) * np.float32(0.12)
    ride = (ping + _noise(n, rng, 2) * np.float32(0.5)) * _decay(n, rate, 0.12 + 0.15 * u["ride"])
    n = length(1.6)
    crash = _noise(n, rng, 1) * _decay(n, rate, 0.35 + 0.3 * u["crash"])

    n = length(0.4)
    tom = _fall(n, rate, 190, 85 + 50 * u["tom"], 0.04) * _decay(n, rate, 0.12)
    n = length(0.1)
    shaker = (
        _noise(n, rng, 2)
        * np.hanning(n).astype(np.float32) ** 2
        * np.float32(0.5 + 0.5 * u["shaker"])
    )

    n = length(0.4)
    bend = 1.0 + 0.5 * u["low"]
    deep = _fall(n, rate, 75 * bend * (1 + 0.5 * u["slap"]), 75 * bend, 0.08) * _decay(
        n, rate, 0.14
    )
    n = length(0.25)
    high = _fall(n, rate, 420, 230 + 150 * u["high"], 0.012) * _decay(
        n, rate, 0.05 + 0.05 * u["high"]
    )
    n = length(0.12)
    slap = (_noise(n, rng, 1) + _fall(n, rate, 800, 520, 0.01)) * _decay(n, rate, 0.018)
    n = length(0.3)
    beat = 540 + 300 * u["bellhit"]
    bellhit = (
        _fall(n, rate, beat, beat, 1) + _fall(n, rate, beat * 1.48, beat * 1.48, 1)
    ) * _decay(n, rate, 0.06)

    kit = dict(
        zip(
            PIECES,
            (
                kick,
                snare,
                clap,
                rim,
                hat,
                opened,
                ride,
                crash,
                tom,
                shaker,
                deep,
                high,
                slap,
                bellhit,
            ),
            strict=True,
        )
    )
    if kind == "hand":
        kit.update(
            kick=deep, snare=slap, hat=shaker, open=shaker, tom=high, crash=bellhit, ride=bellhit
        )
    if scrap:
        kit.update(
            {name: _mangle(kit[name], rng) for name in ("kick", "snare", "hat", "tom", "rim")}
        )
    return {name: (x / (np.abs(x).max() + 1e-9)).astype(np.float32) for name, x in kit.items()}


def _mangle(x: Samples, rng: np.random.Generator) -> Samples:
    """Ring-modulate, and play backwards now and then."""
    out = x * np.sin(np.arange(len(x), dtype=np.float32) * np.float32(rng.uniform(0.02, 0.9)))
    return out[::-1].copy() if rng.random() < 0.4 else out
