"""Artists: what stays the same from clip to clip of one of them.

A split that puts one artist on two sides lets a classifier learn these habits
instead of the genre, as with real music.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavemel.data.synth.genres import GENRES, RECIPES
from wavemel.data.synth.oscillators import Timbre
from wavemel.data.synth.theory import Weights, pick

_FIRST = (
    "Amber", "Blue", "Copper", "Distant", "Electric", "Faded", "Golden", "Hollow", "Iron",
    "Jade", "Kind", "Lunar", "Marble", "Northern", "Open", "Paper", "Quiet", "Restless",
    "Silver", "Tidal", "Velvet", "Wooden",
)  # fmt: skip
_SECOND = (
    "Anchors", "Birds", "Canyon", "Dials", "Embers", "Fields", "Gardens", "Harbour", "Islands",
    "Junction", "Kites", "Lanterns", "Meadow", "Orchard", "Pilots", "Rivers", "Sparrows",
    "Tramways", "Valley", "Windows",
)  # fmt: skip

#: The layers for which an artist has a favourite.
ROLES = ("grooves", "kits", "bass", "harmony", "lead", "textures")


@dataclass(frozen=True)
class Artist:
    """A signature.

    Attributes
    ----------
    name : made-up and not unique; a corpus numbers its artists besides.
    genre : the main genre.
    favourites : for each of `ROLES`, what the artist takes most of the time.
    loyalty : how often that is.
    tempo : place in the genre's tempo range, 0 to 1.
    root : MIDI pitch of the preferred tonic.
    tilt, air : the studio's sound: dB an octave, and the dB of a broad peak.
    peak : Hz, where that peak lies.
    timbres : each player's instrument.
    """

    name: str
    genre: str
    favourites: dict[str, str]
    loyalty: float
    tempo: float
    root: float
    tilt: float
    air: float
    peak: float
    timbres: dict[str, Timbre]

    def choose(self, rng: np.random.Generator, role: str, weights: Weights) -> str:
        """Draw from ``weights``, or take the favourite where it is among them."""
        drawn = pick(rng, weights)
        favourite = self.favourites[role]
        return favourite if rng.random() < self.loyalty and favourite in weights else drawn

    def timbre(self, rng: np.random.Generator, role: str) -> Timbre:
        """Return the role's timbre, a little different each time."""
        mine, other = self.timbres[role], Timbre.draw(rng)
        mixed = (0.85 * getattr(mine, f) + 0.15 * getattr(other, f) for f in Timbre.__annotations__)
        return Timbre(*mixed)


def make_artist(genre: str, seed: int) -> Artist:
    """Return the artist of ``genre`` that ``seed`` stands for."""
    rng = np.random.default_rng([0xA27157, GENRES.index(genre), seed])
    recipe = RECIPES[genre]
    first, second = rng.integers(len(_FIRST)), rng.integers(len(_SECOND))
    return Artist(
        name=f"{_FIRST[first]} {_SECOND[second]}",
        genre=genre,
        favourites={role: pick(rng, getattr(recipe, role)) for role in ROLES},
        loyalty=float(rng.uniform(0.55, 0.9)),
        tempo=float(rng.uniform(0, 1)),
        root=float(rng.integers(36, 48)),
        tilt=float(rng.normal(0, 0.5)),
        air=float(rng.normal(0, 2.0)),
        peak=float(np.exp(rng.uniform(np.log(200), np.log(5000)))),
        timbres={role: Timbre.draw(rng) for role in ("bass", "harmony", "second", "lead")},
    )
