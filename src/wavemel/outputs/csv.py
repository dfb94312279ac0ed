"""``csv``: one row a file, UTF-8, a column of probabilities a genre.

Spreadsheets run cells that begin with ``=``, ``+``, ``-`` or ``@`` as
formulas: a path that begins so is written with ``./`` before it, which means
the same file, any other text with an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
from typing import BinaryIO

from wavemel.outputs import OUTPUTS, Layout, TextOutput
from wavemel.outputs.rows import Row, shortened

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BEFORE = ("path", "genre", "probability", "unsure")
_AFTER = (
    "error",
    "reason",
    "notes",
    "seconds",
    "seconds_read",
    "windows",
    "whole",
    "complete",
    "model",
    "path_base64",
)


class CsvWriter:
    """Header first, unless the file has rows already."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file, self._layout = file, layout
        self._genres = {f"p_{name}": name for name in layout.classes}
        self._columns = [*_BEFORE, *self._genres, *_AFTER]
        if layout.timeline:
            self._columns.append("timeline")
        self._header = not (file.seekable() and file.seek(0, io.SEEK_END) > 0)

    def write(self, row: Row) -> None:
        """Write one row."""
        self._head()
        short = shortened(row, self._layout.top, self._layout.timeline)
        of_genre = {g["genre"]: g["probability"] for g in short["genres"]}
        first = short["genres"][0] if short["genres"] else {}
        cells: dict[str, object] = {
            **short,
            # A lone "-", standard input, is no formula.
            "path": short["path"] if short["path"] == "-" else _safe(short["path"], "./"),
            "genre": _safe(first.get("genre", ""), "'"),
            "probability": first.get("probability"),
            "unsure": str(short["unsure"]).lower(),
            "whole": str(short["whole"]).lower(),
            "complete": str(short["complete"]).lower(),
            "error": _safe(short["error"] or "", "'"),
            "notes": _safe("; ".join(short["notes"]), "'"),
            "model": _safe(short["model"], "'"),
            **{column: of_genre.get(name) for column, name in self._genres.items()},
        }
        if "timeline" in short:
            cells["timeline"] = json.dumps(short["timeline"], ensure_ascii=False)
        self._line([cells.get(column) for column in self._columns])

    def close(self) -> None:
        """Write the header of a file without rows."""
        self._head()

    def _head(self) -> None:
        if self._header:
            self._header = False
            self._line([_safe(column, "'") for column in self._columns])

    def _line(self, cells: list[object]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerow(cells)
        self._file.write(text.getvalue().encode("utf-8"))


class CsvOutput(TextOutput):
    """See the module."""

    suffixes = (".csv",)
    appendable = True

    def open(self, file: BinaryIO, layout: Layout) -> CsvWriter:
        """Return a writer."""
        return CsvWriter(file, layout)


def _safe(text: str, guard: str) -> str:
    return guard + text if text.startswith(_FORMULA) else text


OUTPUTS.register("csv")(CsvOutput())
