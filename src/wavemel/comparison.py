"""Several runs, compared: one results dict, from which the report is made."""

from __future__ import annotations

import datetime
import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from wavemel.checkpoint import check_finished, read_experiment, read_json
from wavemel.data.table import SPLITS
from wavemel.errors import DataError, ModelError
from wavemel.evaluation.calibrate_runs import calibrate_averaged, calibrate_compared
from wavemel.evaluation.overfitting import logged_overfitting, overfitting
from wavemel.evaluation.paired import holm, paired_test
from wavemel.evaluation.runs import (
    common_pooling,
    evaluate_run,
    evaluate_runs,
    figures,
    run_predictions,
    run_table,
    tracks,
)
from wavemel.evaluation.seeds import average_predictions, over_seeds
from wavemel.machine import describe_machine
from wavemel.pooling import MEAN

#: Name -> (predictions by window or clip, what else the results say of it).
Entry = tuple[pd.DataFrame, dict[str, Any]]


def compare(
    runs: list[Path],
    *,
    title: str,
    command: str,
    config_set: str = "",
    split: str = "test",
    baselines: dict[str, Entry] | None = None,
    device: str = "cpu",
    ensemble: bool = False,
    gaps: bool = False,
    beside: Path | None = None,
) -> dict[str, Any]:
    """Evaluate runs and return ``results.json``'s content.

    Runs of one name are folds of one model where their test clips are
    disjoint: their predictions are pooled. Runs of one name and other seeds
    stand as rows of their own.

    Parameters
    ----------
    runs : run folders.
    title, command, config_set : what the report says of itself.
    split : which clips.
    baselines : predictions of other models on the same clips.
    device : where to compute.
    ensemble : add the averaged answers of the seeds of each network, and of all networks.
    gaps : also ask every network about its own training clips.
    beside : another ``results.json``, whose networks' overfitting is shown beside.

    Raises
    ------
    ModelError
        A folder that holds no finished run.
    DataError
        Runs on different classes or different test clips.
    """
    grouped: dict[str, list[tuple[Path, dict[str, Any]]]] = defaultdict(list)
    seeds = {read_json(run / "run.json")["seed"] for run in runs}
    for run in runs:
        about = read_json(run / "run.json")
        check_finished(run, about)
        if about.get("labels", "genre") != "genre":
            raise ModelError(
                f"{run} tells several genres a clip: see its figures with wavemel evaluate {run}"
            )
        name = about["name"] if len(seeds) == 1 else f"{about['name']} (seed {about['seed']})"
        grouped[name].append((run, about))
    abouts = [about for members in grouped.values() for _, about in members]
    classes = tuple(abouts[0]["classes"])
    for about in abouts:
        if tuple(about["classes"]) != classes:
            raise DataError(
                "these runs were trained on different class lists and cannot be compared"
            )

    _evaluate_together(
        [[run for run, _ in members] for members in grouped.values()], split, gaps, device
    )
    entries: dict[str, Entry] = {}
    for name, members in grouped.items():
        found = [evaluate_run(run, split, device=device) for run, _ in members]
        pooled = pd.concat([run_predictions(run, split) for run, _ in members], ignore_index=True)
        twice = pooled.groupby("path")["start"].apply(lambda s: s.duplicated().any())
        if twice.any():
            raise DataError(f"two runs called {name!r} share test clips: give them other names")
        facts = _model_facts(members) | _per_fold(members, found)
        facts["calibration"] = calibrate_compared([r for r, _ in members], split, device=device)
        if gaps:
            facts["overfitting"] = overfitting([r for r, _ in members], split, device=device)
        entries[name] = (pooled, facts)
    by_name = _by_name(entries)
    seeded = _over_seeds(entries, by_name, classes)
    averaged = _ensembles(entries, by_name, classes) if ensemble else {}
    for _, facts in averaged.values():
        of = [[run for run, _ in grouped[member]] for member in facts["members"]]
        facts["calibration"] = calibrate_averaged(of, split, device=device)
    entries.update(averaged)
    entries.update(baselines or {})
    # Seeds of one recipe are not models to be set against each other, and their pairs are many.
    in_averages = {m for members in by_name.values() if len(members) > 1 for m in members}
    rivals = {
        name: entry
        for name, entry in entries.items()
        if name not in (in_averages if averaged else ())
    }

    tested = {name: frozenset(p["path"]) for name, (p, _) in entries.items()}
    if len(set(tested.values())) != 1:
        raise DataError("these runs were tested on different clips and cannot be compared")
    return {
        "format": 1,
        "title": title,
        "command": command,
        "config_set": config_set,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": _data(abouts, runs),
        "folds": max(len(members) for members in grouped.values()),
        "machine": describe_machine(),
        "seconds": round(sum(facts["seconds"] for _, facts in entries.values()), 1),
        "models": [
            {"name": name, "split": split, "classes": list(classes), **facts}
            | _levels(figures(predictions, classes, _pooling(facts)), facts)
            for name, (predictions, facts) in entries.items()
        ],
        "over_seeds": seeded,
        "beside": other_networks(beside) if beside else [],
        "pairs": _pairs(rivals, classes, "clip"),
        "track_pairs": _pairs(rivals, classes, "track"),
    }


def _evaluate_together(networks: list[list[Path]], split: str, gaps: bool, device: str) -> None:
    """Evaluate all that a comparison asks for, so that each clip is decoded once for all networks."""
    runs = [run for members in networks for run in members]
    evaluate_runs(runs, split, device=device)
    if gaps:
        evaluate_runs(runs, "training", device=device)
    if split == "test":
        # What has no folds is calibrated on its validation clips.
        alone = [members[0] for members in networks if len(members) == 1]
        held = [run for run in alone if (run_table(run)["split"] == "validation").any()]
        evaluate_runs(held, "validation", device=device)


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


def _by_name(entries: dict[str, Entry]) -> dict[str, list[str]]:
    """Return the entries of each network's seeds, by the network's name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, (_, facts) in entries.items():
        found[facts["experiment"]["name"]].append(name)
    return found


def _over_seeds(
    entries: dict[str, Entry], by_name: dict[str, list[str]], classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return top-1 of whole tracks over the seeds of each network that has several."""
    return [
        {
            "name": name,
            **over_seeds(
                [
                    tracks(predictions, classes, "track", _pooling(facts))
                    for predictions, facts in (entries[member] for member in members)
                ],
                [entries[member][1]["seeds"][0] for member in members],
            ),
        }
        for name, members in by_name.items()
        if len(members) > 1
    ]


def _ensembles(
    entries: dict[str, Entry], by_name: dict[str, list[str]], classes: tuple[str, ...]
) -> dict[str, Entry]:
    """Return the averaged answers of each network's seeds, and of all networks with all seeds."""
    groups = {
        f"{name}, {len(members)} seeds averaged": members
        for name, members in by_name.items()
        if len(members) > 1
    }
    if len(by_name) > 1:
        groups["all networks averaged"] = list(entries)
    made: dict[str, Entry] = {}
    for title, members in groups.items():
        facts = [entries[member][1] for member in members]
        poolings = [_pooling(f) for f in facts]
        averaged = average_predictions([entries[m][0] for m in members], classes, poolings)
        made[title] = (
            averaged,
            {
                **facts[0],
                # Where they had no windows in common, it is tracks that were averaged.
                "pooling": poolings[0] if len(averaged) > averaged["path"].nunique() else MEAN,
                "network": None,
                "experiment": None,
                "members": members,
                "seeds": sorted({seed for f in facts for seed in f["seeds"]}),
                "parameters": sum(f["parameters"] for f in facts),
                "epochs": None,
                "best_epoch": [],
                # Its members' time is counted with them.
                "seconds": 0.0,
                "history": [],
                "overfitting": None,
                "per_fold": [],
            },
        )
    return made


def _levels(found: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return figures without the track level where there is one window a clip (baselines)."""
    return found if facts["kind"] == "network" else {**found, "track": None}


def _per_fold(
    members: list[tuple[Path, dict[str, Any]]], found: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the figures of each fold's tracks alone, where there are folds."""
    if len(members) == 1:
        return {}
    keys = ("n", "n_groups", "top1", "top1_ci95")
    return {
        "per_fold": [
            {"split": about["data"]["split"], **{key: figures["track"][key] for key in keys}}
            for (_, about), figures in zip(members, found, strict=True)
        ]
    }


def _model_facts(members: list[tuple[Path, dict[str, Any]]]) -> dict[str, Any]:
    run, about = members[0]
    experiment = read_experiment(run)
    return {
        "kind": "network",
        "network": experiment["network"],
        "experiment": experiment,
        "pooling": common_pooling([run for run, _ in members]),
        "data": about["data"]["name"],
        "seeds": sorted({a["seed"] for _, a in members}),
        "precision": about["precision"],
        "parameters": about["parameters"],
        "epochs": max(a["epochs"] for _, a in members),
        "best_epoch": [a["best_epoch"] for _, a in members],
        "seconds": round(sum(a["seconds"] for _, a in members), 1),
        "history": [pd.read_csv(r / "metrics.csv").to_dict(orient="records") for r, _ in members],
    }


def _data(abouts: list[dict[str, Any]], runs: list[Path]) -> dict[str, Any]:
    """Return what the results say of the data: one split's counts, or those of all folds together."""
    data = dict(abouts[0]["data"])
    splits = {a["data"]["split"] for a in abouts}
    data["split"] = "; ".join(sorted(splits))
    leaks = {a["data"]["leak"] for a in abouts}
    data["leak"] = " ".join(sorted(leaks))
    if len(splits) > 1:
        # Cross-validation: every clip is tested once; counts of one fold would mislead.
        tables = {a["data"]["split"]: run_table(run) for run, a in zip(runs, abouts, strict=True)}
        tested = pd.concat([t[t["split"] == "test"] for t in tables.values()])
        data["counts"] = {"test": tested["genre"].value_counts().sort_index().to_dict()}
    else:
        data["counts"] = {s: data["counts"][s] for s in SPLITS if s in data["counts"]}
    # An empty field is missing; a genre may well be called "None".
    listed = pd.read_csv(runs[0] / "left_out.csv", dtype="string", keep_default_na=False)
    # File names only: a report is passed on, and folders are nobody's business.
    listed["path"] = listed["path"].str.rsplit("/", n=2).str[-2:].str.join("/")
    data["left_out_clips"] = listed[["path", "status", "reason"]].to_dict(orient="records")
    return data


def _pooling(facts: dict[str, Any]) -> str:
    """Return how a model's windows become a track; baselines have one a clip."""
    return str(facts.get("pooling", MEAN))


def _pairs(entries: dict[str, Entry], classes: tuple[str, ...], level: str) -> list[dict[str, Any]]:
    """Return a paired test at clip or track level for every two models, with Holm's correction."""
    answers = {name: tracks(p, classes, level, _pooling(f)) for name, (p, f) in entries.items()}
    pairs = []
    for a, b in itertools.combinations(answers, 2):
        one, other = answers[a], answers[b]
        found = paired_test(one.truth, one.probabilities, other.probabilities, groups=one.artists)
        pairs.append({"a": a, "b": b, **found})
    corrected = holm([pair["permutation_p"] for pair in pairs])
    return [{**pair, "holm_p": p} for pair, p in zip(pairs, corrected, strict=True)]
