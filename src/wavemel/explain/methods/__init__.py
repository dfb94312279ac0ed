"""Ways to share a network's answer out among its inputs: one file each, found through `METHODS`."""

from wavemel.explain.methods.base import METHODS, Method, Saliency

__all__ = ["METHODS", "Method", "Saliency"]
