"""A trained run -> a model that needs no torch: an ONNX graph and a JSON description.

By default mel and normalisation stay outside of the graph, in numpy, where
they measure several times faster (`benchmarks/classify_frontend.py`); inside
it, the graph takes samples and can be used without wavemel.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from wavemel.checkpoint import Checkpoint, load_checkpoint, read_json
from wavemel.errors import ModelError
from wavemel.inference.bundle import Bundle, ModelDescription, read_bundle
from wavemel.inference.frontend import MelSettings
from wavemel.inference.models import local_models
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.networks.model import GenreModel

#: The most by which a probability of the exported model may differ from torch's.
PARITY = 1e-4
OPSET = 18


@dataclass(frozen=True)
class Options:
    """How to export.

    ``front_end``: ``"beside"`` or ``"inside"`` the graph. ``temperature`` and
    ``unsure_below`` replace what the run's ``calibration.json`` says.
    """

    name: str
    front_end: Literal["beside", "inside"] = "beside"
    temperature: float | None = None
    unsure_below: float | None = None
    licence: str = ""
    notes: tuple[str, ...] = ()
    replace: bool = False


@dataclass(frozen=True)
class Exported:
    """Where the model is, and the largest difference of a probability from torch's."""

    bundle: Bundle
    folder: Path
    difference: float


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
    """
    _check_name(options.name)
    folder = to or local_models() / options.name
    if folder.exists() and not options.replace:
        raise ModelError(f"{folder} exists already: give another --name or --to, or --replace")
    checkpoint = load_checkpoint(run)
    calibration = _calibration(Path(run))
    experiment = checkpoint.experiment
    model = checkpoint.model.cpu().eval()
    inputs = model.front_end.inputs if options.front_end == "beside" else ("samples",)
    dynamic = _takes_any_length(model, experiment.audio.samples)
    with _new_folder(folder) as part:
        graph = part / "model.onnx"
        write_graph(model, inputs, experiment.audio.samples, dynamic, graph)
        mel = MelSettings(**dataclasses.asdict(experiment.mel)) if "mel" in inputs else None
        description = ModelDescription(
            name=options.name,
            id=weights_id(model),
            classes=checkpoint.classes,
            rate=experiment.audio.rate,
            seconds=experiment.audio.seconds,
            overlap=experiment.evaluation.overlap,
            inputs=tuple(inputs),
            sha256=hashlib.sha256(graph.read_bytes()).hexdigest(),
            mel=mel,
            dynamic_length=dynamic,
            temperature=_first(options.temperature, calibration.get("temperature"), 1.0),
            unsure_below=_first(options.unsure_below, calibration.get("unsure_below"), 0.0),
            about=_about(checkpoint, options),
        )
        write_description(part, description)
        difference = largest_difference(model, read_bundle(part))
        if not difference <= PARITY:
            raise ModelError(
                f"the exported model differs from torch's by {difference:.1e}, more than "
                f"{PARITY:.0e}: this network cannot be exported faithfully"
            )
    return Exported(read_bundle(folder), folder, difference)


def write_graph(
    model: GenreModel, inputs: tuple[str, ...], samples: int, dynamic: bool, path: Path
) -> None:
    """Write the graph of a model: ``inputs`` -> log-probabilities (B, classes)."""
    # Graph and example must not be in channels_last: the exporter would write its permutations.
    model = model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    waveform = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch")
    sizes: list[dict[int, Any]]
    if inputs == ("samples",):
        module: nn.Module = _LogProbabilities(model)
        arguments: tuple[Tensor, ...] = (waveform,)
    else:
        module = _LogProbabilities(model.network)
        arguments = tuple(t.contiguous() for t in model.front_end(waveform))
    sizes = [{0: batch} for _ in inputs]
    if dynamic:
        # Named by input: of `combined`, samples and frames are two lengths.
        for name, size in zip(inputs, sizes, strict=True):
            size[2 if name == "mel" else 1] = torch.export.Dim.DYNAMIC
    with _quiet():
        program = torch.onnx.export(
            module,
            arguments,
            dynamo=True,
            dynamic_shapes={"inputs": tuple(sizes)},
            input_names=list(inputs),
            output_names=["log_probabilities"],
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=False)


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


def write_description(folder: Path, description: ModelDescription) -> None:
    """Write ``model.json``."""
    text = json.dumps(description.as_dict(), indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, "utf-8")


def weights_id(model: nn.Module) -> str:
    """Return a short hash of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


class _LogProbabilities(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.log_softmax(self.model(*inputs).float(), dim=1)


def _takes_any_length(model: GenreModel, samples: int) -> bool:
    """Return whether the network answers for another length: one that flattens does not."""
    try:
        with torch.inference_mode():
            model(torch.zeros(1, samples + samples // 3))
    except RuntimeError:
        return False
    return True


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
    file = (run if run.is_dir() else run.parent) / "calibration.json"
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own workings off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
