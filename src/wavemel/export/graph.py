"""A trained model -> an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wavemel.errors import ModelError
from wavemel.networks.model import GenreModel

OPSET = 18


def write_graph(
    model: GenreModel, inputs: tuple[str, ...], samples: int, dynamic: bool, path: Path
) -> None:
    """Write the graph of a model: ``inputs`` -> log-probabilities (B, classes)."""
    # Graph and example must not be in channels_last: the exporter would write its permutations.
    model = model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    waveform = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch")
    sizes: list[dict[int, Any]]
    if inputs == ("samples",):
        module: nn.Module = _LogProbabilities(with_encoder(model))
        arguments: tuple[Tensor, ...] = (waveform,)
    else:
        module = _LogProbabilities(model.network)
        arguments = tuple(t.contiguous() for t in model.front_end(waveform))
    sizes = [{0: batch} for _ in inputs]
    if dynamic:
        # Named by input: of `combined`, samples and frames are two lengths.
        for name, size in zip(inputs, sizes, strict=True):
            size[2 if name == "mel" else 1] = torch.export.Dim.DYNAMIC
    with _quiet():
        program = torch.onnx.export(
            module,
            arguments,
            dynamo=True,
            dynamic_shapes={"inputs": tuple(sizes)},
            input_names=list(inputs),
            output_names=["log_probabilities"],
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=False)
    _strip(path)


def _strip(path: Path) -> None:
    """Take out of a graph what the exporter notes of itself: stack traces with its maker's folders."""
    import onnx

    graph = onnx.load(path)
    inner = graph.graph
    for part in (graph, inner, *inner.node, *inner.value_info, *inner.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for part in (*inner.input, *inner.output):
        del part.metadata_props[:]
    onnx.save(graph, path)


def with_encoder(model: GenreModel) -> nn.Module:
    """Return a model, waveform in, logits out, as one module: its encoder, if it has one, is part of it.

    Raises
    ------
    ModelError
        The encoder cannot be part of a graph, or cannot be loaded.
    """
    embedder = model.front_end.embedder
    if embedder is None:
        return model
    encoder = embedder.encoder.graph
    if encoder is None:
        raise ModelError(
            f"a head on the encoder {embedder.choice.encoder} cannot be exported with it: ask it "
            "with wavemel evaluate"
        )
    return nn.Sequential(encoder, model.network)


class _LogProbabilities(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.log_softmax(self.model(*inputs).float(), dim=1)


def takes_any_length(model: GenreModel, samples: int) -> bool:
    """Return whether the network answers for another length: one that flattens does not."""
    try:
        with torch.inference_mode():
            model(torch.zeros(1, samples + samples // 3))
    except RuntimeError:
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own workings off the terminal."""
    # The second one tells, with a traceback, what it cannot simplify of lengths that may vary.
    names = ("torch.onnx", "torch.fx.experimental.symbolic_shapes")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def quantise(path: Path) -> None:
    """Round a graph's weights to 8 bits, in place; activations follow as they come.

    The file becomes about a third as large. On processors without int8
    instructions for convolutions it is slower than float32.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    part = path.with_name(path.name + ".int8")
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it recommends its own other tools
    try:
        # Convolutions know no signed weights there.
        quantize_dynamic(path, part, weight_type=QuantType.QUInt8)
    finally:
        logger.setLevel(level)
    part.replace(path)
