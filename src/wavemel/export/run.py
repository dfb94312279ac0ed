"""Run folders -> a model bundle, checked against torch before it is put in place."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from wavemel.checkpoint import Checkpoint, check_finished, join, load_checkpoint, read_json
from wavemel.errors import DataError, ModelError
from wavemel.export.describing import calibration, describe, fingerprint, identified
from wavemel.export.evidence import check_calibration
from wavemel.export.graph import quantise, takes_any_length, with_encoder, write_graph
from wavemel.export.measure import Clips, Loss, clips_of, int8_loss, listen
from wavemel.export.options import Options
from wavemel.export.weights import round_weights, save_weights
from wavemel.inference.bundle import (
    Bundle,
    ModelDescription,
    check_replaceable,
    read_bundle,
    terms_of,
)
from wavemel.inference.card import model_card
from wavemel.inference.models import check_name, local_models
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.networks.model import GenreModel
from wavemel.pooling import MEAN, typical_variation
from wavemel.whole import new_folder, put_back

#: The most by which a probability of the exported model may differ from torch's.
PARITY = 1e-4


@dataclass(frozen=True)
class Exported:
    """Where the model is; the largest difference of a probability from torch's, in float32.

    ``rounding``: largest difference of a probability that float16 weights
    make, where they were asked for. ``loss``: what int8 costs, where it was.
    """

    bundle: Bundle
    folder: Path
    difference: float
    loss: Loss | None = None
    rounding: float | None = None


def export(
    runs: str | Path | Sequence[str | Path], options: Options, to: Path | None = None
) -> Exported:
    """Export a run's best weights, or those of several runs as one ensemble.

    Parameters
    ----------
    runs : run folder, or one of its ``.safetensors`` files; or several such.
    options : how.
    to : the model's folder; by default one of its name among the user's models.

    Raises
    ------
    ModelError
        No trained model there, a run that is not finished (its weights alone can be had by their
        own name), one that tells several genres a clip, the target exists and is not to be replaced
        or holds more than a model, runs that cannot answer as one, or the exported model does not
        answer as torch does.
    DataError
        ``data`` is none, or int8 was asked for and there is nothing to measure its loss on.
    """
    check_name(options.name)
    check_calibration("", options.temperature, options.unsure_below)
    folder = to or local_models() / options.name
    paths = [Path(runs)] if isinstance(runs, str | Path) else [Path(run) for run in runs]
    _check_target(folder, paths, options.replace)
    checkpoint = _load(paths)
    if checkpoint.experiment.labels != "genre":
        raise ModelError(
            f"{paths[0]} tells several genres a clip, and an exported model tells one of them: ask "
            "it with wavemel evaluate"
        )
    with_encoder(checkpoint.model)  # before anything is measured
    if checkpoint.model.front_end.embedder is not None:
        # What an encoder hears is its own affair, and part of the graph.
        options = dataclasses.replace(options, front_end="inside")
    # What one member was validated on, others may have learnt: an ensemble is measured on given data.
    alone = paths[0] if paths[0].is_dir() else paths[0].parent
    known = len(paths) == 1 or options.data is not None
    clips = clips_of(alone, options.data) if known else None
    if options.int8 and clips is None:
        raise DataError("int8 needs tracks to measure its loss on: give --data")
    model = checkpoint.model.cpu().eval()
    calibrated = calibration(options.calibration, alone if len(paths) == 1 else None)
    pooling = checkpoint.experiment.evaluation.pooling
    fitted = calibrated.get("pooling", MEAN)
    if calibrated and fitted != pooling:
        raise ModelError(
            f"the calibration is of windows that are pooled by {fitted!r}, the model pools them by "
            f"{pooling!r}: calibrate its runs again"
        )
    names = [one.experiment.name for one in checkpoint.members or (checkpoint,)]
    # One by hand, or of an earlier version, does not say what it is of.
    if calibrated.get("experiment", names[0]) not in names:
        raise ModelError(
            f"the calibration is of {calibrated['experiment']!r}, the model is {', '.join(names)}: "
            "calibrate its own runs"
        )
    rounding = _round(model, checkpoint.experiment.audio.samples) if options.weights else None
    with new_folder(folder, check_replaceable) as part:
        inputs = model.front_end.inputs if options.front_end == "beside" else ("samples",)
        samples = checkpoint.experiment.audio.samples
        dynamic = takes_any_length(model, samples)
        write_graph(model, tuple(inputs), samples, dynamic, part / "model.onnx")
        weights = fingerprint(model)
        description = identified(describe(checkpoint, options, calibrated, dynamic), weights)
        if rounding is not None:
            save_weights(part / "model.safetensors", checkpoint)
            about = {**description.about, "float16": {"difference": rounding}}
            sha256 = _sha256(part / "model.safetensors")
            description = dataclasses.replace(description, weights_sha256=sha256, about=about)
        _write(part, description)
        difference = largest_difference(model, read_bundle(part))
        if not difference <= PARITY:
            raise ModelError(
                f"the exported model differs from torch's by {difference:.1e}, more than "
                f"{PARITY:.0e}: this network cannot be exported faithfully"
            )
        loss = _measure(part, description, weights, clips, options.int8) if clips else None
        (part / "README.md").write_text(model_card(read_bundle(part).description), "utf-8")
        for terms in terms_of(folder):
            shutil.copy2(terms, part)
    return Exported(read_bundle(folder), folder, difference, loss, rounding)


def _check_target(folder: Path, runs: list[Path], replace: bool) -> None:
    """Raise ModelError where a model cannot be put in this place; see `check_replaceable`."""
    put_back(folder.parent)
    place = folder.resolve()
    for run in runs:
        if run.resolve().is_relative_to(place):
            raise ModelError(
                f"{folder} is, or holds, the run that is exported: give another --name or --to"
            )
    if folder.exists():
        if not replace:
            raise ModelError(f"{folder} exists already: give another --name or --to, or --replace")
        check_replaceable(folder)


def _load(paths: list[Path]) -> Checkpoint:
    for path in paths:
        about = path / "run.json"
        if about.is_file():  # not of an exported model
            check_finished(path, read_json(about))
    loaded = [load_checkpoint(path) for path in paths]
    if len({path.resolve() for path in paths}) < len(paths):
        raise ModelError("an ensemble is of different runs: one of them is given twice")
    if len(loaded) > 1 and any(one.members for one in loaded):
        raise ModelError("an ensemble is made from single runs, not from other ensembles")
    return join(loaded) if len(loaded) > 1 else loaded[0]


def _measure(
    part: Path, model: ModelDescription, weights: str, clips: Clips, int8: bool
) -> Loss | None:
    """Write down how the model's windows vary; round it to int8 if asked for, and return the loss."""
    networks = [Windows2Probabilities(read_bundle(part))]
    if int8:
        quantise(part / "model.onnx")
        model = dataclasses.replace(model, precision="int8")
        _write(part, model)
        networks.append(Windows2Probabilities(read_bundle(part)))
    answers = listen(clips, networks)
    variation = typical_variation((p[0] for p in answers.probabilities), model.pooling)
    if variation is not None:
        model = dataclasses.replace(model, window_variation=round(variation, 4))
    loss = None
    if int8:
        loss = int8_loss(answers, model.classes, model.pooling)
        about = {**model.about, "int8": dataclasses.asdict(loss)}
        model = dataclasses.replace(model, about=about)
    _write(part, identified(model, weights))
    return loss


def largest_difference(model: GenreModel, bundle: Bundle) -> float:
    """Return by how much a probability of the exported model differs from torch's, at most."""
    d = bundle.description
    waveforms = _waveforms(d.samples, d.rate)
    expected = _probabilities(model, waveforms, d.temperature)
    return float(np.abs(Windows2Probabilities(bundle)(waveforms) - expected).max())


def _round(model: GenreModel, samples: int) -> float:
    """Round the weights to float16; return by how much a probability changes at most."""
    waveforms = _waveforms(samples, model.front_end.rate)
    before = _probabilities(model, waveforms)
    round_weights(model)
    return float(np.abs(_probabilities(model, waveforms) - before).max())


def _probabilities(
    model: GenreModel, waveforms: npt.NDArray[np.float32], temperature: float = 1.0
) -> npt.NDArray[np.float64]:
    with torch.inference_mode():
        logits = model(torch.from_numpy(waveforms)).double()
    return torch.softmax(logits / temperature, 1).numpy()


def _waveforms(samples: int, rate: int) -> npt.NDArray[np.float32]:
    """Return what answers are compared on: noise, chords that swell over a noise floor, an impulse, silence.

    Pure, steady tones would compare nothing: in bands that never change, the z-score is of
    rounding errors.
    """
    rng = np.random.default_rng(0)
    time = np.arange(samples) / rate
    waveforms = rng.standard_normal((7, samples), dtype=np.float32)
    waveforms *= np.array([1e-3, 0.1, 1, 1e-3, 1e-3, 0, 0], np.float32)[:, None]
    for row, chord in ((3, (220.0, 277.0, 330.0)), (4, (98.0, 1500.0))):
        for f in chord:
            swell = 0.1 * (1.1 + np.sin(2 * np.pi * f / 100 * time))
            waveforms[row] += (swell * np.sin(2 * np.pi * f * time)).astype(np.float32)
    waveforms[6, samples // 2] = 1
    return waveforms


def _write(folder: Path, description: ModelDescription) -> None:
    """Write ``model.json`` for the graph that lies in the folder."""
    whole = dataclasses.replace(description, sha256=_sha256(folder / "model.onnx"))
    (folder / "model.json").write_bytes(whole.as_json())


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
