"""Results read back, from every form they are written in."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from wavemel.errors import DataError, ModelError
from wavemel.library.done import Done
from wavemel.library.outfile import OutFile, store_path
from wavemel.library.store import Store
from wavemel.outputs import Layout, output_for
from wavemel.outputs.rows import error_row
from wavemel.tagging.verdicts import Verdict, mean_verdict, read_results

EXPECTED = [
    Verdict("a.mp3", [("rock", 0.75), ("pop", 0.25)], False, None),
    Verdict("b.mp3", [("jazz", 0.5)], True, None),
    Verdict("c\n\udcff.mp3", [], False, "is empty"),
]
RECORDS = [
    {
        "path": v.path,
        "genres": [{"genre": g, "probability": p} for g, p in reversed(v.genres)],
        "unsure": v.unsure,
        "error": v.error,
    }
    for v in EXPECTED
]


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    old = {**RECORDS[0], "genres": [{"genre": "old", "probability": 1}]}
    lines = [json.dumps(record) for record in (old, *RECORDS)]
    path.write_text("\n".join(lines) + '\n{"path": "half')
    assert read_results(path) == EXPECTED


def test_jsonl_with_raw_bytes_in_names(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"path": "\xff.mp3", "genres": [], "unsure": false, "error": null}\n')
    assert read_results(path) == [Verdict("\udcff.mp3")]


@pytest.mark.parametrize("name", ["r.jsonl", "r.ndjson", "r.json"])
def test_json_after_a_byte_order_mark(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(RECORDS[0]) + "\n", encoding="utf-8-sig")
    assert read_results(path) == EXPECTED[:1]


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(RECORDS))
    assert read_results(path) == EXPECTED


def test_csv_with_a_row_a_genre(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "genre", "probability", "unsure", "error"])
        for verdict in EXPECTED:
            for genre, probability in verdict.genres or [("", "")]:
                row = [verdict.path, genre, probability, verdict.unsure, verdict.error]
                writer.writerow(row)
    assert read_results(path) == EXPECTED


def test_csv_with_the_list_in_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, list(RECORDS[0]))
        writer.writeheader()
        for record in RECORDS:
            writer.writerow({**record, "genres": json.dumps(record["genres"])})
    assert read_results(path) == EXPECTED


def test_csv_with_a_cell_of_any_length(tmp_path: Path) -> None:
    csv.field_size_limit(131_072)
    path = tmp_path / "r.csv"
    path.write_text(f"path,p_rock,timeline\na,0.5,{'1' * 200_000}\n")
    assert read_results(path) == [Verdict("a", [("rock", 0.5)])]


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "r.parquet"
    parquet.write_table(pa.Table.from_pylist(RECORDS[:2]), path)
    assert read_results(path) == EXPECTED[:2]
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little")
    for damaged in (b"PAR1 no", whole[: -8 - footer] + bytes(footer) + whole[-8:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"is not a Parquet file, or a damaged one: [^\n]+$"):
            read_results(path)


@pytest.mark.parametrize("rows", [0, 1])
def test_parquet_of_something_else_is_named_with_rows_and_without(
    rows: int, tmp_path: Path
) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "r.parquet"
    parquet.write_table(pa.table({"pth": ["a.mp3"], "label": ["rock"]}).slice(0, rows), path)
    with pytest.raises(DataError, match=r"no Parquet of results: it must have a column 'path' or"):
        read_results(path)


def test_parquet_without_rows_is_no_results_yet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "r.parquet"
    parquet.write_table(pa.Table.from_pylist(RECORDS[:1]).slice(0, 0), path)
    assert read_results(path) == []


@pytest.mark.parametrize("name", ["jsonl", "json", "csv", "parquet"])
def test_what_classify_writes_is_read(name: str, tmp_path: Path) -> None:
    from wavemel.inference.result import GenreProbability, TrackResult
    from wavemel.outputs import OUTPUTS, Layout
    from wavemel.outputs.rows import error_row, result_row

    path = tmp_path / f"r.{name}"
    with path.open("w+b") as file:
        writer = OUTPUTS[name].open(file, Layout(("jazz", "pop", "rock"), top=2))
        for verdict in EXPECTED:
            if verdict.error:
                row = error_row(verdict.path, "empty", verdict.error, "m")
            else:
                genres = tuple(GenreProbability(*pair) for pair in verdict.genres)
                row = result_row(
                    verdict.path, TrackResult(genres, verdict.unsure, (), "m", 1.0, 1.0, True)
                )
            writer.write(row)
        writer.close()
    *classified, failed = read_results(path)
    assert classified == EXPECTED[:2]
    assert (failed.path, failed.genres, failed.error) == (EXPECTED[2].path, [], "is empty")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.jsonl", "{}\n", r"line 1 has no 'path'"),
        ("r.jsonl", '{"path": ""}\n', r"line 1 has no 'path'$"),
        ("r.jsonl", '{"pth": "a"}\n', r"line 1 has no 'path' \(did you mean 'pth'"),
        ("r.jsonl", '{"path": "a"}\n', r"line 1 has neither 'genres' nor 'error'"),
        ("r.jsonl", "{\n{}\n", r"line 1 is not JSON"),
        ("r.jsonl", "[]\n", r"line 1 is no result"),
        ("r.jsonl", '{"path": "a", "genres": ["rock"]}\n', r"a genre needs 'genre'"),
        ("r.json", '[{"path": "a", "genres": 5}]', r"result 1: 'genres' is no list"),
        ("r.json", '[{"path": "a", "genres": {"rock": 1}}]', r"result 1: 'genres' is no list"),
        ("r.csv", "path,genres\na,5\n", r"row 1: 'genres' is no list"),
        ("r.json", "{", r"is not JSON"),
        ("r.json", "3", r"holds no list"),
        ("r.json", "[" * 100_000, r"holds no results: it is nested too deeply"),
        ("r.jsonl", "[" * 100_000, r"holds no results: it is nested too deeply"),
        ("r.csv", f"path,genres\na,{'[' * 100_000}\n", r"row 1: 'genres' is no list"),
        ("r.csv", "path,genre,probability\na,rock,much\n", r"row 1: 'probability' is no number"),
        ("r.jsonl", '{"path_base64": "!", "genres": []}\n', r"'path_base64' is not Base64"),
        ("r.csv", "file,label\n", r"no CSV of results: its first line must name a column 'path'"),
        ("r.csv", "file,label\na,rock\n", r"no CSV of results"),
        ("r.csv", '{"path": "a", "genres": []}\n', r"it holds JSON; let its name end in"),
        ("r.csv", "path,p_rock\na,much\n", r"row 1: a genre needs 'genre' and a number"),
        ("r.csv", "path,genres\na,rock\n", r"row 1: 'genres' is no list"),
        ("r.txt", "", r"results end in \.jsonl"),
    ],
)
def test_what_does_not_hold_is_named(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_results(path)


def kept_in(folder: Path) -> Path:
    """Return results with a relative path, counted from a folder that their store names."""
    results = folder / "r.jsonl"
    results.write_text(json.dumps(RECORDS[0]) + "\n")
    store = Store(store_path(results))
    store.keep_folder("/music")
    store.close()
    return results


def test_paths_are_counted_from_where_the_store_says(tmp_path: Path) -> None:
    results = kept_in(tmp_path)
    (tmp_path / "link.jsonl").symlink_to(results)
    for each in (results, tmp_path / "link.jsonl"):
        assert [verdict.path for verdict in read_results(each)] == ["/music/a.mp3"]
    # To look into the store leaves nothing beside it.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.jsonl", "r.jsonl", "r.jsonl.state"]


def test_they_are_counted_so_too_in_a_folder_that_must_not_be_written_to(
    tmp_path: Path, unprivileged: list[str]
) -> None:
    results = kept_in(tmp_path)
    tmp_path.chmod(0o555)
    code = f"from wavemel.tagging.verdicts import read_results; print(read_results({str(results)!r})[0].path)"
    try:
        ran = subprocess.run(
            [*unprivileged, sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    finally:
        tmp_path.chmod(0o755)
    assert ran.stdout == "/music/a.mp3\n"


def test_a_store_that_is_being_written_is_read(tmp_path: Path) -> None:
    results = kept_in(tmp_path)
    store = Store(store_path(results))
    with store.transaction():
        store.set_note("folder", "/elsewhere")  # still in SQLite's log
    assert [verdict.path for verdict in read_results(results)] == ["/elsewhere/a.mp3"]
    store.close()


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_results_that_a_killed_run_has_left_behind_are_refused(ending: str, tmp_path: Path) -> None:
    """A song was replaced, and the run that classified the new one was killed before its end."""
    song, out = tmp_path / "a.mp3", tmp_path / f"r.{ending}"
    file = OutFile(out, output_for(out, None), Layout(("rock",)))
    store = Store(store_path(out))

    def classify(genre: str) -> None:
        song.write_text(genre)
        store.take(str(song))
        genres = [{"genre": genre, "probability": 1.0}]
        row = {**error_row(str(song), "", "", ""), "genres": genres, "error": None}
        file.add(store, Done(str(song), row))

    classify("rock")
    file.end(store)
    classify("pop")
    if ending == "jsonl":  # in which the newer row stands already
        assert [verdict.genres for verdict in read_results(out)] == [[("pop", 1.0)]]
    else:
        with pytest.raises(DataError, match=f"is older than {out.name}.state beside it"):
            read_results(out)
    file.end(store)
    assert [verdict.genres for verdict in read_results(out)] == [[("pop", 1.0)]]
    store.close()


def test_nothing_is_guessed_where_the_store_cannot_be_read(tmp_path: Path) -> None:
    results = kept_in(tmp_path)
    store_path(results).write_bytes(b"no database, and longer than the header of a page" * 100)
    with pytest.raises(ModelError, match="which files its results are of"):
        read_results(results)
    results.write_text(json.dumps({**RECORDS[0], "path": "/a.mp3"}))
    assert [verdict.path for verdict in read_results(results)] == ["/a.mp3"]


@pytest.mark.parametrize("name", ["r.jsonl", "r.json", "r.csv"])
def test_genres_of_results_from_elsewhere_are_one_line(name: str, tmp_path: Path) -> None:
    genre = "\x1b]0;owned\x07hip\n hop\udcff"
    genres = json.dumps([{"genre": genre, "probability": 1}])
    path = tmp_path / name
    if name == "r.csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("path", "genres"), ("a.mp3", genres)])
    else:
        path.write_text(f'{{"path": "a.mp3", "genres": {genres}}}\n')
    assert read_results(path) == [Verdict("a.mp3", [("]0;owned hip hop", 1.0)])]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no results file"):
        read_results(tmp_path / "r.jsonl")


def test_the_mean_of_verdicts() -> None:
    verdicts = [
        Verdict("a", [("rock", 0.8), ("pop", 0.2)]),
        Verdict("b", [("pop", 0.6), ("rock", 0.4)], unsure=True),
        Verdict("c", error="is damaged"),
        Verdict("d"),
    ]
    assert mean_verdict(verdicts, "album") == Verdict(
        "album", [("rock", pytest.approx(0.6)), ("pop", pytest.approx(0.4))], False
    )
    assert mean_verdict(verdicts[1:]).unsure
    assert mean_verdict(verdicts[2:]).error
