"""Several seeds: averaged answers, and means with intervals."""

import numpy as np
import pandas as pd
import pytest

from wavemel.errors import DataError
from wavemel.evaluation.overfitting import logged_overfitting
from wavemel.evaluation.runs import tracks
from wavemel.evaluation.seeds import average_predictions, over_seeds

CLASSES = ("a", "b")


def predictions(values: dict[str, list[float]], hop: float = 1.0) -> pd.DataFrame:
    """Return predictions: path -> probability of 'a' by window; odd paths are of genre 'b'."""
    rows = [
        {
            "path": path,
            "artist": f"artist {path[-1]}",
            "genre": "ab"[int(path[-1]) % 2],
            "start": i * hop,
            "p_a": p,
            "p_b": 1 - p,
        }
        for path, windows in values.items()
        for i, p in enumerate(windows)
    ]
    return pd.DataFrame(rows)


def test_windows_in_common_are_averaged_one_by_one_whatever_their_order() -> None:
    one = predictions({"x0": [0.2, 0.4], "x1": [0.6]})
    two = predictions({"x0": [0.6, 0.0], "x1": [0.2]}).sample(frac=1, random_state=1)
    made = average_predictions([one, two], CLASSES, ["mean", "mean"])
    assert made["p_a"].tolist() == pytest.approx([0.4, 0.2, 0.4])
    assert made[["path", "start", "genre", "artist"]].equals(
        one[["path", "start", "genre", "artist"]]
    )


def test_other_windows_are_averaged_by_track() -> None:
    one = predictions({"x0": [0.2, 0.4], "x1": [0.6]})
    two = predictions({"x0": [0.9, 0.9, 0.9], "x1": [0.2]}, hop=0.5)
    made = average_predictions([one, two], CLASSES, ["mean", "mean"])
    assert made["path"].tolist() == ["x0", "x1"]
    assert made["p_a"].tolist() == pytest.approx([(0.3 + 0.9) / 2, 0.4])
    assert tracks(made, CLASSES, "track").artists.tolist() == ["artist 0", "artist 1"]


def test_networks_that_pool_in_other_ways_are_averaged_by_track() -> None:
    one = predictions({"x0": [0.9, 0.5], "x1": [0.6]})
    made = average_predictions([one, one], CLASSES, ["mean", "geometric"])
    # Square roots of .45 and .05 are as 3 to 1.
    assert made["p_a"].tolist() == pytest.approx([(0.7 + 0.75) / 2, 0.6])
    together = average_predictions([one, one], CLASSES, ["geometric", "geometric"])
    assert len(together) == 3
    assert tracks(together, CLASSES, "track", "geometric").probabilities[0, 0] == pytest.approx(
        0.75
    )


def test_other_tracks_are_refused() -> None:
    with pytest.raises(DataError, match="different tracks"):
        average_predictions(
            [predictions({"x0": [1]}), predictions({"x2": [1]})], CLASSES, ["mean", "mean"]
        )
    few = tracks(predictions({"x0": [1]}), CLASSES, "track")
    more = tracks(predictions({"x0": [1], "x1": [1]}), CLASSES, "track")
    with pytest.raises(DataError, match="different tracks"):
        over_seeds([few, more], [0, 1])


def test_other_labels_or_artists_are_refused() -> None:
    one = predictions({"x0": [0.2], "x1": [0.6]})
    for column, value, sentence in (
        ("genre", "b", "other labels: x0 is 'b' there and 'a' in network 1"),
        ("artist", "another", "other artists: x0 is by 'another' there"),
    ):
        other = one.assign(**{column: [value, one[column][1]]})
        with pytest.raises(DataError, match=sentence):
            average_predictions([one, other], CLASSES, ["mean", "mean"])
        with pytest.raises(DataError, match="other labels or artists"):
            over_seeds([tracks(t, CLASSES, "track") for t in (one, other)], [0, 1])


def test_the_mean_over_seeds_and_its_interval() -> None:
    right = {"x0": [0.9], "x1": [0.1], "x2": [0.9], "x3": [0.1]}
    half = {"x0": [0.9], "x1": [0.9], "x2": [0.9], "x3": [0.9]}
    made = [tracks(predictions(p), CLASSES, "track") for p in (right, half)]
    found = over_seeds(made, [3, 5])
    assert found["top1_each"] == [1.0, 0.5]
    assert found["top1"] == 0.75
    assert found["top1_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    low, high = found["top1_ci95"]
    assert 0.5 <= low < 0.75 < high <= 1
    assert over_seeds(made[:1], [3])["top1_sd"] is None


def test_what_training_logged_of_overfitting() -> None:
    def run(*pairs: tuple[float, float | None]) -> list[dict]:
        return [{"training_top1": t, "validation_top1": v} for t, v in pairs]

    found = logged_overfitting([run((0.2, 0.1), (0.9, 0.4)), run((1.0, 0.6))])
    assert found == pytest.approx({"training_top1": 0.95, "held_out_top1": 0.5, "gap": 0.45})
    assert logged_overfitting([run((0.9, None))]) is None
    assert logged_overfitting([]) is None
