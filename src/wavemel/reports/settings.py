"""The table of how networks were trained: each setting that is not a default, and what came of it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import PurePath
from typing import Any

from wavemel.experiment import Experiment
from wavemel.reports.document import Cell, Table
from wavemel.reports.wording import duration, percent

#: Settings that the table tells in rows of its own, whatever their value.
_TOLD = {
    "audio": {"rate", "seconds", "clip_seconds"},
    "mel": {"n_fft", "hop", "bands"},
    "training": {
        "optimiser",
        "learning_rate",
        "weight_decay",
        "batch_size",
        "epochs",
        "select",
        "precision",
        "schedule",
        "warmup",
        "initial",
    },
    "evaluation": set[str](),
}
#: What other settings are called; a new one is called by its key.
_LABELS = {
    "mel.fmin": "lowest frequency, Hz",
    "mel.fmax": "highest frequency, Hz",
    "mel.top_db": "dynamic range, dB",
    "mel.normalise": "z-score of the mel spectrogram over",
    "training.patience": "stops after epochs without gain",
    "training.class_weights": "class weights",
    "training.sampling": "sampling",
    "training.label_smoothing": "label smoothing",
    "training.mixup": "mixup, alpha",
    "training.average": "averaged weights, decay a step",
    "training.head_epochs": "first epochs, of the head alone",
    "training.branch_rate": "rate of the branches, times",
    "evaluation.overlap": "windows of a track overlap by",
    "evaluation.pooling": "windows become a track by their",
    "evaluation.windows": "stretches of a clip that validate",
    "evaluation.batch_size": "batch in evaluation",
}


def settings_table(results: dict[str, Any]) -> Table | None:
    """Return how every network was trained."""
    models = [m for m in results["models"] if m["experiment"]]
    if not models:
        return None

    trees = [m["experiment"] for m in models]
    training = [tree["training"] for tree in trees]
    rows: list[tuple[str, list[str]]] = [
        ("network", [_network(m["network"] or {}) for m in models]),
        ("heard", [_heard(tree["audio"]) for tree in trees]),
        *_mel(trees),
        *_augmentations(trees),
        ("optimiser", [_optimiser(t) for t in training]),
        ("weight decay", [f"{t['weight_decay']:g}" for t in training]),
        ("batch", [str(t["batch_size"]) for t in training]),
        ("epochs", [_epochs(m) for m in models]),
        ("best epoch", [_best_epoch(m["best_epoch"]) for m in models]),
        ("weights picked by", [str(t.get("select", "–")).replace("_", " ") for t in training]),
        *_changed(trees),
    ]
    if any(t.get("initial") for t in training):
        rows.append(("branches start from", [_initial(m) for m in models]))
    rows += [
        ("precision of numbers", [str(m["precision"] or "–") for m in models]),
        ("seeds", [", ".join(map(str, m["seeds"])) for m in models]),
        (
            "parameters",
            ["–" if m["parameters"] is None else f"{m['parameters']:,}" for m in models],
        ),
        ("training time", [duration(m["seconds"]) for m in models]),
        ("of which waiting for data", [_waiting(m) for m in models]),
    ]
    return Table(
        "How the networks were trained",
        ("", *(m["name"] for m in models)),
        [[Cell(label), *map(Cell, values)] for label, values in rows],
        note="Settings and options that are not named are wavemel's defaults.",
    )


def _changed(trees: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return each setting, not told elsewhere, that some network changes."""
    rows = []
    for section, defaults in Experiment().as_dict().items():
        if section not in _TOLD:
            continue
        # Runs of earlier versions lack settings, and may have some that are no more.
        settings = [
            tree.get(section, {}) if section != "mel" or _hears_mel(tree["network"]) else None
            for tree in trees
        ]
        for key in dict.fromkeys(key for tree in (defaults, *settings) for key in tree or ()):
            default = defaults.get(key)
            values = [default if tree is None else tree.get(key, default) for tree in settings]
            if key not in _TOLD[section] and any(value != default for value in values):
                label = f"{section}.{key}"
                told = [
                    "–" if tree is None else _show(v)
                    for tree, v in zip(settings, values, strict=True)
                ]
                rows.append((_LABELS.get(label, label), told))
    return rows


def _augmentations(trees: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return each augmentation that some network learns with."""
    used = [_switched_on(tree) for tree in trees]
    names = list(dict.fromkeys(name for augmentations in used for name in augmentations))
    if not names:
        return [("augmentation", ["none"] * len(trees))]
    return [
        (f"augmentation: {name}", [_flat(a[name]) if name in a else "none" for a in used])
        for name in names
    ]


def _switched_on(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the augmentations that can happen, with all their options."""
    from wavemel.features.augment import AUGMENTATIONS

    found = {}
    for name, options in (tree.get("augment") or {}).items():
        whole = _defaults(AUGMENTATIONS[name]) | (options or {})
        if whole["probability"] > 0:
            found[name] = whole
    return found


def _network(network: dict[str, Any]) -> str:
    """Return a network's name and what of its options is no default."""
    from wavemel.networks import NETWORKS

    name = network.get("name", "–")
    options = {key: value for key, value in network.items() if key != "name"}
    if name in NETWORKS:
        options = _without(options, NETWORKS[name].Config)
    return ", ".join([str(name), *([_flat(options)] if options else [])])


def _without(options: dict[str, Any], config: type) -> dict[str, Any]:
    """Return options without those that are the defaults of their config."""
    left = {}
    defaults = _defaults(config)
    # In the order of the config, however they were written.
    for key in (*(k for k in defaults if k in options), *(k for k in options if k not in defaults)):
        value, default = options[key], defaults.get(key)
        if isinstance(value, dict) and dataclasses.is_dataclass(default):
            value = _without(value, type(default))
            if not value:
                continue
        elif key in defaults and _plain(value) == _plain(default):
            continue
        left[key] = value
    return left


def _defaults(config: type) -> dict[str, Any]:
    """Return the default of each field that has one."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            found[field.name] = field.default
    return found


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _flat(options: dict[str, Any], before: str = "") -> str:
    return ", ".join(
        _flat(value, f"{before}{key}.")
        if isinstance(value, dict)
        else f"{before}{key} {_show(value)}"
        for key, value in options.items()
    )


def _show(value: Any) -> str:
    """Return a value for people, as a config file has it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_show, value))}]"
    return "geometric mean" if value == "geometric" else str(value)


def _heard(audio: dict[str, Any]) -> str:
    text = f"{audio['seconds']:g} s at {audio['rate']:,} Hz"
    clip = audio.get("clip_seconds")
    return text if clip is None else f"{text}, a random stretch of the first {clip:g} s"


def _mel(trees: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the spectrogram of each network that hears one; nothing where none does."""
    told = [
        f"{mel['bands']} bands, window {mel['n_fft']}, hop {mel['hop']}"
        if _hears_mel(tree["network"])
        else "–"
        for tree in trees
        for mel in [tree["mel"]]
    ]
    return [("mel spectrogram", told)] if set(told) != {"–"} else []


def _hears_mel(network: dict[str, Any]) -> bool:
    """Return whether a network takes a mel spectrogram; one of another version may."""
    from wavemel.networks import NETWORKS

    name = network.get("name", "")
    return "encoder" not in network and (name not in NETWORKS or "mel" in NETWORKS[name].inputs)


def _optimiser(training: dict[str, Any]) -> str:
    text = f"{training['optimiser']}, rate {training['learning_rate']:g}"
    if training.get("warmup"):
        text += f", rising over the first {percent(training['warmup'])} of all steps"
    schedule = training.get("schedule", "constant")
    return text if schedule == "constant" else f"{text}, {schedule} schedule"


def _initial(model: dict[str, Any]) -> str:
    runs = model["experiment"]["training"].get("initial") or {}
    # Names only: a report is passed on, and folders are nobody's business.
    names = {branch: PurePath(run).name for branch, run in runs.items()}
    if model.get("per_fold"):
        # Each fold from its own; what is written is of the first.
        names = {b: re.sub(r"-fold\d+(?=-seed\d+$|$)", "", run) for b, run in names.items()}
    return ", ".join(f"{branch}: {run}" for branch, run in names.items()) or "none"


def _epochs(model: dict[str, Any]) -> str:
    asked = model["experiment"]["training"]["epochs"]
    ran = model["epochs"]
    return str(asked) if ran in (None, asked) else f"{ran} of {asked}"


def _waiting(model: dict[str, Any]) -> str:
    rows = [row for run in model["history"] for row in run]
    waited = [row.get("data_wait_seconds") for row in rows]
    seconds = sum(row.get("seconds") or 0.0 for row in rows)
    if not seconds or None in waited:
        return "–"
    return percent(sum(waited) / seconds)


def _best_epoch(best: list[int] | int | None) -> str:
    if best is None:
        return "–"
    # Counted from 0 in the run files, from 1 for people and in the figures.
    return ", ".join(str(b + 1) for b in (best if isinstance(best, list) else [best]))
