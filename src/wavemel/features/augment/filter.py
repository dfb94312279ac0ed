"""Another tone: a smooth random filter over the bands of the mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wavemel.features.augment.base import AUGMENTATIONS, SpectrogramAugmentation, check_count, draw


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
        if not 0 <= self.strength <= 1000:
            raise ValueError(f"strength must lie in 0..1,000, not {self.strength}")
        check_count("points", self.points, 2, 1 << 16)

    def __call__(self, mels: Tensor, generator: torch.Generator) -> Tensor:
        """Return filtered spectrograms, (B, bands, frames) -> the same shape."""
        batch, bands, _ = mels.shape
        chosen = draw(batch, 1, generator, mels) < self.probability
        curve = torch.randn(batch, self.points, generator=generator, device=generator.device)
        curve = curve.to(mels.device) * self.strength * chosen
        gains = F.interpolate(curve[:, None], size=bands, mode="linear", align_corners=True)
        return mels + gains[:, 0, :, None]
