"""The report as Markdown, with its figures as files beside it."""

from __future__ import annotations

import re

from wavemel.reports.document import (
    Bullets,
    Cell,
    Charts,
    Commands,
    Document,
    Part,
    Table,
    Text,
)


def render_markdown(document: Document) -> str:
    """Return the report as GitHub-flavoured Markdown that links ``figures/<name>.svg``."""
    lines = [f"# {_text(document.title)}", ""]
    for title, sentence in document.banners:
        lines += [f"> **{_text(title)}.** {_text(sentence)}", ""]
    lines += [f"**{_text(document.headline)}**", ""]
    if document.details:
        lines += [*(f"- {_text(d)}" for d in document.details), ""]
    lines += [" · ".join(f"{_text(what)}: {_text(value)}" for what, value in document.facts), ""]
    for section in document.sections:
        lines += [f"## {_text(section.title)}", ""]
        for part in section.parts:
            lines += [*_part(part), ""]
    lines += ["---", "", _text(document.footer)]
    return "\n".join(lines) + "\n"


def _part(part: Part) -> list[str]:
    if isinstance(part, Text):
        return [_text(part.text)]
    if isinstance(part, Bullets):
        return [f"- {_text(item)}" for item in part.items]
    if isinstance(part, Commands):
        return ["```sh", *part.lines, "```"]
    if isinstance(part, Charts):
        lines: list[str] = []
        for chart in part.charts:
            lines += [
                f"![{_text(chart.caption)}](figures/{chart.name}.svg)",
                "",
                f"*{_text(chart.caption)}.*",
                "",
            ]
        return lines[:-1]
    return _table(part)


def _table(table: Table) -> list[str]:
    rule = ["---:" if column in table.numeric else "---" for column in table.columns]
    before = [prefix for _, span, prefix in table.groups for _ in range(span)]
    heads = [(before[i] if before else "") + column for i, column in enumerate(table.columns)]
    lines = [
        _row([_text(head) or " " for head in heads]),
        _row(rule),
        *(_row([_cell(cell) for cell in row]) for row in table.rows),
    ]
    if table.note:
        lines += ["", _text(table.note)]
    if table.folded:
        return [
            "<details>",
            f"<summary>{_text(table.caption)}</summary>",
            "",
            *lines,
            "",
            "</details>",
        ]
    return [f"**{_text(table.caption)}**", "", *lines]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = f"**{_text(cell.text)}**" if cell.strong and cell.text else _text(cell.text)
    return f"{text} {_text(cell.note)}" if cell.note else text


def _text(text: str) -> str:
    """Return text in which nothing is taken for markup, on one line."""
    text = re.sub(r"([\\`*_|<>#\[\]])", r"\\\1", " ".join(text.split()))
    # Between brackets of numbers no link can begin, and escapes only blur the source.
    return re.sub(r"\\\[([-−–\d., ]+)\\\]", r"[\1]", text)
