"""A run folder: what lies in it, opening it, and whether it is of the same run.

A run folder describes itself:

| file | what |
| --- | --- |
| experiment.yaml | the whole description, nothing left to defaults |
| run.json | classes, data, split, seeds, versions, hardware, time, best epoch, weights that branches started from |
| table.csv | the clips with their split |
| left_out.csv | the clips that were left out, and why |
| metrics.csv | figures by epoch |
| best.safetensors, best.json | weights of the epoch that `training.select` picks, and what they are |
| last.ckpt | everything that ``--resume`` needs |
| tensorboard/ | the same figures for TensorBoard |
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from wavemel.checkpoint import fingerprint_of, read_experiment, read_json, write_json
from wavemel.data.sources.table_file import read_rows
from wavemel.errors import ModelError
from wavemel.experiment import Experiment, complete, make_experiment
from wavemel.machine import describe_machine
from wavemel.networks.encoder import PINNED
from wavemel.training.dataset import Dataset

#: What a new run folder holds before anything is trained, in the order in which it is made.
_FIRST = ("run.json", "table.csv", "left_out.csv", "experiment.yaml")


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, or a part of one; not one whose making was cut short."""
    # The first file that is made, and the last one.
    return (folder / _FIRST[0]).exists() and (folder / _FIRST[-1]).exists()


def _cut_short(folder: Path) -> bool:
    """Return whether all that a folder holds is the beginning of a run's files."""
    held = {file.name for file in folder.iterdir()}
    parts = {name for name in held if name.endswith(".part")}
    # A table alone may be anybody's: before it comes what says whose it is.
    ours = "run.json" in held or held == parts
    return ours and held <= {*_FIRST[:-1], *(f"{name}.part" for name in _FIRST)}


def open_folder(folder: Path, experiment: Experiment, data: Dataset, resume: bool) -> Path | None:
    """Prepare a new run folder, or check that an old one is of the same run; return its checkpoint.

    A folder whose making was cut short is made again: nothing was trained in it.

    Raises
    ------
    ModelError
        The folder holds another run, other files, a run that is not to be resumed, or one whose
        branches have changed.
    """
    about, last = folder / "run.json", folder / "last.ckpt"
    if _rank() > 0:
        # One process among several: the first one looks after the folder.
        return last if resume and last.exists() else None
    old_run = is_run(folder)
    if old_run:
        if not resume:
            raise ModelError(
                f"{folder} already holds a run: give another --to, or --resume to continue it"
            )
        old = read_json(about)
        if old["data"]["hash"] != data.hash:
            raise ModelError(f"{folder} was trained on other data: it cannot be resumed on these")
        changed = changed_settings(folder, experiment)
        if changed:
            raise ModelError(
                f"{folder} was trained with another {', '.join(changed)}: a run is resumed as it was "
                "started, with another end at most: as many epochs as it has trained, or more"
            )
        if last.exists():
            check_branches(folder, experiment)
        else:
            # Nothing is kept of what it has trained: it starts from its branches as they are now.
            old["branches"] = _branches(experiment)
        # Until it has trained for what it now says of itself, also where its process is killed.
        write_json(about, {**old, "finished": False})
        _write_experiment(folder, experiment)
        # Figures of the weights that are about to change.
        _forget_figures(folder)
        follow_clips(folder, data)
    elif folder.exists() and not _cut_short(folder):
        raise ModelError(f"{folder} is not empty and holds no run: give another --to")
    folder.mkdir(parents=True, exist_ok=True)
    if not old_run:
        # In the order of _FIRST, by which a folder is known whose making was cut short.
        write_json(
            about,
            {
                "name": experiment.name,
                "network": experiment.network["name"],
                "classes": list(data.classes),
                "labels": data.labels,
                "data": data.about(),
                "seed": experiment.seed,
                "branches": _branches(experiment),
                "finished": False,
                "machine": describe_machine(),
            },
        )
        _write_table(folder, data)
        data.left_out.to_csv(folder / "left_out.csv", index=False)
        _write_experiment(folder, experiment)
    return last if resume and last.exists() else None


def follow_clips(folder: Path, data: Dataset) -> None:
    """Let a run of the same data name its clips where they lie now, if that is elsewhere than it says.

    What is kept of its predictions names the clips where they were, and is made anew.
    """
    table = folder / "table.csv"
    written = set(read_rows(table)["path"]) if table.exists() else set()
    if written != set(data.table["path"]):
        _forget_figures(folder)
        _write_table(folder, data)


def _forget_figures(folder: Path) -> None:
    for stale in (*folder.glob("evaluation-*"), *folder.glob("predictions-*")):
        stale.unlink()


def _write_table(folder: Path, data: Dataset) -> None:
    part = folder / "table.csv.part"
    data.table.to_csv(part, index=False)
    os.replace(part, folder / "table.csv")


def changed_settings(folder: Path, experiment: Experiment) -> list[str]:
    """Return the dotted names of what differs from a run's own description and cannot be had of it.

    Another number of epochs can, if it has not trained more already and its learning rate does
    not hang on it, and another patience. So can what the run itself has found out of its encoder,
    where ``experiment`` leaves it open.
    """
    # Through the description's own type: a setting that is newer than the run, or that it leaves to
    # the defaults, as runs of earlier versions do, has its default.
    saved = flat_settings(make_experiment(read_experiment(folder), str(folder)))
    wanted = flat_settings(experiment)
    free = {"training.patience"}
    training = experiment.training
    # Else another number of epochs would be another learning rate in the steps so far.
    steady = training.schedule == "constant" and training.warmup == 0
    if steady and training.epochs >= _trained(folder):
        free.add("training.epochs")
    if "encoder" in experiment.network:
        free |= {f"network.{key}" for key in PINNED if experiment.network.get(key) is None}
    keys = (saved.keys() | wanted.keys()) - free
    return sorted(
        key
        for key in keys
        if saved.get(key) != wanted.get(key)
        and not (
            key.startswith("training.initial.")
            and _same_run(saved.get(key), wanted.get(key), folder)
        )
    )


def check_branches(folder: Path, experiment: Experiment) -> None:
    """Raise ModelError where a run that a run's branches started from has other weights by now."""
    # Runs of earlier versions do not say what they started from.
    started = read_json(folder / "run.json").get("branches", {})
    for branch, now in _branches(experiment).items():
        # What is gone has not changed.
        if now is not None and started.get(branch, now) not in (None, now):
            run = experiment.training.initial[branch]
            raise ModelError(
                f"{folder} started from {run}, which has been trained on, or anew, since then: remove "
                f"{folder} to train it from what {run} is now, or give another --to"
            )


def _branches(experiment: Experiment) -> dict[str, str | None]:
    """Return what each branch starts from, as a hash of its weights; None where there are none."""
    return {branch: _weights(run) for branch, run in experiment.training.initial.items()}


def _weights(run: str) -> str | None:
    try:
        return fingerprint_of(Path(run))
    except ModelError:
        return None


def _trained(folder: Path) -> int:
    """Return how many epochs a run has finished."""
    rows = folder / "metrics.csv"
    return max(0, len(rows.read_text("utf-8").splitlines()) - 1) if rows.is_file() else 0


def _same_run(saved: str | None, wanted: str | None, folder: Path) -> bool:
    """Return whether two paths mean one run that a branch of ``folder``'s starts from."""
    if saved is None or wanted is None:
        return False
    one, other, beside = Path(saved), Path(wanted).resolve(), folder.resolve().parent
    if one.resolve() == other:
        return True
    # Runs of one plan lie beside each other, and are moved or copied together.
    named = other.parent == beside and (one.parent.name, one.name) == (beside.name, other.name)
    left = one / "run.json"
    return named and (not left.exists() or read_json(left) == read_json(other / "run.json"))


def flat_settings(experiment: Experiment) -> dict[str, Any]:
    """Return a description as dotted names and plain values, options left to defaults included."""
    return _flat(_plain(complete(experiment).as_dict()))


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


def _write_experiment(folder: Path, experiment: Experiment) -> None:
    text = yaml.safe_dump(_plain(experiment.as_dict()), sort_keys=False, allow_unicode=True)
    part = folder / "experiment.yaml.part"
    part.write_text(text, "utf-8")
    os.replace(part, folder / "experiment.yaml")


def _rank() -> int:
    """Return this process's number among those that train together, before there is a Trainer.

    Lightning's launcher and Slurm set one variable, torchrun another.
    """
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def _plain(value: Any) -> Any:
    """Return ``value`` with tuples as lists, as YAML and JSON hold them."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
