import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavemel.errors import ModelError
from wavemel.evaluation.predictions import (
    check_predictions,
    load_predictions,
    probability_columns,
    save_predictions,
)

CLASSES = ("None", "Hip-Hop", "café, olé")


def table(n=4):
    p = np.random.default_rng(0).dirichlet(np.ones(3), n)
    return pd.DataFrame(
        {
            "path": [f"music/{i // 2}.mp3" for i in range(n)],
            "artist": pd.array(["Ana", None, "NA", "007"][:n], dtype="string"),
            "genre": [CLASSES[i % 3] for i in range(n)],
            "start": [7.5 * (i % 2) for i in range(n)],
            **dict(zip(probability_columns(CLASSES), p.T, strict=True)),
        }
    )


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_what_is_saved_comes_back(tmp_path, name):
    given_table = table()
    save_predictions(tmp_path / name, given_table, CLASSES)
    back = load_predictions(tmp_path / name, CLASSES)
    assert list(back.columns) == list(given_table.columns)
    assert back["artist"].isna().tolist() == [False, True, False, False]
    assert back["artist"].dropna().tolist() == ["Ana", "NA", "007"]
    assert back["genre"].tolist() == given_table["genre"].tolist()
    columns = probability_columns(CLASSES)
    # Bit for bit: figures of a stored run are those of the run.
    assert back[columns].to_numpy().tolist() == given_table[columns].to_numpy().tolist()
    assert [p.name for p in tmp_path.iterdir()] == [name]


NAMES = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
@given(path=NAMES, artist=NAMES)
def test_any_name_survives_a_csv(tmp_path, path, artist):
    one = table(1).assign(path=path, artist=artist)
    save_predictions(tmp_path / "p.csv", one, CLASSES)
    back = load_predictions(tmp_path / "p.csv", CLASSES)
    assert (back["path"][0], back["artist"][0]) == (path, artist)


def test_other_columns_are_left_out(tmp_path):
    save_predictions(tmp_path / "p.csv", table().assign(seconds=30.0), CLASSES)
    assert "seconds" not in load_predictions(tmp_path / "p.csv", CLASSES)


@pytest.mark.parametrize("asked", [("None", "Hip-Hop"), (*CLASSES, "Rock"), CLASSES[::-1]])
def test_other_classes_are_refused(tmp_path, asked):
    save_predictions(tmp_path / "p.csv", table(), CLASSES)
    with pytest.raises(ModelError, match="predictions of other classes"):
        load_predictions(tmp_path / "p.csv", asked)


def with_value(column, value):
    changed = table().astype({column: object})
    changed.loc[1, column] = value
    return changed


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (table().drop(columns="genre"), "no column 'genre'"),
        (table().iloc[:0], "no predictions"),
        (with_value("genre", "Jazz"), "'Jazz' is no known class"),
        (with_value("genre", None), "is no known class"),
        (with_value("path", None), "without a path"),
        (with_value("start", np.nan), "without a path or start"),
        (with_value("p_None", 2.0), "row 2 holds no probabilities"),
        (with_value("p_None", np.nan), "row 2 holds no probabilities"),
        (with_value("p_None", "much"), "no number"),
        (with_value("start", 0.0), "lists a window of music/0.mp3 twice"),
    ],
)
def test_what_is_no_predictions_is_refused_and_not_written(tmp_path, bad, message):
    with pytest.raises(ModelError, match=message):
        check_predictions(bad, CLASSES, "p.csv")
    with pytest.raises(ModelError, match=message):
        save_predictions(tmp_path / "p.csv", bad, CLASSES)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"predictions-test\.csv is missing"):
        load_predictions(tmp_path / "predictions-test.csv", CLASSES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", b""),
        ("p.csv", b"\xff\xfe\x00\x9d"),
        ("p.csv", b'a,b\n"1,2\n'),
        ("p.csv", b"path,artist\nx\ny,z,w,q\n"),
        ("p.parquet", b"PAR1 no"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        load_predictions(tmp_path / name, CLASSES)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "p.csv"
    save_predictions(path, table(), CLASSES)
    before = path.read_bytes()

    def full_disk(self, target, **_):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_predictions(path, table(2), CLASSES)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.csv"]
