"""Block diagrams of networks: as text, and as the drawings of the paper's figures 1-3."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wavemel.reports.svg import INK, MUTED, PAPER, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wavemel.networks.describe import Block

# All in inches: the drawing's scale is that of the page.
_WIDTH, _LINE, _PAD, _GAP, _LANE, _MARGIN = 3.2, 0.185, 0.1, 0.36, 3.65, 0.18
_WRAP = 44
_HARD = "\u00a0"


def layer_lines(layers: Sequence[str]) -> list[str]:
    """Return a block's layers as lines: each convolution or dense layer begins one, equal ones are counted."""
    lines: list[list[str]] = []
    for layer, same in groupby(layers):
        count = len(list(same))
        text = f"{count} × {layer}" if count > 1 else layer
        if lines and not _has_weights(layer):
            lines[-1].append(text)
        else:
            lines.append([text])
    return [" · ".join(line) for line in lines]


def text_diagram(blocks: Sequence[Block]) -> str:
    """Return a block diagram as text, its links drawn as those of a version history.

    Every block stands on a line of its own, with its layers and the shape it
    puts out; ``├─╮`` is where paths part, ``├─╯`` where they join.
    """
    users: dict[int, list[int]] = defaultdict(list)
    for i, block in enumerate(blocks):
        for source in block.inputs:
            users[source].append(i)
    # A lane is a link on its way down: the block that it leads to, or None where the lane is free.
    lanes: list[int | None] = []
    rows: list[tuple[str, str, str]] = []
    for i, block in enumerate(blocks):
        mine = [lane for lane, to in enumerate(lanes) if to == i]
        if not mine:
            mine = [_free(lanes, 0)]
            lanes[mine[0]] = i
        column, *others = mine
        if others:
            rows.append((_joint(lanes, column, others, "╯"), "", ""))
            for lane in others:
                lanes[lane] = None
        dots = [
            ("●" if n == column else ("│" if to is not None else " ")) for n, to in enumerate(lanes)
        ]
        layers = " · ".join(layer_lines(block.layers))
        label = f"{block.name}: {layers}" if block.kind == "layers" else layers
        rows.append((" ".join(dots), label, " × ".join(f"{n:,}" for n in block.output_shape)))
        next_ones = users[i]
        lanes[column] = next_ones[0] if next_ones else None
        opened = []
        for user in next_ones[1:]:
            lane = _free(lanes, column + 1)
            lanes[lane] = user
            opened.append(lane)
        if opened:
            rows.append((_joint(lanes, column, opened, "╮"), "", ""))
    left = max(len(graph) for graph, _, _ in rows)
    middle = max(len(label) for _, label, _ in rows)
    return "\n".join(
        f"{graph:<{left}}  {label:<{middle}}  {shape}".rstrip() for graph, label, shape in rows
    )


def architecture(blocks: Sequence[Block], title: str = "") -> Figure:
    """Draw a network's blocks from top to bottom; a skip runs beside the blocks it passes.

    Parameters
    ----------
    blocks : as `wavemel.networks.describe.block_diagram` returns.
    title : shown above, if any.
    """
    from matplotlib.figure import Figure

    texts = [_box_text(block) for block in blocks]
    heights = [2 * _PAD + _LINE * len(lines) for lines in texts]
    places, height = _layout(blocks, heights)
    lanes = [x for x, _ in places]
    top = _MARGIN + (0.3 if title else 0)
    left = _MARGIN + _WIDTH / 2 - min(lanes) * _LANE
    width = (max(lanes) - min(lanes)) * _LANE + _WIDTH + 2 * _MARGIN + 0.45
    height += top + _MARGIN
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    if title:
        axes.text(
            _MARGIN, _MARGIN + 0.05, title, fontsize=11, fontweight="bold", color=INK, va="center"
        )
    boxes = [(left + x * _LANE, top + y, h) for (x, y), h in zip(places, heights, strict=True)]
    for i, block in enumerate(blocks):
        for source in block.inputs:
            between = [b for n, b in enumerate(boxes) if source < n < i]
            _link(axes, boxes[source], boxes[i], between)
    for block, lines, box in zip(blocks, texts, boxes, strict=True):
        _box(axes, block, lines, box)
    return figure


Box = tuple[float, float, float]  # centre, top, height


def _has_weights(layer: str) -> bool:
    return layer.startswith(("conv ", "depthwise conv ", "dense "))


def _free(lanes: list[int | None], start: int) -> int:
    """Return the first free lane from ``start`` on, made if there is none."""
    for lane in range(start, len(lanes)):
        if lanes[lane] is None:
            return lane
    lanes.append(None)
    return len(lanes) - 1


def _joint(lanes: list[int | None], column: int, others: list[int], end: str) -> str:
    """Return the line on which other lanes leave or reach the one in ``column``."""
    last, middle = max(others), {"╯": "┴", "╮": "┬"}[end]
    characters = []
    for lane in range(len(lanes)):
        busy = lanes[lane] is not None
        if lane == column:
            characters.append("├")
        elif lane in others:
            characters.append(end if lane == last else middle)
        elif column < lane < last:
            characters.append("┼" if busy else "─")
        else:
            characters.append("│" if busy else " ")
        characters.append("─" if column <= lane < last else " ")
    return "".join(characters).rstrip()


def _box_text(block: Block) -> list[str]:
    lines = []
    for line in layer_lines(block.layers):
        # Only before a dot may a line break; the dot itself is then dropped.
        whole = line.replace(" ", _HARD).replace(f"{_HARD}·{_HARD}", f" ·{_HARD}")
        lines += [part.removeprefix(f"·{_HARD}") for part in textwrap.wrap(whole, _WRAP)]
    if block.parameters:
        lines.append(f"{block.parameters:,} parameters")
    return lines


def _layout(
    blocks: Sequence[Block], heights: Sequence[float]
) -> tuple[list[tuple[float, float]], float]:
    """Return each block's lane (blocks side by side are 1 apart) and top, and the height of all."""
    depths: list[int] = []
    for block in blocks:
        depths.append(max((depths[i] + 1 for i in block.inputs), default=0))
    lanes: list[float] = [0.0] * len(blocks)
    tops: list[float] = [0.0] * len(blocks)
    for depth in range(max(depths) + 1):
        row = [i for i, d in enumerate(depths) if d == depth]
        wanted = {
            i: sum(lanes[s] for s in blocks[i].inputs) / len(blocks[i].inputs)
            if blocks[i].inputs
            else float(row.index(i))
            for i in row
        }
        placed: list[float] = []
        for i in sorted(row, key=lambda i: wanted[i]):
            lanes[i] = max(wanted[i], placed[-1] + 1) if placed else wanted[i]
            placed.append(lanes[i])
            above = [tops[s] + heights[s] for s in blocks[i].inputs]
            tops[i] = max(above) + _GAP if above else 0.0
    places = list(zip(lanes, tops, strict=True))
    return places, max(top + h for top, h in zip(tops, heights, strict=True))


def _box(axes: Axes, block: Block, lines: list[str], box: Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, top, height = box
    kinds = [line.split(" ")[0] for line in block.layers]
    colour = MUTED
    if any(k in ("conv", "depthwise") for k in kinds):
        colour = SERIES[0]
    elif "dense" in kinds:
        colour = SERIES[2]
    elif block.kind == "join":
        colour = SERIES[1]
    shape: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.07", "mutation_aspect": 1}
    corner = (x - _WIDTH / 2, top)
    axes.add_patch(
        FancyBboxPatch(corner, _WIDTH, height, facecolor=PAPER, edgecolor="none", **shape)
    )
    axes.add_patch(
        FancyBboxPatch(
            corner, _WIDTH, height, facecolor=colour, alpha=0.13, edgecolor="none", **shape
        )
    )
    axes.add_patch(
        FancyBboxPatch(
            corner, _WIDTH, height, facecolor="none", edgecolor=colour, linewidth=1.1, **shape
        )
    )
    for n, line in enumerate(lines):
        small = line.endswith(" parameters")
        axes.text(
            x,
            top + _PAD + _LINE * (n + 0.5),
            line,
            ha="center",
            va="center",
            fontsize=8 if small else 9,
            color=MUTED if small else INK,
        )
    if block.kind != "output":
        shown = " × ".join(f"{n:,}" for n in block.output_shape)
        axes.text(
            x + 0.1, top + height + 0.13, shown, fontsize=8, color=MUTED, va="center", ha="left"
        )


def _link(axes: Axes, source: Box, target: Box, between: list[Box]) -> None:
    from matplotlib.patches import FancyArrowPatch, PathPatch
    from matplotlib.path import Path

    line: dict[str, Any] = {"edgecolor": MUTED, "linewidth": 1.1}
    arrow: dict[str, Any] = {
        "arrowstyle": "-|>,head_length=4,head_width=2.2",
        "facecolor": MUTED,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    x, y = source[0], source[1] + source[2]
    to, end = target[0], target[1]
    if any(abs(b[0] - x) < 0.5 and b[1] > y - 0.01 and b[1] < end for b in between):
        # The straight way leads through other blocks: pass them on the right, come in from the side.
        side = x + _WIDTH / 2 + 0.3
        middle = end + target[2] / 2
        points = [(x, y + 0.22), (side, y + 0.22), (side, middle)]
        axes.add_patch(PathPatch(Path(points), facecolor="none", **line))
        axes.add_patch(FancyArrowPatch((side, middle), (to + _WIDTH / 2, middle), **line, **arrow))
    elif abs(x - to) < 1e-6:
        axes.add_patch(FancyArrowPatch((x, y), (to, end), **line, **arrow))
    else:
        turn = end - 0.14
        axes.add_patch(PathPatch(Path([(x, y), (x, turn), (to, turn)]), facecolor="none", **line))
        axes.add_patch(FancyArrowPatch((to, turn), (to, end), **line, **arrow))
