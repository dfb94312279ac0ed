"""Exported models: they answer as torch does, and say what they are."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from tiny_model import CLASSES, save_run, sounds, tiny_model
from tones import write_tone

from wavemel.errors import DataError, ModelError
from wavemel.export import Options, export
from wavemel.inference.bundle import read_bundle
from wavemel.inference.classifier import Classifier
from wavemel.inference.models import find_model, list_models
from wavemel.inference.probabilities import Windows2Probabilities
from wavemel.networks import NETWORKS
from wavemel.pooling import typical_variation

NETWORK = {"name": "mel", "filters": 4, "dense": [8]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that tests only read."""
    folder = tmp_path_factory.mktemp("export") / "run"
    save_run(folder, NETWORK)
    return folder


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An exported model that a test may change."""
    return tiny_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "front_end"),
    [*((name, "beside") for name in NETWORKS if name != "encoder"), ("combined", "inside")],
)
def test_every_network_answers_as_in_torch(name: str, front_end: str, tmp_path: Path) -> None:
    model, _ = save_run(tmp_path / "run", {"name": name})
    made = export(tmp_path / "run", Options(name="m", front_end=front_end), tmp_path / "m")
    assert made.difference < 1e-4
    d = made.bundle.description
    assert d.classes == CLASSES
    assert d.inputs == (("samples",) if front_end == "inside" else model.front_end.inputs)
    ask = Windows2Probabilities(made.bundle)
    for batch in (1, 5):
        x = sounds(batch, 1.0, seed=batch)
        with torch.inference_mode():
            expected = torch.softmax(model(torch.from_numpy(x)).double(), 1).numpy()
        assert np.abs(ask(x) - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 0.1  # the answers compared do differ


@pytest.mark.parametrize(
    ("network", "dynamic"),
    [(NETWORK, True), ({"name": "wave", "summary": "max_avg"}, True), ({"name": "wave"}, False)],
)
def test_dynamic_length_where_the_network_allows_it(
    network: dict, dynamic: bool, tmp_path: Path
) -> None:
    model, _ = save_run(tmp_path / "run", network)
    made = export(tmp_path / "run", Options(name="m", front_end="inside"), tmp_path / "m")
    assert made.bundle.description.dynamic_length is dynamic
    session = onnxruntime.InferenceSession(made.bundle.read_graph())
    longer = sounds(2, 1.7)
    if not dynamic:
        with pytest.raises(InvalidArgument):
            session.run(None, {"samples": longer})
        return
    (logs,) = session.run(None, {"samples": longer})
    with torch.inference_mode():
        expected = torch.softmax(model(torch.from_numpy(longer)), 1).numpy()
    assert np.abs(np.exp(logs) - expected).max() < 1e-4


def test_description_says_what_the_model_is(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "calibration.json").write_text('{"temperature": 1.7, "unsure_below": 0.2}')
    options = Options(name="m", licence="CC0", notes=("a note",), unsure_below=0.4)
    d = export(tmp_path / "run", options, tmp_path / "m").bundle.description
    assert (d.rate, d.seconds, d.overlap) == (8000, 1.0, 0.5)
    assert (d.temperature, d.unsure_below) == (1.7, 0.4)
    assert d.mel is not None
    assert d.mel.n_fft == 256
    assert d.about["licence"] == "CC0"
    assert d.about["notes"] == ["random weights", "a note"]
    assert d.about["data"] == {"name": "noise"}


def test_calibration_divides_the_log_probabilities(exported: Path) -> None:
    plain = Windows2Probabilities(read_bundle(exported))
    change(exported, temperature=2.0)
    soft = Windows2Probabilities(read_bundle(exported))
    x = sounds(4, 1.0)
    p = plain(x)
    expected = np.sqrt(p) / np.sqrt(p).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(soft(x), expected, atol=1e-6)


def test_known_by_name_and_kept_unless_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path))
    made = export(run, Options(name="mine"))
    assert made.folder == tmp_path / "mine"
    assert list_models()["mine"] == made.folder
    assert find_model("mine").description == made.bundle.description
    with pytest.raises(ModelError, match="--replace"):
        export(run, Options(name="mine"))
    again = export(run, Options(name="mine", notes=("new",), replace=True)).bundle.description
    assert again.about["notes"][-1] == "new"
    assert again.id == made.bundle.description.id  # the same weights
    softer = export(run, Options(name="mine", temperature=2, replace=True)).bundle.description
    assert softer.id != again.id  # the same weights, and other answers
    # How much is read decides too, and is measured last.
    data = str(tmp_path.parent / "spread-data")
    write_tone(Path(data) / "jazz" / "1.wav", 1, 4.0)
    measured = export(run, Options(name="mine", data=data, replace=True)).bundle.description
    assert measured.window_variation != again.window_variation
    assert measured.id != again.id
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]  # nothing half-written


def test_only_a_model_is_ever_replaced(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "keep"
    options = Options(name="m", replace=True)

    def refused(message: str, to: Path = folder) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ModelError, match=message):
            export(run, options, to)
        assert sorted(tmp_path.rglob("*")) == before

    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.txt").write_text("precious")
    refused("holds more than a model .'photos'., and is not replaced: give another place")
    refused("keep/photos holds more than a model .'a.txt'.", folder / "photos")
    refused("is no folder of its own", folder / "photos" / "a.txt")
    shutil.rmtree(folder / "photos")
    (folder / "README.md").write_text("of something else")
    refused("holds no exported model .model.json is missing.")
    (folder / "README.md").unlink()
    export(run, options, folder)  # an empty folder holds nothing to lose
    (folder / "LICENSE.encoder").write_text("terms")
    export(run, options, folder)
    assert {file.name for file in folder.iterdir()} == {"model.onnx", "model.json", "README.md", "LICENSE.encoder"}  # fmt: skip
    (tmp_path / "link").symlink_to(folder)
    refused("link is no folder of its own", tmp_path / "link")


@pytest.mark.parametrize("given", [".", "best.safetensors"])
def test_a_model_never_takes_the_place_of_its_run(given: str, run: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(run, tmp_path / "runs" / "own"))
    for to in (own, own.parent, own / ".." / "own"):
        for replace in (True, False):
            with pytest.raises(ModelError, match="is, or holds, the run that is exported: give"):
                export(own / given, Options(name="m", replace=replace), to)
    assert (own / "best.safetensors").is_file()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\nb", "caf\udce9"])
def test_names_that_are_no_names(name: str, run: Path) -> None:
    with pytest.raises(ModelError, match="is no name"):
        export(run, Options(name=name))


def test_int8_says_what_it_costs(run: Path, tmp_path: Path) -> None:
    for genre in CLASSES:
        write_tone(tmp_path / "music" / genre / "1.wav", len(genre), 4.0)
        write_tone(tmp_path / "music" / genre / "2.wav", 10 * len(genre), 4.0)
    data = str(tmp_path / "music")
    full = export(run, Options(name="f", data=data), tmp_path / "full")
    small = export(run, Options(name="s", int8=True, data=data), tmp_path / "small")
    assert full.loss is None
    assert small.loss is not None
    # Of the file's size the weights of so small a network are the lesser part.
    weights = [_bytes_of_weights(made.bundle.graph) for made in (full, small)]
    assert weights[1] < 0.5 * weights[0]
    d = small.bundle.description
    assert (d.precision, d.id) == ("int8", f"{full.bundle.description.id}-int8")
    assert d.window_variation == full.bundle.description.window_variation
    # Measured again, by hand.
    means = [
        [Classifier(made.folder).classify(path, whole=True) for path in sorted((tmp_path / "music").rglob("*.wav"))]
        for made in (full, small)
    ]  # fmt: skip
    assert small.loss.tracks == 6
    same = [a.genre == b.genre for a, b in zip(*means, strict=True)]
    assert small.loss.agreement == pytest.approx(np.mean(same))
    right = [m.genre == path.parent.name for m, path in zip(means[1], sorted((tmp_path / "music").rglob("*.wav")), strict=True)]  # fmt: skip
    assert small.loss.top1_int8 == pytest.approx(np.mean(right))
    assert 0 < small.loss.difference < 0.2
    assert "int8 against float32 on 6 tracks: top-1" in small.loss.sentence()
    assert d.about["int8"]["agreement"] == small.loss.agreement


def test_int8_without_anything_to_measure_on_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give --data"):
        export(run, Options(name="s", int8=True), tmp_path / "small")


def test_window_variation_is_that_within_tracks(run: Path, tmp_path: Path) -> None:
    songs = [write_tone(tmp_path / "music" / "jazz" / f"{i}.wav", i, 5.0) for i in range(4)]
    made = export(run, Options(name="m", data=str(tmp_path / "music")), tmp_path / "m")
    classifier = Classifier(made.folder)
    tracks = []
    for song in songs:
        timeline = classifier.classify(song, whole=True).timeline
        p = np.array([[{g.genre: g.probability for g in w.genres}[c] for c in CLASSES] for w in timeline])  # fmt: skip
        tracks.append(p)
    expected = typical_variation(tracks)
    assert made.bundle.description.window_variation == pytest.approx(expected, abs=1e-4)


def test_an_unfaithful_graph_is_refused_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavemel.inference.frontend.EPSILON", np.float32(0.5))
    with pytest.raises(ModelError, match="differs from torch's by"):
        export(run, Options(name="m"), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_several_genres_a_clip_are_not_exported_as_one(run: Path, tmp_path: Path) -> None:
    several = Path(shutil.copytree(run, tmp_path / "several"))
    about = json.loads((several / "best.json").read_text())
    about["experiment"]["labels"] = "genres"
    (several / "best.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="several tells several genres a clip"):
        export(several, Options(name="m"), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_run_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no trained model"):
        export(tmp_path, Options(name="m"), tmp_path / "m")


def test_a_graph_of_another_model_is_refused(exported: Path) -> None:
    graph = exported / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="checksum"):
        Windows2Probabilities(read_bundle(exported))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"pooling": "max"}, "pooling must be"),
        ({"classes": []}, "there must be classes"),
        ({"temperature": 0}, "temperature"),
        ({"mel": {"hops": 3}}, "hops"),
        ({"inputs": None}, "does not describe"),
    ],
)
def test_damaged_descriptions(changed: dict, message: str, exported: Path) -> None:
    change(exported, **changed)
    with pytest.raises(ModelError, match=message):
        read_bundle(exported)


def test_a_description_of_the_first_format_means_the_mean(exported: Path) -> None:
    about = json.loads((exported / "model.json").read_text())
    del about["pooling"]
    (exported / "model.json").write_text(json.dumps(about | {"format": 1}))
    assert read_bundle(exported).description.pooling == "mean"


def test_a_runs_pooling_goes_with_the_model(tmp_path: Path) -> None:
    save_run(tmp_path / "run", NETWORK, pooling="geometric")
    made = export(tmp_path / "run", Options(name="m"), tmp_path / "m")
    assert made.bundle.description.pooling == "geometric"
    assert (
        "the geometric mean (scaled to sum to 1) of several such windows"
        in (tmp_path / "m/README.md").read_text()
    )
    fitted = tmp_path / "calibration.json"
    fitted.write_text('{"temperature": 2}')
    with pytest.raises(ModelError, match="pooled by 'mean', the model pools them by 'geometric'"):
        export(tmp_path / "run", Options(name="c", calibration=fitted), tmp_path / "c")
    save_run(tmp_path / "other", NETWORK)
    with pytest.raises(ModelError, match="pooling of the first is geometric, of number 2 mean"):
        export([tmp_path / "run", tmp_path / "other"], Options(name="e"), tmp_path / "e")


def change(folder: Path, **values: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_a_graph_names_no_folder_of_its_maker(exported: Path) -> None:
    text = (exported / "model.onnx").read_bytes()
    for folder in (str(Path(__file__).parents[2]), "site-packages", "stack_trace", "/torch/"):
        assert folder.encode() not in text


def _bytes_of_weights(graph: Path) -> int:
    return sum(len(w.raw_data) for w in onnx.load(graph).graph.initializer if len(w.dims) > 1)
