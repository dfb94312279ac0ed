"""`encoder`: a linear or small dense head on the embeddings of a frozen, pretrained encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from wavemel.features.encoders.base import EncoderChoice
from wavemel.networks.base import NETWORKS, GenreNetwork, check_widths
from wavemel.networks.blocks import dense_head

#: What training fills in, in this order: which encoder it was, exactly.
PINNED = ("commit", "weights", "width")


@dataclass(frozen=True)
class EncoderConfig(EncoderChoice):
    """Signature of `EncoderHead`.

    ``width``: length of the embeddings. Training fills it in by asking the
    encoder; stated, a description can be checked and drawn without one.
    ``hidden``: widths of dense layers; none is a linear head.
    """

    classes: int = 8
    width: int | None = None
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_widths("hidden", self.hidden)
        counted = isinstance(self.width, int) and not isinstance(self.width, bool)
        if self.width is not None and not (counted and self.width > 0):
            raise ValueError(f"width must be a number from 1, not {self.width!r}")


@NETWORKS.register("encoder")
class EncoderHead(GenreNetwork):
    """A head on embeddings; the encoder that makes them stands in front of it and stays as it is.

    Each number of the embedding is standardised by batch norm without weights,
    so that one learning rate suits every encoder.

    Shape
    -----
    embedding (B, width) -> logits (B, classes).

    Source: linear probing after He et al., "Masked autoencoders are scalable
    vision learners", CVPR 2022, section A.1.
    """

    inputs: ClassVar[tuple[str, ...]] = ("embedding",)
    Config: ClassVar[type] = EncoderConfig

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        # Before the encoder was asked, one number stands for all.
        self.n_features = config.width or 1
        self.norm = nn.BatchNorm1d(self.n_features, affine=False)
        self.head = dense_head(self.n_features, config.hidden, config.classes, config.dropout)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the standardised embedding, (B, width)."""
        (embedding,) = inputs
        return self.norm(embedding)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        return self.head(self.features(*inputs))
