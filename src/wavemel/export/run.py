"""A run folder -> a model bundle, checked against torch before it is put in place."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from wavemel.checkpoint import Checkpoint, load_checkpoint, read_json
from wavemel.errors import DataError, ModelError
from wavemel.export.graph import quantise, takes_any_length, write_graph
from wavemel.export.measure import Clips, Loss, clips_of, int8_loss, listen, window_spread
from wavemel.inference.bundle import Bundle, ModelDescription, read_bundle
from wavemel.inference.frontend import MelSettings
from wavemel.inference.models import local_models
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.networks.model import GenreModel

#: The most by which a probability of the exported model may differ from torch's.
PARITY = 1e-4


@dataclass(frozen=True)
class Options:
    """How to export.

    ``front_end``: ``"beside"`` or ``"inside"`` the graph. ``int8``: round the
    weights to 8 bits. ``data``: tracks to measure on; the run's validation
    clips by default. ``temperature`` and ``unsure_below`` replace what the
    run's ``calibration.json`` says.
    """

    name: str
    front_end: Literal["beside", "inside"] = "beside"
    int8: bool = False
    data: str | None = None
    temperature: float | None = None
    unsure_below: float | None = None
    licence: str = ""
    notes: tuple[str, ...] = ()
    replace: bool = False


@dataclass(frozen=True)
class Exported:
    """Where the model is; the largest difference of a probability from torch's, in float32.

    ``loss``: what int8 costs, where it was asked for.
    """

    bundle: Bundle
    folder: Path
    difference: float
    loss: Loss | None = None


def export(run: str | Path, options: Options, to: Path | None = None) -> Exported:
    """Export a run's best weights.

    Parameters
    ----------
    run : run folder, or one of its ``.safetensors`` files.
    options : how.
    to : the model's folder; by default one of its name among the user's models.

    Raises
    ------
    ModelError
        No trained model there, the target exists, or the exported model does
        not answer as torch does.
    DataError
        ``data`` is none, or int8 was asked for and there is nothing to measure its loss on.
    """
    _check_name(options.name)
    folder = to or local_models() / options.name
    if folder.exists() and not options.replace:
        raise ModelError(f"{folder} exists already: give another --name or --to, or --replace")
    checkpoint = load_checkpoint(run)
    run_folder = Path(run) if Path(run).is_dir() else Path(run).parent
    clips = clips_of(run_folder, options.data)
    if options.int8 and clips is None:
        raise DataError("int8 needs tracks to measure its loss on: give --data")
    model = checkpoint.model.cpu().eval()
    with _new_folder(folder) as part:
        inputs = model.front_end.inputs if options.front_end == "beside" else ("samples",)
        samples = checkpoint.experiment.audio.samples
        dynamic = takes_any_length(model, samples)
        write_graph(model, tuple(inputs), samples, dynamic, part / "model.onnx")
        description = _describe(checkpoint, options, run_folder, dynamic)
        _write(part, description)
        difference = largest_difference(model, read_bundle(part))
        if not difference <= PARITY:
            raise ModelError(
                f"the exported model differs from torch's by {difference:.1e}, more than "
                f"{PARITY:.0e}: this network cannot be exported faithfully"
            )
        loss = _measure(part, description, clips, options.int8) if clips else None
    return Exported(read_bundle(folder), folder, difference, loss)


def _describe(
    checkpoint: Checkpoint, options: Options, run: Path, dynamic: bool
) -> ModelDescription:
    experiment, front_end = checkpoint.experiment, checkpoint.model.front_end
    beside = options.front_end == "beside"
    calibration = _calibration(run)
    return ModelDescription(
        name=options.name,
        id=weights_id(checkpoint.model),
        classes=checkpoint.classes,
        rate=experiment.audio.rate,
        seconds=experiment.audio.seconds,
        overlap=experiment.evaluation.overlap,
        inputs=tuple(front_end.inputs) if beside else ("samples",),
        sha256="",
        mel=MelSettings(**dataclasses.asdict(experiment.mel))
        if beside and "mel" in front_end.inputs
        else None,
        dynamic_length=dynamic,
        temperature=_first(options.temperature, calibration.get("temperature"), 1.0),
        unsure_below=_first(options.unsure_below, calibration.get("unsure_below"), 0.0),
        about=_about(checkpoint, options),
    )


def _measure(part: Path, model: ModelDescription, clips: Clips, int8: bool) -> Loss | None:
    """Write down how the model's windows vary; round it to int8 if asked for, and return the loss."""
    networks = [Windows2Probabilities(read_bundle(part))]
    if int8:
        quantise(part / "model.onnx")
        model = dataclasses.replace(model, precision="int8", id=f"{model.id}-int8")
        _write(part, model)
        networks.append(Windows2Probabilities(read_bundle(part)))
    answers = listen(clips, networks)
    spread = window_spread(answers)
    if spread is not None:
        model = dataclasses.replace(model, window_spread=round(spread, 4))
    loss = None
    if int8:
        loss = int8_loss(answers, model.classes)
        about = {**model.about, "int8": dataclasses.asdict(loss)}
        model = dataclasses.replace(model, about=about)
    _write(part, model)
    return loss


def largest_difference(model: GenreModel, bundle: Bundle) -> float:
    """Return by how much a probability of the exported model differs from torch's, at most.

    Asked on noise, chords that swell over a noise floor, an impulse and silence. Pure, steady
    tones would compare nothing: in bands that never change, the z-score is of rounding errors.
    """
    d = bundle.description
    rng = np.random.default_rng(0)
    time = np.arange(d.samples) / d.rate
    waveforms = rng.standard_normal((7, d.samples), dtype=np.float32)
    waveforms *= np.array([1e-3, 0.1, 1, 1e-3, 1e-3, 0, 0], np.float32)[:, None]
    for row, chord in ((3, (220.0, 277.0, 330.0)), (4, (98.0, 1500.0))):
        for f in chord:
            swell = 0.1 * (1.1 + np.sin(2 * np.pi * f / 100 * time))
            waveforms[row] += (swell * np.sin(2 * np.pi * f * time)).astype(np.float32)
    waveforms[6, d.samples // 2] = 1
    with torch.inference_mode():
        logits = model(torch.from_numpy(waveforms)).double()
    expected = torch.softmax(logits / d.temperature, 1).numpy()
    return float(np.abs(Windows2Probabilities(bundle)(waveforms) - expected).max())


def weights_id(model: nn.Module) -> str:
    """Return a short hash of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


def _write(folder: Path, description: ModelDescription) -> None:
    """Write ``model.json`` for the graph that lies in the folder."""
    checksum = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    tree = dataclasses.replace(description, sha256=checksum).as_dict()
    text = json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, "utf-8")


def _about(checkpoint: Checkpoint, options: Options) -> dict[str, Any]:
    data = checkpoint.about.get("data", {})
    about = {
        "network": checkpoint.experiment.network["name"],
        "experiment": checkpoint.experiment.name,
        "seed": checkpoint.experiment.seed,
        "data": {key: data[key] for key in ("name", "hash", "synthetic", "split") if key in data},
        "licence": options.licence,
        "notes": [*data.get("notes", []), *options.notes],
    }
    figures = ("epoch", "validation_loss", "validation_top1")
    return {**about, **{key: checkpoint.about[key] for key in figures if key in checkpoint.about}}


def _calibration(run: Path) -> dict[str, Any]:
    """Return what calibration left in a run folder, if any."""
    file = run / "calibration.json"
    return read_json(file) if file.is_file() else {}


def _first(*values: float | None) -> float:
    return next(float(value) for value in values if value is not None)


def _check_name(name: str) -> None:
    if not name or name != Path(name).name or name.startswith("."):
        raise ModelError(f"{name!r} is no name for a model: letters, digits, '-' and '_'")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``folder`` when all went well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    part.chmod(0o777 & ~_umask())
    try:
        yield part
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            os.replace(folder, old)
            os.replace(part, folder)
            shutil.rmtree(old)
        else:
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
