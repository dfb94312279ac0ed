"""A small exported model, and a folder of files for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import tiny_model
from tones import write_tone

from wavemel.inference.bundle import ModelDescription, read_bundle


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an exported model; windows of 1 s at 8 kHz."""
    return tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def description(model: Path) -> ModelDescription:
    return read_bundle(model).description


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Eight files of 1.5 s, one of them empty."""
    for i in range(7):
        write_tone(tmp_path / "music" / f"{i}.wav", i, 1.5)
    (tmp_path / "music" / "7.wav").touch()
    return tmp_path / "music"
