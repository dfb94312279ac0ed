from __future__ import annotations

import warnings

import numpy as np
import pytest

from wavemel.audio.mix import LIMIT, clean, gather, mix


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_mix_is_the_mean(channels):
    block = np.random.default_rng(0).standard_normal((500, channels)).astype(np.float32)
    out = np.zeros(600, np.float32)
    mono = mix(block, out)
    np.testing.assert_allclose(mono, block.mean(axis=1), atol=1e-6)
    assert mono.base is out
    assert not out[500:].any()


def test_mix_lets_infinity_through_without_a_warning():
    block = np.array([[np.inf, -np.inf], [np.nan, 1], [3e38, 3e38]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mono = mix(block, np.empty(3, np.float32))
    assert clean(mono) == 3
    assert not mono.any()


def test_clean_touches_only_what_is_no_sample():
    mono = np.array([0.5, -2, LIMIT, -LIMIT, 2 * LIMIT, -np.inf, np.nan], np.float32)
    assert clean(mono) == 3
    np.testing.assert_array_equal(mono, np.float32([0.5, -2, LIMIT, -LIMIT, 0, 0, 0]))
    assert clean(mono) == 0
    assert clean(np.empty(0, np.float32)) == 0


@pytest.mark.parametrize("expected", [-5, 0, 10, 999, 1000, 1001, 1 << 60])
def test_gather_joins_whatever_was_expected(expected):
    shared = np.empty(100, np.float32)

    def blocks():
        for n in range(10):
            shared[:] = n  # as a decoder does, the same memory every time
            yield shared

    np.testing.assert_array_equal(gather(blocks(), expected), np.repeat(np.arange(10), 100))
