"""What tagging is told about each file, and reading it back from a file of results."""

from __future__ import annotations

import base64
import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from wavemel.errors import DataError
from wavemel.library.origin import folder_of, has_newer
from wavemel.library.outfile import regular, store_path
from wavemel.registry import suggest

FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
#: Those that are written when a run ends; to others each row is appended.
WRITTEN_LAST = (".json", ".parquet")
#: Columns of probabilities start so.
OF_GENRE = "p_"
#: Of a cell of a CSV, in characters; a C long has 32 bits on some platforms.
LONGEST_CELL = min(sys.maxsize, 2**31 - 1)


@dataclass(frozen=True)
class Verdict:
    """What a classifier said of one file.

    ``genres`` are (name, probability), most probable first; ``error`` is why
    there are none.
    """

    path: str
    genres: list[tuple[str, float]] = field(default_factory=list)
    unsure: bool = False
    error: str | None = None


def read_results(path: str | PathLike[str]) -> list[Verdict]:
    """Return the verdicts of a results file; of a path that stands twice, the last.

    A record has ``path`` (or ``path_base64``, for names that are no UTF-8),
    ``unsure``, ``error`` and the genres: as ``genres``, a list of ``{genre,
    probability}``; as a column ``p_NAME`` a genre; or, as in tables made by
    hand, with one row a genre and the columns ``genre`` and ``probability``.

    Raises
    ------
    DataError
        The file is missing or not of this form; it says in which line. Or it lags behind its store.
    ModelError
        It was written with a store, which cannot be read, and relative paths or its form need it.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no results file {path}")
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise DataError(f"{path}: results end in {', '.join(FORMATS)}, not in {kind!r}")
    try:
        records = list(_READERS[kind](path))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not {kind[1:].upper()} text: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path} holds no results: it is nested too deeply") from error
    columns = records[0][1] if records else {}
    if "genre" in columns and "genres" not in columns and not any(map(_of_genre, columns)):
        verdicts = _by_path(records, path)
    else:
        verdicts = [_verdict(record, f"{path}, {where}") for where, record in records]
    store = store_path(regular(path))
    # To other forms the newer row has been appended.
    if kind in WRITTEN_LAST and has_newer(store):
        raise DataError(
            f"{path} is older than {store.name} beside it, of a run that was killed or goes on: "
            "run classify again"
        )
    # Paths are as they were typed where the results were made, which may be elsewhere.
    relative = any(not os.path.isabs(verdict.path) for verdict in verdicts)
    folder = folder_of(store) if relative else None
    if folder is not None and folder != os.getcwd():
        verdicts = [replace(v, path=os.path.join(folder, v.path)) for v in verdicts]
    return list({verdict.path: verdict for verdict in verdicts}.values())


Record = tuple[str, Mapping[str, Any]]


def _text(path: Path) -> str:
    # Editors on Windows begin a text with a mark. Names of files may hold bytes that are no UTF-8;
    # Python carries them as surrogates.
    return path.read_bytes().decode("utf-8-sig", "surrogateescape")


def _jsonl(path: Path) -> Iterator[Record]:
    lines = _text(path).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                return  # The run that writes it was killed here, or is at it.
            raise DataError(f"{path}, line {number} is not JSON: {error}") from error
        yield f"line {number}", _checked(record, f"{path}, line {number}")


def _json(path: Path) -> Iterator[Record]:
    try:
        records = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if isinstance(records, dict):
        records = [records]
    if not isinstance(records, list):
        raise DataError(f"{path} holds no list of results")
    for number, record in enumerate(records, 1):
        yield f"result {number}", _checked(record, f"{path}, result {number}")


def _csv(path: Path) -> Iterator[Record]:
    # The timeline of a long track exceeds the 131,072 characters that csv allows by itself.
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames
        if columns is None:
            return  # Nothing is in it, as in other forms before the first result.
        if not _about_files(columns):
            raise DataError(f"{path} is no CSV of results: {_no_column(columns)}")
        for number, row in enumerate(rows, 1):
            yield f"row {number}", row


def _no_column(columns: Sequence[str]) -> str:
    if columns and columns[0].lstrip().startswith(("{", "[")):
        return "it holds JSON; let its name end in .jsonl or .json"
    return f"its first line must name {_columns_wanted(columns)}"


def _about_files(columns: Sequence[str]) -> bool:
    return "path" in columns or "path_base64" in columns


def _columns_wanted(columns: Sequence[str]) -> str:
    near = suggest("path", list(columns)) if columns else ""
    return f"a column 'path' or 'path_base64'{near}"


def _parquet(path: Path) -> Iterator[Record]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError:
        from wavemel.errors import MissingExtraError

        raise MissingExtraError("parquet", "reading Parquet") from None
    try:
        table = parquet.read_table(path)
    except (ArrowInvalid, OSError) as error:
        # What is damaged inside, Arrow tells as an OSError without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = " ".join(str(error).split())
        raise DataError(f"{path} is not a Parquet file, or a damaged one: {said}") from error
    if not _about_files(table.column_names):
        wanted = _columns_wanted(table.column_names)
        raise DataError(f"{path} is no Parquet of results: it must have {wanted}")
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"row {number}", row


_READERS = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}


def _checked(record: object, where: str) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise DataError(f"{where} is no result: an object with 'path' and 'genres' is needed")
    return record


def _verdict(record: Mapping[str, Any], where: str) -> Verdict:
    path = _path(record, where)
    error = record.get("error")
    genres = record.get("genres", _from_columns(record))
    no_list = f"{where}: 'genres' is no list: give objects with 'genre' and 'probability' in one"
    if isinstance(genres, str):  # a list in a cell
        try:
            genres = json.loads(genres) if genres.strip() else []
        except (json.JSONDecodeError, RecursionError) as bad:
            raise DataError(no_list) from bad
    if genres is None and not error:
        raise DataError(f"{where} has neither 'genres' nor 'error'")
    if genres is not None and not isinstance(genres, list):
        raise DataError(no_list)
    pairs = []
    for item in genres or []:
        try:
            pairs.append((str(item["genre"]), float(item["probability"])))
        except (KeyError, TypeError, ValueError) as bad:
            raise DataError(
                f"{where}: a genre needs 'genre' and a number 'probability', not {item!r}"
            ) from bad
    return _made(path, pairs, record)


def _of_genre(column: object) -> bool:
    return isinstance(column, str) and column.startswith(OF_GENRE)


def _from_columns(record: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the genres of a row with a column a genre; None where there are no such columns."""
    columns = [column for column in record if _of_genre(column)]
    if not columns:
        return None
    return [
        {"genre": column.removeprefix(OF_GENRE), "probability": record[column]}
        for column in columns
        if record[column] not in ("", None)
    ]


def _by_path(records: Iterable[Record], file: Path) -> list[Verdict]:
    pairs: dict[str, list[tuple[str, float]]] = {}
    said: dict[str, Mapping[str, Any]] = {}
    for where, record in records:
        path = _path(record, f"{file}, {where}")
        said[path] = record
        own = pairs.setdefault(path, [])
        if record.get("genre"):
            try:
                own.append((str(record["genre"]), float(record["probability"])))
            except (KeyError, TypeError, ValueError) as bad:
                raise DataError(f"{file}, {where}: 'probability' is no number") from bad
    return [_made(path, own, said[path]) for path, own in pairs.items()]


def _path(record: Mapping[str, Any], where: str) -> str:
    path = record.get("path")
    if encoded := record.get("path_base64"):
        try:
            return os.fsdecode(base64.b64decode(encoded, validate=True))
        except (ValueError, TypeError) as error:
            raise DataError(f"{where}: 'path_base64' is not Base64") from error
    if not isinstance(path, str) or not path:
        known = [str(key) for key in record]
        near = suggest("path", known) if known and "path" not in record else ""
        raise DataError(f"{where} has no 'path'{near}")
    return path


def _made(path: str, pairs: list[tuple[str, float]], record: Mapping[str, Any]) -> Verdict:
    unsure = record.get("unsure")
    if isinstance(unsure, str):
        unsure = unsure.strip().lower() in ("true", "1", "yes")
    # Stable, so that equal probabilities keep the order of the results.
    pairs = sorted(((_one_line(genre), p) for genre, p in pairs), key=lambda pair: -pair[1])
    return Verdict(path, pairs, bool(unsure), str(record.get("error") or "") or None)


def _one_line(genre: str) -> str:
    """Return a genre as it can be shown and written: what would steer a terminal becomes a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in genre).split())


def mean_verdict(verdicts: Iterable[Verdict], path: str = "") -> Verdict:
    """Return one verdict for several files: each genre's mean probability over those heard.

    It is unsure where most of them are.
    """
    heard = [verdict for verdict in verdicts if verdict.error is None and verdict.genres]
    if not heard:
        return Verdict(path, error="none of the files could be classified")
    sums: dict[str, float] = {}
    for verdict in heard:
        for genre, probability in verdict.genres:
            sums[genre] = sums.get(genre, 0.0) + probability
    pairs = sorted(((g, s / len(heard)) for g, s in sums.items()), key=lambda pair: -pair[1])
    return Verdict(path, pairs, 2 * sum(verdict.unsure for verdict in heard) > len(heard))
