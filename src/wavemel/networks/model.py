"""Front end and network in one module: waveform in, logits out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from wavemel.features.encoders import Embedder, EncoderChoice
from wavemel.features.frontend import FrontEnd
from wavemel.networks.base import GenreNetwork, build_network

if TYPE_CHECKING:
    from wavemel.experiment import Experiment


class GenreModel(nn.Module):
    """What is trained, saved, exported and asked: a front end and a network.

    Shape
    -----
    waveform (B, T), mono at ``front_end.rate`` -> logits (B, classes).
    """

    def __init__(self, front_end: FrontEnd, network: GenreNetwork) -> None:
        super().__init__()
        self.front_end = front_end
        # Convolutions over few channels are several times as fast in this layout on a CPU.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waveform: Tensor) -> Tensor:
        """Return logits."""
        return self.network(*self.front_end(waveform)).float()


def build_model(experiment: Experiment, classes: int) -> GenreModel:
    """Build the model that an experiment describes, with fresh weights from torch's own generator."""
    from wavemel.experiment import network_arguments

    network = build_network(**network_arguments(experiment, classes))
    rate, config = experiment.audio.rate, getattr(network, "config", None)
    embedder = Embedder(config, rate) if isinstance(config, EncoderChoice) else None
    return GenreModel(FrontEnd(network.inputs, rate, experiment.mel, embedder), network)
