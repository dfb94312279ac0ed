"""What a shipped model holds besides its graph: weights for torch, a card; and ensembles."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from tiny_model import CLASSES, save_run, sounds

from wavemel.checkpoint import fingerprint_of, load_checkpoint
from wavemel.errors import DataError, ModelError
from wavemel.export import Options, export
from wavemel.inference.bundle import ModelDescription, read_bundle
from wavemel.inference.card import model_card
from wavemel.inference.catalogue import catalogue
from wavemel.inference.probabilities import Windows2Probabilities

MEL = {"name": "mel", "filters": 4, "dense": [8]}
WAVE = {"name": "wave", "filters": [4, 8], "kernels": [9, 7], "stride": 4}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders that tests only read."""
    folder = tmp_path_factory.mktemp("runs")
    save_run(folder / "mel", MEL)
    save_run(folder / "wide", {**MEL, "filters": 6})
    save_run(folder / "wave", WAVE)
    return folder


@pytest.fixture(scope="module")
def shipped(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two networks with everything that can stand beside it; only read."""
    to = tmp_path_factory.mktemp("shipped") / "both"
    options = Options(name="both", weights=True, licence="CC-BY-NC-4.0")
    export([runs / "mel", runs / "wave"], options, to)
    return to


def probabilities(model: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return torch.softmax(model(torch.from_numpy(x)).double(), 1).numpy()


def test_weights_are_those_of_the_graph_and_smaller(runs: Path, tmp_path: Path) -> None:
    made = export(runs / "mel", Options(name="m", weights=True), tmp_path / "m")
    d = made.bundle.description
    original, loaded = load_checkpoint(runs / "mel"), load_checkpoint(tmp_path / "m")
    assert loaded.classes == CLASSES
    assert loaded.experiment == original.experiment
    assert loaded.about["data"] == {"name": "noise"}
    x = sounds(5, 1.0, seed=5)
    assert (
        np.abs(Windows2Probabilities(made.bundle)(x) - probabilities(loaded.model, x)).max() < 1e-4
    )
    changed = np.abs(probabilities(loaded.model, x) - probabilities(original.model, x)).max()
    assert 0 < changed < 0.01
    assert 0 < made.rounding < 0.01
    assert d.about["float16"]["difference"] == made.rounding
    with safe_open(tmp_path / "m" / "model.safetensors", "pt") as file:
        kinds = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert kinds["network.head.4.weight"] == torch.float16
    assert {kind for name, kind in kinds.items() if "running_var" in name} == {torch.float32}
    assert load_checkpoint(tmp_path / "m" / "model.safetensors").experiment == loaded.experiment


def test_the_same_export_has_the_same_checksums(runs: Path, tmp_path: Path) -> None:
    made = [
        export(runs / "mel", Options(name="m", weights=True), tmp_path / f"{i}").folder
        for i in range(4)  # the order of two keys by chance would be the same in one of eight
    ]
    for name in ("model.onnx", "model.safetensors", "model.json", "README.md"):
        assert len({(folder / name).read_bytes() for folder in made}) == 1, name


def test_without_weights_none_are_written_and_that_is_said(runs: Path, tmp_path: Path) -> None:
    made = export(runs / "mel", Options(name="m"), tmp_path / "m")
    assert made.rounding is None
    assert {p.name for p in made.folder.iterdir()} == {"model.onnx", "model.json", "README.md"}
    with pytest.raises(ModelError, match=r"without weights.*--weights"):
        load_checkpoint(made.folder)


def test_exported_weights_can_be_exported_and_trained_on(shipped: Path, tmp_path: Path) -> None:
    again = export(shipped, Options(name="again"), tmp_path / "again")
    x = sounds(4, 1.0, seed=3)
    ask = [Windows2Probabilities(read_bundle(f))(x) for f in (shipped, again.folder)]
    assert np.abs(ask[0] - ask[1]).max() < 1e-5
    member = load_checkpoint(shipped).members[0].model.train()
    loss = torch.nn.functional.cross_entropy(
        member(torch.from_numpy(x)), torch.tensor([0, 1, 2, 0])
    )
    loss.backward()
    assert all(p.grad is not None for p in member.parameters())


def test_weights_that_would_become_infinite_stay_as_they_are(tmp_path: Path) -> None:
    model, experiment = save_run(tmp_path / "run", MEL)
    from wavemel.checkpoint import save_checkpoint

    with torch.no_grad():
        model.network.block.first[0].weight *= 1e6
    save_checkpoint(tmp_path / "run" / "best", model, experiment, CLASSES, {})
    export(tmp_path / "run", Options(name="m", weights=True), tmp_path / "m")
    kept = load_checkpoint(tmp_path / "m").model.network.block.first[0].weight
    assert torch.equal(kept, model.network.block.first[0].weight)


def test_no_folder_of_the_trainer_is_told(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "mel", tmp_path / "run")
    file = tmp_path / "run" / "best.json"
    tree = json.loads(file.read_text())
    tree["experiment"]["network"] = {"name": "combined", "wave": {k: v for k, v in WAVE.items() if k != "name"}, "mel": {"filters": 4}, "dense": [8]}  # fmt: skip
    tree["experiment"]["training"]["initial"] = {"mel": "/home/me/secret/mel-run"}
    tree["about"]["data"]["root"] = "/home/me/music"
    save_run(tmp_path / "run", tree["experiment"]["network"])
    file.write_text(json.dumps(tree))
    made = export(tmp_path / "run", Options(name="m", weights=True), tmp_path / "m")
    for path in made.folder.iterdir():
        assert b"/home/me" not in path.read_bytes(), path
    assert load_checkpoint(made.folder).experiment.training.initial == {"mel": "mel-run"}


@pytest.mark.parametrize("members", [("mel", "wide"), ("mel", "wave"), ("wave", "wide", "mel")])
@pytest.mark.parametrize("front_end", ["beside", "inside"])
def test_an_ensemble_answers_the_mean_of_its_members(
    members: tuple[str, ...], front_end: str, runs: Path, tmp_path: Path
) -> None:
    chosen = [runs / name for name in members]
    made = export(chosen, Options(name="m", front_end=front_end), tmp_path / "m")
    assert made.difference < 1e-4
    for batch in (1, 5):
        x = sounds(batch, 1.0, seed=batch)
        each = [probabilities(load_checkpoint(run).model, x) for run in chosen]
        assert np.abs(Windows2Probabilities(made.bundle)(x) - np.mean(each, axis=0)).max() < 1e-4
    assert np.abs(each[0] - each[1]).max() > 0.05  # the members do differ
    d = made.bundle.description
    assert [m["network"] for m in d.about["members"]] == [n.replace("wide", "mel") for n in members]
    assert len({m["weights"] for m in d.about["members"]} | {d.id}) == len(members) + 1


def test_an_ensembles_weights_come_back(shipped: Path) -> None:
    loaded = load_checkpoint(shipped, expect=CLASSES)
    assert [m.experiment.network["name"] for m in loaded.members] == ["mel", "wave"]
    x = sounds(3, 1.0, seed=8)
    answer = Windows2Probabilities(read_bundle(shipped))(x)
    assert np.abs(probabilities(loaded.model, x) - answer).max() < 1e-4
    each = [probabilities(m.model, x) for m in loaded.members]
    assert np.abs(np.mean(each, axis=0) - answer).max() < 1e-4
    with safe_open(shipped / "model.safetensors", "np") as file:
        assert {name.split(".")[2] for name in file.keys()} == {"0", "1"}  # noqa: SIM118


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["folk", "jazz", "blues"]}, "classes of the first is folk, jazz, rock"),
        ({"audio": {"rate": 8000, "seconds": 2.0}}, "audio of the first is .* of number 2"),
        ({"mel": {"n_fft": 256, "hop": 64, "bands": 16}}, "mel of the first is"),
    ],
)
def test_members_that_hear_or_tell_other_things(
    change: dict, message: str, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / "mel", tmp_path / "other")
    file = tmp_path / "other" / "best.json"
    tree = json.loads(file.read_text())
    tree |= {k: v for k, v in change.items() if k == "classes"}
    tree["experiment"] |= {k: v for k, v in change.items() if k != "classes"}
    file.write_text(json.dumps(tree))
    with pytest.raises(ModelError, match=message):
        export([runs / "mel", tmp_path / "other"], Options(name="m"), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_what_no_ensemble_is_made_from(runs: Path, shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="given twice"):
        export([runs / "mel", runs / "mel"], Options(name="m"), tmp_path / "m")
    with pytest.raises(ModelError, match="not from other ensembles"):
        export([runs / "mel", shipped], Options(name="m"), tmp_path / "m")
    with pytest.raises(DataError, match="give --data"):
        export([runs / "mel", runs / "wave"], Options(name="m", int8=True), tmp_path / "m")


def test_calibration_from_a_file(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    unsure = {"precision": 0.9, "confidence": 0.95, "promised": True, "coverage": 0.4,
              "share_right": 0.91, "below": 0.7}  # fmt: skip
    found = {"temperature": 1.4, "unsure_below": 0.7, "method": "temperature", "bias": None,
             "fitted_on": "other folds", "tracks": 318, "before": {"ece": 0.21}, "after": {"ece": 0.043219},
             "unsure": unsure}  # fmt: skip
    chosen = [runs / "mel", runs / "wave"]

    def exported(**options: object) -> tuple[ModelDescription, str]:
        file.write_text(json.dumps(found))
        made = Options(name="m", calibration=file, replace=True, **options)  # type: ignore[arg-type]
        d = export(chosen, made, tmp_path / "m").bundle.description
        return d, (tmp_path / "m" / "README.md").read_text().split("## Calibration")[1].split("##")[
            0
        ]

    d, card = exported()
    assert (d.temperature, d.unsure_below) == (1.4, 0.7)
    assert d.about["calibration"]["ece_before"] == 0.21
    assert "- temperature: 1.4\n- fitted on: other folds\n" in card
    assert "error after: 0.043" in card
    share = "- chosen so that the share right of the others is: 0.9 or more"
    assert f"{share}, which new tracks reach with a probability of 0.95\n" in card
    assert "- of these right: 91%" in card
    # A threshold of one's own has not been measured, nor has a temperature.
    d, card = exported(unsure_below=0.95)
    assert d.unsure_below == 0.95
    assert "error after: 0.043" in card
    assert "chosen" not in card
    assert "right" not in card
    d, card = exported(temperature=3.0)
    assert d.temperature == 3
    assert "0.043" not in card
    assert "right" not in card
    unsure |= {"promised": False}
    assert f"{share} on the tracks that chose it: no promise for new ones\n" in exported()[1]
    # Where no threshold is good enough, all is answered.
    unsure |= {"below": None, "coverage": 0.0, "share_right": None}
    found["unsure_below"] = None
    d, card = exported()
    assert d.unsure_below == 0
    assert "- unsure below: never\n- why: no threshold has 0.9 of the others right\n" in card
    assert "answered" not in card


def test_a_run_that_went_on_is_not_taken_as_calibrated(runs: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs / "mel", tmp_path / "run"))
    kept = {"temperature": 2.0, "weights": fingerprint_of(run)}
    (run / "calibration.json").write_text(json.dumps(kept))
    assert export(run, Options(name="m"), tmp_path / "a").bundle.description.temperature == 2
    about = json.loads((run / "best.json").read_text())
    about["about"]["epoch"] = 99
    (run / "best.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="trained on since it was calibrated: wavemel calibrate"):
        export(run, Options(name="m"), tmp_path / "b")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**kept, "experiment": "wave"}))
    with pytest.raises(ModelError, match="calibration is of 'wave', the model is"):
        export(run, Options(name="m", calibration=other), tmp_path / "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ece": 1}, "holds no calibration"),
        ({"temperature": "hot"}, "must be a number"),
        ({"temperature": 0}, r"c.json: temperature must be a number above 0, not 0"),
        ({"temperature": float("nan")}, r"c.json: temperature must be a number above 0, not nan"),
        ({"unsure_below": 70}, r"c.json: unsure_below must be from 0 to 1, not 70"),
        ({"temperature": 1.0, "bias": [0, 1, 2]}, "each class by itself"),
        (None, "is missing"),
    ],
)
def test_calibrations_that_are_none(
    content: dict | None, message: str, runs: Path, tmp_path: Path
) -> None:
    file = tmp_path / "c.json"
    if content is not None:
        file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=message):
        export(runs / "mel", Options(name="m", calibration=file), tmp_path / "m")


def test_weights_files_that_lie(shipped: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    for said, message in (("{", "does not hold"), ("[]", "no description"), ('{"format": 1}', "no description")):  # fmt: skip
        save_file({"a": np.zeros(1)}, tmp_path / "model.safetensors", {"wavemel": said})
        with pytest.raises(ModelError, match=message):
            load_checkpoint(tmp_path)
    whole = (shipped / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="does not hold"):
        load_checkpoint(tmp_path)


RESULTS = {
    "format": 1,
    "command": "wavemel reproduce --data x --cross-validate",
    "folds": 2,
    "data": {"name": "noise", "split": "By artist.", "leak": "No artist stands on two sides."},
    "models": [
        {
            "name": name,
            "classes": list(CLASSES),
            "seeds": [0, 1],
            "track": {
                "n": 40, "n_groups": 20, "top1": top1, "top1_ci95": [0.5, 0.81], "macro_f1": 0.6,
                "macro_f1_ci95": None, "ece": 0.21,
                "per_class": [
                    {"class": c, "precision": 0.5, "recall": r, "f1": 0.5, "support": 13}
                    for c, r in zip(CLASSES, (0.9, 0.25, 0.8), strict=True)
                ],
                "confusion": [[10, 1, 2], [8, 4, 2], [0, 3, 10]],
            },
            "per_fold": [{"split": "fold one", "n": 20, "top1": 0.65, "top1_ci95": [0.4, 0.8]}],
        }
        for name, top1 in (("tiny", 0.6667), ("svm", 0.5))
    ],
}  # fmt: skip


def test_a_card_with_results(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(RESULTS))
    options = Options(
        name="m", results=file, licence="CC-BY-NC-4.0", data_licence="research only | no sale"
    )
    made = export(runs / "mel", options, tmp_path / "m")
    card = (made.folder / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "cc-by-nc-4.0"
    assert front["library_name"] == "wavemel"
    assert front["pipeline_tag"] == "audio-classification"
    assert set(CLASSES) <= set(front["tags"])
    assert "Top-1 0.667 (0.500 to 0.810) on 40 tracks of noise in 2-fold cross-validation." in card
    assert "not of the very weights in this folder" in card
    assert "| fold one | 20 | 0.650 (0.400 to 0.800) |" in card
    assert "- jazz is taken for folk: 8 of 14" in card
    assert "- least often found: jazz (recall 0.25)" in card
    assert "- licence: research only | no sale" in card
    assert "wavemel reproduce --data x" in card
    assert made.bundle.description.about["evaluation"]["top1_ci95"] == [0.5, 0.81]
    assert card == model_card(read_bundle(made.folder).description)


def test_a_card_of_one_seed_leads_with_the_mean_of_all(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [{**RESULTS["models"][0], "name": f"tiny (seed {i})"} for i in (0, 1)]
    several = {"name": "tiny", "seeds": [0, 1], "top1": 0.6, "top1_ci95": [0.45, 0.75],
               "top1_each": [0.6667, 0.5333]}  # fmt: skip
    file = tmp_path / "results.json"
    file.write_text(json.dumps({**RESULTS, "models": models, "over_seeds": [several]}))
    options = Options(name="m", results=file, results_model="tiny (seed 0)")
    card = (export(runs / "mel", options, tmp_path / "m" / "m").folder / "README.md").read_text()
    assert "Top-1 0.600 (0.450 to 0.750), the mean of 2 seeds, on 40 tracks of noise" in card
    assert "top-1 is 0.667, 0.533; 0.600 (0.450 to 0.750) on average" in card
    assert "| top-1 | 0.667 (0.500 to 0.810) |" in card
    monkeypatch.setenv("WAVEMEL_MODELS", str(tmp_path / "m"))
    (listed,) = (model for model in catalogue() if model.name == "m")
    assert (listed.top1, listed.top1_ci95) == (0.6, (0.45, 0.75))


def test_a_card_without_results_says_so(shipped: Path) -> None:
    card = (shipped / "README.md").read_text("utf-8")
    assert "None were given with the model." in card
    assert "An ensemble of 2 networks" in card
    assert read_bundle(shipped).description.weights_sha256 in card


def test_other_licences_are_named(runs: Path, tmp_path: Path) -> None:
    made = export(runs / "mel", Options(name="m", licence='Ask: us "first"\n- x'), tmp_path / "m")
    front = yaml.safe_load((made.folder / "README.md").read_text().split("---")[1])
    assert (front["license"], front["license_name"]) == ("other", "ask-us-first-x")


def test_results_that_do_not_fit(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(RESULTS))
    with pytest.raises(ModelError, match=r"no model called 'nosuch' \(known: svm, tiny\)"):
        export(
            runs / "mel", Options(name="m", results=file, results_model="nosuch"), tmp_path / "m"
        )
    made = export(
        runs / "mel", Options(name="m", results=file, results_model="svm"), tmp_path / "m"
    )
    assert made.bundle.description.about["evaluation"]["top1"] == 0.5
    # Figures of another model are not this one's, though no others are there.
    file.write_text(json.dumps({**RESULTS, "models": RESULTS["models"][1:]}))
    with pytest.raises(ModelError, match=r"no model called n or tiny or mel \(known: svm\)"):
        export(runs / "mel", Options(name="n", results=file), tmp_path / "n")
    file.write_text("{}")
    with pytest.raises(ModelError, match="holds no results"):
        export(runs / "mel", Options(name="n", results=file), tmp_path / "n")
