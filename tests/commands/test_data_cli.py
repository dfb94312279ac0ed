"""`wavemel data scan`, `split` and `cache`, as typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from tones import write_folder, write_tone

from wavemel.commands import main as module


@pytest.fixture
def wavemel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the program in this process; return (exit code, output, errors)."""
    import typer

    from wavemel.commands.data import data_app

    def run(*arguments: object) -> tuple[int, str, str]:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(lambda: None)
        app.add_typer(data_app, name="data")
        monkeypatch.setattr(module, "app", app)
        monkeypatch.setattr(module, "_register_commands", lambda: None)
        monkeypatch.setattr(sys, "argv", ["wavemel", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            module.main()
        code = ended.value.code
        return (code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "music", {"Jazz": 8, "Rock": 8}, artists=True)


def test_scan_counts_lists_and_writes(wavemel, music: Path, tmp_path: Path) -> None:
    write_tone(music / "Rock" / "stub.wav", 90, seconds=1)
    (music / "Rock" / "two\nlines.mp3").write_text("no music")
    out = tmp_path / "scan.csv"
    code, said, _ = wavemel("data", "scan", music, "--workers", 0, "--out", out)
    assert code == 0
    assert "music: 2 genres" in said
    assert [line.split() for line in said.splitlines()][1:6] == [
        ["status", "clips", "hours"], ["ok", "16", "0.01"], ["unreadable", "1", "0.00"],
        ["short", "1", "0.00"], ["total", "18", "0.01"],
    ]  # fmt: skip
    stub = next(line for line in said.splitlines() if "stub.wav" in line)
    assert stub.split(maxsplit=2)[1:] == ["short", "1.00 s, less than 2 s"]
    assert r"two\nlines.mp3" in said
    assert f"table: {out}" in said
    written = pd.read_csv(out)
    assert written["status"].value_counts().to_dict() == {"ok": 16, "short": 1, "unreadable": 1}
    code, said, _ = wavemel("data", "scan", out, "--workers", 0, "--min-seconds", 0.5)
    assert code == 0
    assert "short" not in said


def test_files_are_not_overwritten_and_nothing_is_done_first(
    wavemel, music: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    for command in ("scan", "split"):
        code, _, error = wavemel("data", command, music, "--out", out)
        assert code == 2
        assert error == f"wavemel: {out} exists: give another name, or --force to overwrite it\n"
    assert out.read_text() == "mine"
    code, *_ = wavemel("data", "scan", music, "--out", out, "--force", "--workers", 0)
    assert code == 0
    assert out.read_text() != "mine"


def test_split_says_who_stands_where(wavemel, music: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.parquet"
    options = ("--workers", 0, "--out", out)
    code, said, _ = wavemel("data", "split", music, "--how", "artist", *options)
    assert code == 0
    assert said.split("\n")[0].split() == ["genre", "training", "validation", "test", "total"]
    assert "No artist, album or recording stands on two sides" in said
    table = pd.read_parquet(out)
    assert (table.groupby("artist")["split"].nunique() == 1).all()
    # What was written is what the next command reads.
    code, said, _ = wavemel("data", "split", out, "--workers", 0, "--out", tmp_path / "same.csv")
    assert code == 0
    assert "The given split of" in said
    same = pd.read_csv(tmp_path / "same.csv")
    assert same["split"].tolist() == table["split"].tolist()


def test_split_by_folds_writes_them(wavemel, music: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds.csv"
    code, said, _ = wavemel(
        "data", "split", music, "--how", "folds", "--folds", 4, "--workers", 0, "--out", out
    )
    assert code == 0
    assert (
        "4 folds drawn without an artist in two, seed 0: 0, 1 train, 2 validates, 3 tests." in said
    )
    table = pd.read_csv(out)
    assert set(table["fold"][table["split"] == "test"]) == {3}


def test_leak_is_a_warning(wavemel, music: Path, tmp_path: Path, caplog) -> None:
    code, *_ = wavemel(
        "data", "split", music, "--how", "stratified", "--workers", 0, "--out", tmp_path / "s.csv"
    )
    assert code == 0
    assert "on two sides of the split" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("scan", "nowhere"), "'nowhere' does not exist"),
        (("split", "{music}", "--out", "s.xlsx"), "ends in .csv, .tsv, .parquet"),
        (("split", "{music}", "--out", "no/s.csv"), "there is no folder"),
        (("split", "{music}", "--how", "given", "--out", "s.csv"), "gives no split"),
        (("split", "{music}", "--how", "artists", "--out", "s.csv"), "did you mean 'artist'"),
        (("cache", "--clear", "clip"), "did you mean 'clips'"),
    ],
)
def test_one_sentence_and_exit_code_2(
    wavemel, music: Path, tmp_path: Path, monkeypatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, said, error = wavemel("data", *(a.format(music=music) for a in arguments))
    assert (code, said) == (2, "")
    assert error.startswith("wavemel: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_cache_is_shown_and_cleared(wavemel, music: Path) -> None:
    wavemel("data", "scan", music, "--workers", 0)
    code, said, _ = wavemel("data", "cache")
    assert code == 0
    shown = [line.split()[:2] for line in said.splitlines()]
    assert shown[:3] == [["part", "files"], ["clips", "0"], ["scan", "1"]]
    code, said, _ = wavemel("data", "cache", "--clear", "all")
    assert code == 0
    assert ["scan", "0"] in [line.split()[:2] for line in said.splitlines()]


@pytest.mark.parametrize("command", ["scan", "split", "cache"])
def test_help(wavemel, command: str) -> None:
    code, said, _ = wavemel("data", command, "--help")
    assert code == 0
    assert "--help" in said
