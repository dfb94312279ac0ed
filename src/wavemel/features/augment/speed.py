"""Playing faster or slower: tempo and pitch together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wavemel.features.augment.base import AUGMENTATIONS, BatchAugmentation, check_range, draw


@AUGMENTATIONS.register("speed")
@dataclass(frozen=True)
class Speed(BatchAugmentation):
    """Play a clip faster or slower, pitch and tempo together, as a record player would.

    The factor is drawn log-uniformly from ``rates``. Samples are interpolated
    linearly: a gather and an addition, a hundredth of a training step, where a
    phase vocoder costs as much as one. What that adds lies in the top octave
    and under the noise of an MP3. It is given ``reach`` times as many
    samples, so that no clip ends early; those that it needs not are cut off.

    Source: Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
    """

    rates: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("rates", self.rates, 0.01, 100)

    @property
    def reach(self) -> float:
        """The fastest rate, at least 1."""
        return max(1.0, self.rates[1])

    def __call__(self, waveforms: Tensor, generator: torch.Generator) -> Tensor:
        """Return waveforms at another speed, (B, reach * T) -> (B, T)."""
        batch, given = waveforms.shape
        wanted = given if self.reach == 1 else math.floor(given / self.reach)
        drawn = draw(batch, 2, generator, waveforms)
        low, high = math.log(self.rates[0]), math.log(self.rates[1])
        factor = torch.exp(low + drawn[:, 1] * (high - low))
        factor = torch.where(drawn[:, 0] < self.probability, factor, torch.ones_like(factor))
        # In float64: float32 places the last of 64,000 samples a two-hundredth of a sample off.
        position = factor[:, None].double() * torch.arange(wanted, device=waveforms.device)
        left = position.long().clamp_(max=given - 2)
        share = (position - left).clamp_(0, 1).to(waveforms.dtype)
        return torch.lerp(waveforms.gather(1, left), waveforms.gather(1, left + 1), share)
