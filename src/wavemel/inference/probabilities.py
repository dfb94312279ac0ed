"""Windows -> probabilities: the front end and the network, on onnxruntime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wavemel.errors import ModelError
from wavemel.inference.bundle import Bundle
from wavemel.inference.frontend import FloatArray, FrontEnd
from wavemel.pooling import softmax

#: Samples a batch: more only costs memory, for one window keeps a core busy.
_BATCH_SAMPLES = 1 << 20


class Windows2Probabilities:
    """An exported model, loaded.

    Parameters
    ----------
    bundle : the model.
    threads : cores that one batch may use.

    Shape
    -----
    samples (B, T) at the model's rate -> calibrated probabilities float64 (B, classes).

    Raises
    ------
    ModelError
        onnxruntime cannot load the graph, it is not the one that was exported, or it does not
        fit the description: at loading as far as the graph tells, else at the first answer.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as ort

        self.description = bundle.description
        d = self.description
        self._front_end = FrontEnd(d.inputs, d.rate, d.mel)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        wrong = (ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NotImplemented)
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.read_graph(), options, providers=["CPUExecutionProvider"]
            )
        except (ort.Fail, ort.RuntimeException, *wrong, UnicodeDecodeError) as error:
            raise ModelError(f"{bundle.graph} cannot be loaded: {_short(error)}") from error
        names = {value.name for value in self._session.get_inputs()}
        if names != set(d.inputs):
            raise ModelError(f"{bundle.graph} takes {sorted(names)}, not {sorted(d.inputs)}")
        self._graph = bundle.graph
        self._failures = (ort.Fail, ort.InvalidArgument, ort.RuntimeException)
        shapes = [value.shape for value in self._session.get_outputs()]
        if len(shapes) != 1 or not _can_be(shapes[0], len(d.classes)):
            raise self._misfit(f"gives {', '.join(map(str, shapes))}")
        self.batch = max(1, _BATCH_SAMPLES // d.samples)

    def __call__(self, samples: FloatArray) -> npt.NDArray[np.float64]:
        """Return the probabilities of a batch of windows."""
        made = [
            self._ask(samples[first : first + self.batch])
            for first in range(0, len(samples), self.batch)
        ]
        return np.concatenate(made)

    def _ask(self, samples: FloatArray) -> npt.NDArray[np.float64]:
        inputs = self._front_end(samples)
        try:
            (logs,) = self._session.run(None, inputs)
        except self._failures as error:
            raise self._misfit(f"cannot answer: {_short(error)}") from error
        if logs.shape != (len(samples), len(self.description.classes)):
            raise self._misfit(f"gives {list(logs.shape)} for {len(samples)} windows")
        # In float64, so that the rows sum to 1 when they are read back.
        return softmax(logs.astype(np.float64) / self.description.temperature)

    def _misfit(self, what: str) -> ModelError:
        return ModelError(
            f"{self._graph} does not fit its description, of {len(self.description.classes)} "
            f"genres: it {what}"
        )


def _can_be(shape: list[int | str | None], classes: int) -> bool:
    """Return whether an output of this shape can be (B, classes); what is open is a name or None."""
    known = len(shape) == 2 and isinstance(shape[1], int)
    return shape[1] == classes if known else len(shape) in (0, 2)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
