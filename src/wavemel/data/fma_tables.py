"""FMA's metadata files: ``tracks.csv`` with its two header rows and third line, and ``genres.csv``.

Source: Defferrard et al. 2017, github.com/mdeff/fma, ``usage.ipynb``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
import pandas as pd

from wavemel.errors import DataError

SUBSETS = ("small", "medium", "large")
#: (first, second) header row to the name of our column.
WANTED = {
    ("album", "id"): "album_id",
    ("album", "title"): "album",
    ("artist", "id"): "artist_id",
    ("artist", "name"): "artist",
    ("set", "split"): "split",
    ("set", "subset"): "subset",
    ("track", "genre_top"): "genre",
    ("track", "genres"): "genres",
    ("track", "genres_all"): "genres_all",
    ("track", "license"): "licence",
    ("track", "title"): "title",
}
INTEGERS = ("track_id", "album_id", "artist_id")


def read_tracks(stream: BinaryIO, where: str) -> pd.DataFrame:
    """Return ``tracks.csv``, indexed by track id, with the columns of `WANTED` under our names.

    Raises
    ------
    DataError
        It has not FMA's form.
    """
    from pyarrow import ArrowInvalid
    from pyarrow import csv as arrow_csv

    text = stream.read()
    header, start = _header(text, where)
    # Columns by number: names repeat (id, title, ...) over the two header rows.
    numbers = [str(number) for number in range(len(header))]
    places = {0: "track_id"} | {i: WANTED[c] for i, c in enumerate(header) if c in WANTED}
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(memoryview(text)[start:]),
            read_options=arrow_csv.ReadOptions(column_names=numbers),
            # Texts about albums and artists hold line breaks.
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[str(place) for place in places],
                column_types={
                    str(p): "int64" if n in INTEGERS else "string" for p, n in places.items()
                },
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except ArrowInvalid as error:
        raise DataError(f"{where} has not the form of FMA's tracks.csv: {error}") from error
    frame = table.rename_columns(list(places.values())).to_pandas()
    frame = frame.set_index("track_id")
    unknown = set(frame["subset"].dropna()) - set(SUBSETS)
    if unknown or frame.index.has_duplicates:
        what = f"an unknown subset {sorted(unknown)[0]!r}" if unknown else "a track twice"
        raise DataError(f"{where} holds {what}: it is not FMA's tracks.csv")
    return frame


def _header(text: bytes, where: str) -> tuple[list[tuple[str, str]], int]:
    """Return the pairs of the two header rows, and where the fourth line begins."""
    start = 0
    lines = []
    for _ in range(3):
        end = text.find(b"\n", start) + 1
        lines.append(text[start:end].decode("utf-8", "replace").strip("\r\n\ufeff"))
        start = end or len(text)
    first, second, third = (next(csv.reader([line]), []) for line in lines)
    header = list(zip(first, second, strict=False))
    missing = set(WANTED) - set(header)
    if missing or not third or third[0] != "track_id":
        what = f"no column {'.'.join(sorted(missing)[0])}" if missing else "no line 'track_id'"
        raise DataError(f"{where} has {what}: it is not FMA's tracks.csv with its two header rows")
    return header, start


def in_subset(tracks: pd.DataFrame, subset: str) -> pd.DataFrame:
    """Return the tracks of ``subset`` and of those below it: small <= medium <= large."""
    return tracks[tracks["subset"].isin(SUBSETS[: SUBSETS.index(subset) + 1])]


def read_genres(stream: BinaryIO, where: str) -> dict[int, str]:
    """Return genre id to title of ``genres.csv``; raise DataError where it has another form."""
    try:
        table = pd.read_csv(stream, dtype={"title": "string"}, keep_default_na=False)
        return dict(zip(table["genre_id"].astype(int), table["title"].astype(str), strict=True))
    except (ValueError, KeyError) as error:
        raise DataError(f"{where} is not FMA's genres.csv: {error}") from error


def genre_names(lists: pd.Series, titles: dict[int, str]) -> pd.Series:
    """Return lists of genre ids, written as Python writes them, as ``"Folk|Indie-Rock"``."""
    # Few of the 100,000 lists differ, so each is read once.
    codes, distinct = pd.factorize(lists.fillna("[]"))
    named = [
        "|".join(titles.get(int(number), number) for number in re.findall(r"\d+", text))
        for text in distinct
    ]
    names = np.array(named, dtype=object)[codes]
    return pd.Series(names, index=lists.index, dtype="string").replace("", pd.NA)


def keep_tracks(text: bytes, ids: Iterable[int]) -> bytes:
    """Return ``tracks.csv`` with its header rows and only the rows of ``ids``."""
    wanted = {str(number) for number in ids}
    reader = csv.reader(io.StringIO(text.decode("utf-8"), newline=""))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for number, row in enumerate(reader):
        if number < 3 or (row and row[0] in wanted):
            writer.writerow(row)
    return out.getvalue().encode("utf-8")
