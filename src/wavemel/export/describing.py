"""What ``model.json`` says of an exported model, out of its runs and of what was measured."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path, PurePath
from typing import Any

from wavemel.checkpoint import Checkpoint, fingerprint_of
from wavemel.errors import ModelError
from wavemel.export.evidence import calibration_in_brief, calibration_of, evaluation_of
from wavemel.export.options import Options
from wavemel.export.weights import about_training
from wavemel.inference.bundle import ModelDescription
from wavemel.inference.frontend import MelSettings
from wavemel.networks.model import GenreModel


def describe(
    checkpoint: Checkpoint, options: Options, calibrated: dict[str, Any], dynamic: bool
) -> ModelDescription:
    """Return a model's description; its id and the checksums are still to come."""
    experiment, front_end = checkpoint.experiment, checkpoint.model.front_end
    beside = options.front_end == "beside"
    mel = front_end.logmel.config if front_end.logmel is not None else experiment.mel
    return ModelDescription(
        name=options.name,
        id="",
        classes=checkpoint.classes,
        rate=experiment.audio.rate,
        seconds=experiment.audio.seconds,
        overlap=experiment.evaluation.overlap,
        pooling=experiment.evaluation.pooling,
        inputs=tuple(front_end.inputs) if beside else ("samples",),
        sha256="",
        mel=MelSettings(**dataclasses.asdict(mel))
        if beside and "mel" in front_end.inputs
        else None,
        dynamic_length=dynamic,
        temperature=_first(options.temperature, calibrated.get("temperature"), 1.0),
        unsure_below=_first(options.unsure_below, calibrated.get("unsure_below"), 0.0),
        window_variation=_first(
            calibrated.get("window_variation"), ModelDescription.window_variation
        ),
        about=_about(checkpoint, options, calibrated),
    )


def fingerprint(model: GenreModel) -> str:
    """Return a hash of a model's weights, and of what they hear."""
    digest = hashlib.sha256()
    if model.front_end.logmel is not None:
        digest.update(repr(dataclasses.asdict(model.front_end.logmel.config)).encode())
    if model.front_end.embedder is not None:
        choice, encoder = model.front_end.embedder.choice, model.front_end.embedder.encoder
        digest.update(f"{encoder.weights} {choice.layer} {choice.pooling}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def identified(made: ModelDescription, weights: str) -> ModelDescription:
    """Return a description with the id of all that decides answers: no id ever answers in two ways.

    Parameters
    ----------
    made : the description, complete but for its id and checksums.
    weights : the `fingerprint` of the model.
    """
    deciding = (
        weights,
        made.classes,
        made.rate,
        made.seconds,
        made.overlap,
        made.pooling,
        made.temperature,
        made.unsure_below,
        made.window_variation,
    )
    short = hashlib.sha256(repr(deciding).encode()).hexdigest()[:8]
    whole = made.precision == "float32"
    return dataclasses.replace(made, id=short if whole else f"{short}-{made.precision}")


def calibration(file: Path | None, run: Path | None) -> dict[str, Any]:
    """Return what a calibration file says, by default the one that lies in a run folder, if any.

    Raises
    ------
    ModelError
        as `calibration_of`; or the run has been trained on since it was calibrated.
    """
    if file is not None:
        return calibration_of(file)
    if run is None or not (run / "calibration.json").is_file():
        return {}
    found = calibration_of(run / "calibration.json")
    # One by hand, or of an earlier version, does not say what it is of.
    if found.get("weights", fingerprint_of(run)) != fingerprint_of(run):
        raise ModelError(
            f"{run} has been trained on since it was calibrated: wavemel calibrate {run} --replace"
        )
    return found


def _about(checkpoint: Checkpoint, options: Options, calibrated: dict[str, Any]) -> dict[str, Any]:
    members = checkpoint.members or (checkpoint,)
    trainings = [about_training(member) for member in members]
    names = list(dict.fromkeys(m.experiment.network["name"] for m in members))
    experiments = list(dict.fromkeys(m.experiment.name for m in members))
    notes = [note for m in members for note in m.about.get("data", {}).get("notes", [])]
    data = dict(trainings[0]["data"])
    if any(t["data"] != data for t in trainings):
        # What differs is said of each member.
        data = {k: v for k, v in data.items() if all(t["data"].get(k) == v for t in trainings)}
    if options.data_licence:
        data["licence"] = options.data_licence
    about: dict[str, Any] = {
        "network": " + ".join(names),
        "experiment": ", ".join(experiments),
        "data": data,
        "licence": options.licence,
        "notes": list(dict.fromkeys([*notes, *options.notes])),
    }
    embedder = checkpoint.model.front_end.embedder
    if embedder is not None:
        source, _, encoder = embedder.choice.encoder.partition(":")
        # Where it is a folder's, which one, not where it lay.
        about["encoder"] = f"{source}:{PurePath(encoder).name}"
    if checkpoint.members:
        about["members"] = [
            {
                "weights": fingerprint(member.model)[:8],
                "network": member.experiment.network["name"],
                "experiment": member.experiment.name,
                "seed": member.experiment.seed,
                **training,
            }
            for member, training in zip(members, trainings, strict=True)
        ]
    else:
        about["seed"] = checkpoint.experiment.seed
        about |= {k: v for k, v in trainings[0].items() if k != "data"}
    if calibrated:
        brief = calibration_in_brief(calibrated)
        # What is said of a temperature or a threshold holds for no other in its place.
        if options.temperature not in (None, calibrated.get("temperature")):
            brief = {}
        elif options.unsure_below not in (None, calibrated.get("unsure_below")):
            brief.pop("unsure", None)
        about["calibration"] = brief
    if options.results is not None:
        known = tuple(dict.fromkeys([options.name, *experiments, *names]))
        about["evaluation"] = evaluation_of(options.results, options.results_model, known)
    return about


def _first(*values: float | None) -> float:
    return next(float(value) for value in values if value is not None)
