"""`wavemel ablate`: what each part of a recipe is worth."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands import options as o


def ablate(
    data: o.Data = "demo",
    config_set: Annotated[
        str, typer.Option(help="Folder of configs, or a shipped set: each config is a row.")
    ] = "ablation",
    reference: Annotated[
        str,
        typer.Option(
            help="Configs that the others are compared with, separated by commas: "
            "each with the one from which it changes least."
        ),
    ] = "full,plain",
    rows: Annotated[
        str, typer.Option(help="Configs to train now, separated by commas (default: all).")
    ] = "",
    to: Annotated[
        Path | None, typer.Option(help="Folder of runs and table (default: reports/DATA-SET).")
    ] = None,
    cross_validate: Annotated[
        bool,
        typer.Option(
            "--cross-validate", help="Let every fold validate once, and pool: the better table."
        ),
    ] = False,
    seeds: o.Seeds = None,
    gaps: o.Gaps = False,
    changes: o.Set = None,
    split: o.Split = "auto",
    split_seed: o.SplitSeed = 0,
    test_fold: o.TestFold = None,
    workers: o.Workers = None,
    no_cache: o.NoCache = False,
    accelerator: o.Accelerator = "auto",
    devices: o.Devices = "auto",
    nodes: o.Nodes = 1,
    loggers: o.Loggers = [],  # noqa: B006 - typer reads it, nothing changes it
    compiled: o.Compile = False,
) -> None:
    """Train every config of a folder and say what each part is worth, on validation clips.

    The shipped set 'ablation' is the recipe of the strong networks without each of
    its parts ('minus', compared with 'full'), and each part alone (compared with
    'plain'). The table holds whatever is finished in --to: run
    again with --rows and more --seeds to look closer at the rows that matter. Test
    clips are never looked at.

    Examples:

      wavemel ablate --data music.csv --cross-validate

      wavemel ablate --data music.csv --cross-validate --rows full,minus-mixup --seeds 0,1,2
    """
    o.need_training()
    from wavemel.ablation import ablate as run_ablation
    from wavemel.reports.ablation import ablation_document
    from wavemel.reports.write import write_document
    from wavemel.reproduce import Plan

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = to or Path("reports") / f"{o.short_name(data)}-{Path(config_set).name}"
    plan = Plan(
        data=data,
        configs=config_set,
        to=folder,
        split=o.split_choice(split, split_seed, test_fold),
        folds="all" if cross_validate else "one",
        seeds=o.seed_numbers(seeds),
        changes=tuple(changes or ()),
        baselines=(),
        cache=not no_cache,
        workers=workers,
        command=o.this_command(),
        name_seeds=True,
    )
    results = run_ablation(
        plan,
        o.names(reference),
        o.names(rows),
        o.hardware(accelerator, devices, nodes, loggers, compiled),
        gaps=gaps,
    )
    document = ablation_document(results)
    write_document(document, results, folder)
    width = max(len(row["name"]) for row in results["rows"]) + 2
    for row in results["rows"]:
        said = "reference"
        if "against" in row:
            found = row["difference"]
            said = f"{found:+.3f}" if found is not None else "no seed in common, so not compared,"
            said += f" to {row['against']}"
        typer.echo(f"{row['name']:<{width}}{row['top1']:.3f}  {said}")
    typer.echo(document.headline)
    typer.echo(f"table: {folder / 'report.html'}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ablate")(ablate)
