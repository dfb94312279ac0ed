"""What every method of attribution takes and returns, and the registry that finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from wavemel.explain.grid import Grid
from wavemel.networks.base import GenreNetwork
from wavemel.registry import Registry


@dataclass(frozen=True)
class Saliency:
    """What one window's inputs say for (above 0) and against (below 0) an answer.

    ``maps``: input -> (bands, frames) on a `Grid`, or (1, frames) where the
    method knows no frequency. ``change``: how far the score is from that of
    the baseline, and ``delta`` by how much the maps' sum misses it; None where
    the method's maps do not add up to anything.
    """

    maps: dict[str, Tensor]
    change: float | None = None
    delta: float | None = None


class Method(Protocol):
    """A method of attribution."""

    def __call__(
        self,
        network: GenreNetwork,
        inputs: dict[str, Tensor],
        weights: Tensor,
        grid: Grid,
        steps: int,
    ) -> Saliency:
        """Explain the score ``logits @ weights`` of one window.

        Parameters
        ----------
        network : in evaluation mode.
        inputs : name -> batch of one, in the network's order.
        weights : (classes,).
        grid : frequencies and times of the maps.
        steps : how finely to integrate, where the method does.
        """
        ...


METHODS: Registry[Method] = Registry("method of attribution", "wavemel.explain.methods")


class Score(nn.Module):
    """A network's logits, weighted and summed: the one number that is explained.

    Shape
    -----
    inputs (B, ...) -> (B,).
    """

    def __init__(self, network: GenreNetwork, weights: Tensor) -> None:
        super().__init__()
        self.network = network
        self.weights = weights

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the score."""
        # In float32 whatever the run was trained in: completeness is checked to a few parts in 100.
        with torch.autocast(inputs[0].device.type, enabled=False):
            return self.network(*inputs).float() @ self.weights
