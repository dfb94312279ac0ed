"""Additive Gaussian noise at a random signal-to-noise ratio."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from wavemel.features.augment.base import AUGMENTATIONS, BatchAugmentation, check_range

# 2**22 samples: 95 s at 44.1 kHz, so that two clips rarely hear the same stretch.
_BANK_SAMPLES = 1 << 22


@lru_cache(maxsize=2)
def _bank(device: str) -> Tensor:
    """Return white Gaussian noise of unit variance, the same on every call and machine.

    Cutting from a bank at a random place costs a sixth of drawing fresh noise.
    """
    generator = torch.Generator().manual_seed(0x5EED)
    return torch.randn(_BANK_SAMPLES, generator=generator).to(device)


@AUGMENTATIONS.register("noise")
@dataclass(frozen=True)
class Noise(BatchAugmentation):
    """Add white Gaussian noise at a signal-to-noise ratio drawn from ``snr_db``.

    The ratio is that of the clip's mean power to the noise's, in dB, uniform
    in the range. A silent clip stays silent.
    """

    snr_db: tuple[float, float] = (10.0, 40.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("snr_db", self.snr_db, -200, 200)

    def __call__(self, waveforms: Tensor, generator: torch.Generator) -> Tensor:
        """Return noisy waveforms, (B, T) -> (B, T)."""
        batch, samples = waveforms.shape
        low, high = self.snr_db
        draw = torch.rand(batch, 3, generator=generator, device=generator.device).to(waveforms)
        chosen = draw[:, 0] < self.probability
        power = waveforms.square().mean(dim=1)
        ratio = 10 ** ((low + draw[:, 1] * (high - low)) / 10)
        scale = (power / ratio).sqrt() * chosen
        bank = _bank(str(waveforms.device))
        while len(bank) < samples:
            bank = torch.cat([bank, -bank])
        offsets = (draw[:, 2] * (len(bank) - samples + 1)).long().tolist()
        noise = torch.stack([bank[o : o + samples] for o in offsets])
        return torch.addcmul(waveforms, noise, scale[:, None])
