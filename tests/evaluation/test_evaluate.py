import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wavemel.errors import DataError
from wavemel.evaluation import metrics
from wavemel.evaluation.evaluate import evaluate
from wavemel.evaluation.intervals import resampled_sums

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


@st.composite
def clips_of_artists(draw):
    """Return truth, answers and artists of up to 40 clips, and how many classes there are, some without clips."""
    k = draw(st.integers(2, 12))
    n = draw(st.integers(1, 40))
    several = draw(st.integers(1, n))
    return (
        np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))),
        np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))),
        draw(st.lists(st.integers(0, several - 1), min_size=n, max_size=n)),
        k,
        draw(st.booleans()),
    )


def stated(said, k):
    p = np.full((len(said), k), 0.1 / (k - 1))
    p[np.arange(len(said)), said] = 0.9
    return p


@settings(deadline=None)
@given(clips_of_artists())
def test_every_interval_holds_its_figure(case):
    truth, said, artists, k, all_right = case
    said = truth if all_right else said
    classes = [f"class {i}" for i in range(k)]
    found = evaluate(truth, stated(said, k), classes, groups=artists, resamples=300)
    alone = [c for i, c in enumerate(classes) if len({a for a, t in zip(artists, truth, strict=True) if t == i}) == 1]  # fmt: skip
    assert found["one_group"] == alone
    for name in FIGURES:
        interval = found[f"{name}_ci95"]
        if found["n_groups"] == 1 or (alone and name.startswith("macro_")):
            assert interval is None, name
        else:
            low, high = interval
            assert 0 <= low <= found[name] + 1e-12, name
            assert high >= found[name] - 1e-12, name


def test_a_class_that_no_drawn_artist_has_counts_for_nothing():
    # Two artists a class: every seventh resample is without a given one.
    truth = np.repeat(np.arange(16), 6)
    artists = np.arange(96) // 3
    classes = [f"class {i}" for i in range(17)]
    found = evaluate(truth, stated(truth, 17), classes, groups=artists)
    assert found["macro_f1"] == pytest.approx(16 / 17)
    assert found["macro_f1_ci95"] == pytest.approx([16 / 17] * 2)
    assert found["macro_recall_ci95"] == pytest.approx([16 / 17] * 2)


def test_a_class_of_one_artist_leaves_macro_figures_without_interval():
    truth, p = random_case()
    artists = np.where(truth == 2, -1, np.arange(120) // 4)
    found = evaluate(truth, p, ["a", "b", "c"], groups=artists)
    assert found["one_group"] == ["c"]
    for name in FIGURES:
        assert (found[f"{name}_ci95"] is None) == name.startswith("macro_"), name


def test_intervals_are_those_of_all_classes_where_every_resample_has_them():
    # As they were when absent classes counted as 0: a resample without one of these is none in thousands.
    truth, p = random_case(n=300)
    found = evaluate(truth, p, ["a", "b", "c"])
    rng = np.random.default_rng(0)
    counts = metrics.class_counts(truth, p.argmax(1), 3).reshape(300, -1)
    drawn = metrics.by_class(resampled_sums(counts, 2000, rng).reshape(-1, 3, 3))["f1"].mean(1)
    assert found["macro_f1_ci95"] == list(np.percentile(drawn, [2.5, 97.5]))


def test_macro_coverage_where_artists_are_few():
    """Of 150 test sets with three artists a class, macro recall's interval holds the truth in about 95 %."""
    rng = np.random.default_rng(0)
    k, held = 10, 0
    true = rng.uniform(0.3, 0.9, k)
    owner = np.repeat(np.arange(3 * k), 4)
    truth = owner // 3
    for trial in range(150):
        skill = rng.beta(3 * true[truth[::4]], 3 * (1 - true[truth[::4]]))
        right = rng.random(12 * k) < skill[owner]
        said = np.where(right, truth, (truth + rng.integers(1, k, 12 * k)) % k)
        low, high = evaluate(truth, stated(said, k), [str(i) for i in range(k)], groups=owner,
                             resamples=300, seed=trial)["macro_recall_ci95"]  # fmt: skip
        held += low <= true.mean() <= high
    assert 0.91 <= held / 150 <= 0.99


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
