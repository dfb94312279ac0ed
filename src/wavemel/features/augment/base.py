"""The three kinds of augmentation, and the registry that finds them.

A cheap one changes batches as they are trained on: waveforms
(`BatchAugmentation`), or the mel spectrograms made of them
(`SpectrogramAugmentation`). A dear one (time stretching costs more than a
training step) is made ahead of time: the cache holds a few variants of each
clip and training draws among them (`ClipAugmentation`).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wavemel.errors import ConfigError
from wavemel.options import make_config
from wavemel.registry import Registry


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What every augmentation has: the probability with which a clip is changed."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must lie in 0..1, not {self.probability}")


def check_range(name: str, value: Any, least: float, most: float) -> None:
    """Raise ValueError unless ``value`` is two numbers of a range, the lower first."""
    good = isinstance(value, tuple) and len(value) == 2
    if not good or not all(isinstance(v, int | float) and least <= v <= most for v in value):
        raise ValueError(f"{name} must be two numbers in {least:g}..{most:g}, not {value!r}")
    if value[0] > value[1]:
        raise ValueError(f"{name} must be two numbers, low then high, not {value!r}")


def check_count(name: str, value: Any, least: int, most: int) -> None:
    """Raise ValueError unless ``value`` is a whole number in a range."""
    # YAML's true is a number to Python.
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number in {least}..{most:,}, not {value!r}")


class BatchAugmentation(Augmentation):
    """Changes a batch of waveforms on the device that trains on it."""

    @property
    def reach(self) -> float:
        """How many times as many samples it must be given as are wanted of it."""
        return 1.0

    def __call__(self, waveforms: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed waveforms, (B, T) -> (B, T); all chance comes from ``generator``."""
        raise TypeError(f"{type(self).__name__} does not define __call__()")


class SpectrogramAugmentation(Augmentation):
    """Changes a batch of normalised mel spectrograms on the device that trains on it."""

    def __call__(self, mels: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed spectrograms, (B, bands, frames), same shape; all chance from ``generator``."""
        raise TypeError(f"{type(self).__name__} does not define __call__()")


@dataclasses.dataclass(frozen=True)
class ClipAugmentation(Augmentation):
    """Changes one clip ahead of time; ``variants`` of each clip are kept in the cache."""

    variants: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("variants", self.variants, 1, 1000)

    def variant(
        self, samples: npt.NDArray[np.float32], rate: int, rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Return a changed copy of the clip, (T,) -> (T,); all chance comes from ``rng``."""
        raise TypeError(f"{type(self).__name__} does not define variant()")


AUGMENTATIONS: Registry[type[Augmentation]] = Registry("augmentation", __package__ or "")


def draw(count: int, columns: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """Return uniform numbers in 0..1, (count, columns), on the device of ``like``."""
    drawn = torch.rand(count, columns, generator=generator, device=generator.device)
    return drawn.to(like.device)


@dataclasses.dataclass(frozen=True)
class Augmentations:
    """What a config's augmentations are, by kind, each in the config's order."""

    waveform: tuple[BatchAugmentation, ...] = ()
    spectrogram: tuple[SpectrogramAugmentation, ...] = ()
    ahead: ClipAugmentation | None = None

    def samples(self, wanted: int) -> int:
        """Return how many samples of a clip give ``wanted`` ones after the changes."""
        return math.ceil(wanted * math.prod(a.reach for a in self.waveform))

    def left(self, given: int) -> int:
        """Return how many of ``given`` samples the changes leave."""
        for change in self.waveform:
            given = given if change.reach == 1 else math.floor(given / change.reach)
        return given


def make_augmentations(options: dict[str, dict[str, Any]]) -> Augmentations:
    """Return the augmentations that a config names.

    Raises
    ------
    ConfigError
        An unknown name or option, or more than one that is made ahead of time
        (their variants would multiply).
    """
    made = [
        make_config(AUGMENTATIONS[name], values or {}, f"augmentation {name!r}")
        for name, values in options.items()
    ]
    ahead = [a for a in made if isinstance(a, ClipAugmentation)]
    if len(ahead) > 1:
        raise ConfigError("only one augmentation that is made ahead of time can be used at once")
    return Augmentations(
        tuple(a for a in made if isinstance(a, BatchAugmentation)),
        tuple(a for a in made if isinstance(a, SpectrogramAugmentation)),
        ahead[0] if ahead else None,
    )
