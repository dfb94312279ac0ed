"""`wavemel reproduce`: train and compare a whole set of networks, and write the report."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands import options as o


def reproduce(
    data: o.Data = "demo",
    config_set: Annotated[
        str,
        typer.Option(
            help="Folder of configs, or a shipped set: paper (the paper's settings), light "
            "(16 kHz, for cross-validation on a CPU), strong (residual networks and a recipe "
            "for small collections), demo (minutes)."
        ),
    ] = "",
    to: Annotated[
        Path | None, typer.Option(help="Folder of runs and report (default: reports/DATA-SET).")
    ] = None,
    only: Annotated[
        str,
        typer.Option(help="Networks of the set, separated by commas (default: all of them)."),
    ] = "",
    cross_validate: Annotated[
        bool,
        typer.Option("--cross-validate", help="Let every fold be the test fold once, and pool."),
    ] = False,
    seeds: o.Seeds = None,
    baselines: Annotated[
        str, typer.Option(help="Baselines beside the networks, separated by commas; '' for none.")
    ] = "svm",
    ensemble: o.Ensemble = False,
    gaps: o.Gaps = False,
    beside: o.Beside = None,
    changes: o.Set = None,
    split: o.Split = "auto",
    split_seed: o.SplitSeed = 0,
    test_fold: o.TestFold = None,
    validate: o.Validate = True,
    workers: o.Workers = None,
    no_cache: o.NoCache = False,
    accelerator: o.Accelerator = "auto",
    devices: o.Devices = "auto",
    nodes: o.Nodes = 1,
    loggers: o.Loggers = ["tensorboard"],  # noqa: B006 - typer reads it, nothing changes it
    compiled: o.Compile = False,
) -> None:
    """Train every network of a config set, compare them, and write the report.

    Run again after Ctrl-C or a crash it continues where it stopped. The config
    set is 'demo' for the demo corpus and 'paper' for all other data, unless given.

    Examples:

      wavemel reproduce

      wavemel reproduce --data music.csv --config-set light --cross-validate
    """
    o.need_training()
    from wavemel.commands.evaluate import print_results
    from wavemel.reproduce import Plan
    from wavemel.reproduce import reproduce as run_plan

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    demo = data.split(":")[0] == "demo"
    chosen = config_set or ("demo" if demo else "paper")
    folder = to or Path("reports") / f"{o.short_name(data)}-{Path(chosen).name}"
    plan = Plan(
        data=data,
        configs=chosen,
        to=folder,
        split=o.split_choice(split, split_seed, test_fold, validate),
        folds="all" if cross_validate else "one",
        seeds=o.seed_numbers(seeds),
        changes=tuple(changes or ()),
        baselines=o.names(baselines),
        cache=not no_cache,
        workers=workers,
        command=o.this_command(),
        only=o.names(only),
        ensemble=ensemble,
        gaps=gaps,
        beside=beside,
    )
    results = run_plan(plan, o.hardware(accelerator, devices, nodes, loggers, compiled))
    print_results(results)
    typer.echo(f"report: {folder / 'report.html'}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce")(reproduce)
