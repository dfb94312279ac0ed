"""``json``: one array of objects, as `wavemel.outputs.rows` describes them."""

from __future__ import annotations

import json
from typing import BinaryIO

from wavemel.outputs import OUTPUTS, Layout, TextOutput
from wavemel.outputs.rows import Row, shortened


class JsonWriter:
    """Writes the array element by element, so that it need not be held in memory."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file, self._layout = file, layout
        self._separator = "[\n"

    def write(self, row: Row) -> None:
        """Write one element."""
        short = shortened(row, self._layout.top, self._layout.timeline)
        text = self._separator + json.dumps(short, ensure_ascii=False, indent=1)
        self._file.write(text.encode("utf-8"))
        self._separator = ",\n"

    def close(self) -> None:
        """End the array."""
        self._file.write(b"[]\n" if self._separator == "[\n" else b"\n]\n")


class JsonOutput(TextOutput):
    """See the module."""

    suffixes = (".json",)
    appendable = False

    def open(self, file: BinaryIO, layout: Layout) -> JsonWriter:
        """Return a writer."""
        return JsonWriter(file, layout)


OUTPUTS.register("json")(JsonOutput())
