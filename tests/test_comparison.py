"""Runs beside each other: what can be compared, and that figures agree."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tiny_runs import DATA, QUIET, write_configs

from wavemel.comparison import compare
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.evaluation.calibrate_runs import calibrate_cross_validation
from wavemel.evaluation.predict import predict_together
from wavemel.evaluation.runs import (
    evaluate_run,
    run_predictions,
    tracks,
)
from wavemel.explain.confusions import find_confusions
from wavemel.reproduce import Plan, reproduce


def test_a_recipes_pooling_is_in_every_figure(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)

    def drawn(*asked: object, **how: object) -> list[pd.DataFrame]:
        # So little trained, the network says nearly the same of every window.
        (table,) = predict_together(*asked, **how)
        columns = [c for c in table if c.startswith("p_")]
        return [table.assign(**dict(zip(columns, rng.dirichlet(np.ones(len(columns)), len(table)).T, strict=True)))]  # fmt: skip

    monkeypatch.setattr("wavemel.evaluation.runs.predict_together", drawn)
    runs = []
    for name in ("wave-fold0", "wave-fold1"):
        run = Path(shutil.copytree(report / "runs" / name, tmp_path / name))
        for file in ("experiment.yaml", "best.json"):
            tree = yaml.safe_load((run / file).read_text())
            settings = tree.get("experiment", tree)
            settings["evaluation"]["pooling"] = "geometric"
            (run / file).write_text(json.dumps(tree))
        for kept in [*run.glob("evaluation-*"), *run.glob("predictions-*")]:
            kept.unlink()
        runs.append(run)
    by_run = [evaluate_run(run, "test")["track"]["log_loss"] for run in runs]
    expected, each = [], {}
    for run in runs:
        table = run_predictions(run)
        columns = [c for c in table if c.startswith("p_")]
        roots = np.exp(np.log(table[columns]).groupby(table["path"]).mean())
        roots = roots.div(roots.sum(axis=1), axis=0)
        truth = "p_" + table.groupby("path")["genre"].first()
        losses = [-np.log(roots.loc[path, column]) for path, column in truth.items()]
        expected.append(np.mean(losses))
        each |= roots.max(axis=1).to_dict()
        mean = table.groupby("path")[columns].mean()
        assert np.abs(roots - mean).to_numpy().max() > 0.1  # the two do differ
    assert by_run == pytest.approx(expected)
    (model,) = compare(runs, title="t", command="c")["models"]
    assert model["track"]["log_loss"] == pytest.approx(np.mean(expected))
    assert model["calibration"]["before"]["log_loss"] == pytest.approx(np.mean(expected))
    for mistake in find_confusions(runs).mistakes:
        assert mistake.p_answer == pytest.approx(each[mistake.path])
    other = report / "runs" / "wave-fold2"
    with pytest.raises(DataError, match="pools a track's windows by 'mean'"):
        find_confusions([*runs, other])
    with pytest.raises(DataError, match="pools a track's windows by 'mean'"):
        compare([*runs, other], title="t", command="c", split="validation")


def test_what_cannot_be_compared(report: Path, tmp_path: Path) -> None:
    runs = report / "runs"
    told = {"title": "t", "command": "c"}
    with pytest.raises(DataError, match="different clips"):
        compare([runs / "wave-fold0", runs / "mel-fold1"], **told)
    with pytest.raises(DataError, match="share test clips"):
        compare([runs / "wave-fold0", runs / "wave-fold0"], **told)
    with pytest.raises(ModelError, match="is missing"):
        compare([tmp_path], **told)


def test_runs_of_one_name_are_one_recipe(report: Path, tmp_path: Path) -> None:
    told = {"title": "t", "command": "c"}
    run = report / "runs" / "wave-fold0"

    def changed(of: str, seed: int, rate: float) -> Path:
        copy = Path(shutil.copytree(report / "runs" / of, tmp_path / f"{of}-{seed}-{rate}"))
        about = json.loads((copy / "run.json").read_text())
        (copy / "run.json").write_text(json.dumps({**about, "seed": seed}))
        tree = yaml.safe_load((copy / "experiment.yaml").read_text())
        tree["seed"], tree["training"]["learning_rate"] = seed, rate
        (copy / "experiment.yaml").write_text(yaml.safe_dump(tree))
        return copy

    said = r"both called 'wave'.*with another training\.learning_rate: name one"
    fold = changed("wave-fold1", 0, 0.5)
    with pytest.raises(DataError, match=said):
        compare([run, fold], **told)
    for tell in (calibrate_cross_validation, find_confusions):
        with pytest.raises(DataError, match=said):
            tell([run, fold])
    with pytest.raises(DataError, match=said):
        compare([run, changed("wave-fold0", 1, 0.5)], **told)
    same = changed("wave-fold0", 1, 0.001)
    assert compare([run, same], **told)["over_seeds"][0]["seeds"] == [0, 1]
    # Of one recipe, but of other data: no folds of one model.
    other = changed("wave-fold1", 0, 0.001)
    table = pd.read_csv(other / "table.csv", dtype="string")
    table.assign(content=table["content"] + "x").to_csv(other / "table.csv", index=False)
    with pytest.raises(DataError, match=r"both called 'wave'.*know no clip in common"):
        compare([run, other], **told)


def test_what_is_said_of_the_data_is_of_all_runs(report: Path, tmp_path: Path) -> None:
    run = report / "runs" / "wave-fold0"
    other = Path(shutil.copytree(report / "runs" / "mel-fold0", tmp_path / "other"))
    about = json.loads((other / "run.json").read_text())
    about["data"] |= {"name": "more", "notes": [*about["data"]["notes"], "a note of its own"]}
    (other / "run.json").write_text(json.dumps(about))
    (other / "left_out.csv").write_text("path,genre,status,reason\n/x/rock/a.mp3,rock,short,1 s\n")
    found = compare([run, other], title="t", command="c")["data"]
    assert found["name"] == "demo and more"
    assert found["notes"] == about["data"]["notes"]
    assert found["left_out"] == {"short": 1}
    assert [clip["path"] for clip in found["left_out_clips"]] == ["rock/a.mp3"]
    same = compare([run, run.with_name("mel-fold0")], title="t", command="c")["data"]
    first = json.loads((run / "run.json").read_text())["data"]
    assert all(same[key] == first[key] for key in ("name", "notes", "left_out"))


def test_runs_tested_with_other_labels_are_not_compared(report: Path, tmp_path: Path) -> None:
    run = report / "runs" / "wave-fold0"
    other = Path(shutil.copytree(report / "runs" / "mel-fold0", tmp_path / "other"))
    kept = run_predictions(other)
    path, genre = kept["path"][0], kept["genre"][0]
    wrong = next(g for g in kept["genre"] if g != genre)
    relabelled = kept.assign(genre=kept["genre"].mask(kept["path"] == path, wrong))
    relabelled.to_csv(other / "predictions-test.csv", index=False)
    said = f"mel was tested with other labels: {path} is '{wrong}' there and '{genre}' in wave"
    with pytest.raises(DataError, match=re.escape(said)):
        compare([run, other], title="t", command="c")


def test_every_clip_is_counted_once(report: Path, tmp_path: Path) -> None:
    told = {"title": "t", "command": "c"}
    # Folds of several networks, in an order in which no network's stand together.
    folds = [report / "runs" / f"{name}-fold{i}" for i in (0, 1) for name in ("wave", "mel")]
    # A clip of the second fold is gone, so that folds differ in their counts.
    runs = [Path(shutil.copytree(run, tmp_path / run.name)) for run in folds]
    kept = run_predictions(runs[2])
    gone = kept["path"][0]
    for run in runs[2:]:
        for file in ("table.csv", "predictions-test.csv"):
            rows = pd.read_csv(run / file, dtype="string")
            rows[rows["path"] != gone].to_csv(run / file, index=False)
    found = compare(runs, **told)
    wanted = pd.concat([run_predictions(run) for run in runs[::2]]).drop_duplicates("path")
    counted = found["data"]["counts"]
    assert list(counted) == ["test"]
    assert counted["test"] == wanted["genre"].value_counts().to_dict()
    assert sum(counted["test"].values()) == found["models"][0]["n"]
    # One fold, with two networks one of which validates: no cross-validation.
    about = json.loads((runs[1] / "run.json").read_text())
    about["data"]["split"] += " Here the validation clips train as well: nothing validates."
    (runs[1] / "run.json").write_text(json.dumps(about))
    table = pd.read_csv(runs[1] / "table.csv", dtype="string")
    table["split"] = table["split"].replace("validation", "training")
    table.to_csv(runs[1] / "table.csv", index=False)
    found = compare(runs[:2], **told)
    assert found["folds"] == 1
    assert found["data"]["counts"].keys() == {"test"}
    assert sum(found["data"]["counts"]["test"].values()) == found["models"][0]["n"]
    # Of one split that all share, every side is told.
    assert list(compare(folds[:2], **told)["data"]["counts"]) == ["training", "validation", "test"]


def test_seeds_and_networks_are_averaged_and_overfitting_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEMEL_CACHE", str(tmp_path / "cache"))
    configs = write_configs(tmp_path / "configs", "wave", "mel")
    plan = Plan(
        DATA,
        str(configs),
        tmp_path / "report",
        SplitChoice(),
        seeds=(0, 1),
        ensemble=True,
        gaps=True,
        workers=0,
    )
    found = reproduce(plan, QUIET)
    models = {m["name"]: m for m in found["models"]}
    assert set(models) == {
        "wave (seed 0)", "wave (seed 1)", "mel (seed 0)", "mel (seed 1)",
        "wave, 2 seeds averaged", "mel, 2 seeds averaged", "all networks averaged",
        "svm on MFCC statistics",
    }  # fmt: skip
    # The ensemble is the mean of its members' probabilities, by hand.
    runs = [tmp_path / "report" / "runs" / f"mel-seed{seed}" for seed in (0, 1)]
    members = [tracks(run_predictions(run), _classes(found), "track") for run in runs]
    mean = np.mean([m.probabilities for m in members], axis=0)
    right = (mean.argmax(1) == members[0].truth).mean()
    assert models["mel, 2 seeds averaged"]["track"]["top1"] == pytest.approx(right)
    # What answers as one is calibrated as one.
    averaged = models["mel, 2 seeds averaged"]["calibration"]
    assert averaged["before"]["top1"] == pytest.approx(right)
    assert models["all networks averaged"]["members"] == list(models)[:4]
    seeds = {row["name"]: row for row in found["over_seeds"]}
    each = [models[f"mel (seed {seed})"]["track"]["top1"] for seed in (0, 1)]
    assert seeds["mel"]["top1_each"] == pytest.approx(each)
    # Seeds of one recipe are not set against each other.
    rivals = {pair[side] for pair in found["track_pairs"] for side in "ab"}
    assert rivals == {name for name in models if "(seed" not in name}
    # Nor without --ensemble: their average stands for the recipe there too.
    plain = compare([*runs, runs[0].with_name("wave-seed0")], title="t", command="c")
    names = [m["name"] for m in plain["models"]]
    assert names == [
        *("mel (seed 0)", "mel (seed 1)", "wave (seed 0)", "mel, 2 seeds averaged"),
    ]
    for level in ("pairs", "track_pairs"):
        (pair,) = plain[level]
        assert (pair["a"], pair["b"]) == ("wave (seed 0)", "mel, 2 seeds averaged")
        assert pair["holm_p"] == pair["permutation_p"]
    assert compare(runs, title="t", command="c")["pairs"] == []
    # Where seeds hold out other clips, nothing is held out for their average.
    table = pd.read_csv(runs[1] / "table.csv", dtype="string")
    swapped = table["split"].replace({"training": "validation", "validation": "training"})
    odd = Path(shutil.copytree(runs[1], tmp_path / "odd"))
    table.assign(split=swapped).to_csv(odd / "table.csv", index=False)
    (odd / "predictions-validation.csv").unlink(missing_ok=True)
    mixed = compare([runs[0], odd], title="t", command="c")["models"]
    assert mixed[-1]["name"] == "mel, 2 seeds averaged"
    assert mixed[-1]["calibration"] is None
    gap = models["mel (seed 0)"]["overfitting"]
    asked = evaluate_run(runs[0], "training")["track"]["top1"]
    assert gap["training_top1"] == pytest.approx(asked)
    assert gap["gap"] == pytest.approx(asked - each[0])
    # One network and one seed of them: the run that is there is taken.
    before = (runs[0] / "best.safetensors").stat().st_mtime_ns
    alone = reproduce(dataclasses.replace(plan, seeds=(0,), only=("mel",), ensemble=False), QUIET)
    assert [m["name"] for m in alone["models"]] == ["mel", "svm on MFCC statistics"]
    assert (runs[0] / "best.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="no config 'mell'.*did you mean 'mel'"):  # noqa: RUF043
        reproduce(dataclasses.replace(plan, only=("mell",)), QUIET)
    other = tmp_path / "report" / "results.json"
    beside = tmp_path / "earlier" / "results.json"
    beside.parent.mkdir()
    beside.write_text(other.read_text())
    shown = reproduce(dataclasses.replace(plan, beside=beside), QUIET)["beside"]
    assert [row["name"] for row in shown] == ["mel (earlier)"]
    page = (tmp_path / "report" / "report.md").read_text()
    assert "Over seeds" in page
    assert "Overfitting" in page


def _classes(found: dict) -> tuple[str, ...]:
    return tuple(found["models"][0]["classes"])
