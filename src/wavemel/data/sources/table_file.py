"""A table file (.csv, .tsv or .parquet) that lists the clips of a data set."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd

from wavemel.audio.locate import MEMBER_MARK, split
from wavemel.data.sources import SOURCES
from wavemel.data.table import REQUIRED, TEXT, Corpus, as_table
from wavemel.errors import DataError, MissingExtraError
from wavemel.whole import umask

SUFFIXES = (".csv", ".tsv", ".parquet")
#: What other data sets call our columns: offered in the error, never taken silently.
OTHER_NAMES = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "audio", "track", "location"),
    "genre": ("label", "class", "category", "style", "genre_top", "genres", "target"),
}  # fmt: skip
#: Names that say nothing about the data: the folder's name is the better one.
DULL_STEMS = frozenset({"tracks", "table", "metadata", "index", "data", "clips", "scan", "split"})


class TableFileSource:
    """A table with the columns of `wavemel.data.table`; paths are relative to its own folder."""

    order = 40

    def matches(self, data: str) -> bool:
        """Return whether ``data`` is called like a table file, whether it exists or not."""
        return Path(data).suffix.lower() in SUFFIXES and not Path(data).expanduser().is_dir()

    def open(self, data: str) -> Corpus:
        """Return the corpus; raise DataError where file, column, row or path does not hold."""
        file = Path(os.path.abspath(Path(data).expanduser()))
        rows = read_rows(file)
        _check_columns(rows, file)
        missing = rows["path"].isna()
        if missing.any():
            raise DataError(
                f"{file}: {int(missing.sum())} rows have no path (first: row {int(missing.argmax()) + 1})"
            )
        rows["path"] = [absolute(path, file.parent) for path in rows["path"].astype(str)]
        table = as_table(rows, str(file))
        if table["genre"].isna().all():
            raise DataError(f"{file}: the column 'genre' is empty")
        given = table["split"].notna().any() or table["fold"].notna().any()
        dull = file.stem.lower() in DULL_STEMS and file.parent.name
        return Corpus(
            name=file.parent.name if dull else file.stem,
            table=table,
            root=file.parent,
            split_origin="given" if given else "",
        )


def absolute(path: str, root: Path) -> str:
    """Return ``path`` as seen from ``root``, made absolute; an address (``s3://...``) stays as it is."""
    if "://" in path:
        return path
    file, member = split(os.path.join(root, os.path.expanduser(path)))
    return os.path.abspath(file) + (f"{MEMBER_MARK}{member}" if member is not None else "")


def read_rows(file: Path) -> pd.DataFrame:
    """Return a table file as it is, text columns as text (an artist may be called ``NA`` or ``007``).

    Raises
    ------
    DataError
        The file is missing, empty or not what its name says.
    """
    try:
        if file.suffix.lower() == ".parquet":
            return pd.read_parquet(file)
        separator = "\t" if file.suffix.lower() == ".tsv" else ","
        return pd.read_csv(
            file,
            sep=separator,
            dtype=dict.fromkeys(TEXT, "string"),
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
            skipinitialspace=True,
        )
    except FileNotFoundError:
        raise DataError(f"there is no table file {file}") from None
    except PermissionError:
        raise DataError(f"{file} cannot be read: permission denied") from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is not UTF-8 text: save it as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{file} is empty") from None
    except ImportError as error:
        raise MissingExtraError("train", f"reading {file.name}") from error
    # pandas' ParserError and pyarrow's ArrowInvalid are both ValueErrors.
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{file} is no valid {file.suffix[1:]} table: {reason}") from error


def _check_columns(rows: pd.DataFrame, file: Path) -> None:
    """Raise DataError that names a missing column and the column that may be meant."""
    columns = [str(column) for column in rows.columns]
    if len(columns) == 1 and file.suffix.lower() == ".csv":
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in columns[0]:
                raise DataError(f"{file} is separated by {name}: save it with commas")
    lower = {column.strip().lower(): column for column in columns}
    for wanted in REQUIRED:
        if wanted in columns:
            continue
        near = next((lower[n] for n in (wanted, *OTHER_NAMES[wanted]) if n in lower), None)
        hint = (
            f"rename {near!r} if that is it"
            if near
            else f"its columns are {', '.join(columns) or 'none'}"
        )
        raise DataError(f"{file} has no column {wanted!r}: {hint}")


def write_table(table: pd.DataFrame, file: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write a table so that `TableFileSource` reads the same rows back; empty columns are left out.

    Paths below the file's folder are written relative to it, so that the folder can move.

    Raises
    ------
    DataError
        The name ends in none of .csv, .tsv and .parquet, the folder does not
        exist, or the file exists and ``force`` is False.
    """
    out = check_out(file, force=force)
    inside = str(out.parent) + os.sep
    rows = table.copy()
    rows["path"] = [_relative(path, inside) for path in rows["path"]]
    rows = rows[[c for c in rows.columns if c in REQUIRED or rows[c].notna().any()]]
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp")
    os.close(handle)
    try:
        if out.suffix.lower() == ".parquet":
            rows.to_parquet(temporary, index=False)
        else:
            rows.to_csv(temporary, index=False, sep="\t" if out.suffix.lower() == ".tsv" else ",")
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, out)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return out


def _relative(path: str, inside: str) -> str:
    """Return a path as seen from the folder ``inside``; as it is, where it lies elsewhere."""
    seen = path.removeprefix(inside)
    # Reading skips a space before a value, and takes a tilde for somebody's home.
    return f".{os.sep}{seen}" if seen.startswith((" ", "~")) else seen


def check_out(file: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Return where a table will be written, absolute; raise DataError early where it cannot be."""
    out = Path(os.path.abspath(Path(file).expanduser()))
    if out.suffix.lower() not in SUFFIXES:
        raise DataError(f"{out}: the name of a table file ends in {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise DataError(f"{out}: there is no folder {out.parent}")
    if out.is_dir():
        raise DataError(f"{out} is a folder: give the name of a file")
    if out.exists() and not force:
        raise DataError(f"{out} exists: give another name, or --force to overwrite it")
    return out


SOURCES.register("table")(TableFileSource())
