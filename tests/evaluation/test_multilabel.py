"""Several genres a clip: figures, and a run from table to figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, hamming_loss, log_loss
from tiny_runs import QUIET, tiny

from wavemel.data.labels import encode
from wavemel.data.scan import scan
from wavemel.data.sources import open_corpus
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, DataError
from wavemel.evaluation.multilabel import evaluate_multilabel
from wavemel.evaluation.runs import evaluate_run
from wavemel.training.dataset import prepare
from wavemel.training.run import train

CLASSES = ("a", "b", "c", "never")


def drawn(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = (rng.random((n, 4)) < (0.5, 0.2, 0.05, 0)).astype(float)
    return truth, (0.5 * truth + rng.random((n, 4))) / 1.5


def test_figures_equal_scikit_learn() -> None:
    truth, p = drawn()
    found = evaluate_multilabel(truth, p, CLASSES, groups=np.arange(200) // 4)
    assert found["n_scored"] == 3
    macro = average_precision_score(truth[:, :3], p[:, :3], average="macro")
    assert found["macro_average_precision"] == pytest.approx(macro)
    assert found["one_vs_rest_accuracy"] == pytest.approx(1 - hamming_loss(truth, p >= 0.5))
    losses = [log_loss(truth[:, i], p[:, i], labels=[0, 1]) for i in range(4)]
    assert found["log_loss"] == pytest.approx(np.mean(losses))
    low, high = found["macro_average_precision_ci95"]
    assert low < macro < high
    assert found["per_class"][3]["average_precision"] is None
    assert found["n_groups"] == 50


def test_the_interval_is_wider_where_artists_repeat_themselves() -> None:
    truth, p = drawn(60)
    alone = evaluate_multilabel(truth, p, CLASSES)["macro_average_precision_ci95"]
    truth, p = np.repeat(truth, 5, 0), np.repeat(p, 5, 0)
    artists = np.repeat(np.arange(60), 5)
    grouped = evaluate_multilabel(truth, p, CLASSES, groups=artists)
    ungrouped = evaluate_multilabel(truth, p, CLASSES)
    width = [np.diff(r)[0] for r in (alone, grouped["macro_average_precision_ci95"],
                                     ungrouped["macro_average_precision_ci95"])]  # fmt: skip
    assert width[1] == pytest.approx(width[0], rel=0.35)
    assert width[2] < 0.7 * width[1]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 6), st.sampled_from([0.1, 0.5, 3]))
def test_the_interval_holds_its_figure(seed: int, n: int, k: int, skill: float) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, k)) < rng.random(k)).astype(float)
    if not ((truth.sum(0) > 0) & (truth.sum(0) < n)).any():
        return
    p = (skill * truth + rng.random((n, k))) / (1 + skill)
    artists = rng.integers(0, max(1, n // 2), n)
    names = [f"genre {i}" for i in range(k)]
    found = evaluate_multilabel(truth, p, names, groups=artists, resamples=60, seed=seed)
    alone = [
        name
        for name, has in zip(names, truth.T, strict=True)
        if 0 < has.sum() < n and min(len(set(artists[has == side])) for side in (0, 1)) == 1
    ]
    assert found["one_group"] == alone
    if alone:
        assert found["macro_average_precision_ci95"] is None
    else:
        low, high = found["macro_average_precision_ci95"]
        assert 0 <= low <= found["macro_average_precision"] <= high <= 1


@pytest.mark.parametrize(
    ("truth", "p"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4))),
        (np.full((3, 4), 2.0), np.zeros((3, 4))),
        (np.eye(3, 4), np.full((3, 4), 1.5)),
        (np.zeros((3, 4)), np.zeros((3, 4))),
    ],
)
def test_bad_input_is_refused(truth: np.ndarray, p: np.ndarray) -> None:
    with pytest.raises(DataError):
        evaluate_multilabel(truth, p, CLASSES)


def test_encoding() -> None:
    import pandas as pd

    several = encode(pd.Series(["a|c", "b", "x|a"]), ("a", "b", "c"), several=True)
    assert several.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert encode(pd.Series(["b", "a"]), ("a", "b")).tolist() == [1, 0]


def table_with_genres(folder: Path) -> str:
    """The demo corpus; every third clip has a second genre, and some have no top genre."""
    corpus = scan(open_corpus("demo:clips=40,seconds=2,rate=8000"), workers=0)
    table = corpus.table[["path", "genre", "artist", "fold"]].copy()
    table["genres"] = table["genre"] + ["|Loud" if i % 3 == 0 else "" for i in range(len(table))]
    table.loc[table.index[::10], "genre"] = None
    table.to_csv(folder / "several.csv", index=False)
    return str(folder / "several.csv")


def test_a_run_of_several_labels_is_a_config(tmp_path: Path) -> None:
    data = prepare(table_with_genres(tmp_path), SplitChoice(), labels="genres", workers=0)
    assert len(data.classes) == 9
    assert len(data.table) == 40  # those without a top genre too
    experiment = tiny("mel", labels="genres", training={"epochs": 2, "class_weights": "balanced"})
    train(experiment, data, tmp_path / "run", hardware=QUIET)
    found = evaluate_run(tmp_path / "run")
    assert 0 < found["macro_average_precision"] <= 1
    assert found["n"] == len(data.part("test"))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["labels"] == "genres"
    assert evaluate_run(tmp_path / "run") == found
    # As an earlier version kept them.
    kept = tmp_path / "run" / "evaluation-test.json"
    told = {k: v for k, v in json.loads(kept.read_text()).items() if k != "one_group"}
    kept.write_text(json.dumps({**told, "macro_average_precision_ci95": [0.0, 0.0]}))
    assert evaluate_run(tmp_path / "run") == found


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'genres'"):
        prepare("demo:clips=40,seconds=2,rate=8000", SplitChoice(), labels="genres", workers=0)
    with pytest.raises(ConfigError, match="cannot be drawn by genre"):
        tiny("mel", labels="genres", training={"sampling": "balanced"})
