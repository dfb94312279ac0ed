"""A trained network's probabilities for whole tracks, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from wavemel.audio.load import windows
from wavemel.checkpoint import Checkpoint
from wavemel.progress import track
from wavemel.runtime import check_device, keep_freed_memory, resolve_precision
from wavemel.training.encoder import track_embeddings


def predict(
    checkpoint: Checkpoint, rows: pd.DataFrame, *, device: str = "cpu", precision: str = "auto"
) -> pd.DataFrame:
    """Return one row a window: path, artist, label, start in seconds, and a probability a class.

    The label is the column ``genre``, or ``genres`` for a model of several
    labels, whose probabilities are each genre's own and do not sum to 1.

    Windows are as long as what the network was trained on and overlap by
    ``evaluation.overlap``; the first one starts at 0 and is the clip that
    training would have used. Silent windows are asked about as all others are, and count in a
    track's figures, while `wavemel classify` gives them no vote. What a frozen encoder makes of them is kept in the cache.

    Parameters
    ----------
    checkpoint : the model.
    rows : rows of a table, with path, artist and genre.
    device, precision : where and in which number format to compute.
    """
    return predict_together([(checkpoint, rows)], device=device, precision=precision)[0]


def predict_together(
    asked: Sequence[tuple[Checkpoint, pd.DataFrame]],
    *,
    device: str = "cpu",
    precision: str = "auto",
    cache: bool = True,
) -> list[pd.DataFrame]:
    """Return what `predict` returns of each model, digit for digit, but decode each track once.

    Parameters
    ----------
    asked : models that hear the same windows, each with its rows, which are of the same paths in
        one order.
    device, precision : as in `predict`.
    cache : keep what a frozen encoder makes of windows, and take what is kept.
    """
    keep_freed_memory()
    check_device(device)
    checkpoint, rows = asked[0]
    audio = checkpoint.experiment.audio
    hop = audio.seconds * (1 - checkpoint.experiment.evaluation.overlap)
    embedder = checkpoint.model.front_end.embedder
    embedded = None
    if embedder is not None:
        embedded = track_embeddings(checkpoint.experiment, embedder, device, cache=cache)
    bf16 = resolve_precision(precision, device) == "bf16"
    models = [_Asked(model, device, bf16, embedded is not None) for model, _ in asked]

    def heard(path: str) -> Iterator[tuple[float, np.ndarray]]:
        if embedded is not None:
            yield from zip(*embedded(path), strict=True)
            return
        for window in windows(path, audio.rate, seconds=audio.seconds, hop=hop):
            yield window.start, window.samples

    owners: list[int] = []
    starts: list[float] = []
    for i, path in enumerate(track(rows["path"].tolist(), "evaluating")):
        for start, samples in heard(path):
            owners.append(i)
            starts.append(start)
            for model in models:
                model.hear(samples)
    return [
        _table(checkpoint, rows.iloc[owners], starts, model.probabilities())
        for model, (checkpoint, rows) in zip(models, asked, strict=True)
    ]


class _Asked:
    """One model that is asked window by window, and answers batch by batch."""

    def __init__(self, checkpoint: Checkpoint, device: str, bf16: bool, embedded: bool) -> None:
        model = checkpoint.model.to(device)
        self.network = model.network if embedded else model
        self.several = checkpoint.experiment.labels == "genres"
        self.size = checkpoint.experiment.evaluation.batch_size
        self.device, self.bf16 = device, bf16
        self.batch: list[np.ndarray] = []
        self.made: list[np.ndarray] = []

    def hear(self, samples: np.ndarray) -> None:
        """Take one window, or what an encoder made of it."""
        self.batch.append(samples)
        if len(self.batch) == self.size:
            self._ask()

    def probabilities(self) -> np.ndarray:
        """Return those of all windows, (windows, classes)."""
        if self.batch:
            self._ask()
        return np.concatenate(self.made)

    def _ask(self) -> None:
        with (
            torch.inference_mode(),
            torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16),
        ):
            logits = self.network(torch.from_numpy(np.stack(self.batch)).to(self.device))
        # In float64: the rows of a softmax are to sum to 1 when they are read back.
        logits = logits.double()
        chances = torch.sigmoid(logits) if self.several else torch.softmax(logits, 1)
        self.made.append(chances.cpu().numpy())
        self.batch.clear()


def _table(
    checkpoint: Checkpoint, rows: pd.DataFrame, starts: list[float], probabilities: np.ndarray
) -> pd.DataFrame:
    """Return the rows of all windows as a table."""
    table = rows[["path", "artist", checkpoint.experiment.labels]].reset_index(drop=True)
    table["start"] = starts
    columns = [f"p_{name}" for name in checkpoint.classes]
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns)], axis=1)
