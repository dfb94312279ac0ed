"""What a data set holds, counted: genres, splits, statuses, hours, rates, artists, licences."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from wavemel.data.leaks import leak_check, same_name
from wavemel.data.scan import left_out, usable
from wavemel.data.table import SPLITS, STATUSES, Corpus

#: Column of clips that no split was given for.
NO_SPLIT = "no split"
#: What sources call the column of licences.
LICENCES = ("licence", "license")


@dataclass(frozen=True)
class Info:
    """A data set in figures.

    ``genres``: a row a genre with ``clips``, usable clips by side (a split, a fold,
    or ``no split``), ``left out``, ``hours`` and ``artists`` (of usable clips).
    ``sides``: the columns of it that are sides.
    ``statuses``: clips and hours by status. ``rates``, ``channels``, ``licences``: clips
    by value, most first; a value that is not known is ``unknown``. ``lengths``: 5 %, 50 %
    and 95 % quantile of the usable clips' seconds. ``leak``: what stands on two
    sides of the split. ``left_out``: see `wavemel.data.scan.left_out`.
    """

    name: str
    synthetic: bool
    split_origin: str
    genres: pd.DataFrame
    sides: tuple[str, ...]
    statuses: pd.DataFrame
    rates: dict[str, int]
    channels: dict[str, int]
    licences: dict[str, int]
    lengths: tuple[float, float, float]
    artists: int
    albums: int
    leak: str
    left_out: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def clips(self) -> int:
        """Clips in the table, usable or not."""
        return int(self.statuses["clips"].sum())

    @property
    def usable(self) -> int:
        """Clips that nothing speaks against."""
        return int(self.genres[list(self.sides)].sum().sum())

    @property
    def hours(self) -> float:
        """Hours of usable audio."""
        return float(self.genres["hours"].sum())


def describe(corpus: Corpus) -> Info:
    """Count what a scanned corpus holds.

    Parameters
    ----------
    corpus : from `wavemel.data.scan.scan`.
    """
    table = corpus.table
    good = usable(table)
    genres, sides = _genres(table, good)
    return Info(
        name=corpus.name,
        synthetic=corpus.synthetic,
        split_origin=corpus.split_origin,
        genres=genres,
        sides=sides,
        statuses=_statuses(table),
        rates=_counts(good["rate"].astype("string") + " Hz"),
        channels=_counts(
            good["channels"].map({1: "mono", 2: "stereo"}).fillna(good["channels"].astype("string"))
        ),
        licences=_licences(good),
        lengths=_lengths(good["seconds"]),
        artists=int(same_name(good["artist"]).nunique()),
        albums=len(good[["artist", "album"]].dropna(subset=["album"]).drop_duplicates()),
        leak=leak_check(good).sentence() if good["split"].notna().any() else "",
        left_out=left_out(table),
        notes=corpus.notes,
    )


def _genres(table: pd.DataFrame, good: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    fold = ("fold " + good["fold"].astype("string")).astype("string")
    counts = pd.crosstab(good["genre"], good["split"].fillna(fold).fillna(NO_SPLIT))
    order = (*SPLITS, *sorted(set(fold.dropna()), key=lambda name: int(name[5:])), NO_SPLIT)
    columns = [c for c in order if c in counts]
    by_genre = good.groupby("genre")
    clips = table.groupby("genre").size()
    genres = pd.DataFrame({"clips": clips}).join(counts[columns]).fillna(0)
    genres["left out"] = genres["clips"] - genres[columns].sum(axis=1)
    genres["hours"] = (
        by_genre["seconds"].sum().reindex(genres.index).fillna(0.0).astype(float) / 3600
    )
    artists = same_name(good["artist"]).groupby(good["genre"]).nunique()
    genres["artists"] = artists.reindex(genres.index).fillna(0)
    whole = ["clips", *columns, "left out", "artists"]
    return genres.astype(dict.fromkeys(whole, int)), tuple(columns)


def _statuses(table: pd.DataFrame) -> pd.DataFrame:
    status = table["status"].fillna("not scanned")
    found = table.assign(status=status).groupby("status")["seconds"]
    counted = pd.DataFrame({"clips": found.size(), "hours": found.sum().astype(float) / 3600})
    order = [s for s in STATUSES if s in counted.index]
    return counted.loc[order + [s for s in counted.index if s not in order]]


def _licences(good: pd.DataFrame) -> dict[str, int]:
    column = next((c for c in LICENCES if c in good), None)
    return {} if column is None else _counts(good[column].astype("string"))


def _counts(values: pd.Series) -> dict[str, int]:
    counted = values.fillna("unknown").value_counts()
    return {str(value): int(count) for value, count in counted.items()}


def _lengths(seconds: pd.Series) -> tuple[float, float, float]:
    known = seconds.dropna().astype(float)
    if known.empty:
        return (0.0, 0.0, 0.0)
    low, middle, high = known.quantile([0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def examples(corpus: Corpus) -> pd.DataFrame:
    """Return one usable clip a genre (of training, where there is a split; the first by path), by genre."""
    good = usable(corpus.table)
    rank = good["split"].fillna("training").map({"training": 0}).fillna(1)
    ordered = good.assign(_rank=rank).sort_values(["genre", "_rank", "path"], kind="stable")
    return ordered.drop_duplicates("genre").drop(columns="_rank").reset_index(drop=True)
