"""What a model confuses as a page: pairs of genres, the files behind them, and why they were mistaken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wavemel.explain.confusions import Confusions, Mistake, Pair
from wavemel.explain.numbers import completeness, summary
from wavemel.explain.track import Explanation
from wavemel.reports import figures
from wavemel.reports.document import (
    Bullets,
    Cell,
    Chart,
    Charts,
    Commands,
    Document,
    Part,
    Section,
    Table,
    Text,
)
from wavemel.reports.saliency import any_script, description, saliency_figure
from wavemel.reports.svg import to_svg
from wavemel.reports.wording import number, percent

#: Pairs with a chapter of their own, and files shown in each; confusions.json and .csv hold all.
MOST_PAIRS, MOST_FILES = 12, 100


def confusion_document(
    confusions: Confusions, explained: Mapping[str, Explanation], command: str
) -> Document:
    """Return the page.

    Parameters
    ----------
    confusions : a model's mistakes.
    explained : path -> explanation, of those that have one.
    command : what made the page.
    """
    c = confusions
    pairs = c.pairs()
    wrong = len(c.mistakes)
    charts = {
        mistake.path: _saliency(mistake, explained[mistake.path], f"mistake-{i}")
        for i, mistake in enumerate(c.mistakes, 1)
        if mistake.path in explained
    }
    sections = [_overview(c, pairs)]
    for i, pair in enumerate(pairs[:MOST_PAIRS], 1):
        sections.append(_pair_section(c, pair, f"pair-{i}", charts))
    sections.append(_method_section(list(explained.values()), command))
    return Document(
        title=f"What {c.name} confuses",
        headline=f"{wrong:,} of {c.n:,} {c.split} tracks are answered wrongly ({percent(wrong / c.n)})",
        details=[_pair_words(c, pair) for pair in pairs[:3]],
        banners=[],
        facts=[
            ("model", c.name),
            ("genres", str(len(c.classes))),
            (f"{c.split} tracks", f"{c.n:,}"),
            ("mistakes", f"{wrong:,}"),
            ("explained", f"{len(explained):,}"),
        ],
        sections=sections,
        footer="Made by wavemel explain --mistakes; confusions.json and confusions.csv hold all of it.",
    )


def _overview(c: Confusions, pairs: Sequence[Pair]) -> Section:
    rows = []
    for i, pair in enumerate(pairs, 1):
        a, b = pair.genres
        rows.append(
            [
                Cell(f"{a} and {b}", strong=i <= MOST_PAIRS),
                Cell(f"{len(pair.mistakes):,}", percent(len(pair.mistakes) / (c.of(a) + c.of(b)))),
                Cell(f"{pair.count(a):,} of {c.of(a):,}", f"{a} taken for {b}"),
                Cell(f"{pair.count(b):,} of {c.of(b):,}", f"{b} taken for {a}"),
            ]
        )
    parts: list[Part] = []
    if rows:
        columns = ("genres", "mistakes", "one way", "the other way")
        parts.append(
            Table(
                "Pairs of genres, the most confused first",
                columns,
                rows,
                numeric=frozenset(columns[1:2]),
                note="Shares are of both genres' tracks.",
            )
        )
    else:
        parts.append(Text("Nothing is confused."))
    model = {"name": c.name, "classes": list(c.classes), "confusion": c.confusion.tolist()}
    right = int(c.confusion.trace())
    title = f"Confusion matrix of {c.name}: a row a true genre, a column an answer"
    words = f"{right:,} of {c.n:,} tracks on the diagonal"
    figure = figures.confusion(model)
    svg = to_svg(figure, "confusion", title, words)
    parts.append(Charts([Chart("confusion", title, svg, figure.get_figwidth())]))
    return Section("results", "Pairs", parts)


def _pair_section(c: Confusions, pair: Pair, key: str, charts: Mapping[str, Chart]) -> Section:
    a, b = pair.genres
    shown = pair.mistakes[:MOST_FILES]
    rows = [
        [
            Cell(_one_line(m.file)),
            Cell(_one_line(m.artist or "not known")),
            Cell(m.truth, number(m.p_truth, 2)),
            Cell(m.answer, number(m.p_answer, 2)),
            Cell("see why", chart=charts[m.path].name) if m.path in charts else Cell(""),
        ]
        for m in shown
    ]
    more = len(pair.mistakes) - len(shown)
    parts: list[Part] = [
        Text(f"{_pair_words(c, pair)}."),
        Table(
            f"Files behind {a} and {b}, the most confident mistake first",
            ("file", "artist", "truth", "answer", "picture"),
            rows,
            note="Beside truth and answer: the probability that the model gave each."
            + (f" {more:,} more stand in confusions.csv." if more else ""),
            folded=len(rows) > 20,
        ),
    ]
    pictures = [charts[m.path] for m in shown if m.path in charts]
    if pictures:
        parts.append(Charts(pictures))
    return Section(key, f"{a} and {b}", parts)


def _pair_words(c: Confusions, pair: Pair) -> str:
    a, b = pair.genres
    parts = [
        f"{x} is taken for {y} {pair.count(x):,} times ({percent(pair.count(x) / c.of(x))} of {x})"
        for x, y in sorted(((a, b), (b, a)), key=lambda way: -pair.count(way[0]))
        if pair.count(x)
    ]
    return ", ".join(parts).replace(" 1 times", " once")


def _saliency(mistake: Mistake, explanation: Explanation, name: str) -> Chart:
    caption = (
        f"{_one_line(mistake.file)}: {mistake.truth}, taken for {mistake.answer} "
        f"({percent(mistake.p_answer)}). {'. '.join(_sentences(explanation))}."
    )
    title = f"Why {_one_line(mistake.file)} was taken for {mistake.answer}"
    with any_script():
        figure = saliency_figure(explanation)
        svg = to_svg(figure, name, title, description(explanation))
    return Chart(name, caption, svg, figure.get_figwidth())


def _sentences(explanation: Explanation) -> list[str]:
    return [line[0].upper() + line[1:] for line in summary(explanation)]


def _method_section(explained: Sequence[Explanation], command: str) -> Section:
    parts: list[Part] = [
        Text(
            "A track's answer is of all its windows together. Its picture shows what speaks for the "
            "answer rather than for the truth: the difference of their logits, shared out among "
            "frequencies and times."
        )
    ]
    if explained:
        question = explained[0].question
        notes = [f"Method: {question.method}, computed by captum."]
        if completeness(explained[0]):
            worst = max(explained, key=lambda e: (e.delta or 0) / max(e.change or 0, 1e-9))
            notes += [
                f"{question.steps} steps from a baseline of zero, the mean that z-scores subtract; the "
                "maps' sum is the score's distance from that of the baseline.",
                f"Worst completeness: the maps miss {worst.delta:.2g} of {worst.change:.3g} logits.",
            ]
        else:
            notes.append("Its maps have no unit and do not add up to the score.")
        notes.append("It says what the network went by, not what makes music of a genre.")
        parts.append(Bullets(notes))
    parts.append(Commands([command]))
    return Section("method", "How this was made", parts)


def _one_line(text: str) -> str:
    return text if text.isprintable() else ascii(text)
