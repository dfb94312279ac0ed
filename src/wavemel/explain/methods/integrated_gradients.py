"""`integrated-gradients`: slopes averaged on the way from a baseline to the input, times the way."""

from __future__ import annotations

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from wavemel.explain.grid import Grid
from wavemel.explain.methods.base import METHODS, Saliency, Score
from wavemel.networks.base import GenreNetwork

#: Numbers that go through the network at once: bounds memory at about a gigabyte for small networks.
_AT_ONCE = 1 << 21


@METHODS.register("integrated-gradients")
def integrated_gradients(
    network: GenreNetwork, inputs: dict[str, Tensor], weights: Tensor, grid: Grid, steps: int
) -> Saliency:
    """Attribute by integrated gradients, whose maps add up to the score minus the baseline's.

    The baseline is zero in every input, the mean that the front end's z-scores
    subtract: of the waveform that is silence; of a spectrogram it is each
    band's own mean over the window (or the whole window's, as ``mel.normalise``
    says), so that what is explained is how the sound departs from it.

    A waveform's attribution is shared out among frequencies by `Grid.split`.

    Source: Sundararajan et al., "Axiomatic attribution for deep networks",
    ICML 2017; computed by captum.
    """
    score = Score(network, weights)
    given = tuple(inputs.values())
    baselines = tuple(torch.zeros_like(x) for x in given)
    method = IntegratedGradients(score, multiply_by_inputs=False)
    size = sum(x.numel() for x in given) * len(getattr(network, "members", [network]))
    slopes = method.attribute(
        given,
        baselines,
        n_steps=steps,
        internal_batch_size=max(1, min(steps, _AT_ONCE // size)),
    )
    attributions = tuple(x * slope for x, slope in zip(given, slopes, strict=True))
    delta = method.compute_convergence_delta(attributions, baselines, given)
    with torch.no_grad():
        change = score(*given) - score(*baselines)
    maps = {
        name: grid.split(x[0], slope[0]) if name == "wave" else attribution[0]
        for (name, x), slope, attribution in zip(inputs.items(), slopes, attributions, strict=True)
    }
    return Saliency({k: v.detach() for k, v in maps.items()}, float(change), float(delta))
