"""One model, ready to classify whatever is given: a path, samples, a stream, a library."""

from __future__ import annotations

import io
from os import PathLike
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from wavemel.audio.decode import Source
from wavemel.inference.bundle import ModelDescription
from wavemel.inference.file import File2Result
from wavemel.inference.models import find_model
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.inference.reading import TOLERANCE, Reading
from wavemel.inference.result import TrackResult
from wavemel.inference.windows import ArrayStream
from wavemel.runtime import keep_freed_windows


class Classifier:
    """A loaded model; see `wavemel.load`.

    Parameters
    ----------
    model : name of a known model, or path of an exported one; the default model without.
    threads : cores that the network may use.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be loaded.
    """

    def __init__(self, model: str | PathLike[str] | None = None, *, threads: int = 1) -> None:
        keep_freed_windows()
        #: The ladder's rung from windows to probabilities.
        self.network = Windows2Probabilities(find_model(model), threads)

    @property
    def description(self) -> ModelDescription:
        """What the model says of itself."""
        return self.network.description

    @property
    def classes(self) -> tuple[str, ...]:
        """The genres that the model tells apart."""
        return self.description.classes

    def files(
        self, reading: Reading | None = None, min_confidence: float | None = None
    ) -> File2Result:
        """Return the ladder's rung from file to result, with settings of its own."""
        return File2Result(self.network, reading, min_confidence)

    def classify(
        self,
        audio: str | PathLike[str] | BinaryIO | bytes | memoryview | npt.ArrayLike,
        rate: int | None = None,
        *,
        whole: bool = False,
        seconds: float | None = None,
        tolerance: float = TOLERANCE,
        min_confidence: float | None = None,
    ) -> TrackResult:
        """Classify one track.

        Parameters
        ----------
        audio : a path, the bytes of a file, a binary stream, or samples, (n,) or (n, channels),
            as an array or what numpy makes one of.
        rate : Hz, of samples, from 1,000 to 1,000,000; left out for everything else.
        whole, seconds, tolerance : how much to read; see `Reading`.
        min_confidence : below this probability the answer is unsure; the model's own
            threshold by default.

        Raises
        ------
        AudioError
            Nothing can be decoded.
        ValueError
            Samples without a rate or of an impossible shape, several files at once, or options
            that are out of range or exclude each other.
        """
        ask = self.files(Reading(whole, seconds, tolerance), min_confidence)
        if isinstance(audio, memoryview) and rate is None:
            audio = bytes(audio)  # of a file, as without the rate it cannot be of samples
        if isinstance(audio, str | PathLike | bytes | bytearray) or hasattr(audio, "read"):
            if isinstance(audio, io.TextIOBase) or hasattr(audio, "encoding"):
                raise ValueError("the stream is one of text: open the file with mode 'rb'")
            if rate is not None:
                raise ValueError("rate is for samples: files know their own")
            return ask(cast(Source, audio))
        if audio is None:
            raise ValueError("there is nothing to classify: give a path, a stream or samples")
        # Lists and the tensors of other libraries too: whatever numpy takes for an array.
        samples = np.asarray(audio)
        if samples.dtype.kind not in "biuf":
            raise ValueError(
                f"a {type(audio).__name__} of this kind holds no samples: give one path, stream or "
                "array of samples at a time"
            )
        if rate is None:
            raise ValueError("samples need their rate: classify(samples, rate)")
        return ask.stream(ArrayStream(samples, rate), "<samples>")
