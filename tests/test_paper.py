"""Every part of the report that wavemel starts from, row by row; details have tests of their own."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from tiny_runs import QUIET, tiny

from wavemel.data.splits import SplitChoice
from wavemel.evaluation.evaluate import evaluate
from wavemel.experiment import load_experiment
from wavemel.features.mel import LogMel
from wavemel.networks import build_network
from wavemel.training.dataset import Dataset, prepare, stores
from wavemel.training.run import train

GENRES = ("Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock")  # fmt: skip
RATE = 8000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight genres of ten clips of 3 s whose first half is a tone and whose second half is noise."""
    root = tmp_path_factory.mktemp("archive")
    rng = np.random.default_rng(0)
    t = np.arange(3 * RATE // 2) / RATE
    rows = []
    for g, genre in enumerate(GENRES):
        for i in range(10):
            tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * g + 7 * i) * t)
            noise = 0.3 * rng.standard_normal(len(t))
            name = f"{genre}-{i}.wav"
            soundfile.write(root / name, np.concatenate([tone, noise]), RATE)
            rows.append({"path": name, "genre": genre, "artist": f"{genre} {i // 2}"})
    # "tracks that could not be loaded": one that is cut, one that is empty.
    (root / "broken.wav").write_bytes((root / rows[0]["path"]).read_bytes()[:30])
    (root / "empty.wav").write_bytes(b"")
    rows += [{"path": n, "genre": "Rock", "artist": "x"} for n in ("broken.wav", "empty.wav")]
    pd.DataFrame(rows).to_csv(root / "tracks.csv", index=False)
    return root


@pytest.fixture
def data(archive: Path) -> Dataset:
    choice = SplitChoice("stratified", seed=1)
    return prepare(str(archive / "tracks.csv"), choice, workers=0)


def test_data_eight_genres_split_80_10_10_balanced(data: Dataset) -> None:
    assert data.classes == GENRES
    counts = pd.crosstab(data.table["genre"], data.table["split"])
    assert (counts["training"] == 8).all()
    assert (counts["validation"] == 1).all()
    assert (counts["test"] == 1).all()


def test_clean_up_removes_what_cannot_be_loaded_and_says_so(data: Dataset) -> None:
    assert sorted(Path(p).name for p in data.left_out["path"]) == ["broken.wav", "empty.wav"]
    assert set(data.left_out["status"]) == {"unreadable"}
    assert data.left_out["reason"].notna().all()


def test_half_clips_are_the_first_half(data: Dataset) -> None:
    experiment = tiny(audio={"rate": RATE, "seconds": 1.5}, augment={})
    store, _ = stores(data, experiment)
    clips = store.batch(np.arange(len(store)))
    assert clips.shape[1] == 1.5 * RATE
    # A tone's spectrum is one peak: no noise of the second half is in it.
    spectrum = np.abs(np.fft.rfft(clips * np.hanning(clips.shape[1]))) ** 2
    assert (spectrum.max(1) / spectrum.sum(1) > 0.3).all()
    assert load_experiment("paper/wave").audio.seconds == 15.0


def test_augmentation_is_in_training_only(data: Dataset) -> None:
    experiment = tiny()
    training, validation = stores(data, experiment)
    one = np.zeros(1, np.int64)
    assert not np.array_equal(training.batch(one), training.batch(one, one + 1))
    with pytest.raises(IndexError):
        validation.batch(one, one + 1)
    assert set(load_experiment("paper/mel").augment) == {"stretch", "noise"}


def test_features_of_the_paper() -> None:
    experiment = load_experiment("paper/mel")
    assert (experiment.mel.n_fft, experiment.mel.bands, experiment.mel.hop) == (2048, 128, 528)
    assert LogMel(experiment.audio.rate, experiment.mel)(torch.zeros(1, 52_800)).shape == (
        1,
        128,
        101,
    )


def test_networks_of_the_paper() -> None:
    with torch.device("meta"):
        for name in ("wave", "mel", "combined"):
            assert build_network(name).head[-1].out_features == 8


def test_training_and_metrics_of_the_paper(data: Dataset, tmp_path: Path) -> None:
    about = train(tiny("mel", training={"epochs": 1}), data, tmp_path / "run", hardware=QUIET)
    assert about["epochs"] == 1
    history = pd.read_csv(tmp_path / "run" / "metrics.csv")
    # Figures 4, 5 and 6 are drawn from these.
    assert {"training_loss", "validation_loss", "validation_top1"} <= set(history.columns)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["classes"] == list(GENRES)


def test_accuracy_as_the_paper_defines_it() -> None:
    """(TP + TN) / all, one genre against the rest, averaged: answering at random scores .78 of 8."""
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 8, 4000), rng.dirichlet(np.ones(8), 4000)
    found = evaluate(truth, p, GENRES, resamples=10)
    said = p.argmax(1)
    one_vs_rest = np.mean([((said == k) == (truth == k)).mean() for k in range(8)])
    assert found["one_vs_rest_accuracy"] == pytest.approx(one_vs_rest)
    assert found["one_vs_rest_accuracy"] == pytest.approx(1 - 2 * (1 - found["top1"]) / 8)
    assert found["one_vs_rest_accuracy"] == pytest.approx(0.781, abs=0.01)
    assert found["top1"] == pytest.approx(0.125, abs=0.02)
