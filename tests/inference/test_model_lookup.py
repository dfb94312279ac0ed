"""Which model is meant."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_model import sounds, tiny_model

import wavemel
from wavemel.errors import ModelError
from wavemel.inference import models, probabilities
from wavemel.inference.bundle import read_bundle
from wavemel.inference.catalogue import catalogue
from wavemel.inference.models import find_model, list_models


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path / "local"))
    monkeypatch.delenv("WAVEMEL_MODEL", raising=False)
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "shipped")
    for folder in ("local", "shipped"):
        (tmp_path / folder).mkdir()


def refused(folder: Path, changes: dict[str, object], message: str) -> None:
    """Check that a description with these changes is no model's, and that this is said of it."""
    file = tiny_model(folder / "made") / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ModelError, match=f"does not describe a model: .*{message}"):
        read_bundle(file.parent)


def test_without_any_model_it_says_how_to_get_one() -> None:
    with pytest.raises(ModelError, match="wavemel export RUN --name NAME"):
        find_model()
    with pytest.raises(ModelError, match=r"no model called 'emotify-4'.*wavemel export RUN"):
        find_model("emotify-4")


def test_the_only_one_is_the_default(tmp_path: Path) -> None:
    tiny_model(tmp_path / "local", "mine")
    assert find_model().graph == tmp_path / "local" / "mine" / "model.onnx"
    tiny_model(tmp_path / "local", "other")
    with pytest.raises(ModelError, match="mine, other"):
        find_model()


def test_shipped_before_local_by_default_but_not_by_name(tmp_path: Path) -> None:
    for folder in ("local", "shipped"):
        tiny_model(tmp_path / folder, "emotify-4")
    tiny_model(tmp_path / "local", "mine")
    assert find_model("emotify-4").graph.is_relative_to(tmp_path / "local")
    shutil.rmtree(tmp_path / "local" / "emotify-4")
    assert find_model().graph.is_relative_to(tmp_path / "shipped")
    tiny_model(tmp_path / "shipped", "another")
    assert find_model().graph.parent.name == "emotify-4"
    shutil.rmtree(tmp_path / "shipped" / "emotify-4")
    assert find_model().graph.parent.name == "another"


def test_a_model_by_the_defaults_name_is_the_default(tmp_path: Path) -> None:
    for name in ("emotify-4", "another"):
        tiny_model(tmp_path / "shipped", name)
    own = tiny_model(tmp_path / "local", "emotify-4")
    assert find_model().graph == find_model("emotify-4").graph == own / "model.onnx"
    assert [model.where for model in catalogue() if model.default] == [str(own)]


def test_the_shipped_model_is_loaded_by_name_and_by_default(tmp_path: Path) -> None:
    tiny_model(tmp_path / "shipped", "emotify-4", seconds=1.5)
    for name in ("mine", "other"):
        tiny_model(tmp_path / "local", name)
    for model in (wavemel.load("emotify-4"), wavemel.load()):
        assert model.description.name == "emotify-4"
        assert model.description.seconds == 1.5
        assert model.classify(np.ones(16000, np.float32) * 0.1, 8000).model == "emotify-4@0123abcd"


def test_a_model_that_is_being_written_is_none_yet(tmp_path: Path) -> None:
    tiny_model(tmp_path / "local", ".mine.x7")
    assert list_models() == {}


def test_the_catalogue_says_what_each_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"licence": "CC0", "evaluation": {"top1": 0.71, "top1_ci95": [0.6, 0.8], "data": "d"}}
    for name, said in (("emotify-4", about), ("strange", {"evaluation": {"top1": "x", "top1_ci95": [1]}})):  # fmt: skip
        file = tiny_model(tmp_path / "shipped", name) / "model.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "about": said}))
    (tiny_model(tmp_path / "local", "broken") / "model.json").write_text("{")
    broken, shipped, strange = catalogue()
    assert "broken/model.json is not JSON" in broken.problem
    assert (shipped.name, shipped.id, shipped.classes) == ("emotify-4", "0123abcd", ("folk", "jazz", "rock"))  # fmt: skip
    assert (shipped.top1, shipped.top1_ci95, shipped.data, shipped.licence) == (0.71, (0.6, 0.8), "d", "CC0")  # fmt: skip
    assert shipped.size == sum(f.stat().st_size for f in (tmp_path / "shipped" / "emotify-4").iterdir())  # fmt: skip
    assert (shipped.shipped, broken.shipped) == (True, False)
    assert (strange.top1, strange.top1_ci95) == (None, None)
    assert [m.name for m in catalogue() if m.default] == ["emotify-4"]  # of two that are shipped
    monkeypatch.setenv("WAVEMEL_MODEL", "strange")
    assert [m.default for m in catalogue()] == [False, False, True]
    shutil.rmtree(tmp_path / "shipped" / "strange")
    monkeypatch.delenv("WAVEMEL_MODEL")
    assert [m.default for m in catalogue()] == [False, True]


def test_the_environment_names_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model(tmp_path / "shipped", "emotify-4")
    tiny_model(tmp_path / "local", "mine")
    monkeypatch.setenv("WAVEMEL_MODEL", "mine")
    assert find_model().graph.is_relative_to(tmp_path / "local")
    assert find_model("emotify-4").graph.is_relative_to(tmp_path / "shipped")


def test_paths_and_pairs_of_files(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, "m")
    for suffix in ("onnx", "json"):
        (tmp_path / f"pair.{suffix}").write_bytes((folder / f"model.{suffix}").read_bytes())
    expected = find_model(folder).description
    for name in ("pair.onnx", "pair.json", "pair"):
        assert find_model(tmp_path / name).description == expected
    shutil.copytree(folder, tmp_path / "local" / "x.y")  # a dot in a name is no ending
    assert find_model("x.y").description == expected
    assert list(list_models()) == ["x.y"]


@pytest.mark.parametrize(
    "key",
    [
        *("rate", "seconds", "temperature", "unsure_below", "window_variation"),
        *("mel.n_fft", "mel.hop", "mel.bands", "mel.fmin", "mel.fmax", "mel.top_db"),
    ],
)
@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "NaN", "1" + "0" * 400])
def test_numbers_that_decide_an_answer_are_finite(key: str, value: str, tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "made", "songs") / "model.json"
    tree = json.loads(file.read_text())
    tree["mel"] = {**(tree["mel"] or {}), "fmax": 4000.0}
    where, _, last = key.rpartition(".")
    (tree[where] if where else tree)[last] = "HERE"
    file.write_text(json.dumps(tree).replace('"HERE"', value))
    with pytest.raises(ModelError, match=f"does not describe a model: {key} must be a number up"):
        read_bundle(file.parent)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 8000.5}, "rate must be a whole number above 0, not 8000.5"),
        ({"rate": "8000"}, "rate must be a number up to 1,000,000,000, not '8000'"),
        ({"rate": True}, "rate must be a number up to 1,000,000,000, not True"),
        ({"seconds": 1e-6}, "windows follow each other too soon"),
        ({"overlap": 0.999999}, "windows follow each other too soon"),
        ({"unsure_below": 2}, "unsure_below or window_variation are out of range"),
        ({"window_variation": -1}, "unsure_below or window_variation are out of range"),
        ({"mel": {"n_fft": 0}}, "mel.n_fft must be a whole number above 0, not 0"),
        ({"mel": {"hop": 0}}, "mel.hop must be a whole number above 0, not 0"),
        ({"mel": {"bands": 12.5}}, "mel.bands must be a whole number above 0, not 12.5"),
        ({"mel": {"fmin": 5000.0}}, "mel.fmin must be 0 or more, and below mel.fmax"),
        ({"classes": None}, "classes must be a list"),
        ({"format": 3}, "it is of format 3, .*: a later version of wavemel reads it"),
    ],
)
def test_a_description_by_which_nothing_could_be_heard(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    refused(tmp_path, changes, message)


@pytest.mark.parametrize("found", [b"", b"none", b"name"])
def test_a_graph_that_cannot_be_loaded(found: bytes, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "made")
    graph = (folder / "model.onnx").read_bytes()
    # Whole as described: of a maker who never tried it. The last one names no UTF-8 nor a node.
    graph = graph.replace(b"weights", b"w\xff\xffghts", 1) if found == b"name" else found
    (folder / "model.onnx").write_bytes(graph)
    about = json.loads((folder / "model.json").read_text())
    about["sha256"] = hashlib.sha256(graph).hexdigest()
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded: "):
        wavemel.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["a", "b", "b"]}, "there must be classes, and each have a name of its own"),
        ({"classes": ["a", "b", ""]}, "there must be classes, and each have a name of its own"),
        ({"classes": "abc"}, "classes must be a list"),
        ({"classes": ["a", "b", "\x1b]0;owned\x07pop"]}, r"unlike '\\x1b\]0;owned\\x07pop'"),
        ({"classes": ["a", "b", "c\nd"]}, r"unlike 'c\\nd'"),
        ({"classes": ["a", "b", "\ud800"]}, r"unlike '\\ud800'"),
        ({"name": "tiny\x9b2J"}, r"unlike 'tiny\\x9b2J'"),
        ({"id": "1\u202e2"}, r"unlike '1\\u202e2'"),
        ({"inputs": ["noise"]}, "inputs must be among samples, wave, mel"),
        ({"inputs": []}, "inputs must be among"),
    ],
)
def test_names_can_be_told_apart_and_shown(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    refused(tmp_path, changes, message)


def test_a_description_that_is_nested_too_deeply(tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "made") / "model.json"
    file.write_text("[" * 100_000)
    with pytest.raises(ModelError, match="does not describe a model: it is nested too deeply"):
        read_bundle(file.parent)


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c", "d"]])
def test_as_many_genres_as_the_graph_gives(
    classes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tiny_model(tmp_path / "made") / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": classes}))
    message = f"model.onnx does not fit its description, of {len(classes)} genres: it gives"
    with pytest.raises(ModelError, match=message):
        wavemel.load(file.parent)
    # As of a graph that does not say how many.
    monkeypatch.setattr(probabilities, "_can_be", lambda shape, classes: True)
    model = wavemel.load(file.parent)
    with pytest.raises(ModelError, match=rf"{message} \[2, 3\] for 2 windows"):
        model.network(sounds(2, 1.0))


def test_features_that_the_graph_does_not_take(tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "made") / "model.json"
    tree = json.loads(file.read_text())
    tree["mel"]["bands"] = 20
    file.write_text(json.dumps(tree))
    with pytest.raises(ModelError, match=r"does not fit its description.* it cannot answer: "):
        wavemel.load(file.parent).network(sounds(2, 1.0))


@pytest.mark.parametrize("name", ["nowhere/model", "nowhere/model.onnx"])
def test_paths_that_are_none(name: str) -> None:
    with pytest.raises(ModelError, match=f"there is no model at {name}"):
        find_model(name)


def test_near_names_are_offered(tmp_path: Path) -> None:
    tiny_model(tmp_path / "local", "emotify-4")
    with pytest.raises(ModelError, match="did you mean 'emotify-4'"):
        find_model("emotify4")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json is missing"):
        find_model(tmp_path)


def test_a_folder_of_the_same_name_hides_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(tmp_path / "local", "mine")
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    (here / "run").mkdir()
    (here / "run" / "best.safetensors").touch()
    (here / "mine.onnx").touch()
    monkeypatch.chdir(here)
    assert find_model("mine").graph.is_relative_to(tmp_path / "local")
    for name in ("here/mine", "here/mine.onnx"):
        with pytest.raises(ModelError, match=r"holds no exported model: .*\.json is missing"):
            find_model(tmp_path / name)
    with pytest.raises(ModelError, match=r"the folder run holds no exported model, and there is no model called 'run' .known: mine.: make one with 'wavemel export run --name NAME'"):  # fmt: skip
        find_model("run")
    with pytest.raises(ModelError, match="there is no model called '~nobody-of-this-name'"):
        find_model("~nobody-of-this-name")
    shutil.rmtree(here / "mine")
    tiny_model(here, "mine")
    assert find_model("mine").graph == Path("mine/model.onnx")  # a model itself goes first


def test_a_model_whose_replacement_was_killed_is_found(tmp_path: Path) -> None:
    hidden = ".mine.x7.replaced-by-wavemel"
    for place in ("local", "elsewhere"):
        (tmp_path / place).mkdir(exist_ok=True)
        tiny_model(tmp_path / place, "mine").rename(tmp_path / place / hidden)
    for model in ("mine", tmp_path / "elsewhere" / "mine"):
        assert find_model(model).graph.parent.name == "mine"
    assert list(list_models()) == ["mine"]
