from __future__ import annotations

import numpy as np
import pytest

from wavemel.audio.verdict import judge, loudness_db, sample_digest

RATE = 8000
TONE = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)


def test_level_of_a_tone():
    assert loudness_db(TONE) == pytest.approx(-3.01, abs=0.01)
    assert loudness_db(TONE * np.float32(0.001)) == pytest.approx(-63.01, abs=0.01)
    assert loudness_db(np.empty(0, np.float32)) == -np.inf


@pytest.mark.parametrize(
    ("samples", "status"),
    [
        (TONE, "ok"),
        (TONE * np.float32(0.01), "ok"),
        (TONE * np.float32(0.001), "silent"),
        (np.zeros_like(TONE), "silent"),
        (np.full_like(TONE, 0.3), "silent"),
        (np.full_like(TONE, -1.0), "silent"),
        (TONE * np.float32(0.001) + np.float32(0.5), "silent"),
        (TONE + np.float32(0.5), "ok"),
        (TONE[: RATE // 2], "short"),
        (np.empty(0, np.float32), "short"),
    ],
)
def test_verdicts(samples, status):
    verdict = judge(samples, RATE)
    assert verdict.status == status
    assert (verdict.reason == "") == (status == "ok")


def test_thresholds_are_the_callers():
    assert judge(TONE[:400], RATE, min_seconds=0.01).status == "ok"
    assert judge(TONE * np.float32(1e-4), RATE, silence_db=-90).status == "ok"


def test_digest_finds_twins_and_only_twins():
    same = TONE + np.float32(1e-7)
    assert sample_digest(same) == sample_digest(TONE)
    other = TONE.copy()
    other[100] += 0.01
    assert sample_digest(other) != sample_digest(TONE)
    assert sample_digest(TONE[:-1]) != sample_digest(TONE)
    assert sample_digest(TONE * np.float32(5)) == sample_digest(
        np.clip(TONE * np.float32(5), -1.1, 1.1)
    )
