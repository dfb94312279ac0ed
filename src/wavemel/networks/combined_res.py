"""`combined-res`: the features of `wave-res` and `mel-res`, concatenated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from wavemel.networks.base import NETWORKS, GenreNetwork, check_widths
from wavemel.networks.blocks import dense_head
from wavemel.networks.mel_res import MelRes, MelResConfig
from wavemel.networks.wave_res import WaveRes, WaveResConfig


@dataclass(frozen=True)
class CombinedResConfig:
    """Signature of `CombinedRes`: the two branches and the dense head."""

    classes: int = 8
    wave: WaveResConfig = field(default_factory=WaveResConfig)
    mel: MelResConfig = field(default_factory=MelResConfig)
    dense: tuple[int, ...] = ()
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_widths("dense", self.dense)


@NETWORKS.register("combined-res")
class CombinedRes(GenreNetwork):
    """Both residual networks without their heads, their features concatenated.

    The branches start from trained runs (``training.initial``); the head is
    trained alone first (``training.head_epochs``), then all together, the
    branches at a low rate (``training.branch_rate``).

    Shape
    -----
    wave (B, T), mel (B, bands, frames) -> logits (B, classes).

    Source: Lederle & Wilhelm, "Combining high-level features of raw audio
    waves and mel-spectrograms for audio tagging", DCASE 2018, who train the
    branches first, freeze them and train the head.
    """

    inputs: ClassVar[tuple[str, ...]] = ("wave", "mel")
    Config: ClassVar[type] = CombinedResConfig
    #: Attribute -> network whose trained weights it can start from.
    branches: ClassVar[dict[str, str]] = {"wave": "wave-res", "mel": "mel-res"}

    def __init__(self, config: CombinedResConfig) -> None:
        super().__init__()
        self.config = config
        self.wave = WaveRes(config.wave)
        self.mel = MelRes(config.mel)
        for branch in (self.wave, self.mel):
            del branch.head
        self.n_features = self.wave.n_features + self.mel.n_features
        self.head = dense_head(self.n_features, config.dense, config.classes, config.dropout)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return both branches' features, (B, wave features + mel features)."""
        wave, mel = inputs
        return torch.cat([self.wave.features(wave), self.mel.features(mel)], dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
