"""Any audio file -> mono float32 samples at a wanted rate: whole, a stretch, or window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from wavemel.audio.decode import Source, Stream, decode, name_of, open_stream, stretch
from wavemel.audio.mix import gather
from wavemel.audio.resample import QUALITY, fit, resample, resampled_length
from wavemel.errors import AudioError

#: Samples of the lower rate that are decoded either side of a stretch, more than soxr HQ's filter spans.
_CONTEXT = 512
#: A file's last, moved-back window is yielded where it shows at least this share of a hop that no
#: other window has shown.
_UNSEEN = 0.25


@dataclass(frozen=True)
class Window:
    """A stretch of a file, of fixed length.

    ``start``: where it begins in the file, seconds. ``samples``: float32 (n,).
    ``filled``: how many seconds of it are the file's; the rest, at the end, is
    zeros (only where the whole file is shorter than a window).
    """

    start: float
    samples: np.ndarray
    filled: float


def load(
    source: Source, rate: int, *, start: float = 0.0, seconds: float | None = None
) -> np.ndarray:
    """Return a file, or a stretch of it, as mono float32 (n,) at ``rate`` Hz.

    A stretch equals that part of the whole file's samples, to the precision of the filter.

    Raises
    ------
    AudioError
        as `decode`.
    """
    if start == 0 and seconds is None:
        whole = decode(source)
        return resample(whole.samples, whole.rate, rate)
    if not start >= 0 or (seconds is not None and not seconds > 0):
        raise ValueError(f"start must be >= 0 and seconds > 0, not {start} and {seconds}")
    with open_stream(source) as stream:
        samples = stretch_at(stream, rate, start, seconds)
        if not len(samples):
            raise AudioError(name_of(source), "no-samples", f"ends before {start:g} s")
        return samples


def stretch_at(stream: Stream, rate: int, start: float, seconds: float | None) -> np.ndarray:
    """Return one stretch of an open stream at ``rate``; empty where the stream ends before it."""
    first = round(start * rate)
    count = None if seconds is None else max(1, round(seconds * rate))
    # Begin at an input sample that is an output sample too, or the grid of the outputs would shift.
    common = math.gcd(stream.rate, rate)
    step_in, step_out = stream.rate // common, rate // common
    context = 0 if stream.rate == rate else math.ceil(_CONTEXT * max(1, rate / stream.rate))
    periods = max(0, first - context) // step_out
    begin, skip = periods * step_in, first - periods * step_out
    frames = None if count is None else math.ceil((skip + count + context) * stream.rate / rate)
    expected = stream.announced - begin if frames is None else frames
    samples = gather(stretch(stream, begin, frames), expected)
    if not len(samples):
        return samples
    out = resample(samples, stream.rate, rate)[skip:]
    return out if count is None else out[:count]


def windows(
    source: Source,
    rate: int,
    *,
    seconds: float,
    hop: float,
    limit: float | None = None,
) -> Iterator[Window]:
    """Yield windows of ``seconds`` every ``hop`` seconds, decoding as they are asked for.

    Memory is that of one window and one decoded block, however long the file.
    A file shorter than a window gives one, padded with zeros. Where the file's
    end stays unseen, a last window is moved back to end with the file.

    Parameters
    ----------
    source : as in `decode`.
    rate : Hz of the samples.
    seconds, hop : length and distance of windows.
    limit : read no more than this many seconds of the file.

    Raises
    ------
    AudioError
        as `decode`.
    """
    with open_stream(source) as stream:
        yield from stream_windows(
            stream, rate, seconds=seconds, hop=hop, limit=limit, name=name_of(source)
        )


def stream_windows(
    stream: Stream,
    rate: int,
    *,
    seconds: float,
    hop: float,
    limit: float | None = None,
    name: str = "<audio>",
) -> Iterator[Window]:
    """Yield the windows of an open stream; see `windows`."""
    size, step = round(seconds * rate), round(hop * rate)
    if size < 1 or step < 1 or (limit is not None and not limit > 0):
        raise ValueError(f"seconds, hop and limit must be positive: {seconds}, {hop}, {limit}")
    end = None if limit is None else max(1, round(limit * rate))
    # `held` begins at sample `offset` of the file; `shown` is where the last window ended.
    held, offset, following, shown = np.empty(0, np.float32), 0, 0, 0
    for block in _resampled(stream, rate, end):
        held = np.concatenate([held, block])
        while offset + len(held) >= following + size:
            at = following - offset
            yield Window(following / rate, held[at : at + size].copy(), size / rate)
            shown, following = following + size, following + step
        # The last window may be moved back to end with the file: keep one window's length.
        drop = max(0, min(following - offset, len(held) - size))
        held, offset = held[drop:], offset + drop
    total = offset + len(held)
    if total == 0:
        raise AudioError(name, "no-samples", "holds no samples")
    if stream.replaced >= total * stream.rate / rate:
        raise AudioError(name, "damaged", "is damaged: no sample is a finite number")
    if total < size:
        yield Window(0.0, fit(held, size), total / rate)
    elif total - shown >= _UNSEEN * step:
        yield Window((total - size) / rate, held[-size:].copy(), size / rate)


def _resampled(stream: Stream, rate: int, end: int | None) -> Iterator[np.ndarray]:
    """Yield the stream's blocks at ``rate``, ``end`` samples at most."""
    wanted = None if end is None else math.ceil((end + _CONTEXT) * stream.rate / rate)
    if stream.rate == rate:
        yield from stream.blocks(end)
        return
    resampler = soxr.ResampleStream(stream.rate, rate, 1, dtype="float32", quality=QUALITY)
    count_in = count_out = 0
    for block in stream.blocks(wanted):
        count_in += len(block)
        out = resampler.resample_chunk(block)
        if end is not None:
            out = out[: end - count_out]
        count_out += len(out)
        yield out
    length = resampled_length(count_in, stream.rate, rate)
    if end is not None:
        length = min(length, end)
    last = resampler.resample_chunk(np.empty(0, np.float32), last=True)
    yield fit(last, max(0, length - count_out))
