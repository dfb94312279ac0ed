"""The main job, small: train, evaluate, compare, report; interrupted, repeated, refused."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import yaml
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, f1_score
from tiny_runs import DATA, QUIET, write_configs

from wavemel.audio.load import windows
from wavemel.commands.options import seed_numbers
from wavemel.comparison import compare
from wavemel.data.scan import scan
from wavemel.data.sources import open_corpus
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.evaluation.calibration import fit
from wavemel.evaluation.predict import predict_together
from wavemel.evaluation.runs import (
    evaluate_on,
    evaluate_run,
    evaluate_runs,
    run_predictions,
    tracks,
)
from wavemel.explain.confusions import find_confusions
from wavemel.reproduce import Plan, reproduce

KEYS = {
    "name", "data", "split", "n", "top1", "top1_ci95", "macro_precision", "macro_recall",
    "macro_f1", "one_vs_rest_accuracy", "log_loss", "parameters", "epochs", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole cross-validated comparison of two networks and the SVM."""
    monkeypatch = pytest.MonkeyPatch()
    base = tmp_path_factory.mktemp("reproduce")
    monkeypatch.setenv("WAVEMEL_CACHE", str(base / "cache"))
    configs = write_configs(base / "configs", "wave", "mel")
    plan = Plan(DATA, str(configs), base / "report", SplitChoice(), folds="all", workers=0)
    reproduce(plan, QUIET)
    monkeypatch.undo()
    return base / "report"


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


def test_windows_and_tracks(report: Path) -> None:
    run = next((report / "runs").glob("wave-fold0"))
    predictions = run_predictions(run)
    classes = tuple(json.loads((run / "run.json").read_text())["classes"])
    assert (predictions.groupby("path")["start"].count() > 1).all()
    clip, track = (tracks(predictions, classes, level) for level in ("clip", "track"))
    assert clip.paths.tolist() == track.paths.tolist()
    one = predictions[predictions["path"] == clip.paths[0]].sort_values("start")
    columns = [f"p_{c}" for c in classes]
    np.testing.assert_allclose(clip.probabilities[0], one[columns].iloc[0])
    np.testing.assert_allclose(track.probabilities[0], one[columns].mean())


def test_a_run_is_evaluated_in_the_number_format_of_its_description(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(report / "runs" / "wave-fold0", tmp_path / "run"))
    asked: list[str] = []

    def heard(*given: object, precision: str, **how: object) -> list[pd.DataFrame]:
        asked.append(precision)
        return predict_together(*given, precision=precision, **how)

    monkeypatch.setattr("wavemel.evaluation.runs.predict_together", heard)
    monkeypatch.setattr("wavemel.evaluation.predict.predict_together", heard)
    found = evaluate_run(run)
    assert (asked, found["number_format"]) == ([], "32")  # kept by the comparison
    evaluate_on(run, scan(open_corpus(f"{DATA},seed=5"), workers=0))
    assert asked == ["32"]
    # Kept by a version that always took the fastest.
    kept = run / "evaluation-test.json"
    old = json.loads(kept.read_text())
    del old["number_format"]
    kept.write_text(json.dumps(old))
    assert evaluate_run(run) == found
    assert asked == ["32"] * 2
    # Which is what "auto" means: those figures hold.
    kept.write_text(json.dumps(old))
    tree = yaml.safe_load((run / "experiment.yaml").read_text())
    tree["training"]["precision"] = "auto"
    (run / "experiment.yaml").write_text(yaml.safe_dump(tree))
    assert "number_format" not in evaluate_run(run)
    assert asked == ["32"] * 2


def test_runs_that_hear_the_same_are_evaluated_together(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["wave-fold0", "wave-fold1", "mel-fold0", "mel-fold1"]
    runs = [Path(shutil.copytree(report / "runs" / name, tmp_path / name)) for name in names]
    # Of other batches, and of longer windows.
    for run, section, key, value in ((runs[2], "evaluation", "batch_size", 3), (runs[3], "audio", "seconds", 1.75)):  # fmt: skip
        best = json.loads((run / "best.json").read_text())
        best["experiment"][section][key] = value
        (run / "best.json").write_text(json.dumps(best))
    alone = [evaluate_run(run, again=True) for run in runs]
    said = [(run / "predictions-test.csv").read_bytes() for run in runs]
    opened: list[str] = []

    def heard(path: str, *given: object, **how: object):
        opened.append(path)
        return windows(path, *given, **how)

    monkeypatch.setattr("wavemel.evaluation.predict.windows", heard)
    assert evaluate_runs([*runs, runs[0]], again=True) == [*alone, alone[0]]
    assert [(run / "predictions-test.csv").read_bytes() for run in runs] == said
    # The first fold's clips once for both networks, the second's once for each.
    assert len(opened) == sum(alone[i]["n"] for i in (0, 1, 3))
    assert evaluate_runs(runs) == alone
    monkeypatch.setattr("wavemel.evaluation.runs._TOGETHER", 0)
    opened.clear()
    assert evaluate_runs(runs, again=True) == alone
    assert len(opened) == sum(found["n"] for found in alone)


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


def test_finished_runs_are_not_trained_again(report: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAVEMEL_CACHE", str(report.parent / "cache"))
    before = {p: p.stat().st_mtime_ns for p in report.glob("runs/*/best.safetensors")}
    plan = Plan(DATA, str(report.parent / "configs"), report, SplitChoice(), folds="all", workers=0)
    again = reproduce(plan, QUIET)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert again["models"] == results(report)["models"]


def test_what_cannot_be_compared(report: Path, tmp_path: Path) -> None:
    runs = report / "runs"
    told = {"title": "t", "command": "c"}
    with pytest.raises(DataError, match="different clips"):
        compare([runs / "wave-fold0", runs / "mel-fold1"], **told)
    with pytest.raises(DataError, match="share test clips"):
        compare([runs / "wave-fold0", runs / "wave-fold0"], **told)
    with pytest.raises(ModelError, match="is missing"):
        compare([tmp_path], **told)


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


def test_a_split_without_clips_is_refused(report: Path, tmp_path: Path) -> None:
    run = next((report / "runs").glob("wave-fold0"))
    assert evaluate_run(run, "validation", again=True)["n"] > 0
    with pytest.raises(DataError, match="no clips in the split 'holdout'"):
        evaluate_run(run, "holdout")


def test_a_run_on_other_data(report: Path, tmp_path: Path) -> None:
    run = next((report / "runs").glob("wave-fold0"))
    corpus = scan(open_corpus("demo:clips=40,seconds=2,rate=8000,seed=5"), workers=0)
    found = evaluate_on(run, corpus)
    assert found["n"] == 40
    assert found["left_out_known"] == 0
    same = scan(open_corpus(DATA), workers=0)
    known = evaluate_on(run, same)
    assert known["n"] == evaluate_run(run)["n"]
    assert known["top1"] == evaluate_run(run)["top1"]
    assert known["left_out_known"] == 40 - known["n"]
    table = same.table.assign(genre=["Polka", *same.table["genre"][1:]])
    with pytest.raises(ModelError, match="also has Polka"):
        evaluate_on(run, dataclasses.replace(same, table=table))


def test_recordings_that_a_run_knows_are_left_out_in_whatever_file(
    report: Path, tmp_path: Path
) -> None:
    run = report / "runs" / "wave-fold0"
    table = pd.read_csv(run / "table.csv")
    rows = []
    for i, clip in enumerate(table.itertuples()):
        samples, rate = sf.read(clip.path, dtype="int16")
        sf.write(tmp_path / f"{i}.flac", samples, rate)
        # The same artist, spelt by somebody else.
        rows.append({"path": f"{i}.flac", "genre": clip.genre, "artist": f" {clip.artist.upper()}"})
    pd.DataFrame(rows).to_csv(tmp_path / "packed.csv", index=False)
    found = evaluate_on(run, scan(open_corpus(str(tmp_path / "packed.csv")), workers=0))
    tested = evaluate_run(run)
    assert (found["n"], found["top1"]) == (tested["n"], tested["top1"])
    assert found["left_out_known"] == len(table) - tested["n"]
    # Test clips by the run's own artists count as theirs, however they are spelt.
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    other = table["artist"].where(
        table["split"] != "test", table["artist"][table["split"] != "test"].iloc[0]
    )
    table.assign(artist=other).to_csv(moved / "table.csv", index=False)
    pd.DataFrame(rows).assign(artist=other.str.upper()).to_csv(tmp_path / "packed.csv", index=False)
    found = evaluate_on(moved, scan(open_corpus(str(tmp_path / "packed.csv")), workers=0))
    assert found["known_artists"] == found["n"]


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    configs = write_configs(tmp_path / "configs", "mel")
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter1.tex").write_text("...")
    with pytest.raises(ModelError, match="not empty"):
        reproduce(Plan(DATA, str(configs), target, SplitChoice(), workers=0), QUIET)
    with pytest.raises(ConfigError, match="no config set"):
        reproduce(Plan(DATA, "papre", target, SplitChoice(), workers=0), QUIET)


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


def _top1(found: dict) -> list[float]:
    return [model["top1"] for model in found["models"]]


def _classes(found: dict) -> tuple[str, ...]:
    return tuple(found["models"][0]["classes"])
