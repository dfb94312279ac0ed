"""SpecAugment: stretches of time and frequency that are hidden."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wavemel.features.augment.base import AUGMENTATIONS, SpectrogramAugmentation, check_count, draw


@AUGMENTATIONS.register("specaugment")
@dataclass(frozen=True)
class SpecAugment(SpectrogramAugmentation):
    """Hide ``masks`` stretches of bands and as many of frames: they become 0, the mean.

    ``bands`` and ``frames`` are the widest stretch, as shares of the whole;
    widths are uniform from 0 to there.

    Source: Park et al., "SpecAugment: a simple data augmentation method for
    automatic speech recognition", Interspeech 2019, without time warping.
    """

    bands: float = 0.25
    frames: float = 0.125
    masks: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("bands", "frames"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0..1, not {getattr(self, name)}")
        check_count("masks", self.masks, 1, 1000)

    def __call__(self, mels: Tensor, generator: torch.Generator) -> Tensor:
        """Return spectrograms with holes, (B, bands, frames) -> the same shape."""
        batch, bands, frames = mels.shape
        chosen = draw(batch, 1, generator, mels) < self.probability
        hidden = torch.zeros(batch, bands, frames, dtype=torch.bool, device=mels.device)
        for _ in range(self.masks):
            hidden |= _stretch(bands, self.bands, draw(batch, 2, generator, mels))[:, :, None]
            hidden |= _stretch(frames, self.frames, draw(batch, 2, generator, mels))[:, None, :]
        return mels.masked_fill(hidden & chosen[:, :, None], 0.0)


def _stretch(length: int, share: float, drawn: Tensor) -> Tensor:
    """Return which of ``length`` places lie in a random stretch, (B, length)."""
    width = (drawn[:, 0] * (share * length + 1)).long()
    first = (drawn[:, 1] * (length - width + 1)).long()
    place = torch.arange(length, device=drawn.device)[None]
    return (place >= first[:, None]) & (place < (first + width)[:, None])
