"""What a report says is what results.json holds."""

from collections.abc import Callable
from typing import Any

import pytest

from wavemel.reports.content import make_document
from wavemel.reports.document import Charts, Commands, Document, Table, Text
from wavemel.reports.html import render_html
from wavemel.reports.markdown import render_markdown
from wavemel.reports.results import check_results
from wavemel.reports.tables import HEADLINE, left_out_table, pair_table, table_1, track_table
from wavemel.reports.wording import interval, number, other_data_note

Build = Callable[..., dict[str, Any]]


def document(results: dict[str, Any]) -> Document:
    return make_document(dict(check_results(results)))


@pytest.fixture(scope="module")
def made(build_results: Build) -> Document:
    """Return the report on `results` as they are."""
    return document(build_results())


def tables(made: Document) -> dict[str, Table]:
    return {
        part.caption: part
        for section in made.sections
        for part in section.parts
        if isinstance(part, Table)
    }


def words(made: Document) -> str:
    return " ".join(p.text for s in made.sections for p in s.parts if isinstance(p, Text))


def test_figures_of_clips_that_training_has_seen_say_so(results: dict[str, Any]) -> None:
    assert document(results).banners == []  # of test clips

    def banner(split: str, **training: Any) -> list[tuple[str, str]]:
        for model in results["models"]:
            model["split"] = split
            if model["experiment"]:
                model["experiment"]["training"].update(training)
        return document(results).banners

    ((title, text),) = banner("training")
    assert title == "TRAINING CLIPS"
    assert "nothing of music that is new" in text
    ((title, text),) = banner("validation", select="validation_top1")
    assert title == "VALIDATION CLIPS"
    assert "of wave, mel and combined was picked by the clips" in text
    assert len(banner("validation", select="last", patience=3)) == 1
    assert banner("validation", select="last", patience=None) == []


def test_every_chapter_is_there(results: dict[str, Any], made: Document) -> None:
    assert [s.key for s in made.sections] == [
        *("results", "networks", "training", "genres", "confidence", "data", "repeat"),
    ]
    names = [chart.name for chart in made.charts()]
    assert names[:6] == [
        *("architecture-wave", "architecture-mel", "architecture-combined"),
        *("training-loss", "validation-loss", "validation-top1"),
    ]
    # The paper's numbers: 1-3 the architectures, 4-6 the curves.
    assert [c.caption.split(".")[0] for c in made.charts()] == [
        f"Figure {i + 1}" for i in range(len(names))
    ]
    assert names.count("confusion-mel") == 1
    assert "reliability" in names
    (commands,) = [p for p in made.sections[-1].parts if isinstance(p, Commands)]
    assert results["command"] in commands.lines


def test_tables_say_why_macro_figures_have_no_interval(results: dict[str, Any]) -> None:
    assert "no interval" not in table_1(results).note
    for level in (results["models"][0], results["models"][0]["track"]):
        level["one_group"] = ["rock"]
    for table in (table_1(results), track_table(results)):
        assert table is not None
        assert table.note.endswith("one track): rock.")


def test_table_1_is_results_json(results: dict[str, Any]) -> None:
    table = table_1(results)
    for model, row in zip(results["models"], table.rows, strict=True):
        assert row[0].text == model["name"]
        for (key, _), cell in zip(HEADLINE, row[1:6], strict=True):
            assert float(cell.text) == pytest.approx(model[key], abs=5.1e-4)
            low, high = map(float, cell.note.strip("[]").split(","))
            assert [low, high] == pytest.approx(model[f"{key}_ci95"], abs=5.1e-4)
            highest = max(m[key] for m in results["models"])
            assert cell.strong == (model[key] == highest)


def test_the_papers_figures_stand_beside_its_networks_only(build_results: Build) -> None:
    results = build_results(skills={"wave": 0.5, "tiny": 0.4}, experiments={"tiny": "mel"})
    by_name = {row[0].text: [c.text for c in row[6:]] for row in table_1(results).rows}
    assert by_name["wave"] == ["0.89", "0.69", "0.69", "0.69"]
    assert by_name["tiny"] == by_name["majority"] == ["–"] * 4
    none = build_results(skills={"tiny": 0.4}, experiments={"tiny": "mel"})
    assert len(table_1(none).columns) == 6


def test_seeds_of_a_network_are_the_papers_too(results: dict[str, Any]) -> None:
    results["models"][0]["name"] = "wave (seed 3)"
    assert table_1(results).rows[0][6].text == "0.89"


def test_other_data_than_the_papers_are_pointed_out(
    results: dict[str, Any], made: Document
) -> None:
    assert "cannot be compared with figures on emotify" in words(made)
    for name in ("fma_small", "FMA-small"):
        results["data"]["name"] = name
        assert other_data_note(results) == ""
    results["data"]["name"] = "emotify"
    results["models"] = results["models"][3:]
    assert other_data_note(results) == ""


def test_track_level_and_pairs_are_results_json(results: dict[str, Any]) -> None:
    found, paired = track_table(results), pair_table(results)
    assert found is not None
    assert paired is not None
    networks = [m for m in results["models"] if m["track"]]
    assert [r[2].text for r in found.rows] == [number(m["track"]["top1"]) for m in networks]
    for pair, row in zip(results["pairs"], paired.rows, strict=True):
        assert row[0].text == f"{pair['a']} − {pair['b']}"
        assert float(row[1].text.replace("−", "-")) == pytest.approx(pair["difference"], abs=5.1e-4)
        assert row[1].note == interval(pair["difference_ci95"])
        beyond = (
            pair["holm_p"] < 0.05 and pair["difference_ci95"][0] * pair["difference_ci95"][1] > 0
        )
        assert ("no significant" in row[5].text) == (not beyond)


def test_per_class_and_counts_are_results_json(results: dict[str, Any], made: Document) -> None:
    found = tables(made)
    rows = found["Table 4. By genre, clip level"].rows
    for i, model in enumerate(results["models"]):
        for row, per_class in zip(rows, model["per_class"], strict=True):
            assert row[0].text == per_class["class"]
            values = [float(c.text) for c in row[2 + 3 * i : 5 + 3 * i]]
            wanted = [per_class[k] for k in ("precision", "recall", "f1")]
            assert values == pytest.approx(wanted, abs=5.1e-4)
    counts = found["Clips used, by genre and split"]
    for row in counts.rows[:-1]:
        for split, cell in zip(counts.columns[1:], row[1:], strict=True):
            assert int(cell.text.replace(",", "")) == results["data"]["counts"][split][row[0].text]


def test_synthetic_data_are_announced_and_only_then(build_results: Build, made: Document) -> None:
    announced = document(build_results(synthetic=True, data="demo", epochs=2))
    for shown, synthetic in ((announced, True), (made, False)):
        for text in (render_html(shown), render_markdown(shown)):
            assert ("SYNTHETIC DATA" in text) == synthetic


def test_split_and_leak_check_are_told(results: dict[str, Any], made: Document) -> None:
    told = [row[1].text for row in tables(made)["Split and leak check"].rows]
    assert told == [results["data"]["split"], results["data"]["leak"]]


def test_nothing_is_bold_where_all_are_equal(results: dict[str, Any]) -> None:
    for model in results["models"]:
        model["top1"] = 0.5
    assert not any(row[1].strong for row in table_1(results).rows)


def test_what_was_left_out_is_listed(results: dict[str, Any], made: Document) -> None:
    assert "3 (2 duplicate and 1 short)" in words(made)
    table = left_out_table(results["data"])
    assert table is not None
    assert table.folded
    assert [c.text for c in table.rows[0]] == ["rock/a_1.mp3", "short", "1.5 s of the 15 s wanted"]
    assert "<details>" in render_markdown(made)
    assert left_out_table(results["data"] | {"left_out_clips": []}) is None


def test_very_long_lists_are_cut_and_say_so(results: dict[str, Any]) -> None:
    clip = {"path": "a", "status": "short", "reason": ""}
    table = left_out_table(results["data"] | {"left_out_clips": [clip] * 2345})
    assert table is not None
    assert len(table.rows) == 2000
    assert table.note.startswith("345 more")


def test_folds_are_pooled_and_drawn_as_a_band(build_results: Build) -> None:
    made = document(build_results(folds=5, epochs=4))
    assert ("test folds", "5, pooled") in made.facts
    assert "5 runs" in words(made)
    settings = tables(made)["How the networks were trained"]
    best = next(row for row in settings.rows if row[0].text == "best epoch")
    assert best[1].text.count(",") == 4


def test_baselines_alone_make_a_report(build_results: Build) -> None:
    results = build_results(skills={})
    results["data"] |= {"left_out": {}, "left_out_clips": []}
    made = document(results)
    assert "Left out by rule: nothing" in words(made)
    assert "networks" not in [s.key for s in made.sections]
    assert "training" not in [s.key for s in made.sections]
    assert any(isinstance(p, Charts) for p in made.sections[1].parts)


def test_text_of_others_is_no_markup(made: Document) -> None:
    page, text = render_html(made), render_markdown(made)
    assert "<b>one</b>" not in page
    assert "&lt;b&gt;one&lt;/b&gt;" in page
    assert "\\<b\\>one" in text
    assert "pop/b\\|2.mp3" in text


def test_without_validation_clips_there_are_no_validation_curves(
    results: dict[str, Any],
) -> None:
    for model in results["models"]:
        for row in (row for run in model["history"] for row in run):
            row["validation_loss"] = row["validation_top1"] = float("nan")
    names = [chart.name for chart in document(results).charts()]
    assert "training-loss" in names
    assert not [name for name in names if name.startswith("validation")]
