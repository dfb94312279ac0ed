"""Predictions of whole tracks by window whose miscalibration is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

CLASSES = ("classical", "electronic", "pop", "rock")


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def predictions(
    tracks: int,
    *,
    sharpness: float = 1.0,
    bias: tuple[float, ...] = (0, 0, 0, 0),
    windows: int = 1,
    noise: float = 0.0,
    artists: int | None = None,
    seed: int = 0,
    name: str = "t",
) -> pd.DataFrame:
    """Return predictions of a network whose honest logits were multiplied by ``sharpness``.

    The truth is drawn from the honest answer: the mean over windows of the
    softmax of their logits, which vary by ``noise`` about the track's.
    """
    rng = np.random.default_rng(seed)
    k = len(CLASSES)
    logits = rng.normal(0, 1.5, (tracks, 1, k)) + noise * rng.normal(size=(tracks, windows, k))
    honest = softmax(logits.reshape(-1, k)).reshape(tracks, windows, k).mean(1)
    truth = (honest.cumsum(1) < rng.random((tracks, 1))).sum(1).clip(max=k - 1)
    stated = softmax((sharpness * logits + np.asarray(bias)).reshape(-1, k))
    owner = np.repeat(np.arange(tracks), windows)
    table = pd.DataFrame(
        {
            "path": [f"{name}{i:05}.wav" for i in owner],
            "artist": [f"a{i % (artists or tracks)}" for i in owner],
            "genre": [CLASSES[i] for i in truth[owner]],
            "start": np.tile(np.arange(windows) * 0.5, tracks),
        }
    )
    table[[f"p_{c}" for c in CLASSES]] = stated
    return table
