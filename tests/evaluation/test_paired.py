import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wavemel.errors import DataError
from wavemel.evaluation.paired import holm, mcnemar_exact, paired_test, sign_flip


def answers(right):
    """Probabilities of a model of two classes, whose truth is always 0."""
    return np.where(np.asarray(right)[:, None], [0.9, 0.1], [0.1, 0.9])


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (1, 9, 2 * (1 + 10) / 2**10),
        (0, 5, 2 / 2**5),
        (4, 4, 1.0),
        (0, 0, 1.0),
        # Sums of binomial coefficients: 2 (1 + 20 + 190 + 1140 + 4845 + 15504) / 2^20.
        (5, 15, 2 * 21700 / 2**20),
    ],
)
def test_mcnemar_is_a_coin(only_a, only_b, p):
    assert mcnemar_exact(only_a, only_b) == pytest.approx(p)
    assert mcnemar_exact(only_b, only_a) == pytest.approx(p)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=9))
def test_few_groups_are_permuted_exactly_as_scipy_does(differences):
    expected = stats.permutation_test(
        (np.array(differences, float),),
        lambda d, axis: d.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    assert sign_flip(differences) == pytest.approx(expected)


def test_equal_groups_make_sign_flips_a_coin_too():
    # 30 groups with a difference: drawn at random, against the exact answer.
    differences = [1] * 20 + [-1] * 10 + [0] * 50
    assert sign_flip(differences, resamples=40_000) == pytest.approx(
        mcnemar_exact(20, 10), abs=0.006
    )


def test_blocks_of_draws_do_not_matter(monkeypatch):
    differences = [1] * 15 + [-1] * 8
    monkeypatch.setattr("wavemel.evaluation.paired._BLOCK", 23 * 7)
    assert sign_flip(differences, resamples=10_000) == pytest.approx(
        mcnemar_exact(15, 8), abs=0.015
    )


def test_a_drawn_p_is_never_0():
    assert sign_flip([1] * 40, resamples=999) == pytest.approx(1 / 1000)


def test_without_any_difference_p_is_1():
    assert sign_flip([0, 0, 0]) == 1


def test_comparison_of_two_models_worked_by_hand():
    a = [True] * 6 + [False] * 4
    b = [True] * 3 + [False] * 3 + [True] + [False] * 3
    found = paired_test([0] * 10, answers(a), answers(b))
    assert (found["n"], found["n_groups"]) == (10, None)
    assert (found["top1_a"], found["top1_b"]) == (0.6, 0.4)
    assert found["difference"] == pytest.approx(0.2)
    assert (found["only_a"], found["only_b"]) == (3, 1)
    assert found["mcnemar_p"] == found["permutation_p"] == pytest.approx(10 / 16)
    low, high = found["difference_ci95"]
    assert low < 0 < 0.2 < high


def test_swapping_the_models_changes_the_sign_alone():
    rng = np.random.default_rng(0)
    truth, groups = np.zeros(200, int), np.arange(200) % 40
    a, b = answers(rng.random(200) < 0.7), answers(rng.random(200) < 0.6)
    one = paired_test(truth, a, b, groups)
    other = paired_test(truth, b, a, groups)
    assert one["difference"] == -other["difference"]
    assert one["difference_ci95"] == pytest.approx([-x for x in other["difference_ci95"][::-1]])
    assert one["permutation_p"] == other["permutation_p"]
    assert one["mcnemar_p"] == other["mcnemar_p"]
    assert one["n_groups"] == 40


def test_an_artist_is_swapped_as_a_whole():
    # 40 clips for a, none for b, but of two artists: 4 patterns of signs, 2 as extreme.
    groups = ["x"] * 20 + ["y"] * 20
    a, b = answers(np.ones(40, bool)), answers(np.zeros(40, bool))
    found = paired_test([0] * 40, a, b, groups)
    assert found["permutation_p"] == 0.5
    assert found["mcnemar_p"] < 1e-9


def test_false_alarms_are_rare_over_artists_and_common_over_clips():
    """Two equal models, each of which knows or does not know all clips of an artist."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(25), 8)
    alarms = {"permutation_p": 0, "mcnemar_p": 0}
    for _ in range(200):
        a, b = (answers((rng.random(25) < 0.5)[groups]) for _ in range(2))
        found = paired_test(np.zeros(200, int), a, b, groups, resamples=399)
        for test in alarms:
            alarms[test] += found[test] < 0.05
    assert alarms["permutation_p"] / 200 < 0.08
    assert alarms["mcnemar_p"] / 200 > 0.3


def test_one_artist_decides_nothing():
    found = paired_test([0] * 5, answers([True] * 5), answers([False] * 5), ["x"] * 5)
    assert found["difference_ci95"] is None
    assert found["permutation_p"] == 1


def test_models_of_other_classes_are_not_compared():
    with pytest.raises(DataError, match="2 and 3 classes"):
        paired_test([0], [[0.5, 0.5]], [[0.5, 0.3, 0.2]])


def test_holms_correction_worked_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_helps(p):
    corrected = holm(p)
    assert all(p[i] <= corrected[i] <= 1 for i in range(len(p)))
    for i in range(len(p)):
        assert all(corrected[i] <= corrected[j] for j in range(len(p)) if p[i] < p[j])
    # Never stricter than Bonferroni.
    assert all(corrected[i] <= min(1, p[i] * len(p)) + 1e-12 for i in range(len(p)))
