"""`wavemel train`: one network, one run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands import options as o


def train(
    config: Annotated[
        str,
        typer.Argument(help="A config file, or a shipped one by name: paper/wave, light/mel, ..."),
    ],
    data: o.Data = "demo",
    to: Annotated[Path | None, typer.Option(help="Run folder (default: runs/CONFIG-DATA).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --to from its last epoch.")
    ] = False,
    changes: o.Set = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run (--set seed=N).")] = None,
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
    """Train one network and keep everything about it in a run folder.

    Ctrl-C keeps the epochs that were finished: --resume continues there, and ends
    with the same weights as if it had not been stopped.

    Examples:

      wavemel train paper/wave --data music.csv --to runs/wave

      wavemel train paper/mel --data music/ --set training.epochs=5 --set network.filters=32
    """
    o.need_training()
    from wavemel.experiment import load_experiment

    experiment = load_experiment(
        config, [*(changes or []), *([f"seed={seed}"] if seed is not None else [])]
    )
    from wavemel.training.dataset import prepare
    from wavemel.training.run import train as run_training

    dataset = prepare(
        data,
        o.split_choice(split, split_seed, test_fold, validate),
        labels=experiment.labels,
        workers=workers,
    )
    folder = to or Path("runs") / f"{experiment.name}-{dataset.corpus.name}"
    about = dataset.about()
    typer.echo(about["split"])
    typer.echo(about["leak"])
    result = run_training(
        experiment,
        dataset,
        folder,
        resume=resume,
        cache=not no_cache,
        hardware=o.hardware(accelerator, devices, nodes, loggers, compiled),
    )
    if os.environ.get("LOCAL_RANK", "0") != "0" or os.environ.get("RANK", "0") != "0":
        return  # one process among several: the first one speaks
    select = experiment.training.select
    typer.echo(
        f"best epoch {result['best_epoch'] + 1} of {result['epochs']}: "
        f"{select.replace('_', ' ')} {result[select]:.3f}; the run is in {folder}"
        if select in result
        else f"{result['epochs']} of {experiment.training.epochs} epochs, the last weights are kept; "
        f"the run is in {folder}"
    )
    tested = (dataset.table["split"] == "test").any()
    typer.echo(f"next: wavemel {'evaluate' if tested else 'export'} {folder}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)
