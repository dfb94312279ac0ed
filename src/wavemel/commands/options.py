"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from wavemel.data.splits import SplitChoice
    from wavemel.training.trainer import Hardware

Data = Annotated[
    str,
    typer.Option(
        "--data",
        "-d",
        help="'demo', a folder with one folder a genre, a table (.csv, .tsv, .parquet) with the "
        "columns path and genre, 'fma-small' (-medium, -large, -full), or 'gtzan:FOLDER'.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one value of the config, as in --set training.epochs=3; may be repeated.",
    ),
]
Split = Annotated[
    str,
    typer.Option(
        help="auto, given, official, artist, folds, random (also called stratified) or all (every "
        "clip trains, for a model whose recipe was measured before). 'auto' "
        "takes the split or folds that the data give, else keeps artists apart where they are "
        "known, else draws 80/10/10 by genre."
    ),
]
SplitSeed = Annotated[int, typer.Option(help="Seed of a drawn split.")]
TestFold = Annotated[
    int | None, typer.Option(help="Fold that tests, where data have folds (default: the last).")
]
Validate = Annotated[
    bool,
    typer.Option(
        "--validate/--no-validate",
        help="Keep validation clips, or train on them too: for a recipe that picks no epoch "
        "(training.select=last).",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that decode (default: one a core).", min=1)
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Decode in every epoch instead of once into the cache.")
]
Seeds = Annotated[
    str | None,
    typer.Option(
        help="Seeds, separated by commas (default: the configs' own, which is 0 unless set)."
    ),
]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="Also average the answers of all networks (those of a network's seeds always are).",
    ),
]
Gaps = Annotated[
    bool, typer.Option("--gaps", help="Also ask each network about its own training clips.")
]
Beside = Annotated[
    Path | None,
    typer.Option(help="Another results.json, whose networks' overfitting is shown beside."),
]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, gpu, mps, ...; passed to Lightning.")]
Devices = Annotated[str, typer.Option(help="How many devices, or which; passed to Lightning.")]
Nodes = Annotated[int, typer.Option(help="How many machines train together.", min=1)]
Loggers = Annotated[
    list[str],
    typer.Option("--logger", help="tensorboard, mlflow or wandb; metrics.csv is always written."),
]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Compile the network (torch.compile): worth it on a GPU."),
]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")]


def need_training() -> None:
    """Raise a clear error where the parts of the ``train`` extra are not installed."""
    # Looked for, not imported: a mistyped option is answered before torch has loaded.
    for name in ("lightning", "pandas", "sklearn", "torch"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError("train", "this command")


def hardware(
    accelerator: str, devices: str, nodes: int, loggers: list[str], compiled: bool = False
) -> Hardware:
    """Return the Trainer's hardware options from those of the command line."""
    from wavemel.training.trainer import Hardware

    return Hardware(
        accelerator=accelerator,
        devices=int(devices) if devices.lstrip("-").isdigit() else devices,
        nodes=nodes,
        loggers=tuple(loggers),
        compile=compiled,
    )


def split_choice(how: str, seed: int, test_fold: int | None, validate: bool = True) -> SplitChoice:
    """Return the split that the options ask for."""
    from wavemel.data.splits import SplitChoice

    return SplitChoice(how=how, seed=seed, test_fold=test_fold, validate=validate)


def seed_numbers(seeds: str | None) -> tuple[int, ...]:
    """Return the seeds that an option lists, each once, none where it is not given.

    Raises
    ------
    ConfigError
        They are no numbers.
    """
    if seeds is None:
        return ()
    try:
        numbers = tuple(dict.fromkeys(int(s) for s in seeds.split(",")))
    except ValueError:
        numbers = (-1,)
    if min(numbers) < 0:
        raise ConfigError(f"--seeds {seeds!r} must be whole numbers from 0, separated by commas")
    return numbers


def names(said: str) -> tuple[str, ...]:
    """Return the names that an option lists, separated by commas."""
    return tuple(name.strip() for name in said.split(",") if name.strip())


def short_name(data: str) -> str:
    """Return what of DATA names a folder of reports."""
    name = Path(data).stem if Path(data).suffix else Path(data).name
    return name.replace(":", "-")


def this_command() -> str:
    """Return the command line as typed, to stand in reports."""
    return shlex.join(["wavemel", *sys.argv[1:]])
