"""Residual units that several networks are built of."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualUnit(nn.Module):
    """Two convolutions with batch norm, and a shortcut around both.

    The shortcut is a 1 x 1 convolution where the number of channels or the stride changes.

    Parameters
    ----------
    inputs, outputs : channels.
    kernel : (bands, frames); (1, k) makes it a 1-D unit over time.
    stride : of the first convolution, (bands, frames).

    Shape
    -----
    (B, inputs, H, W) -> (B, outputs, ceil(H / stride[0]), ceil(W / stride[1])).

    Source: He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, kernel, 1, padding, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == (1, 1)
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit."""
        return self.relu(self.residual(x) + self.shortcut(x))
