import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from known_answers import write_fold
from tiny_model import CLASSES, save_run, sounds, tiny_model
from tiny_runs import NETWORKS
from tones import write_tone
from typer.testing import CliRunner, Result

from wavemel.checkpoint import fingerprint_of
from wavemel.commands.explain import register
from wavemel.errors import ModelError, WavemelError
from wavemel.export import Options, export

app = typer.Typer()
register(app)
app.callback()(lambda: None)


def run(*arguments: object) -> Result:
    words = ["explain", *map(str, arguments)]
    return CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, evaluated on nine tracks, and a file to explain."""
    root = tmp_path_factory.mktemp("explain")
    save_run(root / "mel", NETWORKS["mel"])
    paths = [write_tone(root / "music" / f"{i}.wav", i) for i in range(9)]
    write_fold(root / "mel", paths, [CLASSES[i % 3] for i in range(9)], ["<b>"] * 9)
    soundfile.write(root / "a.wav", sounds(1, 2.5)[0], 8000)
    return root


def test_a_picture_and_numbers_for_each_file(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "a.wav", folder / "music" / "1.wav", "--model", folder / "mel", "--to", tmp_path / "x")  # fmt: skip
    assert done.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == ["1.json", "1.png", "a.json", "a.png"]  # fmt: skip
    assert (tmp_path / "x" / "a.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "x" / "a.json").read_text("utf-8"))
    assert {"file", "model", "class", "probability", "timeline", "bands", "times", "delta"} <= set(numbers)  # fmt: skip
    assert numbers["class"] == max(numbers["probabilities"], key=numbers["probabilities"].get)
    assert numbers["delta"] < 0.05 * numbers["change"]
    assert f"a.wav: {numbers['class']} {100 * numbers['probability']:.1f} %" in done.output
    assert f"for {numbers['class']}: " in done.output
    assert "completeness: the maps miss" in done.output


def test_another_genre_and_method(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "a.wav", "-m", folder / "mel", "--to", tmp_path, "--genre", "jazz", "--against", "rock", "--method", "grad-cam", "--limit", 1)  # fmt: skip
    assert done.exit_code == 0
    numbers = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert (numbers["class"], numbers["against"], numbers["seconds"]) == ("jazz", "rock", 1.0)
    assert numbers["delta"] is None
    assert "for jazz rather than rock: " in done.output


def test_probabilities_are_as_calibrated(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "mel", tmp_path / "soft")
    (tmp_path / "soft" / "calibration.json").write_text('{"temperature": 4.0}')
    for model in (folder / "mel", tmp_path / "soft"):
        run(folder / "a.wav", "-m", model, "--to", tmp_path / model.name, "--steps", 1)
    sharp, soft = (
        json.loads((tmp_path / name / "a.json").read_text("utf-8")) for name in ("mel", "soft")
    )
    assert (sharp["temperature"], soft["temperature"]) == (1.0, 4.0)
    first, softened = (d["timeline"][0]["probabilities"] for d in (sharp, soft))
    assert softened["folk"] / softened["rock"] == pytest.approx((first["folk"] / first["rock"]) ** 0.25, rel=1e-3)  # fmt: skip


def test_a_calibration_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "mel"
    shutil.copytree(folder / "mel", model)
    told = {"temperature": 4.0, "weights": fingerprint_of(model)}
    (model / "calibration.json").write_text(json.dumps(told))
    done = run(folder / "a.wav", "-m", model, "--to", tmp_path / "x", "--steps", 1)
    assert done.exit_code == 0
    assert json.loads((tmp_path / "x" / "a.json").read_text("utf-8"))["temperature"] == 4.0
    # Trained on: the file beside the weights tells another epoch.
    (model / "best.json").write_text((model / "best.json").read_text() + "\n")
    with pytest.raises(ModelError, match=r"trained on since it was calibrated: wavemel calibrate"):
        run(folder / "a.wav", "-m", model, "--to", tmp_path / "y", "--steps", 1)
    assert not (tmp_path / "y").exists()


def test_an_exported_model_says_its_temperature_by_each_of_its_names(
    folder: Path, tmp_path: Path
) -> None:
    export(folder / "mel", Options(name="m", weights=True, temperature=2.0), tmp_path / "m")
    for suffix in ("onnx", "json", "safetensors"):
        shutil.copy(tmp_path / "m" / f"model.{suffix}", tmp_path / f"pair.{suffix}")
    for name in ("m", "m/model.onnx", "m/model.json", "m/model.safetensors", "pair", "pair.onnx"):
        run(folder / "a.wav", "-m", tmp_path / name, "--to", tmp_path / "x", "--steps", 1, "--replace")  # fmt: skip
        found = json.loads((tmp_path / "x" / "a.json").read_text("utf-8"))
        assert (found["model"], found["temperature"]) == (str(tmp_path / name), 2.0)


def test_a_runs_weights_have_the_runs_temperature(folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(folder / "mel", tmp_path / "mel"))
    told = {"temperature": 4.0, "weights": fingerprint_of(model)}
    (model / "calibration.json").write_text(json.dumps(told))
    run(folder / "a.wav", "-m", model / "best.safetensors", "--to", tmp_path / "x", "--steps", 1)
    assert json.loads((tmp_path / "x" / "a.json").read_text())["temperature"] == 4.0


def test_a_bad_file_is_one_line_and_the_others_go_on(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio" * 20)
    out = tmp_path / "x"
    done = run(tmp_path / "bad.wav", folder / "a.wav", tmp_path / "gone.wav", "-m", folder / "mel", "--to", out, "--steps", 2)  # fmt: skip
    assert done.exit_code == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("wavemel: ")]
    assert len(lines) == 2
    assert "bad.wav" in lines[0]
    assert "gone.wav" in lines[1]
    assert (out / "a.png").is_file()


def test_silence_is_one_line_as_a_bad_file_is(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(20_000), 8000)
    out = tmp_path / "x"
    done = run(tmp_path / "silent.wav", folder / "a.wav", "-m", folder / "mel", "--to", out, "--steps", 2)  # fmt: skip
    assert done.exit_code == 1
    assert f"wavemel: {tmp_path / 'silent.wav'}: is silent (digital silence)" in done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["a.json", "a.png"]


def test_names_that_are_equal_or_hostile(folder: Path, tmp_path: Path) -> None:
    sound = (folder / "a.wav").read_bytes()
    paths = [tmp_path / "one" / "A.wav", tmp_path / "two" / "a.wav", tmp_path / "$x^{.wav"]
    if os.name == "posix":
        paths += [tmp_path / "-\n<i>.wav", Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sound)
    done = run(*paths, "-m", folder / "mel", "--to", tmp_path / "x", "--steps", 1)
    assert done.exit_code == 0, done.output
    made = {p.stem: json.loads(p.read_text("utf-8")) for p in (tmp_path / "x").glob("*.json")}
    assert len(made) == len(list((tmp_path / "x").glob("*.png"))) == len(paths)
    assert {"A", "a-2", "x"} <= set(made)
    assert len({json.dumps(m["timeline"]) for m in made.values()}) == 1


def test_nothing_is_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    arguments = (folder / "a.wav", "-m", folder / "mel", "--to", tmp_path, "--steps", 1)
    with pytest.raises(WavemelError, match="exists already"):
        run(*arguments)
    assert (tmp_path / "a.json").read_text() == "mine"
    assert run(*arguments, "--replace").exit_code == 0
    assert (tmp_path / "a.json").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "-m", "tiny"], "exported model without weights"),
        (["a.wav", "-m", "mel", "--genre", "polka"], "no genre 'polka'"),
        (["a.wav", "-m", "mel", "--method", "magic"], "no method of attribution called 'magic'"),
        (["a.wav", "-m", "nowhere"], "no model called 'nowhere'"),
        (["a.wav", "-m", "models/tiny"], "no gradients"),
        (["a.wav", "-m", "music"], "music holds no trained model"),
        (["--mistakes", "mel"], "--to FOLDER"),
        (["--mistakes", "mel", "--to", "x", "--genre", "jazz"], "--genre is for files"),
        (["--mistakes", "mel", "--to", "x", "--split", "training"], "--split must be"),
        (["--mistakes", "music", "--to", "x"], "run.json is missing"),
        (["--mistakes", "mel", "--to", "x", "--method", "magic"], "called 'magic'"),
    ],
)
def test_a_wrong_call_is_a_sentence(
    arguments: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WAVEMEL_MODELS", str(folder / "models"))
    monkeypatch.setenv("WAVEMEL_MODEL", "tiny")
    if not (folder / "models").exists():
        tiny_model(folder / "models", "tiny")
    with pytest.raises(WavemelError, match=message):
        run(*arguments)
    assert not (folder / "x").exists()


def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "captum" else find(name, *a)
    )
    with pytest.raises(WavemelError, match=r"wavemel\[explain\]"):
        run(folder / "a.wav", "-m", folder / "mel")


class Balanced(HTMLParser):
    """Checks that every tag is closed by its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_mistakes_give_a_page_tables_and_pictures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("--mistakes", folder / "mel", "--worst", 2, "--to", out, "--steps", 4)
    assert done.exit_code == 0
    data = json.loads((out / "confusions.json").read_text("utf-8"))
    page = (out / "confusions.html").read_text("utf-8")
    files = [f for pair in data["pairs"] for f in pair["files"]]
    explained = sorted(f["explanation"] for f in files if f["explanation"])
    assert len(explained) == 2
    assert len(list((out / "mistakes").iterdir())) == 4
    worst = sorted(files, key=lambda f: -f["p_answer"])[:2]
    assert sorted(f["explanation"] for f in worst) == explained
    for file in worst:
        numbers = json.loads((out / f"{file['explanation']}.json").read_text("utf-8"))
        assert (numbers["class"], numbers["against"]) == (file["answer"], file["truth"])
        assert numbers["probability"] == pytest.approx(file["p_answer"], abs=1e-4)
        assert (out / f"{file['explanation']}.png").is_file()
    checked = Balanced()
    checked.feed(page)
    checked.close()
    assert checked.open == []
    for pair in data["pairs"]:
        assert f"{pair['genres'][0]} and {pair['genres'][1]}" in page
    assert all(f["file"] in page for f in files)
    assert page.count("see why") == 2
    assert str(folder) not in page.split("How this was made")[0]
    assert len((out / "confusions.csv").read_text("utf-8").splitlines()) == 1 + len(files)
    assert "tracks are answered wrongly" in done.output
    with pytest.raises(WavemelError, match="exists already"):
        run("--mistakes", folder / "mel", "--to", out)


def test_a_mistake_whose_file_is_gone(tmp_path: Path) -> None:
    save_run(tmp_path / "mel", NETWORKS["mel"])
    paths = [write_tone(tmp_path / f"{i}.wav", i) for i in range(6)]
    write_fold(tmp_path / "mel", paths, [CLASSES[i % 3] for i in range(6)], [None] * 6)
    for path in paths:
        path.unlink()
    done = run("--mistakes", tmp_path / "mel", "--worst", 1, "--to", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.count("wavemel: ") == 1
    page = (tmp_path / "out" / "confusions.html").read_text("utf-8")
    assert "see why" not in page
    assert "Pairs of genres" in page


@pytest.mark.slow
def test_exit_codes_of_the_program(folder: Path, tmp_path: Path) -> None:
    def code(*arguments: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "wavemel", "explain", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    assert code(folder / "a.wav", "-m", folder / "mel", "--steps", 1) == (0, "")
    assert (tmp_path / "explained" / "a.png").is_file()
    assert code("gone.wav", "-m", folder / "mel")[0] == 1
    status, said = code(folder / "a.wav", "-m", folder)
    assert (status, said.count("\n")) == (2, 1)
