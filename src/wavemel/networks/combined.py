"""`combined`: the features of `wave` and `mel`, concatenated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from wavemel.networks.base import NETWORKS, GenreNetwork, check_widths
from wavemel.networks.blocks import dense_head
from wavemel.networks.mel import Mel, MelNetConfig
from wavemel.networks.wave import Wave, WaveConfig


@dataclass(frozen=True)
class CombinedConfig:
    """Signature of `Combined`: the two branches and the dense head of the report's figure 3.

    ``frozen`` keeps the branches' weights as they are given (Lederle &
    Wilhelm train the branches alone first); it makes sense only with branches
    that start from trained weights.
    """

    classes: int = 8
    wave: WaveConfig = field(default_factory=WaveConfig)
    mel: MelNetConfig = field(default_factory=MelNetConfig)
    dense: tuple[int, ...] = (512, 256, 128, 64)
    dropout: float = 0.2
    frozen: bool = False

    def __post_init__(self) -> None:
        check_widths("dense", self.dense)


@NETWORKS.register("combined")
class Combined(GenreNetwork):
    """Both networks without their dense heads, their features concatenated (figure 3).

    Shape
    -----
    wave (B, T), mel (B, bands, frames) -> logits (B, classes).

    Source: the report's section 4.3, after Lederle & Wilhelm, "Combining
    high-level features of raw audio waves and mel-spectrograms for audio
    tagging", DCASE 2018.
    """

    inputs: ClassVar[tuple[str, ...]] = ("wave", "mel")
    Config: ClassVar[type] = CombinedConfig
    #: Attribute -> network whose trained weights it can start from.
    branches: ClassVar[dict[str, str]] = {"wave": "wave", "mel": "mel"}

    def __init__(self, config: CombinedConfig) -> None:
        super().__init__()
        self.config = config
        self.wave = Wave(config.wave)
        self.mel = Mel(config.mel)
        for branch in (self.wave, self.mel):
            del branch.head
        self.n_features = self.wave.n_features + self.mel.n_features
        self.head = dense_head(self.n_features, config.dense, config.classes, config.dropout)
        if config.frozen:
            for branch in (self.wave, self.mel):
                branch.requires_grad_(False)
            # A trainer that keeps each module's mode never calls train() itself.
            self.train()

    def train(self, mode: bool = True) -> Combined:
        """Set the mode; frozen branches stay in evaluation mode, so that their batch norms do too."""
        super().train(mode)
        if self.config.frozen:
            self.wave.eval()
            self.mel.eval()
        return self

    def features(self, *inputs: Tensor) -> Tensor:
        """Return both branches' features, (B, wave features + mel features)."""
        wave, mel = inputs
        return torch.cat([self.wave.features(wave), self.mel.features(mel)], dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
