"""The ablation table: what it compares, what it leaves unseen, how it grows."""

import dataclasses
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import QUIET, TINY

from wavemel.ablation import Answers, _against, _changes, _figures, _remembered, ablate
from wavemel.checkpoint import read_json
from wavemel.data.splits import SplitChoice
from wavemel.errors import ConfigError, DataError, ModelError
from wavemel.experiment import load_experiment
from wavemel.reports.ablation import ablation_document
from wavemel.reports.document import Commands
from wavemel.reports.markdown import render_markdown
from wavemel.reports.write import write_document
from wavemel.reproduce import Plan


def answers(*right: list[float], artists: list[str], **changes) -> Answers:
    """Return answers of so many seeds."""
    n = len(right[0])
    values = {
        "seeds": tuple(range(len(right))),
        "runs": 1,
        "paths": tuple(map(str, range(n))),
        "artists": tuple(artists),
        "right": np.array(right, float),
        "loss": 1 - np.array(right, float),
        "training_top1": 0.9,
        "seconds": 1.0,
    }
    return Answers(**{**values, **changes})


def test_figures_are_means_over_clips_and_seeds() -> None:
    artists = ["a", "a", "b", "c"]
    found = _figures(answers([1, 1, 0, 1], [1, 0, 0, 0], artists=artists))
    assert found["top1"] == 0.5
    low, high = found["top1_ci95"]
    assert 0 <= low < 0.5 < high <= 1
    assert found["top1_each"] == [0.75, 0.25]
    assert found["log_loss_each"] == [0.25, 0.75]
    assert found["top1_sd"] == pytest.approx(0.5 / 2**0.5)
    assert _figures(answers([1, 1, 0, 1], artists=artists))["top1_sd"] is None


def test_differences_are_paired_by_clip_and_drawn_by_artist() -> None:
    rng = np.random.default_rng(0)
    artists = [f"artist {i // 4}" for i in range(160)]
    base = rng.random(160) < 0.6
    # Worse on every fourth clip, whoever made it.
    worse = base & (np.arange(160) % 4 != 0)
    found = _against(answers(worse, artists=artists), answers(base, artists=artists))
    assert found["difference"] == pytest.approx((worse.sum() - base.sum()) / 160)
    assert found["difference_ci95"][1] < 0
    assert found["permutation_p"] < 0.01
    same = _against(answers(base, artists=artists), answers(base, artists=artists))
    assert (same["difference"], same["permutation_p"]) == (0.0, 1.0)
    with pytest.raises(DataError, match="different clips"):
        _against(answers([1.0], artists=["a"]), answers([1.0, 0.0], artists=["a", "b"]))


def test_rows_are_compared_on_the_seeds_that_both_have() -> None:
    artists = ["a", "b", "c", "d"]
    # Seed 0 is a lucky one, for either config.
    reference = answers([1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 1], artists=artists)
    one = answers([1, 1, 1, 1], artists=artists)
    found = _against(one, reference)
    assert (found["compared_seeds"], found["difference"], found["permutation_p"]) == ([0], 0.0, 1.0)
    assert found["difference_sd"] is None
    two = answers([0, 0, 1, 1], [1, 1, 0, 0], artists=artists, seeds=(2, 1))
    found = _against(two, reference)
    assert found["compared_seeds"] == [2, 1]
    assert found["difference_each"] == [0.25, 0.25]
    assert (found["difference"], found["difference_sd"]) == (0.25, 0.0)
    other = answers([0, 0, 1, 1], artists=artists, seeds=(7,))
    assert _against(other, reference) == {"compared_seeds": [], "difference": None}


def test_a_table_says_what_its_intervals_cover_and_draws_no_news_from_one_seed() -> None:
    artists = [str(i) for i in range(40)]
    good, bad = np.ones(40), np.arange(40) % 4 == 0
    full = answers(good, good, good, artists=artists)
    table = {
        "full": full,
        "minus-a": answers(bad, bad, bad, artists=artists),
        "minus-b": answers(bad, artists=artists),
        "minus-c": answers(bad, good, artists=artists, seeds=(2, 9)),
        "minus-d": answers(bad, artists=artists, seeds=(9,)),
    }
    rows = [{"name": name, **_figures(found)} for name, found in table.items()]
    for row in rows[1:]:
        row |= {"against": "full", "changes": [], **_against(table[row["name"]], full)}
    results = {
        "title": "t",
        "command": "c",
        "created": "now",
        "data": "music",
        "synthetic": False,
        "folds": 1,
        "clips": 40,
        "artists": 40,
        "references": ["full"],
        "machine": {"versions": {"wavemel": "1"}},
        "seconds": 1.0,
        "rows": rows,
    }
    made = ablation_document(results)
    assert "over artists: minus-a (-0.750 to full)." in made.headline
    assert "2 rows are of one seed" in made.headline
    assert not any(name in made.headline for name in ("minus-b", "minus-c", "minus-d"))
    page = render_markdown(made)
    assert "take the seeds as given" in page
    lines = {line.split(" | ")[0].strip("| *"): line for line in page.splitlines() if "|" in line}
    assert "on seed 2" in lines["minus-c"]
    assert "no seed in common" in lines["minus-d"]
    # A table of an earlier version.
    for row in rows[1:]:
        for key in ("compared_seeds", "difference_sd", "difference_each"):
            row.pop(key, None)
    assert "minus-a" in ablation_document(results).headline


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    import yaml

    folder = tmp_path / "configs"
    folder.mkdir()
    tree = {**TINY, "network": {"name": "mel", "filters": 4, "dense": [8]}, "augment": {}}
    del tree["name"]
    tree["training"] = {**TINY["training"], "epochs": 1}
    (folder / "full.yaml").write_text(yaml.safe_dump(tree))
    (folder / "minus-filters.yaml").write_text("base: full.yaml\nnetwork: {filters: 2}\n")
    return folder


def plan_of(configs: Path, to: Path, **changes) -> Plan:
    values = {
        "data": "demo:clips=40,seconds=2,rate=8000",
        "configs": str(configs),
        "to": to,
        "split": SplitChoice(),
        "workers": 0,
        "name_seeds": True,
        "command": "wavemel ablate",
    }
    return Plan(**{**values, **changes})


def test_the_folder_of_configs_is_the_table(configs: Path, tmp_path: Path) -> None:
    to = tmp_path / "table"
    results = ablate(plan_of(configs, to), hardware=QUIET, gaps=True)
    full, minus = results["rows"]
    assert (full["name"], minus["name"]) == ("full", "minus-filters")
    assert minus["changes"] == ["network.filters: 2 (not 4)"]
    assert minus["against"] == "full"
    assert "against" not in full
    assert minus["difference"] == pytest.approx(minus["top1"] - full["top1"])
    assert results["split"] == "validation"
    # No test clip was looked at.
    assert not list(to.glob("runs/*/*-test.*"))
    assert all(0 <= row["training_top1"] <= 1 for row in results["rows"])

    # Another seed of one row: the others stay, and nothing is trained again.
    before = {p: p.stat().st_mtime_ns for p in to.glob("runs/*/best.safetensors")}
    again = plan_of(configs, to, seeds=(0, 1), command="wavemel ablate --rows full --seeds 0,1")
    more = ablate(again, rows=("full",), hardware=QUIET)
    assert [row["seeds"] for row in more["rows"]] == [[0, 1], [0]]
    assert all(p.stat().st_mtime_ns == at for p, at in before.items())

    written = write_document(ablation_document(more), more, to)
    page = (to / "report.md").read_text()
    assert "minus-filters" in page
    assert "network.filters: 2 (not 4)" in page
    assert "SYNTHETIC DATA" in page
    both = ["wavemel ablate", "wavemel ablate --rows full --seeds 0,1"]
    assert more["commands"] == both
    assert "```sh\n" + "\n".join(both) + "\n```" in page
    # Of a table of old, the last command is known.
    more.pop("commands")
    assert ablation_document(more).sections[-1].parts == [Commands(both[1:])]
    assert (to / "figures" / "ablation.svg") in written


def test_a_row_is_compared_with_the_reference_that_it_changes_least(
    configs: Path, tmp_path: Path
) -> None:
    (configs / "plain.yaml").write_text(
        "base: full.yaml\nnetwork: {filters: 2, dense: [4]}\ntraining: {learning_rate: 0.01}\n"
    )
    (configs / "plus-dense.yaml").write_text("base: plain.yaml\nnetwork: {dense: [8]}\n")
    (configs / "minus-filters.yaml").unlink()
    results = ablate(plan_of(configs, tmp_path / "t"), references=("full", "plain"), hardware=QUIET)
    rows = {row["name"]: row for row in results["rows"]}
    assert {name: row.get("against") for name, row in rows.items()} == {
        "full": None,
        "plain": "full",
        "plus-dense": "plain",
    }
    assert rows["plus-dense"]["changes"] == ["network.dense: [8] (not [4])"]
    expected = rows["plus-dense"]["top1"] - rows["plain"]["top1"]
    assert rows["plus-dense"]["difference"] == pytest.approx(expected)
    page = write_document(ablation_document(results), results, tmp_path / "t")
    assert "plus-dense, of plain" in next(p for p in page if p.name == "report.md").read_text()


def test_the_seed_of_the_configs_is_that_of_the_rows(configs: Path, tmp_path: Path) -> None:
    results = ablate(plan_of(configs, tmp_path / "t", changes=("seed=3",)), hardware=QUIET)
    assert [row["seeds"] for row in results["rows"]] == [[3], [3]]


def test_changes_are_against_what_defaults_mean() -> None:
    full = load_experiment("ablation/full")
    assert _changes(full, load_experiment("ablation/minus-levels")) == [
        "network.levels: false (not true)"
    ]
    # Said or left to defaults is the same.
    assert _changes(full, load_experiment("ablation/full", ["network.levels=true"])) == []
    other = load_experiment("ablation/full", ["network={name: wave-res, dense: [8]}", "augment={}"])
    filtered = load_experiment("ablation/full", ["augment={filter: {probability: 1}}"])
    assert _changes(other, filtered) == [
        'augment.filter: {"probability": 1} (not null)',
        'network: {"name": "mel-res", "dense": [64]} (not {"name": "wave-res", "dense": [8]})',
    ]


def test_what_cannot_be_compared_is_refused(configs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config 'ful'.*did you mean 'full'"):
        ablate(plan_of(configs, tmp_path / "a"), references=("ful",), hardware=QUIET)
    with pytest.raises(ConfigError, match="needs a reference"):
        ablate(plan_of(configs, tmp_path / "a"), references=(), hardware=QUIET)
    with pytest.raises(DataError, match=r"'full'.*no finished runs"):
        ablate(plan_of(configs, tmp_path / "b"), rows=("minus-filters",), hardware=QUIET)
    with pytest.raises(DataError, match=r"'all'.*no validation clips"):
        ablate(plan_of(configs, tmp_path / "b", split=SplitChoice("all")), hardware=QUIET)
    # It is said before anything is trained.
    assert not list((tmp_path / "b").glob("runs/*"))


def test_only_runs_of_this_table_are_in_it(configs: Path, tmp_path: Path) -> None:
    to = tmp_path / "table"
    (configs / "minus-filters.yaml").unlink()
    ablate(plan_of(configs, to), hardware=QUIET)
    # A cross-validation in the same folder neither counts the run of one split nor trips over it.
    folds = ablate(plan_of(configs, to, folds="all"), hardware=QUIET)
    assert [(row["seeds"], row["runs"]) for row in folds["rows"]] == [([0], 5)]
    assert folds["clips"] == 40
    # A config that has changed since its runs were made would lend them its name.
    full = configs / "full.yaml"
    full.write_text(full.read_text().replace("batch_size: 8", "batch_size: 4"))
    (configs / "other.yaml").write_text("base: full.yaml\n")
    with pytest.raises(ModelError, match=r"another training\.batch_size"):
        ablate(plan_of(configs, to), rows=("other",), hardware=QUIET)
    assert not list(to.glob("runs/other*"))


def test_a_table_takes_no_other_reports_place(configs: Path, tmp_path: Path) -> None:
    to = tmp_path / "report"
    (to / "runs").mkdir(parents=True)
    report = to / "results.json"
    report.write_text('{"command": "wavemel reproduce", "models": []}')
    before = report.read_text()
    with pytest.raises(ModelError, match=r"results.json is no table of 'wavemel ablate'.*--to"):
        ablate(plan_of(configs, to), hardware=QUIET)
    assert report.read_text() == before
    assert not list(to.glob("runs/*"))


def test_rows_of_other_numbers_of_epochs_are_not_compared(configs: Path, tmp_path: Path) -> None:
    to = tmp_path / "table"
    plan = plan_of(configs, to)
    ablate(plan, hardware=QUIET)
    # More epochs than a run has: it goes on, and what has fewer is no row of that table.
    longer = dataclasses.replace(plan, changes=("training.epochs=2",))
    minus = ("minus-filters",)
    assert [r["name"] for r in ablate(longer, minus, minus, QUIET)["rows"]] == ["minus-filters"]
    assert read_json(to / "runs" / "minus-filters-seed0" / "run.json")["epochs"] == 2
    with pytest.raises(ModelError, match=r"minus-filters-seed0 .*another training\.epochs"):
        ablate(plan, hardware=QUIET)
    # A run that may stop early is not one that may not.
    patient = dataclasses.replace(longer, changes=(*longer.changes, "training.patience=1"))
    with pytest.raises(ModelError, match=r"another training\.patience"):
        ablate(patient, minus, minus, QUIET)


def test_every_calls_command_is_kept(tmp_path: Path) -> None:
    def call(command: str, *, run: str = "", error: type[BaseException] | None = None) -> list[str]:
        plan = Plan("demo", "configs", tmp_path, SplitChoice(), command=command)
        with suppress(*([error] if error else [])), _remembered(plan) as commands:
            if run:
                (tmp_path / "runs" / run).mkdir(parents=True)
                (tmp_path / "runs" / run / "run.json").write_text("{}")
            if error is not None:
                raise error
        return commands

    # A table from before commands were kept.
    (tmp_path / "results.json").write_text('{"command": "a"}')
    assert call("b") == ["a", "b"]
    assert call("b") == ["a", "b"]
    # What was refused has made no row; what was refused later on, or stopped, may have.
    assert call("c", error=ModelError) == ["a", "b", "c"]
    assert call("d", run="x", error=ModelError) == ["a", "b", "d"]
    assert call("e", error=KeyboardInterrupt) == ["a", "b", "d", "e"]
    # Made by the last call, which names the references.
    assert call("a") == ["a", "b", "d", "e", "a"]
    assert call("f") == ["a", "b", "d", "e", "f"]


def test_every_shipped_row_changes_one_part() -> None:
    """`minus-X` differs from `full` where `plus-X` differs from `plain`, and nowhere else."""
    from wavemel.experiment import config_set
    from wavemel.training.folder import flat_settings

    experiments = {e.name: flat_settings(e) for e in map(load_experiment, config_set("ablation"))}

    def differs(one: str, other: str) -> set[str]:
        a, b = experiments[one], experiments[other]
        return {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)} - {"name"}

    parts = {name.removeprefix("minus-") for name in experiments if name.startswith("minus-")}
    assert parts == {n.removeprefix("plus-") for n in experiments if n.startswith("plus-")}
    assert len(parts) >= 8
    together: set[str] = set()
    for part in parts:
        taken = differs("full", f"minus-{part}")
        added = differs("plain", f"plus-{part}")
        assert taken, part
        assert taken == added, part
        assert not together & taken, part
        together |= taken
    assert together == differs("full", "plain")
