"""``parquet``: one row a file with typed columns; pandas and DuckDB read it in one line."""

from __future__ import annotations

from typing import Any, BinaryIO

from wavemel.errors import ConfigError, MissingExtraError
from wavemel.outputs import OUTPUTS, Layout
from wavemel.outputs.rows import Row, shortened

#: Rows a row group: columns compress well, and little is held in memory.
_GROUP = 10_000


class ParquetWriter:
    """Writes row groups as they fill; the file is complete when it is closed."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        pyarrow, parquet = _library()
        self._arrow, self._layout = pyarrow, layout
        self._schema = _schema(pyarrow, layout.timeline)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Row) -> None:
        """Take one row; it reaches the file with its group."""
        short = shortened(row, self._layout.top, self._layout.timeline)
        first = short["genres"][0] if short["genres"] else {}
        self._rows.append(
            {**short, "genre": first.get("genre"), "probability": first.get("probability")}
        )
        if len(self._rows) == _GROUP:
            self._flush()

    def close(self) -> None:
        """Write the last group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            table = self._arrow.Table.from_pylist(self._rows, schema=self._schema)
            self._writer.write_table(table)
            self._rows.clear()


class ParquetOutput:
    """See the module."""

    suffixes = (".parquet",)
    appendable = False

    def check(self, *, terminal: bool = False) -> None:
        """Raise where pyarrow is missing, or the bytes would go to a terminal."""
        if terminal:
            raise ConfigError(
                "Parquet is no text: give --out FILE, or redirect standard output, as in > FILE"
            )
        _library()

    def open(self, file: BinaryIO, layout: Layout) -> ParquetWriter:
        """Return a writer."""
        return ParquetWriter(file, layout)


def _library() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("parquet", "writing Parquet") from error
    return pyarrow, parquet


def _schema(pa: Any, timeline: bool) -> Any:
    genres = pa.list_(pa.struct([("genre", pa.string()), ("probability", pa.float64())]))
    fields = [
        ("path", pa.string()),
        ("genre", pa.string()),
        ("probability", pa.float64()),
        ("unsure", pa.bool_()),
        ("genres", genres),
        ("error", pa.string()),
        ("reason", pa.string()),
        ("notes", pa.list_(pa.string())),
        ("seconds", pa.float64()),
        ("seconds_read", pa.float64()),
        ("windows", pa.int32()),
        ("whole", pa.bool_()),
        ("complete", pa.bool_()),
        ("model", pa.string()),
        ("path_base64", pa.string()),
    ]
    if timeline:
        window = pa.struct([("start", pa.float64()), ("end", pa.float64()), ("genres", genres)])
        fields.append(("timeline", pa.list_(window)))
    return pa.schema(fields)


OUTPUTS.register("parquet")(ParquetOutput())
