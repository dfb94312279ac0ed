from __future__ import annotations

import numpy as np
import pytest

from wavemel.audio.resample import resample


def tone(hertz: float, rate: int, count: int) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(count) / rate).astype(np.float32)


@pytest.mark.parametrize("target", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("count", [1, 7, 1000, 44099])
def test_length_is_exact(target, count):
    out = resample(np.ones(count, np.float32), 44100, target)
    assert len(out) == round(count * target / 44100)
    assert out.dtype == np.float32


def test_a_tone_stays_the_same_tone():
    out = resample(tone(1000, 44100, 44100), 44100, 16000)
    np.testing.assert_allclose(out[500:-500], tone(1000, 16000, 16000)[500:-500], atol=1e-3)


def test_what_the_new_rate_cannot_hold_is_gone():
    out = resample(tone(10000, 44100, 44100), 44100, 16000)
    assert np.abs(out[500:-500]).max() < 1e-4


def test_equal_rates_copy_nothing():
    samples = tone(440, 8000, 100)
    assert resample(samples, 8000, 8000) is samples


def test_nothing_stays_nothing():
    assert len(resample(np.empty(0, np.float32), 44100, 16000)) == 0


@pytest.mark.parametrize("rates", [(0, 8000), (8000, -1)])
def test_rates_must_be_positive(rates):
    with pytest.raises(ValueError, match="positive"):
        resample(np.ones(10, np.float32), *rates)
