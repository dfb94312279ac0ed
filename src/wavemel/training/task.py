"""The training step: what is computed on a batch, with which optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from wavemel.experiment import Experiment
from wavemel.features.augment import make_augmentations
from wavemel.networks.model import GenreModel, build_model
from wavemel.training.loader import Batch
from wavemel.training.mixing import mixup
from wavemel.training.seeds import derive, generator

#: As `torch.optim.swa_utils` gives a model's parameters.
Tensors = tuple[Tensor, ...] | list[Tensor]


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
        self.experiment, self.classes = experiment, classes
        torch.manual_seed(derive(experiment.seed, "weights"))
        self.model: GenreModel = build_model(experiment, classes)
        #: Batches hold what a frozen encoder made of the waveforms.
        self.embedded = self.model.front_end.embedder is not None
        self.augmentations = make_augmentations(experiment.augment)
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.average: AveragedModel | None = None
        decay = experiment.training.average
        if decay is not None:
            # Batch norm's statistics are averaged too: those of the raw weights would not fit.
            self.average = AveragedModel(
                self.model, multi_avg_fn=warming_average(decay), use_buffers=True
            ).requires_grad_(False)

    @property
    def kept(self) -> GenreModel:
        """The model that is validated and saved: the averaged weights, where there are some."""
        if self.average is None:
            return self.model
        averaged: GenreModel = self.average.module  # type: ignore[assignment]
        return averaged

    def on_train_epoch_start(self) -> None:
        """Start each epoch's chance (dropout) from (seed, epoch, rank) alone."""
        torch.manual_seed(
            derive(self.experiment.seed, "epoch", self.current_epoch, self.global_rank)
        )
        alone = self.current_epoch < self.experiment.training.head_epochs
        for branch in self._branches():
            branch.requires_grad_(not alone)
            # Batch norm's statistics stay those that the branch was trained with.
            branch.train(not alone)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch of waveforms, augmented, or of embeddings as they are."""
        waveforms, targets = batch
        settings = self.experiment.training
        where = (self.current_epoch, batch_idx, self.global_rank)
        inputs = (
            (waveforms,)
            if self.embedded
            else self._augmented(waveforms, derive(self.experiment.seed, "noise", *where))
        )
        learnt = targets
        if settings.mixup:
            if learnt.ndim == 1:
                learnt = F.one_hot(targets, self.classes).float()
            rng = generator(self.experiment.seed, "mixup", *where)
            inputs, learnt = mixup(inputs, learnt, settings.mixup, rng)
        logits = self.model.network(*inputs).float()
        loss = self.loss(
            logits,
            learnt,
            self.class_weights,  # type: ignore[arg-type]
            settings.label_smoothing,
        )
        self._log("training", loss, logits, targets)
        return loss

    def _augmented(self, waveforms: Tensor, seed: int) -> tuple[Tensor, ...]:
        """Return the network's inputs for a batch, changed in the config's order."""
        chance = torch.Generator().manual_seed(seed)
        for change in self.augmentations.waveform:
            waveforms = change(waveforms, chance)
        # Some changes are given more samples than they return, and not all of them are drawn.
        inputs = self.model.front_end(waveforms[:, : self.experiment.audio.samples])
        made = []
        for name, x in zip(self.model.front_end.inputs, inputs, strict=True):
            if name == "mel":
                for masked in self.augmentations.spectrogram:
                    x = masked(x, chance)
            made.append(x)
        return tuple(made)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Take the step's weights into the average."""
        if self.average is not None:
            self.average.update_parameters(self.model)

    def _branches(self) -> list[nn.Module]:
        """Return the parts of the network that start from other runs' weights, unless it froze them."""
        if self.experiment.network.get("frozen"):
            return []
        network = self.model.network
        return [getattr(network, name) for name in getattr(network, "branches", {})]

    def loss(
        self,
        logits: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return cross-entropy of classes (B,) or their probabilities (B, K); binary for several labels."""
        if self.experiment.labels == "genre":
            return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
        smooth = targets * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weights)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the plain cross-entropy and top-1 accuracy of one batch."""
        waveforms, targets = batch
        logits = self.kept.network(waveforms).float() if self.embedded else self.kept(waveforms)
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
            # Lightning divides by the mean of the processes' counts, and rounds it where it is whole.
            batch_size=float(len(targets)),  # type: ignore[arg-type]
            sync_dist=True,
        )

    def configure_optimizers(self) -> Any:
        """Return the optimiser that the experiment names."""
        t = self.experiment.training
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": parameters}]
        if t.branch_rate != 1:
            low = {id(p) for branch in self._branches() for p in branch.parameters()}
            groups = [
                {"params": [p for p in parameters if id(p) not in low]},
                {
                    "params": [p for p in parameters if id(p) in low],
                    "lr": t.learning_rate * t.branch_rate,
                },
            ]
        # One fused pass over each parameter: the dense head of `combined` has 169 million.
        optimiser = kinds[t.optimiser](
            groups, lr=t.learning_rate, weight_decay=t.weight_decay, fused=True
        )
        if t.schedule == "constant" and not t.warmup:
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rate_at(step, steps, t.warmup, t.schedule == "cosine")
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def warming_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return how an exponential moving average takes a step's weights in, short-sighted at first.

    After n steps the average keeps ``min(decay, (1 + n) / (10 + n))`` of itself, as in TensorFlow's
    ``ExponentialMovingAverage``: with ``decay`` alone it would still hold the random weights of the
    beginning after many epochs of a small data set.
    """

    @torch.no_grad()
    def take_in(averaged: Tensors, current: Tensors, taken: Tensor | int) -> None:
        kept = min(decay, (1 + int(taken)) / (10 + int(taken)))
        for mean, new in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(new, 1 - kept)
            else:
                mean.copy_(new)  # batch norm's count of batches

    return take_in


def rate_at(step: int, steps: int, warmup: float, cosine: bool) -> float:
    """Return what the learning rate is multiplied by in one step of ``steps``."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    if not cosine:
        return 1.0
    done = (step - rising) / max(1, steps - rising)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
