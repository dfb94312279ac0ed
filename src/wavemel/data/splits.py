"""Who trains, who validates, who tests: given, official, drawn by genre, or drawn by artist."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wavemel.data.leaks import LeakReport, leak_check, same_name
from wavemel.data.table import SPLITS, Corpus
from wavemel.errors import ConfigError, DataError
from wavemel.registry import suggest

__all__ = [
    "METHODS",
    "LeakReport",
    "SplitChoice",
    "cross_validation",
    "leak_check",
    "make_folds",
    "make_split",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitChoice:
    """How to split.

    ``how``: a name in `METHODS`. ``seed``: of a drawn split. ``test_fold``
    and ``validation_fold``: where folds are given or drawn; the last fold
    tests by default, the one before the test fold validates. ``folds``: how
    many are drawn. ``validate=False`` gives the validation clips to training,
    for a recipe that is settled and chooses no epoch.
    """

    how: str = "auto"
    seed: int = 0
    test_fold: int | None = None
    validation_fold: int | None = None
    folds: int = 5
    validate: bool = True


Method = Callable[[Corpus, pd.DataFrame, SplitChoice], tuple[pd.Series, str]]


def make_split(
    corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice | None = None
) -> tuple[pd.DataFrame, str]:
    """Return the clips that have a side, with ``split`` filled in, and a sentence on how it was made.

    A drawn split depends on the set of paths (in order) and the seed, not on
    the order of the rows. What stands on two sides is logged as a warning.

    Parameters
    ----------
    corpus : where the rows come from; says whether its split is official.
    rows : the usable ones of its table.
    choice : how; "auto" by default.

    Raises
    ------
    DataError
        No usable clips, a genre with one clip, an empty side, or a genre that
        is missing in training.
    ConfigError
        There is no such method, or a fold is asked for of one that has none.
    """
    choice = choice or SplitChoice()
    if choice.how not in METHODS:
        raise ConfigError(f"there is no split {choice.how!r}{suggest(choice.how, list(METHODS))}")
    _check_genres(corpus, rows)
    how = _chosen(corpus, rows) if choice.how == "auto" else choice.how
    if how not in _OF_FOLDS and (choice.test_fold, choice.validation_fold) != (None, None):
        raise ConfigError(
            f"a fold is asked for, but the split {how!r} of {corpus.name} has none: take the split "
            "'folds', or data with a column 'fold'"
        )
    sides, description = METHODS[how](corpus, rows, choice)
    if not choice.validate and (sides == "validation").any():
        sides = sides.mask((sides == "validation").fillna(False), "training")
        description += " Here the validation clips train as well: nothing validates."
    table = rows.assign(split=sides.astype("string"))
    outside = int(table["split"].isna().sum())
    if outside:
        log.warning(
            "%d clips of %s have no side in the split and are left out", outside, corpus.name
        )
        description += f" {outside} clips have no side in it and are left out."
    table = table[table["split"].notna()]
    _check_sides(corpus, table, choice)
    report = leak_check(table)
    if report.leaks:
        log.warning("%s", report.sentence())
    return table, description


def make_folds(rows: pd.DataFrame, k: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return the rows with ``fold`` 0 ... k-1: genres balanced, no artist in two folds.

    A clip whose artist is not known is kept together with nothing but itself
    and its twins. Source: scikit-learn's ``StratifiedGroupKFold``.

    Raises
    ------
    DataError
        There are fewer artists than folds.
    """
    ordered = rows.sort_values("path", kind="stable")
    groups = _groups(ordered)
    if k < 2:
        raise DataError(f"folds must be at least 2, not {k}")
    if groups.nunique() < k:
        raise DataError(
            f"{k} folds without an artist in two of them need {k} artists; there are "
            f"{groups.nunique()}: draw fewer folds, or split 'stratified'"
        )
    fold = pd.Series(_group_folds(ordered["genre"], groups, k, seed), index=ordered.index)
    return rows.assign(fold=fold.astype("Int64"))


def cross_validation(corpus: Corpus, choice: SplitChoice | None = None) -> Iterator[SplitChoice]:
    """Yield the choice for each fold as the test fold: the given folds, else drawn ones.

    Raises
    ------
    DataError
        The choice asks for a split that has no folds.
    """
    choice = choice or SplitChoice()
    how = choice.how
    if how == "auto":
        how = "given" if corpus.table["fold"].notna().any() else "folds"
    if how == "folds":
        folds = list(range(choice.folds))
    elif how in ("given", "official") and corpus.table["fold"].notna().any():
        folds = sorted(int(n) for n in corpus.table["fold"].dropna().unique())
    else:
        raise DataError(
            f"{corpus.name} cannot be cross-validated with the split {choice.how!r}: "
            "use 'folds', or a table with a column 'fold'"
        )
    for fold in folds:
        yield dataclasses.replace(choice, how=how, test_fold=fold, validation_fold=None)


def _chosen(corpus: Corpus, rows: pd.DataFrame) -> str:
    """Return the method that "auto" means for these data."""
    if rows["split"].notna().any() or rows["fold"].notna().any():
        return "official" if corpus.split_origin == "official" else "given"
    return "artist" if rows["artist"].notna().any() else "stratified"


def _auto(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    return METHODS[_chosen(corpus, rows)](corpus, rows, choice)


def _given(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    # A fold that is asked for wins over a split column beside the folds.
    asked_for_folds = choice.test_fold is not None or choice.validation_fold is not None
    if rows["split"].notna().any() and not asked_for_folds:
        return rows["split"], f"The {corpus.split_origin or 'given'} split of {corpus.name}."
    if not rows["fold"].notna().any():
        raise DataError(
            f"{corpus.name} gives no split: its table has neither a column 'split' nor 'fold' "
            "with values; choose 'artist' or 'stratified'"
        )
    return _sides_of_folds(rows["fold"], choice, f"The given folds of {corpus.name}")


def _official(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    if corpus.split_origin != "official":
        raise DataError(
            f"{corpus.name} has no official split: choose 'given', 'artist' or 'stratified'"
        )
    return _given(corpus, rows, choice)


def _stratified(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    """Draw 80/10/10 within each genre; a genre of three clips or more is on every side."""
    rng = np.random.default_rng(choice.seed)
    sides = pd.Series(pd.NA, index=rows.index, dtype="string")
    ordered = rows.sort_values("path", kind="stable")
    for _, clips in ordered.groupby("genre"):
        drawn = clips.index[rng.permutation(len(clips))]
        held = max(1, round(0.1 * len(clips))) if len(clips) >= 3 else 0
        sides[drawn[:held]] = "test"
        sides[drawn[held : 2 * held]] = "validation"
        sides[drawn[2 * held :]] = "training"
    return sides, (
        f"Drawn at random within each genre, 80/10/10, seed {choice.seed}; "
        "artists are not kept apart."
    )


def _artist(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    """Draw tenths without an artist in two; the best pair of them tests and validates."""
    if not rows["artist"].notna().any():
        raise DataError(f"{corpus.name} names no artists: choose 'stratified'")
    ordered = rows.sort_values("path", kind="stable")
    groups = _groups(ordered)
    genres = ordered["genre"]
    # Few artists cannot fill ten parts with every genre: larger parts then, and it is said.
    for k in (10, 5, 4, 3):
        if groups.nunique() < k:
            continue
        fold = pd.Series(_group_folds(genres, groups, k, choice.seed), index=ordered.index)
        pair = _best_pair(fold, genres)
        if pair is None:
            continue
        test, validation = pair
        sides = pd.Series("training", index=ordered.index, dtype="string")
        sides[fold == test] = "test"
        sides[fold == validation] = "validation"
        if k != 10:
            log.warning(
                "%s has too few artists for 80/10/10: about 1/%d of its clips test", corpus.name, k
            )
        return sides, (
            f"Drawn without an artist on two sides, 1/{k} each for validation and test, "
            f"seed {choice.seed}."
        )
    per_genre = groups.groupby(genres).nunique()
    fewest = per_genre.idxmin()
    number = f"{per_genre[fewest]} artist{'' if per_genre[fewest] == 1 else 's'}"
    # Three sides need three artists of every genre: without this one, two must be left that have them.
    helps = (per_genre.drop(fewest) >= 3).sum() >= 2
    raise DataError(
        f"{corpus.name} cannot be split with every genre on every side and no artist on two: "
        f"genre {fewest!r} has {number}; choose 'stratified' (artists leak then)"
        + (" or leave the genre out" if helps else "")
    )


def _folds(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    fold = make_folds(rows, choice.folds, choice.seed)["fold"]
    name = f"{choice.folds} folds drawn without an artist in two, seed {choice.seed}"
    return _sides_of_folds(fold, choice, name)


def _all(corpus: Corpus, rows: pd.DataFrame, choice: SplitChoice) -> tuple[pd.Series, str]:
    sides = pd.Series("training", index=rows.index, dtype="string")
    return sides, f"All usable clips of {corpus.name} train: nothing is left to test on."


#: Name -> method.
METHODS: dict[str, Method] = {
    "auto": _auto,
    "given": _given,
    "official": _official,
    "stratified": _stratified,
    # What people who compare with random splits of FMA or GTZAN type.
    "random": _stratified,
    "artist": _artist,
    "folds": _folds,
    "all": _all,
}


#: Those of them in which a fold tests and another one validates.
_OF_FOLDS = frozenset({"given", "official", "folds"})


def _sides_of_folds(fold: pd.Series, choice: SplitChoice, name: str) -> tuple[pd.Series, str]:
    numbers = sorted(int(n) for n in fold.dropna().unique())
    if len(numbers) < 3:
        raise DataError(
            f"a split by folds needs 3 of them (training, validation, test); there are {len(numbers)}"
        )
    test = numbers[-1] if choice.test_fold is None else choice.test_fold
    if test not in numbers:
        raise DataError(f"there is no fold {test} (folds: {', '.join(map(str, numbers))})")
    validation = choice.validation_fold
    if validation is None:
        validation = numbers[numbers.index(test) - 1]
    if validation not in numbers or validation == test:
        raise DataError(
            f"fold {validation} cannot validate while fold {test} tests "
            f"(folds: {', '.join(map(str, numbers))})"
        )
    sides = pd.Series("training", index=fold.index, dtype="string")
    sides[(fold == validation).fillna(False)] = "validation"
    sides[(fold == test).fillna(False)] = "test"
    sides[fold.isna()] = pd.NA
    train = ", ".join(str(n) for n in numbers if n not in (test, validation))
    return sides, f"{name}: {train} train, {validation} validates, {test} tests."


def _groups(rows: pd.DataFrame) -> pd.Series:
    """Return what must stay on one side together: an artist's clips, or a nameless clip and its twins."""
    return same_name(rows["artist"]).fillna("\n" + rows["digest"].fillna(rows["path"]))


def _group_folds(genres: pd.Series, groups: pd.Series, k: int, seed: int) -> np.ndarray:
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.empty(len(genres), np.int64)
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A genre with fewer clips than folds: whether every side has it is checked afterwards.
        warnings.filterwarnings("ignore", "The least populated class")
        try:
            for i, (_, held) in enumerate(splitter.split(genres, genres, groups)):
                fold[held] = i
        except ValueError as error:
            raise DataError(f"{k} folds cannot be drawn: {error}") from error
    return fold


def _best_pair(fold: pd.Series, genres: pd.Series) -> tuple[int, int] | None:
    """Return the two folds nearest in size to an equal share, with every genre in both and in the rest."""
    counts = pd.crosstab(fold, genres).to_numpy()
    full = [i for i, row in enumerate(counts) if (row > 0).all()]
    share = counts.sum() / len(counts)
    full.sort(key=lambda i: (abs(counts[i].sum() - share), i))
    for at, test in enumerate(full):
        for validation in full[at + 1 :]:
            if ((counts.sum(0) - counts[test] - counts[validation]) > 0).all():
                return test, validation
    return None


def _check_genres(corpus: Corpus, rows: pd.DataFrame) -> None:
    if rows.empty:
        counts = corpus.table["status"].value_counts()
        why = ", ".join(f"{n} {status}" for status, n in counts.items())
        raise DataError(f"{corpus.name} has no usable clips" + (f" ({why})" if why else ""))
    counts = rows["genre"].value_counts()
    if len(counts) < 2:
        raise DataError(
            f"{corpus.name} has one genre only ({counts.index[0]!r}): at least two are needed"
        )
    single = sorted(counts.index[counts == 1])
    if single:
        path = rows["path"][rows["genre"] == single[0]].iloc[0]
        more = f" (so have {', '.join(map(repr, single[1:]))})" if single[1:] else ""
        raise DataError(
            f"genre {single[0]!r} has one usable clip ({path}){more}: "
            "give it more clips or leave it out"
        )


def _check_sides(corpus: Corpus, table: pd.DataFrame, choice: SplitChoice) -> None:
    counts = pd.crosstab(table["genre"], table["split"]).reindex(columns=list(SPLITS), fill_value=0)
    needed = [s for s in SPLITS if s == "training" or choice.how != "all"]
    if not choice.validate and "validation" in needed:
        needed.remove("validation")
    for side in needed:
        if not counts[side].any():
            said = ", ".join(f"{s} {int(counts[s].sum())}" for s in SPLITS)
            raise DataError(f"the split of {corpus.name} has no {side} clips ({said})")
    unseen = sorted(counts.index[counts["training"] == 0])
    if unseen:
        number = int(counts.loc[unseen[0]].sum())
        raise DataError(
            f"genre {unseen[0]!r} has {number} clips but none in training"
            + (f", nor have {', '.join(map(repr, unseen[1:]))}" if unseen[1:] else "")
            + ": choose another split"
        )
    for side in needed[1:]:
        missing = sorted(counts.index[counts[side] == 0])
        if missing:
            log.warning("no clip of %s stands in %s", ", ".join(map(repr, missing)), side)
