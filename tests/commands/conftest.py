"""The program in a folder of the test's, with a tiny model that answers unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import tiny_model
from typed import Ran, Run


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    state = str(tmp_path_factory.mktemp("state"))
    # Named, or the model that ships would answer.
    model = {"WAVEMEL_MODELS": str(models), "WAVEMEL_MODEL": "tiny"}
    return {**os.environ, **model, "XDG_STATE_HOME": state}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run the program as a user does; the current folder is the test's."""

    def call(*words: object, stdin: bytes = b"", cwd: Path = tmp_path, **changed: str) -> Ran:
        command = [sys.executable, "-m", "wavemel", *(os.fspath(w) if isinstance(w, Path) else w for w in words)]  # fmt: skip
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env={**environment, **changed},
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    return call
