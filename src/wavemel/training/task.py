"""The training step: what is computed on a batch, with which optimiser."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from wavemel.experiment import Experiment
from wavemel.features.augment import make_augmentations
from wavemel.networks.model import GenreModel, build_model
from wavemel.training.loader import Batch
from wavemel.training.seeds import derive


class GenreTask(L.LightningModule):
    """A model, its loss and its optimiser.

    Parameters
    ----------
    experiment : what to train and how.
    classes : number of genres.
    class_weights : weight of each genre in the loss, (classes,), or None.
    """

    def __init__(
        self, experiment: Experiment, classes: int, class_weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.experiment = experiment
        torch.manual_seed(derive(experiment.seed, "weights"))
        self.model: GenreModel = build_model(experiment, classes)
        self.augmentations, _ = make_augmentations(experiment.augment)
        self.register_buffer("class_weights", class_weights, persistent=False)

    def on_train_epoch_start(self) -> None:
        """Start each epoch's chance (dropout) from (seed, epoch, rank) alone."""
        torch.manual_seed(
            derive(self.experiment.seed, "epoch", self.current_epoch, self.global_rank)
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch of waveforms, augmented."""
        waveforms, targets = batch
        chance = torch.Generator().manual_seed(
            derive(self.experiment.seed, "noise", self.current_epoch, batch_idx, self.global_rank)
        )
        for augmentation in self.augmentations:
            waveforms = augmentation(waveforms, chance)
        logits = self.model(waveforms)
        loss = self.loss(
            logits,
            targets,
            self.class_weights,  # type: ignore[arg-type]
            self.experiment.training.label_smoothing,
        )
        self._log("training", loss, logits, targets)
        return loss

    def loss(
        self,
        logits: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return cross-entropy for targets (B,), binary cross-entropy for targets (B, K)."""
        if self.experiment.labels == "genre":
            return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
        smooth = targets * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weights)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the plain cross-entropy and top-1 accuracy of one batch."""
        waveforms, targets = batch
        logits = self.model(waveforms)
        self._log("validation", self.loss(logits, targets), logits, targets)

    def _log(self, stage: str, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        best = logits.argmax(1)
        # With several labels: how often the first answer is one of them.
        right = best == targets if targets.ndim == 1 else targets.gather(1, best[:, None]) > 0
        top1 = right.float().mean()
        self.log_dict(
            {f"{stage}_loss": loss.detach(), f"{stage}_top1": top1},
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=len(targets),
            sync_dist=True,
        )

    def configure_optimizers(self) -> Any:
        """Return the optimiser that the experiment names."""
        t = self.experiment.training
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        # One fused pass over each parameter: the dense head of `combined` has 169 million.
        return kinds[t.optimiser](
            parameters, lr=t.learning_rate, weight_decay=t.weight_decay, fused=True
        )
