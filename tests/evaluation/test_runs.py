"""Evaluating runs: windows and tracks, number formats, several at once, other data."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import yaml
from tiny_runs import DATA

from wavemel.audio.load import windows
from wavemel.data.scan import scan
from wavemel.data.sources import open_corpus
from wavemel.errors import DataError, ModelError
from wavemel.evaluation.predict import predict_together
from wavemel.evaluation.runs import (
    evaluate_on,
    evaluate_run,
    evaluate_runs,
    figures,
    figures_of_several,
    run_predictions,
    tracks,
)


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


def test_an_artist_in_two_spellings_is_one_as_in_splits(report: Path) -> None:
    run = report / "runs" / "wave-fold0"
    classes = tuple(json.loads((run / "run.json").read_text())["classes"])
    kept = run_predictions(run)
    said = ["The Band", " the  BAND"]
    paths = kept["path"].unique()
    artist = kept["path"].map({path: said[i % 2] for i, path in enumerate(paths)})
    one = tracks(kept.assign(artist=artist), classes, "track")
    assert len(paths) > 1
    assert set(one.artists) == {"the band"}
    # Clips of one artist say nothing of how artists vary.
    assert figures(kept.assign(artist=artist), classes)["top1_ci95"] is None
    several = kept.assign(artist=artist, genres=kept["genre"])
    assert figures_of_several(several, classes)["n_groups"] == 1


def test_a_run_is_evaluated_in_the_number_format_of_its_description(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(report / "runs" / "wave-fold0", tmp_path / "run"))
    asked: list[str] = []

    def heard(*given: object, precision: str, **how: object) -> list[pd.DataFrame]:
        asked.append(precision)
        return predict_together(*given, precision=precision, **how)

    monkeypatch.setattr("wavemel.evaluation.runs.predict_together", heard)
    found = evaluate_run(run)
    assert (asked, found["number_format"]) == ([], "32")  # kept by the comparison
    evaluate_on([run], scan(open_corpus(f"{DATA},seed=5"), workers=0))
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


def test_a_split_without_clips_is_refused(report: Path, tmp_path: Path) -> None:
    run = next((report / "runs").glob("wave-fold0"))
    assert evaluate_run(run, "validation", again=True)["n"] > 0
    with pytest.raises(DataError, match="no clips in the split 'holdout'"):
        evaluate_run(run, "holdout")


def test_a_run_on_other_data(report: Path, tmp_path: Path) -> None:
    run = next((report / "runs").glob("wave-fold0"))
    corpus = scan(open_corpus("demo:clips=40,seconds=2,rate=8000,seed=5"), workers=0)
    (found,) = evaluate_on([run], corpus)
    assert found["n"] == 40
    assert found["left_out_known"] == 0
    same = scan(open_corpus(DATA), workers=0)
    (known,) = evaluate_on([run], same)
    assert known["n"] == evaluate_run(run)["n"]
    assert known["top1"] == evaluate_run(run)["top1"]
    assert known["left_out_known"] == 40 - known["n"]
    table = same.table.assign(genre=["Polka", *same.table["genre"][1:]])
    with pytest.raises(ModelError, match="also has Polka"):
        evaluate_on([run], dataclasses.replace(same, table=table))


def test_runs_hear_other_data_together(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [report / "runs" / name for name in ("wave-fold0", "mel-fold0", "wave-fold1")]
    unknown = scan(open_corpus("demo:clips=40,seconds=2,rate=8000,seed=5"), workers=0)
    own = scan(open_corpus(DATA), workers=0)
    other, mine = ([evaluate_on([run], data)[0] for run in runs] for data in (unknown, own))
    opened: list[str] = []

    def heard(path: str, *given: object, **how: object):
        opened.append(path)
        return windows(path, *given, **how)

    monkeypatch.setattr("wavemel.evaluation.predict.windows", heard)
    assert evaluate_on([*runs, runs[0]], unknown) == [*other, other[0]]
    assert len(opened) == 40
    opened.clear()
    # Each fold knows other clips.
    assert evaluate_on(runs, own) == mine
    assert len(opened) == mine[0]["n"] + mine[2]["n"]


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
    (found,) = evaluate_on([run], scan(open_corpus(str(tmp_path / "packed.csv")), workers=0))
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
    (found,) = evaluate_on([moved], scan(open_corpus(str(tmp_path / "packed.csv")), workers=0))
    assert found["known_artists"] == found["n"]
