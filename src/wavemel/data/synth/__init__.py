"""Music that the package makes itself: eight genres as overlapping distributions over recipes.

It exists so that everything can be tried without a data set. Figures reached
on it say nothing about real music.
"""

from __future__ import annotations

from wavemel.data.synth.artists import Artist, make_artist
from wavemel.data.synth.clip import GENERATOR_VERSION, render
from wavemel.data.synth.genres import GENRES

__all__ = ["GENERATOR_VERSION", "GENRES", "Artist", "make_artist", "render"]
