"""A network is added by adding one file, as CONTRIBUTING.md says: it trains, and every command knows it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from tiny_runs import QUIET, tiny, tiny_dataset
from typer.testing import CliRunner

import wavemel.networks
from wavemel.commands.describe import register
from wavemel.errors import ConfigError
from wavemel.evaluation.runs import evaluate_run
from wavemel.experiment import make_experiment
from wavemel.export.options import Options
from wavemel.export.run import export
from wavemel.networks import NETWORKS
from wavemel.training.run import train

TINY = """
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from wavemel.networks.base import NETWORKS, GenreNetwork


@dataclass(frozen=True)
class TinyConfig:
    classes: int = 8
    bands: int = 128
    width: int = 16


@NETWORKS.register("tiny")
class Tiny(GenreNetwork):
    inputs: ClassVar[tuple[str, ...]] = ("mel",)
    Config: ClassVar[type] = TinyConfig

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.layer = nn.Conv1d(config.bands, config.width, 3)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, *inputs: Tensor) -> Tensor:
        (mel,) = inputs
        return self.head(self.layer(mel).relu().mean(2))
"""


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that adds a network's file."""
    folder = tmp_path / "networks"
    folder.mkdir()

    def write(text: str) -> None:
        (folder / "tiny.py").write_text(text)

    list(NETWORKS)  # those that are there, before the registry is copied
    monkeypatch.setattr(wavemel.networks, "__path__", [*wavemel.networks.__path__, str(folder)])
    monkeypatch.setattr(NETWORKS, "_items", dict(NETWORKS._items))
    monkeypatch.setattr(NETWORKS, "_loaded", False)
    yield write
    sys.modules.pop("wavemel.networks.tiny", None)


def test_a_network_in_one_file(add: Callable[[str], None], tmp_path: Path) -> None:
    add(TINY)
    experiment = tiny(options={"name": "tiny"}, training={"epochs": 1})
    assert train(experiment, tiny_dataset(), tmp_path / "run", hardware=QUIET)["finished"]
    assert evaluate_run(tmp_path / "run")["n"] > 0
    made = export(tmp_path / "run", Options(name="tiny"), tmp_path / "model")
    assert made.difference < 1e-4
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    # No config ships for it: its own defaults, and changes to them.
    words = ["describe", "tiny", "--set", "network.width=4", "--set", "mel.bands=32"]
    said = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "conv 3, 4 filters" in said.output
    assert "8 genres" in said.output


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('    inputs: ClassVar[tuple[str, ...]] = ("mel",)\n', "", "has no inputs"),
        ('("mel",)', '"mel"', "has no inputs"),
        ("    Config: ClassVar[type] = TinyConfig\n", "", "has no Config"),
        ("    classes: int = 8\n", "    genres: int = 8\n", "has no field 'classes'"),
        ("def forward", "def forwards", r"has no forward\(\)"),
        ("self.layer(mel)", "self.layers(mel)", "'Tiny' object has no attribute 'layers'"),
        ('("mel",)', '("embedding",)', "'Tiny' object has no attribute 'n_features'"),
    ],
)
def test_what_a_network_lacks_is_said_of_its_class(
    add: Callable[[str], None], old: str, new: str, sentence: str
) -> None:
    assert old in TINY
    add(TINY.replace(old, new))
    said = rf"'tiny' is not finished: class Tiny in wavemel\.networks\.tiny.*{sentence}"
    with pytest.raises(ConfigError, match=said):
        make_experiment({"network": {"name": "tiny"}}, "mine.yaml")
