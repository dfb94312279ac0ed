"""``table``: aligned lines for people, each written as its file is done."""

from __future__ import annotations

from typing import BinaryIO

from wavemel.outputs import OUTPUTS, Layout, TextOutput
from wavemel.outputs.rows import Row, one_line, path_of, shortened

#: Genres a line, unless told otherwise.
_TOP = 3


class TableWriter:
    """``genre probability others path``; an unsure genre ends in ``?``."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file, self._layout = file, layout
        self._top = layout.top or _TOP
        names = sorted((len(name) for name in layout.classes), reverse=True)
        self._genre = max([*names, len("error")]) + 1
        # "name 0.12" and ", " between.
        others = names[: min(self._top, len(names)) - 1]
        self._others = max(0, sum(n + 7 for n in others) - 2)

    def write(self, row: Row) -> None:
        """Write a file's line, and one a window where the timeline is wanted."""
        row = shortened(row, self._top, self._layout.timeline)
        name = one_line(path_of(row))
        notes = f"  ({'; '.join(row['notes'])})" if row["notes"] else ""
        if row["error"]:
            self._line(f"{'error':<{self._genre}} {name}: {row['error']}")
        elif not row["genres"]:
            self._line(f"{'-':<{self._genre}} {'':4}  {'':<{self._others}}  {name}{notes}")
        else:
            self._line(f"{self._said(row)}  {name}{notes}")
        for window in row.get("timeline", ()):
            clock = f"  {_clock(window['start'])}-{_clock(window['end'])}"
            self._line(f"{clock}  {_list(window['genres'])}")

    def close(self) -> None:
        """Nothing belongs at the end."""

    def _said(self, row: Row) -> str:
        first, *others = row["genres"]
        genre = first["genre"] + ("?" if row["unsure"] else "")
        return f"{genre:<{self._genre}} {first['probability']:.2f}  {_list(others):<{self._others}}"

    def _line(self, text: str) -> None:
        self._file.write((text.rstrip() + "\n").encode("utf-8", "backslashreplace"))


class TableOutput(TextOutput):
    """See the module."""

    suffixes = (".txt",)
    appendable = True

    def open(self, file: BinaryIO, layout: Layout) -> TableWriter:
        """Return a writer."""
        return TableWriter(file, layout)


def _list(genres: list[dict[str, float]]) -> str:
    return ", ".join(f"{g['genre']} {g['probability']:.2f}" for g in genres)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


OUTPUTS.register("table")(TableOutput())
