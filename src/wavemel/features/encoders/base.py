"""Which encoder, what every source of encoders offers, and what asks one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from wavemel.errors import ConfigError, ModelError
from wavemel.registry import Registry

POOLINGS = ("mean", "max", "mean_std", "own")


@dataclass(frozen=True)
class EncoderChoice:
    """Which pretrained encoder, and what of it is the embedding.

    ``encoder`` is SOURCE:NAME: ``hf:facebook/wav2vec2-base``, ``hf:/a/folder``.
    ``revision``: a branch, tag or commit of it. ``layer``: ``"last"``, or the
    number of a hidden state, 0 being what the first layer takes. ``pooling``
    over time: ``"mean"``, ``"max"``, ``"mean_std"`` (both, twice as long), or
    the encoder's ``"own"``. ``trust_remote_code``: run Python code that comes
    with the encoder. ``commit`` and ``weights`` (a SHA-256) are filled in by
    training, and hold from then on.
    """

    encoder: str = ""
    revision: str | None = None
    trust_remote_code: bool = False
    layer: int | str = "last"
    pooling: str = "mean"
    commit: str | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        source, _, name = str(self.encoder).partition(":")
        if not name:
            raise ValueError(
                f"encoder must be SOURCE:NAME, as in hf:facebook/wav2vec2-base, not {self.encoder!r}"
            )
        _ = ENCODERS[source]
        counted = isinstance(self.layer, int) and not isinstance(self.layer, bool)
        if self.layer != "last" and not (counted and int(self.layer) >= 0):
            raise ValueError(f"layer must be 'last' or a number from 0, not {self.layer!r}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {self.pooling!r}")
        if self.pooling == "own" and self.layer != "last":
            raise ValueError("pooling 'own' is of the last layer: leave layer out")
        if not isinstance(self.trust_remote_code, bool):
            raise ValueError(f"trust_remote_code is true or false, not {self.trust_remote_code!r}")

    @property
    def name(self) -> str:
        """The encoder's name within its source."""
        return self.encoder.partition(":")[2]


class Encoder(Protocol):
    """A frozen encoder, loaded: what a source makes of an `EncoderChoice`."""

    #: Hz that it hears.
    rate: int
    #: Seconds that it hears at most; None where any length will do.
    longest: float | None
    #: The revision that was loaded, where its source numbers them.
    commit: str | None
    #: SHA-256 of its weights.
    weights: str
    #: Everything else that decides an embedding, as text.
    settings: str
    #: The same as a module, waveforms (B, T) -> (B, width), that can be written as a graph together
    #: with what stands on it; None where it cannot.
    graph: nn.Module | None

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return embeddings, (B, T) at ``rate`` -> (B, width) float32, on the same device."""
        ...

    def to(self, device: torch.device) -> Any:
        """Move to another device."""
        ...


class _Source(Protocol):
    """Loads an encoder; raises ModelError where it cannot."""

    def __call__(self, choice: EncoderChoice) -> Encoder: ...


ENCODERS: Registry[_Source] = Registry("source of encoders", "wavemel.features.encoders")


class Embedder:
    """Waveforms to embeddings, by one frozen encoder that is loaded when it is first asked.

    No module: its weights stand in no state dict, so that no checkpoint copies
    them, and no optimiser moves them.

    Parameters
    ----------
    choice : which encoder.
    rate : Hz of the waveforms; the encoder's own.
    """

    def __init__(self, choice: EncoderChoice, rate: int) -> None:
        self.choice, self.rate = choice, rate
        self._loaded: Encoder | None = None
        self._device = torch.device("cpu")

    def __deepcopy__(self, memo: dict[int, Any]) -> Embedder:
        # What never changes can be shared.
        return self

    @property
    def encoder(self) -> Encoder:
        """The encoder.

        Raises
        ------
        ModelError
            It cannot be loaded, or its weights are not those that the description names.
        ConfigError
            It hears another rate.
        MissingExtraError
            The library that loads it is not installed.
        """
        if self._loaded is None:
            choice = self.choice
            loaded = ENCODERS[choice.encoder.partition(":")[0]](choice)
            if choice.weights is not None and loaded.weights != choice.weights:
                raise ModelError(
                    f"{choice.encoder} has other weights than those this model was trained on "
                    f"(SHA-256 {loaded.weights[:12]}, not {choice.weights[:12]}): find that version of it"
                )
            if loaded.rate != self.rate:
                raise ConfigError(
                    f"{choice.encoder} hears {loaded.rate} Hz: set audio.rate={loaded.rate}"
                )
            self._loaded = loaded
        return self._loaded

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return embeddings, (B, T) -> (B, width) float32.

        Raises
        ------
        ConfigError
            The waveforms are longer than what the encoder hears.
        """
        encoder = self.encoder
        seconds = waveforms.shape[-1] / self.rate
        if encoder.longest is not None and seconds > encoder.longest:
            raise ConfigError(
                f"{self.choice.encoder} hears {encoder.longest:g} s at most: "
                f"set audio.seconds={encoder.longest:g} or less, not {seconds:g}"
            )
        if waveforms.device != self._device:
            encoder.to(waveforms.device)
            self._device = waveforms.device
        with torch.no_grad():
            return encoder(waveforms).float()
