"""One forward pass of a network, followed tensor by tensor.

The module runs on torch's meta device: nothing is allocated or computed,
however large it is, and what its Python code does between layers (a skip, a
concatenation) is seen as well as the layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from wavemel.networks.base import GenreNetwork

Shape = tuple[int, ...]

# Operations that only look at the same values in another way.
_VIEWS = frozenset(
    (
        *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "getitem"),
        *("transpose", "permute", "movedim", "contiguous", "to", "float", "type", "type_as"),
        *("clone", "detach"),
    )
)
_OPERATIONS = {
    "cat": "concatenate",
    "concat": "concatenate",
    "iadd": "add",
    "radd": "add",
    "imul": "multiply",
    "rmul": "multiply",
    "mul": "multiply",
    "amax": "max",
}


@dataclass
class Node:
    """A layer, an operation between layers, or an input, as it was met in the forward pass.

    ``owner`` is the part of the network it stands in; ``layer`` the module,
    where it is one; ``parameters`` are counted where they are met first.
    """

    name: str
    owner: str
    shape: Shape
    layer: nn.Module | None = None
    parameters: int = 0
    multiply_adds: int = 0
    inputs: list[Node] = field(default_factory=list)


def trace(network: GenreNetwork, shapes: tuple[Shape, ...]) -> list[Node]:
    """Run a network on the meta device and return what was met on the way, in order.

    Parameters
    ----------
    network : any network; it is left as it was, and may lie on any device.
    shapes : shape of each input, without the batch.
    """
    if len(shapes) != len(network.inputs):
        raise ValueError(f"{len(network.inputs)} input shapes are needed, not {len(shapes)}")
    weights = {
        name: torch.empty_like(tensor, device="meta")
        for named in (network.named_parameters(), network.named_buffers())
        for name, tensor in named
    }
    given = [torch.empty(1, *shape, device="meta") for shape in shapes]
    tracer = _Tracer()
    for name, tensor in zip(network.inputs, given, strict=True):
        tracer.define([tensor], Node(name, "", tuple(tensor.shape[1:])))
    with (
        torch.no_grad(),
        _evaluating(network),
        FlopCounterMode(display=False) as flops,
        tracer.hooks(network, flops),
        tracer,
    ):
        functional_call(network, weights, tuple(given))
    return tracer.nodes


class _Tracer(TorchFunctionMode):
    """Follows tensors through modules and through what is computed between them."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        # Tensors are kept alive, so that an id stays one tensor's; on meta they weigh nothing.
        self._made: dict[int, tuple[Tensor, Node]] = {}
        self._open: list[_Call] = []
        self._counted: set[int] = set()

    def define(self, tensors: list[Tensor], node: Node) -> None:
        """Add a node that made ``tensors``."""
        self.nodes.append(node)
        self._made |= {id(tensor): (tensor, node) for tensor in tensors}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        made = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        sources = self._sources((args, kwargs))
        if not made or not sources:
            return result
        name = getattr(func, "__name__", "operation").strip("_")
        if len(sources) == 1 and name in _VIEWS:
            self._made |= {id(tensor): (tensor, sources[0]) for tensor in made}
            return result
        label = _OPERATIONS.get(name, name.replace("_", " "))
        owner = self._open[-1].name if self._open else ""
        self.define(made, Node(label, owner, _clip_shape(made[0]), inputs=sources))
        return result

    @contextmanager
    def hooks(self, network: nn.Module, flops: FlopCounterMode) -> Iterator[None]:
        """Watch every module of a network while the context lasts."""
        with ExitStack() as stack:
            for name, module in network.named_modules():

                def enter(module: nn.Module, args: Any, name: str = name) -> None:
                    if self._open:
                        self._open[-1].is_leaf = False
                    call = _Call(name, len(self.nodes), flops.get_total_flops())
                    call.sources = self._sources(args)
                    self._open.append(call)

                def leave(module: nn.Module, args: Any, output: Any) -> None:
                    self._close(module, output, flops.get_total_flops())

                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave).remove)
            yield

    def _sources(self, values: Any) -> list[Node]:
        found = (self._made.get(id(t)) for t in tree_leaves(values) if isinstance(t, Tensor))
        return list({id(entry[1]): entry[1] for entry in found if entry}.values())

    def _close(self, module: nn.Module, output: Any, flops: int) -> None:
        call = self._open.pop()
        own = flops - call.flops - call.inner_flops
        if self._open:
            self._open[-1].inner_flops += flops - call.flops
        made = [t for t in tree_leaves(output) if isinstance(t, Tensor)]
        if call.is_leaf:
            # What a layer does inside is its own affair: one node.
            del self.nodes[call.first :]
            node = Node(
                call.name,
                call.name.rpartition(".")[0],
                _clip_shape(made[0]),
                module,
                self._count(module, recurse=True),
                own // 2,
                call.sources,
            )
            self.define(made, node)
            return
        parameters = self._count(module, recurse=False)
        if parameters or own:
            # A part that computes or learns something beside its layers: told on its last operation.
            mine = [n for n in self.nodes[call.first :] if n.layer is None and n.owner == call.name]
            node = mine[-1] if mine else self.nodes[-1]
            node.parameters += parameters
            node.multiply_adds += own // 2

    def _count(self, module: nn.Module, recurse: bool) -> int:
        """Return how many parameters a module holds that were not counted before."""
        new = {id(p): p for p in module.parameters(recurse) if id(p) not in self._counted}
        self._counted |= set(new)
        return sum(p.numel() for p in new.values())


@dataclass
class _Call:
    """A module that is being run."""

    name: str
    first: int
    flops: int
    inner_flops: int = 0
    is_leaf: bool = True
    sources: list[Node] = field(default_factory=list)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Set every module to evaluation mode, where one clip is batch enough, and back."""
    modes = {module: module.training for module in network.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _clip_shape(tensor: Tensor) -> Shape:
    """Return a shape without the batch, and without the idle axis of a 1-D convolution."""
    shape = tuple(tensor.shape[1:])
    return (shape[0], shape[2]) if len(shape) == 3 and shape[1] == 1 else shape
