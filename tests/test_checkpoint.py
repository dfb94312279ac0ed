"""Weights on disk: there and back, and what is refused."""

import errno
import json
import pickle
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from wavemel.checkpoint import load_checkpoint, save_checkpoint
from wavemel.errors import ModelError
from wavemel.experiment import make_experiment
from wavemel.networks.model import build_model

EXPERIMENT = make_experiment(
    {
        "audio": {"rate": 8000, "seconds": 1.0},
        "mel": {"n_fft": 256, "hop": 100, "bands": 16},
        "network": {
            "name": "combined",
            "wave": {"filters": [4, 8], "kernels": [5, 3]},
            "dense": [8],
        },
    },
    "test",
)
CLASSES = ("folk", "rock")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(
        tmp_path / "best", build_model(EXPERIMENT, 2), EXPERIMENT, CLASSES, {"epoch": 3}
    )
    return tmp_path


def test_there_and_back(saved: Path) -> None:
    torch.manual_seed(0)
    original = build_model(EXPERIMENT, 2).eval()
    for path in (saved, saved / "best.safetensors"):
        loaded = load_checkpoint(path, expect=CLASSES)
        assert loaded.experiment == EXPERIMENT
        assert loaded.classes == CLASSES
        assert loaded.about == {"epoch": 3}
        x = torch.randn(2, 8000)
        with torch.inference_mode():
            assert torch.equal(loaded.model(x), original(x))


@pytest.mark.skipif(sys.platform == "win32", reason="access rights are those of POSIX")
def test_who_may_read_the_description_may_read_the_weights(saved: Path) -> None:
    described, weights = (saved / f"best.{end}" for end in ("json", "safetensors"))
    assert weights.stat().st_mode == described.stat().st_mode


def test_another_class_list_is_refused(saved: Path) -> None:
    with pytest.raises(ModelError, match="trained on the classes folk, rock"):
        load_checkpoint(saved, expect=("folk", "jazz"))
    with pytest.raises(ModelError, match="classes"):
        load_checkpoint(saved, expect=("rock", "folk"))


def test_missing_and_foreign_files_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no trained model"):
        load_checkpoint(tmp_path / "nowhere")
    description = saved / "best.json"
    tree = json.loads(description.read_text())
    tree["experiment"]["network"]["dense"] = [9]
    description.write_text(json.dumps(tree))
    with pytest.raises(ModelError, match="does not hold this network's weights"):
        load_checkpoint(saved)
    description.write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        load_checkpoint(saved)
    description.write_text('{"format": 99}')
    with pytest.raises(ModelError, match="format 99"):
        load_checkpoint(saved)


def test_nothing_is_unpickled(saved: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    (saved / "best.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError):
        load_checkpoint(saved)
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_file_is_refused(saved: Path) -> None:
    weights = saved / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError):
        load_checkpoint(saved)


def test_a_full_disk_is_told_as_such_and_keeps_the_old_weights(saved: Path, monkeypatch) -> None:
    import safetensors.torch

    def full(tensors, path) -> None:
        Path(path).write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    before = (saved / "best.safetensors").read_bytes()
    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="No space left") as caught:
        save_checkpoint(saved / "best", build_model(EXPERIMENT, 2), EXPERIMENT, CLASSES, {})
    assert caught.value.errno == errno.ENOSPC
    assert (saved / "best.safetensors").read_bytes() == before
    assert not list(saved.glob("*.part"))
