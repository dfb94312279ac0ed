"""The main job, small: train, evaluate, compare, report; interrupted, repeated, refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, f1_score
from tiny_runs import DATA, QUIET, write_configs

from wavemel.commands.options import seed_numbers
from wavemel.comparison import compare
from wavemel.data.sources import open_corpus
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.evaluation.calibration import fit
from wavemel.evaluation.runs import run_predictions, run_table
from wavemel.reproduce import Plan, reproduce

KEYS = {
    "name", "data", "split", "n", "top1", "top1_ci95", "macro_precision", "macro_recall",
    "macro_f1", "one_vs_rest_accuracy", "log_loss", "parameters", "epochs", "seconds",
}  # fmt: skip


def results(report: Path) -> dict:
    return json.loads((report / "results.json").read_text())


def test_everything_is_written(report: Path) -> None:
    assert {p.name for p in report.iterdir()} >= {
        "report.html",
        "report.md",
        "results.json",
        "runs",
    }
    found = results(report)
    assert [m["name"] for m in found["models"]] == ["wave", "mel", "svm on MFCC statistics"]
    for model in found["models"]:
        assert model.keys() >= KEYS
        assert model["n"] == 40
        low, high = model["top1_ci95"]
        assert low <= model["top1"] <= high
    assert found["folds"] == 5
    assert "per_fold" not in found["models"][2]
    for model in found["models"][:2]:
        folds = model["per_fold"]
        assert len({fold["split"] for fold in folds}) == len(folds) == 5
        right = sum(fold["top1"] * fold["n"] for fold in folds)
        assert right == pytest.approx(model["track"]["top1"] * 40)
    assert found["data"]["synthetic"] is True
    assert "SYNTHETIC" in (report / "report.md").read_text().upper()
    assert len(found["pairs"]) == 3


def test_the_papers_table_and_figures(report: Path) -> None:
    page = (report / "report.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| wave"))
    # Table 1's 1-D row: accuracy .89, precision, recall and F1 .69.
    assert "0.89" in row
    assert row.count("0.69") >= 3
    for number in range(1, 7):
        assert f"Figure {number}" in page
    drawn = {p.stem for p in (report / "figures").glob("*.svg")}
    assert len(drawn) >= 6
    assert (report / "report.html").read_text().count("<svg") >= 6


def test_figures_are_those_of_the_stored_predictions(report: Path) -> None:
    """From the predictions on disk, with scikit-learn alone."""
    model = results(report)["models"][0]
    runs = sorted((report / "runs").glob("wave-fold*"))
    assert len(runs) == 5
    pooled = pd.concat([pd.read_csv(r / "predictions-test.csv") for r in runs])
    columns = [c for c in pooled if c.startswith("p_")]
    first = pooled[pooled["start"] == 0]
    assert first["path"].is_unique
    said = np.array(columns)[first[columns].to_numpy().argmax(1)]
    truth = ("p_" + first["genre"]).to_numpy()
    assert model["top1"] == pytest.approx(accuracy_score(truth, said))
    assert model["macro_f1"] == pytest.approx(
        f1_score(truth, said, average="macro", labels=columns, zero_division=0)
    )


def test_calibration_is_cross_fitted_over_folds(report: Path) -> None:
    network, _, baseline = results(report)["models"]
    found = network["calibration"]
    assert (found["fitted_on"], found["n"], len(found["temperatures"])) == ("other folds", 40, 5)
    assert found["before"]["ece"] == pytest.approx(network["track"]["ece"])
    assert baseline.get("calibration") is None
    assert "Table 6. Calibration of whole tracks" in (report / "report.md").read_text()
    # The temperature of the first fold, from the four other folds' predictions on disk.
    runs = sorted((report / "runs").glob("wave-fold*"))
    classes = tuple(network["classes"])
    others = [run_predictions(run) for run in runs[1:]]
    assert found["temperatures"][0] == fit(others, classes).temperature


def test_calibration_of_one_split_is_fitted_on_its_validation_clips(report: Path) -> None:
    run = report / "runs" / "wave-fold1"
    (model,) = compare([run], title="t", command="c")["models"]
    found = model["calibration"]
    validation = run_predictions(run, "validation")
    assert found["fitted_on"] == "validation"
    assert found["temperature"] == fit([validation], tuple(model["classes"])).temperature
    assert found["n"] == model["n"]
    (other,) = compare([run], title="t", command="c", split="validation")["models"]
    assert other["calibration"] is None


def test_no_artist_is_on_two_sides_and_every_clip_is_tested_once(report: Path) -> None:
    tested = []
    for run in sorted((report / "runs").glob("wave-fold*")):
        table = pd.read_csv(run / "table.csv")
        assert table.groupby("artist")["split"].nunique().max() == 1
        tested += table[table["split"] == "test"]["path"].tolist()
    assert len(tested) == len(set(tested)) == 40


def test_finished_runs_are_not_trained_again(report: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAVEMEL_CACHE", str(report.parent / "cache"))
    before = {p: p.stat().st_mtime_ns for p in report.glob("runs/*/best.safetensors")}
    plan = Plan(DATA, str(report.parent / "configs"), report, SplitChoice(), folds="all", workers=0)
    again = reproduce(plan, QUIET)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert again["models"] == results(report)["models"]


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "mel")
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter1.tex").write_text("...")
    with pytest.raises(ModelError, match="not empty"):
        reproduce(Plan(DATA, str(configs), target, SplitChoice(), workers=0), QUIET)
    with pytest.raises(ConfigError, match="no config set"):
        reproduce(Plan(DATA, "papre", target, SplitChoice(), workers=0), QUIET)


def test_a_report_takes_no_ablations_place(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "mel")
    target = tmp_path / "table"
    (target / "runs").mkdir(parents=True)
    (target / "results.json").write_text('{"title": "a table", "rows": []}')
    with pytest.raises(ModelError, match=r"is a table of 'wavemel ablate'.*--to"):
        reproduce(Plan(DATA, str(configs), target, SplitChoice(), workers=0), QUIET)
    assert not list(target.glob("runs/*"))


def test_what_would_fail_at_the_end_is_said_before_training(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "mel")
    plan = Plan(DATA, str(configs), tmp_path / "report", SplitChoice(), workers=0)
    for changes, kind, sentence in (
        ({"split": SplitChoice("all")}, DataError, "'all' of demo has no test clips"),
        ({"baselines": ("svn",)}, ConfigError, r"no baseline 'svn'.*did you mean 'svm'"),
        ({"seeds": (0, 10**20)}, ConfigError, "seed must be a number up to"),
        ({"beside": tmp_path / "no.json"}, ModelError, r"no\.json is missing"),
        ({"seeds": (0, 1), "changes": ("seed=5",)}, ConfigError, "--seeds both say which seeds"),
    ):
        with pytest.raises(kind, match=sentence):
            reproduce(dataclasses.replace(plan, **changes), QUIET)
    assert not list(tmp_path.glob("report/runs/*"))


def test_a_report_whose_networks_start_from_others_can_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configs = write_configs(tmp_path / "configs", "mel", "combined")
    fusion = configs / "combined.yaml"
    tree = yaml.safe_load(fusion.read_text())
    tree["training"]["initial"] = {"mel": "mel"}
    fusion.write_text(json.dumps(tree))
    plan = Plan(DATA, str(configs), Path("rep one"), SplitChoice(), baselines=(), workers=0)
    made = reproduce(plan, QUIET)
    started = made["models"][1]["experiment"]["training"]["initial"]
    assert started == {"mel": str(Path("rep one/runs/mel"))}
    monkeypatch.setattr("wavemel.reproduce.train", None)
    again = reproduce(dataclasses.replace(plan, to=tmp_path / "rep one"), QUIET)
    assert again["models"] == made["models"]
    Path("rep one").rename("rep two")
    moved = reproduce(dataclasses.replace(plan, to=Path("rep two")), QUIET)
    assert moved["models"] == made["models"]


def test_where_nothing_validates_baselines_learn_from_no_more_clips(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "mel")
    plan = Plan(DATA, str(configs), tmp_path / "report", SplitChoice(), workers=0)
    notes = {}
    for validate in (True, False):
        changed = dataclasses.replace(
            plan,
            to=tmp_path / f"report-{validate}",
            split=SplitChoice(validate=validate),
            changes=("training.select=last",),
        )
        notes[validate] = reproduce(changed, QUIET)["data"]["notes"][-1]
    assert "learn from training and validation clips together" in notes[True]
    assert notes[False].endswith("Both learn from the same clips, for nothing validates.")


def test_the_data_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music = tmp_path / "music"
    for row in open_corpus(DATA).table.itertuples():
        place = music / row.genre / row.artist / Path(row.path).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(row.path, place)
    configs = write_configs(tmp_path / "configs", "mel")
    split = SplitChoice("stratified")
    plan = Plan(str(music), str(configs), tmp_path / "report", split, workers=0)
    made = reproduce(plan, QUIET)
    moved = music.rename(tmp_path / "moved")
    monkeypatch.setattr("wavemel.reproduce.train", None)
    again = reproduce(dataclasses.replace(plan, data=str(moved)), QUIET)
    figures = ("name", "n", "top1", "log_loss")
    for model, before in zip(again["models"], made["models"], strict=True):
        assert [model[key] for key in figures] == pytest.approx([before[key] for key in figures])
    run = tmp_path / "report" / "runs" / "mel"
    for rows in (run_table(run), run_predictions(run)):
        assert rows["path"].str.startswith(str(moved)).all()


def test_branches_are_trained_first_whatever_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEMEL_CACHE", str(tmp_path / "cache"))
    configs = write_configs(tmp_path / "configs", "mel", "combined")
    for old, new, initial in (("combined", "fusion", {"mel": "spec"}), ("mel", "spec", {})):
        tree = json.loads((configs / f"{old}.yaml").read_text())
        tree["training"]["initial"] = initial
        (configs / f"{old}.yaml").unlink()
        (configs / f"{new}.yaml").write_text(json.dumps({**tree, "name": new}))
    plan = Plan(DATA, str(configs), tmp_path / "report", SplitChoice(), baselines=(), workers=0)
    made = reproduce(plan, QUIET)
    assert [model["name"] for model in made["models"]] == ["spec", "fusion"]
    started = made["models"][1]["experiment"]["training"]["initial"]
    assert started == {"mel": str(tmp_path / "report" / "runs" / "spec")}


def test_a_network_whose_branch_has_changed_is_not_taken_as_it_is(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "mel", "combined")
    fusion = configs / "combined.yaml"
    tree = yaml.safe_load(fusion.read_text())
    tree["training"]["initial"] = {"mel": "mel"}
    fusion.write_text(json.dumps(tree))
    to = tmp_path / "report"
    last = ("training.select=last",)
    plan = Plan(DATA, str(configs), to, SplitChoice(), changes=last, baselines=(), workers=0)
    made = reproduce(plan, QUIET)
    # Trained anew, on a CPU, to the same weights: nothing has changed.
    shutil.rmtree(to / "runs" / "mel")
    assert _top1(reproduce(plan, QUIET)) == _top1(made)
    file = to / "runs" / "mel" / "best.safetensors"
    weights = load_file(file)
    save_file({name: 2 * values for name, values in weights.items()}, file)
    said = r"combined started from .*mel, which has been trained on, or anew"
    with pytest.raises(ModelError, match=said):
        reproduce(plan, QUIET)
    save_file(weights, file)
    more = dataclasses.replace(plan, changes=(*last, "training.epochs=2"))
    with pytest.raises(ModelError, match=said):
        reproduce(more, QUIET)
    shutil.rmtree(to / "runs" / "combined")
    assert [model["epochs"] for model in reproduce(more, QUIET)["models"]] == [2, 2]


def test_two_configs_of_one_name_are_refused_before_training(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "wave", "mel")
    plan = Plan(DATA, str(configs), tmp_path / "report", SplitChoice(), workers=0)
    both = r"wave\.yaml and .*mel\.yaml are both named 'x'"
    with pytest.raises(ConfigError, match=both):
        reproduce(dataclasses.replace(plan, changes=("name=x",)), QUIET)
    for file in configs.iterdir():
        file.write_text(json.dumps({**json.loads(file.read_text()), "name": "x"}))
    with pytest.raises(ConfigError, match=both):
        reproduce(plan, QUIET)
    assert not (tmp_path / "report").exists()


def test_the_seed_of_a_config_is_the_one_that_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEMEL_CACHE", str(tmp_path / "cache"))
    configs = write_configs(tmp_path / "configs", "mel")
    plan = Plan(DATA, str(configs), tmp_path / "report", SplitChoice(), workers=0)
    found = reproduce(dataclasses.replace(plan, changes=("seed=5",)), QUIET)
    assert [model["seeds"] for model in found["models"]] == [[5], [5]]
    mel = configs / "mel.yaml"
    mel.write_text(json.dumps({**json.loads(mel.read_text()), "seed": 5}))
    again = reproduce(plan, QUIET)
    assert again["models"][0] == found["models"][0]
    # What is typed goes before what a file says.
    with pytest.raises(ModelError, match="trained with another seed"):
        reproduce(dataclasses.replace(plan, seeds=(0,)), QUIET)
    write_configs(configs, "wave")
    said = r"different seeds \('wave' 0, 'mel' 5\): say with --seeds"
    with pytest.raises(ConfigError, match=said):
        reproduce(plan, QUIET)
    # Of those that are trained.
    only = dataclasses.replace(plan, only=("mel",))
    assert reproduce(only, QUIET)["models"][0]["seeds"] == [5]


def test_seeds_are_read_once_each() -> None:
    assert seed_numbers("2,0,2") == (2, 0)
    assert seed_numbers(None) == ()
    for wrong in ("", "1;2", "-1"):
        with pytest.raises(ConfigError, match="--seeds"):
            seed_numbers(wrong)


def _top1(found: dict) -> list[float]:
    return [model["top1"] for model in found["models"]]
