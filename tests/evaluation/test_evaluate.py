import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from wavemel.errors import DataError
from wavemel.evaluation.evaluate import evaluate

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
FIGURES = (
    "top1",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "micro_precision",
    "micro_recall",
    "micro_f1",
    "one_vs_rest_accuracy",
    "log_loss",
    "brier",
)


def random_case(n=120, k=3, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[truth]
    p = np.exp(logits)
    return truth, p / p.sum(1, keepdims=True)


def test_there_are_golden_files():
    assert len(GOLDEN) == 6


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_figures_are_those_of_the_golden_file(path):
    golden = json.loads(path.read_text("utf-8"))
    expected = golden["figures"]
    classes = [f"class {i}" for i in range(len(expected["confusion"]))]
    found = evaluate(golden["truth"], golden["probabilities"], classes, resamples=20)
    for key, value in expected.items():
        if key == "per_class":
            for row, wanted, name in zip(found[key], value, classes, strict=True):
                assert row["class"] == name
                for measure, figure in wanted.items():
                    assert row[measure] == pytest.approx(figure, abs=1e-12), (name, measure)
        elif key == "confusion":
            assert found[key] == value
        else:
            assert found[key] == pytest.approx(value, abs=1e-9), key


def test_result_is_flat_and_survives_json():
    truth, p = random_case()
    found = evaluate(truth, p, ["a", "b", "c"], groups=["x", "y"] * 60, resamples=50)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["n"], found["n_groups"], found["n_classes"]) == (120, 2, 3)
    assert np.sum(found["confusion"]) == 120
    assert len(found["reliability"]) == 15
    for name in FIGURES:
        low, high = found[f"{name}_ci95"]
        assert low <= found[name] <= high, name


def test_rows_of_the_confusion_matrix_are_the_truth():
    found = evaluate([0, 0, 1], [[0.1, 0.9], [0.9, 0.1], [0.2, 0.8]], ["a", "b"], resamples=5)
    assert found["confusion"] == [[1, 1], [0, 1]]


def test_macro_f1s_interval_equals_scipys():
    truth, p = random_case(n=200)
    said = p.argmax(1)

    def macro_f1(t, s, axis=-1):
        hits = np.stack([((t == c) & (s == c)).sum(axis) for c in range(3)])
        both = np.stack([(t == c).sum(axis) + (s == c).sum(axis) for c in range(3)])
        return (2 * hits / both).mean(0)

    expected = stats.bootstrap(
        (truth, said),
        macro_f1,
        paired=True,
        method="percentile",
        n_resamples=10_000,
        batch=1000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = evaluate(truth, p, ["a", "b", "c"], resamples=10_000)
    assert found["macro_f1_ci95"] == pytest.approx([expected.low, expected.high], abs=0.006)


def test_intervals_over_artists_are_wider_where_artists_resemble_themselves():
    # Artists whose ten clips are all right or all wrong.
    truth = np.zeros(200, int)
    p = np.where(np.repeat(np.arange(20) % 2, 10)[:, None] == 0, [0.8, 0.2], [0.3, 0.7])
    clips = evaluate(truth, p, ["a", "b"])["top1_ci95"]
    artists = evaluate(truth, p, ["a", "b"], groups=np.repeat(np.arange(20), 10))["top1_ci95"]
    assert artists[1] - artists[0] > 2.5 * (clips[1] - clips[0])


def test_confidence_names_the_interval():
    truth, p = random_case()
    found = evaluate(truth, p, ["a", "b", "c"], confidence=0.8, resamples=500)
    wide = evaluate(truth, p, ["a", "b", "c"], resamples=500)
    assert "top1_ci95" not in found
    low, high = found["top1_ci80"]
    assert wide["top1_ci95"][0] < low < high < wide["top1_ci95"][1]


def test_one_artist_gives_figures_without_intervals():
    truth, p = random_case()
    found = evaluate(truth, p, ["a", "b", "c"], groups=["x"] * 120)
    assert found["n_groups"] == 1
    assert found["top1"] > 0.4
    assert all(found[f"{name}_ci95"] is None for name in FIGURES)


def test_without_groups_their_number_is_not_known():
    truth, p = random_case()
    assert evaluate(truth, p, ["a", "b", "c"], resamples=5)["n_groups"] is None


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "b"], ["a", "b", "c", "d"]])
def test_names_must_fit_the_columns(classes):
    truth, p = random_case()
    with pytest.raises(DataError, match="3 different names"):
        evaluate(truth, p, classes)


def test_groups_must_fit_the_clips():
    truth, p = random_case()
    with pytest.raises(DataError, match="1 groups do not fit 120 clips"):
        evaluate(truth, p, ["a", "b", "c"], groups=["x"])
