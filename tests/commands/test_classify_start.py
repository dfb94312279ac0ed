"""How `wavemel classify` starts: nothing heavy is imported, and the quick way reads what typer reads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tones import write_tone
from typed import Run

from wavemel.audio.decode import RATES

HEAVY = {"torch", "librosa", "pandas", "matplotlib", "scipy", "sklearn", "lightning", "pyarrow"}


@pytest.mark.parametrize(
    "words", [["a.wav"], ["a.wav", "b.wav", "-f", "csv", "--timeline"], ["-h"]]
)
def test_nothing_heavy_is_imported(
    environment: dict[str, str], tmp_path: Path, words: list[str]
) -> None:
    for i, name in enumerate(("a.wav", "b.wav")):
        write_tone(tmp_path / name, i)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wavemel", "classify", *words],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    # "import time: self [us] | cumulative | name"
    imported = re.findall(r"^import time:.*\|\s*([\w.]+)$", done.stderr, re.MULTILINE)
    packages = {name.split(".")[0] for name in imported}
    assert not packages & HEAVY
    if words != ["-h"]:
        assert "onnxruntime" in packages
        # Nor what would make starting slower than one file takes.
        assert not packages & {"typer", "pydantic", "rich", "multiprocessing", "sqlite3"}


def test_the_quick_way_reads_what_typer_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option of one is an option of the other, by the same names, of the same effect."""
    import dataclasses

    import typer.main
    from typer.testing import CliRunner

    from wavemel.commands import classify, classifying, quick

    app = typer.Typer()
    classify.register(app)
    known = {name for p in typer.main.get_command(app).params for name in p.opts if name[0] == "-"}
    known -= {"--help", "--install-completion", "--show-completion"}
    quickly = {name for action in quick.parser()._actions for name in action.option_strings}
    assert quickly == known
    requests = []
    monkeypatch.setattr(classifying, "run", lambda request: requests.append(request) or 0)
    lines = [
        [],
        ["a.mp3"],
        ["a.mp3", "b", "--model", "m", "--top", "2", "--timeline", "--format", "csv"],
        ["-m", "m", "-f", "jsonl", "-o", "x.jsonl", "-j", "3", "a.mp3"],
        ["--workers", "2", "--seconds", "4.5", "--tolerance=0.2", "--min-confidence", "0.5", "x"],
        ["--jobs", "2", "--whole", "--out", "y.csv", "--prune", "x y.mp3"],
        ["-"],
    ]
    for words in lines:
        assert CliRunner().invoke(app, words).exit_code == 0
        assert quick.read(words) == requests.pop(), words
    used = {word for words in lines for word in words if word.startswith("--")}
    assert {name for name in known if name.startswith("--")} <= {w.split("=")[0] for w in used}
    defaults = classifying.Request()
    assert quick.read([]) == defaults
    assert len(dataclasses.fields(defaults)) == len(quick.parser()._actions)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["a.mp3", "--nosuch"],
        ["--top", "0", "a.mp3"],
        ["--top", "x", "a.mp3"],
        ["--min-confidence", "2", "a.mp3"],
        ["--model"],
        ["--mod", "m", "a.mp3"],
        ["--", "-a.mp3"],
        ["a.mp3", "--top", "2", "b.mp3"],
    ],
)
def test_what_the_quick_way_does_not_understand_goes_to_typer(words: list[str]) -> None:
    from wavemel.commands import quick

    assert quick.read(words) is None


def test_typer_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "-a.wav", 0, 1.2)
    assert run("classify", "--", "-a.wav").code == 0
    wrong = run("classify", "a.wav", "--top", "0")
    assert (wrong.code, "--top" in wrong.err) == (2, True)
    shown = " ".join(run("classify", "--help").out.decode().split())
    for part in ("--min-confidence", "Formats: MP3, WAV", "from {:,} to {:,} Hz".format(*RATES)):
        assert part in shown
