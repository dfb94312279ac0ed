"""`wavemel evaluate` and `wavemel compare`: figures of trained runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wavemel.commands import options as o
from wavemel.commands.console import print_json, table

SplitName = Annotated[str, typer.Option(help="test, validation or training.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps, ...")]

ROWS = (
    ("top-1", "top1"),
    ("macro precision", "macro_precision"),
    ("macro recall", "macro_recall"),
    ("macro F1", "macro_f1"),
    ("one-vs-rest accuracy", "one_vs_rest_accuracy"),
)


def evaluate(
    runs: o.Runs,
    split: Annotated[
        str | None, typer.Option(help="test (default), validation or training.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            help="Evaluate on other data instead, all of them: 'demo', a folder or a table with the "
            "same genres. Clips that the run was trained on are left out.",
        ),
    ] = None,
    device: Device = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Print a run's figures on its test split, with 95 % intervals where they can be known.

    They are computed once and kept in the run folder. "clip" is the stretch of
    each clip that training hears, "track" all windows of the whole file together.
    """
    o.need_training()
    from wavemel.data.scan import scan
    from wavemel.data.sources import open_corpus
    from wavemel.errors import ConfigError
    from wavemel.evaluation.runs import evaluate_on, evaluate_runs

    if data is not None and split is not None:
        raise ConfigError(
            "--split is of the clips that a run was trained with; --data evaluates on all clips of "
            "other data: give one of the two"
        )
    split = split or "test"
    _check_split(split)
    if data is None:
        made = evaluate_runs(runs, split, device=device)
    else:
        corpus = scan(open_corpus(data))
        made = evaluate_on(runs, corpus, device=device)
        split = corpus.name
    found = dict(zip(map(str, runs), made, strict=True))
    if as_json:
        print_json(found)
        return
    for run, figures in found.items():
        if "macro_average_precision" in figures:
            _print_several(run, split, figures)
            continue
        rows = [
            (title, _with_interval(figures, key), _with_interval(figures["track"], key))
            for title, key in ROWS
        ]
        rows.append(
            ("log loss", f"{figures['log_loss']:.3f}", f"{figures['track']['log_loss']:.3f}")
        )
        rows.append(
            ("calibration error", f"{figures['ece']:.3f}", f"{figures['track']['ece']:.3f}")
        )
        table(f"{run}: {figures['n']} {split} clips", ("figure", "clip", "track"), rows)
        _say_why(figures)
        if data is not None:
            typer.echo(
                f"{figures['left_out_known']} clips that the run knows are left out; "
                f"{figures['known_artists']} of the others are by artists that it knows"
            )


def compare(
    runs: o.Runs,
    to: Annotated[Path, typer.Option(help="Folder of the report; must be new or empty.")] = Path(
        "report"
    ),
    title: Annotated[str, typer.Option(help="Title of the report.")] = "Comparison",
    split: SplitName = "test",
    ensemble: o.Ensemble = False,
    gaps: o.Gaps = False,
    beside: o.Beside = None,
    device: Device = "cpu",
) -> None:
    """Compare runs that were tested on the same clips, and write a report.

    Runs of one name on different folds are pooled; of other seeds, they stand
    beside each other, and their averaged answers are what other models are
    tested against. The report is report.html (one file), report.md and
    results.json.
    """
    o.need_training()
    from wavemel.comparison import compare as compare_runs
    from wavemel.errors import ModelError
    from wavemel.reports.write import write_report

    _check_split(split)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ModelError(f"{to} exists already: give another --to, or remove it")
    results = compare_runs(
        list(runs),
        title=title,
        command=o.this_command(),
        split=split,
        device=device,
        ensemble=ensemble,
        gaps=gaps,
        beside=beside,
    )
    write_report(results, to)
    print_results(results)
    typer.echo(f"report: {to / 'report.html'}")


def print_results(results: dict[str, Any]) -> None:
    """Print the table of a comparison."""
    rows = [
        (
            model["name"],
            *(_with_interval(model, key) for _, key in ROWS),
            _with_interval(model["track"], "top1") if model["track"] else "",
        )
        for model in results["models"]
    ]
    note = " (SYNTHETIC DATA)" if results["data"]["synthetic"] else ""
    n = results["models"][0]["n"]
    headings = ("network", *(title for title, _ in ROWS), "top-1, whole track")
    split = results["models"][0]["split"]
    table(f"{results['title']}: {n} {split} clips{note}", headings, rows)
    _say_why(results["models"][0])


def _check_split(split: str) -> None:
    from wavemel.data.table import SPLITS
    from wavemel.errors import ConfigError

    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}: test, validation or training")


def _print_several(run: str, split: str, figures: dict[str, Any]) -> None:
    """Print the figures of a model of several genres a clip."""
    track = figures["track"]
    key = "macro_average_precision"
    rows = [("macro average precision", _with_interval(figures, key), _with_interval(track, key))]
    for title, key in (
        ("macro ROC AUC", "macro_roc_auc"),
        ("first answer is right", "top1"),
        ("one-vs-rest accuracy", "one_vs_rest_accuracy"),
        ("log loss", "log_loss"),
    ):
        rows.append((title, f"{figures[key]:.3f}", f"{track[key]:.3f}"))
    scored = f"{figures['n_scored']} of {figures['n_classes']} genres can be scored"
    table(f"{run}: {figures['n']} {split} clips, {scored}", ("figure", "clip", "track"), rows)
    _say_why(figures)


def _with_interval(figures: dict[str, Any], key: str) -> str:
    interval = figures[f"{key}_ci95"]
    if interval is None:
        # All clips, or all of a genre, are of one artist: nothing to draw an interval from.
        return f"{figures[key]:.3f}"
    return f"{figures[key]:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _say_why(figures: dict[str, Any]) -> None:
    from wavemel.reports.wording import lone_genres

    if why := lone_genres(figures):
        typer.echo(why)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("evaluate")(evaluate)
    app.command("compare")(compare)
