"""Several processes that train one network together."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import DATA, rows, tiny_dataset, write_configs

from wavemel.evaluation.runs import evaluate_run


def test_several_processes_log_what_their_network_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processes share eight validation clips, which do not divide by three."""
    assert len(tiny_dataset().part("validation")) == 8
    config = write_configs(tmp_path / "configs", "mel") / "mel.yaml"
    options = ["--data", DATA, "--to", str(tmp_path / "run"), "--accelerator", "cpu"]
    command = [sys.executable, "-m", "wavemel", "train", str(config), *options, "--devices", "3"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    subprocess.run(command, check=True, timeout=300)
    (logged,) = rows(tmp_path / "run")
    found = evaluate_run(tmp_path / "run", "validation")
    assert float(logged["validation_loss"]) == pytest.approx(found["log_loss"], rel=0.05)
    assert float(logged["validation_top1"]) == pytest.approx(found["top1"], abs=0.126)
