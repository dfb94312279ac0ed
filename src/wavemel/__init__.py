"""wavemel tells the genre of music.

>>> import wavemel
>>> model = wavemel.load()  # doctest: +SKIP
>>> model.classify("song.mp3").genre  # doctest: +SKIP
'rock'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from wavemel.inference.classifier import Classifier

__version__ = "0.1.0"
__all__ = ["load"]


def load(model: str | PathLike[str] | None = None, *, threads: int = 1) -> Classifier:
    """Load an exported model; it needs onnxruntime and no torch.

    Parameters
    ----------
    model : name of a known model, or path of an exported one; the default model
        without (``$WAVEMEL_MODEL``, else the one that comes with wavemel, else
        your only one).
    threads : cores that the network may use.

    Raises
    ------
    wavemel.errors.ModelError
        There is no such model, or it cannot be loaded.
    """
    from wavemel.inference.classifier import Classifier

    return Classifier(model, threads=threads)
