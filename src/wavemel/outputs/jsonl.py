"""``jsonl``: one JSON object a line, UTF-8; a line is complete once it ends."""

from __future__ import annotations

import json
from typing import BinaryIO

from wavemel.outputs import OUTPUTS, Layout, TextOutput
from wavemel.outputs.rows import Row, shortened


class JsonLinesWriter:
    """One ``write()`` a row, so that a reader never meets half a line of a living writer."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file, self._layout = file, layout

    def write(self, row: Row) -> None:
        """Write one line."""
        short = shortened(row, self._layout.top, self._layout.timeline)
        self._file.write((json.dumps(short, ensure_ascii=False) + "\n").encode("utf-8"))

    def close(self) -> None:
        """Nothing belongs at the end."""


class JsonLinesOutput(TextOutput):
    """See the module."""

    suffixes = (".jsonl", ".ndjson")
    appendable = True

    def open(self, file: BinaryIO, layout: Layout) -> JsonLinesWriter:
        """Return a writer."""
        return JsonLinesWriter(file, layout)


OUTPUTS.register("jsonl")(JsonLinesOutput())
