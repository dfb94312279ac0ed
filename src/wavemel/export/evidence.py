"""What measurements say of a model: out of ``results.json`` and ``calibration.json``, in brief."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from wavemel.checkpoint import read_json
from wavemel.errors import ModelError
from wavemel.registry import suggest

#: Figures that a description keeps, each with its interval.
_FIGURES = ("top1", "macro_precision", "macro_recall", "macro_f1", "log_loss")
#: Mistakes that are common enough to be told.
_MISTAKES = 3


def evaluation_of(file: Path, model: str | None, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the figures of one model of a ``results.json``, of whole tracks where there are such.

    Parameters
    ----------
    file : as ``wavemel reproduce`` and ``wavemel compare`` write it.
    model : its name there; by default the first of ``names`` that occurs.

    Raises
    ------
    ModelError
        The file holds no results, or which model is meant is open.
    """
    results = read_json(file)
    try:
        entries = {entry["name"]: entry for entry in results["models"]}
        chosen = model or next((name for name in names if name in entries), None)
        if chosen not in entries:
            asked = f"model called {chosen!r}" if chosen else f"model called {' or '.join(names)}"
            hint = suggest(chosen, entries) if chosen else f" (known: {', '.join(sorted(entries))})"
            raise ModelError(f"{file} holds no {asked}{hint}: say which with --card-model")
        brief = _brief(results, entries[chosen])
        several = _over_seeds(results, str(chosen))
        return {**brief, "over_seeds": several} if several else brief
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} holds no results of wavemel: {error!r} is missing") from error


def _brief(results: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    level = "track" if entry.get("track") else "clip"
    found = entry["track"] if level == "track" else entry
    brief = {
        "model": entry["name"],
        "command": results["command"],
        "data": results["data"]["name"],
        "split": results["data"]["split"],
        "leak": results["data"]["leak"],
        "level": level,
        "folds": results["folds"],
        "seeds": entry["seeds"],
        "n": found["n"],
        "n_groups": found["n_groups"],
    }
    for key in _FIGURES:
        if found.get(key) is not None:
            brief[key] = round(found[key], 4)
            interval = found.get(f"{key}_ci95")
            brief[f"{key}_ci95"] = interval and [round(end, 4) for end in interval]
    if found.get("ece") is not None:
        brief["ece"] = round(found["ece"], 4)
    brief["per_class"] = [
        {
            key: round(row[key], 4) if isinstance(row[key], float) else row[key]
            for key in ("class", "precision", "recall", "f1", "support")
        }
        for row in found["per_class"]
    ]
    brief["mistakes"] = _mistakes(entry["classes"], found["confusion"])
    if entry.get("per_fold"):
        brief["per_fold"] = entry["per_fold"]
    return brief


def _over_seeds(results: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the mean over the seeds of which ``name`` is one: a single one may be lucky."""
    for entry in results.get("over_seeds") or []:
        if name.startswith(f"{entry['name']} (seed "):
            return {
                "seeds": entry["seeds"],
                "top1": round(entry["top1"], 4),
                "top1_ci95": entry["top1_ci95"] and [round(end, 4) for end in entry["top1_ci95"]],
                "top1_each": [round(value, 4) for value in entry["top1_each"]],
            }
    return None


def _mistakes(classes: list[str], confusion: list[list[int]]) -> list[dict[str, Any]]:
    """Return the commonest confusions: what was taken for what, how often of how many."""
    taken = [
        (n, i, j) for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j and n
    ]
    taken.sort(key=lambda mistake: -mistake[0])
    return [
        {"truth": classes[i], "answer": classes[j], "n": n, "of": sum(confusion[i])}
        for n, i, j in taken[:_MISTAKES]
    ]


def calibration_of(file: Path) -> dict[str, Any]:
    """Return what a ``calibration.json`` says: ``temperature``, ``unsure_below``, and figures.

    Raises
    ------
    ModelError
        It is missing, is none, is out of range, or scales each class by itself.
    """
    found = {key: value for key, value in read_json(file).items() if value is not None}
    for key in ("temperature", "unsure_below"):
        if not isinstance(found.get(key, 1.0), int | float):
            raise ModelError(f"{file}: {key} must be a number, not {found[key]!r}")
    check_calibration(f"{file}: ", found.get("temperature"), found.get("unsure_below"))
    if not {"temperature", "unsure_below"} & found.keys():
        raise ModelError(f"{file} holds no calibration: neither temperature nor unsure_below")
    if {"scale", "bias"} & found.keys():
        raise ModelError(
            f"{file} scales each class by itself, which an exported model cannot: "
            "calibrate by temperature"
        )
    return found


def check_calibration(where: str, temperature: float | None, unsure_below: float | None) -> None:
    """Raise ModelError, which begins with ``where``, for numbers that calibrate nothing."""
    if temperature is not None and not (temperature > 0 and math.isfinite(temperature)):
        raise ModelError(f"{where}temperature must be a number above 0, not {temperature:g}")
    if unsure_below is not None and not 0 <= unsure_below <= 1:
        raise ModelError(f"{where}unsure_below must be from 0 to 1, not {unsure_below:g}")


def calibration_in_brief(found: dict[str, Any]) -> dict[str, Any]:
    """Return what of a calibration a description keeps: how it was found, and its error before and after."""
    brief = {
        key: found[key]
        for key in ("method", "fitted_on", "measured_on", "tracks")
        if isinstance(found.get(key), str | int)
    }
    for key in ("before", "after"):
        figures = found.get(key)
        if isinstance(figures, dict) and isinstance(figures.get("ece"), float):
            brief[f"ece_{key}"] = round(figures["ece"], 4)
    unsure = found.get("unsure")
    if isinstance(unsure, dict):
        brief["unsure"] = {
            key: round(unsure[key], 4)
            for key in ("precision", "confidence", "coverage", "share_right")
            if isinstance(unsure.get(key), int | float)
        }
        if isinstance(unsure.get("promised"), bool):
            brief["unsure"]["promised"] = unsure["promised"]
    return brief
