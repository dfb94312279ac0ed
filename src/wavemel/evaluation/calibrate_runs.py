"""Calibration of run folders: one run by its validation clips, folds by each other's test clips.

``calibration.json`` is what `wavemel.export` reads: ``temperature`` and
``unsure_below``, with the figures that they rest on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from wavemel.checkpoint import check_finished, fingerprint_of, read_json
from wavemel.errors import DataError, ModelError
from wavemel.evaluation.calibrate import calibrate_folds, calibrate_split
from wavemel.evaluation.runs import common_pooling, evaluate_runs, run_predictions, run_table
from wavemel.evaluation.same_recipe import check_same_recipe
from wavemel.evaluation.seeds import average_predictions

FORMAT = 1


def calibrate_run(run: Path, *, device: str = "cpu", **how: Any) -> dict[str, Any]:
    """Return a run's calibration, fitted on its validation clips; ``how`` as `calibrate_split`.

    Raises
    ------
    ModelError
        The folder holds no finished run of one genre a clip.
    DataError
        It has no validation clips, or as `calibrate_split`.
    """
    classes = _classes([run])
    splits = set(run_table(run)["split"])
    if "validation" not in splits:
        raise DataError(
            f"{run} has no validation clips to be calibrated on: calibrate the runs of a "
            "cross-validation together"
        )
    (validation,) = _predictions([run], "validation", device)
    test = _predictions([run], "test", device)[0] if "test" in splits else None
    found = calibrate_split(validation, test, classes, pooling=common_pooling([run]), **how)
    name = read_json(run / "run.json")["name"]
    of = {"experiment": name, "classes": list(classes), "weights": fingerprint_of(run)}
    return {**found, **of}


def calibrate_cross_validation(
    runs: Sequence[Path], *, ensemble: bool = False, device: str = "cpu", **how: Any
) -> dict[str, Any]:
    """Return the calibration of runs that are the folds of one cross-validation.

    Parameters
    ----------
    runs : run folders; those with the same test clips are seeds of one fold.
    ensemble : let the seeds of a fold answer as one, the mean of their
        probabilities of each window; else each stands for itself.
    device : where to compute predictions that are not kept yet.
    how : as `calibrate_folds`.

    Raises
    ------
    ModelError
        A folder holds no finished run of one genre a clip.
    DataError
        Runs of other classes or settings, one that is given twice, or as `calibrate_folds`.
    """
    if len({run.resolve() for run in runs}) < len(runs):
        raise DataError("a run is given twice: it would count as another seed")
    classes, pooling = _classes(runs), common_pooling(runs)
    check_same_recipe(runs)
    tables = _predictions(runs, "test", device)
    members: list[tuple[pd.DataFrame, Hashable]] = [(t, frozenset(t["path"])) for t in tables]
    by_fold: dict[Hashable, list[pd.DataFrame]] = defaultdict(list)
    for table, fold in members:
        by_fold[fold].append(table)
    if len(by_fold) == 1:
        raise DataError(
            "these runs were tested on the same clips, so none holds out what another is fitted "
            "on: calibrate each by its validation clips, one at a time"
        )
    if ensemble:
        members = [
            (average_predictions(seeds, classes, [pooling] * len(seeds)), fold)
            for fold, seeds in by_fold.items()
        ]
    name = read_json(runs[0] / "run.json")["name"]
    found = calibrate_folds(members, classes, pooling=pooling, **how)
    return {**found, "experiment": name, "classes": list(classes)}


def calibrate_compared(
    runs: Sequence[Path], split: str, *, device: str = "cpu"
) -> dict[str, Any] | None:
    """Return the calibration of one network of a comparison; None where nothing is held out for it.

    Several runs are folds, and fitted on each other; one is fitted on its
    validation clips. Figures of another split than the test clips would be of
    clips that the fit or the choice of the epoch has seen.
    """
    if split != "test":
        return None
    if len(runs) > 1:
        return calibrate_cross_validation(runs, device=device)
    if not (run_table(runs[0])["split"] == "validation").any():
        return None
    return calibrate_run(runs[0], device=device)


def calibrate_averaged(
    members: Sequence[Sequence[Path]], split: str, *, device: str = "cpu"
) -> dict[str, Any] | None:
    """Return the calibration of several networks that answer as one, the mean of what each says.

    Parameters
    ----------
    members : the run folders of each network (one of each fold, or of the one split).
    split, device : as in `calibrate_compared`, which also says where there is none.
    """
    if split != "test":
        return None
    first = members[0]
    classes = tuple(read_json(first[0] / "run.json")["classes"])

    runs = [run for each in members for run in each]

    def averaged(of: str) -> pd.DataFrame:
        tables = iter(_predictions(runs, of, device))
        pooled = [pd.concat(islice(tables, len(each)), ignore_index=True) for each in members]
        return average_predictions(pooled, classes, poolings)

    poolings = [common_pooling(runs) for runs in members]
    # Where they differ, the answers are by track already.
    pooling = poolings[0]
    if len(first) > 1:
        together = averaged("test")
        folds = [frozenset(table["path"]) for table in _predictions(first, "test", device)]
        parts = [(together[together["path"].isin(fold)], fold) for fold in folds]
        return calibrate_folds(parts, classes, pooling=pooling)
    if not all((run_table(run)["split"] == "validation").any() for run in runs):
        return None
    return calibrate_split(averaged("validation"), averaged("test"), classes, pooling=pooling)


def as_file(found: dict[str, Any], command: str) -> dict[str, Any]:
    """Return the content of ``calibration.json``."""
    return {
        "format": FORMAT,
        "temperature": found["temperature"],
        "unsure_below": found["unsure"]["below"],
        "command": command,
        **{key: value for key, value in found.items() if key != "temperature"},
    }


def _classes(runs: Sequence[Path]) -> tuple[str, ...]:
    abouts = [read_json(run / "run.json") for run in runs]
    for run, about in zip(runs, abouts, strict=True):
        check_finished(run, about)
        if about.get("labels", "genre") != "genre":
            raise ModelError(f"{run} tells several genres a clip, which cannot be calibrated yet")
        if about["classes"] != abouts[0]["classes"]:
            raise DataError(f"{run} was trained on another class list than {runs[0]}")
        if about["name"] != abouts[0]["name"]:
            raise DataError(
                f"{run} is of {about['name']!r}, {runs[0]} of {abouts[0]['name']!r}: several runs "
                "must be folds or seeds of one network"
            )
    return tuple(abouts[0]["classes"])


def _predictions(runs: Sequence[Path], split: str, device: str) -> list[pd.DataFrame]:
    """Return what each run says of a split; those not kept yet are made together, as `evaluate_runs` does."""
    evaluate_runs(runs, split, device=device)
    return [run_predictions(run, split) for run in runs]
