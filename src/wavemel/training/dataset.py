"""A data set ready for training: scanned, split, checked for leaks; and the stores of its clips."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wavemel.data.cache import ClipSpec, DecodingStore, cached_store
from wavemel.data.labels import encode
from wavemel.data.scan import left_out, scan, usable
from wavemel.data.sources import open_corpus
from wavemel.data.splits import SplitChoice, leak_check, make_split
from wavemel.data.table import SPLITS, Corpus, table_hash
from wavemel.errors import DataError
from wavemel.experiment import Experiment
from wavemel.features.augment import ClipAugmentation, make_augmentations
from wavemel.training.loader import Store
from wavemel.training.seeds import generator


@dataclass(frozen=True)
class Dataset:
    """What training and evaluation read, and what a report must say about it.

    ``labels`` is the column that holds them: ``genre`` (one a clip) or
    ``genres`` (several, joined by "|").
    """

    corpus: Corpus
    table: pd.DataFrame
    left_out: pd.DataFrame
    split: str
    labels: str = "genre"

    @property
    def classes(self) -> tuple[str, ...]:
        """Genres in the order of the network's outputs."""
        if self.labels == "genres":
            # A genre that training never shows cannot be learnt, and its figures would be noise.
            shown = self.part("training")["genres"].str.split("|")
            return tuple(sorted({genre for several in shown for genre in several}))
        return tuple(sorted(self.table["genre"].unique()))

    @property
    def hash(self) -> str:
        """Hash of audio, labels and split."""
        return table_hash(self.table, self.labels)

    def part(self, split: str) -> pd.DataFrame:
        """Return the clips of one split."""
        return self.table[self.table["split"] == split]

    def targets(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the class index of each row, (n,) int64, or for several labels (n, K) float32."""
        return encode(rows[self.labels], self.classes, several=self.labels == "genres")

    def about(self) -> dict[str, Any]:
        """Return what run files and reports say of the data."""
        counts = self.table.groupby(["split", "genre"]).size().unstack(fill_value=0)
        return {
            "name": self.corpus.name,
            "hash": self.hash,
            "synthetic": self.corpus.synthetic,
            "notes": list(self.corpus.notes),
            "split": self.split,
            "counts": {s: counts.loc[s].to_dict() for s in SPLITS if s in counts.index},
            "leak": leak_check(self.table).sentence(),
            "left_out": self.left_out["status"].value_counts().to_dict(),
        }


def prepare(
    data: str, choice: SplitChoice, *, labels: str = "genre", workers: int | None = None
) -> Dataset:
    """Open, scan and split DATA.

    Raises
    ------
    DataError
        Nothing there, no usable clips, or a split that cannot be trained on.
    """
    corpus = scan(open_corpus(data), workers=workers)
    return split_dataset(corpus, choice, labels)


def split_dataset(corpus: Corpus, choice: SplitChoice, labels: str = "genre") -> Dataset:
    """Split a scanned corpus; clips in no split (an unused fold) are left aside.

    Raises
    ------
    DataError
        as `make_split`; or the data have no column of several labels.
    """
    rows = usable(corpus.table)
    if labels == "genres":
        if "genres" not in corpus.table or corpus.table["genres"].isna().all():
            raise DataError(
                f"{corpus.name} has no column 'genres' (names joined by '|'), which this config learns"
            )
        # A clip without a single top genre may well have several others.
        good = corpus.table["status"].isin(["ok", "unlabelled"])
        rows = corpus.table[good & corpus.table["genres"].notna()]
    table, description = make_split(corpus, rows, choice)
    return Dataset(corpus, table, left_out(corpus.table), description, labels)


def stores(data: Dataset, experiment: Experiment, *, cache: bool = True) -> tuple[Store, Store]:
    """Return the stores of the training clips (with their variants) and of the validation clips."""
    ahead = make_augmentations(experiment.augment).ahead
    spec = ClipSpec(rate=experiment.audio.rate, seconds=experiment.audio.kept_seconds)
    made: list[Store] = []
    for split in ("training", "validation"):
        rows = data.part(split)
        augmentation = ahead if split == "training" else None
        variants = augmentation.variants if augmentation else 0
        make = partial(_variant, augmentation, spec.rate, experiment.seed) if augmentation else None
        key = f"{augmentation!r} seed {experiment.seed}" if augmentation else ""
        kind = cached_store if cache else DecodingStore
        made.append(kind(rows, spec, variants=variants, variant_key=key, make_variant=make))
    return made[0], made[1]


def _variant(
    augmentation: ClipAugmentation,
    rate: int,
    seed: int,
    samples: npt.NDArray[np.float32],
    content: str,
    index: int,
) -> npt.NDArray[np.float32]:
    """Return variant ``index`` of a clip; its chance follows from seed, content and index."""
    return augmentation.variant(samples, rate, generator(seed, "variant", content, index))
