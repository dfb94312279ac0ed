"""Features -> logits: a network is one file and one frozen config, found through `NETWORKS`."""

from wavemel.networks.base import NETWORKS, GenreNetwork, build_network

__all__ = ["NETWORKS", "GenreNetwork", "build_network"]
