"""Small audio files that differ, for tests of data sets."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from wavemel.library.worker import Job

RATE = 8000


def tone(number: int, seconds: float = 2.5, rate: int = RATE) -> np.ndarray:
    """Return a chord with a little noise; another one for each number."""
    rng = np.random.default_rng(number)
    moments = np.arange(round(seconds * rate)) / rate
    notes = 110 * 2 ** (rng.integers(0, 36, 3) / 12)
    sound = np.sin(2 * np.pi * notes[:, None] * moments).sum(0) / 6
    return (sound + rng.normal(0, 0.01, len(moments))).astype(np.float32)


def write_tone(path: Path, number: int, seconds: float = 2.5, rate: int = RATE) -> Path:
    """Write `tone` into a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(number, seconds, rate), rate)
    return path


def write_folder(root: Path, counts: dict[str, int], *, artists: bool = False) -> Path:
    """Write a folder of genre folders; with ``artists``, two clips each in an artist's folder."""
    number = 0
    for genre, count in counts.items():
        for i in range(count):
            inner = Path(genre, f"{genre} artist {i // 2}") if artists else Path(genre)
            write_tone(root / inner / f"{i:03}.wav", number)
            number += 1
    return root


def process_of(item: int) -> int:
    """Return the number of the process that is asked."""
    return os.getpid()


def die_on_three(number: int) -> int:
    """Return the number's double; end the whole process on 3."""
    if number == 3:
        os._exit(1)
    return 2 * number


def fail_on_three(number: int) -> int:
    """Return the number's double; raise on 3."""
    if number == 3:
        raise ValueError("three")
    return 2 * number


def note_process(folder: str) -> None:
    """Leave a file named after this process, then take long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def classify_or_crash_on_three(job: Job, path: str) -> object:
    """Do the job as a worker does; end the whole process on a file called 3.wav."""
    from wavemel.library.worker import work

    if path.endswith("3.wav"):
        os._exit(11)
    return work(job, path)
