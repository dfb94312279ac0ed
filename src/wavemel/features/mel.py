"""The log-mel front end as a torch module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from wavemel.features.filterbank import hann, mel_filterbank


@dataclass(frozen=True)
class MelConfig:
    """What a mel spectrogram is made with; the defaults are the paper's.

    ``fmax=None`` means half the sample rate. ``top_db`` is the dynamic range
    that is kept below a clip's loudest point; None keeps all. Zero-padding at
    the ends, the Slaney filter bank and the 80 dB are librosa's defaults.
    ``normalise`` says over what a z-score is taken: each ``"band"`` (the
    paper), which hides how loud bands are beside each other, or the whole
    ``"spectrogram"``, which keeps the spectral envelope and hides the level alone.
    """

    n_fft: int = 2048
    hop: int = 528
    bands: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    # An encoder's lead-in of digital silence would lie at -100 dB and dominate each band's z-score.
    top_db: float | None = 80.0
    normalise: Literal["band", "spectrogram"] = "band"

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic reads it from the class

    def frames(self, samples: int) -> int:
        """Return how many frames a waveform of ``samples`` gives."""
        return 1 + samples // self.hop


class LogMel(nn.Module):
    """Mel power spectrogram in decibels.

    Shape
    -----
    waveform (B, T) -> (B, bands, 1 + T // hop), in dB relative to 1, at least -100 dB and at
    most ``top_db`` under the clip's loudest point.

    Equal to ``librosa.power_to_db(librosa.feature.melspectrogram(...), top_db=...)``
    within float32 rounding.
    """

    # Buffers, declared for the type checker.
    window: Tensor
    bank: Tensor

    def __init__(self, rate: int, config: MelConfig | None = None) -> None:
        super().__init__()
        self.rate = rate
        self.config = config or MelConfig()
        c = self.config
        # Not persistent: both follow from the config, which every checkpoint holds.
        self.register_buffer("window", torch.from_numpy(hann(c.n_fft)), persistent=False)
        bank = torch.from_numpy(mel_filterbank(rate, c.n_fft, c.bands, c.fmin, c.fmax))
        self.register_buffer("bank", bank, persistent=False)

    def power(self, waveform: Tensor) -> Tensor:
        """Return the mel power spectrogram, (B, T) -> (B, bands, frames)."""
        c = self.config
        # float32 whatever the autocast says: bf16 has 8 bits for sums over 1,025 bins.
        with torch.autocast(waveform.device.type, enabled=False):
            spectrum = torch.view_as_real(
                torch.stft(
                    waveform.float(),
                    c.n_fft,
                    hop_length=c.hop,
                    window=self.window,
                    center=True,
                    pad_mode="constant",
                    return_complex=True,
                )
            )
            # re*re + im*im, not abs()**2: no square root, half the passes over memory.
            power = spectrum.square().sum(-1)
            return torch.matmul(self.bank, power)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the log-mel spectrogram in dB, (B, T) -> (B, bands, frames)."""
        decibels = 10.0 * torch.log10(self.power(waveform).clamp_min(1e-10))
        if self.config.top_db is None:
            return decibels
        return torch.maximum(decibels, decibels.amax((1, 2), keepdim=True) - self.config.top_db)
