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
        onnxruntime cannot load the graph, or it is not the one that was exported.
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
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.read_graph(), options, providers=["CPUExecutionProvider"]
            )
        except (ort.Fail, ort.InvalidGraph, ort.InvalidProtobuf, ort.NotImplemented) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{bundle.graph} cannot be loaded: {reason}") from error
        names = {value.name for value in self._session.get_inputs()}
        if names != set(d.inputs):
            raise ModelError(f"{bundle.graph} takes {sorted(names)}, not {sorted(d.inputs)}")
        self.batch = max(1, _BATCH_SAMPLES // d.samples)

    def __call__(self, samples: FloatArray) -> npt.NDArray[np.float64]:
        """Return the probabilities of a batch of windows."""
        made = [
            self._ask(samples[first : first + self.batch])
            for first in range(0, len(samples), self.batch)
        ]
        return np.concatenate(made)

    def _ask(self, samples: FloatArray) -> npt.NDArray[np.float64]:
        (logs,) = self._session.run(None, self._front_end(samples))
        # In float64, so that the rows sum to 1 when they are read back.
        return softmax(logs.astype(np.float64) / self.description.temperature)
