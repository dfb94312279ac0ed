"""GTZAN (Tzanetakis & Cook 2002): a folder the user has, with fault-filtered split lists by choice.

The lists (443 training, 197 validation, 290 test) are Kereliuk, Sturm & Larsen's
(2015), made after the faults that Sturm (2013) found: repetitions, wrong labels,
distortions. Without them the 1,000 files leak between any two random halves.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from wavemel.data.sources import SOURCES
from wavemel.data.table import SPLITS, Corpus, as_table
from wavemel.errors import DataError

GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
FILE = re.compile(rf"(?P<genre>{'|'.join(GENRES)})\.(?P<number>\d{{5}})\.(wav|au|mp3|flac)")
#: How the files that list a split are called.
LISTS = {"training": "train", "validation": "val", "test": "test"}
PREFIX = "gtzan:"


class GtzanSource:
    """``gtzan:FOLDER[,split=FOLDER]``, or the folder itself if it holds ``genres_original``."""

    order = 20

    def matches(self, data: str) -> bool:
        """Return whether ``data`` is spelled ``gtzan:...`` or is a folder of GTZAN's form."""
        if data == "gtzan" or data.startswith(PREFIX):
            return True
        inner = Path(data).expanduser() / "genres_original"
        return all((inner / genre).is_dir() for genre in GENRES)

    def open(self, data: str) -> Corpus:
        """Return the corpus; raise DataError where folder or lists are not GTZAN's."""
        folder, _, lists = data.removeprefix(PREFIX).partition(",split=")
        if data == "gtzan" or not folder:
            raise DataError("GTZAN is not fetched: give the folder you have, as in gtzan:FOLDER")
        root = Path(os.path.abspath(Path(folder).expanduser()))
        files = find_files(root)
        rows = [
            {"path": str(path), "genre": name.split(".")[0], "title": name.rsplit(".", 1)[0]}
            for name, path in sorted(files.items())
        ]
        notes = [
            "GTZAN names no artists, so no split of it can be checked for artists on two sides"
        ]
        if not lists:
            notes.append(
                "GTZAN repeats recordings (Sturm 2013): without the fault-filtered split, figures are too high"
            )
            return Corpus("gtzan", as_table(rows, str(root)), root, notes=tuple(notes))
        splits = read_split(Path(lists).expanduser())
        listed = [{**row, "split": splits[row["title"]]} for row in rows if row["title"] in splits]
        if not listed:
            raise DataError(f"{lists} lists none of the files in {root}")
        notes.append(
            f"split from {lists}: {len(rows) - len(listed)} of {len(rows)} files stand in none of its lists "
            f"and are left out; {len(splits) - len(listed)} that it lists are missing"
        )
        table = as_table(listed, str(root))
        return Corpus("gtzan", table, root, split_origin="given", notes=tuple(notes))


def find_files(root: Path) -> dict[str, Path]:
    """Return name to path of the clips in ``root``, ``root/genres_original`` or ``root/genres``.

    Raises
    ------
    DataError
        There are none.
    """
    for folder in (
        root / "genres_original",
        root / "genres",
        root / "Data" / "genres_original",
        root,
    ):
        files = {
            path.name: path
            for genre in GENRES
            if (folder / genre).is_dir()
            for path in (folder / genre).iterdir()
            if (match := FILE.fullmatch(path.name)) and match["genre"] == genre
        }
        if files:
            return files
    raise DataError(f"{root} is not GTZAN: there is no genres_original/blues/blues.00000.wav")


def read_split(folder: Path) -> dict[str, str]:
    """Return title (``blues.00029``) to split, from the three lists in a folder.

    A list's name starts with ``train``, ``val`` or ``test`` and ends in ``.txt``; of
    several the one with ``filtered`` in its name is taken.

    Raises
    ------
    DataError
        A list is missing or ambiguous, or a file stands in two.
    """
    found: dict[str, str] = {}
    for split in SPLITS:
        lists = sorted(folder.glob(f"{LISTS[split]}*.txt"))
        lists = [path for path in lists if "filtered" in path.name] or lists
        if len(lists) != 1:
            what = "more than one list" if lists else "no list"
            raise DataError(
                f"{folder} holds {what} called {LISTS[split]}*.txt for the split {split!r}"
            )
        for line in lists[0].read_text(encoding="utf-8").split():
            title = line.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
            if found.setdefault(title, split) != split:
                raise DataError(f"{folder}: {title} stands in the lists of two splits")
    return found


SOURCES.register("gtzan")(GtzanSource())
