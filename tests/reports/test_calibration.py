"""The chapter on calibration says what results.json holds, and is missing where it holds none."""

import copy
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from miscalibrated import CLASSES, predictions

from wavemel.evaluation.calibrate import calibrate_folds, calibrate_split
from wavemel.reports.calibration import (
    FIGURES,
    calibration_section,
    threshold_table,
    write_figures,
)
from wavemel.reports.content import make_document
from wavemel.reports.document import Charts, Section, Table, Text
from wavemel.reports.figures import coverage
from wavemel.reports.html import render_html
from wavemel.reports.markdown import render_markdown
from wavemel.reports.results import ResultsError, check_results
from wavemel.reports.wording import interval, number, percent

REPOSITORY = Path(__file__).parents[2]
Build = Callable[..., dict[str, Any]]


def folds(sharpness: float, size: int = 150) -> dict[str, Any]:
    members = [
        (predictions(size, sharpness=sharpness, artists=40, seed=i, name=f"f{i}-"), i)
        for i in range(3)
    ]
    return calibrate_folds(members, CLASSES, precision=0.8)


@pytest.fixture(scope="module")
def calibrated(build_results: Build) -> dict[str, Any]:
    """Return results in which two of three networks are calibrated."""
    results = build_results(folds=3, epochs=3)
    results["models"][0]["calibration"] = folds(3)
    results["models"][1]["calibration"] = folds(0.5)
    results["models"][2]["calibration"] = None
    return dict(check_results(results))


@pytest.fixture(scope="module")
def section(calibrated: dict[str, Any]) -> Section:
    found = calibration_section(calibrated, iter(range(10, 20)))
    assert found is not None
    return found


def tables(section: Section) -> list[Table]:
    return [part for part in section.parts if isinstance(part, Table)]


def test_figures_before_and_after_are_results_json(
    calibrated: dict[str, Any], section: Section
) -> None:
    rows = tables(section)[0].rows
    assert [row[0].text for row in rows] == ["wave", "mel"]
    for model, row in zip(calibrated["models"], rows, strict=False):
        found = model["calibration"]
        before, after = found["before"], found["after"]
        assert row[1].text == f"{found['temperature']:.2f}"
        low, high = map(float, row[1].note.split("–"))
        assert low == pytest.approx(min(found["temperatures"]), abs=0.006)
        assert high == pytest.approx(max(found["temperatures"]), abs=0.006)
        assert [c.text for c in row[2:4]] == [number(before["ece"]), number(after["ece"])]
        assert [c.note for c in row[2:4]] == [
            interval(before["ece_ci95"]),
            interval(after["ece_ci95"]),
        ]
        assert [c.text for c in row[4:6]] == [number(s["ece_chance"]) for s in (before, after)]
        assert [c.text for c in row[6:8]] == [number(s["log_loss"]) for s in (before, after)]
        assert len(row) == len(tables(section)[0].columns)
    assert float(rows[0][2].text) > float(rows[0][3].text)
    assert "fitted on all held-out tracks together" in tables(section)[0].note


def test_threshold_and_what_it_does_are_results_json(
    calibrated: dict[str, Any], section: Section
) -> None:
    table = tables(section)[1]
    assert "80.0\u00a0%" in table.caption
    for model, row in zip(calibrated["models"], table.rows, strict=False):
        unsure, held = model["calibration"]["unsure"], model["calibration"]["held_out"]
        assert row[1].text == number(unsure["below"])
        assert row[2].text == ("yes" if unsure["promised"] else "no")
        assert [c.text for c in row[3:5]] == [
            percent(unsure["coverage"]),
            number(unsure["share_right"]),
        ]
        assert [c.text for c in row[5:7]] == [
            percent(held["coverage"]),
            number(held["share_right"]),
        ]
        assert row[7].text == f"{sum(held['promised'])} of 3"
        assert row[8].text == number(model["calibration"]["after"]["aurc"])
        assert len(row) == len(table.columns) == sum(span for _, span, _ in table.groups)
    assert "break no promise" in table.note


def test_promises_of_folds_stand_only_where_they_were_counted(calibrated: dict[str, Any]) -> None:
    models = copy.deepcopy([m for m in calibrated["models"] if m.get("calibration")])
    del models[0]["calibration"]["held_out"]["promised"]
    assert threshold_table(models).rows[0][7].text == "–"
    del models[1]["calibration"]["held_out"]["promised"]
    table = threshold_table(models)
    assert table.columns.count("promised") == 1
    assert len(table.rows[0]) == len(table.columns) == sum(span for _, span, _ in table.groups)
    assert "Held out" not in table.note


def test_chapter_stands_in_the_report_with_its_figures(calibrated: dict[str, Any]) -> None:
    made = make_document(calibrated)
    assert [s.key for s in made.sections][4:6] == ["confidence", "calibration"]
    names = [chart.name for chart in made.charts()]
    assert names[-3:] == list(FIGURES)
    assert [c.caption.split(".")[0] for c in made.charts()] == [
        f"Figure {i + 1}" for i in range(len(names))
    ]
    for text in (render_html(made), render_markdown(made)):
        assert "fitted on the tracks of the other folds" in text


def test_coverage_curve_and_its_dot(calibrated: dict[str, Any]) -> None:
    found = calibrated["models"][0]["calibration"]
    axes = coverage([{"name": "wave", **{k: found[k] for k in ("curve", "unsure")}}]).axes[0]
    line, dot = axes.lines[:2]
    assert list(line.get_xdata()) == [row["coverage"] for row in found["curve"]]
    assert list(line.get_ydata()) == [row["precision"] for row in found["curve"]]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (
        found["unsure"]["coverage"],
        found["unsure"]["share_right"],
    )
    # No threshold, no dot: the reference line is the one that follows.
    none = {"name": "wave", "curve": found["curve"], "unsure": found["unsure"] | {"below": None}}
    assert len(coverage([none]).axes[0].lines) == len(axes.lines) - 1


def test_one_split_says_on_which_clips(results: dict[str, Any]) -> None:
    validation, test = (predictions(80, sharpness=3, seed=i, name=f"{i}-") for i in range(2))
    results["models"][0]["calibration"] = calibrate_split(validation, test, CLASSES)
    section = calibration_section(dict(check_results(results)), iter(range(1, 9)))
    assert section is not None
    assert any("the validation tracks" in p.text for p in section.parts if isinstance(p, Text))
    assert tables(section)[0].rows[0][1].note == ""
    assert tables(section)[0].note.startswith("Temperature: fitted on the validation tracks; above")
    assert sum(isinstance(p, Charts) for p in section.parts) == 1


def test_nothing_reached_is_shown_as_nothing(results: dict[str, Any]) -> None:
    spoilt = [(predictions(60, seed=i, name=f"{i}-").assign(genre="pop"), i) for i in range(2)]
    found = calibrate_folds(spoilt, CLASSES, precision=0.99)
    assert found["unsure"]["below"] is None
    results["models"][0]["calibration"] = found
    section = calibration_section(dict(check_results(results)), iter(range(1, 9)))
    assert section is not None
    row = tables(section)[1].rows[0]
    assert [c.text for c in row[1:5]] == ["–", "no", "0.0\u00a0%", "–"]


#: Tables of ablations hold rows, not models.
COMPARISONS = [
    path
    for path in sorted(REPOSITORY.glob("results/*/results.json"))
    if "models" in json.loads(path.read_text("utf-8"))
]


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.parent.name)
def test_older_results_are_still_results(path: Path) -> None:
    kept = json.loads(path.read_text("utf-8"))
    older = {**kept, "models": [{**m} for m in kept["models"]]}
    for model in older["models"]:
        model.pop("calibration", None)
    assert calibration_section(dict(check_results(older)), iter([1])) is None


def test_a_broken_calibration_is_named(results: dict[str, Any]) -> None:
    results["models"][0]["calibration"] = folds(2)
    del results["models"][0]["calibration"]["after"]["ece"]
    with pytest.raises(ResultsError, match=r"models\.0\.calibration\.after\.ece"):
        check_results(results)


def test_figures_of_one_calibration_are_written(tmp_path: Path) -> None:
    write_figures(folds(3), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{n}.svg" for n in FIGURES)
    for path in tmp_path.iterdir():
        assert ET.parse(path).getroot()[1].text
