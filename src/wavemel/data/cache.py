"""Decode once: clips as 16-bit samples on disk, memory-mapped by training.

One file a clip (and a variant of it), named after the audio file's content and
the settings, so that a renamed or copied file is found again and a changed one
is not. A file appears under its name only when it is whole: a build that is
killed half-way leaves nothing to clean up, and continues where it stopped.

A file is a little-endian float32, the clip's peak, and then int16 samples in
units of peak / 32767: quiet clips keep their resolution, and MP3s that decode
to more than full scale are not clipped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.audio.load import load
from wavemel.data.cachedir import cache_dir
from wavemel.errors import DataError
from wavemel.progress import progress
from wavemel.workers import Crashed, map_files

VERSION = 1
_HEADER = 4
#: Disk that is left free for everybody else, in bytes.
_SPARE = 256 << 20

FloatArray = npt.NDArray[np.float32]
#: (samples, content hash, variant number from 1) -> samples of the same length.
MakeVariant = Callable[[FloatArray, str, int], FloatArray]


@dataclass(frozen=True)
class ClipSpec:
    """What of a file a clip is: its first ``seconds``, mono, at ``rate`` Hz.

    A file that is shorter is padded with zeros at its end.
    """

    rate: int
    seconds: float

    @property
    def samples(self) -> int:
        """Samples of one clip."""
        return round(self.rate * self.seconds)


class ClipStore:
    """Clips read from the cache by index.

    Parameters
    ----------
    files : path of each clip's variants: ``files[i][v]``, v = 0 being the clip itself.
    samples : length of each clip.
    """

    def __init__(self, files: list[list[Path]], samples: int) -> None:
        self._files, self._samples = files, samples
        self._open: dict[Path, tuple[np.float32, npt.NDArray[np.int16]]] = {}

    def __len__(self) -> int:
        return len(self._files)

    def batch(
        self, indices: npt.NDArray[np.int64], variants: npt.NDArray[np.int64] | None = None
    ) -> FloatArray:
        """Return clips (B, T); ``variants[j]`` says which variant, 0 or None the clip itself."""
        out = np.empty((len(indices), self._samples), np.float32)
        for row, i in enumerate(indices):
            peak, clip = self._clip(self._files[i][0 if variants is None else variants[row]])
            np.multiply(clip, peak, out=out[row])
        return out

    def _clip(self, file: Path) -> tuple[np.float32, npt.NDArray[np.int16]]:
        if file not in self._open:
            raw = np.memmap(file, np.uint8, mode="r")
            peak = raw[:_HEADER].view("<f4")[0]
            self._open[file] = (np.float32(peak / 32767), raw[_HEADER:].view("<i2"))
        return self._open[file]


class DecodingStore:
    """The same clips, decoded whenever they are asked for: slow, but needs no disk.

    Takes the same arguments as `cached_store`.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        spec: ClipSpec,
        *,
        variants: int = 0,
        variant_key: str = "",
        make_variant: MakeVariant | None = None,
    ) -> None:
        self._paths = rows["path"].tolist()
        self._contents = rows["content"].tolist()
        self._spec, self._make_variant = spec, make_variant

    def __len__(self) -> int:
        return len(self._paths)

    def batch(
        self, indices: npt.NDArray[np.int64], variants: npt.NDArray[np.int64] | None = None
    ) -> FloatArray:
        """Return clips (B, T), as `ClipStore.batch` does, up to rounding to 16 bits."""
        return np.stack(
            [
                _clip(
                    self._paths[i],
                    self._contents[i],
                    self._spec,
                    0 if variants is None else int(variants[row]),
                    self._make_variant,
                )
                for row, i in enumerate(indices)
            ]
        )


def cached_store(
    rows: pd.DataFrame,
    spec: ClipSpec,
    *,
    variants: int = 0,
    variant_key: str = "",
    make_variant: MakeVariant | None = None,
    workers: int | None = None,
) -> ClipStore:
    """Decode into the cache what is not there yet, and return the store that reads it.

    Parameters
    ----------
    rows : rows of a scanned table (``path`` and ``content`` are read).
    spec : what a clip is.
    variants : how many variants of each clip to make.
    variant_key : everything that decides the variants, as text; part of their names.
    make_variant : makes them; must be picklable and depend on its arguments alone.
    workers : processes that decode.

    Raises
    ------
    DataError
        The disk has too little room; nothing was written then.
    AudioError
        A file can no longer be decoded (it has changed since the scan).
    """
    folder = cache_dir() / "clips" / f"v{VERSION}-{spec.rate}hz-{spec.seconds:g}s"
    suffixes = [""]
    if variants:
        short = hashlib.sha256(variant_key.encode()).hexdigest()[:12]
        suffixes += [f".{short}-{v}" for v in range(1, variants + 1)]
    size = _HEADER + 2 * spec.samples
    files = [
        [folder / content[:2] / f"{content}{suffix}.i16" for suffix in suffixes]
        for content in rows["content"]
    ]
    jobs = []
    for path, content, targets in zip(rows["path"], rows["content"], files, strict=True):
        # A file of another size is one that a failing disk or power cut has left.
        missing = [v for v, f in enumerate(targets) if not _whole(f, size)]
        if missing:
            jobs.append((path, content, missing, [str(targets[v]) for v in missing]))
    _check_room(folder, size * sum(len(job[2]) for job in jobs))
    work = partial(_build, spec=spec, make_variant=make_variant)
    if jobs:
        with progress("decoding into the cache", len(jobs)) as ticker:
            for i, result in map_files(work, jobs, workers=workers):
                if isinstance(result, Crashed):
                    raise DataError(f"{jobs[i][0]} crashes the decoder: take it out of the data")
                ticker.advance()
    return ClipStore(files, spec.samples)


def _whole(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except FileNotFoundError:
        return False


def _check_room(folder: Path, need: int) -> None:
    if not need:
        return
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if need + _SPARE > free:
        raise DataError(
            f"the cache of clips needs {need / 2**30:.1f} GiB in {folder}, where "
            f"{free / 2**30:.1f} GiB are free: free some, set WAVEMEL_CACHE to another disk, "
            "or use --no-cache"
        )


def _clip(
    path: str, content: str, spec: ClipSpec, variant: int, make_variant: MakeVariant | None
) -> FloatArray:
    samples = load(path, spec.rate, start=0.0, seconds=spec.seconds)[: spec.samples]
    samples = np.pad(samples, (0, spec.samples - len(samples)))
    if variant:
        assert make_variant is not None
        samples = make_variant(samples, content, variant)
    return samples


def _build(
    job: tuple[str, str, list[int], list[str]], spec: ClipSpec, make_variant: MakeVariant | None
) -> None:
    """Decode one file and write the clip and the variants that are missing (in a worker)."""
    path, content, numbers, targets = job
    original = _clip(path, content, spec, 0, None)
    for number, target in zip(numbers, targets, strict=True):
        samples = original
        if number:
            assert make_variant is not None
            samples = make_variant(original, content, number)
        _write(Path(target), samples)


def _write(file: Path, samples: FloatArray) -> None:
    peak = np.float32(max(float(np.abs(samples).max(initial=0.0)), 1e-9))
    rounded = np.rint(samples * np.float32(32767 / peak)).astype("<i2")
    file.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two builds may make the same clip at the same time.
    handle, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(np.array([peak], "<f4").tobytes())
            out.write(rounded.tobytes())
        os.replace(part, file)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def cache_size() -> tuple[int, int]:
    """Return (files, bytes) of everything in the cache folder."""
    sizes = [f.stat().st_size for f in cache_dir().rglob("*") if f.is_file()]
    return len(sizes), sum(sizes)


def clear_cache() -> None:
    """Remove the cache folder; all of it can be made again."""
    shutil.rmtree(cache_dir(), ignore_errors=True)
