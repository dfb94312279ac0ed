"""Where wavemel keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Return the cache folder: ``$WAVEMEL_CACHE`` if set, else the platform's own; it may not exist yet."""
    chosen = os.environ.get("WAVEMEL_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("wavemel"))
