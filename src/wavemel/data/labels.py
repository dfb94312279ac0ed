"""Labels as numbers: one class index a clip, or a row of zeros and ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def encode(
    labels: pd.Series, classes: tuple[str, ...], *, several: bool = False
) -> npt.NDArray[Any]:
    """Return labels as class indices (n,) int64, or where a clip has several as (n, K) of 0 and 1.

    Of several labels, those that are no class are left out.
    """
    index = {genre: i for i, genre in enumerate(classes)}
    if not several:
        return np.array(labels.map(index), dtype=np.int64)
    marked = np.zeros((len(labels), len(classes)), np.float32)
    for row, text in enumerate(labels):
        marked[row, [index[g] for g in text.split("|") if g in index]] = 1
    return marked
