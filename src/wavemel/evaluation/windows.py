"""From predictions by window to one a track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.errors import DataError

FloatArray = npt.NDArray[np.float64]


def average_windows(
    track_ids: Sequence[object] | npt.ArrayLike,
    probabilities: npt.ArrayLike,
    how: Literal["mean", "geometric"] = "mean",
) -> tuple[npt.NDArray[np.object_], FloatArray]:
    """Return one row of probabilities a track, tracks in order of first appearance.

    Parameters
    ----------
    track_ids : (n,), which track each window is of.
    probabilities : (n, K).
    how : ``"mean"`` of the probabilities, or ``"geometric"``: the mean of
        their logarithms, scaled to sum to 1, in which one window that is sure
        against a class weighs more.

    Returns
    -------
    ids : (tracks,)
    probabilities : (tracks, K)

    Raises
    ------
    DataError
        Lengths differ, or there are no windows.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    ids = np.asarray(track_ids, dtype=object)
    if p.ndim != 2 or ids.shape != p.shape[:1] or not len(ids):
        raise DataError(f"{ids.shape} track ids do not fit probabilities of shape {p.shape}")
    if how not in ("mean", "geometric"):
        raise ValueError(f"how must be 'mean' or 'geometric', not {how!r}")
    numbers, tracks = pd.factorize(ids, use_na_sentinel=False)
    # A probability of 0 is kept above float64's least, or one window could forbid every class.
    values = p if how == "mean" else np.log(np.maximum(p, np.finfo(np.float64).tiny))
    sums = np.zeros((len(tracks), p.shape[1]))
    np.add.at(sums, numbers, values)
    means = sums / np.bincount(numbers)[:, None]
    if how == "geometric":
        means = np.exp(means - means.max(1, keepdims=True))
        means /= means.sum(1, keepdims=True)
    return np.asarray(tracks, dtype=object), means
