import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from wavemel.commands.describe import register
from wavemel.errors import ConfigError, WavemelError

app = typer.Typer()
register(app)
app.callback()(lambda: None)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["describe", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_network_by_its_name_has_the_papers_settings() -> None:
    said = run("wave")
    assert "15 s at 44,100 Hz, 8 genres" in said
    assert "661,500" in said
    assert "conv 9, 16 filters" in said
    assert said.rstrip().endswith("8")
    total = next(line for line in said.splitlines() if line.startswith("total"))
    assert total.split()[1:] == ["2,763,608", "5,432,144,832"]


def test_a_head_on_an_encoder_needs_no_encoder() -> None:
    said = run("encoder/wav2vec2")
    assert "frozen encoder" in said
    assert next(x for x in said.splitlines() if x.startswith("total")).split()[1] == "6,152"
    assert "frozen encoder" in run("encoder")
    with pytest.raises(ConfigError, match=r"state it as network\.width"):
        run("encoder/wav2vec2", "--set", "network.width=")


def test_skip_and_branches_are_drawn() -> None:
    mel, combined = run("mel").splitlines(), run("combined").splitlines()
    assert "├─╮" in mel
    assert "├─╯" in mel
    assert any(line.startswith("│ ●") for line in combined)
    assert sum(line == "├─╯" for line in combined) == 1


def test_genres_of_which_a_clip_has_several_have_probabilities_of_their_own() -> None:
    for changes, ending in (((), "softmax"), (("--set", "labels=genres"), "sigmoid")):
        assert run("mel", *changes).splitlines()[-1].split()[:2] == ["●", ending]
        assert json.loads(run("mel", "--json", *changes))["blocks"][-1]["layers"] == [ending]


def test_json_holds_all(tmp_path: Path) -> None:
    found = json.loads(run("mel", "--json", "--classes", "3", "--set", "network.filters=4"))
    assert found["classes"] == 3
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["blocks"][-1]["output_shape"] == [3]
    assert any(layer["kind"] == "conv 3×3, 4 filters" for layer in found["layers"])


def test_a_config_file_and_changes(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("audio: {rate: 8000, seconds: 2}\nnetwork: {name: wave, stride: 2}\n")
    said = run(str(config), "--set", "audio.seconds=1")
    assert "wave: 1 s at 8,000 Hz" in said
    assert "conv 9, 16 filters, stride 2" in said


def test_a_run_folder_knows_its_genres(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"classes": ["a", "b", "c", "d", "e"]}')
    (tmp_path / "experiment.yaml").write_text("network: {name: mel}\n")
    assert "5 genres" in run(str(tmp_path))
    assert "7 genres" in run(str(tmp_path), "--classes", "7")


def test_figure_is_written_whole(tmp_path: Path) -> None:
    for name in ("a.svg", "a.png"):
        run("mel", "--figure", str(tmp_path / name))
    assert "add · ReLU" in "".join(ET.parse(tmp_path / "a.svg").getroot().itertext())
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["waves"], "no network, config or run folder called 'waves'.*'wave'"),
        (["wave", "--set", "network.strid=2"], "no option 'strid'.*'stride'"),
        (
            ["strong/mel-res", "--set", "network.dense=[0]"],
            r"dense .* whole numbers from 1 .*\[0\]",
        ),
        (["wave", "--figure", "a.pdf"], "must end in .svg or .png"),
        (["wave", "--figure", "nowhere/a.svg"], "nowhere is no folder"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(WavemelError, match=message):
        CliRunner().invoke(app, ["describe", *arguments], catch_exceptions=False)


def test_an_unknown_name_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        CliRunner().invoke(app, ["describe", str(tmp_path)], catch_exceptions=False)
