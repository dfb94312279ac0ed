"""The eight genres, each a distribution over recipes, and which of them lie next to each other.

Layers are written "voice line" (see `voices` and `lines`). The genres share
most of their material on purpose; what tells them apart is how often each
thing happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wavemel.data.synth.theory import Weights

Range = tuple[float, float]

#: Named and ordered as in FMA's small subset.
GENRES = (
    "Electronic",
    "Experimental",
    "Folk",
    "Hip-Hop",
    "Instrumental",
    "International",
    "Pop",
    "Rock",
)


@dataclass(frozen=True)
class Recipe:
    """How likely a genre does what.

    ``Range`` fields are drawn uniformly; ``Weights`` are relative
    frequencies (see `theory.pick`). ``presence`` is the chance that a layer
    takes part at all, ``levels`` say how loud it is then (dB), ``bright`` how
    bright its instruments are (0 to 1). ``tempo`` is in beats a minute,
    ``swing`` in steps, ``loose`` (how far strokes miss the grid) and ``tail``
    (of the room) in seconds, ``drums_level`` and ``floor`` (noise) in dB,
    ``tilt`` in dB an octave; ``wet`` is the share of the room, ``crush`` how
    hard the mix drives the limiter.
    """

    tempo: Range
    scales: Weights
    progressions: Weights
    grooves: Weights
    kits: Weights
    bass: Weights
    harmony: Weights
    lead: Weights
    textures: Weights
    presence: Weights
    levels: Mapping[str, float]
    bright: Range
    swing: Range = (0.0, 0.05)
    metres: Weights | None = None
    sevenths: float = 0.1
    loose: Range = (0.0, 0.012)
    drums_level: Range = (-4.0, 2.0)
    tilt: Range = (-1.5, 1.0)
    wet: Range = (0.05, 0.3)
    tail: Range = (0.3, 1.2)
    crush: Range = (0.5, 1.5)
    floor: Range = (-62.0, -42.0)


RECIPES: dict[str, Recipe] = {
    "Electronic": Recipe(
        tempo=(104, 144),
        scales={"minor": 5, "dorian": 2, "phrygian": 1.5, "major": 1.5, "harmonic": 0.5},
        progressions={"still": 3, "two": 2, "shuttle": 2, "vamp": 2, "epic": 2, "anthem": 1},
        grooves={"four": 5, "minimal": 3, "break": 2.5, "disco": 1, "trap": 0.7, "none": 0.8, "half": 0.3},
        kits={"machine": 6, "scrap": 1, "heavy": 0.6, "dusty": 0.4},
        bass={"acid sixteenths": 3, "saw offbeat": 2.5, "sub offbeat": 2, "saw octave": 1.5, "sub long": 1.5, "boom long": 0.7, "pulse sixteenths": 1},
        harmony={"saw arpeggio": 3, "supersaw stabs": 2, "supersaw pad": 2.5, "strings pad": 1.5, "pulse arpeggio": 2, "epiano stabs": 1, "organ stabs": 1, "bell arpeggio": 0.7, "piano stabs": 0.7},
        lead={"saw riff": 2.5, "pulse riff": 2, "bell riff": 1, "singer sing": 0.8, "bell blips": 0.8, "saw sparse": 0.7},
        textures={"sweep": 3, "hiss": 1, "glitch": 1, "clean": 3},
        levels={"bass": -1, "harmony": -4, "second": -8, "lead": -6}, bright=(0.3, 1),
        presence={"drums": 0.93, "bass": 0.88, "harmony": 0.85, "second": 0.4, "lead": 0.55},
        loose=(0, 0.003), drums_level=(0, 5), tilt=(-0.8, 1.2), tail=(0.4, 1.6), crush=(0.8, 2.2), floor=(-72, -52),
    ),
    "Experimental": Recipe(
        tempo=(50, 150),
        scales={"chromatic": 3, "whole": 2, "phrygian": 1.5, "minor": 1.5, "slendro": 0.7, "major": 0.6},
        progressions={"still": 5, "shuttle": 1, "two": 1, "vamp": 1},
        grooves={"none": 4, "stumble": 2.5, "debris": 2.5, "pulse": 1.2, "break": 0.6, "half": 0.5, "minimal": 0.4},
        kits={"scrap": 4, "machine": 1.2, "acoustic": 1, "hand": 0.8, "heavy": 0.5},
        bass={"saw drone": 2.5, "sub drone": 2, "organ drone": 1.5, "strings drone": 1, "acid sixteenths": 0.4, "fingers walk": 0.6},
        harmony={"bell cluster": 3, "strings cluster": 3, "piano cluster": 1.8, "drive drone": 1.5, "supersaw drone": 1.5, "reed cluster": 1, "guitar cluster": 1, "strings pad": 1, "organ cluster": 1},
        lead={"bell blips": 2, "pulse blips": 1.5, "saw sparse": 1.5, "reed sparse": 1, "fiddle sparse": 1.2, "singer sparse": 0.8, "piano blips": 1, "flute sparse": 0.7},
        textures={"sweep": 2, "glitch": 3, "hiss": 2, "crackle": 1, "hum": 1.5, "clean": 1},
        levels={"bass": -4, "harmony": -2, "second": -6, "lead": -3}, bright=(0, 1),
        presence={"drums": 0.6, "bass": 0.5, "harmony": 0.85, "second": 0.5, "lead": 0.6},
        metres={"16": 4, "14": 1.5, "12": 1}, swing=(0, 0.15), loose=(0, 0.05), drums_level=(-8, 1), tilt=(-3, 2), wet=(0.1, 0.8), tail=(0.5, 3.0), crush=(0.3, 3.0), floor=(-60, -26),
    ),
    "Folk": Recipe(
        tempo=(76, 132),
        scales={"major": 5, "mixolydian": 1.5, "dorian": 1.8, "minor": 1.5, "pentatonic": 1},
        progressions={"three": 3, "plagal": 3, "doowop": 1.2, "axis": 1.5, "modal": 1.2, "vamp": 1, "descent": 0.7},
        grooves={"none": 5, "shaker": 1.8, "brush": 1.5, "stomp": 1.5, "train": 1.5, "waltz": 1.2, "tresillo": 0.4, "rock": 0.5},
        kits={"acoustic": 4, "hand": 2, "dusty": 1},
        bass={"fingers alternate": 4, "fingers root": 2, "fingers walk": 1, "strings drone": 0.5},
        harmony={"guitar strum": 5, "guitar fingerpick": 5, "lute fingerpick": 0.8, "lute strum": 0.4, "reed pad": 0.6, "piano block": 0.7, "organ pad": 0.4},
        lead={"singer sing": 6, "fiddle ornament": 1.8, "flute melody": 1, "reed melody": 1, "guitar melody": 1, "fiddle melody": 1},
        textures={"hiss": 3, "hum": 0.7, "clean": 3},
        levels={"bass": -9, "harmony": -1, "second": -5, "lead": -2}, bright=(0.25, 0.85),
        presence={"drums": 0.5, "bass": 0.45, "harmony": 1.0, "second": 0.35, "lead": 0.88},
        metres={"16": 4, "12": 1.6}, swing=(0, 0.15), loose=(0.004, 0.02), drums_level=(-10, -2), tilt=(-2, 1.2), wet=(0.03, 0.25), floor=(-60, -32), crush=(0.3, 1),
    ),
    "Hip-Hop": Recipe(
        tempo=(70, 104),
        scales={"minor": 5, "dorian": 2.5, "blues": 1, "phrygian": 0.8, "harmonic": 0.8, "major": 0.6},
        progressions={"two": 3, "still": 3, "vamp": 2, "shuttle": 1.5, "turnaround": 1.2, "descent": 0.7},
        grooves={"boombap": 5, "trap": 3.5, "lazy": 3, "break": 1.2, "dembow": 0.5, "popclap": 0.6, "half": 0.3},
        kits={"dusty": 4, "machine": 3.5, "heavy": 0.8, "acoustic": 0.5},
        bass={"boom long": 4, "sub long": 3, "fingers syncopated": 2, "sub syncopated": 1.5, "boom root": 1},
        harmony={"piano loop": 2.5, "epiano loop": 2.5, "strings loop": 1.8, "guitar loop": 1, "brass stabs": 0.9, "bell loop": 1.2, "epiano pad": 1, "organ loop": 0.8, "flute loop": 0.7, "supersaw pad": 0.5},
        lead={"singer rap": 6, "singer sing": 1, "bell riff": 0.5, "pulse riff": 0.5},
        textures={"crackle": 3.5, "hiss": 1, "clean": 3},
        levels={"bass": 1, "harmony": -8, "second": -12, "lead": -1}, bright=(0, 0.5),
        presence={"drums": 0.96, "bass": 0.88, "harmony": 0.92, "second": 0.25, "lead": 0.68},
        swing=(0.0, 0.32), sevenths=0.5, loose=(0, 0.012), drums_level=(-1, 4), tilt=(-2.5, 0.2), wet=(0.02, 0.2), crush=(0.8, 2.2), floor=(-66, -40),
    ),
    "Instrumental": Recipe(
        tempo=(56, 116),
        scales={"major": 4, "minor": 4, "dorian": 1.5, "harmonic": 1, "pentatonic": 1},
        progressions={"epic": 2, "axis": 1.5, "descent": 2, "doowop": 1.2, "modal": 1, "two": 1.5, "turnaround": 1, "still": 1},
        grooves={"none": 6, "pulse": 1.5, "brush": 1.2, "waltz": 1, "half": 0.8, "lazy": 0.9, "minimal": 0.5, "shaker": 0.5},
        kits={"acoustic": 3, "machine": 1.2, "heavy": 0.8, "dusty": 1},
        bass={"fingers root": 2, "strings root": 2, "sub root": 1.8, "fingers walk": 1},
        harmony={"piano block": 3.5, "piano fingerpick": 4, "strings pad": 4, "guitar fingerpick": 2, "mallet arpeggio": 1.2, "epiano pad": 1.2, "supersaw pad": 1, "organ pad": 0.7, "bell arpeggio": 0.7},
        lead={"piano melody": 3, "fiddle melody": 2, "flute melody": 1.8, "strings melody": 1.5, "reed melody": 1, "guitar melody": 1.2, "bell sparse": 1, "mallet melody": 0.8, "brass melody": 0.7, "drive melody": 0.6},
        textures={"clean": 5, "hiss": 1.5, "sweep": 0.7},
        levels={"bass": -8, "harmony": -1, "second": -5, "lead": -2}, bright=(0, 0.5),
        presence={"drums": 0.42, "bass": 0.5, "harmony": 0.97, "second": 0.6, "lead": 0.8},
        metres={"16": 4, "12": 1.4}, swing=(0, 0.08), sevenths=0.35, loose=(0.003, 0.018), drums_level=(-11, -3), tilt=(-3, 0.6), wet=(0.1, 0.55), tail=(0.6, 2.6), crush=(0.2, 0.8), floor=(-74, -46),
    ),
    "International": Recipe(
        tempo=(72, 140),
        scales={"hijaz": 2.2, "bhairav": 1.5, "rast": 1.3, "bayati": 1.3, "pelog": 1.3, "slendro": 1, "hirajoshi": 1.5, "pentatonic": 1.8, "harmonic": 1.3, "mixolydian": 1, "major": 0.8, "phrygian": 0.7},
        progressions={"still": 5, "vamp": 1.8, "shuttle": 1.8, "two": 1, "three": 0.8, "descent": 0.7},
        grooves={"maqsum": 2, "clave": 2, "tresillo": 2, "ternary": 1.8, "tala": 1.8, "gong": 1, "dembow": 1, "shaker": 0.5, "none": 0.6, "pop": 0.3},
        kits={"hand": 7, "acoustic": 0.8, "machine": 0.5, "dusty": 0.4},
        bass={"fingers syncopated": 1.8, "fingers alternate": 1, "strings drone": 1, "reed drone": 0.8, "sub root": 0.6, "fingers root": 0.8},
        harmony={"sitar drone": 2.4, "lute strum": 1.8, "lute fingerpick": 2, "mallet arpeggio": 1.4, "guitar strum": 0.9, "guitar fingerpick": 0.5, "reed pad": 0.8, "lute loop": 1.2, "brass stabs": 0.4, "bell loop": 0.5},
        lead={"singer ornament": 1.7, "flute ornament": 2, "reed ornament": 2.4, "sitar ornament": 2.2, "lute ornament": 2, "singer sing": 0.7, "fiddle ornament": 1, "mallet riff": 1, "brass riff": 0.4},
        textures={"hiss": 2, "clean": 3, "hum": 0.4, "crackle": 0.6},
        levels={"bass": -9, "harmony": -4, "second": -8, "lead": 1}, bright=(0.4, 1),
        presence={"drums": 0.93, "bass": 0.35, "harmony": 0.85, "second": 0.3, "lead": 0.88},
        metres={"16": 3.5, "12": 1.6, "14": 1}, swing=(0, 0.15), loose=(0.002, 0.015), drums_level=(-1, 4), tilt=(-2, 1.6), wet=(0.03, 0.4), floor=(-62, -32), crush=(0.3, 1.4),
    ),
    "Pop": Recipe(
        tempo=(88, 130),
        scales={"major": 6, "minor": 2.5, "mixolydian": 1, "dorian": 0.6},
        progressions={"axis": 4, "anthem": 3, "doowop": 2.5, "epic": 1.5, "plagal": 1, "turnaround": 0.7},
        grooves={"pop": 4, "popclap": 3, "disco": 1.8, "four": 1, "rock": 1.6, "trap": 0.6, "none": 0.8, "dembow": 0.5},
        kits={"acoustic": 2.5, "machine": 2.5, "heavy": 1},
        bass={"fingers eighths": 2.5, "fingers syncopated": 1.5, "saw eighths": 1.2, "sub root": 1.2, "saw octave": 1, "fingers root": 1},
        harmony={"guitar strum": 2.2, "piano block": 2.5, "supersaw pad": 1.6, "epiano block": 1.3, "drive power": 1, "supersaw stabs": 1.2, "strings pad": 1.2, "pulse arpeggio": 1, "guitar fingerpick": 0.8, "organ pad": 0.6},
        lead={"singer sing": 9, "pulse riff": 0.8, "saw riff": 0.7, "guitar riff": 0.5, "brass riff": 0.4},
        textures={"clean": 5, "sweep": 0.8, "hiss": 0.7},
        levels={"bass": -4, "harmony": -5, "second": -9, "lead": 1}, bright=(0.4, 1),
        presence={"drums": 0.93, "bass": 0.88, "harmony": 0.98, "second": 0.6, "lead": 0.9},
        swing=(0, 0.08), sevenths=0.15, loose=(0, 0.008), drums_level=(-4, 2), tilt=(-0.8, 1.5), wet=(0.05, 0.3), crush=(0.7, 2.0), floor=(-72, -50),
    ),
    "Rock": Recipe(
        tempo=(96, 172),
        scales={"minor": 3, "major": 2.5, "mixolydian": 2, "blues": 1.5, "dorian": 1.2, "phrygian": 0.5},
        progressions={"modal": 2.5, "three": 2.5, "epic": 1.3, "axis": 1.5, "shuttle": 1.8, "descent": 1.2, "anthem": 1},
        grooves={"rock": 4, "driving": 3, "punk": 2.5, "half": 1.6, "pop": 1, "train": 0.5, "none": 0.4},
        kits={"acoustic": 4, "heavy": 4, "dusty": 0.7},
        bass={"fingers eighths": 4, "fingers root": 1.3, "fingers syncopated": 1, "drive eighths": 1, "saw eighths": 0.4},
        harmony={"drive power": 7, "drive strum": 1.8, "guitar strum": 1.4, "drive fingerpick": 0.8, "organ pad": 0.8, "piano block": 0.6, "supersaw pad": 0.4},
        lead={"singer sing": 5, "drive riff": 2, "drive melody": 1.8, "organ riff": 0.4, "guitar riff": 0.6},
        textures={"hiss": 2, "hum": 1.2, "clean": 2.5},
        levels={"bass": -3, "harmony": 0, "second": -4, "lead": -3}, bright=(0.5, 1),
        presence={"drums": 0.96, "bass": 0.92, "harmony": 1.0, "second": 0.45, "lead": 0.72},
        swing=(0, 0.08), loose=(0.002, 0.012), drums_level=(-3, 3), tilt=(-1.2, 1.6), wet=(0.03, 0.25), tail=(0.3, 1.0), crush=(0.8, 3.0), floor=(-62, -38),
    ),
}  # fmt: skip

#: Whom a crossover clip borrows from.
NEIGHBOURS: dict[str, Weights] = {
    "Electronic": {"Pop": 3, "Experimental": 3, "Hip-Hop": 2, "Instrumental": 1},
    "Experimental": {"Electronic": 3, "Instrumental": 3, "Rock": 2, "International": 1},
    "Folk": {"Pop": 2, "International": 2, "Instrumental": 3, "Rock": 2},
    "Hip-Hop": {"Pop": 3, "Electronic": 3, "International": 1, "Rock": 1},
    "Instrumental": {"Folk": 3, "Experimental": 2, "Electronic": 2, "International": 1, "Rock": 1},
    "International": {"Folk": 3, "Pop": 2, "Hip-Hop": 1, "Instrumental": 2},
    "Pop": {"Rock": 3, "Electronic": 2, "Folk": 2, "Hip-Hop": 2},
    "Rock": {"Pop": 3, "Experimental": 2, "Folk": 2, "Electronic": 1},
}
