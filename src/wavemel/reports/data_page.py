"""A data set as a page: its figures, a picture of its balance, and a mel spectrogram a genre."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure

from wavemel.data.info import Info
from wavemel.errors import DataError
from wavemel.reports.document import (
    Bullets,
    Cell,
    Chart,
    Charts,
    Document,
    Part,
    Section,
    Table,
    Text,
)
from wavemel.reports.html import render_html
from wavemel.reports.markdown import render_markdown
from wavemel.reports.svg import GRID, INK, MUTED, PAPER, SERIES, plain_text, to_svg, write_figure
from wavemel.whole import write_text

SUFFIXES = (".html", ".md", ".png", ".svg")
#: Thumbnails drawn at most: a folder of a hundred genres would give an unreadable wall.
MOST_MELS = 24
MOST_LICENCES = 20
MOST_LEFT_OUT = 200
#: Decibels below the loudest point at which a thumbnail is black.
RANGE_DB = 70.0
BALANCE_WIDTH, MELS_WIDTH = 6.4, 9.0


@dataclass(frozen=True)
class Thumbnail:
    """A mel spectrogram: ``mel`` is (bands, frames) in dB, over ``seconds`` of the clip."""

    genre: str
    title: str
    mel: np.ndarray
    seconds: float


def write_page(info: Info, thumbnails: list[Thumbnail], out: Path) -> list[Path]:
    """Write a data set's page to ``out``: .html (one file), .md (with figures/), .png or .svg (the pictures).

    Raises
    ------
    DataError
        Another suffix, or a folder that is not there.
    """
    check_page(out)
    suffix = out.suffix.lower()
    if suffix in (".png", ".svg"):
        write_figure(_both(info, thumbnails), out, info.name, _balance_words(info))
        return [out]
    document = data_document(info, thumbnails)
    if suffix == ".html":
        return [write_text(out, render_html(document))]
    folder = out.parent / "figures"
    folder.mkdir(exist_ok=True)
    drawn = [write_text(folder / f"{chart.name}.svg", chart.svg) for chart in document.charts()]
    return [write_text(out, render_markdown(document)), *drawn]


def check_page(out: Path) -> None:
    """Raise DataError early where a page cannot be written."""
    if out.suffix.lower() not in SUFFIXES:
        raise DataError(f"{out}: the name of a data set's page ends in {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise DataError(f"{out}: there is no folder {out.parent}")


def data_document(info: Info, thumbnails: list[Thumbnail]) -> Document:
    """Return a data set's page as plain parts."""
    banners = []
    if info.synthetic:
        banners.append(("Synthetic", "This audio was made by a program; no musician played it."))
    # The key of the first chapter is where the page's skip link leads.
    sections = [
        Section("results", "Genres", [Charts([_balance_chart(info)]), genre_table(info)]),
        Section(
            "audio",
            "Audio",
            [
                status_table(info),
                _values("Sample rates", "rate", info.rates),
                _values("Channels", "channels", info.channels),
            ],
        ),
    ]
    if thumbnails:
        chart = Chart(
            "data-mels",
            _mel_words(thumbnails),
            to_svg(_mels(thumbnails), "data-mels", "A clip of each genre", _mel_words(thumbnails)),
            MELS_WIDTH,
        )
        sections.append(Section("mels", "What a clip of each genre looks like", [Charts([chart])]))
    origin: list[Part] = [Text(_split_words(info))]
    if info.licences:
        origin.append(_values("Licences", "licence", info.licences, MOST_LICENCES))
    if info.notes:
        origin.append(Bullets(list(info.notes)))
    sections.append(Section("origin", "Split, artists, licences", origin))
    if len(info.left_out):
        sections.append(Section("left-out", "Left out", [left_out_table(info)]))
    return Document(
        title=info.name,
        headline=f"{info.usable:,} usable clips of {len(info.genres)} genres, {info.hours:,.1f} hours",
        details=[f"{info.clips - info.usable:,} of {info.clips:,} clips are left out by rule"],
        banners=banners,
        facts=[
            ("clips", f"{info.usable:,}"),
            ("hours", f"{info.hours:,.1f}"),
            ("genres", str(len(info.genres))),
            ("artists", f"{info.artists:,}" if info.artists else "not known"),
            ("length", f"{info.lengths[1]:.1f} s (middle nine tenths {info.lengths[0]:.1f}-{info.lengths[2]:.1f})"),
        ],
        sections=sections,
        footer="Counted by wavemel data info.",
    )  # fmt: skip


def genre_table(info: Info) -> Table:
    """Return clips by genre and split, hours and artists."""
    columns = (*info.sides, "left out", "hours", "artists")
    rows = [
        [Cell(str(genre)), *(Cell(_number(row[c])) for c in columns)]
        for genre, row in info.genres.iterrows()
    ]
    total = info.genres[list(columns)].sum()
    total["artists"] = info.artists
    rows.append(
        [Cell("all", strong=True), *(Cell(_number(total[c]), strong=True) for c in columns)]
    )
    return Table("Usable clips, by genre", ("genre", *columns), rows, numeric=frozenset(columns))


def _number(value: float) -> str:
    return f"{value:,.2f}" if isinstance(value, float) and value % 1 else f"{int(value):,}"


def status_table(info: Info) -> Table:
    """Return clips and hours by status."""
    rows = [
        [Cell(str(status)), Cell(f"{int(row['clips']):,}"), Cell(f"{row['hours']:,.2f}")]
        for status, row in info.statuses.iterrows()
    ]
    return Table(
        "Clips by status", ("status", "clips", "hours"), rows, frozenset({"clips", "hours"})
    )


def _values(caption: str, name: str, counts: dict[str, int], most: int = 12) -> Table:
    rows = [[Cell(value), Cell(f"{count:,}")] for value, count in list(counts.items())[:most]]
    rest = list(counts.values())[most:]
    note = f"{len(rest)} more, of {sum(rest):,} clips." if rest else ""
    return Table(caption, (name, "clips"), rows, frozenset({"clips"}), note)


def left_out_table(info: Info) -> Table:
    """Return the clips that are left out, and why."""
    shown = info.left_out.head(MOST_LEFT_OUT)
    rows = [
        [Cell("" if value is None or value is not value else str(value)) for value in row]
        for row in shown[["path", "status", "reason"]].astype(object).itertuples(index=False)
    ]
    more = len(info.left_out) - len(shown)
    note = f"{more:,} more: 'wavemel data scan --all' lists them." if more else ""
    title = f"Clips left out ({len(info.left_out):,})"
    return Table(title, ("clip", "status", "reason"), rows, note=note, folded=len(rows) > 20)


def _split_words(info: Info) -> str:
    if not info.split_origin:
        return "The data give no split: training draws one that keeps artists apart where they are known."
    return f"The data give a split ({info.split_origin}). {info.leak}".strip()


def _balance_words(info: Info) -> str:
    counts = info.genres[list(info.sides)].sum(axis=1)
    if counts.empty or not counts.max():
        return "No genre has usable clips"
    least, most = counts.idxmin(), counts.idxmax()
    if counts.min() == counts.max():
        return f"Every genre has {int(counts.max()):,} usable clips"
    return (
        f"Usable clips by genre and split: {most} has most ({int(counts[most]):,}), "
        f"{least} fewest ({int(counts[least]):,})"
    )


def _mel_words(thumbnails: list[Thumbnail]) -> str:
    first = thumbnails[0]
    return (
        f"Mel spectrogram of one clip a genre, {first.seconds:.0f} s from its middle, low bands below, "
        f"{RANGE_DB:.0f} dB from white to black"
    )


def _balance_chart(info: Info) -> Chart:
    figure = Figure(
        figsize=(BALANCE_WIDTH, _balance_height(info)), facecolor=PAPER, layout="constrained"
    )
    _draw_balance(figure, info)
    words = _balance_words(info)
    return Chart(
        "data-balance",
        words,
        to_svg(figure, "data-balance", "Clips by genre", words),
        BALANCE_WIDTH,
    )


def _balance_height(info: Info) -> float:
    return 1.1 + 0.26 * max(len(info.genres), 3)


def _draw_balance(figure: Figure | SubFigure, info: Info) -> None:
    axes = figure.add_subplot()
    axes.set_facecolor(PAPER)
    genres = [str(genre) for genre in info.genres.index]
    left = np.zeros(len(genres))
    # Lightness too tells the splits apart, and what is left out is an outline.
    for i, column in enumerate(info.sides):
        counts = info.genres[column].to_numpy(float)
        axes.barh(
            genres, counts, left=left, color=SERIES[i % len(SERIES)], label=column, height=0.72
        )
        left += counts
    lost = info.genres["left out"].to_numpy(float)
    if lost.any():
        axes.barh(
            genres, lost, left=left, label="left out", height=0.72,
            facecolor="none", edgecolor=MUTED, linewidth=0.8, linestyle=":",
        )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlabel("clips", color=INK)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, color=MUTED)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
    figure.legend(loc="outside lower left", ncols=5, frameon=False, labelcolor=INK, fontsize=9)


def _mel_rows(thumbnails: list[Thumbnail]) -> int:
    return -(-len(thumbnails) // 4)


def _mels(thumbnails: list[Thumbnail]) -> Figure:
    height = 1.55 * _mel_rows(thumbnails)
    figure = Figure(figsize=(MELS_WIDTH, height), facecolor=PAPER, layout="constrained")
    _draw_mels(figure, thumbnails)
    return figure


def _draw_mels(figure: Figure | SubFigure, thumbnails: list[Thumbnail]) -> None:
    rows = _mel_rows(thumbnails)
    for i, thumbnail in enumerate(thumbnails):
        axes = figure.add_subplot(rows, 4, i + 1)
        top = float(thumbnail.mel.max())
        axes.imshow(
            thumbnail.mel, origin="lower", aspect="auto", cmap="magma",
            vmin=top - RANGE_DB, vmax=top, interpolation="antialiased",
        )  # fmt: skip
        axes.set_title(plain_text(thumbnail.genre, 22), loc="left", fontsize=9.5, color=INK, pad=3)
        axes.set_xlabel(plain_text(thumbnail.title, 30), fontsize=7.5, color=MUTED)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)


def _both(info: Info, thumbnails: list[Thumbnail]) -> Figure:
    """Return balance and thumbnails in one picture."""
    heights = [_balance_height(info), max(0.1, 1.55 * _mel_rows(thumbnails))]
    figure = Figure(figsize=(MELS_WIDTH, sum(heights)), facecolor=PAPER, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    for part in parts:
        part.set_facecolor(PAPER)
    _draw_balance(parts[0], info)
    if thumbnails:
        _draw_mels(parts[1], thumbnails)
    return figure
