"""What a network is made of, read off the real module: its layers, and its blocks with their links."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from wavemel.errors import ConfigError
from wavemel.networks.base import GenreNetwork
from wavemel.networks.trace import Node, Shape, trace

if TYPE_CHECKING:
    from wavemel.experiment import Experiment

_INPUTS = {"wave": "waveform", "mel": "mel spectrogram", "embedding": "frozen encoder"}
_LABELS = {
    "batch norm2d": "batch norm",
    "batch norm1d": "batch norm",
    "re lu": "ReLU",
    "re lu6": "ReLU6",
    "ge lu": "GELU",
    "gelu": "GELU",
    "si lu": "SiLU",
    "leaky re lu": "leaky ReLU",
    "global max avg": "global max and average pool",
}


@dataclass(frozen=True)
class LayerRow:
    """One layer: where it stands in the module, what it is, and what it costs for one clip."""

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Block:
    """One box of a block diagram.

    ``layers`` are its layers in order, ``inputs`` the positions (in the list
    of blocks) of the blocks it takes its values from: two or more where a skip
    or a branch joins. ``kind`` is ``input``, ``layers``, ``join`` or ``output``.
    """

    name: str
    kind: str
    layers: tuple[str, ...]
    output_shape: Shape
    parameters: int
    multiply_adds: int
    inputs: tuple[int, ...]


def input_shapes(network: GenreNetwork, experiment: Experiment) -> tuple[Shape, ...]:
    """Return the shape of each of a network's inputs for one clip of an experiment.

    Raises
    ------
    ConfigError
        The network stands on an encoder, and the length of its embeddings is not stated.
    """
    samples = experiment.audio.samples
    known = {"wave": (samples,), "mel": (experiment.mel.bands, experiment.mel.frames(samples))}
    if "embedding" in network.inputs:
        if experiment.network.get("width") is None:
            raise ConfigError(
                "the length of the encoder's embeddings is not known before training: "
                "state it as network.width"
            )
        known["embedding"] = (network.n_features,)
    return tuple(known[name] for name in network.inputs)


def layer_table(network: GenreNetwork, *shapes: Shape) -> list[LayerRow]:
    """Return the layers of a network in the order in which a clip meets them.

    Parameters
    ----------
    network : any network; on the meta device or not, it is left as it was.
    shapes : shape of each input, without the batch.

    Returns
    -------
    list of LayerRow
        Multiply-adds are those of convolutions and matrix products, as
        ``torch.utils.flop_counter`` counts them, halved.
    """
    return [
        LayerRow(n.name, _label(n), n.shape, n.parameters, n.multiply_adds)
        for n in trace(network, shapes)
        if n.layer is not None or n.parameters or n.multiply_adds
    ]


def block_diagram(network: GenreNetwork, *shapes: Shape, several: bool = False) -> list[Block]:
    """Return a network's blocks, each after those it takes its values from.

    Layers that follow each other within one part of the module make a block; a
    dense layer begins one of its own; so does every point where paths part or
    join. What turns logits into probabilities stands at the end.

    Parameters
    ----------
    network, shapes : as `layer_table` takes them.
    several : the network tells several genres a clip, each with a probability of its own.
    """
    nodes = trace(network, shapes)
    users = Counter(id(i) for n in nodes for i in n.inputs)
    networks = {n for n, m in network.named_modules() if isinstance(m, GenreNetwork)}
    groups: list[list[Node]] = []
    group_of: dict[int, int] = {}
    for node in nodes:
        before = node.inputs[0] if len(node.inputs) == 1 else None
        joined = (
            before is not None
            and before.inputs
            and users[id(before)] == 1
            and before.owner == node.owner
            and node.owner not in networks
            and not isinstance(node.layer, nn.Linear)
        )
        if joined:
            group_of[id(node)] = group_of[id(before)]
            groups[group_of[id(node)]].append(node)
        else:
            group_of[id(node)] = len(groups)
            groups.append([node])
    blocks = [
        Block(
            name=_block_name(group),
            kind=("input", "layers", "join")[min(2, len(group[0].inputs))],
            layers=tuple(map(_label, group)),
            output_shape=group[-1].shape,
            parameters=sum(n.parameters for n in group),
            multiply_adds=sum(n.multiply_adds for n in group),
            inputs=tuple(dict.fromkeys(group_of[id(i)] for i in group[0].inputs)),
        )
        for group in groups
    ]
    last = blocks[-1]
    ending = "sigmoid" if several else "softmax"
    output = Block("output", "output", (ending,), last.output_shape, 0, 0, (len(blocks) - 1,))
    return [*blocks, output]


def show_shape(shape: Shape) -> str:
    """Return a shape for people: ``16 × 165,375``."""
    return " × ".join(f"{n:,}" for n in shape)


def describe_layer(layer: nn.Module) -> str:
    """Return what a layer is, in the field's words: ``conv 9, 16 filters``, ``dense 512``."""
    if isinstance(layer, nn.modules.conv._ConvNd):
        kernel, stride = _sizes(layer.kernel_size), _sizes(layer.stride)
        step = "" if stride == "1" else f", stride {stride}"
        kind = "depthwise conv" if layer.groups == layer.in_channels > 1 else "conv"
        return f"{kind} {kernel}, {layer.out_channels} filters{step}"
    if isinstance(layer, nn.Linear):
        return f"dense {layer.out_features}"
    if isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d):
        return f"dropout {layer.p:g}"
    words = _words(type(layer).__name__)
    size = getattr(layer, "kernel_size", None)
    if size is not None:
        sizes = size if isinstance(size, tuple) else (size,)
        return f"{words.rstrip('123d').rstrip()} {_sizes(sizes)}"
    return _LABELS.get(words, words)


def _label(node: Node) -> str:
    if node.layer is not None:
        return describe_layer(node.layer)
    return node.name if node.inputs else _INPUTS.get(node.name, node.name)


def _block_name(group: list[Node]) -> str:
    first = group[0]
    whole = len(group) > 1 and first.owner and not isinstance(first.layer, nn.Linear)
    return first.owner if whole else first.name


def _sizes(sizes: Any) -> str:
    """Return kernel sizes: 9 for (1, 9) and (9,), 3×3 for (3, 3), 1 for (1, 1)."""
    kept = tuple(sizes)
    if len(kept) > 1 and (kept[0] == 1 or math.prod(kept) == 1):
        kept = kept[1:]
    return "×".join(map(str, kept))


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
