"""Models to the hub: what is sent, and what is not."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from hub_server import Hub

from wavemel.errors import ModelError
from wavemel.hub import plan_push, pull, push
from wavemel.inference.bundle import read_bundle


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def owner(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "owner")


def unlicensed(folder: Path) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"about": {}}))
    (folder / "README.md").unlink()


@pytest.mark.usefixtures("owner")
def test_there_and_back(hub: Hub, model: Path, tmp_path: Path) -> None:
    done = push(plan_push(model, "me/songs"))
    repository = hub.repositories["me/songs"]
    assert not repository.private
    assert done.url == f"{hub.url}/me/songs"
    assert done.commit == repository.refs["main"]
    assert hub.summaries == ["Add songs@0123abcd"]
    sent = {k: v for k, v in repository.files.items() if k != ".gitattributes"}
    assert set(sent) == {"model.onnx", "model.json", "model.safetensors", "README.md"}
    made = pull("me/songs")
    assert made.bundle.description == read_bundle(model).description
    for name in ("model.onnx", "model.safetensors", "README.md"):
        assert files_of(made.folder)[name] == files_of(model)[name]


@pytest.mark.usefixtures("owner")
def test_terms_go_with_every_copy(hub: Hub, model: Path) -> None:
    (model / "LICENSE.parts").write_text("Keep this notice.")
    push(plan_push(model, "me/songs"))
    assert files_of(pull("me/songs").folder)["LICENSE.parts"] == b"Keep this notice."


@pytest.mark.usefixtures("owner")
def test_terms_of_an_earlier_version_do_not_stay(hub: Hub, model: Path) -> None:
    (model / "LICENSE.parts").write_text("Keep this notice.")
    assert push(plan_push(model, "me/songs")).deleted == ()
    repository = hub.repositories["me/songs"]
    repository.commit(repository.files | {"notes/LICENSE.txt": b"of the notes"})
    (model / "LICENSE.parts").unlink()
    done = push(plan_push(model, "me/songs"))
    assert done.deleted == ("LICENSE.parts",)
    assert "LICENSE.parts" not in repository.files
    assert repository.files["notes/LICENSE.txt"] == b"of the notes"


@pytest.mark.usefixtures("owner")
def test_another_model_is_replaced_only_when_asked(hub: Hub, model: Path) -> None:
    push(plan_push(model, "me/songs"))
    repository = hub.repositories["me/songs"]
    before = repository.files
    file = model / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": "noises"}))
    with pytest.raises(ModelError, match=r"me/songs holds another model, 'songs': .*--replace"):
        push(plan_push(model, "me/songs"))
    assert repository.files == before
    push(plan_push(model, "me/songs"), replace=True)
    assert json.loads(repository.files["model.json"])["name"] == "noises"


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize("about", [b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_description_that_names_no_model(about: bytes, hub: Hub, model: Path) -> None:
    hub.add("me/songs", {"model.json": about})
    with pytest.raises(ModelError, match="me/songs holds another model, None: "):
        push(plan_push(model, "me/songs"))
    push(plan_push(model, "me/songs"), replace=True)
    assert pull("me/songs").bundle.description == read_bundle(model).description


@pytest.mark.usefixtures("owner")
def test_private_and_kept_so(hub: Hub, model: Path) -> None:
    push(plan_push(model, "me/secret"), private=True)
    assert hub.repositories["me/secret"].private
    push(plan_push(model, "me/open"))
    before = hub.repositories["me/open"].refs["main"]
    with pytest.raises(ModelError, match="there already and public"):
        push(plan_push(model, "me/open"), private=True)
    assert hub.repositories["me/open"].refs["main"] == before


@pytest.mark.usefixtures("owner")
def test_a_later_version_is_a_further_commit(hub: Hub, model: Path) -> None:
    push(plan_push(model, "me/songs"))
    file = model / "model.json"
    (model / "model.safetensors").unlink()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"weights_sha256": "", "id": "next"}))
    push(plan_push(model, "me/songs"))
    repository = hub.repositories["me/songs"]
    assert len(repository.commits) == 3  # made, first, second
    assert "model.safetensors" not in repository.files  # which would belong to another graph
    assert pull("me/songs").bundle.description.id == "next"


@pytest.mark.usefixtures("owner")
def test_what_is_there_and_no_model_is_left_alone(hub: Hub, model: Path) -> None:
    hub.add("me/book", {"README.md": b"a book", ".gitattributes": b""})
    with pytest.raises(ModelError, match="holds something that is no model"):
        push(plan_push(model, "me/book"))
    assert hub.repositories["me/book"].files["README.md"] == b"a book"


def test_nothing_without_a_licence(hub: Hub, model: Path) -> None:
    unlicensed(model)
    with pytest.raises(ModelError, match=r"states no licence.*--licence"):
        plan_push(model, "me/songs")
    plan = plan_push(model, "me/songs", licence="CC-BY-4.0")
    assert json.loads(plan.files["model.json"])["about"]["licence"] == "CC-BY-4.0"
    front = yaml.safe_load(plan.files["README.md"].decode().split("---")[1])
    assert front["license"] == "cc-by-4.0"
    assert json.loads((model / "model.json").read_text())["about"] == {}  # what is here stays
    assert hub.requests == []


def test_a_card_by_hand_keeps_its_text(model: Path) -> None:
    card = model / "README.md"
    written = card.read_text().split("\n---\n", 1)[0] + "\n---\n\n# Mine\n\n---\n\nBy hand.\n"
    card.write_text(written)
    assert plan_push(model, "me/songs").files["README.md"].decode() == written
    changed = plan_push(model, "me/songs", licence="mit").files["README.md"].decode()
    assert changed.endswith("\n# Mine\n\n---\n\nBy hand.\n")
    assert yaml.safe_load(changed.split("---")[1])["license"] == "mit"
    card.write_text("# Without a head\n")
    headed = plan_push(model, "me/songs").files["README.md"].decode()
    assert headed.endswith("---\n\n# Without a head\n")
    assert yaml.safe_load(headed.split("---")[1])["library_name"] == "wavemel"


def test_what_is_no_text_is_not_sent(model: Path) -> None:
    with pytest.raises(ModelError, match=r"songs is no text in UTF-8, at .*caf.udce9"):
        plan_push(model, "me/songs", licence="caf\udce9")
    (model / "README.md").write_bytes("# Café".encode("latin-1"))
    with pytest.raises(ModelError, match=r"README.md is no text in UTF-8: save it as that"):
        plan_push(model, "me/songs")


@pytest.mark.parametrize("file", ["model.onnx", "model.safetensors"])
def test_damaged_models_are_not_sent(file: str, model: Path) -> None:
    (model / file).write_bytes(b"other")
    with pytest.raises(ModelError, match="checksum"):
        plan_push(model, "me/songs")


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("guest", 403)])
def test_without_the_right_to(
    token: str | None, status: int, hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ModelError, match=rf"does not allow writing me/songs \(HTTP {status}\)"):
        push(plan_push(model, "me/songs"))
    assert hub.repositories == {}


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize("part", ["/large/", "/commit/", "/validate-yaml"])
def test_a_push_that_fails_half_way_changes_nothing(part: str, hub: Hub, model: Path) -> None:
    push(plan_push(model, "me/songs"))
    before = hub.repositories["me/songs"].refs["main"]
    hub.faults[part] = 400
    with pytest.raises(ModelError, match="me/songs"):
        push(plan_push(model, "me/songs", licence="mit"))
    assert hub.repositories["me/songs"].refs["main"] == before


def test_addresses_that_are_none(model: Path) -> None:
    for address in ("songs", "me/songs@v1", "me/so ngs"):
        with pytest.raises(ModelError, match="OWNER/NAME"):
            plan_push(model, address)


@pytest.mark.usefixtures("owner")
def test_a_pair_of_files_is_sent_as_a_folder(hub: Hub, model: Path, tmp_path: Path) -> None:
    for suffix in ("onnx", "json", "safetensors"):
        shutil.copy(model / f"model.{suffix}", tmp_path / f"pair.{suffix}")
    push(plan_push(tmp_path / "pair.onnx", "me/pair"))
    assert "README.md" in hub.repositories["me/pair"].files
    assert pull("me/pair", name="songs").bundle.description == read_bundle(model).description
