"""What every network offers, and the registry that finds them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from torch import Tensor, nn

from wavemel.errors import ConfigError
from wavemel.options import make_config
from wavemel.registry import Registry

#: No layer has more channels or units: what lies beyond is a slip, and fits into no memory.
WIDEST = 65_536


def check_widths(name: str, value: Any, least: int = 0) -> None:
    """Raise ValueError unless ``value`` is a tuple of widths, one a layer, for ``least`` layers or more."""
    if not isinstance(value, tuple) or not all(_whole(width) for width in value):
        raise ValueError(
            f"{name} must be a list of whole numbers from 1 to {WIDEST:,}, not {_said(value)}"
        )
    if len(value) < least:
        raise ValueError(f"{name} must name at least {least} of them, not {_said(value)}")


def check_whole(name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is a whole number from 1: a width, a stride, a pooling."""
    if not _whole(value):
        raise ValueError(f"{name} must be a whole number from 1 to {WIDEST:,}, not {value!r}")


def _whole(value: Any) -> bool:
    # YAML's true is a number to Python.
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= WIDEST


def _said(value: Any) -> str:
    """Return a value as a config file has it."""
    return repr(list(value) if isinstance(value, tuple) else value)


class GenreNetwork(nn.Module):
    """A network from normalised features to genre logits.

    A subclass names the ``inputs`` it takes (``"wave"`` (B, T), ``"mel"``
    (B, bands, frames), ``"embedding"`` (B, width)), has a frozen ``Config`` dataclass that is its whole
    signature, and a `forward`. One that others build on splits itself into
    `features` and a head; one that takes embeddings says their length as ``n_features``.
    """

    inputs: ClassVar[tuple[str, ...]]
    Config: ClassVar[type]

    #: Length of the vector that `features` returns.
    n_features: int

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the vector before the dense head, (B, n_features)."""
        raise TypeError(f"{type(self).__name__} does not define features()")

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits, (B, classes)."""
        raise TypeError(f"{type(self).__name__} does not define forward()")


NETWORKS: Registry[type[GenreNetwork]] = Registry("network", "wavemel.networks")


def check_class(name: str) -> type[GenreNetwork]:
    """Return the class of a network; raise ConfigError where it lacks what every network must have."""
    network = NETWORKS[name]
    inputs, config = getattr(network, "inputs", None), getattr(network, "Config", None)
    lacks = None
    if not isinstance(inputs, tuple) or not inputs:
        lacks = 'inputs, a tuple of what it takes, as in inputs = ("mel",)'
    elif not dataclasses.is_dataclass(config):
        lacks = "Config, the frozen dataclass of its options"
    elif "classes" not in {field.name for field in dataclasses.fields(config)}:
        lacks = "field 'classes', the number of genres, in its Config"
    elif network.forward is GenreNetwork.forward:
        lacks = "forward(), which returns logits"
    if lacks is not None:
        raise ConfigError(
            f"network {name!r} is not finished: class {network.__name__} in "
            f"{network.__module__} has no {lacks}"
        )
    return network


def build_network(name: str, options: dict[str, Any] | None = None, **given: Any) -> GenreNetwork:
    """Build a network by name.

    Parameters
    ----------
    name : name in `NETWORKS`.
    options : fields of its config, as a config file gives them.
    given : fields that follow from elsewhere (classes, rate, seconds, bands);
        those that the config does not have are left out.

    Raises
    ------
    ConfigError
        Unknown network, unknown field, or a value that does not fit.
    """
    return NETWORKS[name](network_config(name, options, **given))


def network_config(name: str, options: dict[str, Any] | None = None, **given: Any) -> Any:
    """Return the config of a network, as `build_network` would build it with."""
    return make_config(NETWORKS[name].Config, options or {}, f"network {name!r}", **given)
