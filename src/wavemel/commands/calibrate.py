"""`wavemel calibrate`: probabilities that mean what they say, and when to say "unsure"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wavemel.commands import options as o
from wavemel.commands.console import table

#: What a folder of `--to` gets.
FILE = "calibration.json"
ROWS = (
    ("top-1", "top1"),
    ("calibration error", "ece"),
    ("by chance alone", "ece_chance"),
    ("log loss", "log_loss"),
    ("area under risk and coverage", "aurc"),
)


def calibrate(
    runs: o.Runs,
    method: Annotated[
        str,
        typer.Option(
            help="temperature, vector (a scale and a bias a genre; printed to compare with, but "
            "not stored) or none (the threshold alone)."
        ),
    ] = "temperature",
    precision: Annotated[
        float,
        typer.Option(help="Share of the answers that shall be right; the others are unsure."),
    ] = 0.9,
    confidence: Annotated[
        float,
        typer.Option(
            help="Probability with which new tracks keep that precision; 0: just take the "
            "threshold from which on these tracks do."
        ),
    ] = 0.9,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average the seeds of each fold before the fit.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            help="A .json file, or a folder for calibration.json with the reliability diagrams "
            "and the coverage curve [default: the run's folder; of several runs, nothing is written]."
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an older calibration.")] = (
        False
    ),
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, ...")] = "cpu",
) -> None:
    """Fit a temperature on clips that taught nothing, and choose the threshold of "unsure".

    One run is calibrated on its validation clips, and 'wavemel export' takes the
    result from its folder. Several runs are the folds of a cross-validation: each is
    measured with what the other folds say, and the temperature and threshold of all
    of them together are for a model that is trained on everything.

    Examples:

      wavemel calibrate runs/mel

      wavemel calibrate report/runs/mel-fold* --precision 0.95 --to calibration
    """
    o.need_training()
    from wavemel.errors import ConfigError, ModelError
    from wavemel.evaluation.calibrate_runs import calibrate_cross_validation, calibrate_run

    if not 0 < precision < 1 or not 0 <= confidence < 1:
        raise ConfigError("--precision must lie between 0 and 1, and --confidence be 0 or more")
    if to is not None and method == "vector":
        raise ConfigError("vector scaling cannot be stored: models hold a temperature; drop --to")
    if ensemble and len(runs) == 1:
        raise ConfigError("--ensemble averages seeds: give the runs of several seeds and folds")
    target = to if to is not None or len(runs) > 1 or method == "vector" else runs[0] / FILE
    if target is not None:
        for file in _files(target):
            if file.exists() and not replace:
                raise ModelError(f"{file} exists already: give --replace, or another --to")
    how: dict[str, Any] = {"method": method, "precision": precision, "confidence": confidence}
    if len(runs) == 1:
        found = calibrate_run(runs[0], device=device, **how)
    else:
        found = calibrate_cross_validation(runs, ensemble=ensemble, device=device, **how)
    _print(str(runs[0]) if len(runs) == 1 else f"{len(runs)} runs", found)
    if target is not None:
        _write(found, target)


def _print(what: str, found: dict[str, Any]) -> None:
    from wavemel.reports.wording import interval, number, percent

    before, after = found["before"], found["after"]
    rows = [
        (
            title,
            *(
                f"{number(side[key])} {interval(side.get(f'{key}_ci95'))}".strip()
                for side in (before, after)
            ),
        )
        for title, key in ROWS
    ]
    source = "the other folds'" if found["fitted_on"] == "other folds" else "the validation"
    # Seeds answer for the same tracks: more predictions, and no more tracks.
    seeds = "" if found["n"] == found["tracks"] else f" ({found['n']} predictions)"
    table(
        f"{what}: {found['tracks']} {found['measured_on']} tracks{seeds}, fitted on {source} tracks",
        ("figure", "before", f"after {found['method']}"),
        rows,
    )
    if found["scale"] is None:
        typer.echo(f"temperature {found['temperature']:.3f} (of {found['fitted_tracks']} tracks)")
    if found["at_bound"]:
        typer.echo("the tracks cannot fix a temperature: the fit ran to the end of its range")
    # The tracks that the fit was made on choose the threshold, too.
    unsure, n = found["unsure"], found["fitted_tracks"]
    wanted = f"{100 * unsure['precision']:.6g}\u00a0%"
    if unsure["below"] is None:
        typer.echo(f"no threshold has {wanted} of {n} tracks' answers right")
        return
    typer.echo(
        f"unsure below {unsure['below']:.3f}: {percent(unsure['coverage'])} of {n} "
        f"tracks are answered, {percent(unsure['share_right'])} of these rightly"
    )
    if unsure["promised"]:
        typer.echo(f"new tracks have {wanted} right with a probability of {unsure['confidence']:g}")
    elif unsure["confidence"]:
        typer.echo(
            f"{wanted} right is no promise: {n} tracks are too few for one, or too many "
            "of them wrong, and new tracks may fall short"
        )
    held = found["held_out"]
    if held is not None and held["share_right"] is not None:
        promises = held.get("promised")
        kind = (
            f" ({sum(promises)} of {len(promises)} thresholds with a promise)" if promises else ""
        )
        typer.echo(
            f"on tracks that did not choose it{kind}: {percent(held['coverage'])} answered, "
            f"{percent(held['share_right'])} of these rightly"
        )


def _files(target: Path) -> list[Path]:
    """Return what will be written; a folder gets figures too."""
    from wavemel.reports.calibration import FIGURES

    if target.suffix == ".json":
        return [target]
    return [target / FILE, *(target / f"{name}.svg" for name in FIGURES)]


def _write(found: dict[str, Any], target: Path) -> None:
    from wavemel.checkpoint import read_json, write_json
    from wavemel.evaluation.calibrate_runs import as_file
    from wavemel.reports.calibration import write_figures

    files = _files(target)
    files[0].parent.mkdir(parents=True, exist_ok=True)
    if len(files) > 1:
        write_figures(found, target)
    write_json(files[0], as_file(found, o.this_command()))
    typer.echo(f"written: {files[0]}")
    run = files[0].parent
    about = read_json(run / "run.json") if (run / "run.json").is_file() else {}
    if files[0].name == FILE and about:
        typer.echo(f"next: wavemel export {run}")
    else:
        typer.echo(f"next: wavemel export RUN --calibration {files[0]}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)
