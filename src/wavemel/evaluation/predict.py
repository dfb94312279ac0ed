"""A trained network's probabilities for whole tracks, window by window."""

from __future__ import annotations

from collections.abc import Iterator

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
    training would have used. What a frozen encoder makes of them is kept in the cache.

    Parameters
    ----------
    checkpoint : the model.
    rows : rows of a table, with path, artist and genre.
    device, precision : where and in which number format to compute.
    """
    keep_freed_memory()
    audio = checkpoint.experiment.audio
    settings = checkpoint.experiment.evaluation
    hop = audio.seconds * (1 - settings.overlap)
    check_device(device)
    model = checkpoint.model.to(device)
    several = checkpoint.experiment.labels == "genres"
    bf16 = resolve_precision(precision, device) == "bf16"
    embedder = model.front_end.embedder
    embedded = None
    if embedder is not None:
        embedded = track_embeddings(checkpoint.experiment, embedder, device)
    network = model if embedded is None else model.network

    def heard(path: str) -> Iterator[tuple[float, np.ndarray]]:
        if embedded is not None:
            yield from zip(*embedded(path), strict=True)
            return
        for window in windows(path, audio.rate, seconds=audio.seconds, hop=hop):
            yield window.start, window.samples

    def all_windows() -> Iterator[tuple[int, float, np.ndarray]]:
        for i, path in enumerate(track(rows["path"].tolist(), "evaluating")):
            for start, samples in heard(path):
                yield i, start, samples

    owners: list[int] = []
    starts: list[float] = []
    made: list[np.ndarray] = []
    batch: list[np.ndarray] = []

    def ask() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16),
        ):
            logits = network(torch.from_numpy(np.stack(batch)).to(device))
        # In float64: the rows of a softmax are to sum to 1 when they are read back.
        logits = logits.double()
        chances = torch.sigmoid(logits) if several else torch.softmax(logits, 1)
        made.append(chances.cpu().numpy())
        batch.clear()

    for owner, start, samples in all_windows():
        owners.append(owner)
        starts.append(start)
        batch.append(samples)
        if len(batch) == settings.batch_size:
            ask()
    if batch:
        ask()
    table = rows.iloc[owners][["path", "artist", checkpoint.experiment.labels]]
    table = table.reset_index(drop=True)
    table["start"] = starts
    probabilities = pd.DataFrame(
        np.concatenate(made), columns=[f"p_{name}" for name in checkpoint.classes]
    )
    return pd.concat([table, probabilities], axis=1)
