"""What training on a frozen encoder needs: a description that names one encoder exactly, and its stores.

Evaluation finds there what it keeps of whole tracks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from wavemel.data.cache import ClipSpec
from wavemel.data.embeddings import (
    Embed,
    EmbeddingStore,
    Grid,
    TrackEmbeddings,
    embedding_store,
)
from wavemel.data.store import FloatArray
from wavemel.errors import ConfigError
from wavemel.experiment import Experiment, network_arguments
from wavemel.features.encoders import Embedder
from wavemel.networks.base import network_config
from wavemel.networks.encoder import PINNED, EncoderConfig
from wavemel.training.dataset import Dataset


def embeds(experiment: Experiment) -> bool:
    """Return whether a network learns from embeddings, not from audio."""
    return isinstance(_config(experiment), EncoderConfig)


def open_encoder(experiment: Experiment) -> tuple[Experiment, Embedder]:
    """Load the encoder that a description names, and say in the description which one it was.

    Returns
    -------
    Experiment
        with ``network.commit``, ``weights`` and ``width`` filled in.
    Embedder

    Raises
    ------
    ModelError
        There is no such encoder, or it is another than the description says.
    ConfigError
        The encoder does not hear such windows, or has no such layer.
    MissingExtraError
        The library that loads it is not installed.
    """
    config: EncoderConfig = _config(experiment)
    embedder = Embedder(config, experiment.audio.rate)
    width = _width(embedder, experiment.audio.samples)
    if config.width not in (None, width):
        raise ConfigError(
            f"{config.encoder} makes embeddings of {width} numbers with these settings: "
            f"leave network.width out, or set it to {width}, not {config.width}"
        )
    encoder = embedder.encoder
    found = dict(zip(PINNED, (encoder.commit, encoder.weights, width), strict=True))
    return replace(experiment, network={**experiment.network, **found}), embedder


def embedding_stores(
    data: Dataset, experiment: Experiment, embedder: Embedder, *, cache: bool, device: str
) -> tuple[EmbeddingStore, EmbeddingStore]:
    """Return the embeddings of the training clips and of the validation clips.

    The windows of a clip are those that evaluation asks: as long as
    ``audio.seconds``, overlapping by ``evaluation.overlap``, over what training may hear of it.
    """
    grid, width = _grid(experiment), _kept_width(experiment)
    embed, key = _asks(experiment, embedder, device), _key(embedder)
    train, validation = (
        embedding_store(data.part(split), grid, embed, width, key=key, cache=cache)
        for split in ("training", "validation")
    )
    return train, validation


def track_embeddings(
    experiment: Experiment, embedder: Embedder, device: str, *, cache: bool = True
) -> TrackEmbeddings:
    """Return what gives the embeddings of whole tracks, of the windows that evaluation asks.

    Parameters
    ----------
    experiment : a trained one, which says which encoder it was.
    embedder : that encoder.
    device : where to compute what is not in the cache.
    cache : keep embeddings on disk, and take them from there.
    """
    return TrackEmbeddings(
        _grid(experiment),
        _asks(experiment, embedder, device),
        _kept_width(experiment),
        key=_key(embedder),
        batch=experiment.evaluation.batch_size,
        cache=cache,
    )


def _grid(experiment: Experiment) -> Grid:
    audio = experiment.audio
    hop = max(1, round(audio.samples * (1 - experiment.evaluation.overlap)))
    return Grid(ClipSpec(rate=audio.rate, seconds=audio.kept_seconds), audio.samples, hop)


def _kept_width(experiment: Experiment) -> int:
    return int(experiment.network["width"])


def _key(embedder: Embedder) -> dict[str, Any]:
    choice, encoder = embedder.choice, embedder.encoder
    return {
        "encoder": choice.encoder,
        "commit": encoder.commit,
        "weights": encoder.weights,
        "settings": encoder.settings,
        "layer": choice.layer,
        "pooling": choice.pooling,
    }


def _asks(experiment: Experiment, embedder: Embedder, device: str) -> Embed:
    size = experiment.evaluation.batch_size

    def embed(windows: FloatArray) -> FloatArray:
        parts = [
            embedder(torch.from_numpy(windows[at : at + size]).to(device))
            for at in range(0, len(windows), size)
        ]
        return torch.cat(parts).cpu().numpy()

    return embed


def _config(experiment: Experiment) -> Any:
    return network_config(**network_arguments(experiment, classes=2))


def _width(embedder: Embedder, samples: int) -> int:
    """Return the length of the embedding of one window, of noise."""
    noise = np.random.default_rng(0).standard_normal((1, samples), dtype=np.float32)
    try:
        return embedder(torch.from_numpy(0.1 * noise)).shape[1]
    except (RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{embedder.choice.encoder} cannot embed windows of {samples / embedder.rate:g} s: {reason}"
        ) from error
