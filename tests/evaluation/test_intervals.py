import numpy as np
import pandas as pd
import pytest
from scipy import stats

from wavemel.errors import DataError
from wavemel.evaluation.intervals import (
    around,
    bootstrap,
    check_settings,
    group_numbers,
    group_sums,
    percentiles,
    resampled_sums,
)


def mean(sums):
    return {"mean": sums[:, 0] / sums[:, 1]}


def mean_interval(hits, groups=None, **settings):
    return bootstrap(np.column_stack([hits, np.ones(len(hits))]), groups, mean, **settings)["mean"]


def test_groups_are_numbered_by_appearance():
    assert group_numbers(["b", "a", "b", "c"], 4).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, "", "  "])
def test_a_clip_without_artist_is_a_group_of_its_own(missing):
    assert group_numbers(["a", missing, missing, "a"], 4).tolist() == [0, 1, 2, 0]


def test_a_column_of_a_table_will_do():
    artists = pd.Series(["x", None, "x", "0"], dtype="string", index=[7, 8, 9, 3])
    assert group_numbers(artists, 4).tolist() == [0, 1, 0, 2]


def test_without_groups_every_clip_is_one():
    assert group_numbers(None, 3).tolist() == [0, 1, 2]


def test_groups_of_another_length_are_refused():
    with pytest.raises(DataError, match="2 groups do not fit 3 clips"):
        group_numbers(["a", "b"], 3)


def test_sums_over_groups():
    values = np.arange(8.0).reshape(4, 2)
    assert group_sums(values, np.array([1, 0, 1, 1])).tolist() == [[2, 3], [10, 13]]


def test_a_resample_draws_as_many_groups_as_there_are(monkeypatch):
    # Small blocks, so that the last one is a shorter one.
    monkeypatch.setattr("wavemel.evaluation.intervals._BLOCK", 70)
    totals = resampled_sums(np.ones((10, 1)), 25, np.random.default_rng(0))
    assert totals.tolist() == [[10.0]] * 25


def test_resampled_totals_are_those_of_drawn_rows():
    sums = np.array([[1.0], [100.0], [10_000.0]])
    totals = resampled_sums(sums, 500, np.random.default_rng(0))[:, 0]
    # Each is a sum of three draws: its digits in base 100 sum to 3.
    digits = np.stack([totals % 100, totals // 100 % 100, totals // 10_000])
    assert (digits.sum(0) == 3).all()
    assert digits.mean(1) == pytest.approx([1, 1, 1], abs=0.1)
    assert len(np.unique(totals)) == 10


def test_percentiles_hold_the_middle():
    assert percentiles(np.arange(101.0), 0.9) == pytest.approx([5, 95])


def test_a_figure_amid_its_resamples_has_their_percentiles():
    values = np.arange(101.0) / 100
    assert around(0.4, values, 0.9) == percentiles(values, 0.9)


def test_resamples_to_one_side_of_their_figure_are_moved_to_it():
    values = 0.5 + np.arange(101.0) / 1000
    assert around(0.7, values, 0.9) == pytest.approx([0.655, 0.745])
    assert around(1.0, values, 0.9) == pytest.approx([0.955, 1.0])
    assert around(0.0, values, 0.9) == pytest.approx([0.0, 0.045])


def test_equal_seeds_give_equal_intervals():
    hits = np.random.default_rng(1).random(50) < 0.6
    assert mean_interval(hits, seed=3) == mean_interval(hits, seed=3)
    assert mean_interval(hits, seed=3) != mean_interval(hits, seed=4)


def test_ungrouped_interval_equals_scipys():
    hits = (np.random.default_rng(2).random(300) < 0.62).astype(float)
    expected = stats.bootstrap(
        (hits,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(5)
    ).confidence_interval
    found = mean_interval(hits, resamples=20_000)
    assert found == pytest.approx([expected.low, expected.high], abs=0.004)


def test_grouped_interval_equals_scipys_over_group_sums():
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 30, 400)
    hits = (rng.random(400) < rng.beta(2, 2, 30)[groups]).astype(float)
    per_group = group_sums(np.column_stack([hits, np.ones(400)]), group_numbers(groups, 400))

    def ratio(x, n, axis=-1):
        return x.sum(axis) / n.sum(axis)

    expected = stats.bootstrap(
        tuple(per_group.T),
        ratio,
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    found = mean_interval(hits, groups, resamples=20_000)
    assert found == pytest.approx([expected.low, expected.high], abs=0.006)


def test_groups_of_one_change_nothing():
    hits = np.random.default_rng(4).random(80) < 0.4
    assert mean_interval(hits, [str(i) for i in range(80)]) == mean_interval(hits)


def test_coverage_where_artists_resemble_themselves():
    """Of 300 test sets, the interval over artists holds the truth in about 95 %; that over clips does not."""
    rng = np.random.default_rng(0)
    artists, clips, true = 40, 10, 0.5
    groups = np.repeat(np.arange(artists), clips)
    held = {"artists": 0, "clips": 0}
    for trial in range(300):
        hits = rng.random(artists * clips) < rng.beta(1, 1, artists)[groups]
        for unit, by in (("artists", groups), ("clips", None)):
            low, high = mean_interval(hits, by, resamples=400, seed=trial)
            held[unit] += low <= true <= high
    assert 0.91 <= held["artists"] / 300 <= 0.98
    assert held["clips"] / 300 < 0.8


def test_one_group_has_no_interval():
    assert mean_interval(np.array([True, False, True]), ["a", "a", "a"]) is None


@pytest.mark.parametrize(("confidence", "resamples"), [(0, 10), (1, 10), (95, 10), (0.95, 0)])
def test_settings_that_make_no_interval_are_refused(confidence, resamples):
    with pytest.raises(ValueError, match=r"confidence|resamples"):
        check_settings(confidence, resamples)
