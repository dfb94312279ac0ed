"""Evaluation of a run folder: its best weights on one split, kept beside them.

| file | what |
| --- | --- |
| predictions-SPLIT.csv | a row a window: path, artist, genre, start, probabilities |
| evaluation-SPLIT.json | figures at clip level and at track level |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.checkpoint import (
    fingerprint_of,
    load_checkpoint,
    read_experiment,
    read_json,
    write_json,
)
from wavemel.data.labels import encode
from wavemel.data.leaks import same_name
from wavemel.data.scan import usable
from wavemel.data.sources.table_file import read_rows
from wavemel.data.table import SPLITS, Corpus, as_table
from wavemel.errors import DataError, ModelError
from wavemel.evaluation.evaluate import evaluate
from wavemel.evaluation.multilabel import evaluate_multilabel
from wavemel.evaluation.predict import predict_together
from wavemel.evaluation.predictions import (
    first_rows,
    load_predictions,
    probability_columns,
    save_predictions,
)
from wavemel.evaluation.unchanged import check_unchanged
from wavemel.pooling import MEAN, pool_tracks
from wavemel.runtime import resolve_precision

#: Bytes of weights that are asked together at most: many small networks, or a large one alone.
_TOGETHER = 1 << 29


@dataclass(frozen=True)
class Tracks:
    """One prediction a track: what `evaluate` takes."""

    paths: npt.NDArray[np.object_]
    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    artists: npt.NDArray[np.object_]


def tracks(
    predictions: pd.DataFrame, classes: tuple[str, ...], level: str, pooling: str = MEAN
) -> Tracks:
    """Reduce predictions by window to one a track.

    Parameters
    ----------
    predictions : as `predict` returns.
    classes : class list, in the networks' order.
    level : ``"clip"``, the first window alone (what training hears, and what
        the paper classifies), or ``"track"``, all windows.
    pooling : how windows become a track; see `wavemel.pooling`.
    """
    columns = [f"p_{name}" for name in classes]
    ordered = predictions.sort_values(["path", "start"], kind="stable")
    begins = first_rows(ordered["path"])
    first = ordered.iloc[begins].set_index("path")
    values = first[columns].to_numpy(np.float64)
    if level != "clip":
        values = pool_tracks(ordered[columns].to_numpy(np.float64), begins, pooling)
    index = {genre: i for i, genre in enumerate(classes)}
    return Tracks(
        first.index.to_numpy(object),
        first["genre"].map(index).to_numpy(np.int64),
        values,
        # Told apart as in splits. An unknown artist is a group of one: the track itself.
        same_name(first["artist"])
        .fillna(pd.Series(first.index, index=first.index))
        .to_numpy(object),
    )


def figures(
    predictions: pd.DataFrame, classes: tuple[str, ...], pooling: str = MEAN
) -> dict[str, Any]:
    """Return clip-level figures, flat, and track-level ones under ``track``."""
    made = {}
    for level in ("clip", "track"):
        t = tracks(predictions, classes, level, pooling)
        made[level] = evaluate(t.truth, t.probabilities, classes, groups=t.artists)
    return {**made["clip"], "track": made["track"]}


def figures_of_several(predictions: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the figures of a model of several labels a clip, at clip level and under ``track``."""
    columns = [f"p_{name}" for name in classes]
    by_path = predictions.sort_values(["path", "start"], kind="stable").groupby("path", sort=True)
    first = by_path.first()
    truth = encode(first["genres"], classes, several=True)
    made = {
        level: evaluate_multilabel(
            truth, values.to_numpy(np.float64), classes, groups=same_name(first["artist"])
        )
        for level, values in (("clip", first[columns]), ("track", by_path[columns].mean()))
    }
    return {**made["clip"], "track": made["track"]}


def evaluate_run(
    folder: Path, split: str = "test", *, device: str = "cpu", again: bool = False
) -> dict[str, Any]:
    """Return the figures of a run's best weights on one split; computed once, then read back.

    They are computed in the number format that ``training.precision`` says, and ``number_format``
    says which that was. Where training has gone on since, they are of other weights, and computed
    again; so they are where they were kept by a version that did not heed the number format.
    Of figures that a version kept whose intervals of macro figures could leave out the figure
    itself, the intervals are made anew from the predictions beside them.

    Raises
    ------
    ModelError
        The folder holds no trained model.
    DataError
        The run's table has no clips in this split, or a file holds other sound than it did.
    """
    return evaluate_runs([folder], split, device=device, again=again)[0]


def evaluate_runs(
    folders: Sequence[Path],
    split: str = "test",
    *,
    device: str = "cpu",
    again: bool = False,
    cache: bool = True,
) -> list[dict[str, Any]]:
    """Return what `evaluate_run` returns of each run; runs that hear the same windows hear them together.

    So each clip is decoded once for all of them, which takes longer than most networks. ``cache``:
    keep what a frozen encoder makes of windows for later calls, and take what is kept.
    """
    found: dict[Path, dict[str, Any]] = {}
    waiting: dict[Hashable, list[Path]] = defaultdict(list)
    for folder in dict.fromkeys(folders):
        kept = None if again else _kept(folder, split)
        if kept is not None:
            found[folder] = kept
        else:
            waiting[_hears(folder, _rows(folder, split)["path"])].append(folder)
    for runs in waiting.values():
        for together in _that_fit(runs):
            found |= zip(together, _evaluated(together, split, device, cache), strict=True)
    return [found[folder] for folder in folders]


def _kept(folder: Path, split: str) -> dict[str, Any] | None:
    """Return the figures that a run has kept, where they are of its weights as they are."""
    read_json(folder / "run.json")  # a folder that is no run is told as such
    weights, stored = fingerprint_of(folder), folder / f"evaluation-{split}.json"
    if not stored.exists() or not (folder / f"predictions-{split}.csv").is_file():
        return None
    kept = read_json(stored)
    if kept.pop("weights", None) != weights or not _as_asked(folder, kept):
        return None
    if "one_group" not in kept:  # of an earlier version, with other intervals
        kept |= _of_kept(folder, split)
    return kept


def _hears(folder: Path, paths: Iterable[str]) -> Hashable:
    """Return what is equal for runs that hear the same windows of files, in the same number format."""
    tree = read_json(folder / "best.json")["experiment"]
    audio = (tree["audio"]["rate"], tree["audio"]["seconds"])
    how = (tree["evaluation"].get("overlap"), tree["training"].get("precision"))
    # What a frozen encoder makes of a track is kept anyway, and each run may have its own.
    alone = folder if "encoder" in tree["network"] else None
    return audio, how, alone, tuple(paths)


def _rows(folder: Path, split: str) -> pd.DataFrame:
    table = run_table(folder)
    rows = table[table["split"] == split]
    if rows.empty:
        there = ", ".join(s for s in SPLITS if (table["split"] == s).any())
        raise DataError(f"{folder} has no clips in the split {split!r} (it has {there})")
    return rows


def _that_fit(runs: list[Path]) -> Iterator[list[Path]]:
    """Yield runs in parts whose networks fit into memory together."""
    part: list[Path] = []
    held = 0
    for run in runs:
        size = (run / "best.safetensors").stat().st_size
        if part and held + size > _TOGETHER:
            yield part
            part, held = [], 0
        part.append(run)
        held += size
    yield part


def _evaluated(folders: list[Path], split: str, device: str, cache: bool) -> list[dict[str, Any]]:
    """Evaluate runs that hear the same windows, and keep what they say."""
    weights = [fingerprint_of(folder) for folder in folders]
    loaded = [
        load_checkpoint(folder, expect=tuple(read_json(folder / "run.json")["classes"]))
        for folder in folders
    ]
    asked = loaded[0].experiment.training.precision
    rows = {folder: _rows(folder, split) for folder in folders}
    check_unchanged(rows)
    pairs = list(zip(loaded, rows.values(), strict=True))
    tables = predict_together(pairs, device=device, precision=asked, cache=cache)
    results = []
    for folder, checkpoint, predictions, hashed in zip(
        folders, loaded, tables, weights, strict=True
    ):
        if checkpoint.experiment.labels == "genres":
            predictions.to_csv(folder / f"predictions-{split}.csv", index=False)
            result = figures_of_several(predictions, checkpoint.classes)
        else:
            save_predictions(folder / f"predictions-{split}.csv", predictions, checkpoint.classes)
            pooling = checkpoint.experiment.evaluation.pooling
            result = figures(predictions, checkpoint.classes, pooling)
        result["number_format"] = resolve_precision(asked, device)
        write_json(folder / f"evaluation-{split}.json", {"weights": hashed, **result})
        results.append(result)
    return results


def _as_asked(folder: Path, kept: dict[str, Any]) -> bool:
    """Return whether kept figures are in the number format that a run's description says."""
    asked = str(read_experiment(folder).get("training", {}).get("precision", "auto"))
    return asked == "auto" or kept.get("number_format") == asked


def _of_kept(folder: Path, split: str) -> dict[str, Any]:
    """Return the figures of a run's kept predictions."""
    about = read_json(folder / "run.json")
    classes = tuple(about["classes"])
    if about.get("labels", "genre") == "genre":
        return figures(run_predictions(folder, split), classes, common_pooling([folder]))
    # As text, as in `load_predictions`.
    file = folder / f"predictions-{split}.csv"
    table = pd.read_csv(file, dtype="string", keep_default_na=False, na_values=[""])
    numbers = ["start", *probability_columns(classes)]
    return figures_of_several(table.astype(dict.fromkeys(numbers, np.float64)), classes)


def evaluate_on(
    folders: Sequence[Path], corpus: Corpus, *, device: str = "cpu"
) -> list[dict[str, Any]]:
    """Return the figures of the best weights of each run on other data, nothing kept.

    Clips that the run was trained or validated on are left out, also where another file holds
    the same samples; ``left_out_known`` says how many, ``known_artists`` how many of the rest
    are by an artist of those clips. Runs that hear the same windows hear them together.

    Parameters
    ----------
    folders : run folders.
    corpus : scanned data, with the same classes.

    Raises
    ------
    ModelError
        A run tells other classes, or several a clip.
    DataError
        No clip is left.
    """
    asked = {folder: _unknown(folder, corpus) for folder in dict.fromkeys(folders)}
    waiting: dict[Hashable, list[Path]] = defaultdict(list)
    for folder, unknown in asked.items():
        waiting[_hears(folder, unknown.rows["path"])].append(folder)
    found: dict[Path, dict[str, Any]] = {}
    for runs in waiting.values():
        for together in _that_fit(runs):
            loaded = [load_checkpoint(folder) for folder in together]
            pairs = [(c, asked[f].rows) for c, f in zip(loaded, together, strict=True)]
            precision = loaded[0].experiment.training.precision
            tables = predict_together(pairs, device=device, precision=precision)
            for folder, checkpoint, table in zip(together, loaded, tables, strict=True):
                pooling = checkpoint.experiment.evaluation.pooling
                found[folder] = {
                    **figures(table, checkpoint.classes, pooling),
                    "number_format": resolve_precision(precision, device),
                    "left_out_known": asked[folder].left_out,
                    "known_artists": asked[folder].by_known_artists,
                }
    return [found[folder] for folder in folders]


@dataclass(frozen=True)
class _Unknown:
    """Rows of other data that a run does not know, how many it knows, and whose artists it knows."""

    rows: pd.DataFrame
    left_out: int
    by_known_artists: int


def _unknown(folder: Path, corpus: Corpus) -> _Unknown:
    """Return what of other data a run can be asked about."""
    about, rows = read_json(folder / "best.json"), usable(corpus.table)
    if about["experiment"].get("labels", "genre") != "genre":
        raise ModelError(
            f"{folder} tells several genres a clip: it is evaluated on its own data only"
        )
    foreign = sorted(set(rows["genre"]) - set(about["classes"]))
    if foreign:
        raise ModelError(
            f"{folder} was trained on the classes {', '.join(about['classes'])}; "
            f"{corpus.name} also has {', '.join(foreign)}"
        )
    seen = run_table(folder)
    seen = seen[seen["split"] != "test"]
    # A recording that was packed anew (as FLAC, with other tags) is another file of the same samples.
    known = pd.Series(False, index=rows.index)
    for key in ("content", "digest"):
        known |= rows[key].isin(set(seen[key].dropna()))
    fresh = rows[~known]
    if fresh.empty:
        raise DataError(f"{corpus.name} holds no usable clip that {folder} was not trained on")
    by_known = same_name(fresh["artist"]).isin(set(same_name(seen["artist"]).dropna()))
    return _Unknown(fresh, int(known.sum()), int(by_known.sum()))


def run_predictions(folder: Path, split: str = "test") -> pd.DataFrame:
    """Return what `evaluate_run` has kept of a run's predictions."""
    about = read_json(folder / "run.json")
    return load_predictions(folder / f"predictions-{split}.csv", tuple(about["classes"]))


def common_pooling(folders: Sequence[Path]) -> str:
    """Return how the windows of runs become a track; raise DataError where they do not agree."""
    # Runs of earlier versions do not say.
    found = [
        str(read_experiment(folder).get("evaluation", {}).get("pooling", MEAN))
        for folder in folders
    ]
    for folder, pooling in zip(folders, found, strict=True):
        if pooling != found[0]:
            raise DataError(
                f"{folder} pools a track's windows by {pooling!r}, {folders[0]} by {found[0]!r}: "
                "evaluation.pooling must be the same"
            )
    return found[0]


def run_table(folder: Path) -> pd.DataFrame:
    """Return a run's clips with their split."""
    path = folder / "table.csv"
    if not path.is_file():
        raise ModelError(f"{folder} is no run folder: table.csv is missing")
    return as_table(read_rows(path), str(path))
