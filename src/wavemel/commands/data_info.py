"""`wavemel data info`: what a data set holds, in figures and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands.console import table
from wavemel.commands.data import Data, MinSeconds, Workers, data_app

if TYPE_CHECKING:
    from wavemel.data.info import Info
    from wavemel.data.table import Corpus
    from wavemel.reports.data_page import Thumbnail
    from wavemel.reports.document import Table


def info(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with pictures to this .html or .md, or the pictures alone to this .png or .svg."
        ),
    ] = None,
    workers: Workers = None,
    min_seconds: MinSeconds = None,
) -> None:
    """Scan a data set and show its counts by genre, split and status, its hours, rates, artists and licences.

    With --out it also draws the balance of genres and a mel spectrogram a genre.

    Example: wavemel data info fma-small --out fma-small.html
    """
    from wavemel.commands.options import need_training

    need_training()
    from wavemel.data.info import describe
    from wavemel.data.scan import MIN_SECONDS, scan
    from wavemel.data.sources import open_corpus
    from wavemel.reports.data_page import check_page, write_page

    if out is not None:
        out = out.expanduser().absolute()
        check_page(out)
    shortest = MIN_SECONDS if min_seconds is None else min_seconds
    corpus = scan(open_corpus(data), workers=workers, min_seconds=shortest)
    facts = describe(corpus)
    _show(facts)
    if out is not None:
        for path in write_page(facts, _thumbnails(corpus), out):
            typer.echo(f"written: {path}")


def _show(facts: Info) -> None:
    from wavemel.reports.data_page import MOST_LICENCES, genre_table, status_table

    typer.echo(
        f"{facts.name}: {facts.usable:,} usable clips of {facts.clips:,}, {facts.hours:,.2f} hours, "
        f"{len(facts.genres)} genres, {facts.artists:,} artists, {facts.albums:,} albums"
    )
    if facts.synthetic:
        typer.echo("synthetic: this audio was made by a program")
    for part in (genre_table(facts), status_table(facts)):
        typer.echo()
        _print(part)
    for name, counts in (
        ("rate", facts.rates),
        ("channels", facts.channels),
        ("licence", facts.licences),
    ):
        if counts:
            typer.echo()
            table("", (name, "clips"), list(counts.items())[:MOST_LICENCES])
    typer.echo()
    if facts.leak:
        typer.echo(f"split: {facts.split_origin}. {facts.leak}")
    for note in facts.notes:
        typer.echo(f"note: {note}")


def _print(part: Table) -> None:
    table(part.caption, part.columns, [[cell.text for cell in row] for row in part.rows])


def _thumbnails(corpus: Corpus) -> list[Thumbnail]:
    from wavemel.data.info import examples
    from wavemel.features.thumbnail import mel_thumbnail
    from wavemel.progress import track
    from wavemel.reports.data_page import MOST_MELS, Thumbnail

    chosen = examples(corpus).head(MOST_MELS)
    made = []
    for row in track(chosen.itertuples(), "drawing", len(chosen), unit="genres"):
        mel, seconds = mel_thumbnail(str(row.path))
        known = [str(text) for text in (row.artist, row.title) if isinstance(text, str)]
        title = " - ".join(known) or str(row.path).rsplit("/", 1)[-1]
        made.append(Thumbnail(str(row.genre), title, mel, seconds))
    return made


def register(app: typer.Typer) -> None:
    """Add ``info`` to the group ``data``."""
    data_app.command("info")(info)
