"""`wavemel data`: look through a data set, split it, and keep house in the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands.console import table
from wavemel.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    from wavemel.data.table import Corpus

#: Other modules of this package add their commands to it.
data_app = typer.Typer(
    no_args_is_help=True, help="Data sets: look through them, split them; and the cache."
)

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="'demo', a folder with one folder a genre, or a table (.csv, .tsv, .parquet) "
        "with the columns path and genre.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that decode (default: one a core).", min=0)
]
MinSeconds = Annotated[
    float | None, typer.Option(metavar="S", help="Leave shorter clips out (default: 2).", min=0.0)
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file that --out names.")]
SHOWN = 20


@data_app.command()
def scan(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the table, with what was found, to this .csv, .tsv or .parquet."),
    ] = None,
    workers: Workers = None,
    min_seconds: MinSeconds = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"List all clips that are left out, not {SHOWN}.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Decode every file again and remember nothing.")
    ] = False,
    force: Force = False,
) -> None:
    """Decode every file, and say which clips can be used and why the others cannot.

    A clip is left out when it is unreadable (missing, damaged, no audio), short,
    silent, unlabelled, or a duplicate (the same samples as a clip before it). Findings are
    remembered: a scan that was stopped continues, and a second one takes no time.
    Exit code 0, whatever was left out.

    Example: wavemel data scan music/ --out music.parquet
    """
    _need_pandas()
    from wavemel.data.scan import left_out
    from wavemel.data.sources.table_file import check_out, write_table

    if out is not None:
        check_out(out, force=force)
    corpus = _scanned(data, workers, min_seconds, cache=not no_cache)
    _show_statuses(corpus)
    rest = left_out(corpus.table)
    if len(rest):
        shown = rest if everything else rest.head(SHOWN)
        columns = ("path", "status", "reason")
        typer.echo()
        table("Left out", columns, shown[list(columns)].itertuples(index=False))
        if len(shown) < len(rest):
            typer.echo(f"... and {len(rest) - len(shown)} more: --all lists them")
    odd = corpus.table[(corpus.table["status"] == "ok") & corpus.table["reason"].notna()]
    if len(odd):
        typer.echo()
        table(
            "Used, but odd",
            ("path", "what"),
            odd[["path", "reason"]].head(None if everything else SHOWN).itertuples(index=False),
        )
    for note in corpus.notes:
        typer.echo(f"note: {note}")
    if out is not None:
        typer.echo(f"table: {write_table(corpus.table, out, force=force)}")


@data_app.command()
def split(
    data: Data,
    out: Annotated[
        Path, typer.Option(help="Write the table, with its split, to this .csv, .tsv or .parquet.")
    ],
    how: Annotated[
        str,
        typer.Option(
            help="auto, given, official, stratified (80/10/10 by genre), artist (the same, no "
            "artist on two sides) or folds (no artist in two). 'auto' takes what the data give, "
            "else keeps artists apart, else draws by genre."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of a drawn split.", min=0)] = 0,
    folds: Annotated[int, typer.Option(help="How many folds --how folds draws.", min=3)] = 5,
    test_fold: Annotated[
        int | None, typer.Option(help="Fold that tests (default: the last).")
    ] = None,
    validation_fold: Annotated[
        int | None, typer.Option(help="Fold that validates (default: the one before).")
    ] = None,
    workers: Workers = None,
    min_seconds: MinSeconds = None,
    force: Force = False,
) -> None:
    """Scan a data set and split it into training, validation and test.

    Says how many clips of each genre stand where, and whether an artist, album or
    recording stands on two sides. Clips that cannot be used are not in the table.

    Example: wavemel data split music/ --how artist --out split.csv
    """
    _need_pandas()
    from wavemel.data.scan import usable
    from wavemel.data.sources.table_file import check_out, write_table
    from wavemel.data.splits import SplitChoice, leak_check, make_folds, make_split

    check_out(out, force=force)
    corpus = _scanned(data, workers, min_seconds)
    rows = usable(corpus.table)
    choice = SplitChoice(how, seed, test_fold, validation_fold, folds)
    made, description = make_split(corpus, rows, choice)
    if how == "folds":
        made = made.assign(fold=make_folds(rows, folds, seed)["fold"])
    _show_sides(made)
    typer.echo(description)
    report = leak_check(made)
    # A leak has been said already, as a warning.
    if not report.leaks:
        typer.echo(report.sentence())
    if len(rows) < len(corpus.table):
        typer.echo(
            f"{len(corpus.table) - len(rows)} of {len(corpus.table)} clips cannot be used: "
            "'wavemel data scan' says why"
        )
    typer.echo(f"table: {write_table(made, out, force=force)}")


@data_app.command()
def cache(
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="Remove a part, or 'all'; may be repeated."),
    ] = None,
) -> None:
    """Show what the cache holds, or clear it; whatever is removed is made again when needed.

    The cache lies in $WAVEMEL_CACHE, or in the platform's folder for caches.
    """
    _need_pandas()
    from wavemel.data.cache import cache_parts, clear_cache

    if clear:
        clear_cache(*([] if "all" in clear else clear))
    parts = cache_parts()
    rows = [(p.name, p.files, f"{p.bytes / 2**20:,.1f}", p.path) for p in parts]
    table("", ("part", "files", "MiB", "where"), rows)


def _need_pandas() -> None:
    try:
        import pandas  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("train", "'wavemel data'") from error


def _scanned(
    data: str, workers: int | None, min_seconds: float | None, *, cache: bool = True
) -> Corpus:
    from wavemel.data.scan import MIN_SECONDS
    from wavemel.data.scan import scan as scan_corpus
    from wavemel.data.sources import open_corpus

    if min_seconds is None:
        min_seconds = MIN_SECONDS
    return scan_corpus(open_corpus(data), workers=workers, min_seconds=min_seconds, cache=cache)


def _show_statuses(corpus: Corpus) -> None:
    from wavemel.data.table import STATUSES

    found = corpus.table
    rows = []
    for status in STATUSES:
        some = found[found["status"] == status]
        if len(some):
            rows.append((status, len(some), f"{some['seconds'].fillna(0).sum() / 3600:,.2f}"))
    rows.append(("total", len(found), f"{found['seconds'].fillna(0).sum() / 3600:,.2f}"))
    table(f"{corpus.name}: {len(corpus.classes)} genres", ("status", "clips", "hours"), rows)


def _show_sides(made: pd.DataFrame) -> None:
    import pandas as pd

    from wavemel.data.table import SPLITS

    counts = pd.crosstab(made["genre"], made["split"]).reindex(columns=list(SPLITS), fill_value=0)
    rows = [(genre, *map(int, row), int(sum(row))) for genre, row in counts.T.items()]
    rows.append(("total", *(int(counts[side].sum()) for side in SPLITS), len(made)))
    table("", ("genre", *SPLITS, "total"), rows)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(data_app, name="data")
