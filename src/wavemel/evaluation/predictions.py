"""The table in which a run keeps what it predicted.

| column | what |
| --- | --- |
| path | the file |
| artist | missing where not known |
| genre | the truth |
| start | where the window begins in the file, seconds |
| p_<class> | probability of each class, in the networks' order |

A row is a window; a path and start stand once.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.errors import ModelError
from wavemel.evaluation.metrics import SUM_TOLERANCE

#: Columns before the probabilities.
FACTS = ("path", "artist", "genre", "start")
PREFIX = "p_"


def probability_columns(classes: Sequence[str]) -> list[str]:
    """Return the names of the probability columns of ``classes``."""
    return [f"{PREFIX}{name}" for name in classes]


def first_rows(paths: pd.Series) -> npt.NDArray[np.int64]:
    """Return the row with which each track begins, of windows in the order of their tracks."""
    return np.flatnonzero(~paths.duplicated().to_numpy())


def check_predictions(table: pd.DataFrame, classes: Sequence[str], where: str) -> pd.DataFrame:
    """Return the columns of a predictions table, typed and in order; other columns are left out.

    Raises
    ------
    ModelError
        A column is missing, the classes are not ``classes``, a truth is none of
        them, a row is no probabilities, or a window stands twice.
    """
    for column in FACTS:
        if column not in table.columns:
            raise ModelError(f"{where} has no column {column!r}: it holds no predictions of a run")
    columns = probability_columns(classes)
    given = [c for c in table.columns if c.startswith(PREFIX)]
    if given != columns:
        names = ", ".join(c.removeprefix(PREFIX) for c in given) or "none"
        raise ModelError(
            f"{where} holds predictions of other classes ({names}) than asked for ({', '.join(classes)})"
        )
    if table.empty:
        raise ModelError(f"{where} holds no predictions")
    checked = table[[*FACTS, *columns]].reset_index(drop=True)
    checked = checked.astype(dict.fromkeys(FACTS[:3], "string"))
    checked["artist"] = checked["artist"].mask(checked["artist"] == "", pd.NA)
    try:
        checked = checked.astype(dict.fromkeys(["start", *columns], np.float64))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where} holds something that is no number: {error}") from error
    unknown = ~checked["genre"].isin(list(classes))
    if unknown.any():
        raise ModelError(f"{where}: genre {checked['genre'][unknown].iloc[0]!r} is no known class")
    if checked["path"].isna().any() or not np.isfinite(checked["start"]).all():
        raise ModelError(f"{where} has rows without a path or start")
    p = checked[columns].to_numpy()
    # Written so that NaN fails too.
    good = (p >= 0).all(1) & (np.abs(p.sum(1) - 1) <= SUM_TOLERANCE)
    if not good.all():
        raise ModelError(f"{where}: row {int((~good).argmax()) + 1} holds no probabilities")
    twice = checked.duplicated(["path", "start"])
    if twice.any():
        raise ModelError(f"{where} lists a window of {checked['path'][twice].iloc[0]} twice")
    return checked


def save_predictions(path: Path, table: pd.DataFrame, classes: Sequence[str]) -> None:
    """Write predictions as CSV, or Parquet where ``path`` ends so; moved into place when whole.

    Raises
    ------
    ModelError
        as `check_predictions`.
    """
    checked = check_predictions(table, classes, "the table to be written")
    part = path.with_name(path.name + ".part")
    try:
        if path.suffix == ".parquet":
            checked.to_parquet(part, index=False)
        else:
            # All text in quotes: a lone carriage return in a name would else end the row.
            checked.to_csv(part, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_predictions(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    """Read what `save_predictions` has written.

    Raises
    ------
    ModelError
        There is no such file, it cannot be read, or as `check_predictions`.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing: evaluate the run first")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            # As text: a genre may be called "None" or "NA", and Python's reading of a number is exact.
            table = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        # pandas' and pyarrow's own errors are kinds of ValueError.
        raise ModelError(f"{path} cannot be read as a table: {error}") from error
    return check_predictions(table, classes, str(path))
