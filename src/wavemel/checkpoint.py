"""Weights on disk: safetensors beside a JSON file that says what they are. Nothing is unpickled."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavemel.errors import ModelError
from wavemel.experiment import Experiment, make_experiment

if TYPE_CHECKING:
    from wavemel.networks.model import GenreModel

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, loaded: ready to be asked, in evaluation mode."""

    model: GenreModel
    experiment: Experiment
    classes: tuple[str, ...]
    about: dict[str, Any]


def save_checkpoint(
    stem: Path,
    model: GenreModel,
    experiment: Experiment,
    classes: tuple[str, ...],
    about: dict[str, Any],
) -> None:
    """Write ``stem.safetensors`` and ``stem.json``, each moved into place when whole.

    ``about`` is what else a reader should know: epoch, validation figures, data.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # safetensors wants plain layouts; channels_last is set again on loading.
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    weights = stem.with_suffix(".safetensors")
    part = weights.with_name(weights.name + ".part")
    try:
        save_file(tensors, part)
    except SafetensorError as error:
        part.unlink(missing_ok=True)
        # It wraps the system's error in its own, which would hide a full disk from the command line.
        if "os error 28" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(weights)) from error
        raise
    os.replace(part, weights)
    write_json(
        stem.with_suffix(".json"),
        {
            "format": FORMAT,
            "classes": list(classes),
            "experiment": experiment.as_dict(),
            "about": about,
        },
    )


def load_checkpoint(path: str | Path, expect: tuple[str, ...] | None = None) -> Checkpoint:
    """Load a model from a run folder (its best epoch) or from one of its ``.safetensors`` files.

    Parameters
    ----------
    path : run folder or weights file.
    expect : class list that the model must have, in this order.

    Raises
    ------
    ModelError
        Nothing there, files that do not belong together, or another class list.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from wavemel.networks.model import build_model

    path = Path(path)
    stem = path / "best" if path.is_dir() else path.with_suffix("")
    weights, description = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    for file in (weights, description):
        if not file.is_file():
            raise ModelError(f"{path} holds no trained model: {file} is missing")
    saved = read_json(description)
    if saved.get("format") != FORMAT:
        raise ModelError(f"{description} is of format {saved.get('format')!r}, not {FORMAT}")
    classes = tuple(saved["classes"])
    if expect is not None and classes != tuple(expect):
        raise ModelError(
            f"{path} was trained on the classes {', '.join(classes)}; "
            f"these data have {', '.join(expect)}"
        )
    experiment = make_experiment(saved["experiment"], str(description))
    model = build_model(experiment, len(classes))
    try:
        # assign=False copies into the channels_last layout that the model was built with.
        model.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{weights} does not hold this network's weights: {reason}") from error
    return Checkpoint(model.eval(), experiment, classes, saved["about"])


def write_json(path: Path, data: Any) -> None:
    """Write JSON for people (indented, UTF-8), moved into place when whole."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
    os.replace(part, path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raise ModelError where the file is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} must hold a JSON object")
    return data
