import csv
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from known_answers import write_fold
from tiny_model import CLASSES, save_run
from tiny_runs import NETWORKS
from tones import write_tone

from wavemel.errors import DataError, ModelError
from wavemel.evaluation.runs import run_predictions, tracks
from wavemel.explain.confusions import Confusions, as_data, find_confusions, write_table


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two folds of one model, each with nine tracks."""
    root = tmp_path_factory.mktemp("folds")
    made = []
    for fold in range(2):
        save_run(root / f"fold{fold}", NETWORKS["mel"])
        paths = [write_tone(root / "music" / f"{fold}-{i}.wav", 9 * fold + i) for i in range(9)]
        artists = [None if i == 0 else f"{'aA'[i % 2]}rtist {i // 2}" for i in range(9)]
        write_fold(root / f"fold{fold}", paths, [CLASSES[i % 3] for i in range(9)], artists)
        made.append(root / f"fold{fold}")
    return made


@pytest.fixture(scope="module")
def found(folds: list[Path]) -> Confusions:
    return find_confusions(folds)


def test_mistakes_are_those_of_the_predictions(found: Confusions, folds: list[Path]) -> None:
    expected = {}
    for fold in folds:
        t = tracks(run_predictions(fold), CLASSES, "track")
        for path, truth, p in zip(t.paths, t.truth, t.probabilities, strict=True):
            if p.argmax() != truth:
                expected[path] = (CLASSES[truth], CLASSES[p.argmax()], p[truth], p.max(), fold)
    assert len(expected) > 4  # random weights are seldom right
    made = {m.path: (m.truth, m.answer, m.p_truth, m.p_answer, m.run) for m in found.mistakes}
    assert made == expected
    spelt = {p: a for fold in folds for p, a in run_predictions(fold)[["path", "artist"]].values}
    assert all(
        m.artist == (None if pd.isna(spelt[m.path]) else spelt[m.path]) for m in found.mistakes
    )
    assert {m.artist[0] for m in found.mistakes if m.artist} == {"a", "A"}
    assert found.n == 18
    assert found.confusion.sum() - found.confusion.trace() == len(expected)
    confidence = [m.p_answer for m in found.mistakes]
    assert confidence == sorted(confidence, reverse=True)


def test_pairs_hold_every_mistake_once_most_confused_first(found: Confusions) -> None:
    pairs = found.pairs()
    assert sorted(m.path for p in pairs for m in p.mistakes) == sorted(
        m.path for m in found.mistakes
    )
    sizes = [len(p.mistakes) for p in pairs]
    assert sizes == sorted(sizes, reverse=True)
    for pair in pairs:
        a, b = (CLASSES.index(g) for g in pair.genres)
        assert a < b
        assert pair.count(CLASSES[a]) == found.confusion[a, b]
        assert pair.count(CLASSES[b]) == found.confusion[b, a]
        assert {frozenset((m.truth, m.answer)) for m in pair.mistakes} == {frozenset(pair.genres)}


def test_data_and_table_tell_the_same(found: Confusions, tmp_path: Path) -> None:
    first = found.mistakes[0].path
    data = as_data(found, {first: "mistakes/a"})
    write_table(found, {first: "mistakes/a"}, tmp_path / "c.csv")
    with open(tmp_path / "c.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    files = [f for pair in data["pairs"] for f in pair["files"]]
    assert [r["file"] for r in rows] == [f["file"] for f in files]
    assert all(f["file"].startswith("music/") and f["file"].count("/") == 1 for f in files)
    assert [f["explanation"] for f in files if f["explanation"]] == ["mistakes/a"]
    assert data["wrong"] == len(rows) == sum(p["count"] for p in data["pairs"])
    assert [p.name for p in tmp_path.iterdir()] == ["c.csv"]
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_an_unknown_artist_stays_unknown(found: Confusions) -> None:
    unknown = [m.artist is None for m in found.mistakes]
    assert unknown == [m.path.endswith("-0.wav") for m in found.mistakes]


@pytest.fixture
def change(folds: list[Path]) -> Callable[..., None]:
    def change(folder: Path, **values: object) -> None:
        about = json.loads((folds[0] / "run.json").read_text())
        folder.mkdir(exist_ok=True)
        (folder / "run.json").write_text(json.dumps(about | values))

    return change


def test_runs_that_do_not_belong_together(
    folds: list[Path], change: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="share test clips"):
        find_confusions([folds[0], folds[0]])
    change(tmp_path / "other", name="other")
    with pytest.raises(DataError, match="not the same name"):
        find_confusions([folds[0], tmp_path / "other"])
    change(tmp_path / "other", classes=["a", "b"])
    with pytest.raises(DataError, match="not the same classes"):
        find_confusions([folds[0], tmp_path / "other"])
    change(tmp_path / "other", labels="genres")
    with pytest.raises(ModelError, match="several genres"):
        find_confusions([tmp_path / "other"])
