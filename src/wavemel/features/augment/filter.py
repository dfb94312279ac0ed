"""Another tone: a smooth random filter over the bands of the mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wavemel.features.augment.base import AUGMENTATIONS, SpectrogramAugmentation, draw


@AUGMENTATIONS.register("filter")
@dataclass(frozen=True)
class Filter(SpectrogramAugmentation):
    """Raise and lower the bands of a mel spectrogram along a smooth random curve.

    So a network cannot lean on how one album was mastered. ``strength`` is the
    standard deviation of the curve at its ``points``, in units of the
    normalised spectrogram (about 15 dB where it is normalised as a whole).
    With ``mel.normalise: band`` the curve would be undone only at test time:
    there it has no use.

    Source: Nam et al., "FilterAugment: an acoustic environmental data augmentation
    method", ICASSP 2022, the linear type.
    """

    strength: float = 0.3
    points: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.strength >= 0:
            raise ValueError(f"strength must be at least 0, not {self.strength}")
        if self.points < 2:
            raise ValueError(f"points must be at least 2, not {self.points}")

    def __call__(self, mels: Tensor, generator: torch.Generator) -> Tensor:
        """Return filtered spectrograms, (B, bands, frames) -> the same shape."""
        batch, bands, _ = mels.shape
        chosen = draw(batch, 1, generator, mels) < self.probability
        curve = torch.randn(batch, self.points, generator=generator, device=generator.device)
        curve = curve.to(mels.device) * self.strength * chosen
        gains = F.interpolate(curve[:, None], size=bands, mode="linear", align_corners=True)
        return mels + gains[:, 0, :, None]
