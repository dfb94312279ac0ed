"""A trained run, or several -> a model that needs no torch: an ONNX graph, a JSON description, a card.

By default mel and normalisation stay outside of the graph, in numpy, where
they measure several times faster (`benchmarks/classify_frontend.py`); inside
it, the graph takes samples and can be used without wavemel.
"""

from wavemel.export.options import Options
from wavemel.export.run import Exported, export

__all__ = ["Exported", "Options", "export"]
