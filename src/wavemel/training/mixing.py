"""Mixup: training on weighted sums of two clips and of their labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def mixup(
    inputs: tuple[Tensor, ...], targets: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Mix every clip of a batch with another one of it.

    The weight is drawn from Beta(alpha, alpha) for each clip, and a clip
    weighs at least as much as what is mixed into it.

    Parameters
    ----------
    inputs : normalised inputs of the network, each (B, ...); all are mixed alike.
    targets : probabilities of the classes, (B, K).
    alpha : 0.2 to 0.4 mixes a little, 1 as much as can be.
    rng : all chance.

    Returns
    -------
    inputs, targets of the same shapes.

    Source: Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.
    """
    batch = len(targets)
    drawn = rng.beta(alpha, alpha, batch)
    partner = torch.from_numpy(rng.permutation(batch)).to(targets.device)
    weight = torch.from_numpy(np.maximum(drawn, 1 - drawn)).float().to(targets.device)

    def mixed(x: Tensor) -> Tensor:
        w = weight.view(-1, *[1] * (x.ndim - 1)).to(x.dtype)
        return torch.lerp(x[partner], x, w.expand_as(x))

    return tuple(mixed(x) for x in inputs), mixed(targets)
