"""What a model confuses: the mistakes on a run's test clips, and the pairs of genres they lie between."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.checkpoint import read_json
from wavemel.errors import DataError, ModelError
from wavemel.evaluation.metrics import confusion_matrix
from wavemel.evaluation.runs import common_pooling, evaluate_run, run_predictions, tracks
from wavemel.evaluation.same_recipe import check_same_recipe
from wavemel.explain.numbers import plain_path
from wavemel.whole import new_file

#: Columns of confusions.csv.
COLUMNS = ("pair", "truth", "answer", "p_truth", "p_answer", "artist", "file", "explanation")


@dataclass(frozen=True)
class Mistake:
    """A track that a run answered wrongly, with the probabilities of its truth and of the answer."""

    run: Path
    path: str
    artist: str | None
    truth: str
    answer: str
    p_truth: float
    p_answer: float

    @property
    def file(self) -> str:
        """The last parts of the path: a page is passed on, and folders are nobody's business."""
        return plain_path("/".join(PurePath(self.path).parts[-2:]))


@dataclass(frozen=True)
class Pair:
    """Two genres and the tracks of one that were taken for the other, the most confident first."""

    genres: tuple[str, str]
    mistakes: tuple[Mistake, ...]

    def count(self, truth: str) -> int:
        """Return how many tracks of ``truth`` were taken for the other genre."""
        return sum(m.truth == truth for m in self.mistakes)


@dataclass(frozen=True)
class Confusions:
    """A model's answers on one split.

    ``confusion``: (K, K), a row a true genre. ``mistakes``: the most confident first.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    mistakes: tuple[Mistake, ...]

    @property
    def n(self) -> int:
        """Tracks answered."""
        return int(self.confusion.sum())

    def pairs(self) -> list[Pair]:
        """Return the pairs of genres that are confused at all, the most confused first."""
        found: dict[tuple[str, str], list[Mistake]] = defaultdict(list)
        place = {genre: i for i, genre in enumerate(self.classes)}
        for mistake in self.mistakes:
            a, b = sorted((mistake.truth, mistake.answer), key=place.__getitem__)
            found[a, b].append(mistake)
        made = [Pair(genres, tuple(mistakes)) for genres, mistakes in found.items()]
        return sorted(made, key=lambda p: (-len(p.mistakes), [place[g] for g in p.genres]))

    def of(self, genre: str) -> int:
        """Return how many tracks are truly of a genre."""
        return int(self.confusion[self.classes.index(genre)].sum())


def find_confusions(
    runs: Sequence[Path], split: str = "test", *, device: str = "cpu"
) -> Confusions:
    """Return the mistakes of a run, or of the folds of one model, at track level.

    Predictions that a run has kept are read; others are made, as `evaluate_run` does.

    Raises
    ------
    ModelError
        A folder holds no trained model, or one of several genres a clip.
    DataError
        Runs of different names, classes or settings, runs that share clips, or a split without
        clips.
    """
    abouts = [read_json(run / "run.json") for run in runs]
    for run, about in zip(runs, abouts, strict=True):
        if about.get("labels", "genre") != "genre":
            raise ModelError(f"{run} tells several genres a clip: such answers are no confusions")
        for key in ("name", "classes"):
            if about[key] != abouts[0][key]:
                raise DataError(
                    f"{runs[0]} and {run} have not the same {key}: give the folds of one model"
                )
    pooling = common_pooling(runs)
    check_same_recipe(runs)
    classes = tuple(abouts[0]["classes"])
    parts = []
    owners: dict[str, Path] = {}
    for run in runs:
        evaluate_run(run, split, device=device)
        table = run_predictions(run, split)
        for path in table["path"].unique():
            if path in owners:
                raise DataError(
                    f"{owners[path]} and {run} share {split} clips: give the folds of one model"
                )
            owners[path] = run
        parts.append(table)
    windows = pd.concat(parts, ignore_index=True)
    artists = windows.groupby("path")["artist"].first()
    found = tracks(windows, classes, "track", pooling)
    answers = found.probabilities.argmax(1)
    wrong = np.flatnonzero(answers != found.truth)
    mistakes = [
        Mistake(
            run=owners[found.paths[i]],
            path=str(found.paths[i]),
            # As it is written: among `found.artists` the spellings of a name are one.
            artist=None if pd.isna(artist := artists[found.paths[i]]) else str(artist),
            truth=classes[found.truth[i]],
            answer=classes[answers[i]],
            p_truth=float(found.probabilities[i, found.truth[i]]),
            p_answer=float(found.probabilities[i, answers[i]]),
        )
        for i in wrong
    ]
    return Confusions(
        name=str(abouts[0]["name"]),
        split=split,
        classes=classes,
        confusion=confusion_matrix(found.truth, answers, len(classes)),
        mistakes=tuple(sorted(mistakes, key=lambda m: (-m.p_answer, m.path))),
    )


def as_data(confusions: Confusions, explained: Mapping[str, str]) -> dict[str, Any]:
    """Return confusions as plain data, for JSON.

    Parameters
    ----------
    confusions : what to tell.
    explained : path of a track -> name of its explanation's files, without suffix.
    """
    c = confusions
    return {
        "format": 1,
        "model": c.name,
        "split": c.split,
        "level": "track",
        "classes": list(c.classes),
        "n": c.n,
        "wrong": len(c.mistakes),
        "confusion": c.confusion.tolist(),
        "pairs": [
            {
                "genres": list(pair.genres),
                "count": len(pair.mistakes),
                "directions": [
                    {"truth": a, "answer": b, "count": pair.count(a), "of": c.of(a)}
                    for a, b in (pair.genres, pair.genres[::-1])
                ],
                "files": [_row(m, explained) for m in pair.mistakes],
            }
            for pair in c.pairs()
        ],
    }


def write_table(confusions: Confusions, explained: Mapping[str, str], path: Path) -> None:
    """Write the mistakes as CSV, a row a track, pair by pair; moved into place when whole."""
    with new_file(path) as part, open(part, "w", encoding="utf-8", newline="") as stream:
        # All text in quotes: a lone carriage return in a name would else end the row.
        writer = csv.DictWriter(stream, COLUMNS, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writeheader()
        for pair in confusions.pairs():
            for mistake in pair.mistakes:
                row = _row(mistake, explained)
                writer.writerow({"pair": " / ".join(pair.genres), **row})


def _row(mistake: Mistake, explained: Mapping[str, str]) -> dict[str, Any]:
    return {
        "truth": mistake.truth,
        "answer": mistake.answer,
        "p_truth": round(mistake.p_truth, 5),
        "p_answer": round(mistake.p_answer, 5),
        "artist": mistake.artist,
        "file": mistake.file,
        "explanation": explained.get(mistake.path),
    }
