"""Whether the files that runs are asked about still hold what they held when the runs were trained."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from wavemel.audio.locate import content_hash
from wavemel.data.examine import examine
from wavemel.errors import DataError


def check_unchanged(asked: Mapping[Path, pd.DataFrame]) -> None:
    """Raise DataError where a file holds other sound than when a run was trained.

    Nobody knows then what its label is, nor whether training has heard it. Other tags are no other
    sound.

    Parameters
    ----------
    asked : run folder -> rows of its table (``path``, ``content`` and ``digest`` are read).
    """
    hashed, heard = functools.cache(content_hash), functools.cache(examine)
    for folder, rows in asked.items():
        known = rows[rows["content"].notna() & rows["digest"].notna()]
        facts = known[["path", "content", "digest"]].itertuples(index=False, name=None)
        for path, content, digest in facts:
            if hashed(path) != content and heard(path).digest != digest:
                raise DataError(
                    f"{path} holds other sound than when {folder} was trained, so figures would not be "
                    "of the clips that it names: put the file back, or evaluate with --data"
                )
