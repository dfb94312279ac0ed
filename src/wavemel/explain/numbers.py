"""An explanation as numbers: shares by frequency and time, for JSON, and in a few lines for people."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from wavemel.explain.track import Explanation, FloatArray

#: Octaves, in Hz, between which attribution is summed.
OCTAVES = (0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)
#: Bins of time at most; a bin lasts a second or more.
MOST_BINS = 120
#: Moments and octaves named in a summary at most; the least share of an octave worth naming, and how
#: far above an even share a moment's must be.
_NAMED, _LEAST, _ABOVE = 3, 0.04, 1.5
_DIGITS = 5


def over_time(explanation: Explanation) -> FloatArray:
    """Return the sum of the inputs' maps by time, (1, frames)."""
    return np.sum([m.sum(0, keepdims=True) for m in explanation.maps.values()], axis=0)


def over_frequency(explanation: Explanation) -> FloatArray | None:
    """Return the sum of those inputs' maps that know frequency, (bands, frames); None without any."""
    known = [m for m in explanation.maps.values() if len(m) == explanation.grid.bands]
    return np.sum(known, axis=0) if known else None


def regions(explanation: Explanation) -> list[tuple[float, float, slice]]:
    """Return the octaves: from Hz, to Hz, and the bands in them; one without a band joins the next."""
    grid = explanation.grid
    top = grid.rate / 2
    bounds = [hz for hz in OCTAVES if hz < top] + [top]
    made: list[tuple[float, float, slice]] = []
    low, first = bounds[0], 0
    for high in bounds[1:]:
        last = int(np.searchsorted(grid.centres, high)) if high < top else grid.bands
        if last > first:
            made.append((low, high, slice(first, last)))
            low, first = high, last
    if made:
        made[-1] = (made[-1][0], top, made[-1][2])
    return made


def band_shares(explanation: Explanation, values: FloatArray | None) -> list[dict[str, Any]]:
    """Return attribution by octave, and its share of the octaves' magnitudes."""
    if values is None or len(values) != explanation.grid.bands:
        return []
    sums = values.sum(1)
    found = [(low, high, float(sums[part].sum())) for low, high, part in regions(explanation)]
    whole = sum(abs(v) for _, _, v in found)
    return [
        {
            "low_hz": round(low, 1),
            "high_hz": round(high, 1),
            "attribution": _rounded(value),
            "share": _share(value, whole),
        }
        for low, high, value in found
    ]


def time_shares(explanation: Explanation, values: FloatArray) -> list[dict[str, Any]]:
    """Return attribution by bins of time, and its share of the bins' magnitudes."""
    width = max(1.0, float(np.ceil(explanation.seconds / MOST_BINS)))
    moments = np.arange(values.shape[1]) * explanation.frame_seconds
    # The last frame may lie at the very end: it belongs to the bin that ends there.
    count = max(1, int(np.ceil(round(explanation.seconds / width, 6))))
    bins = np.minimum((moments / width).astype(int), count - 1)
    sums = np.bincount(bins, values.sum(0), minlength=count)
    whole = float(np.abs(sums).sum())
    return [
        {
            "start": round(i * width, 3),
            "end": round(min((i + 1) * width, explanation.seconds), 3),
            "attribution": _rounded(value),
            "share": _share(value, whole),
        }
        for i, value in enumerate(sums)
    ]


def as_numbers(explanation: Explanation, model: str) -> dict[str, Any]:
    """Return an explanation as plain data.

    ``share`` is signed (below 0: against), and magnitudes of all bands, and of
    all times, sum to 1. ``attribution`` is in logits for integrated gradients
    (summed over the track, each moment's the mean over the windows that hold
    it), without unit for Grad-CAM. These logits are the network's own; ``temperature`` divided
    them before they became probabilities.

    Parameters
    ----------
    explanation : what to tell.
    model : what the model is called.
    """
    e = explanation

    def chances(values: FloatArray) -> dict[str, float | None]:
        return {c: _rounded(p) for c, p in zip(e.classes, values, strict=True)}

    return {
        "format": 1,
        "file": plain_path(e.path),
        "model": model,
        "method": e.question.method,
        "steps": e.question.steps if e.delta is not None else None,
        "baseline": "zero, the mean that z-scores subtract" if e.delta is not None else None,
        "class": e.genre,
        "against": e.against,
        "answer": e.answer,
        "temperature": e.question.temperature,
        "probability": _rounded(e.probability),
        "probabilities": chances(e.probabilities),
        "seconds": round(e.seconds, 3),
        "silent_windows": e.silent,
        "timeline": [
            {
                "start": round(w.start, 3),
                "end": round(w.end, 3),
                "probability": _rounded(w.probabilities[e.classes.index(e.genre)]),
                "probabilities": chances(w.probabilities),
                "change": _rounded(w.change),
                "delta": _rounded(w.delta),
            }
            for w in e.windows
        ],
        "bands": band_shares(e, over_frequency(e)),
        "times": time_shares(e, over_time(e)),
        "inputs": {
            name: {"bands": band_shares(e, values), "times": time_shares(e, values)}
            for name, values in e.maps.items()
        },
        "padding": _rounded(e.padding),
        "change": _rounded(e.change),
        "delta": _rounded(e.delta),
    }


def summary(explanation: Explanation) -> list[str]:
    """Return what speaks for and against the answer, in lines for people."""
    e = explanation
    times = time_shares(e, over_time(e))
    bands = [
        (row["share"], hertz(row["low_hz"], row["high_hz"]))
        for row in band_shares(e, over_frequency(e))
    ]
    over = f" rather than {e.against}" if e.against else ""
    lines = []
    for word, sign in (("for", 1), ("against", -1)):
        said = [
            ", ".join(f"{name} ({100 * abs(share):.0f} %)" for share, name in strongest)
            for strongest in (
                _strongest(_stretches(times, sign), sign, 0.0),
                _strongest(bands, sign),
            )
            if strongest
        ]
        lines.append(f"{word} {e.genre}{over}: {'; '.join(said) or 'nothing that stands out'}")
    if e.silent:
        count = e.silent + len(e.windows)
        lines.append(f"{e.silent} of {count} windows are silent and have no vote")
    note = completeness(e)
    if note:
        lines.append(note)
    if e.padding > 0.01:
        end = (
            "the file's end"
            if e.question.limit is None
            else f"the {e.seconds:.3g} s that were read"
        )
        lines.append(f"{100 * e.padding:.0f} % of the attribution fell on the silence after {end}")
    return lines


def completeness(explanation: Explanation) -> str:
    """Return how far the maps' sum is from what it should be; empty where nothing says so."""
    change, delta = explanation.change, explanation.delta
    if change is None or delta is None:
        return ""
    said = f"completeness: the maps miss {delta:.2g} of {change:.3g} logits"
    if delta > 0.05 * change and delta > 0.05:
        said += "; more --steps would come closer"
    return said


def hertz(low: float, high: float) -> str:
    """Return a range of frequencies for people."""
    if high < 1000:
        return f"{low:g}-{high:g} Hz"
    return f"{low / 1000:.3g}-{high / 1000:.3g} kHz"


def plain_path(path: str) -> str:
    """Return a path that can be written as UTF-8, bytes that are none shown as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _stretches(rows: list[dict[str, Any]], sign: int) -> list[tuple[float, str]]:
    """Return stretches of time that stand out, neighbouring bins as one: share, and from when to when."""
    least = max(_ABOVE / len(rows), 0.01) if len(rows) > 2 else _LEAST
    made: list[tuple[float, float, float]] = []
    for row in rows:
        if sign * row["share"] < least:
            continue
        if made and made[-1][2] == row["start"]:
            share, start, _ = made.pop()
            made.append((share + row["share"], start, row["end"]))
        else:
            made.append((row["share"], row["start"], row["end"]))
    return [(share, f"{start:g}-{end:g} s") for share, start, end in made]


def _strongest(
    rows: list[tuple[float, str]], sign: int, least: float = _LEAST
) -> list[tuple[float, str]]:
    named = sorted((r for r in rows if sign * r[0] >= least), key=lambda r: -abs(r[0]))
    return named[:_NAMED]


def _share(value: float, whole: float) -> float:
    return round(float(value / whole), _DIGITS) if whole else 0.0


def _rounded(value: float | None) -> float | None:
    # Six significant digits: Grad-CAM's values are small, logits are not.
    return None if value is None else float(f"{value:.6g}")
