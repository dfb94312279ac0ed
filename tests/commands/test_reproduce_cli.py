"""Training, evaluating and comparing, as typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import DATA, write_configs


def wavemel(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wavemel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "wave", "mel", epochs=2)
    run = str(tmp_path / "run")
    done = wavemel("train", str(configs / "wave.yaml"), "--data", DATA, "--to", run)
    assert done.returncode == 0, done.stderr
    assert "best epoch" in done.stdout
    assert "two sides" in done.stdout
    again = wavemel("train", str(configs / "wave.yaml"), "--data", DATA, "--to", run)
    assert again.returncode == 2
    assert "already holds a run" in again.stderr
    assert "Traceback" not in again.stderr
    done = wavemel("evaluate", run)
    assert done.returncode == 0, done.stderr
    assert "one-vs-rest accuracy" in done.stdout
    mel = str(tmp_path / "mel")
    assert wavemel("train", str(configs / "mel.yaml"), "-d", DATA, "--to", mel).returncode == 0
    report = tmp_path / "report"
    done = wavemel("compare", run, mel, "--to", str(report))
    assert done.returncode == 0, done.stderr
    assert (report / "report.html").is_file()
    assert wavemel("compare", run, mel, "--to", str(report)).returncode == 2


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "wave", epochs=1)
    together = ["--accelerator", "cpu", "--devices", "2", "--logger", "tensorboard"]
    run = tmp_path / "run"
    done = wavemel("train", str(configs / "wave.yaml"), "-d", DATA, "--to", str(run), *together)
    assert done.returncode == 0, done.stderr
    about = json.loads((run / "run.json").read_text())
    assert about["devices"] == "2 x cpu"
    assert about["finished"]
    assert done.stdout.count("best epoch") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "paper/wave", "--data", "/no/such/folder"], "does not exist"),
        (["train", "paper/wave", "--set", "training.epoch=1"], "did you mean 'epochs'"),
        (["train", "papper/wave"], "did you mean 'paper/wave'"),
        (["reproduce", "--config-set", "papers"], "did you mean 'paper'"),
        (["reproduce", "--seeds", "a"], "whole numbers"),
        (["evaluate", "/no/such/run"], "is missing"),
        (["evaluate", "run", "--data", "demo", "--split", "validation"], "give one of the two"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    done = wavemel(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
