"""What happens after each epoch: the history is written, the best weights are kept."""

from __future__ import annotations

import csv
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L

from wavemel.checkpoint import save_checkpoint
from wavemel.training.loader import ClipLoader
from wavemel.training.task import GenreTask

FIGURES = ("training_loss", "training_top1", "validation_loss", "validation_top1")
COLUMNS = ("epoch", *FIGURES, "learning_rate", "seconds", "data_wait_seconds")


class History(L.Callback):
    """Keeps the figures of every epoch and writes them to ``metrics.csv``, whole, after each.

    Its state goes into the checkpoint, so that a resumed run's file holds all epochs.
    """

    def __init__(self, folder: Path, loader: ClipLoader, say: bool) -> None:
        self.folder, self.loader, self.say = folder, loader, say
        self.rows: list[dict[str, Any]] = []
        self._start = time.monotonic()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the loader which epoch it is, and start the clock."""
        self.loader.epoch = trainer.current_epoch
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's row."""
        figures = {k: float(trainer.callback_metrics.get(k, math.nan)) for k in FIGURES}
        self.rows.append(
            {
                "epoch": trainer.current_epoch,
                **figures,
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "seconds": round(time.monotonic() - self._start, 3),
                "data_wait_seconds": round(self.loader.waited, 3),
            }
        )
        if not trainer.is_global_zero:
            return
        path = self.folder / "metrics.csv"
        part = path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(part, path)
        if self.say:
            print(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
                + ", ".join(
                    f"{k.replace('_', ' ')} {v:.3f}"
                    for k, v in figures.items()
                    # A loss that is no number is said: training has diverged.
                    if k in trainer.callback_metrics
                )
                + f" ({self.rows[-1]['seconds']:.0f} s)",
                file=sys.stderr,
                flush=True,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up an interrupted run's history."""
        self.rows = list(state_dict["rows"])


class KeepBest(L.Callback):
    """Writes ``best.safetensors`` whenever the chosen validation figure improves.

    With ``figure="last"`` it writes every epoch's weights over the one's before.
    """

    def __init__(
        self, folder: Path, classes: tuple[str, ...], figure: str, about: dict[str, Any]
    ) -> None:
        self.folder, self.classes, self.figure, self.about = folder, classes, figure, about
        self.best: float | None = None
        self.best_epoch: int | None = None
        # A loss is to be low, an accuracy high.
        self.sign = -1.0 if figure.endswith("loss") else 1.0

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are the best so far; the earlier epoch wins a tie."""
        if self.figure == "last":
            self.best_epoch = trainer.current_epoch
            self._save(trainer, pl_module, {})
            return
        value = float(trainer.callback_metrics.get(self.figure, math.nan))
        if math.isnan(float(trainer.callback_metrics.get("validation_loss", math.nan))):
            # Weights that are no numbers answer the first genre always, and are right at times.
            value = math.nan
        first = self.best is None or math.isnan(self.best)
        # A run whose loss is NaN from the start still leaves weights to look at.
        if not (first or self.sign * value > self.sign * (self.best or 0.0)):
            return
        if math.isnan(value) and not first:
            return
        self.best, self.best_epoch = value, trainer.current_epoch
        self._save(trainer, pl_module, {self.figure: value})

    def _save(
        self, trainer: L.Trainer, pl_module: L.LightningModule, figures: dict[str, float]
    ) -> None:
        if trainer.is_global_zero:
            assert isinstance(pl_module, GenreTask)
            save_checkpoint(
                self.folder / "best",
                pl_module.kept,
                pl_module.experiment,
                self.classes,
                {**self.about, "epoch": self.best_epoch, **figures},
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up an interrupted run's best."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
