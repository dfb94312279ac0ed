"""Samples -> features: normalisation, the log-mel front end, augmentation."""
