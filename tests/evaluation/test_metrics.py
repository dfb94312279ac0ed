import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from wavemel.errors import DataError
from wavemel.evaluation import metrics


@st.composite
def answers(draw):
    k = draw(st.integers(2, 6))
    labels = st.lists(st.integers(0, k - 1), min_size=1, max_size=40)
    truth = draw(labels)
    said = draw(st.lists(st.integers(0, k - 1), min_size=len(truth), max_size=len(truth)))
    return np.array(truth), np.array(said), k


@settings(deadline=None)
@given(answers())
def test_figures_equal_scikit_learns(case):
    truth, said, k = case
    counts = metrics.class_counts(truth, said, k).sum(0)
    found = metrics.summary(counts)
    for average in ("macro", "micro"):
        p, r, f, _ = reference.precision_recall_fscore_support(
            truth, said, labels=range(k), average=average, zero_division=0
        )
        assert found[f"{average}_precision"] == pytest.approx(p)
        assert found[f"{average}_recall"] == pytest.approx(r)
        assert found[f"{average}_f1"] == pytest.approx(f)
    assert found["top1"] == pytest.approx(reference.accuracy_score(truth, said))
    expected = reference.confusion_matrix(truth, said, labels=range(k))
    assert metrics.confusion_matrix(truth, said, k).tolist() == expected.tolist()


@settings(deadline=None)
@given(answers())
def test_the_papers_accuracy_follows_from_top1(case):
    truth, said, k = case
    found = metrics.summary(metrics.class_counts(truth, said, k).sum(0))
    assert found["one_vs_rest_accuracy"] == pytest.approx(1 - 2 * (1 - found["top1"]) / k)


def test_the_papers_point_89_is_a_top1_of_56_percent():
    # 100 clips of 8 genres, 56 of them right.
    truth = np.arange(100) % 8
    said = np.where(np.arange(100) < 56, truth, (truth + 1) % 8)
    found = metrics.summary(metrics.class_counts(truth, said, 8).sum(0))
    assert found["top1"] == 0.56
    assert found["one_vs_rest_accuracy"] == pytest.approx(0.89)


def test_leading_axes_are_kept():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, (2, 50))
    one = metrics.class_counts(truth, said, 3).sum(0)
    other = metrics.class_counts(truth[:20], said[:20], 3).sum(0)
    both = metrics.summary(np.stack([one, other]))
    for name, values in both.items():
        expected = [metrics.summary(one)[name], metrics.summary(other)[name]]
        assert values.tolist() == pytest.approx(expected)


def test_a_class_that_nobody_names_scores_nothing_and_counts_in_the_mean():
    truth, said = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    rows = metrics.per_class(metrics.confusion_matrix(truth, said, 3), ["a", "b", "c"])
    assert rows[0] == {
        "class": "a",
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 2,
        "predicted": 4,
    }
    assert rows[1] == {
        "class": "b",
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "support": 2,
        "predicted": 0,
    }
    found = metrics.summary(metrics.class_counts(truth, said, 3).sum(0))
    assert found["macro_recall"] == pytest.approx(1 / 3)


def test_log_loss_of_a_model_that_was_sure_and_wrong_is_finite():
    losses = metrics.log_losses(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert losses[0] == pytest.approx(-np.log(np.finfo(float).eps))
    assert losses[1] == 0


def test_brier_scores_run_from_0_to_2():
    scores = metrics.brier_scores(np.array([0, 0, 0]), np.array([[1.0, 0], [0, 1.0], [0.5, 0.5]]))
    assert scores.tolist() == [0, 2, 0.5]


def test_rows_are_scaled_to_sum_to_1():
    _, p = metrics.validate([0], np.array([[0.3334, 0.3333, 0.3334]]))
    assert p.sum() == pytest.approx(1, abs=1e-15)


def test_rows_that_sum_to_1_are_left_alone():
    row = np.array([[0.6, 0.1, 0.3]])
    assert metrics.validate([0], row)[1].tolist() == row.tolist()


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        ([], np.empty((0, 2)), "no clips"),
        ([0], [0.5, 0.5], "a row a clip"),
        ([0], [[1.0]], "two or more columns"),
        ([0, 1], [[0.5, 0.5]], "do not fit"),
        ([2], [[0.5, 0.5]], "between 0 and 1"),
        ([-1], [[0.5, 0.5]], "between 0 and 1"),
        ([0.0], [[0.5, 0.5]], "class numbers"),
        ([0, 0], [[0.5, 0.5], [0.5, 0.4]], "first: row 1"),
        ([0], [[1.5, -0.5]], "no probabilities"),
        ([0], [[np.nan, 1.0]], "no probabilities"),
        ([0], [[np.inf, 1.0]], "no probabilities"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(truth, probabilities, message):
    with pytest.raises(DataError, match=message):
        metrics.validate(truth, probabilities)
