"""What a comparison is made of: runs, each read once, and models, each with its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from wavemel.checkpoint import check_finished, read_experiment, read_json
from wavemel.errors import DataError, ModelError
from wavemel.evaluation.runs import evaluate_runs, run_predictions, run_table
from wavemel.pooling import MEAN


@dataclass(frozen=True)
class Run:
    """One run of a comparison: its folder, and all that a comparison reads there."""

    path: Path
    about: dict[str, Any]
    experiment: dict[str, Any]
    #: Its clips, of every split.
    table: pd.DataFrame
    #: By window, of the split that is compared; ``figures`` are of the same.
    predictions: pd.DataFrame
    figures: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One model of a comparison: what it predicts, and what else the results say of it.

    ``runs`` are those that it is made of; a baseline has none.
    """

    predictions: pd.DataFrame
    facts: dict[str, Any]
    runs: tuple[Run, ...] = ()

    @property
    def pooling(self) -> str:
        """How its windows become a track; baselines have one a clip."""
        return str(self.facts.get("pooling", MEAN))


def read_runs(
    folders: Sequence[Path], split: str, *, device: str = "cpu", cache: bool = True
) -> list[Run]:
    """Return runs with what they predict of one split, in the order given.

    ``device`` and ``cache`` are of `evaluate_runs`.

    Raises
    ------
    ModelError
        A folder that holds no finished run of one genre a clip.
    DataError
        Runs of different classes, or one without clips in this split.
    """
    abouts = [_about(folder) for folder in folders]
    if len({tuple(about["classes"]) for about in abouts}) > 1:
        raise DataError("these runs were trained on different class lists and cannot be compared")
    # First: predictions are kept where figures are computed.
    figures = evaluate_runs(folders, split, device=device, cache=cache)
    return [
        Run(
            path=folder,
            about=about,
            experiment=read_experiment(folder),
            table=run_table(folder),
            figures=found,
            predictions=run_predictions(folder, split),
        )
        for folder, about, found in zip(folders, abouts, figures, strict=True)
    ]


def _about(folder: Path) -> dict[str, Any]:
    about = read_json(folder / "run.json")
    check_finished(folder, about)
    if about.get("labels", "genre") != "genre":
        raise ModelError(
            f"{folder} tells several genres a clip: see its figures with wavemel evaluate {folder}"
        )
    return about
