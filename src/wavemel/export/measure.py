"""What an exported model does on real tracks: how its windows vary, what int8 costs it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wavemel.audio.load import windows
from wavemel.data.sources import open_corpus
from wavemel.errors import AudioError, DataError
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.pooling import pool
from wavemel.progress import track

#: More tracks than this change no figure that is printed.
_TRACKS = 120


@dataclass(frozen=True)
class Clips:
    """Tracks to measure on: paths, and their genres where known."""

    paths: tuple[str, ...]
    genres: tuple[str | None, ...]


@dataclass(frozen=True)
class Loss:
    """What rounding weights to 8 bits costs.

    ``agreement``: share of tracks with the same top genre. ``top1``,
    ``top1_int8``: share that is right, None where no genres are known.
    ``difference``: largest of any probability. ``slowdown``: time of a window
    over that in float32.
    """

    tracks: int
    agreement: float
    top1: float | None
    top1_int8: float | None
    difference: float
    slowdown: float

    def sentence(self) -> str:
        """Return the loss for people."""
        right = (
            f"top-1 {self.top1:.3f} -> {self.top1_int8:.3f}, "
            if self.top1 is not None and self.top1_int8 is not None
            else ""
        )
        return (
            f"int8 against float32 on {self.tracks} tracks: {right}same top genre on "
            f"{self.agreement:.1%}, probabilities differ by at most {self.difference:.3f}, "
            f"a window takes {self.slowdown:.1f} times as long"
        )


def clips_of(run: Path, data: str | None) -> Clips | None:
    """Return the clips of DATA, else those on which the run was validated, as far as they are there.

    Raises
    ------
    DataError
        DATA is none.
    """
    if data is not None:
        table = open_corpus(data).table
    else:
        from wavemel.evaluation.runs import run_table

        if not (run / "table.csv").is_file():
            return None
        table = run_table(run)
        table = table[table["split"] == "validation"]
        table = table[[Path(p).exists() or "!/" in p for p in table["path"]]]
    if table.empty:
        return None
    # Spread over the table, which may be sorted by genre.
    chosen = table.iloc[np.unique(np.linspace(0, len(table) - 1, _TRACKS).astype(int))]
    genres = chosen["genre"].astype(object).where(chosen["genre"].notna(), None)
    return Clips(tuple(chosen["path"]), tuple(genres))


@dataclass(frozen=True)
class Answers:
    """What several models say of the same tracks.

    ``probabilities``: by track, by model, (windows, classes). ``genres`` of these tracks.
    ``seconds`` that each model took.
    """

    probabilities: list[list[npt.NDArray[np.float64]]]
    genres: list[str | None]
    seconds: list[float]


def listen(clips: Clips, networks: Sequence[Windows2Probabilities]) -> Answers:
    """Ask models about every window of every track that can be read.

    Raises
    ------
    DataError
        No track can be read.
    """
    d = networks[0].description
    answers = Answers([], [], [0.0] * len(networks))
    pairs = list(zip(clips.paths, clips.genres, strict=True))
    for path, genre in track(pairs, "measuring"):
        hop = d.seconds * (1 - d.overlap)
        try:
            heard = [w.samples for w in windows(path, d.rate, seconds=d.seconds, hop=hop)]
        except AudioError:
            continue
        of_track = []
        for i, network in enumerate(networks):
            start = time.perf_counter()
            of_track.append(network(np.stack(heard)))
            answers.seconds[i] += time.perf_counter() - start
        answers.probabilities.append(of_track)
        answers.genres.append(genre)
    if not answers.genres:
        raise DataError("none of the tracks to measure on can be read")
    return answers


def int8_loss(answers: Answers, classes: Sequence[str], pooling: str) -> Loss:
    """Compare the second model, in int8, with the first, itself in float32, track by track."""
    pooled = [[pool(p, pooling) for p in of_track] for of_track in answers.probabilities]
    means = np.array(pooled)
    tops = means.argmax(axis=2)  # (tracks, 2)
    index = {name: i for i, name in enumerate(classes)}
    truth = np.array([index.get(genre, -1) if genre else -1 for genre in answers.genres])
    known = truth >= 0
    right = [
        float((tops[known, i] == truth[known]).mean()) if known.any() else None for i in (0, 1)
    ]
    return Loss(
        tracks=len(means),
        agreement=float((tops[:, 0] == tops[:, 1]).mean()),
        top1=right[0],
        top1_int8=right[1],
        difference=float(np.abs(means[:, 0] - means[:, 1]).max()),
        slowdown=answers.seconds[1] / answers.seconds[0],
    )
