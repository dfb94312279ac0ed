"""An explanation as a picture: the spectrogram with what speaks for and against, and time below it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from wavemel.explain.numbers import band_shares, hertz, over_time, time_shares
from wavemel.explain.track import Explanation, FloatArray
from wavemel.reports.svg import GRID, INK, MUTED, PAPER, SERIES, plain_text
from wavemel.reports.wording import percent

FOR, AGAINST = SERIES[1], SERIES[0]
WIDTH = 9.0
#: Decibels below the loudest point at which the spectrogram is white.
RANGE_DB = 70.0
#: Columns a picture has at most: a screen shows no more.
_COLUMNS = 1200
#: Spread of the blur that makes single cells visible, in cells (bands, frames). Numbers are not blurred.
_BLUR = (1.0, 2.5)
#: The share of cells that may be drawn in full colour.
_FULL = 99.5
#: Classes drawn in the chart of probabilities at most.
_LINES = 5
_TICKS = (31.25, 62.5, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000)


def saliency_figure(explanation: Explanation) -> Figure:
    """Draw an explanation: a spectrogram an input with its attribution, then sums and probabilities over time.

    Orange speaks for the answer and blue against it; beside each spectrogram
    stands the sum by band.
    """
    e = explanation
    inputs = list(e.maps)
    heights = [2.3] * len(inputs) + [1.0, 1.45]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.75), facecolor=PAPER, layout="constrained")
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=[6, 1])
    first: Axes | None = None
    for i, name in enumerate(inputs):
        axes = figure.add_subplot(grid[i, 0], sharex=first)
        first = first or axes
        _spectrogram(axes, e, e.maps[name])
        axes.set_ylabel(f"{name}: Hz", color=INK, fontsize=9)
        if len(e.maps[name]) == e.grid.bands:
            _by_band(figure.add_subplot(grid[i, 1], sharey=axes), e.maps[name])
        axes.tick_params(labelbottom=False)
    sums = figure.add_subplot(grid[-2, 0], sharex=first)
    _by_time(sums, e)
    sums.tick_params(labelbottom=False)
    lines = figure.add_subplot(grid[-1, 0], sharex=first)
    _probabilities(lines, figure.add_subplot(grid[-1, 1]), e)
    lines.set_xlim(0, e.seconds)
    lines.set_xlabel("seconds", color=INK, fontsize=9)
    figure.suptitle(title(e), x=0.01, ha="left", color=INK, fontsize=11, fontweight="bold")
    return figure


def title(explanation: Explanation) -> str:
    """Return what stands above the picture, ready for matplotlib."""
    e = explanation
    name = plain_text(PurePath(e.path).name, 60)
    said = f"{name}: {plain_text(e.answer, 30)} {percent(float(e.probabilities.max()))}"
    asked = ""
    if e.genre != e.answer:
        asked = f"{plain_text(e.genre, 30)} {percent(e.probability)}"
    if e.against:
        asked = f"{plain_text(e.genre, 30)} rather than {plain_text(e.against, 30)}"
    return f"{said} (explained: {asked})" if asked else said


def description(explanation: Explanation) -> str:
    """Return what the picture shows, for those who do not see it."""
    e = explanation
    rather = f" rather than {e.against}" if e.against else ""
    parts = [
        f"Mel spectrogram of {e.seconds:.0f} s with what speaks for {e.genre}{rather} in orange "
        "and against it in blue; below, the same summed over frequency, and each genre's "
        "probability over time"
    ]
    times = time_shares(e, over_time(e))
    strongest = max(times, key=lambda row: row["share"])
    if strongest["share"] > 0:
        parts.append(
            f"most for it is {strongest['start']:g} to {strongest['end']:g} s "
            f"({percent(strongest['share'])})"
        )
    for name, values in e.maps.items():
        bands = band_shares(e, values)
        best = max(bands, key=lambda row: row["share"], default=None)
        if best and best["share"] > 0:
            parts.append(
                f"in {name} {hertz(best['low_hz'], best['high_hz'])} ({percent(best['share'])})"
            )
    return "; ".join(parts)


def file_name(path: str) -> str:
    """Return a name for the files about an audio file: letters, digits, dots and dashes of its own."""
    stem = os.path.splitext(PurePath(path).name)[0].encode("utf-8", "replace").decode()
    tame = re.sub(r"[^\w.-]+", "_", stem)
    # Systems count bytes, and the name has endings and numbers to come.
    return tame.encode()[:120].decode("utf-8", "ignore").strip("._-") or "audio"


@contextmanager
def any_script() -> Iterator[None]:
    """Keep matplotlib quiet on letters that its font lacks: they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _spectrogram(axes: Axes, e: Explanation, values: FloatArray) -> None:
    from scipy.ndimage import gaussian_filter

    bands, frames = e.spectrogram.shape
    step = max(1, -(-frames // _COLUMNS))
    edge = frames * e.frame_seconds - e.frame_seconds / 2
    place: dict[str, Any] = {
        "extent": (-e.frame_seconds / 2, edge, -0.5, bands - 0.5),
        "origin": "lower",
        "aspect": "auto",
    }
    loudest = float(e.spectrogram.max())
    axes.imshow(
        _thinned(e.spectrogram, step), cmap="gray_r",
        vmin=loudest - RANGE_DB, vmax=loudest + 0.6 * RANGE_DB, **place,
    )  # fmt: skip
    blurred = gaussian_filter(np.broadcast_to(values, (bands, frames)), _BLUR)
    blurred = _thinned(blurred, step)
    full = float(np.percentile(np.abs(blurred), _FULL)) or float(np.abs(blurred).max()) or 1.0
    colour = np.empty((*blurred.shape, 4))
    colour[..., :3] = np.where(blurred[..., None] > 0, to_rgb(FOR), to_rgb(AGAINST))
    # More than in proportion, so that the sound stays visible under what says little.
    colour[..., 3] = np.minimum(1, np.abs(blurred) / full) ** 1.3
    axes.imshow(colour, **place)
    shown = _ticks(e.grid.centres)
    axes.set_yticks([at for _, at in shown], [f"{hz:g}" for hz, _ in shown])
    _look(axes)


def _ticks(centres: FloatArray) -> list[tuple[float, float]]:
    """Return octaves and the bands they lie at, from the top as many as do not touch."""
    made: list[tuple[float, float]] = []
    for hz in reversed(_TICKS):
        at = float(np.interp(hz, centres, np.arange(len(centres))))
        inside = centres[0] <= hz <= centres[-1]
        if inside and (not made or made[-1][1] - at > 0.07 * len(centres)):
            made.append((hz, at))
    return made


def _by_band(axes: Axes, values: FloatArray) -> None:
    sums = values.sum(1)
    bands = np.arange(len(sums))
    axes.barh(bands, sums, height=1.0, color=np.where(sums > 0, FOR, AGAINST), linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.tick_params(labelleft=False, labelbottom=False, bottom=False)
    axes.set_xlabel("by band", color=MUTED, fontsize=8)
    _look(axes)


def _by_time(axes: Axes, e: Explanation) -> None:
    sums = over_time(e)[0]
    step = max(1, -(-len(sums) // (_COLUMNS // 4)))
    sums = _thinned(sums[None], step)[0]
    moments = np.arange(len(sums)) * step * e.frame_seconds
    for colour, part in ((FOR, np.maximum(sums, 0)), (AGAINST, np.minimum(sums, 0))):
        axes.fill_between(moments, part, step="mid", color=colour, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.yaxis.set_major_formatter(NullFormatter())
    axes.set_ylabel("against   for", color=INK, fontsize=9)
    _look(axes)


def _probabilities(axes: Axes, names: Axes, e: Explanation) -> None:
    order = [int(i) for i in np.argsort(-e.probabilities, kind="stable")[:_LINES]]
    asked = [e.classes.index(g) for g in (e.genre, e.against) if g is not None]
    order += [i for i in asked if i not in order]
    # A window's answer stands at its middle.
    middles = [(w.start + w.end) / 2 for w in e.windows]
    for n, i in enumerate(order):
        axes.plot(
            middles,
            [w.probabilities[i] for w in e.windows],
            marker="osD^vPX"[n % 7],
            markersize=4,
            markevery=max(1, len(middles) // 20),
            linewidth=2.2 if i in asked else 1.0,
            color=INK if e.classes[i] == e.genre else SERIES[(n + 2) % len(SERIES)],
            label=plain_text(e.classes[i], 16),
        )
    axes.set_ylim(0, 1)
    axes.set_ylabel("probability", color=INK, fontsize=9)
    names.set_axis_off()
    names.legend(
        *axes.get_legend_handles_labels(), loc="center left", bbox_to_anchor=(-0.1, 0.5),
        frameon=False, fontsize=8.5, labelcolor=INK, handlelength=1.2, borderpad=0,
    ).set_in_layout(False)  # fmt: skip
    axes.grid(True, color=GRID, linewidth=0.8)
    _look(axes)


def _thinned(values: FloatArray, step: int) -> FloatArray:
    """Return means over ``step`` columns; the last ones are of fewer."""
    if step == 1:
        return values
    starts = np.arange(0, values.shape[1], step)
    counts = np.diff([*starts, values.shape[1]])
    return np.add.reduceat(values, starts, axis=1) / counts


def _look(axes: Axes) -> None:
    axes.set_facecolor(PAPER)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8.5, color=MUTED)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
