"""A small exported model, and files for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import RATE, sounds, tiny_model

from wavemel.inference.classifier import Classifier


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an exported model; windows of 1 s at 8 kHz."""
    return tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def classifier(model: Path) -> Classifier:
    return Classifier(model)


@pytest.fixture(scope="session")
def song() -> np.ndarray:
    """Thirty seconds whose parts differ, at the model's rate."""
    return np.concatenate(sounds(10, 3.0, seed=7))


@pytest.fixture(scope="session")
def wav(song: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, song, RATE, subtype="FLOAT")
    return path
