"""z-scores: zero mean and unit standard deviation along one axis."""

from __future__ import annotations

from torch import Tensor

# Far under the 16-bit noise floor: a silent clip becomes zeros, not noise blown up.
EPSILON = 1e-6


def zscore(x: Tensor, dim: int | tuple[int, ...] = -1) -> Tensor:
    """Return ``x`` with zero mean and unit (population) standard deviation along ``dim``.

    A constant input gives zeros. A waveform (B, T) is normalised over its
    samples; a mel spectrogram (B, bands, frames) along ``dim=-1`` per band, or over ``dim=(1, 2)``.
    """
    centred = x - x.mean(dim=dim, keepdim=True)
    deviation = centred.square().mean(dim=dim, keepdim=True).sqrt()
    return centred / (deviation + EPSILON)
