"""A whole synthetic corpus: which clips it has, and their files."""

from __future__ import annotations

import io
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from wavemel.data.synth.artists import make_artist
from wavemel.data.synth.clip import GENERATOR_VERSION, render
from wavemel.data.synth.genres import GENRES
from wavemel.progress import Ticker, progress

#: An artist has about as many clips as this; no genre has fewer artists than folds.
CLIPS_AN_ARTIST = 6
FOLDS = 5
_BATCH = 8
_STALE_SECONDS = 3600


@dataclass(frozen=True)
class Spec:
    """What a corpus is made from: clips in all, seconds a clip, samples a second, seed."""

    clips: int = 480
    seconds: float = 12.0
    rate: int = 16000
    seed: int = 0

    @property
    def folder(self) -> str:
        """Name of the corpus's folder. Clips are the same in a larger corpus, so their number is no part of it."""
        return f"v{GENERATOR_VERSION}-{self.seconds:g}s-{self.rate}hz-seed{self.seed}"


@dataclass(frozen=True)
class Clip:
    """One clip: its genre, its artist's name and number within the genre, and where it belongs."""

    genre: str
    artist: str
    artist_index: int
    index: int
    split: str
    fold: int

    @property
    def file(self) -> str:
        """Name of the clip's file."""
        return f"{self.genre}-{self.artist_index:03d}-{self.index:02d}.flac"


def clips(spec: Spec) -> list[Clip]:
    """Return every clip of a corpus, genres in equal parts.

    No artist stands on two sides of the split or in two folds. A tenth of
    each genre's artists (at least one) is for validation, another for testing.
    """
    each = spec.clips // len(GENRES)
    artists = max(FOLDS, round(each / CLIPS_AN_ARTIST))
    held_out = max(1, round(artists / 10))
    found = []
    seen: dict[str, int] = {}
    for number in range(artists):
        left = artists - number
        split = "test" if left <= held_out else "validation" if left <= 2 * held_out else "training"
        for genre in GENRES:
            name = make_artist(genre, seed_of(spec.seed, genre, number)).name
            seen[name] = seen.get(name, 0) + 1
            unique = name if seen[name] == 1 else f"{name} {seen[name]}"
            count = each // artists + (number < each % artists)
            found += [Clip(genre, unique, number, i, split, number % FOLDS) for i in range(count)]
    return sorted(found, key=lambda clip: clip.file)


def make_files(spec: Spec, folder: Path, wanted: Sequence[Clip], workers: int | None = None) -> int:
    """Write those of the ``wanted`` clips that are not yet in ``folder``.

    Each file is complete or absent whenever the program is killed; what is
    missing is made on the next call. Bytes do not depend on ``workers``.

    Parameters
    ----------
    spec : length, rate and seed.
    folder : made if need be.
    wanted : see `clips`.
    workers : processes; by default one a core, and none beside this for a few clips.

    Returns
    -------
    int
        how many files were made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = _missing(folder, wanted)
    if not missing:
        return 0
    _sweep_up(folder)
    if workers is None:
        workers = min(_cores(), round(len(missing) * spec.seconds / 120))
    if multiprocessing.current_process().daemon:
        workers = 1  # Python lets no daemon have children.
    make = partial(_make_batch, spec, folder)
    with progress("making the demo corpus", len(missing), unit="clips") as ticker:
        if workers > 1:
            # A script without an `if __name__ == "__main__"` guard cannot have worker processes.
            with suppress(BrokenProcessPool):
                _in_processes(make, missing, workers, ticker)
        for clip in _missing(folder, missing):
            make([clip])
            ticker.advance()
    return len(missing)


def _missing(folder: Path, wanted: Sequence[Clip]) -> list[Clip]:
    def there(path: Path) -> bool:
        # Empty files are what a power cut can leave of a rename.
        return path.is_file() and path.stat().st_size > 0

    return [clip for clip in wanted if not there(folder / clip.file)]


def _in_processes(
    make: Callable[[list[Clip]], int], missing: list[Clip], workers: int, ticker: Ticker
) -> None:
    batches = [missing[i : i + _BATCH] for i in range(0, len(missing), _BATCH)]
    # Never fork: the caller may hold threads (torch, a progress bar).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for count in pool.map(make, batches):
                ticker.advance(count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make_batch(spec: Spec, folder: Path, batch: list[Clip]) -> int:
    for clip in batch:
        artist = make_artist(clip.genre, seed_of(spec.seed, clip.genre, clip.artist_index))
        seed = seed_of(spec.seed, clip.genre, clip.artist_index, clip.index)
        samples = render(clip.genre, seed, seconds=spec.seconds, rate=spec.rate, artist=artist)
        # Encoded in memory, so that a full disk is the operating system's error and not the encoder's.
        encoded = io.BytesIO()
        whole = np.rint(samples * 32767).astype(np.int16)
        soundfile.write(encoded, whole, spec.rate, format="FLAC", subtype="PCM_16")
        temporary = folder / f".{clip.file}.{os.getpid()}.tmp"
        try:
            temporary.write_bytes(encoded.getbuffer())
            os.replace(temporary, folder / clip.file)
        finally:
            temporary.unlink(missing_ok=True)
    return len(batch)


def _sweep_up(folder: Path) -> None:
    """Remove what a killed run left behind, but nothing that another one may be writing."""
    for path in folder.glob(".*.tmp"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)


def seed_of(seed: int, genre: str, *place: int) -> int:
    """Return an independent seed for each artist (one index) and each clip (two)."""
    key = [seed, GENRES.index(genre), *place]
    return int(np.random.SeedSequence([len(key), *key]).generate_state(1)[0])


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
