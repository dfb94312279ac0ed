"""The figures before and after, of clips that the scaling has not seen."""

import json

import numpy as np
import pandas as pd
import pytest
from miscalibrated import CLASSES, predictions

from wavemel.errors import DataError
from wavemel.evaluation.calibrate import calibrate_folds, calibrate_split, window_variation
from wavemel.evaluation.calibration import cross_fit, fit
from wavemel.evaluation.calibration_error import expected_calibration_error
from wavemel.evaluation.runs import tracks
from wavemel.evaluation.selective import Threshold, answered, choose_threshold


def folds(count: int = 4, size: int = 250, **how) -> list[tuple[pd.DataFrame, int]]:
    return [
        (predictions(size, windows=3, noise=0.5, seed=i, name=f"f{i}-", **how), i)
        for i in range(count)
    ]


def test_a_boaster_is_put_right_on_folds_that_were_held_out() -> None:
    members = folds(sharpness=3)
    found = calibrate_folds(members, CLASSES)
    assert found["temperature"] == pytest.approx(3, rel=0.15)
    assert len(found["temperatures"]) == 4
    assert found["fitted_on"] == "other folds"
    assert (found["n"], found["tracks"], found["fitted_tracks"]) == (1000, 1000, 1000)
    before, after = found["before"], found["after"]
    assert before["ece"] > 0.12
    # Not to be told from a perfect model.
    assert after["ece"] < after["ece_chance95"]
    assert after["log_loss"] < before["log_loss"]
    low, high = before["ece_ci95"]
    assert low < before["ece"] < high
    assert sum(row["n"] for row in after["reliability"]) == 1000


def test_figures_after_are_those_of_the_cross_fitted_predictions() -> None:
    members = folds(sharpness=2)
    found = calibrate_folds(members, CLASSES)
    held = pd.concat([table for table, _ in cross_fit(members, CLASSES)])
    t = tracks(held, CLASSES, "track")
    assert found["after"]["ece"] == pytest.approx(
        expected_calibration_error(t.truth, t.probabilities)
    )
    unsure = found["unsure"]
    assert answered(t.truth, t.probabilities, unsure["below"]) == (
        unsure["answered"],
        unsure["right"],
    )
    assert unsure["share_right"] >= 0.9
    last = found["curve"][-1]
    assert last["coverage"] == 1
    assert last["precision"] == pytest.approx(found["after"]["top1"])


def test_held_out_thresholds_are_chosen_without_the_fold() -> None:
    members = folds(count=3, sharpness=2)
    found = calibrate_folds(members, CLASSES, precision=0.8)
    # A fold whose truth is shuffled changes its own answers, not the threshold that is put to it.
    rng = np.random.default_rng(0)
    spoilt = members[0][0].assign(genre=rng.choice(CLASSES, len(members[0][0])))
    spoilt["genre"] = spoilt.groupby("path")["genre"].transform("first")
    changed = calibrate_folds([(spoilt, 0), *members[1:]], CLASSES, precision=0.8)
    assert changed["temperatures"][0] == found["temperatures"][0]
    assert changed["held_out"]["share_right"] < found["held_out"]["share_right"]
    assert found["held_out"]["share_right"] > 0.75
    assert found["held_out"]["coverage"] == pytest.approx(found["unsure"]["coverage"], abs=0.2)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_threshold_chosen_without_a_fold_has_not_seen_it(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[float | None] = []

    def spy(*arguments: object) -> Threshold:
        made = choose_threshold(*arguments)
        chosen.append(made.below)
        return made

    monkeypatch.setattr("wavemel.evaluation.calibrate.choose_threshold", spy)
    members = folds(count=count, sharpness=3)
    # Answered at random: its temperature, and all that it has a part in, is another.
    rng = np.random.default_rng(0)
    spoilt = members[0][0].assign(genre=rng.choice(CLASSES, len(members[0][0])))
    spoilt["genre"] = spoilt.groupby("path")["genre"].transform("first")
    for first in (members[0], (spoilt, 0)):
        calibrate_folds([first, *members[1:]], CLASSES, precision=0.8)
    once, again = chosen[: count + 1], chosen[count + 1 :]
    assert once[1] == again[1]
    assert all(a != b for i, (a, b) in enumerate(zip(once, again, strict=True)) if i != 1)


def test_seeds_are_pooled_but_promise_no_more() -> None:
    members = folds(sharpness=2)
    thrice = members * 3
    once, pooled = calibrate_folds(members, CLASSES), calibrate_folds(thrice, CLASSES)
    assert (pooled["n"], pooled["tracks"], pooled["fitted_tracks"]) == (3000, 1000, 1000)
    assert pooled["temperature"] == pytest.approx(once["temperature"], rel=1e-3)
    assert pooled["unsure"]["coverage"] == pytest.approx(once["unsure"]["coverage"])


def test_one_run_is_fitted_on_validation_and_measured_on_test() -> None:
    validation, test = (predictions(400, sharpness=3, seed=i, name=f"{i}") for i in range(2))
    found = calibrate_split(validation, test, CLASSES)
    assert found["temperature"] == fit([validation], CLASSES).temperature
    assert (found["fitted_on"], found["measured_on"]) == ("validation", "test")
    assert found["before"]["ece"] > 0.12
    assert found["after"]["ece"] < found["after"]["ece_chance95"]
    t = tracks(fit([validation], CLASSES).predictions(test, CLASSES), CLASSES, "track")
    said, right = answered(t.truth, t.probabilities, found["unsure"]["below"])
    assert found["held_out"] == {
        "coverage": said / 400,
        "share_right": right / said,
        "answered": said,
    }
    alone = calibrate_split(validation, None, CLASSES)
    assert alone["measured_on"] == "validation"
    assert alone["held_out"] is None
    assert alone["temperature"] == found["temperature"]


@pytest.mark.parametrize("method", ["temperature", "vector", "none"])
def test_it_survives_json(method: str) -> None:
    found = calibrate_folds(folds(2, 120, sharpness=2), CLASSES, method=method)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["method"] == method
    if method == "none":
        assert found["before"]["ece"] == pytest.approx(found["after"]["ece"])


def test_folds_that_share_clips_are_refused() -> None:
    table = predictions(50)
    with pytest.raises(DataError, match="share test clips"):
        calibrate_folds([(table, 0), (table, 1)], CLASSES)


def test_window_variation_is_that_within_tracks() -> None:
    table = pd.DataFrame(
        {
            "path": ["x", "x", "y", "y", "z"],
            "p_a": [0.2, 0.6, 0.5, 0.5, 0.9],
            "p_b": [0.8, 0.4, 0.5, 0.5, 0.1],
        }
    )
    # Each genre of x varies by .08, of y not at all; z has one window and tells nothing.
    expected = np.sqrt(0.08 / (0.4 * 0.6 + 0.5 * 0.5))
    assert window_variation([table], ("a", "b")) == pytest.approx(expected)
    assert window_variation([table[table["path"] == "z"]], ("a", "b")) is None
    found = calibrate_folds(folds(), CLASSES)
    assert 0 < found["window_variation"] < 1
