"""Run folders and exported models with small random networks, for everything that classifies."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wavemel.checkpoint import save_checkpoint
from wavemel.experiment import Experiment, make_experiment
from wavemel.networks.model import GenreModel, build_model

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
) -> tuple[GenreModel, Experiment]:
    """Write a run folder of a network with seeded random weights whose answers vary with the input."""
    experiment = make_experiment(
        {
            "name": "tiny",
            "audio": {"rate": RATE, "seconds": seconds},
            "mel": {"n_fft": 256, "hop": 128, "bands": 16},
            "network": network,
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


@functools.cache
def _exported(seconds: float) -> Path:
    from wavemel.export import Options, export

    folder = Path(tempfile.mkdtemp(prefix="wavemel-tiny-"))
    save_run(folder / "run", {"name": "mel", "filters": 4, "dense": [8]}, seconds=seconds)
    return export(folder / "run", Options(name="tiny"), folder / "tiny").folder


def tiny_model(models: Path, name: str = "tiny", seconds: float = 1.0) -> Path:
    """Put an exported model into a folder of models; it is made once a process."""
    return Path(shutil.copytree(_exported(seconds), models / name))
