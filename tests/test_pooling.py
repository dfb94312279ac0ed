import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavemel.pooling import influences, pool, pool_tracks, sway, typical_variation


def test_mean_over_a_tracks_windows():
    p = np.array([[0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [1.0, 0.0]])
    assert pool_tracks(p, [0, 3]) == pytest.approx(np.array([[0.4, 0.6], [1.0, 0.0]]))


def test_geometric_mean_worked_by_hand():
    # Square roots of .45 and .05 are as 3 to 1.
    assert pool(np.array([[0.9, 0.1], [0.5, 0.5]]), "geometric") == pytest.approx([0.75, 0.25])


def test_geometric_mean_outlives_zeros():
    assert pool(np.array([[1.0, 0.0], [0.0, 1.0]]), "geometric") == pytest.approx([0.5, 0.5])


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["mean", "geometric"]))
def test_rows_stay_probabilities_and_one_window_stays_itself(seed, how):
    p = np.random.default_rng(seed).dirichlet(np.ones(4), 20)
    first = [0, 1, 8, 17]
    pooled = pool_tracks(p, first, how)
    assert pooled.sum(1) == pytest.approx(np.ones(4))
    assert pooled[2] == pytest.approx(pool(p[8:17], how))
    assert pool_tracks(p, np.arange(20), how) == pytest.approx(p)


def test_a_temperature_before_or_after_the_geometric_mean_is_the_same():
    # So a threshold and a fit on windows hold for the track.
    p = np.random.default_rng(3).dirichlet(np.ones(4), 9)
    before = pool(p**2 / (p**2).sum(1, keepdims=True), "geometric")
    after = pool(p, "geometric") ** 2
    assert before == pytest.approx(after / after.sum())


@pytest.mark.parametrize("how", ["mean", "geometric"])
def test_influences_tell_how_far_another_choice_of_windows_would_lie(how):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(4, 5.0), 4000)
    predicted = influences(p, how).std(axis=0) / np.sqrt(50)
    drawn = np.stack([pool(p[rng.choice(4000, 50)], how) for _ in range(2000)])
    assert drawn.std(axis=0) == pytest.approx(predicted, rel=0.1)


def test_typical_variation_is_of_tracks_with_two_windows_or_more():
    one, two = np.array([[0.5, 0.5]]), np.array([[0.3, 0.7], [0.5, 0.5]])
    # Each genre has a variance of .02; what .4 and .6 can vary by is .24.
    assert typical_variation([one, two]) == pytest.approx(np.sqrt(0.02 / 0.24))
    assert typical_variation([one]) is None
    assert typical_variation([np.full((3, 2), 0.5)]) is None


@pytest.mark.parametrize(
    ("how", "draw"),
    [
        # Shares of a given concentration, and logits with the same noise everywhere.
        ("mean", lambda rng, q: rng.dirichlet(9 * q, 4000)),
        ("geometric", lambda rng, q: q * np.exp(0.5 * rng.standard_normal((4000, len(q))))),
    ],
)
def test_one_variation_holds_for_undecided_and_for_certain_tracks(how, draw):
    rng = np.random.default_rng(0)
    found = []
    for q in ([0.5, 0.5], [0.8, 0.2], [0.97, 0.03]):
        p = draw(rng, np.array(q))
        p /= p.sum(1, keepdims=True)
        found.append(typical_variation([p], how))
        spread = influences(p, how).std(axis=0)
        assert spread == pytest.approx(found[-1] * sway(pool(p, how), how), rel=0.05)
    assert found == pytest.approx(np.full(3, found[0]), rel=0.05)


@pytest.mark.parametrize("first", [[], [1], [0, 0], [0, 2]])
def test_every_track_must_have_a_window(first):
    with pytest.raises(ValueError, match="must have a window"):
        pool_tracks(np.full((2, 2), 0.5), first)


def test_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="harmonic"):
        pool(np.full((1, 2), 0.5), "harmonic")
