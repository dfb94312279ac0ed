"""Rhythm patterns of the drums.

A letter a step: ``x`` a full stroke, ``o`` a soft one, ``?`` a soft one now and
then, ``.`` silence. A pattern shorter than the bar starts over within it, a
longer one is cut: so one pattern serves several metres.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wavemel.data.synth.theory import Song

GROOVES: dict[str, dict[str, str]] = {
    "none": {},
    "four": {"kick": "x...x...x...x...", "clap": "....x.......x...", "open": "..x...x...x...x.", "hat": "o.o.o.o.o.o.o.o?"},
    "minimal": {"kick": "x...x...x...x...", "hat": "..x...x...x...xo", "rim": "...?..?....?..x."},
    "break": {"kick": "x.x.......xx....", "snare": "....x..o.o..x..o", "hat": "x.x.x.x.x.x.x.x."},
    "disco": {"kick": "x...x...x...x...", "snare": "....x.......x...", "open": "..x...x...x...x.", "shaker": "oooooooooooooooo"},
    "boombap": {"kick": "x..?..x...x..?..", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.oo"},
    "trap": {"kick": "x.....?...x..?..", "snare": "........x.......", "hat": "xoxoxoxoxxxoxoxo"},
    "lazy": {"kick": "x......x..x.....", "snare": "....x.......x..?", "hat": "x...x...x...x...", "rim": "..?....?..?....?"},
    "rock": {"kick": "x.......x.?.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    "punk": {"kick": "x..x..x.x..x..x.", "snare": "..x...x...x...x.", "ride": "x.x.x.x.x.x.x.x."},
    "half": {"kick": "x.....x.........", "snare": "........x.......", "crash": "x...............", "ride": "x...x...x...x..."},
    "driving": {"kick": "x.x...x.x.x...x.", "snare": "....x.......x..o", "open": "x...x...x...x..."},
    "pop": {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x.", "shaker": "?o?o?o?o?o?o?o?o"},
    "popclap": {"kick": "x..x..x.x..x....", "clap": "....x.......x...", "hat": "o.x.o.x.o.x.o.x?"},
    "train": {"snare": "oooxooxooooxooxo", "kick": "x...x...x...x..."},
    "stomp": {"low": "x.......x.......", "clap": "....o.......o..."},
    "shaker": {"shaker": "x.oox.oox.oox.oo"},
    "brush": {"shaker": "o...o...o...o...", "rim": "....o.......o..."},
    "waltz": {"kick": "x...........", "hat": "....o...o...", "shaker": "o.?.o.?.o.?."},
    "tresillo": {"low": "x.....x.....x...", "high": "...x..x....x..x.", "shaker": "o.o.o.o.o.o.o.o.", "bellhit": "?..?..?....?...."},
    "clave": {"bellhit": "x..x..x...x.x...", "high": "..oo..oo..oo..oo", "low": "x.....x...x.....", "shaker": "x.x.x.x.x.x.x.x."},
    "maqsum": {"low": "x.......x.......", "slap": "..x...x.....x...", "high": "?..o?..o..?o?.oo"},
    "ternary": {"low": "x.....x..?..", "high": "..x..xo..x.x", "bellhit": "x.x.xx.x.x.x"},
    "tala": {"low": "x.....?.x...", "high": "..oxo.oxo.ox", "slap": "....x.....x."},
    "gong": {"bellhit": "x...............", "low": "........o.......", "rim": "..o...o...o...o."},
    "dembow": {"kick": "x...x...x...x...", "snare": "...x..x....x..x.", "shaker": "o.o.o.o.o.o.o.o."},
    "stumble": {"kick": "x..?...?..?.?...", "snare": "?....?.x..?..?.?", "tom": "..?..?...?..?..?", "rim": "?.?..?..?.?..?.."},
    "debris": {"rim": "?..?...?..?....?", "tom": "?......?....?...", "crash": "?..............."},
    "pulse": {"kick": "x.......x.......", "tom": "....?.......?..."},
}  # fmt: skip

_LEVEL = {"x": 1.0, "o": 0.5, "?": 0.4}
_PIECE_GAIN = {
    "kick": 1.0,
    "snare": 0.8,
    "clap": 0.7,
    "hat": 0.3,
    "open": 0.32,
    "ride": 0.35,
    "crash": 0.45,
}


def strokes(
    name: str, song: Song, bar: int, rng: np.random.Generator
) -> Iterator[tuple[str, float, float]]:
    """Yield (piece, step, level) of one bar of the groove called ``name``."""
    section = song.section(bar)
    last = bar == section.start + section.bars - 1
    for piece, pattern in GROOVES[name].items():
        gain = _PIECE_GAIN.get(piece, 0.6)
        for step in range(song.steps):
            mark = pattern[step % len(pattern)]
            # Drawn for every step, so that the stream does not depend on the pattern.
            chance, touch = rng.uniform(0, 1, 2)
            if mark == "." or (mark == "?" and chance > 0.5):
                continue
            yield piece, float(step), gain * _LEVEL[mark] * (0.8 + 0.4 * touch)
    if name != "none" and last and rng.random() < 0.5:
        filler = "tom" if "kick" in GROOVES[name] else "high"
        for step in range(song.steps - 4, song.steps):
            if rng.random() < 0.7:
                yield filler, float(step), 0.4 + 0.1 * (step - song.steps + 4)
