"""Training runs: their folder, resuming bit for bit, early stopping, branches, what is refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_runs import (
    QUIET,
    StopInTheMiddle,
    rows,
    tiny,
    tiny_dataset,
    weights,
)

from wavemel.checkpoint import load_checkpoint
from wavemel.errors import ConfigError, ModelError
from wavemel.evaluation.runs import evaluate_run
from wavemel.experiment import Experiment, make_experiment
from wavemel.networks.wave import WaveConfig
from wavemel.training.dataset import Dataset
from wavemel.training.folder import changed_settings, check_branches, is_run, open_folder
from wavemel.training.run import train
from wavemel.training.trainer import Hardware


@pytest.fixture
def dataset() -> Dataset:
    return tiny_dataset()


@pytest.mark.parametrize("network", ["wave", "combined"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    network: str, dataset: Dataset, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tiny(network), dataset, whole, hardware=QUIET)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(network), dataset, parts, hardware=QUIET, callbacks=(StopInTheMiddle(2),))
    assert json.loads((parts / "run.json").read_text())["finished"] is False
    assert len(rows(parts)) == 2
    about = train(tiny(network), dataset, parts, resume=True, hardware=QUIET)
    assert about["finished"]
    assert about["epochs"] == 4
    one, other = weights(whole), weights(parts)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)
    best, again = load_file(whole / "best.safetensors"), load_file(parts / "best.safetensors")
    assert all(torch.equal(best[k], again[k]) for k in best)
    assert rows(whole) == rows(parts)


def test_a_run_whose_description_left_options_to_defaults_is_the_same_run(
    dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    short = tiny(training={"epochs": 1})
    train(short, dataset, run, hardware=QUIET)
    # As earlier versions wrote it.
    (run / "experiment.yaml").write_text(json.dumps(short.as_dict()))
    said = replace(short, network={**short.network, "dropout": WaveConfig.dropout})
    noise = {"snr_db": [10, 40], "probability": 0.5}
    said = replace(said, augment={**short.augment, "noise": noise})
    for experiment in (short, said):
        assert changed_settings(run, experiment) == []
    other = replace(short, network={**short.network, "dropout": 0.25})
    assert changed_settings(run, other) == ["network.dropout"]
    more = replace(said, training=replace(said.training, epochs=2))
    assert train(more, dataset, run, resume=True, hardware=QUIET)["epochs"] == 2


def test_chance_matters_at_all(dataset: Dataset, tmp_path: Path) -> None:
    """The test above could pass if nothing were random: another seed must end elsewhere."""
    train(tiny(training={"epochs": 1}), dataset, tmp_path / "a", hardware=QUIET)
    train(tiny(training={"epochs": 1}, seed=1), dataset, tmp_path / "b", hardware=QUIET)
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert not all(torch.equal(a[k], b[k]) for k in a)


def test_the_run_folder_describes_itself(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    hardware = Hardware(accelerator="cpu", devices=1, progress=False)
    train(tiny(training={"epochs": 2}), dataset, folder, hardware=hardware)
    about = json.loads((folder / "run.json").read_text())
    assert about["classes"] == sorted(dataset.classes)
    assert about["data"]["hash"] == dataset.hash
    assert about["data"]["synthetic"] is True
    assert about["data"]["counts"]["training"]
    assert "two sides" in about["data"]["leak"]
    assert about["machine"]["versions"]["torch"] == torch.__version__
    assert about["seconds"] > 0
    assert about["epochs"] == 2
    experiment = yaml.safe_load((folder / "experiment.yaml").read_text())
    assert experiment["training"]["learning_rate"] == 1e-3
    # Nothing is left to defaults, which a later version may change.
    assert experiment["network"]["dropout"] == WaveConfig.dropout
    assert experiment["augment"]["noise"] == {"probability": 0.5, "snr_db": [10, 40]}
    assert load_checkpoint(folder).experiment == make_experiment(experiment, "it")
    assert [int(r["epoch"]) for r in rows(folder)] == [0, 1]
    assert list((folder / "tensorboard").glob("events*"))
    assert not list(folder.glob("*.part"))
    best = json.loads((folder / "best.json").read_text())
    assert best["classes"] == about["classes"]
    losses = [float(r["validation_loss"]) for r in rows(folder)]
    assert best["about"]["epoch"] == int(np.argmin(losses))


def test_best_weights_give_the_figures_that_were_logged(dataset: Dataset, tmp_path: Path) -> None:
    about = train(tiny("mel"), dataset, tmp_path / "run", hardware=QUIET)
    checkpoint = load_checkpoint(tmp_path / "run", expect=dataset.classes)
    from wavemel.training.dataset import stores

    _, store = stores(dataset, checkpoint.experiment)
    targets = torch.tensor(dataset.targets(dataset.part("validation")))
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(store.batch(np.arange(len(store)))))
    loss = torch.nn.functional.cross_entropy(logits, targets).item()
    assert loss == pytest.approx(about["validation_loss"], rel=1e-4)


def test_the_last_weights_are_kept_where_those_are_asked_for(
    dataset: Dataset, tmp_path: Path
) -> None:
    about = train(tiny(training={"epochs": 3, "select": "last"}), dataset, tmp_path, hardware=QUIET)
    assert about["best_epoch"] == 2
    kept, last = load_file(tmp_path / "best.safetensors"), weights(tmp_path)
    assert all(torch.equal(kept[k], last[f"model.{k}"]) for k in kept)


def test_it_learns(dataset: Dataset, tmp_path: Path) -> None:
    experiment = tiny("mel", training={"epochs": 25, "learning_rate": 1e-2}, augment={})
    train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    figures = rows(tmp_path / "run")
    assert float(figures[-1]["training_loss"]) < 0.7 * float(figures[0]["training_loss"])
    # Eight classes: chance is .125. One epoch alone swings widely, and differently on each processor.
    assert np.mean([float(row["training_top1"]) for row in figures[-8:]]) > 0.35


def test_cached_and_uncached_clips_train_alike(dataset: Dataset, tmp_path: Path) -> None:
    for name, cache in (("cached", True), ("decoded", False)):
        train(tiny(training={"epochs": 1}), dataset, tmp_path / name, cache=cache, hardware=QUIET)
    a, b = (float(rows(tmp_path / n)[0]["training_loss"]) for n in ("cached", "decoded"))
    # Not equal: the cache rounds to 16 bits.
    assert a == pytest.approx(b, rel=1e-2)


def test_early_stopping(dataset: Dataset, tmp_path: Path) -> None:
    experiment = tiny("mel", training={"epochs": 50, "patience": 2, "learning_rate": 0.0})
    about = train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    assert about["finished"]
    assert about["epochs"] < 10


def test_combined_starts_from_trained_branches(dataset: Dataset, tmp_path: Path) -> None:
    for network in ("wave", "mel"):
        train(tiny(network, training={"epochs": 1}), dataset, tmp_path / network, hardware=QUIET)
    initial = {"wave": str(tmp_path / "wave"), "mel": str(tmp_path / "mel")}
    training = {"epochs": 1, "initial": initial}
    experiment = tiny("combined", options={"frozen": True}, training=training)
    train(experiment, dataset, tmp_path / "both", hardware=QUIET)
    both = load_file(tmp_path / "both" / "best.safetensors")
    wave = load_file(tmp_path / "wave" / "best.safetensors")
    shared = [k for k in wave if ".blocks." in k]
    assert shared
    for key in shared:
        assert torch.equal(both[key.replace("network.", "network.wave.")], wave[key])
    wrong = tiny("combined", training={"initial": {"wave": str(tmp_path / "mel")}})
    with pytest.raises(ModelError, match="is not a trained 'wave'"):
        train(wrong, dataset, tmp_path / "wrong", hardware=QUIET)
    lost = tiny("combined", training={"initial": {"wave": "wave-res"}})
    with pytest.raises(
        ModelError,
        match=r"training\.initial\.wave names: .*missing; train a 'wave' first.*wave=RUN",
    ):
        train(lost, dataset, tmp_path / "lost", hardware=QUIET)
    assert not (tmp_path / "lost").exists()
    with pytest.raises(ConfigError, match="branch 'mel'"):
        tiny("wave", training={"initial": {"mel": str(tmp_path / "mel")}})


def test_a_branch_that_has_heard_the_test_clips_is_refused(
    dataset: Dataset, tmp_path: Path
) -> None:
    table = dataset.table
    training = table.assign(split="training")
    for name, clips in (
        ("all", training),
        ("other", table.assign(split=table["split"].map(_TURNED))),
    ):
        heard = replace(dataset, table=clips)
        alone = tiny("mel", training={"epochs": 1, "select": "last"})
        train(alone, heard, tmp_path / name, hardware=QUIET)
        experiment = tiny("combined", training={"initial": {"mel": str(tmp_path / name)}})
        with pytest.raises(ModelError, match="has learnt from what this run holds out"):
            train(experiment, dataset, tmp_path / "both", hardware=QUIET)
    (tmp_path / "other" / "table.csv").unlink()
    with pytest.raises(ModelError, match="does not say which clips it has learnt from"):
        train(experiment, dataset, tmp_path / "both", hardware=QUIET)
    assert not (tmp_path / "both").exists()


#: Another split of the same clips.
_TURNED = {"training": "test", "test": "validation", "validation": "training"}


def test_a_branch_that_has_changed_since_is_noticed(dataset: Dataset, tmp_path: Path) -> None:
    def once(network: str, epochs: int = 1, **changes) -> Experiment:
        training = {"epochs": epochs, "select": "last", **changes}
        return tiny(network, training=training, augment={})

    wave, both = tmp_path / "wave", tmp_path / "both"
    train(once("wave"), dataset, wave, hardware=QUIET)
    fusion = once("combined", 2, initial={"wave": str(wave)})
    stop = StopInTheMiddle(epoch=1)
    with pytest.raises(KeyboardInterrupt):
        train(fusion, dataset, both, hardware=QUIET, callbacks=(stop,))
    train(once("wave", 2), dataset, wave, resume=True, hardware=QUIET)
    with pytest.raises(ModelError, match=r"both started from .*wave, which has been trained on"):
        train(fusion, dataset, both, resume=True, hardware=QUIET)
    # Where no epoch was kept, it starts from what the branch is now.
    (both / "last.ckpt").unlink()
    assert train(fusion, dataset, both, resume=True, hardware=QUIET)["finished"]
    check_branches(both, fusion)
    shutil.copy(both / "best.safetensors", wave / "best.safetensors")
    with pytest.raises(ModelError, match="started from"):
        check_branches(both, fusion)
    shutil.rmtree(wave)
    check_branches(both, fusion)


def test_balanced_class_weights(dataset: Dataset, tmp_path: Path) -> None:
    from wavemel.training.run import _class_weights

    found = _class_weights("balanced", dataset, dataset.part("training"))
    counts = dataset.part("training")["genre"].value_counts().sort_index().to_numpy()
    assert found is not None
    np.testing.assert_allclose(found.numpy() * counts, counts.sum() / len(counts), rtol=1e-6)
    experiment = tiny(training={"epochs": 1, "class_weights": "balanced"})
    assert train(experiment, dataset, tmp_path / "run", hardware=QUIET)["finished"]


class Killed(BaseException):
    """The end of a process, which nothing catches."""


@pytest.mark.parametrize("writes", range(7))
def test_a_folder_whose_making_was_cut_short_is_taken_up(
    writes: int, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed at its Nth write; the last two are experiment.yaml's."""
    left = iter(range(writes))

    def mortal(write):
        def do(target, *rest, **options):
            if next(left, None) is None:
                raise Killed
            return write(target, *rest, **options)

        return do

    run, files = tmp_path / "run", {"run.json", "table.csv", "left_out.csv", "experiment.yaml"}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", mortal(Path.write_text))
        patch.setattr(os, "replace", mortal(os.replace))
        patch.setattr(pd.DataFrame, "to_csv", mortal(pd.DataFrame.to_csv))
        with pytest.raises(Killed):
            open_folder(run, tiny(), dataset, resume=False)
    assert not is_run(run)
    # By another description, for nothing was trained by the first.
    assert open_folder(run, tiny(seed=3), dataset, resume=writes % 2 == 0) is None
    assert {file.name for file in run.iterdir()} == files
    assert json.loads((run / "run.json").read_text())["seed"] == 3
    assert changed_settings(run, tiny(seed=3)) == []
    with pytest.raises(ModelError, match="already holds a run"):
        open_folder(run, tiny(seed=3), dataset, resume=False)


@pytest.mark.parametrize("theirs", ["table.csv", "experiment.yaml", "notes.part", "last.ckpt"])
def test_nothing_of_others_is_taken_for_a_folder_that_was_cut_short(
    theirs: str, dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / theirs).write_text("mine")
    for resume in (False, True):
        with pytest.raises(ModelError, match="is not empty and holds no run"):
            open_folder(tmp_path, tiny(), dataset, resume=resume)
    assert (tmp_path / theirs).read_text() == "mine"


def test_what_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny(training={"epochs": 1}), dataset, folder, hardware=QUIET)
    with pytest.raises(ModelError, match="already holds a run"):
        train(tiny(), dataset, folder, hardware=QUIET)
    with pytest.raises(ModelError, match=r"another .*seed"):
        train(tiny(seed=5), dataset, folder, resume=True, hardware=QUIET)
    with pytest.raises(ModelError, match=r"another .*network"):
        train(tiny("mel"), dataset, folder, resume=True, hardware=QUIET)
    other = Dataset(dataset.corpus, dataset.table.iloc[1:], dataset.left_out, dataset.split)
    with pytest.raises(ModelError, match="other data"):
        train(tiny(), other, folder, resume=True, hardware=QUIET)
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("dear")
    with pytest.raises(ModelError, match="not empty"):
        train(tiny(), dataset, full, hardware=QUIET)
    for asked, sentence in (
        ({"loggers": ("abacus",)}, "no logger"),
        ({"accelerator": "abacus"}, "accelerator 'abacus' .* cannot be used"),
        ({"accelerator": "cpu", "devices": 0}, "devices 0 cannot be used"),
        ({"accelerator": "cpu", "devices": "two"}, "devices 'two' cannot be used"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            train(tiny(), dataset, tmp_path / "l", hardware=Hardware(progress=False, **asked))
    # Nothing half-made is left behind.
    assert not (tmp_path / "l").exists()


def test_other_settings_cannot_be_slipped_in_by_resuming(dataset: Dataset, tmp_path: Path) -> None:
    train(tiny(training={"epochs": 1}), dataset, tmp_path / "run", hardware=QUIET)
    changed = tiny(training={"epochs": 2, "learning_rate": 0.5})
    with pytest.raises(ModelError, match=r"another training\.learning_rate"):
        train(changed, dataset, tmp_path / "run", resume=True, hardware=QUIET)


def test_a_branchs_run_is_known_by_another_path_and_where_it_was_moved(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "rep one" / "runs", tmp_path / "new" / "runs"

    def fusion(run: Path | str) -> Experiment:
        return tiny("combined", training={"initial": {"wave": str(run)}})

    def run_of(folder: Path, seconds: int) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"seconds": seconds}))

    monkeypatch.chdir(tmp_path)
    open_folder(old / "both", fusion("rep one/runs/wave"), dataset, resume=False)
    run_of(old / "wave", 1)
    for same in (old / "wave", "./rep one/runs/wave", "rep one/../rep one/runs/wave"):
        assert changed_settings(old / "both", fusion(same)) == []
    shutil.copytree(old, new)
    assert changed_settings(new / "both", fusion(new / "wave")) == []
    # The run of that name that was started from is still there, and another one.
    run_of(old / "wave", 2)
    changed = ["training.initial.wave"]
    assert changed_settings(new / "both", fusion(new / "wave")) == changed
    shutil.rmtree(old)
    assert changed_settings(new / "both", fusion(new / "wave")) == []
    for other in (new / "wave-seed1", tmp_path / "runs" / "wave", "wave"):
        assert changed_settings(new / "both", fusion(other)) == changed
    assert changed_settings(new / "both", tiny("combined")) == changed


def test_figures_of_weights_that_have_changed_are_forgotten(
    dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(tiny("mel", training={"epochs": 1, "select": "last"}), dataset, run, hardware=QUIET)
    before = evaluate_run(run)
    more = tiny("mel", training={"epochs": 3, "select": "last"})
    train(more, dataset, run, resume=True, hardware=QUIET)
    after = evaluate_run(run)
    assert after["log_loss"] != before["log_loss"]
    # Figures without the predictions that they are of are made again, with them.
    (run / "predictions-test.csv").unlink()
    assert evaluate_run(run) == after
    assert (run / "predictions-test.csv").is_file()
    assert after == evaluate_run(run, again=True)
    assert yaml.safe_load((run / "experiment.yaml").read_text())["training"]["epochs"] == 3


def test_intervals_that_an_earlier_version_kept_are_made_anew(
    dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(tiny(), dataset, run, hardware=QUIET)
    found = evaluate_run(run)
    kept = run / "evaluation-test.json"
    told = json.loads(kept.read_text())
    del told["one_group"]
    kept.write_text(json.dumps({**told, "macro_f1_ci95": [0.0, 0.0]}))
    # From the predictions beside them: the network is not asked again.
    (run / "table.csv").unlink()
    assert evaluate_run(run) == found
    assert json.loads(kept.read_text())["macro_f1_ci95"] == [0.0, 0.0]


def test_figures_asked_for_during_training_are_not_those_of_its_end(
    dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    early = []

    class Impatient(L.Callback):
        def on_train_epoch_end(self, trainer, *_) -> None:
            if trainer.current_epoch == 2:
                early.append(evaluate_run(run)["log_loss"])

    train(
        tiny("mel", training={"epochs": 4, "select": "last"}), dataset, run, hardware=QUIET,
        callbacks=(Impatient(),),
    )  # fmt: skip
    final = evaluate_run(run)
    assert final["log_loss"] not in early
    assert final == evaluate_run(run, again=True)


def test_more_epochs_can_be_added_and_none_taken_away(dataset: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(tiny(training={"epochs": 1}), dataset, run, hardware=QUIET)
    more = tiny(training={"epochs": 2})
    # Killed after it has begun: it is not finished for what it trained before.
    open_folder(run, more, dataset, resume=True)
    assert json.loads((run / "run.json").read_text())["finished"] is False
    about = train(more, dataset, run, resume=True, hardware=QUIET)
    assert about["finished"]
    assert about["epochs"] == 2
    with pytest.raises(ModelError, match=r"another training\.epochs"):
        train(tiny(training={"epochs": 1}), dataset, run, resume=True, hardware=QUIET)
    # The rate rises over a share of all epochs, so that more of them would be another rate.
    warm = tmp_path / "warm"
    train(tiny(training={"epochs": 1, "warmup": 0.1}), dataset, warm, hardware=QUIET)
    with pytest.raises(ModelError, match=r"another training\.epochs"):
        train(tiny(training={"epochs": 2, "warmup": 0.1}), dataset, warm, resume=True)
