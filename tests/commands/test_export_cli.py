"""`wavemel export` as typed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from tiny_model import save_run

from wavemel.commands import main as program
from wavemel.inference.models import find_model


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for filters in (4, 6):
        save_run(folder / f"mel{filters}", {"name": "mel", "filters": filters, "dense": [8]})
    return [folder / "mel4", folder / "mel6"]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path):
    """Run the program as its script does; return exit code, standard output and error."""
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path / "models"))

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["wavemel", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            program.main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def test_several_runs_become_one_model(call, runs: list[Path], tmp_path: Path) -> None:
    words = ("export", *runs, "--name", "both", "--weights", "--licence", "CC0-1.0")
    code, out, err = call(*words, "--data-licence", "none, it is noise", "--note", "of noise")
    assert code == 0, err
    assert "largest difference by float16 weights: " in out
    assert "largest difference from torch: " in out
    assert "next: wavemel classify PATH... --model both\n" in out
    assert {p.name for p in (tmp_path / "models" / "both").iterdir()} == {
        "model.onnx",
        "model.json",
        "model.safetensors",
        "README.md",
    }
    about = find_model("both").description.about
    assert len(about["members"]) == 2
    assert about["data"]["licence"] == "none, it is noise"
    assert about["notes"] == ["random weights", "of noise"]
    assert "noise" in call("models", "show", "both")[1]


def test_a_run_with_a_dot_in_its_name_keeps_it(call, runs: list[Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "rate-0.01"))
    for given, name in ((run, "rate-0.01"), (run / "best.safetensors", "best")):
        code, out, err = call("export", given)
        assert code == 0, err
        assert f"--model {name}\n" in out
        assert find_model(name).description.name == name
    assert "'' is no name for a model" in call("export", run, "--name", "")[2]


def test_a_run_that_was_stopped_is_not_exported_as_if_it_were_done(
    call, runs: list[Path], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    shutil.copytree(runs[0], stopped)
    (stopped / "run.json").write_text(json.dumps({"finished": False}))
    for words in ((stopped,), (runs[1], stopped)):
        code, _, err = call("export", *words, "--name", "m")
        assert code == 2
        assert err.startswith(f"wavemel: {stopped} is not finished: continue it with the command")
        assert f"wavemel train with --to {stopped} --resume" in err
        assert err.count("\n") == 1
    assert list(tmp_path.glob("models/*")) == []
    # Who names the weights themselves means those that are there.
    assert call("export", stopped / "best.safetensors", "--name", "m")[0] == 0
    (stopped / "run.json").write_text(json.dumps({"finished": True}))
    assert call("export", stopped, "--name", "n")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--front-end", "above"), "--front-end must be beside or inside"),
        (("--card-from", "nosuch.json", "--name", "m"), "nosuch.json is missing"),
        (
            ("--card-model", "mel", "--name", "m"),
            "--card-model is one of the models in --card-from",
        ),
        (("--calibration", "nosuch.json", "--name", "m"), "nosuch.json is missing"),
        (("--note", "caf\udce9", "--name", "m"), "m is no text in UTF-8"),
        (("--temperature", "0", "--name", "m"), "wavemel: temperature must be a number above 0"),
        ((), "give it a --name"),
    ],
)
def test_mistakes_get_one_sentence(
    words: tuple[str, ...], sentence: str, call, runs: list[Path], tmp_path: Path
) -> None:
    code, _, err = call("export", *runs, *words)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.glob("models/*")) == []
