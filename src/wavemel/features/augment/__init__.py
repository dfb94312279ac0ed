"""Changes to the training audio and its spectrograms: one file each, found through `AUGMENTATIONS`."""

from wavemel.features.augment.base import (
    AUGMENTATIONS,
    Augmentations,
    BatchAugmentation,
    ClipAugmentation,
    SpectrogramAugmentation,
    make_augmentations,
)

__all__ = [
    "AUGMENTATIONS",
    "Augmentations",
    "BatchAugmentation",
    "ClipAugmentation",
    "SpectrogramAugmentation",
    "make_augmentations",
]
