"""`wavemel classify`: any file, any length, a whole library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands.classifying import Request

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH...",
        help="Files, folders (with all below), patterns ('music/**/*.mp3'), zip members "
        "(a.zip!/b.mp3), or - for audio on standard input. Without any, a list of paths is read "
        "from standard input: one a line, or separated by NUL bytes.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Name or path of an exported model [default: $WAVEMEL_MODEL, else the one that comes "
        "with wavemel, else your only one].",
    ),
]
Whole = Annotated[bool, typer.Option("--whole", help="Read every file from beginning to end.")]
Seconds = Annotated[
    float | None,
    typer.Option(metavar="S", help="Read about S seconds of every file, spread over it."),
]
Tolerance = Annotated[
    float,
    typer.Option(metavar="T", help="How far a probability may be from what --whole would give."),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Call an answer unsure where its probability is below P [default: the model's own "
        "threshold].",
        min=0,
        max=1,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "--jobs", "-j", help="Processes [default: one a core].", min=1),
]


def classify(
    paths: Paths = None,
    model: Model = None,
    top: Annotated[
        int | None, typer.Option(help="Genres a file [default: all; 3 in a table].", min=1)
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Show every window that was read, too.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="table|json|jsonl|csv|parquet",
            help="Form of the results [default: by the ending of --out, else table].",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Keep results in FILE. Run again, it goes on where it stopped (even after a "
            "crash) and does changed files again; FILE.state is its memory. - is standard output.",
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="With --out: drop results of files that are gone from the folders given.",
        ),
    ] = False,
    workers: Workers = None,
    seconds: Seconds = None,
    whole: Whole = False,
    tolerance: Tolerance = Request.tolerance,
    min_confidence: MinConfidence = None,
) -> None:
    """Tell the genre of audio files.

    By default it reads as few windows, spread over each file, as give every
    genre's probability within --tolerance of what reading the --whole file would
    give, with 95 % confidence. Where two genres are level, which one leads may differ.

    Formats: MP3, WAV, FLAC, Ogg (Vorbis, Opus), AIFF and others of libsndfile; with the
    extra av, M4A, WMA and what else FFmpeg reads. What a file is goes by its content;
    in folders, only names that end as audio does are looked at.

    Limits: any length; rates from 1,000 to 1,000,000 Hz. Silence has no genre. An
    answer is unsure where a file is much shorter than what the model hears at a
    time, or recorded at half the model's rate or less.

    It exits 0 when all went well, 1 when some files failed (each has a row that
    says why), 2 when the call was wrong.

    Examples:

      wavemel classify song.mp3

      wavemel classify music/ --out genres.csv

      find music -name '*.flac' -print0 | wavemel classify --format jsonl
    """
    from wavemel.commands.classifying import run

    request = Request(
        paths=tuple(paths or ()),
        model=model,
        top=top,
        timeline=timeline,
        form=form,
        out=out,
        prune=prune,
        workers=workers,
        seconds=seconds,
        whole=whole,
        tolerance=tolerance,
        min_confidence=min_confidence,
    )
    raise typer.Exit(run(request))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classify")(classify)
