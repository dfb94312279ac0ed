"""Whether a description holds: numbers in their ranges, and a network that can be built from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wavemel.errors import ConfigError
from wavemel.experiment import Experiment, network_arguments

#: No number of a description is further from 0: the largest seed that all libraries take.
LARGEST = 2**32 - 1


def check_ranges(experiment: Experiment) -> None:
    """Raise ConfigError where a number, or the name, makes no sense."""
    name = experiment.name
    if not name.strip() or name.startswith(".") or {"/", "\\", "\0"} & set(name):
        raise ConfigError(f"name becomes a folder's name, which {name!r} cannot be")
    for key, number in _numbers(experiment.as_dict()):
        # Written so that NaN fails too.
        if not abs(number) <= LARGEST:
            raise ConfigError(f"{key} must be a number up to {LARGEST:,}, not {str(number)[:30]}")
    audio, mel, training = experiment.audio, experiment.mel, experiment.training
    evaluation = experiment.evaluation
    ranges: dict[str, tuple[float, float, float]] = {
        "seed": (experiment.seed, 0, LARGEST),
        "audio.rate": (audio.rate, 1000, 1_000_000),
        "audio.seconds": (audio.seconds, 0.01, 3600),
        "mel.n_fft": (mel.n_fft, 16, 1 << 20),
        "mel.hop": (mel.hop, 1, 1 << 20),
        "mel.bands": (mel.bands, 1, 1 << 16),
        "mel.top_db": (1 if mel.top_db is None else mel.top_db, 1, 1000),
        "training.epochs": (training.epochs, 1, 1_000_000),
        # Batch norm has no variance of one clip.
        "training.batch_size": (training.batch_size, 2, 1_000_000),
        "training.learning_rate": (training.learning_rate, 0, 1000),
        "training.weight_decay": (training.weight_decay, 0, 1000),
        "training.patience": (1 if training.patience is None else training.patience, 1, 1_000_000),
        "training.mixup": (training.mixup, 0, 1000),
        "training.head_epochs": (training.head_epochs, 0, 1_000_000),
        "training.branch_rate": (training.branch_rate, 0, 1000),
        "audio.clip_seconds": (audio.kept_seconds, audio.seconds, 86_400),
        "evaluation.batch_size": (evaluation.batch_size, 1, 1_000_000),
        "evaluation.windows": (evaluation.windows, 1, 1_000_000),
    }
    for key, (value, least, most) in ranges.items():
        if value < least:
            raise ConfigError(f"{key} must be at least {least}, not {value}")
        if value > most:
            raise ConfigError(f"{key} must be at most {most:,}, not {value}")
    highest = audio.rate / 2 if mel.fmax is None else mel.fmax
    if highest > audio.rate / 2:
        raise ConfigError(
            f"mel.fmax must be at most {audio.rate / 2:g} Hz, half of audio.rate, not {highest:g}: "
            "above it there is nothing to hear"
        )
    if not 0 <= mel.fmin < highest:
        raise ConfigError(
            f"mel.fmin must be at least 0 and under the highest frequency, {highest:g} Hz, "
            f"not {mel.fmin:g}"
        )
    for key, share in (
        ("evaluation.overlap", experiment.evaluation.overlap),
        ("training.label_smoothing", training.label_smoothing),
        ("training.warmup", training.warmup),
        ("training.average", training.average or 0.0),
    ):
        if not 0 <= share < 1:
            raise ConfigError(f"{key} must be at least 0 and under 1, not {share}")
    if experiment.labels == "genres" and experiment.evaluation.pooling != "mean":
        raise ConfigError(
            "evaluation.pooling=geometric is for one genre a clip, for probabilities of several do "
            "not sum to 1: use evaluation.pooling=mean"
        )
    if experiment.labels == "genres" and training.sampling != "natural":
        raise ConfigError(
            "clips of several genres cannot be drawn by genre: use training.class_weights, "
            "or training.sampling=natural"
        )


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of plain data with its dotted name; true and false are none."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def check_network(experiment: Experiment) -> None:
    """Build the network and run it on torch's meta device, which allocates nothing."""
    import torch

    from wavemel.networks import build_network
    from wavemel.networks.base import check_class

    name = experiment.network.get("name")
    if not isinstance(name, str):
        raise ConfigError("network has no name; say which, as in 'network: {name: wave}'")
    kind = check_class(name)
    branches = getattr(kind, "branches", {})
    staged = experiment.training.head_epochs > 0 or experiment.training.branch_rate != 1
    if staged and not branches:
        raise ConfigError(
            f"training.head_epochs and training.branch_rate are for networks with branches, "
            f"which {name!r} is not"
        )
    for branch in experiment.training.initial:
        if branch not in branches:
            raise ConfigError(
                f"training.initial names the branch {branch!r}, which network {name!r} does not have"
            )
    samples = experiment.audio.samples
    shapes = {
        "wave": (samples,),
        "mel": (experiment.mel.bands, experiment.mel.frames(samples)),
    }
    try:
        with torch.device("meta"):
            network = build_network(**network_arguments(experiment, classes=2)).eval()
            if "embedding" in network.inputs:
                shapes["embedding"] = (network.n_features,)
            if all(part in shapes for part in network.inputs):
                network(*(torch.empty(2, *shapes[part]) for part in network.inputs))
                _check_shortened(experiment, network)
    except AttributeError as error:
        # No option makes a class use what it has not set.
        raise ConfigError(
            f"network {name!r} is not finished: class {kind.__name__} in {kind.__module__}: {error}"
        ) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"network {name!r} cannot be built with these options: {reason}"
        ) from error
    if "embedding" in network.inputs and experiment.augment:
        raise ConfigError(
            f"augment {', '.join(experiment.augment)} changes audio, but a frozen encoder's embeddings "
            "are computed once: leave augment out (training.mixup works)"
        )
    if experiment.network.get("frozen") and not experiment.training.initial:
        raise ConfigError(
            "network.frozen would freeze random weights: name trained runs in training.initial"
        )


def _check_shortened(experiment: Experiment, network: Any) -> None:
    """Raise ConfigError where augmentation shortens clips for a network that takes one length alone."""
    import torch

    from wavemel.features.augment import make_augmentations

    samples = experiment.audio.samples
    left = make_augmentations(experiment.augment).left(samples)
    if experiment.audio.clip_seconds is not None or left == samples:
        return
    alone = {name: make_augmentations({name: o}) for name, o in experiment.augment.items()}
    shorten = ", ".join(name for name, made in alone.items() if made.left(samples) < samples)
    shapes = {"wave": (left,), "mel": (experiment.mel.bands, experiment.mel.frames(left))}
    try:
        network(*(torch.empty(2, *shapes[part]) for part in network.inputs))
    except RuntimeError as error:
        raise ConfigError(
            f"augment {shorten} leaves less than audio.seconds of a clip, and network "
            f"{experiment.network['name']!r} takes no less: set audio.clip_seconds to "
            f"{experiment.audio.seconds:g} or more"
        ) from error
