"""A hub of the test's own, and models that can be put there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from huggingface_hub import constants
from tiny_model import tiny_model


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub_server.Hub]:
    """An empty hub, which is the only one that can be reached; the user's models are none."""
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("WAVEMEL_MODEL", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # Neither the token of whoever runs the tests, nor a protocol that the stand-in does not speak.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub_server.serve() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with weights, a licence and a card, outside of the user's models."""
    from wavemel.inference.bundle import read_bundle
    from wavemel.inference.card import model_card

    folder = tiny_model(tmp_path / "made", "songs")
    (folder / "model.safetensors").write_bytes(b"as if these were weights")
    change(
        folder,
        weights_sha256=hashlib.sha256(b"as if these were weights").hexdigest(),
        about={"licence": "CC0-1.0"},
    )
    (folder / "README.md").write_text(model_card(read_bundle(folder).description))
    return folder


def change(folder: Path, **values: object) -> None:
    """Change a model's description."""
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
