"""Several runs, compared: one results dict, from which the report is made."""

from __future__ import annotations

import datetime
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wavemel.checkpoint import read_json
from wavemel.data.table import SPLITS
from wavemel.errors import DataError
from wavemel.evaluation.calibrate_runs import calibrate_averaged, calibrate_compared
from wavemel.evaluation.compared import Entry, Run, read_runs
from wavemel.evaluation.overfitting import logged_overfitting, overfitting
from wavemel.evaluation.paired import holm, paired_test
from wavemel.evaluation.runs import common_pooling, evaluate_runs, figures, tracks
from wavemel.evaluation.same_recipe import check_same_recipe
from wavemel.evaluation.same_test import Asked, check_same_test
from wavemel.evaluation.seeds import average_predictions, over_seeds
from wavemel.machine import describe_machine
from wavemel.pooling import MEAN


def compare(
    runs: list[Path],
    *,
    title: str,
    command: str,
    config_set: str = "",
    split: str = "test",
    baselines: dict[str, Entry] | None = None,
    device: str = "cpu",
    cache: bool = True,
    ensemble: bool = False,
    gaps: bool = False,
    beside: Path | None = None,
) -> dict[str, Any]:
    """Evaluate runs and return ``results.json``'s content.

    Runs of one name are folds of one model where their test clips are
    disjoint: their predictions are pooled. Runs of one name and other seeds
    stand as rows of their own, and once more as one model, their answers
    averaged. Paired tests are between recipes: one that has several seeds is
    tested by that average, and its seeds are not set against each other.

    Parameters
    ----------
    runs : run folders.
    title, command, config_set : what the report says of itself.
    split : which clips.
    baselines : predictions of other models on the same clips.
    device : where to compute.
    cache : keep what a frozen encoder makes of windows, and take what is kept.
    ensemble : add the averaged answers of all networks.
    gaps : also ask every network about its own training clips.
    beside : another ``results.json``, whose networks' overfitting is shown beside.

    Raises
    ------
    ModelError
        A folder that holds no finished run.
    DataError
        Runs on different classes, on different test clips, or on other genres
        or artists of them; or runs of one name and different settings.
    """
    read = read_runs(runs, split, device=device, cache=cache)
    classes = tuple(read[0].about["classes"])
    networks = {name: _network(name, members) for name, members in _grouped(read).items()}
    for told in _by_name(networks).values():
        check_same_recipe([run.path for entry in told for run in networks[entry].runs])
    baselines = baselines or {}
    # Before any figure: none may rest on other clips or labels than its neighbours.
    tested = {name: entry.predictions for name, entry in {**networks, **baselines}.items()}
    asked = check_same_test(tested, classes)

    _evaluate_together(list(networks.values()), split, gaps=gaps, device=device, cache=cache)
    networks = {
        name: _further(entry, split, device=device, gaps=gaps) for name, entry in networks.items()
    }
    by_name = _by_name(networks)
    several = {name: members for name, members in by_name.items() if len(members) > 1}
    groups = {f"{name}, {len(of)} seeds averaged": of for name, of in several.items()}
    if ensemble and len(by_name) > 1:
        groups["all networks averaged"] = list(networks)
    averaged = {
        name: _averaged({member: networks[member] for member in members}, classes, split, device)
        for name, members in groups.items()
    }
    entries = {**networks, **averaged, **baselines}
    # Seeds of one recipe are not models to be set against each other: their average stands for it.
    seeds = {member for members in several.values() for member in members}
    rivals = {name: entry for name, entry in entries.items() if name not in seeds}
    return {
        "format": 1,
        "title": title,
        "command": command,
        "config_set": config_set,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": _data(read, asked, classes, split),
        "folds": max(len(entry.runs) for entry in networks.values()),
        "machine": describe_machine(),
        "seconds": round(sum(entry.facts["seconds"] for entry in entries.values()), 1),
        "models": [
            {"name": name, "split": split, "classes": list(classes), **entry.facts}
            | _levels(figures(entry.predictions, classes, entry.pooling), entry.facts)
            for name, entry in entries.items()
        ],
        "over_seeds": [
            {"name": name, **_over_seeds([networks[member] for member in members], classes)}
            for name, members in several.items()
        ],
        "beside": other_networks(beside) if beside else [],
        "pairs": _pairs(rivals, asked, classes, "clip"),
        "track_pairs": _pairs(rivals, asked, classes, "track"),
    }


def _evaluate_together(
    networks: list[Entry], split: str, *, gaps: bool, device: str, cache: bool
) -> None:
    """Evaluate on what else is asked for, so that each clip is decoded once for all networks."""
    if gaps:
        runs = [run.path for network in networks for run in network.runs]
        evaluate_runs(runs, "training", device=device, cache=cache)
    if split == "test":
        # What has no folds is calibrated on its validation clips.
        alone = [network.runs[0] for network in networks if len(network.runs) == 1]
        held = [run.path for run in alone if (run.table["split"] == "validation").any()]
        evaluate_runs(held, "validation", device=device, cache=cache)


def other_networks(file: Path) -> list[dict[str, Any]]:
    """Return name and overfitting of another report's networks.

    Raises
    ------
    ModelError
        The file is no report's ``results.json``.
    DataError
        It tells of no network's training.
    """
    made = []
    for model in read_json(file).get("models", []):
        found = model.get("overfitting") or logged_overfitting(model.get("history") or [])
        if found is not None:
            name = f"{model['name']} ({file.parent.name})"
            made.append({"name": name, "classes": model["classes"], "overfitting": found})
    if not made:
        raise DataError(f"{file} tells of no network's training")
    return made


def _grouped(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of each network, by its name and, where seeds differ, its seed."""
    runs = list(runs)
    seeds = {run.about["seed"] for run in runs}
    grouped: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        name, seed = run.about["name"], run.about["seed"]
        grouped[name if len(seeds) == 1 else f"{name} (seed {seed})"].append(run)
    return grouped


def _network(name: str, runs: list[Run]) -> Entry:
    """Return a network with its runs' predictions, pooled; raise DataError where they share clips."""
    pooled = pd.concat([run.predictions for run in runs], ignore_index=True)
    if pooled["path"].nunique() < sum(run.predictions["path"].nunique() for run in runs):
        raise DataError(f"two runs called {name!r} share test clips: give them other names")
    return Entry(pooled, _model_facts(runs) | _per_fold(runs), tuple(runs))


def _further(entry: Entry, split: str, *, device: str, gaps: bool) -> Entry:
    """Return a network with its calibration and, where asked for, its overfitting."""
    paths = [run.path for run in entry.runs]
    facts = {**entry.facts, "calibration": calibrate_compared(paths, split, device=device)}
    if gaps:
        facts["overfitting"] = overfitting(paths, split, device=device)
    return replace(entry, facts=facts)


def _by_name(networks: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return the entries of each network's seeds, by the network's name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, entry in networks.items():
        found[entry.facts["experiment"]["name"]].append(name)
    return found


def _over_seeds(seeds: Sequence[Entry], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return top-1 of whole tracks over the seeds of one network."""
    answers = [tracks(e.predictions, classes, "track", e.pooling) for e in seeds]
    return over_seeds(answers, [entry.facts["seeds"][0] for entry in seeds])


def _averaged(
    members: Mapping[str, Entry], classes: tuple[str, ...], split: str, device: str
) -> Entry:
    """Return several networks as one model, whose answers are the mean of theirs."""
    of = list(members.values())
    averaged = average_predictions(
        [entry.predictions for entry in of], classes, [entry.pooling for entry in of]
    )
    calibration = None
    if len({_held_out(entry) for entry in of}) == 1:
        paths = [[run.path for run in entry.runs] for entry in of]
        calibration = calibrate_averaged(paths, split, device=device)
    facts = {
        **of[0].facts,
        # Where they had no windows in common, it is tracks that were averaged.
        "pooling": of[0].pooling if len(averaged) > averaged["path"].nunique() else MEAN,
        "network": None,
        "experiment": None,
        "members": list(members),
        "seeds": sorted({seed for entry in of for seed in entry.facts["seeds"]}),
        "parameters": sum(entry.facts["parameters"] for entry in of),
        "epochs": None,
        "best_epoch": [],
        # Its members' time is counted with them.
        "seconds": 0.0,
        "history": [],
        "overfitting": None,
        "per_fold": [],
        "calibration": calibration,
    }
    return Entry(averaged, facts)


def _held_out(entry: Entry) -> frozenset[frozenset[str]]:
    """Return the clips that a network's calibration is fitted on: of each fold, or of validation."""
    side = "test" if len(entry.runs) > 1 else "validation"
    tables = [run.table for run in entry.runs]
    return frozenset(frozenset(table["path"][table["split"] == side]) for table in tables)


def _levels(found: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return figures without the track level where there is one window a clip (baselines)."""
    return found if facts["kind"] == "network" else {**found, "track": None}


def _per_fold(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the figures of each fold's tracks alone, where there are folds."""
    if len(runs) == 1:
        return {}
    keys = ("n", "n_groups", "top1", "top1_ci95")
    return {
        "per_fold": [
            {
                "split": run.about["data"]["split"],
                **{key: run.figures["track"][key] for key in keys},
            }
            for run in runs
        ]
    }


def _model_facts(runs: Sequence[Run]) -> dict[str, Any]:
    first = runs[0]
    return {
        "kind": "network",
        "network": first.experiment["network"],
        "experiment": first.experiment,
        "pooling": common_pooling([run.path for run in runs]),
        "data": first.about["data"]["name"],
        "seeds": sorted({run.about["seed"] for run in runs}),
        "precision": first.about["precision"],
        "parameters": first.about["parameters"],
        "epochs": max(run.about["epochs"] for run in runs),
        "best_epoch": [run.about["best_epoch"] for run in runs],
        "seconds": round(sum(run.about["seconds"] for run in runs), 1),
        "history": [
            pd.read_csv(run.path / "metrics.csv").to_dict(orient="records") for run in runs
        ],
    }


def _data(
    runs: Sequence[Run], asked: Asked, classes: tuple[str, ...], split: str
) -> dict[str, Any]:
    """Return what the results say of the data of all runs: how split, the clips of each side, what is left out."""
    abouts = [run.about["data"] for run in runs]
    data = dict(abouts[0])
    data["name"] = " and ".join(dict.fromkeys(about["name"] for about in abouts))
    data["synthetic"] = any(about["synthetic"] for about in abouts)
    data["notes"] = list(dict.fromkeys(note for about in abouts for note in about["notes"]))
    data["split"] = " ".join(sorted({about["split"] for about in abouts}))
    data["leak"] = " ".join(sorted({about["leak"] for about in abouts}))
    data["counts"] = _counts(runs, asked, classes, split)
    # An empty field is missing; a genre may well be called "None".
    lists = [
        pd.read_csv(run.path / "left_out.csv", dtype="string", keep_default_na=False)
        for run in runs
    ]
    listed = pd.concat(lists, ignore_index=True).drop_duplicates("path")
    data["left_out"] = listed["status"].value_counts().to_dict()
    # File names only: a report is passed on, and folders are nobody's business.
    listed["path"] = listed["path"].str.rsplit("/", n=2).str[-2:].str.join("/")
    data["left_out_clips"] = listed[["path", "status", "reason"]].to_dict(orient="records")
    return data


def _counts(
    runs: Sequence[Run], asked: Asked, classes: tuple[str, ...], split: str
) -> dict[str, dict[str, int]]:
    """Return the clips of each side by genre, each counted once, however many runs know it.

    Where a clip stands on several sides (in folds, or where some runs validate
    and others do not) there are no sides of all runs together: then only those
    that all were asked about are counted.
    """
    clips = pd.concat([run.table[["path", "split", "genre"]] for run in runs]).drop_duplicates()
    if clips["path"].duplicated().any():
        by_class = np.bincount(asked.truth, minlength=len(classes)).tolist()
        return {split: dict(zip(classes, by_class, strict=True))}
    counts = clips.groupby(["split", "genre"]).size().unstack(fill_value=0)
    return {side: counts.loc[side].to_dict() for side in SPLITS if side in counts.index}


def _pairs(
    entries: Mapping[str, Entry], asked: Asked, classes: tuple[str, ...], level: str
) -> list[dict[str, Any]]:
    """Return a paired test at clip or track level for every two models, with Holm's correction."""
    answers = {
        name: tracks(entry.predictions, classes, level, entry.pooling).probabilities
        for name, entry in entries.items()
    }
    pairs = []
    for a, b in itertools.combinations(answers, 2):
        found = paired_test(asked.truth, answers[a], answers[b], groups=asked.artists)
        pairs.append({"a": a, "b": b, **found})
    corrected = holm([pair["permutation_p"] for pair in pairs])
    return [{**pair, "holm_p": p} for pair, p in zip(pairs, corrected, strict=True)]
