"""Losses that are no numbers: which epoch is kept, and what is said."""

from pathlib import Path
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from tiny_runs import QUIET, tiny, tiny_dataset

from wavemel.errors import ModelError
from wavemel.evaluation.runs import evaluate_run
from wavemel.training.callbacks import KeepBest
from wavemel.training.run import train


def test_a_first_epoch_without_a_number_does_not_keep_later_ones_out(tmp_path: Path) -> None:
    keeper = KeepBest(tmp_path, ("a", "b"), "validation_loss", {})
    kept = []
    keeper._save = lambda *_: kept.append(keeper.best)  # type: ignore[method-assign]
    for epoch, value in enumerate([float("nan"), 2.0, float("nan"), 1.0, 1.5]):
        trainer = SimpleNamespace(callback_metrics={"validation_loss": value}, current_epoch=epoch)
        keeper.on_train_epoch_end(trainer, None)
    assert kept[1:] == [2.0, 1.0]
    assert keeper.best_epoch == 3


def test_weights_that_are_no_numbers_are_never_the_best(tmp_path: Path) -> None:
    keeper = KeepBest(tmp_path, ("a", "b"), "validation_top1", {})
    kept = []
    keeper._save = lambda *_: kept.append(keeper.best_epoch)  # type: ignore[method-assign]
    # As they answer the first genre always, they are right where most clips are of it.
    for epoch, (loss, top1) in enumerate([(1.0, 0.4), (float("nan"), 0.6), (0.9, 0.5)]):
        metrics = {"validation_loss": loss, "validation_top1": top1}
        trainer = SimpleNamespace(callback_metrics=metrics, current_epoch=epoch)
        keeper.on_train_epoch_end(trainer, None)
    assert kept == [0, 2]


def test_training_that_diverges_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Diverge(L.Callback):
        def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            with torch.no_grad():
                next(pl_module.parameters()).fill_(float("nan"))

    training = {"epochs": 1, "select": "last"}
    run = tmp_path / "run"
    train(tiny(training=training), tiny_dataset(), run, hardware=QUIET, callbacks=(Diverge(),))
    assert "training loss nan" in capsys.readouterr().err
    with pytest.raises(ModelError, match=r"run/best.*no numbers: training has diverged"):
        evaluate_run(run)
