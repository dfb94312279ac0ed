"""One test for all: the same clips, of the same genres, by the same artists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.data.labels import encode
from wavemel.data.leaks import same_name
from wavemel.errors import DataError


@dataclass(frozen=True)
class Asked:
    """What every model of a comparison was asked about: one row a clip, in the order of the paths."""

    paths: npt.NDArray[np.object_]
    #: Class numbers.
    truth: npt.NDArray[np.int64]
    #: In one spelling each, as splits keep them apart; an unknown one is a group of one: the clip itself.
    artists: npt.NDArray[np.object_]


def check_same_test(tested: Mapping[str, pd.DataFrame], classes: tuple[str, ...]) -> Asked:
    """Return what models were asked about, once it is certain that all were asked the same.

    Parameters
    ----------
    tested : name -> predictions by window (path, genre, artist, ...).
    classes : class list, in the networks' order.

    Raises
    ------
    DataError
        Models were asked about different clips, or one has other labels or
        artists than the first; it is named, with a clip.
    """
    known = {name: _facts(table) for name, table in tested.items()}
    first, asked = next(iter(known.items()))
    for name, facts in known.items():
        if not facts.index.equals(asked.index):
            raise DataError(
                f"these runs were tested on different clips and cannot be compared: {name} and "
                f"{first} (see {facts.index.symmetric_difference(asked.index)[0]})"
            )
        for column, what, tells in (("genre", "labels", "is"), ("artist", "artists", "is by")):
            differs = (facts[column] != asked[column]).to_numpy()
            if differs.any():
                path = facts.index[differs][0]
                there, here = (_quoted(f[column][path]) for f in (facts, asked))
                raise DataError(
                    f"{name} was tested with other {what}: {path} {tells} {there} there and "
                    f"{here} in {first}"
                )
    paths = asked.index.to_numpy(object)
    artists = same_name(asked["artist"]).fillna("").to_numpy(object)
    return Asked(paths, encode(asked["genre"], classes), np.where(artists == "", paths, artists))


def _facts(table: pd.DataFrame) -> pd.DataFrame:
    """Return genre and artist by path, in the order of the paths; empty where not known."""
    clips = table[["path", "genre", "artist"]].drop_duplicates("path").astype(object)
    return clips.set_index("path").sort_index().fillna("")


def _quoted(name: str) -> str:
    return repr(name) if name else "nobody known"
