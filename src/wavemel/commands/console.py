"""Tables for people, drawn on a terminal, aligned plain text in a pipe; JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns of numbers are aligned to the right.

    Parameters
    ----------
    title : printed above; empty for none.
    columns : headings.
    rows : cells, shown by ``str``; None is an empty cell.
    """
    cells = [["" if c is None else _shown(str(c)) for c in row] for row in rows]
    right = [_numeric([row[i] for row in cells]) for i in range(len(columns))]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=title or None, title_justify="left")
        for name, numbers in zip(columns, right, strict=True):
            drawn.add_column(name, justify="right" if numbers else "left", overflow="fold")
        for row in cells:
            # Text, not str: a file name in brackets is no markup.
            drawn.add_row(*(Text(c) for c in row))
        Console().print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if title:
        print(title)
    for row in [list(columns), *cells]:
        padded = (
            c.rjust(w) if numbers else c.ljust(w)
            for c, w, numbers in zip(row, widths, right, strict=True)
        )
        print("  ".join(padded).rstrip())


def print_json(value: object, indent: int | None = 2) -> None:
    """Print JSON that every program can read: in ASCII, whatever standard output is encoded in.

    Numbers that JSON does not have (NaN, infinities) are null.
    """
    print(json.dumps(_finite(value), indent=indent, allow_nan=False), flush=True)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(cell: str) -> str:
    # A file's name can hold a newline; a row stays one line.
    return cell if cell.isprintable() else ascii(cell)


def _numeric(column: list[str]) -> bool:
    given = [c for c in column if c]
    return bool(given) and all(c[0].isdigit() or c[0] in "-+." for c in given)
