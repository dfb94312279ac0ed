"""`mel-res`: a residual 2-D network on short chunks of the mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from wavemel.networks.base import NETWORKS, GenreNetwork, check_whole, check_widths
from wavemel.networks.blocks import CosineTransform, LevelStatistics, dense_head
from wavemel.networks.residual import ResidualUnit


@dataclass(frozen=True)
class MelResConfig:
    """Signature of `MelRes`.

    One residual unit a number in ``filters``; all but the first halve bands and
    frames. ``kernel`` is that of the first convolution, which has a stride of 2
    and is followed by a max pooling of ``pool``: most of the price of a
    spectrogram network is its first layers. ``levels`` pools the input's first
    ``cepstra`` cepstral coefficients (None: one a band), the first convolution
    and every unit; without it the last unit alone. ``deltas``: see `TimeStatistics`.
    """

    classes: int = 8
    bands: int = 128
    filters: tuple[int, ...] = (24, 48, 48, 96)
    kernel: int = 5
    pool: int = 2
    dense: tuple[int, ...] = ()
    levels: bool = True
    cepstra: int | None = None
    deltas: bool = False
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_widths("filters", self.filters, least=1)
        check_widths("dense", self.dense)
        for name in ("kernel", "pool"):
            check_whole(name, getattr(self, name))
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, not {self.kernel}")
        if not 1 <= self.coefficients <= self.bands:
            raise ValueError(f"cepstra must lie in 1..{self.bands} (bands), not {self.cepstra}")

    @property
    def coefficients(self) -> int:
        """Cepstral coefficients that are pooled."""
        return self.bands if self.cepstra is None else self.cepstra


@NETWORKS.register("mel-res")
class MelRes(GenreNetwork):
    """Residual network on mel spectrograms of a few seconds, any number of frames.

    Shape
    -----
    mel (B, bands, frames) -> logits (B, classes).

    Source: the short-chunk CNN with residual connections of Won et al.,
    "Evaluation of CNN-based automatic music tagging models", SMC 2020, made a
    hundredth as large for small collections. Its features are statistics over
    time of every level (`LevelStatistics`): genre shows in timbre, which
    the first levels hold, as much as in patterns, which the last ones do. The
    input's own level is its cepstrum (MFCCs): neighbouring bands tell nearly the
    same, and what they differ in would drown.
    """

    inputs: ClassVar[tuple[str, ...]] = ("mel",)
    Config: ClassVar[type] = MelResConfig

    def __init__(self, config: MelResConfig) -> None:
        super().__init__()
        self.config = config
        first = config.filters[0]
        self.stem = nn.Sequential(
            nn.Conv2d(1, first, config.kernel, 2, config.kernel // 2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        )
        self.pool: nn.Module = nn.MaxPool2d(config.pool) if config.pool > 1 else nn.Identity()
        units: list[nn.Module] = [ResidualUnit(first, first)]
        for inputs, outputs in zip(config.filters[:-1], config.filters[1:], strict=True):
            units.append(ResidualUnit(inputs, outputs, stride=(2, 2)))
        self.units = nn.ModuleList(units)
        self.cepstrum = CosineTransform(config.coefficients, config.bands)
        widths = (config.coefficients, first, *config.filters)
        self.statistics = LevelStatistics(widths, config.levels, config.deltas)
        self.n_features = self.statistics.n_features
        self.head = dense_head(self.n_features, config.dense, config.classes, config.dropout)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the statistics of all levels, (B, n_features)."""
        (mel,) = inputs
        # Coefficients are the channels of the input's own level.
        levels = [self.cepstrum(mel)[:, :, None], self.stem(mel[:, None])]
        x = self.pool(levels[-1])
        for unit in self.units:
            x = unit(x)
            levels.append(x)
        return self.statistics(levels)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
