"""Songs, results of theirs, and the commands that write genres down, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from tiny_model import tiny_model
from typer.testing import CliRunner, Result

from wavemel.commands import playlists
from wavemel.commands import tag as command
from wavemel.library.done import Done
from wavemel.library.find import Found
from wavemel.library.library import Library


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAVEMEL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def songs(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    made = []
    for name in ("a.wav", "b.flac", "c.ogg"):
        path = tmp_path / "music" / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, rng.standard_normal((4000, 1)) * 0.1, 8000)
        made.append(path)
    return made


@pytest.fixture
def results(songs: list[Path], tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    pairs = [{"genre": "electronic", "probability": 0.8}, {"genre": "rock", "probability": 0.2}]
    rows = [{"path": str(song), "genres": pairs, "unsure": False, "error": None} for song in songs]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def run() -> Callable[..., Result]:
    app = typer.Typer()
    command.register(app)
    playlists.register(app)

    def call(*words: object) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tiny model that answers unasked; the list grows by the files that are listened to."""
    tiny_model(tmp_path / "models")
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("WAVEMEL_MODEL", "tiny")
    asked: list[str] = []
    classify = Library.classify

    def listened(self: Library, files: Sequence[Found]) -> Iterator[Done]:
        asked.extend(found.path for found in files)
        return classify(self, files)

    monkeypatch.setattr(Library, "classify", listened)
    return asked
