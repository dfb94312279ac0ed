"""`wavemel explain`: why a network answers as it does, and what it confuses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands import options as o


def explain(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Audio files; run folders with --mistakes.", show_default=False
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="RUN",
            help="Run folder, or name or path of a model that was exported with its weights "
            "[default: as for 'wavemel classify'].",
        ),
    ] = None,
    mistakes: Annotated[
        bool,
        typer.Option(
            "--mistakes",
            help="Explain the most confident mistakes of a run (or of the folds of one model), and "
            "write a page of what it confuses.",
        ),
    ] = False,
    genre: Annotated[
        str | None,
        typer.Option("--genre", "-g", help="Explain this genre [default: the model's answer]."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="GENRE", help="Explain what speaks for it rather than for this one."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder of pictures and numbers [default: explained; none with --mistakes]."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help="integrated-gradients, or grad-cam: fast, but coarse."),
    ] = "integrated-gradients",
    steps: Annotated[
        int, typer.Option(help="Steps of the integral: more come closer, and take longer.", min=1)
    ] = 50,
    limit: Annotated[
        float | None,
        typer.Option(metavar="S", help="Read no more than the first S seconds of a file."),
    ] = None,
    split: Annotated[str, typer.Option(help="With --mistakes: test or validation.")] = "test",
    worst: Annotated[int, typer.Option(help="With --mistakes: how many to explain.", min=0)] = 12,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files of the same name.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, ...")] = "cpu",
) -> None:
    """Show which moments and frequencies of a file speak for a model's answer, and which against.

    Each file gives a picture (.png) and numbers (.json). Exit codes are those of
    'wavemel classify': 0 when all went well, 1 when some files failed, 2 when the
    call was wrong.

    Examples:

      wavemel explain song.mp3 --model runs/mel

      wavemel explain song.mp3 --model runs/mel --genre rock --against pop

      wavemel explain --mistakes runs/mel-fold* --to mistakes
    """
    o.need_training()
    import importlib.util

    from wavemel.commands.explaining import Request, run
    from wavemel.errors import MissingExtraError

    if importlib.util.find_spec("captum") is None:
        raise MissingExtraError("explain", "wavemel explain")
    request = Request(
        names=tuple(files),
        model=model,
        mistakes=mistakes,
        genre=genre,
        against=against,
        to=to,
        method=method,
        steps=steps,
        limit=limit,
        split=split,
        worst=worst,
        replace=replace,
        device=device,
    )
    raise typer.Exit(run(request))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)
