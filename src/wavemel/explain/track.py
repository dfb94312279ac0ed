"""A whole track explained: what every moment and frequency says for an answer, window upon window."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike, fspath

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wavemel.audio.decode import open_stream
from wavemel.audio.load import Window, windows
from wavemel.audio.loudness import Loudness
from wavemel.checkpoint import Checkpoint
from wavemel.errors import AudioError, ConfigError, MissingExtraError, ModelError
from wavemel.explain.grid import Grid
from wavemel.explain.methods import METHODS, Method
from wavemel.features.mel import LogMel
from wavemel.pooling import pool
from wavemel.progress import track
from wavemel.registry import suggest
from wavemel.runtime import check_device

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """What is to be explained, and how.

    ``genre``: the answer to explain, None for the network's own. ``against``:
    another genre, whose logit is subtracted: what speaks for one rather than
    for the other. ``steps``: of the integral, for integrated gradients.
    ``limit``: read no more than this many seconds. ``temperature``: divides
    logits before they become probabilities, as `wavemel classify` does.
    """

    genre: str | None = None
    against: str | None = None
    method: str = "integrated-gradients"
    steps: int = 50
    limit: float | None = None
    temperature: float = 1.0


@dataclass(frozen=True)
class Heard:
    """One window: where it lies in the file, in seconds, and each class's probability.

    ``change``: the score's distance from the baseline's, in logits; ``delta``:
    what the maps' sum misses of it. None where a method's maps do not add up.
    """

    start: float
    end: float
    probabilities: FloatArray
    change: float | None = None
    delta: float | None = None


@dataclass(frozen=True)
class Explanation:
    """Why a network answers as it does on one track.

    ``maps``: input -> (bands, frames) or (1, frames), above 0 what speaks for
    ``genre``; each moment's is the mean over the windows that hold it.
    ``spectrogram``: (bands, frames) in dB, for the eye. ``frame_seconds``: from
    frame to frame. ``padding``: share of the attribution that fell on the
    zeros after the end of a file shorter than a window. ``seconds``: of the file that were heard.
    ``silent``: how many of its windows are without sound. They have no vote, as in
    `wavemel classify`: ``windows``, ``probabilities`` and ``maps`` are of the others.
    """

    path: str
    classes: tuple[str, ...]
    genre: str
    against: str | None
    answer: str
    probabilities: FloatArray
    question: Question
    grid: Grid
    windows: tuple[Heard, ...]
    maps: dict[str, FloatArray]
    spectrogram: FloatArray
    padding: float
    seconds: float
    silent: int = 0

    @property
    def change(self) -> float | None:
        """Distance of the score from the baseline's in logits, the mean of magnitudes over windows."""
        return _magnitude([w.change for w in self.windows])

    @property
    def delta(self) -> float | None:
        """What the maps' sum misses of that distance, the mean of magnitudes over windows."""
        return _magnitude([w.delta for w in self.windows])

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.grid.hop / self.grid.rate

    @property
    def probability(self) -> float:
        """Probability of ``genre`` in the whole track."""
        return float(self.probabilities[self.classes.index(self.genre)])


def explain_track(
    checkpoint: Checkpoint,
    path: str | PathLike[str],
    question: Question | None = None,
    *,
    device: str = "cpu",
    label: str = "explaining",
) -> Explanation:
    """Explain a network's answer on one file.

    The file is read twice, in the windows that evaluation reads: once for the
    answer, once to explain it; memory is that of one window and of the maps. The answer is that
    of `wavemel classify` on the whole file: windows without sound have no vote, while evaluation
    counts them.

    Parameters
    ----------
    checkpoint : the model.
    path : audio file.
    question : what to explain, and how.
    device : where to compute.
    label : what a progress bar over the windows is called.

    Raises
    ------
    AudioError
        The file yields no samples, or nothing but silence.
    ConfigError
        Unknown genre or method, or a value that does not fit.
    ModelError
        The network cannot be explained in this way.
    """
    question = question or Question()
    check_question(question, checkpoint.classes)
    experiment = checkpoint.experiment
    audio = experiment.audio
    hop = audio.seconds * (1 - experiment.evaluation.overlap)
    classes = checkpoint.classes
    check_device(device)
    model = checkpoint.model.to(device).eval()
    strange = [name for name in model.front_end.inputs if name not in ("wave", "mel")]
    if strange:
        raise ModelError(
            f"a network that takes {strange[0]!r} cannot be explained: wave and mel can"
        )
    own = model.front_end.logmel
    # The first description of an ensemble may be of a member that takes no spectrogram.
    mel = experiment.mel if own is None else own.config
    grid = Grid(audio.rate, mel)

    def read() -> Iterator[Window]:
        return windows(path, audio.rate, seconds=audio.seconds, hop=hop, limit=question.limit)

    heard: dict[int, Heard] = {}
    loudness, end = Loudness(), 0.0
    for i, window in enumerate(read()):
        end = max(end, window.start + window.filled)
        if not loudness.hear(window, audio.rate):
            continue
        with torch.inference_mode():
            logits = model(torch.from_numpy(window.samples)[None].to(device))[0].cpu().double()
            logits = logits / question.temperature
        several = experiment.labels == "genres"
        chances = torch.sigmoid(logits) if several else torch.softmax(logits, 0)
        heard[i] = Heard(window.start, window.start + window.filled, chances.numpy())
    if not heard:
        # A network has an answer to anything, but to this one there are no reasons.
        with open_stream(path) as stream:
            kind = loudness.silence(stream)
        part = "" if question.limit is None else f" in its first {question.limit:g} s"
        raise AudioError(path, "silent", f"is silent{part} ({kind}): there is nothing to explain")
    each = np.stack([w.probabilities for w in heard.values()])
    pooled = pool(each, experiment.evaluation.pooling)
    answer = classes[int(pooled.argmax())]
    genre = question.genre or answer
    if genre == question.against:
        raise ConfigError(f"{genre!r} cannot be explained against itself: give another genre")
    weights = torch.zeros(len(classes), device=device)
    weights[classes.index(genre)] = 1
    if question.against is not None:
        weights[classes.index(question.against)] = -1

    explain = _method(question.method)
    logmel = LogMel(audio.rate, mel).to(device)
    frames = grid.frames(round(end * audio.rate))
    sound = _Overlapping(grid.bands, frames)
    maps: dict[str, _Overlapping] = {}
    inside = outside = 0.0
    count = len(heard) + loudness.silent
    for i, window in enumerate(track(read(), label, count, unit="windows")):
        waveform = torch.from_numpy(window.samples)[None].to(device)
        with torch.no_grad():
            features = model.front_end(waveform)
            decibels = logmel(waveform)[0]
        at = round(window.start * audio.rate / grid.hop)
        filled = grid.frames(round(window.filled * audio.rate))
        sound.add(at, decibels[:, :filled])
        if i not in heard:
            continue
        inputs = dict(zip(model.front_end.inputs, features, strict=True))
        saliency = explain(model.network, inputs, weights, grid, question.steps)
        for name, values in saliency.maps.items():
            maps.setdefault(name, _Overlapping(len(values), frames)).add(at, values[:, :filled])
            inside += float(values[:, :filled].abs().sum())
            outside += float(values[:, filled:].abs().sum())
        heard[i] = replace(heard[i], change=saliency.change, delta=saliency.delta)
    return Explanation(
        path=fspath(path),
        classes=classes,
        genre=genre,
        against=question.against,
        answer=answer,
        probabilities=pooled,
        question=question,
        grid=grid,
        windows=tuple(heard.values()),
        maps={name: each.mean() for name, each in maps.items()},
        spectrogram=sound.mean(),
        padding=outside / (inside + outside) if outside else 0.0,
        seconds=end,
        silent=loudness.silent,
    )


def check_question(question: Question, classes: tuple[str, ...]) -> None:
    """Raise ConfigError where a question names what a model does not know."""
    _method(question.method)
    for genre in (question.genre, question.against):
        if genre is not None and genre not in classes:
            raise ConfigError(f"the model knows no genre {genre!r}{suggest(genre, classes)}")
    if question.genre is not None and question.genre == question.against:
        raise ConfigError(f"{question.genre!r} cannot be explained against itself: give another")
    if question.steps < 1:
        raise ConfigError(f"--steps must be 1 or more, not {question.steps}")
    if question.limit is not None and not 0 < question.limit < math.inf:
        raise ConfigError(f"--limit must be a number above 0, not {question.limit:g}")


def _method(name: str) -> Method:
    if importlib.util.find_spec("captum") is None:
        raise MissingExtraError("explain", "explaining an answer")
    return METHODS[name]


def _magnitude(values: list[float | None]) -> float | None:
    known = [abs(v) for v in values if v is not None]
    return sum(known) / len(known) if known else None


class _Overlapping:
    """Maps of windows, laid into that of a track; where windows overlap, their mean."""

    def __init__(self, bands: int, frames: int) -> None:
        self._sum = np.zeros((bands, frames))
        self._count = np.zeros(frames)

    def add(self, at: int, values: Tensor) -> None:
        """Lay ``values`` (bands, n) in from frame ``at``."""
        fitting = values[:, : self._sum.shape[1] - at].cpu().double().numpy()
        self._sum[:, at : at + fitting.shape[1]] += fitting
        self._count[at : at + fitting.shape[1]] += 1

    def mean(self) -> FloatArray:
        """Return the mean, (bands, frames)."""
        return self._sum / np.maximum(self._count, 1)
