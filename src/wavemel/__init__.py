"""wavemel tells the genre of music."""

__version__ = "0.1.0"
