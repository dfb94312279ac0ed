"""Changes to the training audio: one file each, found through `AUGMENTATIONS`."""

from wavemel.features.augment.base import (
    AUGMENTATIONS,
    BatchAugmentation,
    ClipAugmentation,
    make_augmentations,
)

__all__ = ["AUGMENTATIONS", "BatchAugmentation", "ClipAugmentation", "make_augmentations"]
