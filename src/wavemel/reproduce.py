"""The main job: train every network of a config set on one data set, evaluate, compare, report.

Work that is done stays done: a run that is finished is not trained again, one
that was interrupted continues from its last epoch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wavemel.audio.load import load
from wavemel.checkpoint import read_experiment, read_json
from wavemel.comparison import compare, other_networks
from wavemel.data.scan import scan
from wavemel.data.sources import open_corpus
from wavemel.data.splits import SplitChoice, cross_validation
from wavemel.data.table import Corpus
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.evaluation.baseline import BASELINES, mfcc_statistics
from wavemel.evaluation.compared import Entry
from wavemel.experiment import Experiment, branches_first, config_set, load_experiment
from wavemel.experiment_checks import check_ranges
from wavemel.progress import track
from wavemel.registry import suggest
from wavemel.reports.write import write_report
from wavemel.training.dataset import Dataset, split_dataset
from wavemel.training.folder import changed_settings, check_branches, follow_clips, is_run
from wavemel.training.run import train
from wavemel.training.trainer import Hardware

log = logging.getLogger(__name__)

#: Rate and length that the MFCC baselines hear: their published setting.
BASELINE_RATE = 22_050
_BASELINE_NOTE = (
    "The baselines hear whole clips at 22.05 kHz and learn from training and validation clips "
    "together; the networks' first table is of one window a clip, learnt from training clips alone."
)
_BASELINE_NOTE_ALIKE = (
    "The baselines hear whole clips at 22.05 kHz; the networks' first table is of one window a clip. "
    "Both learn from the same clips, for nothing validates."
)


@dataclass(frozen=True)
class Plan:
    """What to reproduce, on what, and how."""

    data: str
    configs: str
    to: Path
    #: How to split; with ``folds`` "all" every fold is the test fold once.
    split: SplitChoice
    folds: str = "one"
    #: Those of the configs by default.
    seeds: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ("svm",)
    cache: bool = True
    workers: int | None = None
    command: str = "wavemel reproduce"
    #: Name the seed in a run's folder also where there is one, so that more can join later.
    name_seeds: bool = False
    #: Networks of the set to train and compare; all by default.
    only: tuple[str, ...] = ()
    #: Add the averaged answers of all networks; ask about training clips.
    ensemble: bool = False
    gaps: bool = False
    #: Another ``results.json``, whose networks' overfitting is shown beside.
    beside: Path | None = None


def reproduce(plan: Plan, hardware: Hardware | None = None) -> dict[str, Any]:
    """Train, evaluate and compare; write the report into ``plan.to`` and return the results.

    Raises
    ------
    WavemelError
        The data or a config do not hold, or ``plan.to`` holds other work.
    """
    # What would fail at the end is asked before training, which may take hours.
    for name in plan.baselines:
        if name not in BASELINES:
            raise ConfigError(f"there is no baseline {name!r}{suggest(name, list(BASELINES))}")
    if plan.beside is not None:
        other_networks(plan.beside)
    check_report(plan.to, table=False)
    work = open_plan(plan, "test")
    corpus, datasets = work.corpus, work.datasets
    names = [experiment.name for experiment in work.experiments]
    check_names(plan, names, plan.only)
    runs = train_all(work, plan, hardware, only=plan.only)
    results = compare(
        runs,
        title=f"{', '.join(plan.only or names)} on {corpus.name}",
        command=plan.command,
        config_set=plan.configs,
        cache=plan.cache,
        ensemble=plan.ensemble,
        gaps=plan.gaps,
        beside=plan.beside,
        baselines=_baselines(plan.baselines, datasets, work.seeds[0], corpus.name),
    )
    if plan.baselines:
        validated = any(not data.part("validation").empty for data in datasets)
        results["data"]["notes"].append(_BASELINE_NOTE if validated else _BASELINE_NOTE_ALIKE)
    write_report(results, plan.to)
    return results


@dataclass(frozen=True)
class Work:
    """A plan, opened: its experiments, and its data split in every way that is asked for."""

    experiments: list[Experiment]
    corpus: Corpus
    datasets: list[Dataset]
    seeds: tuple[int, ...]


def check_names(plan: Plan, names: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise ConfigError where the plan's config set, which has ``names``, lacks a wanted one."""
    for name in wanted:
        if name not in names:
            raise ConfigError(f"{plan.configs} has no config {name!r}{suggest(name, list(names))}")


def open_plan(plan: Plan, asked: str) -> Work:
    """Read a plan's configs, scan and split its data, and prepare its folder.

    ``asked`` is the split that the figures will be of.

    Raises
    ------
    WavemelError
        The data or a config do not hold, no clip is in the split ``asked``, or
        ``plan.to`` holds other work.
    """
    files = config_set(plan.configs)
    experiments = [load_experiment(file, plan.changes) for file in files]
    named: dict[str, Path] = {}
    for experiment, file in zip(experiments, files, strict=True):
        other = named.setdefault(experiment.name, file)
        if other is not file:
            raise ConfigError(
                f"{other} and {file} are both named {experiment.name!r} and would share their run "
                "folders: give each config a name of its own, and none with --set name="
            )
        if experiment.labels != "genre":
            raise ConfigError(
                f"config {experiment.name!r} learns several genres a clip, which a comparison does "
                "not cover: use wavemel train and wavemel evaluate"
            )
    seeds = _seeds(plan, experiments)
    for experiment in experiments:
        for seed in seeds:
            check_ranges(replace(experiment, seed=seed))
    experiments = branches_first(experiments)
    corpus = scan(open_corpus(plan.data), workers=plan.workers)
    choices = cross_validation(corpus, plan.split) if plan.folds == "all" else [plan.split]
    datasets = [split_dataset(corpus, choice) for choice in choices]
    if any(data.part(asked).empty for data in datasets):
        raise DataError(
            f"the split {plan.split.how!r} of {corpus.name} has no {asked} clips, which the figures "
            "would be of: choose another one"
        )
    _check_folder(plan.to)
    return Work(experiments, corpus, datasets, seeds)


def _seeds(plan: Plan, experiments: list[Experiment]) -> tuple[int, ...]:
    """Return the seeds to train with: the plan's, else the one that the configs say."""
    trained = [e for e in experiments if not plan.only or e.name in plan.only] or experiments
    said = {experiment.seed: experiment.name for experiment in trained}
    if not plan.seeds:
        if len(said) > 1:
            each = ", ".join(f"{name!r} {seed}" for seed, name in said.items())
            raise ConfigError(
                f"the configs of {plan.configs} name different seeds ({each}): say with --seeds "
                "which ones all of them shall be trained with"
            )
        return tuple(said)
    if any(change.partition("=")[0].strip() == "seed" for change in plan.changes):
        raise ConfigError("--set seed=... and --seeds both say which seeds to train with: give one")
    return plan.seeds


def train_all(
    work: Work, plan: Plan, hardware: Hardware | None = None, only: tuple[str, ...] = ()
) -> list[Path]:
    """Train every config on every fold with every seed, where it is not done; return the run folders.

    ``only`` names the configs to train; all by default.
    """
    runs = []
    for seed in work.seeds:
        for fold, data in enumerate(work.datasets):
            log.info("%s", data.about()["leak"])
            for experiment in work.experiments:
                if only and experiment.name not in only:
                    continue
                folder = run_folder(work, plan, experiment.name, fold, seed)
                seeded = _with_branches(replace(experiment, seed=seed), plan.to, folder.name)
                runs.append(_run(seeded, data, plan, folder, hardware))
    return runs


def run_folder(work: Work, plan: Plan, name: str, fold: int, seed: int) -> Path:
    """Return where the run of a config, a fold and a seed stands, or will stand."""
    name += f"-fold{fold}" if len(work.datasets) > 1 else ""
    named = f"{name}-seed{seed}"
    # A run of this seed that was made beside others is taken as it is.
    several = plan.name_seeds or len(work.seeds) > 1
    if several or (plan.to / "runs" / named / "run.json").exists():
        name = named
    return plan.to / "runs" / name


def finished(work: Work, plan: Plan, experiment: Experiment, fold: int, seed: int) -> bool:
    """Return whether a run of a plan is done; raise ModelError where it is of something else."""
    folder = run_folder(work, plan, experiment.name, fold, seed)
    seeded = _with_branches(replace(experiment, seed=seed), plan.to, folder.name)
    return _finished(seeded, work.datasets[fold], folder)


def _finished(experiment: Experiment, data: Dataset, folder: Path) -> bool:
    if not is_run(folder):
        return False
    old = read_json(folder / "run.json")
    if old["data"]["hash"] != data.hash:
        raise ModelError(f"{folder} was trained on other data: give another --to")
    asked = read_experiment(folder)["training"]
    changed = changed_settings(folder, experiment)
    if asked.get("patience") != experiment.training.patience:
        # A run may go on with another patience, but is then not what either of them gives.
        changed.append("training.patience")
    if changed:
        raise ModelError(
            f"{folder} was trained with another {', '.join(changed)}: give another --to"
        )
    # Early stopping ends before the last epoch: only a wish for more of them goes on.
    done = bool(old.get("finished")) and asked["epochs"] == experiment.training.epochs
    if done:
        check_branches(folder, experiment)
    return done


def _run(
    experiment: Experiment, data: Dataset, plan: Plan, folder: Path, hardware: Hardware | None
) -> Path:
    """Train one network, or take it as it is where it is finished."""
    if _finished(experiment, data, folder):
        follow_clips(folder, data)
    else:
        resume = is_run(folder)
        train(experiment, data, folder, resume=resume, cache=plan.cache, hardware=hardware)
    return folder


def _with_branches(experiment: Experiment, to: Path, name: str) -> Experiment:
    """Let ``training.initial`` name a run of the same plan by its network's name."""
    initial = {}
    for branch, run in experiment.training.initial.items():
        sibling = to / "runs" / name.replace(experiment.name, run, 1)
        initial[branch] = str(sibling) if (sibling / "run.json").exists() else run
    return replace(experiment, training=replace(experiment.training, initial=initial))


def check_report(to: Path, *, table: bool) -> None:
    """Raise ModelError where a report would take the place of the other command's.

    ``table``: it is the table of 'wavemel ablate', which by default writes into the same folder
    as 'wavemel reproduce' where it is given the same configs.
    """
    report = to / "results.json"
    if report.is_file() and ("rows" in read_json(report)) != table:
        is_one = "is no" if table else "is a"
        raise ModelError(
            f"{report} {is_one} table of 'wavemel ablate', and is not replaced: give another --to"
        )


def _check_folder(to: Path) -> None:
    if to.exists() and not to.is_dir():
        raise ModelError(f"{to} is a file: give a folder with --to")
    if to.exists() and any(to.iterdir()) and not (to / "runs").is_dir():
        raise ModelError(f"{to} is not empty and holds no report of ours: give another --to")
    to.mkdir(parents=True, exist_ok=True)
    (to / "runs").mkdir(exist_ok=True)


def _baselines(
    names: tuple[str, ...], datasets: list[Dataset], seed: int, corpus: str
) -> dict[str, Entry]:
    """Fit the baselines on the same clips and return their predictions, pooled over folds.

    They have no epochs to choose from, so they learn from training and validation clips together.
    """
    if not names:
        return {}
    start = time.monotonic()
    everything = pd.concat([d.table for d in datasets]).drop_duplicates("path")
    statistics = {
        path: mfcc_statistics(load(path, BASELINE_RATE), BASELINE_RATE)
        for path in track(everything["path"].tolist(), "MFCC statistics")
    }
    shared = time.monotonic() - start
    entries: dict[str, Entry] = {}
    for name in names:
        start, parts = time.monotonic(), []
        for data in datasets:
            rows, test = data.table[data.table["split"] != "test"], data.part("test")
            learnt = np.stack([statistics[p] for p in rows["path"]])
            asked = np.stack([statistics[p] for p in test["path"]])
            probabilities = BASELINES[name](
                learnt, data.targets(rows), asked, len(data.classes), seed
            )
            part = test[["path", "artist", "genre"]].reset_index(drop=True)
            part["start"] = 0.0
            part[[f"p_{c}" for c in data.classes]] = probabilities
            parts.append(part)
        entries[f"{name} on MFCC statistics"] = Entry(
            pd.concat(parts, ignore_index=True),
            {
                "kind": "baseline",
                "network": None,
                "experiment": None,
                "data": corpus,
                "seeds": [seed],
                "precision": "64",
                "parameters": None,
                "epochs": None,
                "best_epoch": [],
                "seconds": round(shared + time.monotonic() - start, 1),
                "history": [],
            },
        )
    return entries
