"""Pretrained encoders of audio: one file a source of them, found through `ENCODERS` by its prefix."""

from wavemel.features.encoders.base import ENCODERS, Embedder, Encoder, EncoderChoice

__all__ = ["ENCODERS", "Embedder", "Encoder", "EncoderChoice"]
