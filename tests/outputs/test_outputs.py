"""Every format holds every result, and other programs read it."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavemel.errors import ConfigError, MissingExtraError
from wavemel.inference.result import GenreProbability, TrackResult, WindowResult
from wavemel.outputs import OUTPUTS, Layout, output_for
from wavemel.outputs.rows import error_row, path_of, result_row

CLASSES = ("folk", "jazz", "rock")
LAYOUT = Layout(CLASSES)


def genres(*probabilities: float) -> tuple[GenreProbability, ...]:
    pairs = sorted(zip(probabilities, CLASSES, strict=True), reverse=True)
    return tuple(GenreProbability(name, p) for p, name in pairs)


def result(**changes: object) -> TrackResult:
    values = {
        "genres": genres(0.2, 0.7, 0.1),
        "unsure": False,
        "timeline": (
            WindowResult(0.0, 10.0, genres(0.1, 0.8, 0.1)),
            WindowResult(5.0, 15.0, genres(0.3, 0.6, 0.1)),
        ),
        "model": "m@1234",
        "seconds": 60.0,
        "seconds_read": 15.0,
        "whole": False,
    }
    return TrackResult(**{**values, **changes})


NAMES = ["a.mp3", "line\nbreak.mp3", 'quo"te, comma.mp3', "=cmd().mp3", "ü 音.mp3", os.fsdecode(b"\xff\xe9.mp3")]  # fmt: skip
ROWS = [
    *(result_row(name, result(), timeline=True) for name in NAMES),
    result_row("silent.wav", result(genres=(), unsure=True, timeline=(), notes=("silent",))),
    error_row("bad.mp3", "empty", "is empty (0 bytes)", "m@1234"),
]


def written(name: str, rows: list = ROWS, layout: Layout = LAYOUT) -> bytes:
    file = io.BytesIO()
    writer = OUTPUTS[name].open(file, layout)
    for row in rows:
        writer.write(row)
    writer.close()
    return file.getvalue()


def test_jsonl_holds_a_valid_object_a_line() -> None:
    lines = written("jsonl").decode("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [path_of(row) for row in rows] == [*NAMES, "silent.wav", "bad.mp3"]
    assert rows[0]["genres"][0] == {"genre": "jazz", "probability": 0.7}
    assert (rows[0]["unsure"], rows[0]["error"]) == (False, None)
    assert "timeline" not in rows[0]
    assert (rows[-1]["error"], rows[-1]["reason"], rows[-1]["genres"]) == (
        "is empty (0 bytes)",
        "empty",
        [],
    )
    assert (rows[5]["path"], rows[5]["path_base64"]) == ("\\xff\\xe9.mp3", "/+kubXAz")
    assert all("path_base64" not in row for row in rows[:5])


def test_json_is_one_array() -> None:
    rows = json.loads(written("json"))
    assert [path_of(row) for row in rows] == [*NAMES, "silent.wav", "bad.mp3"]
    assert json.loads(written("json", [])) == []


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_top_and_timeline(name: str) -> None:
    data = written(name, ROWS[:1], Layout(CLASSES, top=1, timeline=True))
    row = json.loads(data)
    row = row[0] if name == "json" else row
    assert row["genres"] == [{"genre": "jazz", "probability": 0.7}]
    assert row["timeline"] == [
        {"start": 0.0, "end": 10.0, "genres": [{"genre": "jazz", "probability": 0.8}]},
        {"start": 5.0, "end": 15.0, "genres": [{"genre": "jazz", "probability": 0.6}]},
    ]


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_csv_has_a_column_a_genre() -> None:
    rows = read_csv(written("csv"))
    assert len(rows) == len(ROWS)
    assert (rows[0]["genre"], rows[0]["probability"], rows[0]["p_folk"]) == ("jazz", "0.7", "0.2")
    assert (rows[0]["unsure"], rows[0]["error"], rows[0]["whole"]) == ("false", "", "false")
    assert rows[1]["path"] == "line\nbreak.mp3"
    assert rows[3]["path"] == "./=cmd().mp3"  # the same file, and no formula
    assert rows[5]["path_base64"] == "/+kubXAz"
    assert (rows[6]["genre"], rows[6]["notes"]) == ("", "silent")
    assert rows[7]["error"] == "is empty (0 bytes)"
    only = read_csv(written("csv", ROWS[:1], Layout(CLASSES, top=1, timeline=True)))[0]
    assert (only["p_jazz"], only["p_folk"]) == ("0.7", "")
    assert len(json.loads(only["timeline"])) == 2


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1))
def test_csv_cells_are_never_formulas_and_paths_come_back(name: str) -> None:
    (row,) = read_csv(written("csv", [result_row(name, result())]))
    assert not row["path"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert os.path.normpath(row["path"]) == os.path.normpath(name)


@pytest.mark.parametrize("name", [n for n, output in OUTPUTS.items() if output.appendable])
def test_files_can_be_continued(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for rows in (ROWS[:2], ROWS[2:]):
        with path.open("ab") as file:
            writer = OUTPUTS[name].open(file, LAYOUT)
            for row in rows:
                writer.write(row)
            writer.close()
    assert path.read_bytes() == written(name)


def test_a_table_has_a_line_a_file() -> None:
    lines = written("table").decode("utf-8").splitlines()
    assert len(lines) == len(ROWS)
    assert lines[0] == "jazz   0.70  folk 0.20, rock 0.10  a.mp3"
    assert lines[1].endswith(r"'line\nbreak.mp3'")
    assert lines[5].endswith(r"'\udcff\udce9.mp3'")
    assert lines[6].split() == ["-", "silent.wav", "(silent)"]
    assert lines[7] == "error  bad.mp3: is empty (0 bytes)"
    unsure = result_row("a.mp3", result(unsure=True), timeline=True)
    lines = written("table", [unsure], Layout(CLASSES, top=1, timeline=True)).decode().splitlines()
    assert lines == ["jazz?  0.70    a.mp3", "  0:00-0:10  jazz 0.80", "  0:05-0:15  jazz 0.60"]


def test_parquet_loads_in_one_line(tmp_path: Path) -> None:
    import duckdb
    import pandas as pd

    path = tmp_path / "genres.parquet"
    path.write_bytes(written("parquet", layout=Layout(CLASSES, timeline=True)))
    frame = pd.read_parquet(path)
    assert frame["genre"].tolist()[:6] == ["jazz"] * 6
    assert frame["genre"].isna().tolist()[6:] == [True, True]
    assert frame["unsure"].dtype == bool
    assert frame["probability"].dtype == float
    assert frame["path"][1] == "line\nbreak.mp3"
    assert frame["genres"][0][1] == {"genre": "folk", "probability": 0.2}
    assert frame["timeline"][0][1]["end"] == 15.0
    found = duckdb.sql(f"select genre, count(*), avg(probability) from '{path}' group by genre")
    assert sorted(found.fetchall(), key=str) == sorted([("jazz", 6, pytest.approx(0.7)), (None, 2, None)], key=str)  # fmt: skip


def test_parquet_in_several_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    monkeypatch.setattr("wavemel.outputs.parquet._GROUP", 3)
    path = tmp_path / "genres.parquet"
    path.write_bytes(written("parquet"))
    assert len(pd.read_parquet(path)) == len(ROWS)
    path.write_bytes(written("parquet", []))
    assert list(pd.read_parquet(path).columns)[:3] == ["path", "genre", "probability"]


def test_parquet_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"wavemel\[parquet\]"):
        written("parquet")
    with pytest.raises(MissingExtraError, match=r"wavemel\[parquet\]"):
        OUTPUTS["parquet"].check()
    for name, output in OUTPUTS.items():
        if name != "parquet":
            output.check(terminal=True)


def test_the_ending_means_the_format() -> None:
    assert output_for(Path("a.JSONL"), None) is OUTPUTS["jsonl"]
    assert output_for(Path("a.csv"), "json") is OUTPUTS["json"]
    assert output_for(None, None) is OUTPUTS["table"]
    with pytest.raises(ConfigError, match=r"Say --format, or end in \.csv"):
        output_for(Path("a.xyz"), None)
    with pytest.raises(ConfigError, match="did you mean 'parquet'"):
        output_for(None, "parque")
