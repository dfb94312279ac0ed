"""`wavemel describe`: a network's layers, costs and block diagram."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands import options as o
from wavemel.commands.console import print_json, table

if TYPE_CHECKING:
    from wavemel.experiment import Experiment

PAPER_CLASSES = 8


def describe(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="A network (wave, mel, combined, one of your own), a config (paper/wave, my.yaml) or "
            "a run folder.",
        ),
    ],
    changes: o.Set = None,
    classes: Annotated[
        int | None, typer.Option(help="Number of genres (default: 8, or the run's).", min=2)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the block diagram into this .svg or .png file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Print what a network is made of: layers, shapes, parameters, multiply-adds, block diagram.

    All of it is read off the real module. Figures are for one clip.
    """
    o.need_training()
    import torch

    from wavemel.experiment import network_arguments
    from wavemel.networks import build_network
    from wavemel.networks import describe as d
    from wavemel.reports.diagram import architecture, text_diagram

    experiment, known = _experiment(network, changes or [])
    classes = classes or known
    with torch.device("meta"):
        module = build_network(**network_arguments(experiment, classes))
    shapes = d.input_shapes(module, experiment)
    layers = d.layer_table(module, *shapes)
    blocks = d.block_diagram(module, *shapes, several=experiment.labels == "genres")
    name = experiment.network["name"]
    parameters = sum(row.parameters for row in layers)
    multiply_adds = sum(row.multiply_adds for row in layers)
    audio = experiment.audio
    clip = f"{audio.seconds:g} s at {audio.rate:,} Hz, {classes} genres"

    if figure is not None:
        from wavemel.reports.svg import write_figure

        title = f"{name}: {clip}"
        write_figure(architecture(blocks, title), figure, title, text_diagram(blocks))
    if as_json:
        about = {
            "network": experiment.network,
            "classes": classes,
            "rate": audio.rate,
            "seconds": audio.seconds,
            "parameters": parameters,
            "multiply_adds": multiply_adds,
            "layers": [asdict(row) for row in layers],
            "blocks": [asdict(block) for block in blocks],
        }
        print_json(about)
        return
    rows = [
        (
            row.name,
            row.kind,
            d.show_shape(row.output_shape),
            f"{row.parameters:,}",
            f"{row.multiply_adds:,}",
        )
        for row in layers
    ]
    rows.append(("total", "", "", f"{parameters:,}", f"{multiply_adds:,}"))
    table(f"{name}: {clip}", ("layer", "kind", "output", "parameters", "multiply-adds"), rows)
    typer.echo(f"\n{text_diagram(blocks)}")
    if figure is not None:
        typer.echo(f"\nfigure: {figure}")


def _experiment(network: str, changes: list[str]) -> tuple[Experiment, int]:
    """Return the experiment that NETWORK names, and how many genres it has."""
    from wavemel.checkpoint import read_json
    from wavemel.errors import ConfigError
    from wavemel.experiment import CONFIGS, default_experiment, find_config, load_experiment
    from wavemel.networks import NETWORKS
    from wavemel.registry import suggest

    folder = Path(network)
    if (folder / "run.json").is_file():
        classes = len(read_json(folder / "run.json")["classes"])
        return load_experiment(folder / "experiment.yaml", changes), classes
    if network in NETWORKS:
        # The paper's settings where the network is the paper's; else the first shipped config of its name.
        named = [CONFIGS / "paper" / f"{network}.yaml", *sorted(CONFIGS.rglob(f"{network}.yaml"))]
        # A network of several configs has a folder of its name.
        named += [f for f in sorted((CONFIGS / network).glob("*.yaml")) if f.stem != "base"]
        shipped = next((str(path) for path in named if path.is_file()), None)
        if shipped is None:
            return default_experiment(network, changes), PAPER_CLASSES
        network = shipped
    try:
        config = find_config(network)
    except ConfigError as error:
        raise ConfigError(
            f"there is no network, config or run folder called {network!r}"
            f"{suggest(network, list(NETWORKS))}"
        ) from error
    return load_experiment(config, changes), PAPER_CLASSES


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe")(describe)
