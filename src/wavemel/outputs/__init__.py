"""Results -> files and terminals: one module a format, found through `OUTPUTS`.

A module registers an `Output`; the end of it reads
``OUTPUTS.register("name")(NameOutput())``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from wavemel.errors import ConfigError
from wavemel.outputs.rows import Row
from wavemel.registry import Registry


@dataclass(frozen=True)
class Layout:
    """What a file of results holds.

    ``classes``: the model's. ``top``: genres a track, all where None.
    ``timeline``: whether to hold the windows too.
    """

    classes: tuple[str, ...]
    top: int | None = None
    timeline: bool = False


class Writer(Protocol):
    """Writes rows to one binary file."""

    def write(self, row: Row) -> None:
        """Write one row; where the format can be read while it grows, it is complete at once."""
        ...

    def close(self) -> None:
        """Write what belongs at the end; the file stays the caller's."""
        ...


class Output(Protocol):
    """What every format offers."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of file names that mean this format."""
        ...

    @property
    def appendable(self) -> bool:
        """Whether a file can be opened again and continued after its last row."""
        ...

    def check(self, *, terminal: bool = False) -> None:
        """Do nothing where rows can be written, to a file or a ``terminal``: asked before any is made.

        Raises
        ------
        MissingExtraError
            The format needs a library that is not installed.
        ConfigError
            It is no text, which alone a terminal shows.
        """
        ...

    def open(self, file: BinaryIO, layout: Layout) -> Writer:
        """Return a writer; for an appendable format, ``file`` may hold rows already.

        Raises
        ------
        MissingExtraError
            as `check`.
        """
        ...


class TextOutput:
    """What the formats have in common that are text, and need no library."""

    def check(self, *, terminal: bool = False) -> None:
        """Nothing can be in the way."""


OUTPUTS: Registry[Output] = Registry("output format", __name__)


def output_for(file: Path | None, name: str | None) -> Output:
    """Return the format called ``name``, else the one that the file's ending means.

    Raises
    ------
    ConfigError
        There is no such format, or the ending means none.
    """
    if name is not None:
        return OUTPUTS[name]
    if file is None:
        return OUTPUTS["table"]
    for _, output in OUTPUTS.items():
        if file.suffix.lower() in output.suffixes:
            return output
    known = sorted(suffix for _, output in OUTPUTS.items() for suffix in output.suffixes)
    raise ConfigError(f"--out {file}: which format? Say --format, or end in {', '.join(known)}")
