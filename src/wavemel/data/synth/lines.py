"""What the pitched layers play: bass lines, accompaniments and melodies, a bar at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from wavemel.data.synth.theory import Song


class Note(NamedTuple):
    """One note: step within its bar, length in steps, MIDI pitch, level."""

    step: float
    steps: float
    pitch: float
    level: float


@dataclass
class Player:
    """One layer's player: its stream of chance, and what it remembers from bar to bar."""

    rng: np.random.Generator
    memory: dict[str, list[float]] = field(default_factory=dict)

    def habit(self, name: str, size: int) -> list[float]:
        """Return ``size`` numbers in 0 to 1 that stay the same through the clip."""
        if name not in self.memory:
            self.memory[name] = [float(v) for v in self.rng.uniform(0, 1, size)]
        return self.memory[name]


Line = Callable[[Song, int, Player], Iterable[Note]]
BASS: dict[str, Line] = {}
HARMONY: dict[str, Line] = {}
LEAD: dict[str, Line] = {}


def _file(where: dict[str, Line]) -> Callable[[Line], Line]:
    def put(line: Line) -> Line:
        where[line.__name__.rstrip("_")] = line
        return line

    return put


def _bass_degree(song: Song, bar: int) -> int:
    """Return the chord's root within an octave of E1, so that basses stay low."""
    return song.degree(bar) - (len(song.scale) if song.degree(bar) > 3 else 0)


def _rhythm(song: Song, pattern: str, degrees: list[int], length: float) -> Iterable[Note]:
    hits = [s for s in range(song.steps) if pattern[s % len(pattern)] != "."]
    for i, step in enumerate(hits):
        level = 1.0 if pattern[step % len(pattern)] == "x" else 0.7
        yield Note(step, length, song.pitch(degrees[i % len(degrees)], -1), level)


@_file(BASS)
def root(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """One long note a bar."""
    yield Note(0, song.steps * 0.95, song.pitch(_bass_degree(song, bar), -1), 1.0)


@_file(BASS)
def eighths(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """The root on every eighth."""
    return _rhythm(song, "x.o.", [_bass_degree(song, bar)], 1.8)


@_file(BASS)
def offbeat(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Between the beats."""
    return _rhythm(song, "..x.", [_bass_degree(song, bar)], 1.7)


@_file(BASS)
def octave(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Root and octave by turns."""
    base = _bass_degree(song, bar)
    return _rhythm(song, "x.o.", [base, base + len(song.scale)], 1.6)


@_file(BASS)
def sixteenths(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """A sequence of sixteenths that comes back every bar."""
    base, habit = _bass_degree(song, bar), player.habit("sixteenths", 32)
    for step in range(song.steps):
        if habit[step] < 0.75:
            jump = (0, 0, 0, 2, len(song.scale))[int(habit[16 + step % 16] * 5)]
            yield Note(step, 0.9, song.pitch(base + jump, -1), 0.6 + 0.4 * habit[step])


@_file(BASS)
def syncopated(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Ahead of the beat."""
    base = _bass_degree(song, bar)
    return _rhythm(song, "x..x..x...x.o...", [base, base, base + 4, base], 2.2)


@_file(BASS)
def walk(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """A note a beat, by steps towards the next chord."""
    base = _bass_degree(song, bar)
    for beat in range(song.steps // 4):
        yield Note(
            4 * beat, 3.6, song.pitch(base + int(player.rng.integers(0, 5)) * (beat > 0), -1), 0.9
        )


@_file(BASS)
def alternate(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Root and fifth by turns, in halves."""
    base = _bass_degree(song, bar)
    return _rhythm(song, "x.......", [base, base + 4 - len(song.scale) * (base > 0)], 5.0)


@_file(BASS)
def long(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Few long notes where the bass drum falls."""
    base, habit = _bass_degree(song, bar), player.habit("long", 4)
    yield Note(0, 6 + 4 * habit[0], song.pitch(base, -1), 1.0)
    if habit[1] < 0.8:
        yield Note(10 if habit[2] < 0.5 else 7, 4, song.pitch(base, -1), 0.9)


@_file(BASS)
@_file(HARMONY)
def drone(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """The tonic and its fifth, whatever the chord."""
    yield Note(0, song.steps * 1.1, song.root, 1.0)
    yield Note(0, song.steps * 1.1, song.root + 7, 0.7)


def _voicing(song: Song, bar: int) -> list[float]:
    """Return the chord's pitches, turned over so that they stay between C3 and C5."""
    pitches = [song.pitch(d, 1) for d in song.chord(bar)]
    return sorted(p - 12 if p > song.root + 22 else p for p in pitches)


@_file(HARMONY)
def pad(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """The whole chord, held for the bar."""
    return [Note(0, song.steps * 1.02, p, 0.8) for p in _voicing(song, bar)]


@_file(HARMONY)
def strum(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Six strings down and up."""
    pitches = [song.pitch(song.degree(bar)), *_voicing(song, bar)]
    pitches = [*pitches, pitches[-1] + 12 if len(pitches) < 5 else pitches[-1]]
    pattern = ("x...x.oox.o.x.oo", "x...xoo..oo.x.o.", "x.x.x.x.x.x.x.x.")[
        int(player.habit("s", 1)[0] * 3)
    ]
    for step in range(song.steps):
        mark = pattern[step % len(pattern)]
        if mark == ".":
            continue
        order = pitches if mark == "x" else pitches[:1:-1]
        for i, pitch in enumerate(order):
            yield Note(
                step + 0.09 * i, 4 if mark == "x" else 2, pitch, 0.9 if mark == "x" else 0.55
            )


@_file(HARMONY)
def fingerpick(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Broken chords in eighths over an alternating thumb."""
    pitches = [song.pitch(song.degree(bar)), *_voicing(song, bar)]
    habit = player.habit("f", 8)
    for i, step in enumerate(range(0, song.steps, 2)):
        which = 0 if i % 4 == 0 else 1 + int(habit[i % 8] * (len(pitches) - 1))
        yield Note(step, 5, pitches[which], 0.9 if i % 4 == 0 else 0.6)


@_file(HARMONY)
def arpeggio(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Broken chords in sixteenths over two octaves."""
    pitches = _voicing(song, bar)
    pitches = pitches + [p + 12 for p in pitches]
    down = player.habit("a", 1)[0] < 0.5
    for step in range(song.steps):
        place = step % len(pitches)
        yield Note(step, 1.2, pitches[-1 - place if down else place], 1.0 if step % 4 == 0 else 0.7)


@_file(HARMONY)
def stabs(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Short chords off the beat."""
    pattern = ("..x...x...x...x.", "x..x..x...x..x..", "....x.......x...", "x..x..x.x..x..x.")
    chosen = pattern[int(player.habit("t", 1)[0] * len(pattern))]
    for step in range(song.steps):
        if chosen[step] == "x":
            yield from (Note(step, 1.5, p, 0.8) for p in _voicing(song, bar))


@_file(HARMONY)
def block(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Chords on the beats, with a low octave on the first."""
    yield Note(0, song.steps * 0.9, song.pitch(song.degree(bar), -0), 0.8)
    every = 4 if player.habit("b", 1)[0] < 0.6 else 8
    for step in range(0, song.steps, every):
        yield from (Note(step, every * 1.1, p, 0.7) for p in _voicing(song, bar))


@_file(HARMONY)
def power(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Root, fifth and octave: eighths, or let ring."""
    base = song.pitch(song.degree(bar)) + (0 if song.degree(bar) < 4 else -12)
    pattern = ("x.o.x.o.x.o.x.o.", "x.......x.......", "x..x..x.x..x..x.", "x...ooo.x...oo..")
    chosen = pattern[int(player.habit("p", 1)[0] * len(pattern))]
    hits = [s for s in range(song.steps) if chosen[s] != "."] + [song.steps]
    for step, after in pairwise(hits):
        for above in (0, 7, 12):
            yield Note(step, after - step, base + above, 1.0 if chosen[step] == "x" else 0.75)


@_file(HARMONY)
def loop(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """A sampled phrase: the same few chords and notes every other bar."""
    habit = player.habit("l", 24)
    half = (bar % 2) * 12
    for i in range(6):
        step = int(habit[half + i] * song.steps)
        pitches = _voicing(song, bar - bar % 2)
        yield Note(step, 4, pitches[int(habit[half + 6 + i] * len(pitches))] + 12 * (i == 2), 0.8)
        if i == 0:
            yield from (Note(0, 6, p, 0.7) for p in pitches)


@_file(HARMONY)
def cluster(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Neighbouring notes that no key explains, at odd times."""
    rng = player.rng
    for _ in range(int(rng.integers(1, 4))):
        low = song.root + rng.uniform(0, 30)
        step = rng.uniform(0, song.steps)
        for i in range(int(rng.integers(1, 4))):
            yield Note(step, rng.uniform(2, song.steps), low + i * rng.uniform(0.7, 2.2), 0.7)


def _melody(
    song: Song, bar: int, player: Player, rhythm: list[float], reach: int, octave: int
) -> Iterable[Note]:
    """Walk through the scale from the note remembered, towards chord tones on strong steps."""
    rng = player.rng
    at = int(player.memory.get("at", [0.0])[0])
    chord = song.chord(bar)
    size = len(song.scale)
    for step, after in zip(rhythm, [*rhythm[1:], float(song.steps)], strict=True):
        at += int(rng.integers(-reach, reach + 1))
        at = min(max(at, -3), size + 3)
        if step % 8 == 0:
            at = min((c + size * o for c in chord for o in (-1, 0, 1)), key=lambda d: abs(d - at))
        yield Note(
            step,
            max(1.0, (after - step) * 0.95),
            song.pitch(at, octave),
            0.75 + 0.25 * rng.random(),
        )
    player.memory["at"] = [float(at)]


@_file(LEAD)
def sing(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """A sung phrase: syllables in eighths and quarters, then breath."""
    if bar % 4 == 3 and player.rng.random() < 0.6:
        return []
    steps = [
        float(s)
        for s in range(0, song.steps, 2)
        if player.rng.random() < (0.75 if s % 4 == 0 else 0.45)
    ]
    return _melody(song, bar, player, steps[: 1 + int(player.rng.integers(3, 8))] or [0.0], 2, 2)


@_file(LEAD)
def rap(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Spoken sixteenths around one pitch."""
    rng = player.rng
    for step in range(song.steps):
        if rng.random() < 0.68:
            yield Note(
                step,
                0.85,
                song.root + 10 + rng.normal(0, 1.3) + 2 * (step % 4 == 0),
                0.6 + 0.4 * rng.random(),
            )


@_file(LEAD)
def melody(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """An instrument's tune."""
    steps = [float(s) for s in range(0, song.steps, 2) if s % 8 == 0 or player.rng.random() < 0.4]
    return _melody(song, bar, player, steps, 2, 2)


@_file(LEAD)
def riff(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """One bar that comes back."""
    habit = player.habit("r", 32)
    at = 0
    for step in range(song.steps):
        if habit[step] < 0.4:
            at = int(habit[16 + step % 16] * 6) - 1
            yield Note(step, 1.8, song.pitch(at, 1), 0.9)


@_file(LEAD)
def ornament(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """A tune with grace notes and runs."""
    rng = player.rng
    steps = [float(s) for s in range(0, song.steps, 2) if s % 8 == 0 or rng.random() < 0.5]
    for note in _melody(song, bar, player, steps, 1, 2):
        if rng.random() < 0.5:
            yield Note(note.step, 0.5, note.pitch + song.scale[1], 0.7)
            yield Note(note.step + 0.5, max(0.5, note.steps - 0.5), note.pitch, note.level)
        elif rng.random() < 0.25 and note.steps > 1.5:
            for i in range(int(note.steps * 2)):
                yield Note(note.step + 0.5 * i, 0.5, note.pitch + song.scale[1] * (i % 2), 0.75)
        else:
            yield note


@_file(LEAD)
def sparse(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """A long note now and then."""
    if player.rng.random() < 0.7:
        start = float(player.rng.integers(0, max(1, song.steps // 2)))
        yield from _melody(song, bar, player, [start], 4, 2)


@_file(LEAD)
def blips(song: Song, bar: int, player: Player) -> Iterable[Note]:
    """Short notes anywhere."""
    rng = player.rng
    for step in np.flatnonzero(rng.random(song.steps) < 0.3):
        yield Note(
            float(step), rng.uniform(0.3, 1.5), song.root + rng.uniform(12, 48), rng.uniform(0.3, 1)
        )
