"""`wave`: the paper's 1-D network on the raw waveform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from wavemel.networks.base import NETWORKS, GenreNetwork, check_whole, check_widths
from wavemel.networks.blocks import GlobalMaxAvg, conv1d, conv_length, dense_head


@dataclass(frozen=True)
class WaveConfig:
    """Signature of `Wave`.

    The paper gives four blocks, kernels that shrink by 2 and filters that
    double; the numbers, the pooling and the dropout are our choice where it is
    silent. ``stride`` is that of the very first convolution. ``summary`` is
    ``"flatten"`` (the paper) or ``"max_avg"`` (global max and average pooling,
    which makes the network independent of the length).
    """

    classes: int = 8
    rate: int = 44_100
    seconds: float = 15.0
    filters: tuple[int, ...] = (16, 32, 64, 128)
    kernels: tuple[int, ...] = (9, 7, 5, 3)
    stride: int = 1
    pool: int = 4
    dropout: float = 0.2
    summary: str = "flatten"

    def __post_init__(self) -> None:
        for name in ("filters", "kernels"):
            check_widths(name, getattr(self, name), least=1)
        for name in ("stride", "pool"):
            check_whole(name, getattr(self, name))
        if len(self.filters) != len(self.kernels):
            raise ValueError(
                f"filters and kernels must be equally many, not {len(self.filters)} "
                f"and {len(self.kernels)}"
            )
        if self.summary not in ("flatten", "max_avg"):
            raise ValueError(f"summary must be 'flatten' or 'max_avg', not {self.summary!r}")
        if self.output_length() < 1:
            raise ValueError(
                f"{self.seconds} s at {self.rate} Hz is too short for {len(self.filters)} blocks "
                f"with pooling {self.pool}"
            )

    @property
    def samples(self) -> int:
        """Samples of one input."""
        return round(self.rate * self.seconds)

    def output_length(self) -> int:
        """Return the length in time after the last block."""
        length = self.samples
        for i, kernel in enumerate(self.kernels):
            length = conv_length(length, kernel, self.stride if i == 0 else 1)
            length = conv_length(length, kernel) // self.pool
        return length


class WaveBlock(nn.Sequential):
    """Convolution, convolution, max pooling, batch norm, ReLU, in the paper's order.

    Shape
    -----
    (B, inputs, 1, T) -> (B, outputs, 1, T / stride / pool).

    Source: the report's section 4.1, after Lederle & Wilhelm, "Combining
    high-level features of raw audio waves and mel-spectrograms for audio
    tagging", DCASE 2018.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, pool: int) -> None:
        super().__init__(
            conv1d(inputs, outputs, kernel, stride),
            conv1d(outputs, outputs, kernel),
            nn.MaxPool2d((1, pool)),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


@NETWORKS.register("wave")
class Wave(GenreNetwork):
    """1-D convolutional network on the raw waveform (the report's figure 1).

    Shape
    -----
    wave (B, T) -> logits (B, classes).
    """

    inputs: ClassVar[tuple[str, ...]] = ("wave",)
    Config: ClassVar[type] = WaveConfig

    def __init__(self, config: WaveConfig) -> None:
        super().__init__()
        self.config = config
        widths = (1, *config.filters)
        self.blocks = nn.Sequential(
            *(
                WaveBlock(a, b, kernel, config.stride if i == 0 else 1, config.pool)
                for i, (a, b, kernel) in enumerate(
                    zip(widths[:-1], widths[1:], config.kernels, strict=True)
                )
            )
        )
        flat = config.summary == "flatten"
        self.summary = nn.Flatten() if flat else GlobalMaxAvg()
        self.n_features = config.filters[-1] * (config.output_length() if flat else 2)
        self.head = dense_head(self.n_features, (), config.classes, config.dropout)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the flattened output of the last block, (B, n_features)."""
        (wave,) = inputs
        return self.summary(self.blocks(wave[:, None, None, :]))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
