"""Several trained networks that answer as one: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavemel.networks.base import GenreNetwork


class Ensemble(GenreNetwork):
    """Networks whose probabilities are averaged.

    It is made from trained members, not described by a config, and so stands
    in no registry. ``inputs`` are those of all members, each computed once.

    Shape
    -----
    the inputs -> log-probabilities (B, classes): the logarithm of the mean of
    the members' probabilities, of which softmax makes that mean again.

    Source: Lakshminarayanan et al., "Simple and scalable predictive
    uncertainty estimation using deep ensembles", NeurIPS 2017.
    """

    def __init__(self, members: Sequence[GenreNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        #: The inputs that each member takes, in its order.
        self.taken = tuple(tuple(member.inputs) for member in members)
        names = dict.fromkeys(name for taken in self.taken for name in taken)
        self.inputs = tuple(names)  # type: ignore[misc]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return log-probabilities, (B, classes)."""
        given = dict(zip(self.inputs, inputs, strict=True))
        logs = [
            torch.log_softmax(member(*(given[name] for name in taken)).float(), dim=1)
            for member, taken in zip(self.members, self.taken, strict=True)
        ]
        return torch.logsumexp(torch.stack(logs), dim=0) - math.log(len(logs))
