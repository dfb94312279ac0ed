"""`wavemel calibrate` as typed: one run, folds, seeds; what it writes, and what export makes of it."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from miscalibrated import CLASSES, predictions
from tiny_runs import QUIET, tiny, tiny_dataset
from typer.testing import CliRunner

from wavemel.checkpoint import fingerprint_of
from wavemel.commands.calibrate import register
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.evaluation.calibration import fit
from wavemel.evaluation.predictions import save_predictions
from wavemel.evaluation.runs import run_predictions, tracks
from wavemel.export import Options, export
from wavemel.inference.classifier import Classifier
from wavemel.training.run import train

app = typer.Typer()
register(app)
app.callback()(lambda: None)


def calibrate(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def fake_run(
    folder: Path,
    fold: int = 0,
    *,
    sharpness: float = 3,
    name: str = "mel",
    pooling: str = "mean",
    **about: object,
) -> Path:
    """Write a run folder with predictions of known miscalibration, as `evaluate_run` keeps them."""
    folder.mkdir(parents=True)
    (folder / "best.safetensors").write_bytes(b"weights")
    (folder / "best.json").write_text("{}")
    told = {"name": name, "classes": list(CLASSES), "finished": True, **about}
    (folder / "run.json").write_text(json.dumps(told))
    (folder / "experiment.yaml").write_text(f"evaluation: {{pooling: {pooling}}}")
    rows = ["path,genre,artist,split"]
    for i, split in enumerate(("validation", "test")):
        table = predictions(
            160, sharpness=sharpness, windows=2, noise=0.5,
            seed=10 * fold + i, name=f"{split}{fold}-", artists=50,
        )  # fmt: skip
        save_predictions(folder / f"predictions-{split}.csv", table, CLASSES)
        kept = json.dumps({"weights": fingerprint_of(folder)})
        (folder / f"evaluation-{split}.json").write_text(kept)
        first = table.drop_duplicates("path")
        rows += [f"{r.path},{r.genre},{r.artist},{split}" for r in first.itertuples()]
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return folder


def kept(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def test_one_run_keeps_its_calibration_beside_its_weights(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    said = calibrate(run, "--precision", "0.8")
    found = kept(run / "calibration.json")
    assert found["temperature"] == fit([run_predictions(run, "validation")], CLASSES).temperature
    assert found["temperature"] == pytest.approx(3, rel=0.3)
    assert found["unsure_below"] == found["unsure"]["below"]
    assert (found["method"], found["unsure"]["precision"]) == ("temperature", 0.8)
    assert (found["fitted_on"], found["measured_on"], found["n"]) == ("validation", "test", 160)
    assert found["after"]["ece"] < found["before"]["ece"]
    # What is printed is what is kept.
    row = next(line for line in said.splitlines() if line.startswith("calibration error"))
    shown = [float(x) for x in re.findall(r"(?<![\[\d.])0\.\d+ (?=\[)", row)]
    assert shown == pytest.approx([found["before"]["ece"], found["after"]["ece"]], abs=6e-4)
    assert f"temperature {found['temperature']:.3f} (of 160 tracks)" in said
    assert f"unsure below {found['unsure_below']:.3f}" in said
    assert "on tracks that did not choose it" in said
    assert f"written: {run / 'calibration.json'}" in said
    assert f"next: wavemel export {run}" in said
    assert not list(run.glob("*.part"))


def test_a_run_given_twice_is_no_further_seed(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / f"mel-fold{i}", i) for i in range(2)]
    with pytest.raises(DataError, match="a run is given twice"):
        calibrate(*runs, tmp_path / "mel-fold1" / ".." / "mel-fold0")


def test_nearly_all_right_is_asked_for_in_vain_and_at_once(tmp_path: Path) -> None:
    said = calibrate(fake_run(tmp_path / "run", sharpness=0.5), "--precision", "0.99999")
    assert (
        "no threshold has 99.999\u00a0% of" in said or "99.999\u00a0% right is no promise" in said
    )


def test_nothing_is_replaced_unless_asked(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    calibrate(run)
    before = (run / "calibration.json").read_bytes()
    with pytest.raises(ModelError, match=r"calibration.json exists already: give --replace"):
        calibrate(run, "--precision", "0.7")
    assert (run / "calibration.json").read_bytes() == before
    calibrate(run, "--precision", "0.7", "--replace")
    assert kept(run / "calibration.json")["unsure"]["precision"] == 0.7


def test_folds_are_fitted_on_each_other_and_written_where_asked(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / f"mel-fold{i}", i) for i in range(3)]
    said = calibrate(*runs)
    assert "3 runs: 480 test tracks, fitted on the other folds' tracks" in said
    assert "written" not in said
    assert not list(tmp_path.glob("*/calibration.json"))
    to = tmp_path / "made" / "all.json"
    assert f"next: wavemel export RUN --calibration {to}" in calibrate(*runs, "--to", to)
    found = kept(to)
    pooled = fit([run_predictions(r) for r in runs], CLASSES)
    assert found["temperature"] == pooled.temperature
    assert found["temperatures"] == [
        fit([run_predictions(r) for r in runs if r != run], CLASSES).temperature for run in runs
    ]
    folder = tmp_path / "pages"
    calibrate(*runs, "--to", folder)
    assert {p.name for p in folder.iterdir()} == {
        "calibration.json",
        "coverage.svg",
        "reliability-before.svg",
        "reliability-after.svg",
    }
    assert kept(folder / "calibration.json")["after"] == found["after"]
    with pytest.raises(ModelError, match="exists already"):
        calibrate(*runs, "--to", folder)


def test_seeds_of_a_fold_stand_for_themselves_or_answer_as_one(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / f"f{i}", i) for i in range(2)]
    # Another seed of each fold: the same clips, and answers that are nearly flat.
    for i, run in enumerate(runs[:2]):
        other = fake_run(tmp_path / f"f{i}-seed1", i)
        table = run_predictions(run)
        columns = [f"p_{c}" for c in CLASSES]
        table[columns] = 0.8 * 0.25 + 0.2 * table[columns]
        save_predictions(other / "predictions-test.csv", table, CLASSES)
        runs.append(other)
    said = calibrate(*runs, "--to", tmp_path / "alone.json")
    assert "4 runs: 320 test tracks (640 predictions), fitted on the other folds' tracks" in said
    assert "(of 320 tracks)" in said
    assert "right is no promise: 320 tracks are too few" in said
    assert re.search(r"unsure below 0\.\d+: [\d.]+\s% of 320 tracks are answered", said)
    assert "640 tracks" not in said
    said = calibrate(*runs, "--ensemble", "--to", tmp_path / "mean.json")
    assert "4 runs: 320 test tracks, fitted on the other folds' tracks" in said
    alone, mean = kept(tmp_path / "alone.json"), kept(tmp_path / "mean.json")
    assert (alone["n"], alone["tracks"], alone["fitted_tracks"]) == (640, 320, 320)
    assert (mean["n"], mean["tracks"]) == (320, 320)
    tables = [run_predictions(run) for run in runs[:2]]
    columns = [f"p_{c}" for c in CLASSES]
    for table in tables:
        table[columns] = (table[columns] + 0.8 * 0.25 + 0.2 * table[columns]) / 2
    assert mean["temperature"] == pytest.approx(fit(tables, CLASSES).temperature, rel=1e-3)


def test_a_calibration_is_of_the_runs_pooling(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / f"f{i}", i, pooling="geometric") for i in range(2)]
    calibrate(*runs, "--to", tmp_path / "calibration.json")
    found = kept(tmp_path / "calibration.json")
    assert found["pooling"] == "geometric"
    tables = [run_predictions(run) for run in runs]
    expected = fit(tables, CLASSES, pooling="geometric")
    assert found["temperature"] == pytest.approx(expected.temperature)
    pooled = tracks(pd.concat(tables), CLASSES, "track", "geometric")
    assert found["before"]["log_loss"] == pytest.approx(
        -np.log(pooled.probabilities[range(len(pooled.truth)), pooled.truth]).mean()
    )


def test_other_methods(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    said = calibrate(run, "--method", "vector")
    assert "after vector" in said
    assert not (run / "calibration.json").exists()
    calibrate(run, "--method", "none")
    found = kept(run / "calibration.json")
    assert (found["temperature"], found["method"]) == (1.0, "none")
    assert found["unsure_below"] is not None


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", sharpness=1)
    assert "90\u00a0% right is no promise: 160 tracks are too few" in calibrate(run)
    assert "new tracks have 70\u00a0% right with a probability of 0.9" in calibrate(
        run, "--precision", "0.7", "--replace"
    )
    table = run_predictions(run, "validation").assign(genre="pop")
    save_predictions(run / "predictions-validation.csv", table, CLASSES)
    said = calibrate(run, "--replace", "--precision", "0.99")
    assert "no threshold has 99\u00a0% of 160 tracks' answers right" in said
    assert kept(run / "calibration.json")["unsure_below"] is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--precision", "1"], ConfigError, "--precision must lie between"),
        (["--confidence", "-0.1"], ConfigError, "--confidence"),
        (["--method", "platt"], ConfigError, "no calibration 'platt'"),
        (["--method", "vector", "--to", "x.json"], ConfigError, "drop --to"),
        (["--ensemble"], ConfigError, "--ensemble averages seeds"),
    ],
)
def test_mistakes_of_one_run(options: list[str], error: type, message: str, tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    with pytest.raises(error, match=message):
        calibrate(run, *options)
    assert not (run / "calibration.json").exists()


def test_runs_that_are_no_folds_of_one_network(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a")
    with pytest.raises(DataError, match="tested on the same clips"):
        calibrate(run, fake_run(tmp_path / "b"))
    with pytest.raises(DataError, match=r"of 'wave',.* of 'mel'"):
        calibrate(run, fake_run(tmp_path / "c", 1, name="wave"))
    with pytest.raises(DataError, match="another class list"):
        calibrate(run, fake_run(tmp_path / "d", 1, classes=["a", "b"]))
    with pytest.raises(DataError, match=r"windows by 'geometric', .* by 'mean'"):
        calibrate(run, fake_run(tmp_path / "g", 1, pooling="geometric"))
    with pytest.raises(ModelError, match="not finished"):
        calibrate(fake_run(tmp_path / "e", 1, finished=False))
    with pytest.raises(ModelError, match="several genres a clip"):
        calibrate(fake_run(tmp_path / "f", 1, labels="genres"))
    with pytest.raises(ModelError, match=r"run.json is missing"):
        calibrate(tmp_path / "nowhere")


def test_a_run_without_validation_or_test_clips(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    table = run / "table.csv"
    whole = table.read_text()
    table.write_text(whole.replace(",validation", ",training"))
    with pytest.raises(DataError, match="no validation clips"):
        calibrate(run)
    table.write_text(whole.replace(",test", ",training"))
    said = calibrate(run)
    assert "160 validation tracks, fitted on the validation tracks" in said
    assert "did not choose it" not in said
    assert kept(run / "calibration.json")["measured_on"] == "validation"


def test_an_exported_model_answers_as_calibrated(tmp_path: Path) -> None:
    """From training to the answer for a file: the calibrated predictions are what a listener gets."""
    dataset = tiny_dataset()
    experiment = tiny("mel", training={"epochs": 8}, augment={})
    train(experiment, dataset, tmp_path / "run", hardware=QUIET)
    calibrate(tmp_path / "run", "--precision", "0.5", "--confidence", "0")
    found = kept(tmp_path / "run" / "calibration.json")
    export(tmp_path / "run", Options(name="m"), tmp_path / "m")
    classifier = Classifier(tmp_path / "m")
    classes = dataset.classes
    held = run_predictions(tmp_path / "run")
    scaled = fit([run_predictions(tmp_path / "run", "validation")], classes)
    assert scaled.temperature == found["temperature"] != 1
    t = tracks(scaled.predictions(held, classes), classes, "track")
    raw = tracks(held, classes, "track").probabilities
    assert np.abs(raw - t.probabilities).max() > 0.02
    for path, expected in zip(t.paths, t.probabilities, strict=True):
        answer = classifier.classify(path, whole=True)
        given = {g.genre: g.probability for g in answer.genres}
        np.testing.assert_allclose([given[c] for c in classes], expected, atol=1e-3)
        assert answer.unsure == (expected.max() < (found["unsure_below"] or 0))
