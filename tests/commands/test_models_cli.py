"""`wavemel models`: listing, showing, pulling and pushing as a person meets them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import hub_server
import pytest
from huggingface_hub import constants
from tiny_model import tiny_model

from wavemel.commands import main as program
from wavemel.inference import models


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path / "local"))
    monkeypatch.delenv("WAVEMEL_MODEL", raising=False)
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "shipped")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Run the program as its script does; return exit code, standard output and error."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["wavemel", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            program.main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def say(folder: Path, **about: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "about": about}))


def test_without_any_model_it_says_how_to_get_one(call) -> None:
    code, out, _ = call("models")
    assert code == 0
    assert "wavemel models pull OWNER/NAME" in out
    assert call("models", "--format", "json")[1].strip() == "[]"


def test_the_list_marks_the_default(call, tmp_path: Path) -> None:
    say(
        tiny_model(tmp_path / "shipped", "emotify-4"),
        evaluation={"top1": 0.7512, "top1_ci95": [0.7, 0.8]},
    )
    tiny_model(tmp_path / "local", "mine")
    code, out, _ = call("models")
    assert code == 0
    head, first, second = out.splitlines()
    assert head.split() == ["name", "id", "genres", "MB", "precision", "top-1", "where"]
    assert re.fullmatch(
        r"\* +emotify-4 +0123abcd +folk, jazz, rock +0\.0 +float32 +0\.751 \(0\.700 to 0\.800\) +wavemel",
        first,
    )
    assert second.split()[0] == "mine"
    assert second.endswith(str(tmp_path / "local" / "mine"))
    rows = json.loads(call("models", "-f", "json")[1])
    assert [(row["name"], row["default"], row["shipped"]) for row in rows] == [
        ("emotify-4", True, True),
        ("mine", False, False),
    ]
    assert rows[0]["top1_ci95"] == [0.7, 0.8]


def test_json_holds_nothing_that_json_does_not_know(call, tmp_path: Path) -> None:
    evaluation = {"top1": float("nan"), "top1_ci95": [0.5, float("inf")], "data": "Größe 日本"}
    say(tiny_model(tmp_path / "local", "mine"), evaluation=evaluation, notes=["\ud800"])
    for words in (("models",), ("models", "show", "mine")):
        code, out, _ = call(*words, "--format", "json")
        assert code == 0
        assert out.isascii()
        assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", out))
    found = json.loads(out)["about"]["evaluation"]
    assert found == {"top1": None, "top1_ci95": [0.5, None], "data": "Größe 日本"}


def test_a_damaged_model_does_not_hide_the_others(call, tmp_path: Path) -> None:
    (tiny_model(tmp_path / "local", "broken") / "model.json").write_text("{")
    tiny_model(tmp_path / "local", "mine")
    code, out, _ = call("models")
    assert code == 0
    assert "is not JSON" in out
    assert "mine" in out


def test_show_prints_the_card_without_its_head(call, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "local", "mine")
    code, out, _ = call("models", "show", "mine")
    assert code == 0
    assert out.startswith("# mine\n")
    assert "## Known failures" in out
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# By hand\x1b[2J\x07\n")
    assert call("models", "show", folder)[1] == "# By hand[2J\n"
    described = json.loads(call("models", "show", "mine", "--format", "json")[1])
    assert described["classes"] == ["folk", "jazz", "rock"]
    say(folder, evaluation={"n": 3})
    (folder / "README.md").unlink()
    code, _, err = call("models", "show", "mine")
    assert code == 2
    assert "no card can be made" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--format", "xml"), "must be table or json"),
        (("show", "nosuch"), "no model called 'nosuch'"),
        (("show", "mine", "--format", "xml"), "must be card or json"),
        (("pull", "nosuch"), "say OWNER/NAME"),
        (("push", "mine", "me/songs"), "states no licence"),
        (("push", "nosuch", "me/songs"), "no model called 'nosuch'"),
    ],
)
def test_mistakes_get_one_sentence(words: tuple, sentence: str, call, tmp_path: Path) -> None:
    tiny_model(tmp_path / "local", "mine")
    code, _, err = call("models", *words)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_a_dry_run_sends_nothing_and_needs_no_hub(call, tmp_path: Path, monkeypatch) -> None:
    folder = tiny_model(tmp_path / "local", "mine")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    code, out, _ = call("models", "push", "mine", "me/songs", "--licence", "mit", "--dry-run")
    assert code == 0
    assert "mine@0123abcd: folk, jazz, rock; licence: mit\n" in out
    assert f"model.onnx: {(folder / 'model.onnx').stat().st_size:,} bytes\n" in out
    assert "nothing was sent to me/songs" in out
    code, _, err = call("models", "push", "mine", "me/songs", "--licence", "mit")
    assert code == 2
    assert "pip install 'wavemel[hub]'" in err


def test_pushed_pulled_and_used(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model(tmp_path / "local", "mine")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "owner")
    with hub_server.serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        words = ("models", "push", "mine", "me/songs", "--licence", "mit", "--private")
        code, out, err = call(*words)
        assert code == 0, err
        assert f"sent: {hub.url}/me/songs (commit " in out
        assert hub.repositories["me/songs"].private
        terms = tmp_path / "local" / "mine" / "LICENSE.parts"
        terms.write_text("Keep this notice.")
        assert call(*words)[0] == 0
        terms.unlink()
        assert "LICENSE.parts: of the model that was there, deleted\n" in call(*words)[1]
        tiny_model(tmp_path / "local", "other")
        words = ("models", "push", "other", *words[3:])
        code, _, err = call(*words)
        assert (code, "holds another model, 'mine'" in err) == (2, True)
        assert call(*words, "--replace")[0] == 0
        code, out, _ = call("models", "pull", "me/songs")
        assert code == 0
        assert "next: wavemel classify PATH... --model songs\n" in out
        assert "licence: mit\n" in out
        code, _, err = call("models", "pull", "me/songs")
        assert code == 2
        assert "--replace" in err
        assert call("models", "pull", "me/songs", "--replace")[0] == 0
        assert call("models", "pull", "me/songs", "--name", "again")[0] == 0
    names = [row["name"] for row in json.loads(call("models", "-f", "json")[1])]
    assert names == ["again", "mine", "other", "songs"]


def test_listing_needs_nothing_heavy(tmp_path: Path) -> None:
    tiny_model(tmp_path / "local", "mine")
    script = (
        "import sys; sys.argv = ['wavemel', 'models']\n"
        "from wavemel.commands.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'huggingface_hub', 'pandas', 'onnxruntime', 'librosa', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "mine" in done.stdout
    assert done.stdout.strip().endswith("[]")
