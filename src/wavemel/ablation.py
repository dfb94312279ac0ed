"""What each part of a recipe is worth: every config of a folder, trained, and set against one of them.

The folder of configs is the table. Runs are evaluated on their validation
clips, so that choosing parts by the table leaves the test clips unseen.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wavemel.checkpoint import read_json, write_json
from wavemel.errors import ConfigError, DataError, WavemelError
from wavemel.evaluation.intervals import FloatArray, bootstrap, group_numbers, group_sums
from wavemel.evaluation.metrics import log_losses
from wavemel.evaluation.paired import sign_flip
from wavemel.evaluation.runs import Tracks, evaluate_run, evaluate_runs, run_predictions, tracks
from wavemel.experiment import Experiment
from wavemel.machine import describe_machine
from wavemel.reproduce import (
    Plan,
    Work,
    check_names,
    check_report,
    finished,
    open_plan,
    run_folder,
    train_all,
)
from wavemel.training.folder import flat_settings
from wavemel.training.trainer import Hardware

#: The split that a table is made of.
SPLIT = "validation"
#: What of a table's folder lists the commands of all calls that have made it, oldest first.
COMMANDS = "commands.json"


@dataclass(frozen=True)
class Answers:
    """What one config answers for every clip, its seeds side by side: clips in one order for all.

    ``right`` (1 or 0) and ``loss`` (nats) are of each seed, (seeds, n).
    """

    seeds: tuple[int, ...]
    runs: int
    paths: tuple[str, ...]
    artists: tuple[str, ...]
    right: FloatArray
    loss: FloatArray
    training_top1: float | None
    seconds: float


def ablate(
    plan: Plan,
    references: tuple[str, ...] = ("full",),
    rows: tuple[str, ...] = (),
    hardware: Hardware | None = None,
    *,
    gaps: bool = False,
) -> dict[str, Any]:
    """Train what is missing, and return the table.

    Parameters
    ----------
    plan : data, folder of configs, seeds, folds.
    references : names of the configs that the others are compared with: each with that
        of them from which it changes the fewest settings, which says what a part adds
        to nothing as well as what the whole loses without it.
    rows : names of the configs to train now; all by default. The table holds
        whatever is finished in the plan's folder, so that rows that matter
        can be given more seeds later.
    hardware : where to train.
    gaps : also ask each network about the clips that it learnt from (takes longer than validation).

    Raises
    ------
    ConfigError
        The folder has no such config, or there is no reference.
    DataError
        A reference has no finished runs and is not among ``rows``, the split has no
        validation clips, or two configs were validated on other clips.
    ModelError
        A run in the plan's folder is of other data or settings, or the report there is no table.
    """
    if not references:
        raise ConfigError(
            "an ablation needs a reference: a config that the others are compared with"
        )
    check_report(plan.to, table=True)
    work = open_plan(plan, SPLIT)
    names = [experiment.name for experiment in work.experiments]
    check_names(plan, names, (*references, *rows))
    by_name = {experiment.name: experiment for experiment in work.experiments}
    # What would fail at the end is asked before training, which may take hours.
    for name in references:
        if rows and name not in rows and not _finished_seeds(work, plan, by_name[name]):
            raise DataError(
                f"{name!r}, which other rows are compared with, has no finished runs: "
                "name it in --rows too"
            )
    with _remembered(plan) as commands:
        train_all(work, plan, hardware, only=rows)
    made = {e.name: _finished_runs(work, plan, e) for e in work.experiments}
    # All of them at once: each clip is decoded once for all networks.
    runs = [run for seeds in made.values() for folds in seeds.values() for run in folds]
    for split in (SPLIT, "training") if gaps else (SPLIT,):
        evaluate_runs(runs, split, cache=plan.cache)
    classes = work.datasets[0].classes
    answers = {
        name: _answers(by_name[name], seeds, classes, gaps) for name, seeds in made.items() if seeds
    }
    table = []
    for name, found in answers.items():
        row: dict[str, Any] = {"name": name, **_figures(found)}
        base = _nearest(by_name[name], [by_name[other] for other in references])
        if base is not None:
            row["against"] = base.name
            row["changes"] = _changes(base, by_name[name])
            row.update(_against(found, answers[base.name]))
        table.append(row)
    first = answers[references[0]]
    return {
        "format": 3,
        "title": f"What each part of {references[0]!r} is worth on {work.corpus.name}",
        "command": plan.command,
        "commands": commands,
        "config_set": plan.configs,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": work.corpus.name,
        "synthetic": work.corpus.synthetic,
        "split": SPLIT,
        "folds": len(work.datasets),
        "clips": len(first.paths),
        "artists": len(set(first.artists)),
        "references": list(references),
        "machine": describe_machine(),
        "seconds": round(sum(a.seconds for a in answers.values()), 1),
        "rows": table,
    }


@contextmanager
def _remembered(plan: Plan) -> Iterator[list[str]]:
    """Keep a call's command in the plan's folder; yield those that make its table, in their order."""
    file = plan.to / COMMANDS
    earlier = _earlier_commands(plan.to)
    known = earlier if plan.command in earlier else [*earlier, plan.command]
    before = _runs_made(plan.to)
    # Before training: a call that is killed may have made rows.
    write_json(file, {"commands": known})
    try:
        # The last call says what is compared with what.
        yield known if known[-1] == plan.command else [*known, plan.command]
    except WavemelError:
        if _runs_made(plan.to) == before:
            # Refused before it made anything, and would be again.
            write_json(file, {"commands": earlier})
        raise


def _earlier_commands(to: Path) -> list[str]:
    """Return the commands of earlier calls into a folder, oldest first, each once."""
    if (to / COMMANDS).exists():
        return list(read_json(to / COMMANDS).get("commands", []))
    table = to / "results.json"
    # A table that is older than the list of commands knows the last of them.
    return [read_json(table)["command"]] if table.exists() else []


def _runs_made(to: Path) -> dict[Path, int]:
    """Return the runs of a folder, each with the time of its last change."""
    return {about: about.stat().st_mtime_ns for about in (to / "runs").glob("*/run.json")}


def _finished_seeds(work: Work, plan: Plan, experiment: Experiment) -> list[int]:
    """Return the seeds of which a config is finished in every fold."""
    abouts = [read_json(about) for about in (plan.to / "runs").glob("*/run.json")]
    seeds = {about["seed"] for about in abouts if about["name"] == experiment.name}
    folds = range(len(work.datasets))
    return sorted(
        seed
        for seed in seeds
        if all(finished(work, plan, experiment, fold, seed) for fold in folds)
    )


def _finished_runs(work: Work, plan: Plan, experiment: Experiment) -> dict[int, list[Path]]:
    """Return the run folders, one a fold, of each seed of a config that is finished in every fold."""
    folds = range(len(work.datasets))
    return {
        seed: [run_folder(work, plan, experiment.name, fold, seed) for fold in folds]
        for seed in _finished_seeds(work, plan, experiment)
    }


def _answers(
    experiment: Experiment, seeds: dict[int, list[Path]], classes: tuple[str, ...], gaps: bool
) -> Answers:
    """Return a config's answers from the evaluated runs of its seeds."""
    made: list[Tracks] = []
    shown: list[float] = []
    seconds = 0.0
    for runs in seeds.values():
        for run in runs:
            if gaps:
                shown.append(evaluate_run(run, "training")["track"]["top1"])
            seconds += read_json(run / "run.json")["seconds"]
        pooled = pd.concat([run_predictions(run, SPLIT) for run in runs], ignore_index=True)
        made.append(tracks(pooled, classes, "track", experiment.evaluation.pooling))
    first = made[0]
    if any(list(t.paths) != list(first.paths) for t in made):
        raise DataError(f"the seeds of {experiment.name!r} were validated on different clips")
    right = np.array([t.probabilities.argmax(1) == t.truth for t in made], np.float64)
    loss = np.array([log_losses(t.truth, t.probabilities) for t in made])
    return Answers(
        seeds=tuple(seeds),
        runs=sum(map(len, seeds.values())),
        paths=tuple(first.paths),
        artists=tuple(map(str, first.artists)),
        right=right,
        loss=loss,
        training_top1=float(np.mean(shown)) if shown else None,
        seconds=seconds,
    )


def _figures(answers: Answers) -> dict[str, Any]:
    """Return means over clips and seeds, with intervals over artists, and the figures of each seed."""
    right, loss = answers.right.mean(0), answers.loss.mean(0)
    intervals = _intervals(right, loss, answers.artists)
    each = answers.right.mean(1)
    return {
        "seeds": list(answers.seeds),
        "runs": answers.runs,
        "top1": float(right.mean()),
        "top1_ci95": intervals["top1"],
        "top1_each": each.tolist(),
        "top1_sd": _deviation(each),
        "log_loss": float(loss.mean()),
        "log_loss_ci95": intervals["log_loss"],
        "log_loss_each": answers.loss.mean(1).tolist(),
        "training_top1": answers.training_top1,
        "seconds": round(answers.seconds, 1),
    }


def _against(answers: Answers, reference: Answers) -> dict[str, Any]:
    """Return the difference to the reference on the seeds that both have, paired by clip.

    A seed is the same fresh weights and the same order of clips as far as two configs allow, and a
    mean over one seed is no match for one over three. ``compared_seeds`` says which they are; there
    is no difference where they have none in common.
    """
    if answers.paths != reference.paths:
        raise DataError("two configs were validated on different clips and cannot be compared")
    common = [seed for seed in answers.seeds if seed in reference.seeds]
    if not common:
        return {"compared_seeds": [], "difference": None}
    rows, base = ([found.seeds.index(seed) for seed in common] for found in (answers, reference))
    right = answers.right[rows] - reference.right[base]
    loss = answers.loss[rows] - reference.loss[base]
    intervals = _intervals(right.mean(0), loss.mean(0), reference.artists)
    numbers = group_numbers(reference.artists, right.shape[1])
    each = right.mean(1)
    return {
        "compared_seeds": common,
        "difference": float(right.mean()),
        "difference_ci95": intervals["top1"],
        "difference_each": each.tolist(),
        "difference_sd": _deviation(each),
        "permutation_p": sign_flip(group_sums(right.mean(0), numbers)),
        "loss_difference": float(loss.mean()),
        "loss_difference_ci95": intervals["log_loss"],
        "loss_permutation_p": sign_flip(group_sums(loss.mean(0), numbers)),
    }


def _intervals(
    right: FloatArray, loss: FloatArray, artists: tuple[str, ...]
) -> dict[str, list[float] | None]:
    """Return intervals of the means over clips: over artists, for the seeds that there are."""

    def means(sums: FloatArray) -> dict[str, FloatArray]:
        return {"top1": sums[:, 0] / sums[:, 2], "log_loss": sums[:, 1] / sums[:, 2]}

    return bootstrap(np.column_stack([right, loss, np.ones(len(right))]), artists, means)


def _deviation(each: FloatArray) -> float | None:
    """Return the standard deviation between seeds; None of one seed, of which it cannot be told."""
    return float(each.std(ddof=1)) if len(each) > 1 else None


def _nearest(experiment: Experiment, references: list[Experiment]) -> Experiment | None:
    """Return the reference from which a config changes least; None for the first of them itself."""
    others = [base for base in references if base.name != experiment.name]
    if experiment.name == references[0].name or not others:
        return None
    return min(others, key=lambda base: len(_changes(base, experiment)))


def _changes(base: Experiment, other: Experiment) -> list[str]:
    """Return what a config changes of another, as ``key: value (not base's value)``.

    Another network is one change, and so is an augmentation that only one of them has.
    """
    one, two = flat_settings(base), flat_settings(other)
    whole = {
        f"augment.{name}": (base.augment.get(name), other.augment.get(name))
        for name in base.augment.keys() ^ other.augment.keys()
    }
    if base.network["name"] != other.network["name"]:
        whole["network"] = (base.network, other.network)
    single = {
        key: (one.get(key), two.get(key))
        for key in one.keys() | two.keys()
        if not key.startswith(tuple(f"{part}." for part in whole))
    }
    return [
        f"{key}: {json.dumps(new)} (not {json.dumps(old)})"
        for key, (old, new) in sorted({**whole, **single}.items())
        if old != new and key not in ("name", "seed")
    ]
