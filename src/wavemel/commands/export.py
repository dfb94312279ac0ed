"""`wavemel export`: a trained run becomes a model that needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands import options as o


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Run folder, or a .safetensors file; of several, the mean of their probabilities "
            "is one model.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the model [default: that of the only RUN].")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of the model [default: NAME among your models, WAVEMEL_MODELS]."),
    ] = None,
    front_end: Annotated[
        str,
        typer.Option(
            metavar="beside|inside",
            help="Where mel and normalisation are computed: beside the graph is several times "
            "faster; inside, the graph takes samples and works without wavemel.",
        ),
    ] = "beside",
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Round weights to 8 bits; the loss is measured and printed."),
    ] = False,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Also write the weights for torch, in float16; the graph is made from the same "
            "rounded weights, and what rounding changes is printed.",
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            help="Tracks to measure on, as for 'wavemel train' [default: those on which the only "
            "run was validated].",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON with temperature and unsure_below [default: calibration.json of the only "
            "run folder, if any].",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Calibration: divides the logits [default: what the calibration says, else 1]."
        ),
    ] = None,
    unsure_below: Annotated[
        float | None,
        typer.Option(
            help="Answers with less probability are unsure [default: what the calibration says, else 0].",
            min=0,
            max=1,
        ),
    ] = None,
    card_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A results.json whose figures go into description and model card.",
        ),
    ] = None,
    card_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Which of its models [default: that of the run's own name]."
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Licence of the model, for its description and card.")
    ] = "",
    data_licence: Annotated[
        str, typer.Option(help="Licence of the music that it learnt from, likewise.")
    ] = "",
    notes: Annotated[
        list[str] | None, typer.Option("--note", help="A sentence for its description; repeatable.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model of this name.")
    ] = False,
) -> None:
    """Write a run's best weights as ONNX with a JSON description and a model card.

    `wavemel classify` and `wavemel.load` take it by its name.

    The exported model is compared with torch, and refused if a probability differs
    by more than 0.0001. How the probabilities of one track's windows vary is measured,
    for 'wavemel classify' to know how many it must read.

    Examples:

      wavemel export runs/mel --name my-genres

      wavemel export runs/mel-seed0 runs/mel-seed1 --name my-ensemble --weights

      wavemel classify music/ --model my-genres
    """
    o.need_training()
    from wavemel.errors import ConfigError
    from wavemel.export import Options
    from wavemel.export import export as export_run

    if front_end not in ("beside", "inside"):
        raise ConfigError(f"--front-end must be beside or inside, not {front_end!r}")
    if card_model is not None and card_from is None:
        raise ConfigError("--card-model is one of the models in --card-from: give that file, too")
    if name is None and len(runs) > 1:
        raise ConfigError("several runs become one model: give it a --name")
    options = Options(
        name=name if name is not None else _own_name(runs[0].resolve()),
        front_end=front_end,  # type: ignore[arg-type]
        int8=int8,
        weights=weights,
        data=data,
        calibration=calibration,
        temperature=temperature,
        unsure_below=unsure_below,
        results=card_from,
        results_model=card_model,
        licence=licence,
        data_licence=data_licence,
        notes=tuple(notes or ()),
        replace=replace,
    )
    made = export_run(runs if len(runs) > 1 else runs[0], options, to)
    d = made.bundle.description
    size = sum(file.stat().st_size for file in made.folder.iterdir()) / 1e6
    typer.echo(f"{d.label}: {', '.join(d.classes)}; {size:.1f} MB in {made.folder}")
    if made.rounding is not None:
        typer.echo(f"largest difference by float16 weights: {made.rounding:.1e}")
    typer.echo(f"largest difference from torch: {made.difference:.1e} (limit 1e-4)")
    if made.loss is not None:
        typer.echo(made.loss.sentence())
    typer.echo(f"next: wavemel classify PATH... --model {to or d.name}")


def _own_name(run: Path) -> str:
    """Return what a model is called that is given no name: as its run, of which a file has an ending."""
    return run.name if run.is_dir() else run.stem


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)
