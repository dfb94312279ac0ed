"""Scales, chord progressions and the frame of a song: tempo, metre, key, sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Weights = Mapping[str, float]

#: Steps above the tonic in semitones; fractions where a tuning leaves the piano's keys.
SCALES: dict[str, tuple[float, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole": (0, 2, 4, 6, 8, 10),
    "chromatic": tuple(range(12)),
    "hijaz": (0, 1, 4, 5, 7, 8, 10),
    "bhairav": (0, 1, 4, 5, 7, 8, 11),
    "rast": (0, 2, 3.5, 5, 7, 9, 10.5),
    "bayati": (0, 1.5, 3, 5, 7, 8, 10),
    "pelog": (0, 1.2, 2.7, 6.7, 7.9),
    "slendro": (0, 2.4, 4.8, 7.2, 9.6),
    "hirajoshi": (0, 2, 3, 7, 8),
}

#: Scale degrees (0 is the tonic), a chord a bar.
PROGRESSIONS: dict[str, tuple[int, ...]] = {
    "axis": (0, 4, 5, 3),
    "doowop": (0, 5, 3, 4),
    "anthem": (5, 3, 0, 4),
    "three": (0, 3, 4, 3),
    "plagal": (0, 3, 0, 4),
    "modal": (0, 6, 3, 0),
    "descent": (0, 6, 5, 4),
    "epic": (0, 5, 2, 6),
    "turnaround": (1, 4, 0, 5),
    "two": (0, 5),
    "vamp": (0, 3),
    "shuttle": (0, 6),
    "still": (0,),
}


#: Above 1, what is likely becomes likelier still and genres lie further apart: the difficulty's main dial.
CONTRAST = 1.7


def pick(rng: np.random.Generator, weights: Weights) -> str:
    """Draw one key, each as likely as its weight to the power of `CONTRAST`."""
    share = np.fromiter(weights.values(), float) ** CONTRAST
    return list(weights)[int(rng.choice(len(share), p=share / share.sum()))]


def hertz(pitch: float) -> float:
    """Frequency of a MIDI pitch (69 is A4, 440 Hz)."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


@dataclass(frozen=True)
class Section:
    """Some bars with one chord progression; ``playing`` names the layers that are heard."""

    start: int
    bars: int
    progression: tuple[int, ...]
    playing: frozenset[str]


@dataclass(frozen=True)
class Song:
    """The frame that every layer of a clip plays in.

    Attributes
    ----------
    tempo : beats a minute; a step is a quarter of a beat.
    steps : steps a bar (16 is 4/4, 12 is 3/4, 14 is 7/8).
    swing : how much later odd steps fall, in steps (0 to 0.4).
    root : MIDI pitch of the tonic, between 36 and 48.
    scale : semitones above the tonic.
    sevenths : whether chords have four notes.
    sections : they cover the clip without a gap.
    """

    tempo: float
    steps: int
    swing: float
    root: float
    scale: tuple[float, ...]
    sevenths: bool
    sections: tuple[Section, ...]

    @property
    def step_seconds(self) -> float:
        """Length of one step."""
        return 15.0 / self.tempo

    @property
    def bars(self) -> int:
        """How many bars the sections hold."""
        return sum(section.bars for section in self.sections)

    def section(self, bar: int) -> Section:
        """Return the section that ``bar`` belongs to."""
        return next(s for s in self.sections if bar < s.start + s.bars)

    def degree(self, bar: int) -> int:
        """Return the scale degree of the chord in ``bar``."""
        section = self.section(bar)
        return section.progression[(bar - section.start) % len(section.progression)]

    def pitch(self, degree: int, octave: int = 0) -> float:
        """Return the MIDI pitch of a scale degree, counted on beyond the octave."""
        turns, place = divmod(degree, len(self.scale))
        return self.root + self.scale[place] + 12.0 * (turns + octave)

    def chord(self, bar: int) -> list[int]:
        """Return the degrees of the chord in ``bar``: stacked thirds of the scale."""
        base = self.degree(bar)
        return [base + 2 * i for i in range(4 if self.sevenths else 3)]

    def when(self, bar: int, step: float) -> float:
        """Return the time in seconds of a step of a bar, swing included."""
        late = self.swing if int(step) % 2 else 0.0
        return (bar * self.steps + step + late) * self.step_seconds
