"""Run folders and exported models with small random networks, for everything that classifies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from wavemel.inference.bundle import ModelDescription
from wavemel.inference.frontend import FrontEnd, MelSettings

if TYPE_CHECKING:
    from wavemel.experiment import Experiment
    from wavemel.networks.model import GenreModel

CLASSES = ("folk", "jazz", "rock")
RATE = 8000


def sounds(count: int, seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Return ``count`` signals that differ much: chords with noise, each fading in its own way."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    made = []
    for _ in range(count):
        tones = rng.uniform(60, 0.45 * rate, rng.integers(1, 6))
        signal = sum(np.sin(2 * np.pi * f * time * (1 + rng.uniform(0, 0.1) * time)) for f in tones)
        signal = signal / len(tones) + rng.uniform(0, 0.5) * rng.standard_normal(len(time))
        envelope = 1 + np.sin(2 * np.pi * rng.uniform(0.1, 4) * time)
        made.append(rng.uniform(0.02, 0.3) * envelope * signal)
    return np.array(made, dtype=np.float32)


def save_run(
    folder: Path,
    network: dict[str, Any],
    *,
    seconds: float = 1.0,
    classes: tuple[str, ...] = CLASSES,
    pooling: str = "mean",
) -> tuple[GenreModel, Experiment]:
    """Write a run folder of a network with seeded random weights whose answers vary with the input."""
    import torch
    from torch import nn

    from wavemel.checkpoint import save_checkpoint
    from wavemel.experiment import make_experiment
    from wavemel.networks.model import build_model

    experiment = make_experiment(
        {
            "name": "tiny",
            "audio": {"rate": RATE, "seconds": seconds},
            "mel": {"n_fft": 256, "hop": 128, "bands": 16},
            "network": network,
            "evaluation": {"pooling": pooling},
        },
        "test",
    )
    torch.manual_seed(0)
    model = build_model(experiment, len(classes)).train()
    waveforms = torch.from_numpy(sounds(16, seconds, seed=99))
    with torch.no_grad():
        for _ in range(30):
            model(waveforms)  # batch norms learn their statistics
        model.eval()
        # Scale the logits to a spread at which softmax is neither flat nor saturated.
        last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
        logits = model(waveforms)
        scale = 1.5 / logits.std(dim=0)
        last.weight *= scale[:, None]
        last.bias.copy_((last.bias - logits.mean(dim=0)) * scale)
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(
        folder / "best",
        model,
        experiment,
        classes,
        {"data": {"name": "noise", "notes": ["random weights"]}, "epoch": 0},
    )
    return model, experiment


def tiny_model(models: Path, name: str = "tiny", seconds: float = 1.0) -> Path:
    """Put a model into a folder of models; made without torch, and so at once.

    It hears each mel band's greatest and least value: not wise, but its answers vary.
    """
    folder = models / name
    folder.mkdir(parents=True)
    mel = MelSettings(n_fft=256, hop=128, bands=16)
    heard = FrontEnd(("mel",), RATE, mel)(sounds(32, seconds, seed=99))["mel"]
    features = np.concatenate([heard.max(axis=2), heard.min(axis=2)], axis=1)
    weights = np.random.default_rng(0).standard_normal((32, len(CLASSES)))
    logits = features @ weights
    weights *= 1.5 / logits.std(axis=0)
    bias = -(features @ weights).mean(axis=0)
    graph = folder / "model.onnx"
    graph.write_bytes(_graph(weights.astype(np.float32), bias.astype(np.float32)))
    description = ModelDescription(
        name=name,
        id="0123abcd",
        classes=CLASSES,
        rate=RATE,
        seconds=seconds,
        overlap=0.5,
        inputs=("mel",),
        sha256=hashlib.sha256(graph.read_bytes()).hexdigest(),
        mel=mel,
        dynamic_length=True,
    )
    (folder / "model.json").write_text(json.dumps(description.as_dict()))
    return folder


def _graph(weights: np.ndarray, bias: np.ndarray) -> bytes:
    """Return the graph mel (B, 16, frames) -> log softmax of max and min over time times weights."""
    nodes = [
        helper.make_node("ReduceMax", ["mel"], ["max"], axes=[2], keepdims=0),
        helper.make_node("ReduceMin", ["mel"], ["min"], axes=[2], keepdims=0),
        helper.make_node("Concat", ["max", "min"], ["features"], axis=1),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 16, "frames"])],
        [helper.make_tensor_value_info("log_probabilities", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    opset = helper.make_operatorsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
