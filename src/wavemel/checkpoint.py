"""Weights on disk: safetensors with what they are beside them, or in their header. Nothing is unpickled."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from wavemel.errors import ModelError
from wavemel.experiment import Experiment, make_experiment
from wavemel.whole import umask

if TYPE_CHECKING:
    from wavemel.networks.model import GenreModel

FORMAT = 1
#: Key of a weights file's header under which an exported model says what it is.
HEADER = "wavemel"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, loaded: ready to be asked, in evaluation mode.

    Of an ensemble, ``members`` are its networks, each with its own
    description; ``experiment`` and ``about`` are then those of the first.
    """

    model: GenreModel
    experiment: Experiment
    classes: tuple[str, ...]
    about: dict[str, Any]
    members: tuple[Checkpoint, ...] = ()


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
    # It lets nobody else read what it writes.
    part.chmod(0o666 & ~umask())
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
    """Load a model from a run folder (its best epoch), an exported model, or a ``.safetensors`` file.

    Parameters
    ----------
    path : run folder, folder of a model that was exported with its weights, or weights file.
    expect : class list that the model must have, in this order.

    Raises
    ------
    ModelError
        Nothing there, files that do not belong together, another class list, or weights that are
        no numbers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    weights = _weights_of(path)
    # A run's weights are described by the file beside them, an exported model's by their own header.
    description = weights.with_suffix(".json")
    saved = _header(weights)
    if saved is None:
        for file in (weights, description):
            if not file.is_file():
                raise ModelError(f"{path} holds no trained model: {file} is missing")
        run = read_json(description)
        saved = {**run, "members": [run]}
    if saved.get("format") != FORMAT:
        raise ModelError(f"{description} is of format {saved.get('format')!r}, not {FORMAT}")
    classes = tuple(saved["classes"])
    if expect is not None and classes != tuple(expect):
        raise ModelError(
            f"{path} was trained on the classes {', '.join(classes)}; "
            f"these data have {', '.join(expect)}"
        )
    members = [_untrained(member, classes, str(description)) for member in saved["members"]]
    whole = join(members) if len(members) > 1 else members[0]
    try:
        tensors = load_file(weights)
        # assign=False copies into the channels_last layout that the model was built with.
        whole.model.load_state_dict(tensors)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{weights} does not hold this network's weights: {reason}") from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ModelError(
            f"{weights} holds weights that are no numbers: training has diverged (see the losses in the "
            "run's metrics.csv); train anew into another folder with a lower training.learning_rate"
        )
    whole.model.eval()
    return whole


def join(members: Sequence[Checkpoint]) -> Checkpoint:
    """Return an ensemble of trained models, which shares their weights.

    Raises
    ------
    ModelError
        They differ in classes, audio, spectrogram, kind of labels or pooling of windows.
    """
    from wavemel.ensemble import Ensemble
    from wavemel.features.frontend import FrontEnd
    from wavemel.networks.model import GenreModel

    first = members[0]
    if any("embedding" in m.model.front_end.inputs for m in members):
        raise ModelError("a network on a frozen encoder cannot be part of an ensemble")
    # A network that takes no spectrogram has settings for one, which say nothing.
    spectrograms = [m.experiment.mel for m in members if "mel" in m.model.front_end.inputs]
    for i, member in enumerate(members[1:], 2):
        a, b = first.experiment, member.experiment
        heard = member.experiment.mel if "mel" in member.model.front_end.inputs else None
        for what, one, other in (
            ("classes", ", ".join(first.classes), ", ".join(member.classes)),
            ("audio", a.audio, b.audio),
            ("mel", *((spectrograms[0], heard) if heard is not None else (None, None))),
            ("labels", a.labels, b.labels),
            ("pooling", a.evaluation.pooling, b.evaluation.pooling),
        ):
            if one != other:
                raise ModelError(
                    f"models of an ensemble must hear and tell apart the same: {what} of the first "
                    f"is {one}, of number {i} {other}"
                )
    network = Ensemble([m.model.network for m in members])
    mel = spectrograms[0] if spectrograms else first.experiment.mel
    front_end = FrontEnd(network.inputs, first.experiment.audio.rate, mel)
    model = GenreModel(front_end, network).eval()
    return Checkpoint(model, first.experiment, first.classes, first.about, tuple(members))


def _weights_of(path: Path) -> Path:
    """Return the weights file that a run folder, an exported model or a file's name means."""
    if not path.is_dir():
        return path.with_suffix(".safetensors")
    exported = path / "model.safetensors"
    if not (path / "best.safetensors").is_file():
        if exported.is_file():
            return exported
        if (path / "model.onnx").is_file():
            raise ModelError(
                f"{path} is an exported model without weights: export it again with --weights"
            )
    return path / "best.safetensors"


def fingerprint_of(run: Path) -> str:
    """Return a hash of a run's best weights and of what is said of them: it changes when training goes on.

    Raises
    ------
    ModelError
        There are none.
    """
    digest = hashlib.sha256()
    weights = _weights_of(run)
    for file in (weights, weights.with_suffix(".json")):
        try:
            digest.update(file.read_bytes())
        except FileNotFoundError as error:
            raise ModelError(f"{run} holds no trained model: {file} is missing") from error
    return digest.hexdigest()[:32]


def _header(weights: Path) -> dict[str, Any] | None:
    """Return what an exported model's weights file says of itself; None for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
        saved = None if text is None else json.loads(text)
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{weights} does not hold a network's weights: {reason}") from error
    if text is not None and not _describes(saved):
        raise ModelError(f"{weights} says of itself what is no description of a model")
    return saved


def _describes(saved: Any) -> bool:
    return (
        isinstance(saved, dict)
        and isinstance(saved.get("classes"), list)
        and isinstance(saved.get("members"), list)
        and len(saved["members"]) > 0
        and all(
            isinstance(m, dict) and {"experiment", "about"} <= m.keys() for m in saved["members"]
        )
    )


def _untrained(member: dict[str, Any], classes: tuple[str, ...], where: str) -> Checkpoint:
    from wavemel.networks.model import build_model

    experiment = make_experiment(member["experiment"], where)
    return Checkpoint(build_model(experiment, len(classes)), experiment, classes, member["about"])


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


def check_finished(run: Path, about: dict[str, Any]) -> None:
    """Raise ModelError where a run, of which ``about`` is ``run.json``, has not been trained to its end."""
    if not about.get("finished"):
        raise ModelError(
            f"{run} is not finished: continue it with the command that trained it (wavemel train "
            f"with --to {run} --resume; wavemel reproduce goes on by itself)"
        )


def read_experiment(folder: Path) -> dict[str, Any]:
    """Return the description that a run was started with, as plain data."""
    try:
        tree = yaml.safe_load((folder / "experiment.yaml").read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is no run folder: experiment.yaml is missing") from error
    if not isinstance(tree, dict):
        raise ModelError(f"{folder / 'experiment.yaml'} is no description of an experiment")
    return tree
