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
from wavemel.reports.wording import synthetic_banner


def ablation_document(results: dict[str, Any]) -> Document:
    """Return an ablation's results (see `wavemel.ablation.ablate`) as plain parts."""
    rows = results["rows"]
    first = next(row for row in rows if "against" not in row)
    others = [row for row in rows if row is not first]
    figure = difference_chart(results)
    words = "; ".join(f"{row['name']} {row['difference']:+.3f}" for row in others)
    title = "Difference in top-1 to the reference of each row, with 95 % intervals"
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
                        "settings (below). Intervals are bootstraps over artists, of the mean over seeds. p is of a paired "
                        "permutation test by artist; with so many rows a p near .05 is expected by chance. "
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
    rows = [row for row in results["rows"] if "against" in row]
    figure, axes = empty_figure(6.4, 1.2 + 0.28 * max(1, len(rows)))
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        low, high = row["difference_ci95"] or (row["difference"], row["difference"])
        clear = low > 0 or high < 0
        axes.plot([low, high], [place, place], color=SERIES[0] if clear else MUTED, linewidth=1.8)
        axes.plot(row["difference"], place, "o", color=SERIES[0] if clear else MUTED, markersize=5)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(places, [f"{row['name']} ({len(row['seeds'])})" for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    said = " or ".join(results["references"])
    axes.set_xlabel(f"top-1 minus that of {said} (seeds in brackets)")
    return figure


def _table(references: list[str], rows: list[dict[str, Any]]) -> Table:
    columns: tuple[str, ...] = ("row", "seeds", "top-1", "against", "difference", "p", "log loss")
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
                Cell(row.get("against", "–")),
                Cell(f"{row['difference']:+.3f}", _interval(row["difference_ci95"], sign=True))
                if "against" in row
                else Cell("–"),
                Cell(f"{row['permutation_p']:.2g}" if "against" in row else "–"),
                Cell(f"{row['log_loss']:.3f}"),
                *(_gap(row) if gaps else []),
            ]
            for row in rows
        ],
        numeric=frozenset(columns[1:]) - {"against"},
    )


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

    known = [row for row in others if row["difference_ci95"]]
    worse = [row for row in known if row["difference_ci95"][1] < 0]
    better = [row for row in known if row["difference_ci95"][0] > 0]
    if not others:
        return text
    if not worse and not better:
        return f"{text} No row differs from its reference beyond its 95 % interval."
    for word, rows in (("Worse", worse), ("Better", better)):
        if rows:
            text += f" {word} beyond their 95 % intervals: {named(rows)}."
    return text
