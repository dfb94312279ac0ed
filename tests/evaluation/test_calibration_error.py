import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from wavemel.evaluation.calibration_error import (
    error_by_chance,
    error_interval,
    expected_calibration_error,
    reliability,
)

SEEDS = st.integers(0, 10_000)


def random_case(seed, n=80, k=4):
    rng = np.random.default_rng(seed)
    return rng.integers(0, k, n), rng.dirichlet(np.ones(k), n)


def test_error_worked_by_hand():
    # Bins of a fifth: two clips at .7 (one right), one at .9 (right), one at 1 (wrong).
    p = np.array([[0.7, 0.3], [0.3, 0.7], [0.9, 0.1], [0.0, 1.0]])
    truth = [0, 0, 0, 0]
    expected = 2 / 4 * abs(0.7 - 0.5) + 2 / 4 * abs(0.95 - 0.5)
    assert expected_calibration_error(truth, p, bins=5) == pytest.approx(expected)


@settings(deadline=None)
@given(SEEDS)
def test_diagram_equals_scikit_learns_curve(seed):
    truth, p = random_case(seed)
    rows = [row for row in reliability(truth, p) if row["n"]]
    accuracy, confidence = calibration_curve(p.argmax(1) == truth, p.max(1), n_bins=15)
    assert [row["accuracy"] for row in rows] == pytest.approx(accuracy.tolist())
    assert [row["confidence"] for row in rows] == pytest.approx(confidence.tolist())


@settings(deadline=None)
@given(SEEDS)
def test_error_is_the_diagrams_distance_from_the_diagonal(seed):
    truth, p = random_case(seed)
    rows = [row for row in reliability(truth, p, bins=7) if row["n"]]
    assert sum(row["n"] for row in rows) == len(truth)
    expected = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / len(truth)
    assert expected_calibration_error(truth, p, bins=7) == pytest.approx(expected)


def test_empty_bins_stay_in_the_diagram_without_figures():
    rows = reliability([0], [[0.95, 0.05]], bins=10)
    assert len(rows) == 10
    assert rows[0] == {"low": 0.0, "high": 0.1, "confidence": None, "accuracy": None, "n": 0}
    assert rows[9]["n"] == 1


@pytest.mark.parametrize("adaptive", [False, True])
def test_error_of_a_calibrated_model_is_small_and_of_a_boaster_large(adaptive):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 20_000)
    truth = (rng.random(20_000) > confidence).astype(int)
    honest = np.column_stack([confidence, 1 - confidence])
    boaster = np.tile([0.99, 0.01], (20_000, 1))
    assert expected_calibration_error(truth, honest, adaptive=adaptive) < 0.02
    assert expected_calibration_error(truth, boaster, adaptive=adaptive) == pytest.approx(
        0.24, abs=0.02
    )


def test_adaptive_bins_hold_equally_many_clips():
    # All confidences lie in one bin of equal width, in which the two halves' faults cancel out.
    n = 300
    confidence = np.linspace(0.9401, 0.9999, n)
    truth = np.where(np.arange(n) < n // 2, 0, np.arange(n) % 10 == 0).astype(int)
    p = np.column_stack([confidence, 1 - confidence])
    coarse = expected_calibration_error(truth, p)
    fine = expected_calibration_error(truth, p, adaptive=True)
    assert fine > coarse + 0.02


@settings(deadline=None)
@given(SEEDS)
def test_order_of_clips_does_not_matter(seed):
    truth, p = random_case(seed)
    # One decimal, so that many confidences are equal.
    p = np.floor(p * 10) / 10
    p[:, 0] += 1 - p.sum(1)
    order = np.random.default_rng(seed).permutation(len(truth))
    for adaptive in (False, True):
        assert expected_calibration_error(
            truth[order], p[order], adaptive=adaptive
        ) == pytest.approx(expected_calibration_error(truth, p, adaptive=adaptive))


def overconfident(n, seed=0, groups=None):
    """Return truth and probabilities that are .1 too sure; whole groups are right or wrong."""
    rng = np.random.default_rng(seed)
    stated = rng.uniform(0.6, 1, n)
    u = rng.random(n) if groups is None else rng.random(groups)[np.arange(n) % groups]
    return np.where(u < stated - 0.1, 0, 1), np.column_stack([stated, 1 - stated])


def test_interval_is_the_spread_of_the_error_over_draws_of_clips():
    truth, p = overconfident(600)
    low, high = error_interval(truth, p)
    error = expected_calibration_error(truth, p)
    assert low < error < high
    fresh = [expected_calibration_error(*overconfident(600, seed)) for seed in range(1, 300)]
    wanted = np.percentile(fresh, [2.5, 97.5])
    assert high - low == pytest.approx(wanted[1] - wanted[0], rel=0.25)


def test_interval_over_artists_is_wider_where_they_resemble_themselves():
    truth, p = overconfident(600, groups=30)
    artists = [f"a{i % 30}" for i in range(600)]
    clips, grouped = error_interval(truth, p), error_interval(truth, p, artists)
    assert grouped[1] - grouped[0] > 1.5 * (clips[1] - clips[0])
    assert error_interval(truth, p, ["one"] * 600) is None


def test_interval_stays_between_0_and_1():
    truth, p = overconfident(20)
    low, high = error_interval(truth, p)
    assert 0 <= low < high <= 1


def test_error_by_chance_is_that_of_a_perfect_model():
    """Small samples of a perfectly calibrated model show this error, and rarely more than the 95th."""
    _, p = overconfident(120)
    mean, p95 = error_by_chance(p)
    rng = np.random.default_rng(9)
    errors = [
        expected_calibration_error((rng.random(120) >= p[:, 0]).astype(int), p) for _ in range(500)
    ]
    assert mean == pytest.approx(np.mean(errors), rel=0.05)
    assert np.mean(np.array(errors) > p95) == pytest.approx(0.05, abs=0.03)
    more = error_by_chance(np.tile(p, (20, 1)))
    assert more[0] < mean / 3


def test_seeds_of_a_track_are_right_together_by_chance_too():
    """Asked three times about each track, a perfect model errs as often as if asked once."""
    _, p = overconfident(120)
    once = error_by_chance(p)
    tracks = np.tile(np.arange(120), 3)
    thrice = error_by_chance(np.tile(p, (3, 1)), tracks)
    assert thrice[0] == pytest.approx(once[0], rel=0.05)
    assert error_by_chance(np.tile(p, (3, 1)))[0] < 0.7 * once[0]  # taken for tracks of their own


def test_seeds_that_differ_are_each_as_right_as_they_say():
    """One truth a track, and still every confidence true: a few sure answers, a few of others."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet([1, 1, 1], 4000)
    tracks = np.repeat(np.arange(2000), 2)
    assert error_by_chance(p, tracks)[0] < 0.03
    disagree = np.array([[0.6, 0.4], [0.4, 0.6]])
    # Each is right in .6 of the draws: one of them in .8, both in the .2 that their shares overlap.
    mean, _ = error_by_chance(disagree, ["a", "a"])
    assert mean == pytest.approx(0.8 * 0.1 + 0.2 * 0.4, abs=0.02)
