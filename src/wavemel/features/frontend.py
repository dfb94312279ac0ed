"""Waveform -> the inputs a network asks for, normalised."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavemel.features.encoders import Embedder
from wavemel.features.mel import LogMel, MelConfig
from wavemel.features.normalise import zscore


class FrontEnd(nn.Module):
    """Turn waveforms into z-scored waveforms, z-scored log-mel spectrograms, or embeddings.

    Parameters
    ----------
    inputs : which of ``"wave"``, ``"mel"`` and ``"embedding"`` the network takes, in its order.
    rate : sample rate in Hz.
    mel : settings of the spectrogram.
    embedder : the frozen encoder that makes embeddings.

    Shape
    -----
    waveform (B, T), any scale -> tuple of ``wave`` (B, T), ``mel`` (B, bands, frames) and
    ``embedding`` (B, width), as named by ``inputs``.
    """

    def __init__(
        self,
        inputs: tuple[str, ...],
        rate: int,
        mel: MelConfig | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.rate = rate
        self.logmel = LogMel(rate, mel) if "mel" in inputs else None
        self.embedder = embedder

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """Return the network's inputs for a batch of waveforms."""
        # Statistics over 661,500 samples do not survive bf16.
        with torch.autocast(waveform.device.type, enabled=False):
            waveform = waveform.float()
            made = []
            for name in self.inputs:
                if name == "mel":
                    assert self.logmel is not None
                    whole = self.logmel.config.normalise == "spectrogram"
                    made.append(zscore(self.logmel(waveform), dim=(1, 2) if whole else -1))
                elif name == "embedding":
                    assert self.embedder is not None
                    made.append(self.embedder(waveform))
                else:
                    made.append(zscore(waveform, dim=-1))
        return tuple(made)
