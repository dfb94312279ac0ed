"""The tables of a report; every number in them stands in results.json."""

from __future__ import annotations

from typing import Any

from wavemel.reports.document import Cell, Table
from wavemel.reports.wording import (
    PAPER,
    interval,
    lone_genres,
    number,
    p_value,
    paper_name,
    pooling_sentence,
    verdict,
)

HEADLINE = (
    ("top1", "top-1"),
    ("macro_precision", "macro precision"),
    ("macro_recall", "macro recall"),
    ("macro_f1", "macro F1"),
    ("one_vs_rest_accuracy", "one-vs-rest accuracy"),
)
_PAPER_COLUMNS = ("accuracy", "precision", "recall", "F1")
MOST_ROWS = 2000


def table_1(results: dict[str, Any]) -> Table:
    """Return the paper's table 1, ours beside the paper's."""
    models = results["models"]
    shown = any(paper_name(m) for m in models)
    best = _best(models)
    rows = []
    for model in models:
        row = [_name(model), *_figures(model, best)]
        if shown:
            row += [Cell(number(v, 2)) for v in PAPER.get(paper_name(model), (None,) * 4)]
        rows.append(row)
    ours = tuple(label for _, label in HEADLINE)
    theirs = _PAPER_COLUMNS if shown else ()
    groups: tuple[tuple[str, int, str], ...] = (("", 1, ""), ("here", len(ours), ""))
    if shown:
        groups += (("in the paper, on FMA-small", 4, "paper: "),)
    return Table(
        f"Table 1. Clip level: the {_clip(results)} of each of {models[0]['n']:,} {models[0]['split']} clips",
        ("model", *ours, *theirs),
        rows,
        numeric=frozenset((*ours, *theirs)),
        groups=groups,
        note="In brackets: 95 % intervals, bootstrap over artists where known, else over tracks. "
        "Bold: the highest of a column, whether or not the difference is significant."
        + _more(lone_genres(models[0])),
    )


def track_table(results: dict[str, Any]) -> Table | None:
    """Return the same figures for whole tracks, where a model has them."""
    models = [m for m in results["models"] if m["track"]]
    if not models:
        return None
    best = _best([m["track"] for m in models])
    labels = tuple(label for _, label in HEADLINE)
    return Table(
        "Table 2. Track level: all windows of the whole track together",
        ("model", "tracks", *labels),
        [[_name(m), Cell(f"{m['track']['n']:,}"), *_figures(m["track"], best)] for m in models],
        numeric=frozenset(("tracks", *labels)),
        note=pooling_sentence(models) + _more(lone_genres(models[0]["track"])),
    )


def seed_table(results: dict[str, Any]) -> Table | None:
    """Return what several seeds of one network have on average, where there are several."""
    rows = results.get("over_seeds")
    if not rows:
        return None
    numeric = ("seeds", "tracks", "mean top-1", "standard deviation", "each")
    return Table(
        "Over seeds: top-1 of whole tracks",
        ("network", *numeric),
        [
            [
                Cell(row["name"]),
                Cell(str(len(row["seeds"]))),
                Cell(f"{row['n']:,}"),
                Cell(number(row["top1"]), interval(row["top1_ci95"])),
                Cell(number(row["top1_sd"])),
                Cell(" ".join(number(value) for value in row["top1_each"])),
            ]
            for row in rows
        ],
        numeric=frozenset(numeric),
        note="In brackets: 95 % interval of the mean over seeds, bootstrap over artists. The standard "
        "deviation is between seeds alone.",
    )


def overfitting_table(models: list[dict[str, Any]]) -> Table:
    """Return how much better networks know the clips they learnt from than others."""
    numeric = ("training clips", "held-out clips", "gap")
    return Table(
        "Top-1 of whole tracks on the clips that a network learnt from, unchanged, and on others",
        ("network", *numeric),
        [
            [
                Cell(model["name"]),
                *(
                    Cell(number(model["overfitting"][key]))
                    for key in ("training_top1", "held_out_top1", "gap")
                ),
            ]
            for model in models
        ],
        numeric=frozenset(numeric),
    )


def pair_table(results: dict[str, Any], key: str = "pairs") -> Table | None:
    """Return the paired tests, ``key`` being those of clips (``pairs``) or of whole tracks (``track_pairs``)."""
    if not results.get(key):
        return None
    numeric = ("difference in top-1", "McNemar p", "permutation p", "Holm p")
    return Table(
        "Paired tests of whole tracks"
        if key == "track_pairs"
        else f"Table 3. Paired tests on the same {results['models'][0]['split']} clips",
        ("pair", *numeric, "verdict"),
        [
            [
                Cell(f"{pair['a']} − {pair['b']}"),
                Cell(
                    f"{pair['difference']:+.3f}".replace("-", "−"),
                    interval(pair["difference_ci95"]),
                ),
                Cell(p_value(pair["mcnemar_p"])),
                Cell(p_value(pair["permutation_p"])),
                Cell(p_value(pair["holm_p"])),
                Cell(verdict(pair)),
            ]
            for pair in results[key]
        ],
        numeric=frozenset(numeric),
        note="Holm p: the permutation p corrected for the number of pairs. A difference counts as "
        "significant where the p value is under 0.05 and the interval leaves out 0.",
    )


def confidence_table(results: dict[str, Any]) -> Table:
    """Return how far each model's probabilities can be believed."""
    keys = (("log_loss", "log loss"), ("brier", "Brier score"), ("ece", "calibration error"))
    shown = [
        (k, label) for k, label in keys if any(m.get(k) is not None for m in results["models"])
    ]
    labels = tuple(label for _, label in shown)
    return Table(
        "Table 5. Stated probabilities, clip level",
        ("model", *labels),
        [
            [_name(m), *(Cell(number(m.get(k)), interval(m.get(f"{k}_ci95"))) for k, _ in shown)]
            for m in results["models"]
        ],
        numeric=frozenset(labels),
        note="Lower is better. Log loss in nats; the calibration error is the mean distance between "
        "stated confidence and share right.",
    )


def per_class_table(models: list[dict[str, Any]]) -> Table:
    """Return precision, recall and F1 by genre of every model."""
    figures = ("precision", "recall", "F1")
    rows = []
    for i, genre in enumerate(models[0]["classes"]):
        row = [Cell(genre), Cell(f"{sum(models[0]['confusion'][i]):,}")]
        for model in models:
            found = model["per_class"][i]
            row += [Cell(number(found[key.lower()])) for key in figures]
        rows.append(row)
    return Table(
        "Table 4. By genre, clip level",
        ("genre", "clips", *figures * len(models)),
        rows,
        numeric=frozenset(("clips", *figures)),
        groups=(("", 2, ""), *((m["name"], 3, f"{m['name']}: ") for m in models)),
    )


def split_table(data: dict[str, Any]) -> Table:
    """Return how the data were split, and whether that leaks."""
    rows = [("split", data["split"]), ("leak check", data["leak"] or "nothing was found")]
    return Table("Split and leak check", ("", "finding"), [[Cell(a), Cell(b)] for a, b in rows])


def count_table(data: dict[str, Any]) -> Table:
    """Return clips by genre and split."""
    splits = tuple(data["counts"])
    genres = sorted({genre for counts in data["counts"].values() for genre in counts})
    rows = [[Cell(g), *(Cell(f"{data['counts'][s].get(g, 0):,}") for s in splits)] for g in genres]
    total = [Cell(f"{sum(data['counts'][s].values()):,}", strong=True) for s in splits]
    return Table(
        "Clips used, by genre and split",
        ("genre", *splits),
        [*rows, [Cell("all", strong=True), *total]],
        numeric=frozenset(splits),
    )


def left_out_table(data: dict[str, Any]) -> Table | None:
    """Return the clips that were left out, and why."""
    clips = data["left_out_clips"]
    if not clips:
        return None
    more = len(clips) - MOST_ROWS
    return Table(
        f"Clips left out ({len(clips):,})",
        ("clip", "status", "reason"),
        [
            [Cell(str(c["path"])), Cell(str(c["status"])), Cell(str(c.get("reason") or ""))]
            for c in clips[:MOST_ROWS]
        ],
        folded=True,
        note=f"{more:,} more stand in results.json." if more > 0 else "",
    )


def machine_table(machine: dict[str, Any]) -> Table:
    """Return hardware and versions."""
    memory = machine["memory_gib"]
    rows = [
        ("processor", f"{machine['processor']}, {machine['cores'] or '?'} cores"),
        ("memory", "–" if memory is None else f"{memory:g} GiB"),
        ("accelerators", ", ".join(machine["accelerators"]) or "none"),
        ("system", machine["system"]),
        *machine["versions"].items(),
    ]
    return Table("Hardware and versions", ("what", "value"), [[Cell(a), Cell(b)] for a, b in rows])


def _more(sentence: str) -> str:
    return f" {sentence}" if sentence else ""


def _name(model: dict[str, Any]) -> Cell:
    return Cell(model["name"], "baseline" if model["kind"] == "baseline" else "")


def _figures(figures: dict[str, Any], best: dict[str, float | None]) -> list[Cell]:
    return [
        Cell(
            number(figures[key]),
            interval(figures.get(f"{key}_ci95")),
            strong=figures[key] == best[key],
        )
        for key, _ in HEADLINE
    ]


def _best(levels: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the highest figure of each column, where they differ."""
    columns = {key: [level[key] for level in levels] for key, _ in HEADLINE}
    return {key: max(v) if len(set(v)) > 1 else None for key, v in columns.items()}


def _clip(results: dict[str, Any]) -> str:
    """Return which stretch of a clip the figures are of."""
    seconds = {m["experiment"]["audio"]["seconds"] for m in results["models"] if m["experiment"]}
    return f"first {seconds.pop():g} s" if len(seconds) == 1 else "first window"
