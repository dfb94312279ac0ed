"""When to answer: thresholds that hold what they promise on tracks they have not seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wavemel.evaluation.selective import (
    answered,
    choose_threshold,
    coverage_curve,
    fewest_answers,
    risk_coverage_area,
)

SEEDS = st.integers(0, 10_000)


def case(confidence, right):
    """Return truth and probabilities of two classes with these top probabilities."""
    confidence = np.asarray(confidence, float)
    p = np.column_stack([confidence, 1 - confidence])
    return np.where(right, 0, 1), p


def drawn(n, seed, shift=0.0):
    """Return a case whose confidences, less ``shift``, are the chances to be right."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.55, 1, n)
    return case(confidence, rng.random(n) < confidence - shift)


def test_curve_and_area_worked_by_hand():
    truth, p = case([0.9, 0.8, 0.8, 0.6], [True, True, False, False])
    assert coverage_curve(truth, p) == [
        {"threshold": 0.9, "coverage": 0.25, "precision": 1.0},
        {"threshold": 0.8, "coverage": 0.75, "precision": pytest.approx(2 / 3)},
        {"threshold": 0.6, "coverage": 1.0, "precision": 0.5},
    ]
    # Risk 0 for the first track, 1/3 for the two that enter together, 1/2 for the last.
    assert risk_coverage_area(truth, p) == pytest.approx((0 + 2 / 3 + 1 / 2) / 4)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 300))
def test_coverage_grows_as_the_threshold_falls(seed, n):
    rng = np.random.default_rng(seed)
    truth, p = rng.integers(0, 4, n), rng.dirichlet(np.ones(4), n)
    rows = coverage_curve(truth, p, points=50)
    assert len(rows) <= 50
    coverage, threshold = ([row[key] for row in rows] for key in ("coverage", "threshold"))
    assert (np.diff(coverage) > 0).all()
    assert (np.diff(threshold) < 0).all()
    assert coverage[-1] == 1
    assert rows[-1]["precision"] == pytest.approx((p.argmax(1) == truth).mean())
    for row in rows:
        reach = p.max(1) >= row["threshold"]
        assert row["coverage"] == pytest.approx(reach.mean())
        assert row["precision"] == pytest.approx((p.argmax(1) == truth)[reach].mean())


def test_area_of_a_good_order_is_less_than_of_none():
    rng = np.random.default_rng(0)
    right = rng.random(500) < 0.7
    informed = np.where(right, rng.uniform(0.6, 1, 500), rng.uniform(0.5, 0.7, 500))
    blind = rng.uniform(0.5, 1, 500)
    share_wrong = 1 - right.mean()
    assert risk_coverage_area(*case(informed, right)) < 0.5 * share_wrong
    assert risk_coverage_area(*case(blind, right)) == pytest.approx(share_wrong, abs=0.05)
    assert risk_coverage_area(*case(np.full(500, 0.8), right)) == pytest.approx(share_wrong)


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_without_a_promise_it_is_the_lowest_threshold_that_reaches_the_precision(seed):
    truth, p = drawn(60, seed)
    found = choose_threshold(truth, p, 0.85, confidence=0)
    right, top = p.argmax(1) == truth, p.max(1)
    passing = [t for t in top if right[top >= t].mean() >= 0.85]
    assert not found.promised
    if not passing:
        assert found.below is None
        return
    assert found.answered == (top >= min(passing)).sum()
    assert answered(truth, p, found.below) == (found.answered, found.right)
    assert found.share_right >= 0.85


def test_a_threshold_keeps_its_promise_on_new_tracks():
    """What it promises with 90 % holds in at least that share of draws; the lucky choice does not."""
    kept, lucky = [], []
    for seed in range(300):
        truth, p = drawn(300, seed, shift=0.02)
        for confidence, held in ((0.9, kept), (0.0, lucky)):
            found = choose_threshold(truth, p, 0.85, confidence)
            if found.promised or confidence == 0:
                # The true share right of all that it lets through: confidences are uniform.
                held.append((max(found.below, 0.55) + 1) / 2 - 0.02 >= 0.85)
    assert len(kept) > 150
    assert np.mean(kept) >= 0.9
    assert np.mean(lucky) < 0.75


def test_bound_is_clopper_and_pearsons():
    """It holds at the threshold found, and no longer a twentieth of the tracks further on."""
    truth, p = drawn(400, 1)
    found = choose_threshold(truth, p, 0.8, 0.9)
    order = np.argsort(-p.max(1))
    right = (p.argmax(1) == truth)[order]

    def bound(n):
        test = stats.binomtest(int(right[:n].sum()), n, alternative="greater")
        return test.proportion_ci(0.9).low

    assert found.promised
    assert found.right == right[: found.answered].sum()
    assert bound(found.answered) >= 0.8 > bound(found.answered + 20)
    assert found.coverage > 0.3


def test_more_is_asked_for_more():
    truth, p = drawn(2000, 3)
    plain = choose_threshold(truth, p, 0.85, 0)
    asked = choose_threshold(truth, p, 0.85, 0.9)
    surer = choose_threshold(truth, p, 0.85, 0.99)
    higher = choose_threshold(truth, p, 0.9, 0.9)
    assert asked.promised
    assert plain.answered >= asked.answered >= surer.answered > 0
    assert asked.answered > higher.answered
    assert asked.below < higher.below


def test_repeated_predictions_of_a_track_are_no_further_tracks():
    truth, p = drawn(400, 5)
    thrice = np.tile(truth, 3), np.tile(p, (3, 1))
    once = choose_threshold(truth, p, 0.8)
    counted = choose_threshold(*thrice, 0.8, repeats=3)
    assert once.promised
    assert (counted.below, counted.coverage) == (once.below, once.coverage)
    assert choose_threshold(*thrice, 0.8).coverage > once.coverage


def test_too_few_tracks_promise_nothing_and_say_so():
    truth, p = case(np.linspace(0.9, 0.99, 15), [True] * 15)
    found = choose_threshold(truth, p, 0.9)
    assert not found.promised
    assert (found.below, found.coverage, found.share_right) == (0, 1, 1)
    assert found.as_dict()["promised"] is False


def test_a_precision_that_no_threshold_reaches():
    truth, p = case(np.linspace(0.6, 0.99, 100), np.arange(100) % 2 == 0)
    found = choose_threshold(truth, p, 0.9)
    assert found.below is None
    assert found.coverage == 0
    assert found.share_right is None
    assert answered(truth, p, found.below) == (0, 0)


def test_equal_confidences_are_answered_together():
    truth, p = case([0.9] * 300 + [0.6] * 100, [True] * 290 + [False] * 10 + [False] * 100)
    found = choose_threshold(truth, p, 0.9)
    assert (found.answered, found.right, found.below) == (300, 290, 0.75)
    everything = choose_threshold(*case([0.9] * 300, [True] * 290 + [False] * 10), 0.9)
    assert (everything.answered, everything.below, everything.promised) == (300, 0, True)


@pytest.mark.parametrize(
    ("precision", "confidence"), [(0.9, 0.9), (0.8, 0.95), (0.95, 0.9), (0.9999, 0.9)]
)
def test_the_fewest_answers_bear_half_the_errors_allowed(precision, confidence):
    n = fewest_answers(precision, confidence)
    for tracks, enough in ((n, True), (n - 1, False)):
        right = tracks * (1 + precision) / 2
        # Clopper and Pearson's bound, by its definition through the F distribution.
        f = stats.f.ppf(1 - confidence, 2 * right, 2 * (tracks - right + 1))
        bound = right * f / (tracks - right + 1 + right * f)
        assert (bound >= precision) == enough


@pytest.mark.parametrize(("precision", "confidence"), [(1, 0.9), (0, 0.9), (0.9, 1), (0.9, -0.1)])
def test_settings_out_of_range(precision, confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        choose_threshold(*drawn(20, 0), precision, confidence)
