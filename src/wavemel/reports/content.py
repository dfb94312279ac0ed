"""Results -> the report's content, the same for every format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wavemel.reports import diagram, figures
from wavemel.reports.calibration import calibration_section
from wavemel.reports.diagram import text_diagram
from wavemel.reports.document import (
    Bullets,
    Chart,
    Charts,
    Commands,
    Document,
    Part,
    Section,
    Text,
)
from wavemel.reports.headline import headline
from wavemel.reports.settings import settings_table
from wavemel.reports.svg import to_svg
from wavemel.reports.tables import (
    confidence_table,
    count_table,
    left_out_table,
    machine_table,
    overfitting_table,
    pair_table,
    per_class_table,
    seed_table,
    split_table,
    table_1,
    track_table,
)
from wavemel.reports.wording import (
    accuracy_note,
    duration,
    known_clips_banner,
    listing,
    number,
    other_data_note,
    paper_name,
    percent,
    synthetic_banner,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wavemel.networks.describe import Block

_CAPTIONS = {
    "training_loss": "training loss over epochs",
    "validation_loss": "validation loss over epochs",
    "validation_top1": "validation accuracy (top-1) over epochs",
}


def make_document(results: dict[str, Any]) -> Document:
    """Return the report's content; ``results`` must have passed `check_results`."""
    data = results["data"]
    sentence, details = headline(results)
    counter = iter(range(1, 1000))
    sections = [
        _results_section(results),
        _networks_section(results, counter),
        _training_section(results, counter),
        _genres_section(results, counter),
        _confidence_section(results, counter),
        calibration_section(results, counter),
        _data_section(results),
        _repeat_section(results),
    ]
    return Document(
        title=results["title"],
        headline=sentence,
        details=details,
        banners=_banners(results),
        facts=_facts(results),
        sections=[s for s in sections if s is not None],
        footer=f"Made by wavemel {results['machine']['versions'].get('wavemel', '')} on "
        f"{_moment(results['created'])} from results.json alone (data {data['hash']}).",
    )


def _banners(results: dict[str, Any]) -> list[tuple[str, str]]:
    data, known = results["data"], known_clips_banner(results["models"])
    banners = [synthetic_banner(data["name"])] if data["synthetic"] else []
    return [*banners, *([known] if known else [])]


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    data, models = results["data"], results["models"]
    split = models[0]["split"]
    clips = sum(sum(counts.values()) for counts in data["counts"].values())
    facts = [
        ("data", data["name"] + (" (synthetic)" if data["synthetic"] else "")),
        ("genres", str(len(models[0]["classes"]))),
        ("clips used", f"{clips:,}"),
        (f"{split} clips", f"{models[0]['n']:,}"),
    ]
    if models[0]["n_groups"] not in (None, models[0]["n"]):
        facts.append((f"{split} artists", f"{models[0]['n_groups']:,}"))
    if results["folds"] > 1:
        facts.append((f"{split} folds", f"{results['folds']}, pooled"))
    facts.append(("took", duration(results["seconds"])))
    return facts


def _results_section(results: dict[str, Any]) -> Section:
    parts: list[Part] = [table_1(results)]
    parts += [Text(note) for note in [other_data_note(results)] if note]
    parts.append(Text(accuracy_note(len(results["models"][0]["classes"]))))
    for table in (
        track_table(results),
        seed_table(results),
        pair_table(results),
        pair_table(results, "track_pairs"),
    ):
        if table is not None:
            parts.append(table)
    return Section("results", "Results", parts)


def _networks_section(results: dict[str, Any], counter: Iterator[int]) -> Section | None:
    settings = settings_table(results)
    if settings is None:
        return None
    charts: dict[str, Chart] = {}
    for model in results["models"]:
        if model["experiment"] is None:
            continue
        blocks = _blocks(model)
        # Seeds and folds of one network share a drawing.
        key = text_diagram(blocks)
        if key in charts:
            continue
        name = paper_name(model) or model["name"]
        title = f"Figure {next(counter)}. Architecture of {name}"
        slug = f"architecture-{_slug(name)}"
        charts[key] = _chart(slug, title, diagram.architecture(blocks), key)
    intro = Text(
        "Drawn from the modules that were trained. Beside each arrow: the shape for one clip; "
        "wavemel describe prints every layer."
    )
    return Section("networks", "Networks", [intro, Charts(list(charts.values())), settings])


def _blocks(model: dict[str, Any]) -> list[Block]:
    import torch

    from wavemel.experiment import make_experiment, network_arguments
    from wavemel.networks import build_network
    from wavemel.networks.describe import block_diagram, input_shapes

    experiment = make_experiment(model["experiment"], f"the results of {model['name']}")
    with torch.device("meta"):
        network = build_network(**network_arguments(experiment, len(model["classes"])))
    return block_diagram(network, *input_shapes(network, experiment))


def _training_section(results: dict[str, Any], counter: Iterator[int]) -> Section | None:
    trained = [m for m in results["models"] if m["history"]]
    if not trained:
        return None
    runs = max(len(m["history"]) for m in trained)
    charts = []
    for key, what in _CAPTIONS.items():
        if not any(row[key] is not None for m in trained for run in m["history"] for row in run):
            # Trained on the validation clips too: there is no curve to draw.
            continue
        title = f"Figure {next(counter)}. {what[0].upper()}{what[1:]}"
        description = "; ".join(_curve_words(m, key) for m in trained)
        figure = figures.curves(results, key)
        charts.append(_chart(key.replace("_", "-"), title, figure, description))
    parts: list[Part] = [Charts(charts)]
    if runs > 1:
        parts.insert(
            0, Text(f"Lines are means over up to {runs} runs (folds or seeds), bands their range.")
        )
    asked = [m for m in results["models"] if m.get("overfitting")]
    asked += results.get("beside", [])
    if asked:
        title = (
            f"Figure {next(counter)}. Overfitting: top-1 on training clips and on held-out clips"
        )
        words = "; ".join(f"{m['name']}: gap {number(m['overfitting']['gap'])}" for m in asked)
        parts.append(Charts([_chart("overfitting", title, figures.overfitting(asked), words)]))
        parts.append(overfitting_table(asked))
        if results.get("beside"):
            parts.append(
                Text(
                    "Networks with another report's name in brackets are that report's; where it did not "
                    "ask them about their training clips, the figures are those that training logged in "
                    "the last epoch, of one window a clip."
                )
            )
    return Section("training", "Training", parts)


def _genres_section(results: dict[str, Any], counter: Iterator[int]) -> Section:
    models = results["models"]
    title = f"Figure {next(counter)}. F1 by genre"
    words = "; ".join(
        f"{m['name']}: "
        + ", ".join(
            f"{g} {number(row['f1'], 2)}"
            for g, row in zip(m["classes"], m["per_class"], strict=True)
        )
        for m in models
    )
    parts: list[Part] = [Charts([_chart("per-class", title, figures.per_class(models), words)])]
    matrices = []
    look = figures.styles([m["name"] for m in models])
    for model in models:
        title = f"Figure {next(counter)}. Confusion matrix of {model['name']}"
        right = sum(row[i] for i, row in enumerate(model["confusion"]))
        words = (
            f"{right:,} of {model['n']:,} {model['split']} clips on the diagonal. {_worst(model)}"
        )
        figure = figures.confusion(model, look[model["name"]]["color"])
        matrices.append(_chart(f"confusion-{_slug(model['name'])}", title, figure, words))
    parts.append(Charts(matrices))
    parts.append(per_class_table(models))
    return Section("genres", "Genres", parts)


def _confidence_section(results: dict[str, Any], counter: Iterator[int]) -> Section:
    parts: list[Part] = [confidence_table(results)]
    models = [m for m in results["models"] if m.get("reliability")]
    if models:
        title = f"Figure {next(counter)}. Share right at the confidence stated (bins of {figures.FEWEST} clips or more)"
        words = "On the dotted line stated confidence is right. " + "; ".join(
            f"{m['name']}: calibration error {number(m['ece'])}" for m in models
        )
        parts.append(Charts([_chart("reliability", title, figures.reliability(models), words)]))
    return Section("confidence", "Confidence", parts)


def _data_section(results: dict[str, Any]) -> Section:
    data = results["data"]
    parts: list[Part] = [split_table(data)]
    if results["folds"] > 1:
        parts.append(
            Text(
                f"The test figures pool {results['folds']} folds: each of their "
                f"{results['models'][0]['n']:,} clips was tested once, by networks that were trained "
                "without its fold."
            )
        )
    if data["notes"]:
        parts.append(Bullets(list(data["notes"])))
    parts.append(count_table(data))
    total = sum(data["left_out"].values())
    if total:
        why = listing([f"{n:,} {status}" for status, n in sorted(data["left_out"].items())])
        parts.append(Text(f"Left out by rule: {total:,} ({why})."))
    else:
        parts.append(Text("Left out by rule: nothing."))
    table = left_out_table(data)
    if table is not None:
        parts.append(table)
    return Section("data", "Data", parts)


def _repeat_section(results: dict[str, Any]) -> Section:
    parts: list[Part] = [
        Commands(["pip install 'wavemel[train]'", results["command"]]),
        Text(
            f"Seeds {_seeds(results)}; {duration(results['seconds'])} in all; "
            f"data table hash {results['data']['hash']}."
        ),
        machine_table(results["machine"]),
    ]
    return Section("repeat", "Repeat it", parts)


def _chart(name: str, title: str, figure: Figure, words: str) -> Chart:
    return Chart(name, title, to_svg(figure, name, title, words), figure.get_figwidth())


def _moment(created: str) -> str:
    return created.replace("T", " ").replace("+00:00", " UTC")


def _seeds(results: dict[str, Any]) -> str:
    return listing(
        [str(s) for s in sorted({s for m in results["models"] for s in m["seeds"]})] or ["–"]
    )


def _curve_words(model: dict[str, Any], key: str) -> str:
    last = [run[-1][key] for run in model["history"] if run and run[-1][key] is not None]
    first = [run[0][key] for run in model["history"] if run and run[0][key] is not None]
    if not last or not first:
        return f"{model['name']}: no values"
    return (
        f"{model['name']} goes from {sum(first) / len(first):.2f} "
        f"to {sum(last) / len(last):.2f} in {max(map(len, model['history']))} epochs"
    )


def _worst(model: dict[str, Any]) -> str:
    """Return the most frequent confusion as a sentence."""
    wrong = [
        (count, i, j)
        for i, row in enumerate(model["confusion"])
        for j, count in enumerate(row)
        if i != j
    ]
    count, i, j = max(wrong, default=(0, 0, 0))
    if not count:
        return "Nothing is confused."
    share = count / sum(model["confusion"][i])
    return f"Most often {model['classes'][i]} is taken for {model['classes'][j]} ({count:,}, {percent(share)})."


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name.lower())
