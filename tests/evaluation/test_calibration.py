"""Scaling finds the miscalibration that was put in, and answers as an exported model does."""

import numpy as np
import pandas as pd
import pytest
from miscalibrated import CLASSES, predictions
from sklearn.metrics import log_loss

from wavemel.errors import ConfigError, DataError
from wavemel.evaluation.calibration import BOUNDS, FEWEST_A_CLASS, cross_fit, fit
from wavemel.evaluation.calibration_error import expected_calibration_error
from wavemel.evaluation.runs import tracks
from wavemel.pooling import softmax

COLUMNS = [f"p_{c}" for c in CLASSES]


def ece(table: pd.DataFrame) -> float:
    found = tracks(table, CLASSES, "track")
    return expected_calibration_error(found.truth, found.probabilities)


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
@pytest.mark.parametrize(("windows", "noise"), [(1, 0.0), (5, 1.0)])
def test_temperature_is_that_which_was_put_in(sharpness: float, windows: int, noise: float) -> None:
    table = predictions(6000, sharpness=sharpness, windows=windows, noise=noise)
    found = fit([table], CLASSES)
    assert found.temperature == pytest.approx(sharpness, rel=0.08)
    assert found.n == 6000
    assert not found.at_bound
    assert ece(found.predictions(table, CLASSES)) < 0.02
    if sharpness != 1:
        assert ece(table) > 0.1


def test_loss_is_that_of_the_mean_over_windows() -> None:
    """No temperature has a lower log loss, worked out with scikit-learn, than the one found."""
    table = predictions(150, sharpness=2.5, windows=4, noise=2.0, seed=3)
    table = table.sample(frac=1, random_state=0)  # windows need not stand in order

    def loss(temperature: float) -> float:
        scaled = table[COLUMNS].pow(1 / temperature)
        scaled = scaled.div(scaled.sum(axis=1), axis=0)
        mean = scaled.groupby(table["path"]).mean()
        truth = table.groupby("path")["genre"].first()
        return log_loss(truth, mean.to_numpy(), labels=list(CLASSES))

    found = fit([table], CLASSES).temperature
    around = np.exp(np.linspace(np.log(BOUNDS[0]), np.log(BOUNDS[1]), 200))
    assert loss(found) <= min(map(loss, around)) + 1e-9
    # Fitted window by window it would be another one: windows are no tracks.
    alone = table.assign(path=[f"{i}" for i in range(len(table))])
    assert abs(fit([alone], CLASSES).temperature - found) > 0.1 * found


def test_windows_that_are_pooled_geometrically_are_fitted_so() -> None:
    """The temperature of a geometric mean is that of the track's own logits, whatever the windows."""
    table = predictions(300, sharpness=2.5, windows=4, noise=2.0, seed=3)
    logs = np.log(table[COLUMNS]).groupby(table["path"]).mean()
    whole = table.groupby("path").first()
    whole[COLUMNS] = softmax(logs.to_numpy())
    found = fit([table], CLASSES, pooling="geometric").temperature
    assert found == pytest.approx(fit([whole.reset_index()], CLASSES).temperature, rel=1e-3)
    assert abs(fit([table], CLASSES).temperature - found) > 0.1 * found


def test_an_exported_models_answer_is_the_scaled_one() -> None:
    """The same formula as `Windows2Probabilities`: divide log-probabilities, then softmax."""
    table = predictions(20, sharpness=3, windows=3, noise=1)
    found = fit([table], CLASSES)
    logs = np.log(table[COLUMNS].to_numpy()) / found.temperature
    expected = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    np.testing.assert_allclose(found.predictions(table, CLASSES)[COLUMNS], expected, atol=1e-12)
    kept = found.predictions(table, CLASSES).drop(columns=COLUMNS)
    pd.testing.assert_frame_equal(kept, table.drop(columns=COLUMNS))


def test_one_window_a_track_keeps_every_answer() -> None:
    table = predictions(300, sharpness=3)
    scaled = fit([table], CLASSES).predictions(table, CLASSES)
    said = [t[COLUMNS].to_numpy().argmax(1) for t in (table, scaled)]
    assert (said[0] == said[1]).all()


def test_probabilities_of_zero_are_no_end() -> None:
    table = predictions(50, sharpness=3)
    table.loc[0, COLUMNS] = [1.0, 0.0, 0.0, 0.0]
    table.loc[0, "genre"] = "rock"
    found = fit([table], CLASSES)
    assert 1 < found.temperature < 4
    assert np.isfinite(found.predictions(table, CLASSES)[COLUMNS].to_numpy()).all()


def test_clips_that_cannot_fix_a_temperature_are_told() -> None:
    table = predictions(30, sharpness=2)
    said = table[COLUMNS].to_numpy().argmax(1)
    right = table.assign(genre=[CLASSES[i] for i in said])
    assert fit([right], CLASSES).at_bound
    wrong = table.assign(genre=[CLASSES[(i + 1) % 4] for i in said])
    assert fit([wrong], CLASSES).at_bound


def test_vector_scaling_takes_a_bias_off_that_temperature_cannot() -> None:
    table = predictions(12_000, sharpness=2, bias=(1.5, 0, 0, -1.5))
    fresh = predictions(4000, sharpness=2, bias=(1.5, 0, 0, -1.5), seed=1)
    one, many = fit([table], CLASSES), fit([table], CLASSES, "vector")
    assert many.scale is not None
    assert many.bias is not None
    assert np.array(many.scale) == pytest.approx([0.5] * 4, abs=0.1)
    assert many.bias[3] - many.bias[0] == pytest.approx(1.5, rel=0.15)
    losses = [
        log_loss(fresh["genre"], s.predictions(fresh, CLASSES)[COLUMNS], labels=list(CLASSES))
        for s in (one, many)
    ]
    assert losses[1] < losses[0] - 0.05


def test_vector_scaling_stays_near_the_temperature_on_few_clips_and_is_refused_on_fewer() -> None:
    table = predictions(80, sharpness=3, seed=2)
    one, many = fit([table], CLASSES), fit([table], CLASSES, "vector")
    assert many.scale is not None
    assert np.array(many.scale) * one.temperature == pytest.approx([1] * 4, abs=0.5)
    few = pd.concat([table[table["genre"] != "pop"], table[table["genre"] == "pop"].head(3)])
    with pytest.raises(DataError, match=f"{FEWEST_A_CLASS} held-out tracks.*are 3 of 'pop'"):
        fit([few], CLASSES, "vector")
    assert fit([few], CLASSES).method == "temperature"


def test_none_changes_nothing() -> None:
    table = predictions(50, sharpness=3)
    scaled = fit([table], CLASSES, "none").predictions(table, CLASSES)
    np.testing.assert_allclose(scaled[COLUMNS], table[COLUMNS], atol=1e-12)


def test_cross_fitting_never_sees_its_own_fold() -> None:
    sharp = [1.0, 2.0, 4.0]
    members = [
        (predictions(800, sharpness=s, seed=i, name=f"f{i}-"), i) for i, s in enumerate(sharp)
    ]
    made = cross_fit(members, CLASSES)
    for i, (table, scaling) in enumerate(made):
        others = [t for t, fold in members if fold != i]
        assert scaling == fit(others, CLASSES)
        assert scaling.n == 1600
        pd.testing.assert_frame_equal(table, scaling.predictions(members[i][0], CLASSES))
    # Other labels in a fold change nothing about its own temperature.
    changed = members[0][0].assign(genre="pop")
    again = cross_fit([(changed, 0), *members[1:]], CLASSES)
    assert again[0][1] == made[0][1]
    assert again[1][1] != made[1][1]


def test_seeds_of_a_fold_are_left_out_together() -> None:
    folds = [predictions(300, sharpness=3, seed=i, name=f"f{i}-") for i in range(2)]
    other_seed = folds[0].assign(**{c: folds[0][c] for c in COLUMNS})
    made = cross_fit([(folds[0], "0"), (other_seed, "0"), (folds[1], "1")], CLASSES)
    assert [scaling.n for _, scaling in made] == [300, 300, 600]


def test_what_cannot_be_calibrated() -> None:
    table = predictions(20)
    with pytest.raises(ConfigError, match="no calibration 'platt': temperature, vector, none"):
        fit([table], CLASSES, "platt")
    with pytest.raises(DataError, match="no clips"):
        fit([table.head(0)], CLASSES)
    with pytest.raises(DataError, match="two folds"):
        cross_fit([(table, 0)], CLASSES)
    with pytest.raises(DataError, match="share test clips"):
        cross_fit([(table, 0), (table.head(5), 1)], CLASSES)
