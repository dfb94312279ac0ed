"""Parts that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def conv1d(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return a 1-D convolution over (B, C, 1, T), padded so that stride 1 keeps the length.

    It is a 2-D convolution with a (1, kernel) kernel: in ``channels_last`` with
    bf16 that trains about ten times as fast on a CPU as ``nn.Conv1d``
    (`benchmarks/training_step.py`), and computes the same.
    """
    return nn.Conv2d(
        inputs, outputs, (1, kernel), stride=(1, stride), padding=(0, kernel // 2), bias=bias
    )


def conv_length(length: int, kernel: int, stride: int = 1) -> int:
    """Return the length that `conv1d` makes of ``length``."""
    return (length + 2 * (kernel // 2) - kernel) // stride + 1


def dense_head(
    inputs: int, hidden: tuple[int, ...], classes: int, dropout: float, norm: bool = True
) -> nn.Sequential:
    """Return dense layers with batch norm, ReLU and dropout, then a dense layer to the logits.

    With ``hidden=()`` it is dropout and one dense layer.
    """
    layers: list[nn.Module] = [nn.Dropout(dropout)] if not hidden else []
    for width in hidden:
        layers.append(nn.Linear(inputs, width, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(width))
        layers += [nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def dct_matrix(coefficients: int, bands: int) -> Tensor:
    """Return the first rows of the orthonormal type-2 cosine transform, (coefficients, bands).

    Of a log-mel spectrogram it makes MFCCs, equal to ``scipy.fft.dct(..., norm="ortho")``.
    """
    band = torch.arange(bands, dtype=torch.float64) + 0.5
    order = torch.arange(coefficients, dtype=torch.float64)[:, None]
    matrix = torch.cos(torch.pi / bands * order * band) * (2 / bands) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.float()


class CosineTransform(nn.Module):
    """The first cepstral coefficients of a log-mel spectrogram (MFCCs); nothing in it is learnt.

    Shape
    -----
    (B, bands, frames) -> (B, coefficients, frames).
    """

    cosines: Tensor

    def __init__(self, coefficients: int, bands: int) -> None:
        super().__init__()
        self.register_buffer("cosines", dct_matrix(coefficients, bands), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        """Transform."""
        # In float32: coefficients are differences of bands, which bf16 rounds away.
        with torch.autocast("cpu" if mel.is_meta else mel.device.type, enabled=False):
            return torch.matmul(self.cosines, mel.float())


class TimeStatistics(nn.Module):
    """Mean and standard deviation over time of what is left when bands are averaged.

    A standard deviation tells how far a feature moves, which a mean cannot: the
    statistics that support vector machines on MFCCs live on. ``deltas`` adds the
    root mean square of its steps from frame to frame: how fast it moves.

    Shape
    -----
    (B, C, H, W) -> (B, n C); n, `count`, is 2, or 3 with deltas.

    Source: statistics pooling of Snyder et al., "X-vectors: robust DNN
    embeddings for speaker recognition", ICASSP 2018; deltas are those of
    Furui, "Speaker-independent isolated word recognition using dynamic features
    of speech spectrum", IEEE TASSP 1986.
    """

    def __init__(self, deltas: bool = False) -> None:
        super().__init__()
        self.deltas = deltas
        self.count = 3 if deltas else 2

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        # In float32: a variance of bf16 values loses what small movements there are.
        rows = x.float().mean(dim=2)
        mean = rows.mean(dim=2)
        # A little is added, because the square root has no slope at 0.
        made = [mean, ((rows - mean[:, :, None]).square().mean(dim=2) + 1e-5).sqrt()]
        if self.deltas:
            steps = rows[:, :, 1:] - rows[:, :, :-1]
            made.append((steps.square().mean(dim=2) + 1e-5).sqrt())
        return torch.cat(made, dim=1)


class LevelStatistics(nn.Module):
    """Statistics over time of every level of a network, or of the last alone, normalised.

    Parameters
    ----------
    widths : channels of each level.
    every : pool all levels, not only the last.
    deltas : see `TimeStatistics`.

    Shape
    -----
    levels, each (B, C, H, W) -> (B, n_features).

    Source: Lee & Nam, "Multi-level and multi-scale feature aggregation using
    pretrained convolutional neural networks for music auto-tagging", IEEE Signal
    Processing Letters 2017.
    """

    def __init__(self, widths: Sequence[int], every: bool = True, deltas: bool = False) -> None:
        super().__init__()
        self.every = every
        self.summary = TimeStatistics(deltas)
        self.n_features = self.summary.count * sum(widths if every else widths[-1:])
        # Levels differ in scale by orders of magnitude.
        self.norm = nn.BatchNorm1d(self.n_features)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Pool and normalise."""
        pooled = levels if self.every else levels[-1:]
        return self.norm(torch.cat([self.summary(level) for level in pooled], dim=1))


class GlobalMaxAvg(nn.Module):
    """Global max pooling and global average pooling over (H, W), concatenated.

    Shape
    -----
    (B, C, H, W) -> (B, 2 C).

    Source: Zhang et al., "Improved music genre classification with
    convolutional neural networks", Interspeech 2016.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return torch.cat([x.amax(dim=(2, 3)), x.mean(dim=(2, 3))], dim=1)
