"""The parts of the stronger recipe: random chunks, mixup, schedule, averaged weights, stages."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import QUIET, StopInTheMiddle, rows, tiny, tiny_dataset, weights

from wavemel.checkpoint import load_checkpoint
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, ModelError
from wavemel.training.dataset import Dataset, prepare, stores
from wavemel.training.loader import Chunks, ClipLoader
from wavemel.training.mixing import mixup
from wavemel.training.run import train
from wavemel.training.task import GenreTask, rate_at, warming_average

RECIPE = {
    "audio": {"rate": 8000, "seconds": 1.0, "clip_seconds": 1.5},
    "augment": {"speed": {"rates": [0.9, 1.1]}, "pitch": {}, "filter": {}, "specaugment": {}},
    "training": {
        "optimiser": "adamw",
        "schedule": "cosine",
        "warmup": 0.2,
        "mixup": 0.4,
        "average": 0.9,
        "label_smoothing": 0.1,
        "select": "last",
    },
    "options": {"name": "mel-res", "filters": [4, 8]},
}


@pytest.fixture
def dataset() -> Dataset:
    return tiny_dataset()


class Ramp:
    """A store whose clips hold 0, 1, 2, ...; clip i is i samples shorter."""

    def __init__(self, n: int, samples: int) -> None:
        self.filled = samples - np.arange(n)

    def __len__(self) -> int:
        return len(self.filled)

    def batch(self, indices, variants=None, *, starts=None, samples=None):
        out = np.arange(samples)[None] + np.asarray(starts)[:, None]
        assert (out[:, -1] < self.filled[indices]).all()
        return out.astype(np.float32)


def test_training_draws_another_stretch_each_epoch_and_never_the_padding() -> None:
    loader = ClipLoader(Ramp(50, 200), np.zeros(50, np.int64), 8, shuffle=True, chunks=Chunks(100))
    starts = {}
    for number in (0, 1, 0):
        loader.epoch = number
        drawn = torch.cat([clips[:, 0] for clips, _ in loader])
        assert drawn.unique().numel() > 20
        assert starts.setdefault(number, drawn).equal(drawn)
    assert not starts[0].equal(starts[1])
    many = []
    for number in range(200):
        loader.epoch = number
        many += [int(v) for clips, _ in loader for v in clips[:, 0]]
    assert min(many) == 0
    assert max(many) == 100


def test_validation_hears_the_same_windows_spread_over_the_clip() -> None:
    loader = ClipLoader(Ramp(3, 200), np.array([0, 1, 2]), 4, chunks=Chunks(100, windows=4))
    clips, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert clips[:4, 0].tolist() == [12, 38, 62, 88]
    middle = ClipLoader(Ramp(1, 201), np.array([0]), 4, chunks=Chunks(100))
    assert next(iter(middle))[0][0, 0] == 50


def test_chunks_come_from_the_clips(dataset: Dataset) -> None:
    experiment = tiny(**RECIPE)
    store, _ = stores(dataset, experiment)
    whole = store.batch(np.array([3]))[0]
    part = store.batch(np.array([3]), starts=np.array([1234]), samples=2000)[0]
    assert len(whole) == 12_000
    np.testing.assert_array_equal(part, whole[1234:3234])


def test_mixup_mixes_inputs_and_labels_alike() -> None:
    waves = torch.eye(6).repeat_interleave(2, 1)
    mels = torch.eye(6)[:, None, :].expand(6, 4, 6)
    (wave, mel), targets = mixup(
        (waves, mels), torch.eye(6), alpha=0.5, rng=np.random.default_rng(0)
    )
    torch.testing.assert_close(wave[:, ::2], targets)
    torch.testing.assert_close(mel[:, 2], targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    # Each clip leads its own mixture.
    assert (targets.diagonal() >= 0.5).all()
    assert ((targets > 0).sum(1) == 2).any()


def test_mixup_weights_follow_the_beta_distribution() -> None:
    rng = np.random.default_rng(1)
    _, targets = mixup((torch.zeros(4000, 1),), torch.eye(4000), alpha=1.0, rng=rng)
    lead = targets.diagonal()[targets.diagonal() < 1]
    # Beta(1, 1) is uniform: of it and its complement, the larger is uniform over .5 .. 1.
    assert abs(lead.mean() - 0.75) < 0.01
    assert lead.min() < 0.51


def test_schedule() -> None:
    rates = [rate_at(step, 100, 0.1, cosine=True) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01
    assert [rate_at(s, 10, 0.0, cosine=False) for s in (0, 9)] == [1.0, 1.0]


def test_the_averaged_weights_are_what_is_validated_and_kept(
    dataset: Dataset, tmp_path: Path
) -> None:
    experiment = tiny(**{**RECIPE, "training": {**RECIPE["training"], "epochs": 2}})
    train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    kept = load_file(tmp_path / "run" / "best.safetensors")
    key = "network.stem.0.weight"
    assert torch.equal(kept[key], state[f"average.module.{key}"])
    assert not torch.equal(kept[key], state[f"model.{key}"])


def test_the_average_is_the_formulas() -> None:
    experiment = tiny(**RECIPE)
    task = GenreTask(experiment, 8)
    assert task.average is not None
    parameter = task.model.network.stem[0].weight
    expected = None
    for kept in (0, 2 / 11, 3 / 12, 4 / 13, 5 / 14):
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter))
        task.on_train_batch_end(None, (), 0)
        value = parameter.detach().clone()
        expected = value if expected is None else kept * expected + (1 - kept) * value
    torch.testing.assert_close(task.kept.network.stem[0].weight, expected)


@pytest.mark.parametrize(
    ("taken", "kept"), [(1, 2 / 11), (40, 41 / 50), (80, 81 / 90), (1000, 0.9)]
)
def test_the_average_is_short_until_it_has_seen_many_steps(taken: int, kept: float) -> None:
    mean, count = torch.tensor([1.0, 0.0]), torch.tensor([3])
    warming_average(0.9)([mean, count], [torch.tensor([0.0, 1.0]), torch.tensor([7])], taken)
    torch.testing.assert_close(mean, torch.tensor([kept, 1 - kept]))
    assert count.item() == 7


@pytest.mark.parametrize("network", ["mel-res", "wave-res"])
def test_the_whole_recipe_resumes_bit_for_bit(
    network: str, dataset: Dataset, tmp_path: Path
) -> None:
    recipe = {**RECIPE, "options": {"name": network, "filters": [4, 8]}}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tiny(**recipe), dataset, whole, hardware=QUIET)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(**recipe), dataset, parts, hardware=QUIET, callbacks=(StopInTheMiddle(2),))
    train(tiny(**recipe), dataset, parts, resume=True, hardware=QUIET)
    one, other = weights(whole), weights(parts)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert rows(whole) == rows(parts)


def test_a_cosine_run_is_not_made_longer(dataset: Dataset, tmp_path: Path) -> None:
    train(tiny(**RECIPE), dataset, tmp_path / "run", hardware=QUIET)
    longer = tiny(**{**RECIPE, "training": {**RECIPE["training"], "epochs": 9}})
    with pytest.raises(ModelError, match=r"another training\.epochs"):
        train(longer, dataset, tmp_path / "run", resume=True, hardware=QUIET)


def test_a_run_of_before_a_setting_existed_can_be_resumed(dataset: Dataset, tmp_path: Path) -> None:
    import yaml

    folder = tmp_path / "run"
    train(tiny(training={"epochs": 1}), dataset, folder, hardware=QUIET)
    tree = yaml.safe_load((folder / "experiment.yaml").read_text())
    for section, key in (("training", "mixup"), ("mel", "normalise"), ("audio", "clip_seconds")):
        del tree[section][key]
    (folder / "experiment.yaml").write_text(yaml.safe_dump(tree))
    about = train(tiny(training={"epochs": 2}), dataset, folder, resume=True, hardware=QUIET)
    assert about["epochs"] == 2


def test_branches_first_then_the_head_then_all(dataset: Dataset, tmp_path: Path) -> None:
    training = {"epochs": 1, "select": "last"}
    for branch in ("wave", "mel"):
        options = {"name": f"{branch}-res", "filters": [4, 8]}
        train(tiny(options=options, training=training), dataset, tmp_path / branch, hardware=QUIET)
    options = {
        "name": "combined-res",
        "wave": {"filters": [4, 8]},
        "mel": {"filters": [4, 8]},
    }
    initial = {branch: str(tmp_path / branch) for branch in ("wave", "mel")}

    def run(epochs: int) -> dict[str, torch.Tensor]:
        staged = {"epochs": epochs, "head_epochs": 2, "branch_rate": 0.1, "select": "last"}
        folder = tmp_path / f"combined{epochs}"
        experiment = tiny("mel", options=options, training={**staged, "initial": initial})
        train(experiment, dataset, folder, hardware=QUIET)
        return load_file(folder / "best.safetensors")

    alone, together = run(2), run(3)
    for branch in ("wave", "mel"):
        trained = load_file(tmp_path / branch / "best.safetensors")
        for key, value in trained.items():
            if "head" not in key and key.startswith("network."):
                inner = key.replace("network.", f"network.{branch}.", 1)
                # Batch norm's statistics too: the branch is as it was.
                assert torch.equal(alone[inner], value), inner
        weight = f"network.{branch}.stem.0.weight"
        assert not torch.equal(together[weight], alone[weight])
        # Adam moves a weight by about its rate a step.
        moved = (together[weight] - alone[weight]).abs().max()
        steps = math.ceil(len(dataset.part("training")) / 8)
        assert moved < 1e-4 * steps * 1.5


def test_a_missing_branch_leaves_no_run_behind(dataset: Dataset, tmp_path: Path) -> None:
    options = {"name": "combined-res", "wave": {"filters": [4, 8]}, "mel": {"filters": [4, 8]}}
    initial = {"wave": str(tmp_path / "gone")}
    experiment = tiny("mel", options=options, training={"initial": initial})
    with pytest.raises(ModelError, match="gone holds no trained model"):
        train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    assert not (tmp_path / "run").exists()


def test_shortened_clips_are_for_networks_of_any_length() -> None:
    speed = {"speed": {"rates": [0.9, 1.1]}}
    with pytest.raises(ConfigError, match=r"augment speed.*'wave'.*audio\.clip_seconds"):
        tiny("wave", augment=speed)
    assert tiny("wave", augment={"speed": {"rates": [0.8, 1.0]}})
    assert tiny("wave", augment=speed, audio={"rate": 8000, "seconds": 1.5, "clip_seconds": 2})
    assert tiny(augment=speed, options={"name": "mel-res", "filters": [4]})


def test_compiling_is_asked_for(dataset: Dataset, tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: asked.append(type(self).__name__))
    experiment = tiny(training={"epochs": 1})
    train(experiment, dataset, tmp_path / "run", hardware=replace(QUIET, compile=True))
    assert asked == ["Wave"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": {"rate": 8000, "seconds": 2.0, "clip_seconds": 1.0}}, "clip_seconds"),
        ({"training": {"mixup": -1}}, "training.mixup"),
        ({"training": {"average": 1.0}}, "training.average"),
        ({"training": {"warmup": 1.5}}, "training.warmup"),
        ({"training": {"head_epochs": 1}}, "networks with branches"),
    ],
)
def test_bad_settings_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny("mel", **changes)


def test_a_model_says_how_its_spectrogram_is_normalised(dataset: Dataset, tmp_path: Path) -> None:
    mel = {"n_fft": 512, "hop": 200, "bands": 24, "normalise": "spectrogram"}
    train(tiny("mel", mel=mel, training={"epochs": 1}), dataset, tmp_path / "run", hardware=QUIET)
    model = load_checkpoint(tmp_path / "run").model
    (mels,) = model.front_end(torch.randn(2, 8000))
    torch.testing.assert_close(mels.mean((1, 2)), torch.zeros(2), atol=1e-4, rtol=0)
    assert mels.mean(2).abs().max() > 0.1  # bands keep their place
    saved = json.loads((tmp_path / "run" / "best.json").read_text())
    assert saved["experiment"]["mel"]["normalise"] == "spectrogram"


@pytest.mark.parametrize("choice", [SplitChoice(validate=False), SplitChoice("all")])
def test_a_settled_recipe_trains_without_validation_clips(
    choice: SplitChoice, tmp_path: Path
) -> None:
    data = prepare("demo:clips=40,seconds=2,rate=8000", choice, workers=0)
    settled = tiny(training={"epochs": 1, "select": "last"})
    about = train(settled, data, tmp_path / "run", hardware=QUIET)
    assert about["finished"]
    assert rows(tmp_path / "run")[0]["validation_loss"] == "nan"
    assert load_checkpoint(tmp_path / "run").classes == data.classes
    with pytest.raises(ConfigError, match=r"training\.select=last"):
        train(tiny(training={"epochs": 1}), data, tmp_path / "chosen", hardware=QUIET)
    assert not (tmp_path / "chosen").exists()
