import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from wavemel.reports.results import ResultsError, check_agreement
from wavemel.reports.write import write_report

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects ids, addresses and tags, and checks that every tag is closed by its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            if key == "id" and value:
                self.ids.append(value)
            if key in ("src", "href", "xlink:href", "srcset", "data", "action") and value:
                self.addresses.append(value)


def read(folder: Path) -> Page:
    page = Page()
    page.feed((folder / "report.html").read_text("utf-8"))
    page.close()
    return page


@pytest.fixture(scope="module")
def report(
    build_results: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Return the files of a report on `results` as they are."""
    return write_report(build_results(), tmp_path_factory.mktemp("new") / "report")


def test_the_folder_holds_what_a_reader_needs(report: list[Path]) -> None:
    folder = report[0].parent
    names = {p.relative_to(folder).as_posix() for p in report}
    assert {"report.html", "report.md", "results.json"} <= names
    assert {
        f"figures/{n}.svg" for n in ("training-loss", "validation-loss", "validation-top1")
    } <= names
    assert {p for p in folder.rglob("*") if p.is_file()} == set(report)  # no temporary file stays
    assert report[0].name == "report.html"


def test_markdown_links_what_lies_beside_it(report: list[Path]) -> None:
    text = (report[0].parent / "report.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert len(links) >= 9
    assert all((report[0].parent / link).is_file() for link in links)
    assert "http" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line) for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1, table


def test_page_is_well_formed_and_asks_nothing_of_the_network(report: list[Path]) -> None:
    folder = report[0].parent
    page = read(folder)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(a.startswith(("#", "data:")) for a in page.addresses)
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)
    assert not page.tags & {"script", "iframe", "img", "object", "embed"}
    assert "@import" not in (folder / "report.html").read_text("utf-8")


def test_figures_are_svg_with_title_and_description(report: list[Path]) -> None:
    drawings = [p for p in report if p.suffix == ".svg"]
    assert len(drawings) >= 9
    for path in drawings:
        root = ET.parse(path).getroot()
        kinds = [child.tag.rsplit("}")[-1] for child in root][:2]
        assert kinds == ["title", "desc"], path
        assert all(child.text for child in list(root)[:2])
        assert root.get("role") == "img"


def test_same_results_give_the_same_bytes(
    results: dict[str, Any], report: list[Path], tmp_path: Path
) -> None:
    for a, b in zip(report, write_report(results, tmp_path), strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_a_report_keeps_no_figure_that_it_no_longer_has(
    results: dict[str, Any], tmp_path: Path
) -> None:
    write_report(results, tmp_path)
    figures = tmp_path / "figures"
    page = tmp_path / "report.md"
    page.write_text(page.read_text("utf-8") + "\n![Gaps](figures/overfitting-of-before.svg)\n")
    (figures / "overfitting-of-before.svg").write_text("<svg/>")
    (figures / "mine.svg").write_text("<svg/>")
    before = {p.name for p in figures.iterdir()}
    write_report(results, tmp_path)
    assert {p.name for p in figures.iterdir()} == before - {"overfitting-of-before.svg"}


def test_results_json_holds_what_went_in(
    build_results: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    results = build_results(skills={})
    results["models"][0]["log_loss"] = float("nan")
    results["models"][0]["top1_ci95"] = tuple(results["models"][0]["top1_ci95"])
    results["models"][0]["further"] = {"kept": 1}
    write_report(results, tmp_path)
    read_back = json.loads((tmp_path / "results.json").read_text("utf-8"))
    model = read_back["models"][0]
    assert model["log_loss"] is None
    assert model["further"] == {"kept": 1}
    assert model["top1_ci95"] == list(results["models"][0]["top1_ci95"])
    assert read_back["pairs"] == results["pairs"]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("data", "leak"), "data.leak"),
        (("models", 1, "macro_f1"), "models.1.macro_f1"),
        (("machine", "versions"), "machine.versions"),
        (("pairs", 0, "holm_p"), "pairs.0.holm_p"),
        (("created",), "created"),
    ],
)
def test_a_missing_key_is_named_and_nothing_is_written(
    results: dict[str, Any], tmp_path: Path, path: tuple[Any, ...], named: str
) -> None:
    holder: Any = results
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    with pytest.raises(ResultsError, match=f"no key '{named}'"):
        write_report(results, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_wrong_shapes_are_refused(results: dict[str, Any], tmp_path: Path) -> None:
    results["models"][0]["confusion"] = [[1, 2], [3, 4]]
    with pytest.raises(ResultsError, match=r"models\.0\.confusion.*4 rows of 4"):
        write_report(results, tmp_path)


def _another_count(results: dict[str, Any]) -> str:
    results["data"]["counts"]["test"]["pop"] += 1
    return "the test clips of wave at clip level are .* data.counts has"


def _another_truth(results: dict[str, Any]) -> str:
    rows = results["models"][1]["confusion"]
    rows[0][0], rows[1][1] = rows[0][0] - 1, rows[1][1] + 1
    return "the test clips of mel at clip level are"


def _another_n(results: dict[str, Any]) -> str:
    results["models"][1]["track"]["n"] = 81
    return "mel has n = 81 at track level and 82 answers"


def _another_top1(results: dict[str, Any]) -> str:
    results["models"][2]["top1"] += 0.01
    return "combined has top-1 .* answers right"


def _another_difference(results: dict[str, Any]) -> str:
    results["pairs"][0]["difference"] += 0.01
    return "pairs has .* between wave and mel, whose top-1 are"


def _another_rival(results: dict[str, Any]) -> str:
    results["pairs"][0]["b"] = "melody"
    return "pairs has wave and melody, not both of which are models"


def _another_name(results: dict[str, Any]) -> str:
    results["models"][1]["name"] = "wave"
    return "two models have one name"


def _another_mean(results: dict[str, Any]) -> str:
    each = []
    for seed, model in enumerate(results["models"][:2]):
        model["name"] = f"wave (seed {seed})"
        each.append(model["track"]["top1"])
    row = {"name": "wave", "seeds": [0, 1], "n": 82, "top1": sum(each) / 2, "top1_each": each}
    results["pairs"] = []
    results["over_seeds"] = [{**row, "top1_sd": 0.0, "top1_ci95": None}]
    check_agreement(results)
    results["over_seeds"][0]["top1"] += 0.01
    return "over_seeds has .* of wave, whose seeds have"


@pytest.mark.parametrize(
    "contradict",
    [
        *(_another_count, _another_truth, _another_n, _another_top1),
        *(_another_difference, _another_rival, _another_name, _another_mean),
    ],
)
def test_a_report_that_contradicts_itself_is_not_written(
    results: dict[str, Any], tmp_path: Path, contradict: Callable[[dict[str, Any]], str]
) -> None:
    said = contradict(results)
    with pytest.raises(ResultsError, match=f"contradict themselves: {said}"):
        write_report(results, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_no_models_and_wrong_format_are_refused(results: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="format 2"):
        write_report({**results, "format": 2}, tmp_path)
    with pytest.raises(ResultsError, match="no models"):
        write_report({**results, "models": []}, tmp_path)
