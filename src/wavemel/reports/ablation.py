"""The table of an ablation, as a page with a chart."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from wavemel.reports.document import (
    Bullets,
    Cell,
    Chart,
    Charts,
    Commands,
    Document,
    Section,
    Table,
    Text,
)
from wavemel.reports.figures import empty_figure
from wavemel.reports.svg import INK, MUTED, SERIES, to_svg
from wavemel.reports.wording import number, synthetic_banner


def ablation_document(results: dict[str, Any]) -> Document:
    """Return an ablation's results (see `wavemel.ablation.ablate`) as plain parts."""
    rows = results["rows"]
    first = next(row for row in rows if "against" not in row)
    others = [row for row in rows if row is not first]
    figure = difference_chart(results)
    words = "; ".join(f"{row['name']} {row['difference']:+.3f}" for row in _compared(rows))
    title = "Difference in top-1 to the reference of each row, with 95 % intervals over artists"
    drawing = to_svg(figure, "ablation", title, words or "no rows")
    return Document(
        title=results["title"],
        headline=_headline(first, others),
        details=[
            "Validation clips only: no test clip was looked at. Whole tracks, all their windows together."
        ],
        banners=[synthetic_banner(results["data"])] if results["synthetic"] else [],
        facts=[
            ("data", results["data"]),
            ("clips", f"{results['clips']} by {results['artists']} artists"),
            ("folds", str(results["folds"])),
            ("training time", f"{results['seconds'] / 60:.0f} min"),
        ],
        sections=[
            Section(
                "results",
                "Parts",
                [
                    Charts([Chart("ablation", title, drawing, figure.get_figwidth())]),
                    _table(results["references"], rows),
                    Text(
                        "A row is compared with the reference from which it changes the fewest "
                        "settings (below), on the seeds that both have. In brackets: 95 % intervals, bootstraps "
                        "over artists of the mean over these seeds. They say how far a figure hangs on which artists "
                        "were asked about, and take the seeds as given: how far it hangs on those, the standard "
                        "deviation between seeds (sd) tells, and of a row with one seed nothing does. p is of a paired "
                        "permutation test by artist, for these seeds too; with so many rows a p near .05 is expected "
                        "by chance. "
                        "'training top-1', where it stands, is that of the trained network on the clips it "
                        "learnt from, unchanged: the gap is its distance to the validation top-1."
                    ),
                ],
            ),
            Section(
                "changes",
                "What each row changes",
                [
                    Bullets(
                        [
                            f"{row['name']}, of {row['against']}: {'; '.join(row['changes']) or 'nothing'}"
                            for row in others
                        ]
                    )
                ],
            ),
            Section("repeat", "Repeat it", [Commands(_commands(results))]),
        ],
        footer=f"wavemel {results['machine']['versions']['wavemel']}, {results['created']}",
    )


def _commands(results: dict[str, Any]) -> list[str]:
    """Return the commands that make the table; tables of old name the last of them alone."""
    return list(results.get("commands") or [results["command"]])


def difference_chart(results: dict[str, Any]) -> Figure:
    """Draw each row's difference to the reference as a point with its interval."""
    rows = _compared(results["rows"])
    figure, axes = empty_figure(6.4, 1.2 + 0.28 * max(1, len(rows)))
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        low, high = row["difference_ci95"] or (row["difference"], row["difference"])
        clear = low > 0 or high < 0
        axes.plot([low, high], [place, place], color=SERIES[0] if clear else MUTED, linewidth=1.8)
        axes.plot(row["difference"], place, "o", color=SERIES[0] if clear else MUTED, markersize=5)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(places, [f"{row['name']} ({len(_seeds(row))})" for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    said = " or ".join(results["references"])
    axes.set_xlabel(f"top-1 minus that of {said} (seeds in brackets)")
    return figure


def _compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that have a difference to a reference."""
    return [row for row in rows if row.get("difference") is not None]


def _seeds(row: dict[str, Any]) -> list[int]:
    """Return the seeds that a row is compared on; tables of old do not say."""
    return list(row.get("compared_seeds", row["seeds"]))


def _table(references: list[str], rows: list[dict[str, Any]]) -> Table:
    columns: tuple[str, ...] = (
        "row",
        "seeds",
        "top-1",
        "sd",
        "against",
        "difference",
        "its sd",
        "p",
        "log loss",
    )
    gaps = all(row["training_top1"] is not None for row in rows)
    if gaps:
        columns += ("training top-1", "gap")
    return Table(
        caption="Top-1 of whole tracks on validation clips, mean over seeds",
        columns=columns,
        rows=[
            [
                Cell(row["name"], strong=row["name"] in references),
                Cell(str(len(row["seeds"]))),
                Cell(f"{row['top1']:.3f}", _interval(row["top1_ci95"])),
                Cell(number(row.get("top1_sd"))),
                Cell(row.get("against", "–")),
                *_difference(row),
                Cell(f"{row['log_loss']:.3f}"),
                *(_gap(row) if gaps else []),
            ]
            for row in rows
        ],
        numeric=frozenset(columns[1:]) - {"against"},
    )


def _difference(row: dict[str, Any]) -> list[Cell]:
    """Return a row's difference to its reference, the deviation of that between seeds, and p."""
    if "against" not in row:
        return [Cell("–")] * 3
    if row["difference"] is None:
        return [Cell("–", "no seed in common"), Cell("–"), Cell("–")]
    notes = [_interval(row["difference_ci95"], sign=True)]
    if len(_seeds(row)) < len(row["seeds"]):
        notes.append(
            f"on seed{'' if len(_seeds(row)) == 1 else 's'} {', '.join(map(str, _seeds(row)))}"
        )
    return [
        Cell(f"{row['difference']:+.3f}", " ".join(filter(None, notes))),
        Cell(number(row.get("difference_sd"))),
        Cell(f"{row['permutation_p']:.2g}"),
    ]


def _gap(row: dict[str, Any]) -> list[Cell]:
    shown = row["training_top1"]
    return [Cell(f"{shown:.3f}"), Cell(f"{shown - row['top1']:.3f}")]


def _interval(interval: list[float] | None, sign: bool = False) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"[{low:+.3f}, {high:+.3f}]" if sign else f"[{low:.3f}, {high:.3f}]"


def _headline(first: dict[str, Any], others: list[dict[str, Any]]) -> str:
    text = f"{first['name']} has {first['top1']:.3f} {_interval(first['top1_ci95'])} top-1."

    def named(rows: list[dict[str, Any]]) -> str:
        return ", ".join(f"{r['name']} ({r['difference']:+.3f} to {r['against']})" for r in rows)

    if not others:
        return text
    known = [row for row in _compared(others) if row["difference_ci95"] and len(_seeds(row)) > 1]
    worse = [row for row in known if row["difference_ci95"][1] < 0]
    better = [row for row in known if row["difference_ci95"][0] > 0]
    single = [row["name"] for row in _compared(others) if len(_seeds(row)) == 1]
    if known and not worse and not better:
        text += " No row differs from its reference beyond its 95 % interval over artists."
    for word, rows in (("Worse", worse), ("Better", better)):
        if rows:
            text += f" {word} beyond their 95 % intervals over artists: {named(rows)}."
    if single:
        count = "1 row is" if len(single) == 1 else f"{len(single)} rows are"
        text += f" {count} of one seed, whose chance may be all of a difference."
    return text
