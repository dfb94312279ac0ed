"""How much better a network knows the clips it learnt from than others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wavemel.evaluation.runs import evaluate_run


def overfitting(
    runs: Sequence[Path], split: str = "test", *, device: str = "cpu"
) -> dict[str, Any]:
    """Return top-1 on the clips that networks were trained on, on others, and the gap between.

    Training clips are heard unchanged, by the weights that are kept, whole and
    window by window as the others are: what training itself logs is of changed
    clips and of weights on their way.

    Parameters
    ----------
    runs : folders of runs that are one model's folds or seeds.
    split : the other clips.

    Returns
    -------
    dict
        ``training_top1``, ``held_out_top1`` and ``gap`` of whole tracks, means over all tracks
        of all runs.
    """
    found = {}
    for name, part in (("training", "training"), ("held_out", split)):
        figures = [evaluate_run(run, part, device=device)["track"] for run in runs]
        total = sum(f["n"] for f in figures)
        found[f"{name}_top1"] = sum(f["top1"] * f["n"] for f in figures) / total
    return {**found, "gap": found["training_top1"] - found["held_out_top1"]}


def logged_overfitting(history: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any] | None:
    """Return the same as training logged it in each run's last epoch, or None where it did not.

    Of one window a clip, the training clips as augmentation left them: with
    none or little of it close to `overfitting`, with much of it too kind.
    """
    last = [run[-1] for run in history if run]
    pairs = [(row.get("training_top1"), row.get("validation_top1")) for row in last]
    if not pairs or any(value is None or np.isnan(value) for pair in pairs for value in pair):
        return None
    shown, held = (float(np.mean(values)) for values in zip(*pairs, strict=True))
    return {"training_top1": shown, "held_out_top1": held, "gap": shown - held}
