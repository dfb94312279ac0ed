"""The models that come with the package: whole, small, of numbers only, and used unasked."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

import wavemel
from wavemel.inference.bundle import read_bundle
from wavemel.inference.card import model_card
from wavemel.inference.models import SHIPPED

MODELS = sorted(p for p in SHIPPED.iterdir() if p.is_dir())


@pytest.fixture(autouse=True)
def _nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path))
    monkeypatch.delenv("WAVEMEL_MODEL", raising=False)


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: p.name)
def test_a_shipped_model_is_whole_small_and_described(folder: Path) -> None:
    terms = {"LICENSE.musicnn"} if folder.name == "emotify-4-musicnn" else set()
    assert {p.name for p in folder.iterdir()} == {
        "model.onnx", "model.json", "model.safetensors", "README.md", *terms,
    }  # fmt: skip
    assert sum(p.stat().st_size for p in folder.iterdir()) < 8_000_000
    bundle = read_bundle(folder)
    bundle.read_graph()
    weights = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == bundle.description.weights_sha256
    with safe_open(folder / "model.safetensors", "numpy") as held:
        kinds = {held.get_tensor(name).dtype for name in held.keys()}  # noqa: SIM118
    assert np.dtype("float16") in kinds
    about = json.loads((folder / "model.json").read_text("utf-8"))["about"]
    assert about["licence"]
    assert about["data"]["licence"]
    low, high = about["evaluation"]["top1_ci95"]
    assert low < about["evaluation"]["top1"] < high
    card = (folder / "README.md").read_text("utf-8")
    for said in ("Intended use", "Known failures", "Calibration", "Licence", "wavemel reproduce"):
        assert said in card


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: p.name)
def test_a_shipped_model_says_what_an_export_of_its_weights_would(folder: Path) -> None:
    described = read_bundle(folder).description
    assert (folder / "README.md").read_text("utf-8") == model_card(described)
    with safe_open(folder / "model.safetensors", "numpy") as held:
        (member,) = json.loads(held.metadata()["wavemel"])["members"]
    assert described.about.get("encoder") == member["experiment"]["network"].get("encoder")


def test_the_default_model_ships() -> None:
    model = wavemel.load()
    assert model.description.name == "emotify-4"
    assert model.classes == ("classical", "electronic", "pop", "rock")
    rng = np.random.default_rng(0)
    result = model.classify(rng.standard_normal(16_000 * 20).astype(np.float32) * 0.1, 16_000)
    assert sum(genre.probability for genre in result.genres) == pytest.approx(1)


def test_the_weights_are_those_of_the_graph() -> None:
    import torch

    from wavemel.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(SHIPPED / "emotify-4")
    model = wavemel.load("emotify-4")
    samples = np.random.default_rng(1).standard_normal((2, 128_000)).astype(np.float32)
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(samples)) / model.description.temperature
    np.testing.assert_allclose(model.network(samples), torch.softmax(logits, 1).numpy(), atol=1e-4)


@pytest.mark.real
def test_it_knows_the_clips_it_learnt_from(real_data: Path) -> None:
    """No figure: a model that is broken on the way to the package would not."""
    root = real_data / "emotify"
    rows = pd.read_csv(root / "tracks.csv").groupby("genre").head(4)
    model = wavemel.load("emotify-4")
    right = [model.classify(root / r.path).genre == r.genre for r in rows.itertuples()]
    assert np.mean(right) > 0.7
