"""Heads on a frozen encoder: trained on cached embeddings, resumed bit for bit, asked on whole tracks."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tensor_bundles import save_musicnn
from tiny_encoders import RATE, WIDTH, save_encoder
from tiny_runs import DATA, QUIET, StopInTheMiddle, rows, tiny, tiny_dataset, weights

from wavemel.ablation import ablate
from wavemel.audio.load import windows
from wavemel.checkpoint import join, load_checkpoint
from wavemel.data.cache import cache_parts
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, ModelError
from wavemel.evaluation.predict import predict
from wavemel.evaluation.runs import evaluate_run
from wavemel.experiment import Experiment
from wavemel.export import Options, export
from wavemel.features.encoders.huggingface import HuggingFaceEncoder
from wavemel.features.encoders.musicnn import RATE as MUSICNN_RATE
from wavemel.inference.bundle import read_bundle
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.reproduce import Plan, reproduce
from wavemel.training.dataset import Dataset
from wavemel.training.encoder import embedding_stores, open_encoder
from wavemel.training.folder import changed_settings
from wavemel.training.run import train


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of an encoder that tests only read."""
    return save_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAVEMEL_CACHE", str(tmp_path_factory.mktemp("demo")))
        return tiny_dataset()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Windows that the encoder was asked for, call by call."""
    calls: list[int] = []
    plain = HuggingFaceEncoder.__call__

    def counted(self: HuggingFaceEncoder, waveforms: torch.Tensor) -> torch.Tensor:
        calls.append(len(waveforms))
        return plain(self, waveforms)

    monkeypatch.setattr(HuggingFaceEncoder, "__call__", counted)
    return calls


def head(name: str, *, hidden: tuple[int, ...] = (), **changes: object) -> Experiment:
    network = {
        "name": "encoder",
        "encoder": name,
        "hidden": list(hidden),
        **changes.pop("options", {}),
    }  # type: ignore[dict-item]
    audio = {"rate": RATE, "seconds": 0.5, "clip_seconds": 2}
    evaluation = {"windows": 3, "batch_size": 4}
    given = {"audio": audio, "evaluation": evaluation, "augment": {}, **changes}
    return tiny("wave", options=network, **given)


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    encoder: str, dataset: Dataset, tmp_path: Path, asked: list[int]
) -> None:
    experiment = head(encoder, hidden=(6,), options={"dropout": 0.2}, training={"mixup": 0.3})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(experiment, dataset, whole, hardware=QUIET)
    clips = len(dataset.part("training")) + len(dataset.part("validation"))
    # One window of noise for the width, then the 7 windows of every clip, once in four epochs.
    assert sum(asked) == 1 + 7 * clips
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        train(experiment, dataset, parts, hardware=QUIET, callbacks=(StopInTheMiddle(2),))
    train(experiment, dataset, parts, resume=True, hardware=QUIET)
    assert sum(asked) == 2  # twice the width: embeddings came from the cache
    one, other = weights(whole), weights(parts)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert rows(whole) == rows(parts)
    assert {p.name: p.files for p in cache_parts()}["embeddings"] == clips + 1


def test_cached_or_not_it_trains_alike(encoder: str, dataset: Dataset, tmp_path: Path) -> None:
    once = {"training": {"epochs": 1}}
    for name, cache in (("cached", True), ("again", True), ("memory", False)):
        train(head(encoder, **once), dataset, tmp_path / name, cache=cache, hardware=QUIET)
    cached, again, memory = (weights(tmp_path / n) for n in ("cached", "again", "memory"))
    assert all(torch.equal(cached[k], v) for k, v in (*again.items(), *memory.items()))


def test_the_run_says_which_encoder_it_was_and_holds_the_head_alone(
    encoder: str, dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    about = train(head(encoder, training={"epochs": 2}), dataset, run, hardware=QUIET)
    network = yaml.safe_load((run / "experiment.yaml").read_text())["network"]
    assert (network["encoder"], network["width"], network["commit"]) == (encoder, WIDTH, None)
    assert len(network["weights"]) == 64
    assert json.loads((run / "best.json").read_text())["experiment"]["network"] == network
    assert about["parameters"] == (WIDTH + 1) * len(dataset.classes)
    held = load_file(run / "best.safetensors")
    assert {k.split(".")[0] for k in held} == {"network"}
    assert sum(v.numel() for v in held.values()) < 2 * about["parameters"]
    # What the run has found out is no change of settings; another layer is.
    assert changed_settings(run, head(encoder, training={"epochs": 2})) == []
    assert changed_settings(run, head(encoder, options={"layer": 1})) == ["network.layer"]


def test_whole_tracks_get_the_answers_of_cached_windows(
    encoder: str, dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(head(encoder, training={"epochs": 2}), dataset, run, hardware=QUIET)
    figures = evaluate_run(run, "validation")
    checkpoint = load_checkpoint(run, expect=dataset.classes)
    _, embedder = open_encoder(checkpoint.experiment)
    _, store = embedding_stores(dataset, checkpoint.experiment, embedder, cache=True, device="cpu")
    with torch.inference_mode():
        logits = checkpoint.model.network(torch.from_numpy(store.batch(np.arange(len(store)))))
    truth = torch.tensor(dataset.targets(dataset.part("validation")))
    loss = torch.nn.functional.cross_entropy(logits, truth).item()
    assert figures["log_loss"] == pytest.approx(loss, rel=0.02)  # the cache of clips decodes alike


def test_several_runs_embed_a_track_once(
    encoder: str, dataset: Dataset, tmp_path: Path, asked: list[int]
) -> None:
    once = {"epochs": 1, "precision": "32"}
    runs = [tmp_path / f"seed{seed}" for seed in range(3)]
    for seed, run in enumerate(runs):
        train(head(encoder, training=once, seed=seed), dataset, run, hardware=QUIET)
    tracks = dataset.part("test")["path"].tolist()
    asked.clear()
    evaluate_run(runs[0], "test")
    assert sum(asked) == 7 * len(tracks)
    asked.clear()
    for run in runs[1:]:
        evaluate_run(run, "test")
    # Training has heard all of them.
    evaluate_run(runs[0], "validation")
    assert asked == []
    checkpoint = load_checkpoint(runs[2])
    columns = [f"p_{name}" for name in checkpoint.classes]
    found = predict(checkpoint, dataset.part("test"), precision="32")
    for path, rows_of in found.groupby("path"):
        read = list(windows(str(path), RATE, seconds=0.5, hop=0.25))
        with torch.inference_mode():
            logits = checkpoint.model(torch.from_numpy(np.stack([w.samples for w in read])))
        assert rows_of["start"].tolist() == [w.start for w in read]
        expected = torch.softmax(logits.double(), 1)
        np.testing.assert_allclose(rows_of[columns], expected, atol=1e-5)


def test_without_the_cache_a_whole_comparison_keeps_nothing(encoder: str, tmp_path: Path) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    described = head(encoder, training={"epochs": 1}).as_dict()
    (folder / "head.yaml").write_text(json.dumps(described))
    plan = Plan(DATA, str(folder), tmp_path / "report", SplitChoice(), workers=0, cache=False)
    reproduce(dataclasses.replace(plan, gaps=True, baselines=()), QUIET)
    ablate(dataclasses.replace(plan, to=tmp_path / "table"), ("wave",), hardware=QUIET)
    kept = {part.name: part.files for part in cache_parts()}
    assert (kept["embeddings"], kept["clips"]) == (0, 0)


def test_it_learns(encoder: str, dataset: Dataset, tmp_path: Path) -> None:
    training = {"epochs": 30, "learning_rate": 0.02, "select": "last"}
    options = {"pooling": "mean_std"}
    experiment = head(encoder, hidden=(32,), options=options, training=training)
    train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    figures = rows(tmp_path / "run")
    assert float(figures[-1]["training_loss"]) < 0.8 * float(figures[0]["training_loss"])
    # Eight classes: chance is .125.
    assert np.mean([float(row["training_top1"]) for row in figures[-8:]]) > 0.3


def test_another_encoder_in_its_place_is_noticed(dataset: Dataset, tmp_path: Path) -> None:
    name = save_encoder(tmp_path / "encoder")
    run = tmp_path / "run"
    train(head(name, training={"epochs": 1}), dataset, run, hardware=QUIET)
    shutil.rmtree(tmp_path / "encoder")
    with pytest.raises(ModelError, match="no encoder in"):
        evaluate_run(run, "validation")
    save_encoder(tmp_path / "encoder", seed=1)
    with pytest.raises(ModelError, match="other weights than those this model was trained on"):
        evaluate_run(run, "validation")
    with pytest.raises(ModelError, match=r"another network\.weights"):
        train(head(name, training={"epochs": 2}), dataset, run, resume=True, hardware=QUIET)


def test_what_is_refused(encoder: str, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"augment noise changes audio.*mixup works"):
        head(encoder, augment={"noise": {}})
    with pytest.raises(ConfigError, match="embeddings of 16 numbers"):
        train(head(encoder, options={"width": 5}), dataset, tmp_path / "a", hardware=QUIET)
    audio = {"rate": 2 * RATE, "seconds": 0.5}
    with pytest.raises(ConfigError, match=r"hears 8000 Hz: set audio\.rate=8000"):
        train(head(encoder, audio=audio), dataset, tmp_path / "b", hardware=QUIET)
    short = {"rate": RATE, "seconds": 0.01}
    with pytest.raises(ConfigError, match=r"cannot embed windows of 0\.01 s"):
        train(head(encoder, audio=short), dataset, tmp_path / "c", hardware=QUIET)
    assert not any(tmp_path.iterdir())
    run = tmp_path / "run"
    train(head(encoder, training={"epochs": 1}), dataset, run, hardware=QUIET)
    with pytest.raises(ModelError, match="cannot be exported"):
        export(run, Options(name="m"), tmp_path / "m")
    assert not (tmp_path / "m").exists()
    with pytest.raises(ModelError, match="cannot be part of an ensemble"):
        join([load_checkpoint(run), load_checkpoint(run)])


def test_a_head_on_an_encoder_of_convolutions_is_exported_with_it(
    dataset: Dataset, tmp_path: Path
) -> None:
    name = save_musicnn(tmp_path / "musicnn")
    audio = {"rate": MUSICNN_RATE, "seconds": 0.5, "clip_seconds": 2}
    experiment = head(name, audio=audio, options={"pooling": "own"})
    train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    made = export(tmp_path / "run", Options(name="m"), tmp_path / "m")
    assert made.difference < 1e-4
    d = made.bundle.description
    assert d.inputs == ("samples",)
    assert d.dynamic_length
    # Whoever takes the model has the encoder too, and what is said of it names no folder.
    assert d.about["encoder"] == "musicnn:musicnn"
    card = (tmp_path / "m" / "README.md").read_text()
    assert "- frozen encoder: musicnn:musicnn, taught on other data" in card
    assert str(tmp_path) not in card + (tmp_path / "m" / "model.json").read_text()
    model = load_checkpoint(tmp_path / "run").model
    x = 0.1 * np.random.default_rng(0).standard_normal((3, d.samples), dtype=np.float32)
    with torch.inference_mode():
        expected = torch.softmax(model(torch.from_numpy(x)).double(), 1).numpy()
    # The graph needs the encoder's files no more.
    shutil.rmtree(tmp_path / "musicnn")
    answers = Windows2Probabilities(read_bundle(tmp_path / "m"))(x)
    assert np.abs(answers - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 1e-3  # the answers compared do differ
    # Another encoder under the same head is another model.
    save_musicnn(tmp_path / "musicnn", seed=1)
    with pytest.raises(ModelError, match="other weights"):
        export(tmp_path / "run", Options(name="m"), tmp_path / "other")
