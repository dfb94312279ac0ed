"""Where training reads clips from: 16-bit files that are memory-mapped, or the audio files themselves.

A clip file is a NumPy file with one record: ``peak``, the clip's largest
magnitude, and ``samples``, int16 in units of peak / 32767. So quiet clips keep
their resolution, and MP3s that decode to more than full scale are not clipped.
``np.load(file)["samples"]`` reads it anywhere.
"""

from __future__ import annotations

import io
import mmap
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.audio.load import load
from wavemel.audio.resample import fit
from wavemel.errors import DataError

FloatArray = npt.NDArray[np.float32]
#: (samples, content hash, variant number from 1) -> samples of the same length.
MakeVariant = Callable[[FloatArray, str, int], FloatArray]

_STEPS = np.float32(32767)


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

    @property
    def bytes(self) -> int:
        """Size of one clip's file."""
        return len(header(self.samples)) + 4 + 2 * self.samples


class _Store(ABC):
    """What both stores share: the shape of a batch, and which stretch of a clip goes into it."""

    def __init__(self, rows: pd.DataFrame, spec: ClipSpec) -> None:
        self._spec = spec
        known = np.ceil(rows["seconds"].astype(float).to_numpy() * spec.rate)
        #: Samples of each clip, (n,), that are its file's: what follows is padding.
        self.filled = np.nan_to_num(known, nan=spec.samples).clip(0, spec.samples).astype(np.int64)

    def __len__(self) -> int:
        return len(self.filled)

    def batch(
        self,
        indices: npt.NDArray[np.int64],
        variants: npt.NDArray[np.int64] | None = None,
        *,
        starts: npt.NDArray[np.int64] | None = None,
        samples: int | None = None,
    ) -> FloatArray:
        """Return clips (B, T).

        Parameters
        ----------
        indices : which clips, (B,).
        variants : which variant of each, (B,); 0 (or no array) is the clip itself.
        starts : where in each clip to begin, (B,), in samples; at 0 by default.
        samples : how many samples of each; all by default. What lies beyond a clip is zeros.
        """
        length = self._spec.samples if samples is None else samples
        out = np.empty((len(indices), length), np.float32)
        for row, index in enumerate(indices):
            variant = 0 if variants is None else int(variants[row])
            start = 0 if starts is None else int(starts[row])
            count = self._read(int(index), variant, start, out[row])
            out[row, count:] = 0
        return out

    @abstractmethod
    def _read(self, index: int, variant: int, start: int, out: FloatArray) -> int:
        """Fill ``out`` with a clip from sample ``start`` on; return how many samples there were."""


class ClipStore(_Store):
    """Clips read from the cache by index; see `wavemel.data.cache.cached_store`.

    Parameters
    ----------
    rows : the table's rows, one a clip.
    spec : what a clip is.
    files : each clip's variants, ``files[i][v]``; v = 0 is the clip itself.
    """

    def __init__(self, rows: pd.DataFrame, spec: ClipSpec, files: Sequence[Sequence[Path]]) -> None:
        super().__init__(rows, spec)
        self._files = files

    def _read(self, index: int, variant: int, start: int, out: FloatArray) -> int:
        # Mapped anew each time: it costs nothing beside the copy, and 8,000 open maps would
        # hold 8,000 descriptors.
        file = self._files[index][variant]
        try:
            with open(file, "rb", buffering=0) as handle:
                raw = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError):
            raise DataError(f"{file} has gone from the cache: run again to make it anew") from None
        if len(raw) != self._spec.bytes:
            raise DataError(f"{file} in the cache is damaged: run again to make it anew")
        offset = len(header(self._spec.samples))
        peak = np.frombuffer(raw, "<f4", 1, offset)[0]
        clip = np.frombuffer(raw, "<i2", offset=offset + 4)[start : start + len(out)]
        filled = out[: len(clip)]
        filled[:] = clip
        filled *= peak / _STEPS
        return len(clip)


class DecodingStore(_Store):
    """The same clips, to the bit, decoded whenever they are asked for: slow, but needs no disk.

    Takes the arguments of `wavemel.data.cache.cached_store`.
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
        super().__init__(rows, spec)
        self._paths, self._contents = rows["path"].tolist(), rows["content"].tolist()
        self._make_variant = make_variant

    def _read(self, index: int, variant: int, start: int, out: FloatArray) -> int:
        clip = decode_clip(self._paths[index], self._spec)
        if variant:
            clip = vary(clip, self._contents[index], variant, self._make_variant)
        peak, rounded = quantise(clip)
        part = rounded[start : start + len(out)]
        out[: len(part)] = part
        out[: len(part)] *= peak / _STEPS
        return len(part)


def decode_clip(path: str, spec: ClipSpec) -> FloatArray:
    """Return a file's clip, (T,); raise AudioError as `load`."""
    return fit(load(path, spec.rate, start=0.0, seconds=spec.seconds), spec.samples)


def vary(clip: FloatArray, content: str, number: int, make: MakeVariant | None) -> FloatArray:
    """Return variant ``number`` of a clip, cut or padded to the clip's length."""
    if make is None:
        raise ValueError(f"variant {number} is asked for, but nothing makes variants")
    return fit(make(clip, content, number), len(clip))


def quantise(clip: FloatArray) -> tuple[np.float32, npt.NDArray[np.int16]]:
    """Return (peak, samples in units of peak / 32767)."""
    peak = np.float32(max(float(np.abs(clip).max(initial=0.0)), 1e-9))
    return peak, np.rint(clip * (_STEPS / peak)).astype("<i2")


@lru_cache(maxsize=64)
def header(samples: int) -> bytes:
    """Return how every clip file of this length begins."""
    record = np.dtype([("peak", "<f4"), ("samples", "<i2", (samples,))])
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        text, {"descr": record.descr, "fortran_order": False, "shape": ()}
    )
    return text.getvalue()


def write_clip(file: Path, clip: FloatArray) -> None:
    """Write a clip file; it appears under its name when it is whole."""
    peak, rounded = quantise(clip)
    file.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two builds may make the same clip at the same time.
    part = file.with_name(f"{file.name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb", buffering=0) as out:
            for piece in (
                header(len(clip)),
                peak.astype("<f4").tobytes(),
                rounded.tobytes(),
            ):
                view = memoryview(piece)
                while view:
                    view = view[out.write(view) :]
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def is_whole(file: Path, spec: ClipSpec) -> bool:
    """Return whether a clip file is there, of the right size, and begins as it should.

    A crash of the machine can leave a file that is empty, or of the right size and all zeros.
    """
    begin = header(spec.samples)
    try:
        with open(file, "rb", buffering=0) as handle:
            return (
                os.fstat(handle.fileno()).st_size == spec.bytes and handle.read(len(begin)) == begin
            )
    except FileNotFoundError:
        return False
