"""A report as plain parts, so that every format tells the same."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """A table cell: what it says, a smaller note beside it (an interval), and how it looks.

    ``chart`` names a figure of the same page that the text leads to, where a format has links.
    """

    text: str
    note: str = ""
    strong: bool = False
    chart: str = ""


@dataclass(frozen=True)
class Table:
    """A table; ``numeric`` names the columns that hold numbers, ``folded`` hides it until asked for."""

    caption: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]
    numeric: frozenset[str] = frozenset()
    note: str = ""
    folded: bool = False
    #: Column groups over the columns: title, how many columns, and what stands before their
    #: names where a format has no groups.
    groups: tuple[tuple[str, int, str], ...] = ()

    @property
    def edges(self) -> set[int]:
        """Columns at which a group begins, the first one aside."""
        ends = [sum(span for _, span, _ in self.groups[:i]) for i in range(len(self.groups))]
        return set(ends[1:])


@dataclass(frozen=True)
class Chart:
    """A figure: ``name`` is its file name without suffix, ``svg`` the drawing, ``width`` in inches."""

    name: str
    caption: str
    svg: str
    width: float

    @property
    def wide(self) -> bool:
        """Whether it wants a row of its own."""
        return self.width > 6


@dataclass(frozen=True)
class Charts:
    """Figures that stand side by side where there is room."""

    charts: list[Chart]

    @property
    def column(self) -> float:
        """Width of a column in which the text of every figure stays readable, in CSS pixels."""
        return 0.8 * 96 * max((c.width for c in self.charts if not c.wide), default=0.0)


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: list[str]


@dataclass(frozen=True)
class Commands:
    """Command lines to copy."""

    lines: list[str]


Part = Table | Charts | Text | Bullets | Commands


@dataclass(frozen=True)
class Section:
    """A chapter; ``key`` is its anchor."""

    key: str
    title: str
    parts: list[Part]


@dataclass(frozen=True)
class Document:
    """A whole report: title, the sentence that matters, warnings, key facts, chapters."""

    title: str
    headline: str
    details: list[str]
    #: (title, sentence): what must not be overlooked.
    banners: list[tuple[str, str]]
    #: (what, value): data set, clips, time, ...
    facts: list[tuple[str, str]]
    sections: list[Section]
    footer: str
    language: str = field(default="en")

    def charts(self) -> list[Chart]:
        """Return all figures in order."""
        return [
            chart
            for section in self.sections
            for part in section.parts
            if isinstance(part, Charts)
            for chart in part.charts
        ]
