"""Calibration of run folders: what is decoded for it, and how often."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from wavemel.audio.load import windows
from wavemel.evaluation.calibrate_runs import calibrate_averaged, calibrate_cross_validation


@pytest.fixture
def runs(report: Path, tmp_path: Path) -> list[Path]:
    """Both folds of a network, each twice as if of two seeds; nothing of their predictions is kept."""
    made = []
    for name in ("wave-fold0", "wave-fold1"):
        for seed in "01":
            run = Path(shutil.copytree(report / "runs" / name, tmp_path / f"{name}-{seed}"))
            for file in run.glob("predictions-*.csv"):
                file.unlink()
            made.append(run)
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened to be heard."""
    counted: Counter[str] = Counter()

    def heard(path: str, *given: object, **how: object):
        counted[path] += 1
        return windows(path, *given, **how)

    monkeypatch.setattr("wavemel.evaluation.predict.windows", heard)
    return counted


def test_a_clip_is_decoded_once_for_the_seeds_of_its_fold(
    runs: list[Path], opened: Counter[str]
) -> None:
    found = calibrate_cross_validation(runs)
    assert set(opened.values()) == {1}
    assert (found["n"], found["tracks"]) == (2 * len(opened), len(opened))
    calibrate_cross_validation(runs, ensemble=True)
    assert set(opened.values()) == {1}  # what is kept is read


def test_a_clip_is_decoded_once_for_networks_that_answer_as_one(
    runs: list[Path], opened: Counter[str]
) -> None:
    found = calibrate_averaged([runs[0::2], runs[1::2]], "test")
    assert found is not None
    assert set(opened.values()) == {1}
    alone = calibrate_averaged([runs[0:1], runs[1:2]], "test")
    assert alone is not None
    assert alone["fitted_on"] == "validation"
    assert set(opened.values()) == {1}
