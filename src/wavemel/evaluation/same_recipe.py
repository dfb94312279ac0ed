"""One recipe for all: runs that stand as one model were trained alike, on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wavemel.checkpoint import read_experiment, read_json
from wavemel.errors import DataError
from wavemel.evaluation.runs import run_table
from wavemel.experiment import make_experiment
from wavemel.training.folder import flat_settings


def check_same_recipe(runs: Sequence[Path]) -> None:
    """Raise DataError where runs that are told as one model, its folds or seeds, are not of one recipe.

    Their seeds differ, and so may the runs that their branches start from: each fold has its own.
    """
    first, settings, clips = runs[0], _settings(runs[0]), run_table(runs[0])["content"]
    name = read_json(first / "run.json")["name"]
    for run in runs[1:]:
        own = _settings(run)
        changed = sorted(k for k in settings.keys() | own.keys() if settings.get(k) != own.get(k))
        if changed:
            raise DataError(
                f"{first} and {run} are both called {name!r} and would be told as one model, "
                f"but were trained with another {', '.join(changed)}: name one of them otherwise when "
                "you train it, as in --set name=OTHER"
            )
        if not run_table(run)["content"].isin(clips).any():
            raise DataError(
                f"{first} and {run} are both called {name!r} and would be told as folds of one "
                "model, but know no clip in common: runs on different data cannot be told as one"
            )


def _settings(run: Path) -> dict[str, Any]:
    """Return the settings that folds and seeds of one model share."""
    flat = flat_settings(make_experiment(read_experiment(run), str(run)))
    initial = "training.initial."
    return {
        key: None if key.startswith(initial) else value
        for key, value in flat.items()
        if key != "seed"
    }
