"""What is played in a clip: key, tempo, form, who plays what, how it is recorded.

Nothing here depends on the sampling rate, so a clip is the same music at
every rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from wavemel.data.synth.artists import Artist
from wavemel.data.synth.genres import NEIGHBOURS, RECIPES, Range, Recipe
from wavemel.data.synth.oscillators import Timbre
from wavemel.data.synth.theory import PROGRESSIONS, SCALES, Section, Song, pick

#: How many clips borrow from a neighbouring genre, and how much of each.
CROSSOVER = 0.15
BORROWED = 0.4
_PARTS = ("frame", "drums", "bass", "harmony", "lead", "studio")


@dataclass(frozen=True)
class Layer:
    """One pitched part: its role, its instrument, what that plays, how loud (dB)."""

    role: str
    voice: str
    line: str
    level: float
    timbre: Timbre


@dataclass(frozen=True)
class Studio:
    """How a clip is recorded; levels in dB, times in seconds, frequencies in Hz."""

    tilt: float
    air: float
    peak: float
    wet: float
    tail: float
    crush: float
    floor: float
    cutoff: float
    lowcut: float
    loudness: float


@dataclass(frozen=True)
class Score:
    """Everything that is decided before a sample is made."""

    song: Song
    offset: float
    groove: str
    kit: str
    drums_level: float
    loose: float
    layers: tuple[Layer, ...]
    texture: str
    studio: Studio
    borrowed: tuple[str, ...]
    donor: str


def compose(genre: str, artist: Artist, rng: np.random.Generator, seconds: float) -> Score:
    """Draw one clip of ``genre`` by ``artist``, at least ``seconds`` long."""
    donor = pick(rng, NEIGHBOURS[genre])
    wants = rng.uniform(0, 1, 1 + len(_PARTS))
    borrowed = tuple(
        part
        for part, want in zip(_PARTS, wants[1:], strict=True)
        if wants[0] < CROSSOVER and want < BORROWED
    )

    def source(part: str) -> Recipe:
        return RECIPES[donor if part in borrowed else genre]

    def between(span: Range) -> float:
        return float(rng.uniform(*span))

    frame, drums, studio = source("frame"), source("drums"), source("studio")
    low, high = frame.tempo
    place = 0.5 * artist.tempo + 0.5 * rng.uniform(0, 1)
    tempo = float(np.clip(low + (high - low) * place + rng.normal(0, 6), 45, 190))
    steps = int(pick(rng, frame.metres or {"16": 1}))
    swing = between(drums.swing)
    scale = SCALES[pick(rng, frame.scales)]
    root = artist.root if rng.random() < 0.4 else float(rng.integers(36, 48))
    sevenths = bool(rng.random() < frame.sevenths)
    changes = [PROGRESSIONS[pick(rng, frame.progressions)] for _ in range(2)]
    offset = between((0, steps * 15 / tempo))

    layers = _layers(source, artist, rng)
    groove = artist.choose(rng, "grooves", drums.grooves)
    kit = artist.choose(rng, "kits", drums.kits)
    if rng.random() >= drums.presence["drums"]:
        groove = "none"
    drums_level, loose = between(drums.drums_level), between(drums.loose)
    texture = artist.choose(rng, "textures", studio.textures)
    recorded = _record(studio, artist, rng)

    names = frozenset(layer.role for layer in layers) | {"drums"}
    sections = _form(rng, names, changes, (seconds + offset) * tempo / (15 * steps))
    song = Song(tempo, steps, swing, root, scale, sevenths, sections)
    return Score(
        song, offset, groove, kit, drums_level, loose, layers, texture, recorded, borrowed, donor
    )  # fmt: skip


def _layers(
    source: Callable[[str], Recipe], artist: Artist, rng: np.random.Generator
) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for role in ("bass", "harmony", "second", "lead"):
        recipe: Recipe = source("harmony" if role == "second" else role)
        weights = {"bass": recipe.bass, "lead": recipe.lead}.get(role, recipe.harmony)
        chosen = pick(rng, weights) if role == "second" else artist.choose(rng, role, weights)
        voice, line = chosen.split()
        timbre = artist.timbre(rng, role)
        low, high = recipe.bright
        timbre = replace(timbre, bright=low + (high - low) * timbre.bright)
        level = recipe.levels[role] + float(rng.normal(0, 2.5))
        absent = rng.random() >= recipe.presence[role]
        # Something must carry the clip.
        if absent and not (role == "harmony" and not layers):
            continue
        layers.append(Layer(role, voice, line, level, timbre))
    return tuple(layers)


def _form(
    rng: np.random.Generator,
    names: frozenset[str],
    changes: list[tuple[int, ...]],
    bars: float,
) -> tuple[Section, ...]:
    """Cut the clip into sections in which layers come and go; harmony or bass always stays."""
    core = "harmony" if "harmony" in names else "bass"
    sections: list[Section] = []
    start = 0
    while start < bars:
        length = int(rng.choice([2, 3, 4, 4, 6]))
        heard = frozenset(n for n in sorted(names) if rng.random() < 0.85 or n == core)
        sections.append(Section(start, length, changes[int(rng.random() < 0.35)], heard))
        start += length
    return tuple(sections)


def _record(recipe: Recipe, artist: Artist, rng: np.random.Generator) -> Studio:
    def between(span: Range) -> float:
        return float(rng.uniform(*span))

    narrow = rng.random() < 0.12
    cutoff = float(np.exp(rng.uniform(np.log(2800), np.log(9000))))
    return Studio(
        tilt=between(recipe.tilt) + artist.tilt,
        air=artist.air,
        peak=artist.peak,
        wet=between(recipe.wet),
        tail=between(recipe.tail),
        crush=between(recipe.crush),
        floor=between(recipe.floor),
        cutoff=cutoff if narrow else 20000.0,
        lowcut=float(np.exp(rng.uniform(np.log(18), np.log(110)))),
        loudness=between((-12.0, -0.5)),
    )
