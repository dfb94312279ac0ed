"""The report's chapter on calibration: error before and after, and when to answer at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavemel.reports import figures
from wavemel.reports.document import Cell, Chart, Charts, Part, Section, Table, Text
from wavemel.reports.svg import to_svg, write_figure
from wavemel.reports.wording import interval, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The drawings, by their file names.
FIGURES = ("reliability-before", "reliability-after", "coverage")


def calibration_section(results: dict[str, Any], counter: Iterator[int]) -> Section | None:
    """Return the chapter, where some model was calibrated; ``counter`` numbers its figures."""
    models = [m for m in results["models"] if m.get("calibration")]
    if not models:
        return None
    parts: list[Part] = [
        Text(_what(models)),
        error_table(models),
        Text(
            "By chance: what the calibration error of as many tracks would be if every stated "
            "confidence were true. An error at or under it is none that these tracks can show."
        ),
        Charts(
            [
                Chart(
                    name,
                    f"Figure {next(counter)}. {caption}",
                    to_svg(figure, name, caption, words),
                    figure.get_figwidth(),
                )
                for name, figure, caption, words in _drawings(
                    [(m["name"], m["calibration"]) for m in models]
                )
            ]
        ),
        threshold_table(models),
    ]
    return Section("calibration", "Calibration", parts)


def error_table(models: list[dict[str, Any]]) -> Table:
    """Return each model's figures before and after."""
    both = ("before", "after")
    rows = []
    for model in models:
        found = model["calibration"]
        pair = [found[side] for side in both]
        rows.append(
            [
                Cell(model["name"]),
                Cell(f"{found['temperature']:.2f}", _range(found)),
                *(Cell(number(s["ece"]), interval(s["ece_ci95"])) for s in pair),
                *(Cell(number(s["ece_chance"])) for s in pair),
                *(Cell(number(s["log_loss"])) for s in pair),
                *(Cell(number(s["top1"])) for s in pair),
            ]
        )
    return Table(
        "Table 6. Calibration of whole tracks",
        ("model", "temperature", *both * 4),
        rows,
        numeric=frozenset(("temperature", *both)),
        groups=(
            ("", 2, ""),
            ("calibration error", 2, "calibration error "),
            ("by chance", 2, "by chance "),
            ("log loss", 2, "log loss "),
            ("top-1", 2, "top-1 "),
        ),
        note=(
            "Temperature: fitted on all held-out tracks together, beside it the range over folds; "
            if _folds(models)
            else "Temperature: fitted on the validation tracks; "
        )
        + "above 1 the network was too sure, below 1 not sure enough."
        + (
            " A temperature at 0.05 or 20 is the end of what was tried: the tracks cannot fix one."
            if any(m["calibration"]["at_bound"] for m in models)
            else ""
        ),
    )


def threshold_table(models: list[dict[str, Any]]) -> Table:
    """Return each model's threshold for the stated precision, and what it does."""
    unsure = models[0]["calibration"]["unsure"]
    numeric = ("unsure below", "answered", "of these right", "area under risk")
    # Folds have thresholds of their own; results of earlier versions do not count their promises.
    counted = any((m["calibration"]["held_out"] or {}).get("promised") for m in models)
    promised = ("promised",) if counted else ()
    rows = []
    for model in models:
        found = model["calibration"]
        chosen, held = found["unsure"], found["held_out"] or {}
        rows.append(
            [
                Cell(model["name"]),
                Cell(number(chosen["below"])),
                Cell("yes" if chosen["promised"] else "no"),
                *_answers(chosen),
                *_answers(held),
                *(Cell(_promises(held)) for _ in promised),
                Cell(number(found["after"]["aurc"])),
            ]
        )
    return Table(
        f"Table 7. Answers of which {percent(unsure['precision'])} are right",
        ("model", "unsure below", "promised", *numeric[1:3] * 2, *promised, numeric[3]),
        rows,
        numeric=frozenset(numeric),
        groups=(
            ("", 3, ""),
            ("tracks that chose the threshold", 2, "chosen on: "),
            ("tracks that did not", 2 + len(promised), "held out: "),
            ("", 1, ""),
        ),
        note="The lowest threshold of the top probability; less probable answers are “unsure”. "
        f"Promised: new tracks keep the precision with a probability of {unsure['confidence']:g}; "
        "where too few tracks are right for that, it is the threshold from which on these tracks "
        "keep it. "
        + (
            "Held out: each fold with the threshold that the other folds chose, and how many of these "
            "thresholds were promised; fewer tracks chose them, and where they were not, answers that "
            "fall short of the precision break no promise. "
            if counted
            else ""
        )
        + "Area under risk and coverage: the mean share wrong over all coverages.",
    )


def write_figures(found: dict[str, Any], folder: Path) -> None:
    """Write one calibration's drawings into a folder, one file for each of `FIGURES`."""
    for name, figure, caption, words in _drawings([("tracks", found)]):
        write_figure(figure, folder / f"{name}.svg", caption, words)


def _drawings(
    calibrations: list[tuple[str, dict[str, Any]]],
) -> Iterator[tuple[str, Figure, str, str]]:
    """Yield name, drawing, caption and description of each of `FIGURES`."""
    for side in ("before", "after"):
        models = [{"name": name, **found[side]} for name, found in calibrations]
        words = "; ".join(f"{m['name']}: calibration error {number(m['ece'])}" for m in models)
        caption = f"Share of tracks right at the confidence stated, {side} calibration"
        yield f"reliability-{side}", figures.reliability(models), caption, words
    curves = [
        {"name": name, "curve": found["curve"], "unsure": found["unsure"]}
        for name, found in calibrations
    ]
    words = "; ".join(_coverage_words(c) for c in curves)
    caption = "Share right against share of tracks answered; a dot: the threshold chosen"
    yield "coverage", figures.coverage(curves), caption, words


def _what(models: list[dict[str, Any]]) -> str:
    source = (
        "the tracks of the other folds, so that none of these figures is of tracks that it has seen"
        if _folds(models)
        else "the validation tracks; the figures are of the test tracks"
    )
    return (
        "Each window's log-probabilities are divided by one temperature before those of a track are "
        f"taken together. It was fitted on {source}."
    )


def _folds(models: list[dict[str, Any]]) -> bool:
    """Return whether calibrations are of the folds of a cross-validation, not of one split."""
    return bool(models[0]["calibration"]["fitted_on"] != "validation")


def _range(found: dict[str, Any]) -> str:
    low, high = min(found["temperatures"]), max(found["temperatures"])
    return f"{low:.2f}–{high:.2f}" if len(found["temperatures"]) > 1 else ""


def _answers(found: dict[str, Any]) -> list[Cell]:
    share = found.get("coverage")
    return [Cell("–" if share is None else percent(share)), Cell(number(found.get("share_right")))]


def _promises(held: dict[str, Any]) -> str:
    promised = held.get("promised")
    return f"{sum(promised)} of {len(promised)}" if promised else "–"


def _coverage_words(curve: dict[str, Any]) -> str:
    unsure = curve["unsure"]
    if unsure["below"] is None:
        return f"{curve['name']}: no threshold reaches {percent(unsure['precision'])}"
    return (
        f"{curve['name']}: {number(unsure['share_right'])} of the answers right where "
        f"{percent(unsure['coverage'])} of the tracks are answered"
    )
