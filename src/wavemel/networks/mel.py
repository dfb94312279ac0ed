"""`mel`: the paper's 2-D network on the mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from wavemel.networks.base import NETWORKS, GenreNetwork, check_whole, check_widths
from wavemel.networks.blocks import GlobalMaxAvg, dense_head


@dataclass(frozen=True)
class MelNetConfig:
    """Signature of `Mel`.

    The paper gives three convolutions with a skip and the two global poolings;
    filters and kernels are our choice where it is silent, dense widths and
    dropout those of the network it cites. ``pool`` is a max pooling over
    (bands, frames) after the first convolution; (1, 1) is none.
    """

    classes: int = 8
    bands: int = 128
    filters: int = 16
    kernel: tuple[int, int] = (3, 3)
    pool: tuple[int, int] = (1, 1)
    dense: tuple[int, ...] = (300, 150)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_whole("filters", self.filters)
        for name in ("kernel", "pool"):
            value = getattr(self, name)
            if not isinstance(value, tuple) or len(value) != 2:
                raise ValueError(f"{name} must be two numbers (bands, frames), not {value!r}")
            check_widths(name, value)
        check_widths("dense", self.dense)


class SkipBlock(nn.Module):
    """Three convolutions; the first one's output is added back after the third.

    Shape
    -----
    (B, 1, bands, frames) -> (B, filters, bands / pool, frames / pool).

    Source: nnet2 of Zhang et al., "Improved music genre classification with
    convolutional neural networks", Interspeech 2016.
    """

    def __init__(self, filters: int, kernel: tuple[int, int], pool: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)

        def conv(inputs: int) -> list[nn.Module]:
            return [
                nn.Conv2d(inputs, filters, kernel, padding=padding, bias=False),
                nn.BatchNorm2d(filters),
            ]

        self.first = nn.Sequential(*conv(1), nn.ReLU())
        if pool != (1, 1):
            self.first.append(nn.MaxPool2d(pool))
        self.residual = nn.Sequential(*conv(filters), nn.ReLU(), *conv(filters))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        first = self.first(x)
        return self.relu(first + self.residual(first))


@NETWORKS.register("mel")
class Mel(GenreNetwork):
    """2-D convolutional network with a skip on the mel spectrogram (the report's figure 2).

    Shape
    -----
    mel (B, bands, frames) -> logits (B, classes).
    """

    inputs: ClassVar[tuple[str, ...]] = ("mel",)
    Config: ClassVar[type] = MelNetConfig

    def __init__(self, config: MelNetConfig) -> None:
        super().__init__()
        self.config = config
        self.block = SkipBlock(config.filters, config.kernel, config.pool)
        self.summary = GlobalMaxAvg()
        self.n_features = 2 * config.filters
        self.head = dense_head(self.n_features, config.dense, config.classes, config.dropout)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return global max and average pooling of the block, (B, 2 filters)."""
        (mel,) = inputs
        return self.summary(self.block(mel[:, None]))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
