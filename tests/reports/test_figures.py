from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from wavemel.reports.figures import confusion, curves, per_class, reliability, styles
from wavemel.reports.svg import SERIES, themed, to_svg

Build = Callable[..., dict[str, Any]]


def test_a_network_keeps_its_look() -> None:
    alone, among = styles(["mel"])["mel"], styles(["other", "wave", "mel", "more"])
    assert among["mel"] == alone
    for part in ("color", "marker"):
        assert len({str(look[part]) for look in among.values()}) == 4


@pytest.mark.parametrize("key", ["training_loss", "validation_loss", "validation_top1"])
def test_curves_draw_the_history(results: dict[str, Any], key: str) -> None:
    axes = curves(results, key).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    for model in results["models"][:3]:
        line = lines[model["name"]]
        rows = model["history"][0]
        assert list(line.get_xdata()) == [row["epoch"] + 1 for row in rows]
        assert list(line.get_ydata()) == pytest.approx([row[key] for row in rows])
        assert to_hex(line.get_color()) == styles([model["name"]])[model["name"]]["color"]


def test_folds_give_mean_and_range(build_results: Build) -> None:
    results = build_results(folds=3, epochs=4)
    results["models"][0]["history"][1] = results["models"][0]["history"][1][:2]  # stopped early
    axes = curves(results, "training_loss").axes[0]
    runs = [[row["training_loss"] for row in run] for run in results["models"][0]["history"]]
    wave = axes.lines[0].get_ydata()
    assert wave[0] == pytest.approx(np.mean([run[0] for run in runs]))
    assert wave[3] == pytest.approx(np.mean([runs[0][3], runs[2][3]]))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(max(map(max, runs)))
    assert band.min() == pytest.approx(min(map(min, runs)))


def test_epochs_without_a_value_are_left_out(results: dict[str, Any]) -> None:
    for row in results["models"][0]["history"][0][:2]:
        row["validation_loss"] = None
    for row in results["models"][1]["history"][0]:
        row["validation_loss"] = None
    axes = curves(results, "validation_loss").axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["wave"].get_xdata()[0] == 3
    assert "mel" not in lines


def test_the_guessing_line_is_in_view(build_results: Build) -> None:
    results = build_results(classes=[f"g{i}" for i in range(16)], n=160, epochs=2)
    axes = curves(results, "training_loss").axes[0]
    assert axes.get_ylim()[0] < np.log(16) < axes.get_ylim()[1]


def test_confusion_shows_every_count(results: dict[str, Any]) -> None:
    model = results["models"][0]
    axes = confusion(model).axes[0]
    shown = [int(text.get_text()) for text in axes.texts]
    assert shown == [count for row in model["confusion"] for count in row]
    shares = [patch.get_alpha() for patch in axes.patches]
    assert max(shares) <= 1
    k = len(model["classes"])
    assert [sum(shares[k * i : k * i + k]) for i in range(k)] == pytest.approx([1] * k)


def test_confusion_of_a_class_without_test_clips(results: dict[str, Any]) -> None:
    model = results["models"][0]
    model["confusion"][1] = [0, 0, 0, 0]
    assert "<svg" in to_svg(confusion(model), "c", "t", "d")


def test_per_class_and_reliability(results: dict[str, Any]) -> None:
    models = results["models"]
    axes = per_class(models).axes[0]
    for model, line in zip(models, axes.lines, strict=True):
        assert list(line.get_xdata()) == [row["f1"] for row in model["per_class"]]
    axes = reliability(models).axes[0]
    drawn = axes.lines[1]
    bins = [row for row in models[0]["reliability"] if row["n"] >= 5]
    assert list(drawn.get_ydata()) == [row["accuracy"] for row in bins]


def test_svg_is_the_same_each_time_and_prefixed(results: dict[str, Any]) -> None:
    first, second = (to_svg(curves(results, "training_loss"), "one", "T", "D") for _ in range(2))
    assert first == second
    assert 'id="one-' in first
    assert "dc:date" not in first
    assert '<title id="one-title">T</title>' in first


def test_themed_svg_has_no_colour_of_its_own(results: dict[str, Any]) -> None:
    drawn = themed(to_svg(per_class(results["models"]), "p", "T", "D"))
    assert f"var(--series-0, {SERIES[0]})" in drawn
    assert drawn.count("#") - drawn.count("url(#") - drawn.count('href="#') == drawn.count(", #")
