"""`wave-res`: a residual 1-D network on short chunks of the raw waveform."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from wavemel.networks.base import NETWORKS, GenreNetwork, check_whole, check_widths
from wavemel.networks.blocks import LevelStatistics, dense_head
from wavemel.networks.residual import ResidualUnit


@dataclass(frozen=True)
class WaveResConfig:
    """Signature of `WaveRes`.

    The first convolution has ``kernel`` samples and ``stride``; then comes one
    residual unit a number in ``filters``, each followed by a max pooling of ``pool``.
    ``levels`` pools the first convolution and every unit; without it the last unit alone.
    ``deltas``: see `TimeStatistics`.
    """

    classes: int = 8
    filters: tuple[int, ...] = (24, 48, 64, 96)
    kernel: int = 33
    stride: int = 16
    unit_kernel: int = 3
    pool: int = 4
    dense: tuple[int, ...] = ()
    levels: bool = True
    deltas: bool = False
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_widths("filters", self.filters, least=1)
        check_widths("dense", self.dense)
        for name in ("kernel", "stride", "unit_kernel", "pool"):
            check_whole(name, getattr(self, name))
        for name in ("kernel", "unit_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd, not {getattr(self, name)}")


@NETWORKS.register("wave-res")
class WaveRes(GenreNetwork):
    """Residual network on waveforms of a few seconds, any number of samples.

    Shape
    -----
    wave (B, T) -> logits (B, classes).

    Source: SampleCNN (Lee et al., "Sample-level deep convolutional neural
    networks for music auto-tagging using raw waveforms", SMC 2017) in the
    residual form of Allamy & Koerich, "1D CNN architectures for music genre
    classification", SSCI 2021: a strided first convolution, residual units
    with max pooling. Its first convolution spans 2 ms and steps 1 ms at 16 kHz, not three
    samples, which makes it ten times as cheap. Features are statistics of every level, as in `MelRes`.
    """

    inputs: ClassVar[tuple[str, ...]] = ("wave",)
    Config: ClassVar[type] = WaveResConfig

    def __init__(self, config: WaveResConfig) -> None:
        super().__init__()
        self.config = config
        first = config.filters[0]
        self.stem = nn.Sequential(
            nn.Conv2d(
                1,
                first,
                (1, config.kernel),
                (1, config.stride),
                (0, config.kernel // 2),
                bias=False,
            ),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        )
        units: list[nn.Module] = []
        widths = (first, *config.filters)
        for inputs, outputs in itertools.pairwise(widths):
            unit = ResidualUnit(inputs, outputs, kernel=(1, config.unit_kernel))
            units.append(nn.Sequential(unit, nn.MaxPool2d((1, config.pool))))
        self.units = nn.ModuleList(units)
        self.statistics = LevelStatistics((first, *config.filters), config.levels, config.deltas)
        self.n_features = self.statistics.n_features
        self.head = dense_head(self.n_features, config.dense, config.classes, config.dropout)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the statistics of all levels, (B, n_features)."""
        (wave,) = inputs
        levels = [self.stem(wave[:, None, None, :])]
        for unit in self.units:
            levels.append(unit(levels[-1]))
        return self.statistics(levels)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
