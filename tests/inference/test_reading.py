"""How many windows are enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavemel.commands.classifying import Request
from wavemel.inference.reading import Reading, spread_out, windows_first, windows_needed
from wavemel.pooling import pool


@given(st.integers(1, 700))
def test_spread_out_names_each_window_once(count: int) -> None:
    assert sorted(spread_out(count)) == list(range(count))


@given(st.integers(8, 500), st.integers(3, 60))
def test_any_first_few_lie_spread_over_the_track(count: int, few: int) -> None:
    few = min(few, count)
    order = spread_out(count)
    first = sorted(next(order) for _ in range(few))
    gaps = np.diff([-1, *first, count])
    # Van der Corput: no gap is more than about four times an even one.
    assert gaps.max() <= 4 * count / few + 2


def test_windows_needed_follows_the_standard_error() -> None:
    # Four windows at .1 from their mean, and one more of the usual spread, .25 * .4 = .1.
    p = np.array([[0.7, 0.3], [0.9, 0.1], [0.7, 0.3], [0.9, 0.1]])
    variance = 0.01 * 5 / 4
    error = (0.05 / 1.96) ** 2
    total = 1000
    expected = variance * total / (error * (total - 1) + variance)
    assert windows_needed(p, total, 0.05, 0.25) == int(np.ceil(expected))


def test_of_one_window_the_usual_spread_decides() -> None:
    sure, undecided = np.array([[0.95, 0.05]]), np.array([[0.55, 0.45]])
    assert windows_needed(sure, 8, 0.2, 1.0, "geometric") == 1
    variance, error = (0.55 * 0.45) ** 2, (0.2 / 1.96) ** 2
    expected = variance * 8 / (error * 7 + variance)
    assert windows_needed(undecided, 8, 0.2, 1.0, "geometric") == int(np.ceil(expected)) == 4


@given(st.floats(0.1, 40_000))
def test_a_window_is_read_of_every_45_seconds_before_any_is_judged(total: float) -> None:
    first = windows_first(total)
    assert 1 <= first <= 12
    assert 45 * (first - 1) < total
    assert total <= 45 * first or first == 12


@given(
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 0.3),
    st.integers(0, 500),
)
def test_windows_needed_is_sane(n: int, seed: int, tolerance: float, more: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.ones(4), n)
    total = n + more
    needed = windows_needed(p, total, tolerance, 0.2)
    assert 1 <= needed <= total
    assert windows_needed(p, total, tolerance / 2, 0.2) >= needed
    assert windows_needed(p, total, tolerance, 0.3) >= needed
    assert windows_needed(np.tile(p.mean(axis=0), (n, 1)), total, tolerance, 0.2) <= needed


@pytest.mark.parametrize("how", ["mean", "geometric"])
def test_the_stated_confidence_is_reached_on_drifting_tracks(how: str) -> None:
    """Tracks whose probabilities wander, as music's do; read as `File2Result` reads."""
    rng = np.random.default_rng(0)
    within = 0
    tracks = 400
    for _ in range(tracks):
        total = int(rng.integers(15, 120))
        steps = rng.normal(0, 0.5, (total, 4)).cumsum(axis=0) * rng.uniform(0.1, 1)
        logits = steps + rng.normal(0, 1, (total, 4))
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        order = list(spread_out(total))
        n = windows_first(4.0 * total)
        while (needed := windows_needed(p[order[:n]], total, 0.05, 0.15, how)) > n:
            n = min(needed, 2 * n)
        some, every = pool(p[order[:n]], how), pool(p, how)
        within += bool(np.abs(some - every).max() <= 0.05)
    assert within / tracks >= 0.93


@pytest.mark.parametrize(
    "wrong", [{"whole": True, "seconds": 3.0}, {"seconds": 0.0}, {"tolerance": 0.0}]
)
def test_impossible_readings(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"whole|seconds|tolerance"):
        Reading(**wrong)


def test_readings_say_what_they_are() -> None:
    assert Request().tolerance == Reading().tolerance
    assert str(Reading()) == "tolerance 0.2"
    assert str(Reading(whole=True)) == "whole"
    assert str(Reading(seconds=20)) == "20 s"
