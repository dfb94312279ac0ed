import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavemel.errors import DataError
from wavemel.evaluation.windows import average_windows


def test_mean_over_a_tracks_windows():
    ids, p = average_windows(["b", "a", "b", "b"], [[0.2, 0.8], [1.0, 0.0], [0.4, 0.6], [0.6, 0.4]])
    assert ids.tolist() == ["b", "a"]
    assert p == pytest.approx(np.array([[0.4, 0.6], [1.0, 0.0]]))


def test_geometric_mean_worked_by_hand():
    _, p = average_windows([1, 1], [[0.9, 0.1], [0.5, 0.5]], "geometric")
    # Square roots of .45 and .05 are as 3 to 1.
    assert p == pytest.approx(np.array([[0.75, 0.25]]))


def test_geometric_mean_outlives_zeros():
    _, p = average_windows([1, 1], [[1.0, 0.0], [0.0, 1.0]], "geometric")
    assert p == pytest.approx(np.array([[0.5, 0.5]]))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["mean", "geometric"]))
def test_rows_stay_probabilities_and_one_window_stays_itself(seed, how):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(4), 20)
    _, averaged = average_windows(rng.integers(0, 6, 20), p, how)
    assert averaged.sum(1) == pytest.approx(np.ones(len(averaged)))
    _, alone = average_windows(range(20), p, how)
    assert alone == pytest.approx(p)


def test_ids_must_fit():
    with pytest.raises(DataError, match="do not fit"):
        average_windows(["a"], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(DataError, match="do not fit"):
        average_windows([], np.empty((0, 2)))


def test_unknown_average_is_refused():
    with pytest.raises(ValueError, match="harmonic"):
        average_windows(["a"], [[0.5, 0.5]], "harmonic")
