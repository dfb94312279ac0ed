"""Models from the hub: what arrives, and what is refused."""

import builtins
import json
import socket
from pathlib import Path

import numpy as np
import pytest
from hub_server import Hub

from wavemel.errors import MissingExtraError, ModelError
from wavemel.hub import pull
from wavemel.inference.card import model_card
from wavemel.inference.classifier import Classifier
from wavemel.inference.models import list_models


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def models(tmp_path: Path) -> list[str]:
    """Return everything that lies among the user's models, hidden or not."""
    folder = tmp_path / "models"
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_model_arrives_as_it_was_and_answers(hub: Hub, model: Path, tmp_path: Path) -> None:
    others = {".gitattributes": b"", "notes/more.txt": b"x", "extra.pkl": b"\x80\x04."}
    repository = hub.add("someone/songs", files_of(model) | others)
    made = pull("someone/songs")
    assert made.folder == tmp_path / "models" / "songs"
    assert made.commit == repository.refs["main"]
    assert files_of(made.folder) == files_of(model)  # and nothing besides
    assert "songs" in list_models()
    assert models(tmp_path) == ["songs"]
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) / 10
    answers = [Classifier(m).classify(noise, 8000).genres for m in (model, "songs")]
    assert answers[0] == answers[1]
    assert hub.asked("extra.pkl") == hub.asked("more.txt") == []


def test_a_model_is_called_here_as_its_folder(hub: Hub, model: Path, tmp_path: Path) -> None:
    described = json.loads((model / "model.json").read_text()) | {"later": 1}
    hub.add("a/b", files_of(model) | {"model.json": json.dumps(described).encode()})
    for made, name in ((pull("a/b"), "b"), (pull("a/b", name="mine"), "mine")):
        assert json.loads((made.folder / "model.json").read_text()) == described | {"name": name}
        assert made.bundle.description.label == f"{name}@0123abcd"
        # Also as a card that is recognised as made by the program.
        assert (made.folder / "README.md").read_text() == model_card(made.bundle.description)
        assert Classifier(name).description.name == name


def test_a_card_by_hand_names_the_model_in_its_commands_alone(hub: Hub, model: Path) -> None:
    lines = b"\nwavemel classify song.mp3 --model %s\nsongs of caf\xe9s\r\n"
    hub.add("a/b", files_of(model) | {"README.md": lines % b"songs"})
    assert (pull("a/b").folder / "README.md").read_bytes() == lines % b"b"


def test_a_revision_is_pinned_to_its_commit(hub: Hub, model: Path) -> None:
    repository = hub.add("a/b", files_of(model))
    old = repository.refs["v1"] = repository.refs["main"]
    repository.commit({"README.md": b"all gone"})
    assert pull("a/b@v1").commit == old
    assert pull(f"a/b@{old}", name="c").commit == old
    assert {path.split("/")[4] for path in hub.asked("/resolve/")} == {old}
    with pytest.raises(ModelError, match="a/b has no such revision"):
        pull("a/b@v9", name="d")


def test_only_a_model_without_weights_or_card(hub: Hub, model: Path) -> None:
    hub.add("a/b", {k: v for k, v in files_of(model).items() if k in ("model.onnx", "model.json")})
    assert set(files_of(pull("a/b").folder)) == {"model.onnx", "model.json"}


def test_weights_that_the_description_does_not_name_are_not_kept(hub: Hub, model: Path) -> None:
    description = json.loads((model / "model.json").read_text()) | {"weights_sha256": ""}
    hub.add("a/b", files_of(model) | {"model.json": json.dumps(description).encode()})
    assert "model.safetensors" not in files_of(pull("a/b").folder)


def test_nothing_is_overwritten_unasked(hub: Hub, model: Path, tmp_path: Path) -> None:
    hub.add("a/b", files_of(model))
    old = tmp_path / "models" / "b"
    old.mkdir(parents=True)
    mine = {"model.onnx": b"x", "model.json": b"{}", "LICENSE.theirs": b"y"}
    for name, data in mine.items():
        (old / name).write_bytes(data)
    with pytest.raises(ModelError, match="exists already: give another --name, or --replace"):
        pull("a/b")
    (old / "notes.txt").write_text("z")
    with pytest.raises(
        ModelError, match=r"holds more than a model .'notes\.txt'., and is not repl"
    ):
        pull("a/b", replace=True)
    (old / "notes.txt").unlink()
    assert hub.requests == []
    assert files_of(old) == mine
    hub.repositories["a/b"].files["model.onnx"] += b"\0"
    with pytest.raises(ModelError, match="checksum"):
        pull("a/b", replace=True)
    assert files_of(old) == mine
    hub.add("a/b", files_of(model))
    assert files_of(pull("a/b", replace=True).folder).keys() == files_of(model).keys()


@pytest.mark.parametrize("file", ["model.onnx", "model.safetensors"])
def test_other_bytes_than_described_are_refused(
    file: str, hub: Hub, model: Path, tmp_path: Path
) -> None:
    hub.add("a/b", files_of(model) | {file: b"something else"})
    with pytest.raises(ModelError, match=f"^a/b is refused: {file} is not the file that songs's"):
        pull("a/b")
    assert models(tmp_path) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": b"{}"}, "a/b is no model of wavemel's: it holds no model.json and no model.onnx"),
        ({"model.json": b"{}"}, "it holds no model.onnx"),
        ({"pytorch_model.bin": b"\x80"}, "pytorch_model.bin, which runs code"),
        ({"model.onnx": b"x", "weights/last.CKPT": b"\x80"}, "last.CKPT, which runs code"),
        ({"model.onnx": b"x", "model.json": b"{"}, "a/b is refused: model.json is not JSON"),
        ({"model.onnx": b"x", "model.json": b'{"format": 1}'}, "refused: model.json does not describe"),
        ({"model.onnx": b"x", "model.json": b"[1]"}, "refused: model.json does not describe"),
    ],
)  # fmt: skip
def test_what_is_no_model(files: dict[str, bytes], message: str, hub: Hub, tmp_path: Path) -> None:
    hub.add("a/b", files)
    with pytest.raises(ModelError, match=message):
        pull("a/b")
    assert models(tmp_path) == []
    assert hub.asked("bin") == hub.asked("CKPT") == []


def test_private_models_need_the_token(
    hub: Hub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("a/b", files_of(model), private=True)
    for token in (None, "guest"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(ModelError, match=r"no model a/b at http.*HF_TOKEN"):
            pull("a/b")
    monkeypatch.setenv("HF_TOKEN", "owner")
    assert files_of(pull("a/b", name="songs").folder) == files_of(model)


def test_gated_models_say_so(hub: Hub, model: Path) -> None:
    hub.add("a/b", files_of(model), gated=True)
    with pytest.raises(ModelError, match=r"accept its terms.*/a/b and set HF_TOKEN"):
        pull("a/b")


@pytest.mark.parametrize(
    ("part", "status", "message"),
    [
        ("/api/models", 403, r"does not allow reading a/b \(HTTP 403\)"),
        ("/api/models", 429, "asked too often"),
        ("/api/models", 503, "answers a/b with HTTP 503: as the test asked"),
        ("/large/", 500, "HTTP 500"),
        ("/resolve/", 404, r"lists model.json in a/b, but the file is missing there \(HTTP 404\)"),
        ("/large/", 404, r"lists model.onnx in a/b, but the file is missing there \(HTTP 404\)"),
        ("/resolve/", 403, r"does not allow reading a/b \(HTTP 403\)"),
        ("/resolve/", 410, "answers a/b with HTTP 410"),
    ],
)
def test_a_hub_that_refuses(
    part: str, status: int, message: str, hub: Hub, model: Path, tmp_path: Path
) -> None:
    hub.add("a/b", files_of(model))
    hub.faults[part] = status
    with pytest.raises(ModelError, match=message):
        pull("a/b")
    assert models(tmp_path) == []


def test_a_model_that_is_not_there(hub: Hub) -> None:
    with pytest.raises(ModelError, match="there is no model a/b at http"):
        pull("a/b")


def test_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and never listening: every connection is refused
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ModelError, match=r"http://127.0.0.1:\d+ cannot be reached"):
            pull("a/b")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        pull("a/b")


def test_a_transfer_that_is_cut(hub: Hub, model: Path, tmp_path: Path) -> None:
    hub.add("a/b", files_of(model))
    hub.lost = 10
    with pytest.raises(ModelError, match="a/b was not transferred whole"):
        pull("a/b")
    assert models(tmp_path) == []


def test_a_server_that_is_no_hub(hub: Hub, model: Path, tmp_path: Path) -> None:
    hub.add("a/b", files_of(model))
    hub.foreign = True
    with pytest.raises(ModelError, match="does not answer as a hub does"):
        pull("a/b")
    assert models(tmp_path) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Welcome</html>", b"", b"[]", b"3", b"null", b"{}", b"\xff\xfe",
        b'{"id": "a/b", "siblings": 3}', b'{"id": "a/b", "siblings": [3]}',
        b'{"id": "a/b", "siblings": [{"rfilename": 3}]}', b'{"id": "a/b", "lastModified": "x"}',
        b'{"id": "a/b", "sha": 3, "siblings": [{"rfilename": "model.json"}, {"rfilename": "model.onnx"}]}',
    ],
)  # fmt: skip
def test_a_server_that_answers_anything(answer: bytes, hub: Hub, tmp_path: Path) -> None:
    hub.answers["/api/models/a/b"] = answer
    with pytest.raises(ModelError, match=r"http.* does not answer as a hub does: .* a/b cannot be"):
        pull("a/b")
    assert models(tmp_path) == []


@pytest.mark.parametrize(
    "address", ["mine", "a/b/c", "/b", "a/", "a/../b", "a/b@", "http://x/y", "a/.b", "a b/c"]
)
def test_what_is_no_address(address: str, hub: Hub) -> None:
    with pytest.raises(ModelError, match="say OWNER/NAME"):
        pull(address)
    assert hub.requests == []


def test_a_name_cannot_leave_the_folder(hub: Hub) -> None:
    with pytest.raises(ModelError, match="is no name"):
        pull("a/b", name="../c")


def test_without_the_extra_it_says_which(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("huggingface_hub"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"wavemel\[hub\]"):
        pull("a/b")
