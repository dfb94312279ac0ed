"""Results -> matplotlib figures; a network has the same colour, dash and marker in all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from wavemel.reports.svg import GRID, INK, MUTED, PAPER, SERIES

CURVES = {
    "training_loss": ("Training loss", "cross-entropy, training"),
    "validation_loss": ("Validation loss", "cross-entropy, validation"),
    "validation_top1": ("Accuracy", "top-1 accuracy, validation"),
}
# Colour alone must not tell two networks apart.
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Fewer clips than these say nothing about the share that is right.
FEWEST = 5
_ORDER = {"wave": 0, "mel": 1, "combined": 2}


def styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour, dash and marker of every model; the paper's three always have theirs."""
    free = list(range(3, 3 + len(names)))
    made = {}
    for name in names:
        i = _ORDER[name] if name in _ORDER else free.pop(0)
        made[name] = {
            "color": SERIES[i % len(SERIES)],
            "linestyle": DASHES[i % len(DASHES)],
            "marker": MARKERS[i % len(MARKERS)],
        }
    return made


def curves(results: dict[str, Any], key: str) -> Figure:
    """Draw a figure of every epoch for all networks in one chart (the report's figures 4-6).

    Several folds or seeds give the mean as a line and the range as a band.

    Parameters
    ----------
    results : results with models and their histories.
    key : ``"training_loss"``, ``"validation_loss"`` or ``"validation_top1"``.
    """
    models = [m for m in results["models"] if m["history"]]
    figure, axes = empty_figure(4.3, 3.4)
    look = styles([m["name"] for m in results["models"] if m["kind"] == "network"])
    low = high = None
    for model in models:
        runs = [[row[key] for row in run] for run in model["history"]]
        table = np.full((len(runs), max(map(len, runs))), np.nan)
        for i, run in enumerate(runs):
            table[i, : len(run)] = [math.nan if v is None else v for v in run]
        seen = ~np.isnan(table).all(axis=0)
        if not seen.any():
            continue
        epochs = np.flatnonzero(seen) + 1
        table = table[:, seen]
        style = look[model["name"]]
        axes.plot(
            epochs,
            np.nanmean(table, axis=0),
            label=model["name"],
            linewidth=1.8,
            markersize=4.5,
            markevery=max(1, len(epochs) // 8),
            **style,
        )
        if len(runs) > 1:
            axes.fill_between(
                epochs,
                np.nanmin(table, axis=0),
                np.nanmax(table, axis=0),
                color=style["color"],
                alpha=0.15,
                linewidth=0,
            )
        low = min(x for x in (low, float(np.nanmin(table))) if x is not None)
        high = max(x for x in (high, float(np.nanmax(table))) if x is not None)
    classes = len(results["models"][0]["classes"])
    title, label = CURVES[key]
    if key.endswith("top1"):
        axes.set_ylim(0, 1)
        _reference(axes, 1 / classes, f"guessing, 1 in {classes}")
    else:
        guess = math.log(classes)
        top = 1.12 * max(guess, high or 0.0)
        if low and high and high / low > 20:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_ylim(low / 1.1, top)
        else:
            axes.set_ylim(0, top)
        _reference(axes, guess, "guessing")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    longest = max((len(run) for model in models for run in model["history"]), default=1)
    axes.set_xlim(0.5 if longest < 10 else 0, longest + (0.5 if longest < 10 else 1))
    axes.set_title(title, loc="left", color=INK, fontweight="bold", fontsize=11)
    _legend(figure, axes)
    return figure


def confusion(model: dict[str, Any], colour: str = SERIES[0]) -> Figure:
    """Draw a confusion matrix: a row a true genre, shaded by the share of that genre's clips."""
    counts = np.asarray(model["confusion"], dtype=float)
    classes = model["classes"]
    k = len(classes)
    side = max(3.4, 0.4 * k + 1.9)
    figure, axes = empty_figure(side + 0.3, side)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 9.5 if k <= 10 else 7.5
    for i in range(k):
        for j in range(k):
            axes.add_patch(
                Rectangle((j, i), 1, 1, facecolor=colour, alpha=shares[i, j], linewidth=0)
            )
            axes.text(
                j + 0.5,
                i + 0.5,
                f"{counts[i, j]:,.0f}",
                ha="center",
                va="center",
                fontsize=size,
                color=PAPER if shares[i, j] > 0.8 else (INK if counts[i, j] else MUTED),
                fontweight="bold" if i == j and counts[i, j] else "normal",
            )
    axes.set_xlim(0, k)
    axes.set_ylim(k, 0)
    axes.set_aspect("equal")
    axes.set_xticks(np.arange(k) + 0.5, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(k) + 0.5, classes)
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(GRID)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(model["name"], loc="left", color=INK, fontweight="bold", fontsize=11)
    return figure


def per_class(models: Sequence[dict[str, Any]]) -> Figure:
    """Draw every model's F1 by genre as a dot plot."""
    classes = models[0]["classes"]
    figure, axes = empty_figure(6.4, 0.42 * len(classes) + 1.5)
    look = styles([m["name"] for m in models])
    for i, model in enumerate(models):
        style = look[model["name"]]
        # A little apart, so that equal values stay visible.
        offset = (i - (len(models) - 1) / 2) * min(0.22, 0.6 / len(models))
        values = [row["f1"] for row in model["per_class"]]
        axes.plot(
            values,
            np.arange(len(classes)) + offset,
            linestyle="",
            marker=style["marker"],
            color=style["color"],
            markersize=7,
            label=model["name"],
        )
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("F1")
    axes.tick_params(axis="y", length=0)
    _legend(figure, axes)
    return figure


def overfitting(models: Sequence[dict[str, Any]]) -> Figure:
    """Draw top-1 on training clips and on others, joined by the gap, a row a network."""
    figure, axes = empty_figure(6.4, 1.3 + 0.32 * len(models))
    places = np.arange(len(models))[::-1]
    for place, model in zip(places, models, strict=True):
        found = model["overfitting"]
        ends = (found["held_out_top1"], found["training_top1"])
        axes.plot(ends, (place, place), color=MUTED, linewidth=2, zorder=1)
        labels = ("held-out clips", "training clips") if place == places[0] else (None, None)
        for x, label, colour, marker in zip(ends, labels, SERIES[:2], "os", strict=True):
            axes.plot(x, place, marker, color=colour, markersize=7, label=label, linestyle="")
        axes.annotate(
            f"{found['gap']:.2f}",
            (sum(ends) / 2, place),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=MUTED,
        )
    axes.set_yticks(places, [model["name"] for model in models])
    axes.set_ylim(-0.6, len(models) - 0.3)
    axes.set_xlim(0, 1)
    axes.set_xlabel("top-1 of whole tracks; beside the line: the gap")
    _reference_x(axes, 1 / len(models[0]["classes"]))
    _legend(figure, axes)
    return figure


def _reference_x(axes: Axes, value: float) -> None:
    axes.axvline(value, color=MUTED, linewidth=1, linestyle=":")


def reliability(models: Sequence[dict[str, Any]]) -> Figure:
    """Draw how often each model is right at the confidence it states."""
    figure, axes = empty_figure(4.6, 4.8)
    look = styles([m["name"] for m in models])
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 2)))
    for model in models:
        bins = [row for row in model["reliability"] if row["n"] >= FEWEST]
        axes.plot(
            [row["confidence"] for row in bins],
            [row["accuracy"] for row in bins],
            label=model["name"],
            linewidth=1.8,
            markersize=5,
            **look[model["name"]],
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel("confidence stated")
    axes.set_ylabel("share right")
    _legend(figure, axes)
    return figure


def coverage(curves: Sequence[dict[str, Any]]) -> Figure:
    """Draw the share right against the share answered, with a dot at each threshold chosen.

    Parameters
    ----------
    curves : ``name``, ``curve`` and ``unsure`` of each model, as calibration returns them.
    """
    figure, axes = empty_figure(4.6, 4.8)
    look = styles([c["name"] for c in curves])
    for found in curves:
        style = {**look[found["name"]], "marker": ""}
        rows = found["curve"]
        shown = [row["precision"] for row in rows]
        axes.plot(
            [row["coverage"] for row in rows], shown, label=found["name"], linewidth=1.8, **style
        )
        if found["unsure"]["below"] is not None:
            axes.plot(
                found["unsure"]["coverage"],
                found["unsure"]["share_right"],
                linestyle="",
                marker=look[found["name"]]["marker"],
                color=style["color"],
                markersize=8,
            )
    # The few most certain tracks may be wrong by accident: they must not set the scale.
    wanted = curves[0]["unsure"]["precision"]
    lowest = min(row["precision"] for c in curves for row in c["curve"] if row["coverage"] >= 0.1)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(max(0, min(lowest, wanted) - 0.05), 1.01)
    _reference(axes, wanted, f"{100 * wanted:g} % right")
    axes.set_xlabel("share of tracks answered")
    axes.set_ylabel("share of the answers right")
    _legend(figure, axes)
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """Name the series under the drawing, row by row."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    # As many columns as the longest name leaves room for.
    wide = figure.get_figwidth()
    columns = max(1, min(len(labels), int(wide / (0.55 + 0.075 * max(map(len, labels))))))
    rows = -(-len(labels) // columns)
    # matplotlib fills columns first; people read rows first.
    order = [r * columns + c for c in range(columns) for r in range(rows)]
    order = [i for i in order if i < len(labels)]
    figure.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        labelcolor=INK,
        handlelength=2.6,
        columnspacing=1.4,
        fontsize=9.5,
    )


def _reference(axes: Axes, value: float, text: str) -> None:
    axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    axes.annotate(
        text,
        (1, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=MUTED,
    )


def empty_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure in the house's look; no global state of matplotlib is touched."""
    figure = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor(PAPER)
    axes.set_axisbelow(True)
    axes.grid(True, color=GRID, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=9.5, color=MUTED)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes
