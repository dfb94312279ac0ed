"""Honest figures: metrics, intervals, paired tests, baselines, calibration."""
