"""Another pitch: bands of the mel spectrogram moved up or down."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wavemel.features.augment.base import AUGMENTATIONS, SpectrogramAugmentation, check_count, draw


@AUGMENTATIONS.register("pitch")
@dataclass(frozen=True)
class Pitch(SpectrogramAugmentation):
    """Move a mel spectrogram by up to ``bands`` bands up or down; the edge band is repeated.

    The tempo stays. Above 1 kHz, where the mel scale is logarithmic, it is a
    transposition, below one in part only; it costs next to nothing.
    """

    bands: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("bands", self.bands, 1, 1 << 16)

    def __call__(self, mels: Tensor, generator: torch.Generator) -> Tensor:
        """Return moved spectrograms, (B, bands, frames) -> the same shape."""
        batch, bands, frames = mels.shape
        drawn = draw(batch, 2, generator, mels)
        moved = (drawn[:, 1] * (2 * self.bands + 1)).long() - self.bands
        moved = moved * (drawn[:, 0] < self.probability)
        source = torch.arange(bands, device=mels.device)[None] - moved[:, None]
        source = source.clamp_(0, bands - 1)
        return mels.gather(1, source[:, :, None].expand(batch, bands, frames))
