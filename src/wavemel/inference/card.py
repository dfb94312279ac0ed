"""A model's card: what ``model.json`` says, as a page for people, headed as model hubs want it."""

from __future__ import annotations

import json
import re
from typing import Any

from wavemel.errors import ModelError
from wavemel.inference.bundle import ModelDescription
from wavemel.pooling import GEOMETRIC

#: Licences that hubs know by these names; others are stated as "other" with a name of their own.
#: Source: https://huggingface.co/docs/hub/repositories-licenses
LICENCES = (
    "apache-2.0",
    "mit",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nd-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "gpl-2.0",
    "gpl-3.0",
    "lgpl-3.0",
    "agpl-3.0",
    "mpl-2.0",
    "unlicense",
    "isc",
)

#: Where a card says what the model is called.
_NAMED = ("\n# {}\n", "\nwavemel classify song.mp3 --model {}\n", '\nmodel = wavemel.load("{}")\n')

_USE = """\
To tell the genre of music recordings, among the {count} genres above and no others: the
names for a music library, a playlist, a survey of a collection. Every recording is given one of
these genres, also speech, noise and music of other kinds: look at the probability, and at "unsure".
It hears {seconds:g} s at a time; a longer track is the {pooled} of several such windows.

Not meant for: judging people or their work, or deciding alone what is published, paid or removed."""


def _intended_use(model: ModelDescription) -> str:
    pooled = "geometric mean (scaled to sum to 1)" if model.pooling == GEOMETRIC else "mean"
    return _USE.format(count=len(model.classes), seconds=model.seconds, pooled=pooled)


def model_card(model: ModelDescription) -> str:
    """Return ``README.md`` for a model: front matter, then data, figures, failures and use.

    Raises
    ------
    ModelError
        What the description says about the model is of another shape than an export gives it.
    """
    try:
        return _card(model)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(
            f"no card can be made of {model.name}'s description, for its 'about' does not hold: "
            f"{error!r}"
        ) from error


def renamed_card(text: str, old: str, new: str) -> str:
    """Return a card with a model's new name where `model_card` writes it; what people wrote stays."""
    for line in _NAMED:
        text = text.replace(line.format(old), line.format(new), 1)
    return text


def _card(model: ModelDescription) -> str:
    about = model.about
    parts = [
        front_matter(model),
        _NAMED[0].format(model.name).strip("\n"),
        _summary(model),
        _section("Use", _use(model)),
        _section("Intended use", _intended_use(model)),
        _section("Data", _data(about)),
        _section("Training", _training(model)),
        _section("Figures", _figures(about.get("evaluation") or {})),
        _section("Calibration", _calibration(model)),
        _section("Known failures", _failures(about)),
        _section("Licence", licence_sentence(about.get("licence", ""))),
        _section("Files", _files(model)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(model: ModelDescription) -> str:
    """Return the YAML block that hubs read; JSON strings are YAML strings."""
    licence = model.about.get("licence", "")
    lines = ["---"]
    if licence.lower() in LICENCES:
        lines.append(f"license: {licence.lower()}")
    elif licence:
        name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")[:60] or "other"
        lines += ["license: other", f"license_name: {json.dumps(name)}"]
    tags = ["music", "genre", "music-information-retrieval", "onnx", *model.classes]
    lines += ["library_name: wavemel", "pipeline_tag: audio-classification", "tags:"]
    lines += [f"- {json.dumps(tag, ensure_ascii=False)}" for tag in dict.fromkeys(tags)]
    return "\n".join([*lines, "---"])


def licence_sentence(licence: str) -> str:
    """Return what a card says of the model's licence."""
    return f"The model: {licence}." if licence else "None is stated: ask before you pass it on."


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _summary(model: ModelDescription) -> str:
    figures = model.about.get("evaluation") or {}
    said = [f"Tells the genre of music: {_listed(model.classes)}."]
    if "top1" in figures:
        several = figures.get("over_seeds")
        of = f", the mean of {len(several['seeds'])} seeds," if several else ""
        said.append(
            f"Top-1 {_with_interval(several or figures, 'top1')}{of} on {figures['n']} {figures['level']}s of "
            f"{figures['data']}{_crossed(figures)}."
        )
    return " ".join(said)


def _use(model: ModelDescription) -> str:
    _, command, loading = (line.format(model.name) for line in _NAMED)
    return (
        f"```\npip install wavemel{command}```\n\n"
        f"```python\nimport wavemel\n{loading}"
        'model.classify("song.mp3").genre\n```\n\n'
        "It runs on onnxruntime; torch is not needed."
    )


def _data(about: dict[str, Any]) -> str:
    data = about.get("data") or {}
    rows = [("data set", data.get("name")), ("licence", data.get("licence"))]
    rows += [("split", data.get("split")), ("hash of the table", data.get("hash"))]
    if data.get("synthetic"):
        rows.append(("kind", "synthetic: made by a program, no music of people"))
    notes = [f"- {note}" for note in about.get("notes") or []]
    return "\n\n".join(part for part in (_bullets(rows), "\n".join(notes)) if part)


def _training(model: ModelDescription) -> str:
    about = model.about
    if about.get("members"):
        members = about["members"]
        head = (
            f"An ensemble of {len(members)} networks: its probabilities are the mean of theirs, "
            "in one graph.\n\n"
        )
        columns = ("weights", "network", "experiment", "seed", "validation top-1")
        told = [
            (
                m["weights"],
                m["network"],
                m["experiment"],
                m["seed"],
                _number(m.get("validation_top1")),
            )
            for m in members
        ]
        return head + _table(columns, told)
    rows = [("network", about.get("network")), ("experiment", about.get("experiment"))]
    if about.get("encoder"):
        said = "taught on other data; its weights are part of the graph, under their own licence"
        rows.append(("frozen encoder", f"{about['encoder']}, {said}"))
    rows += [("seed", about.get("seed")), ("epoch that was kept", about.get("epoch"))]
    rows += [("validation top-1 of that epoch", _number(about.get("validation_top1")))]
    return _bullets(rows)


def _figures(found: dict[str, Any]) -> str:
    if not found:
        return "None were given with the model."
    of = f"{found['n']} {found['level']}s"
    if found.get("n_groups"):
        of += f" by {found['n_groups']} artists"
    seeds = found["seeds"]
    text = [
        f"Of `{found['model']}` on {found['data']}: {of}{_crossed(found)}, "
        f"seed{'' if len(seeds) == 1 else 's'} {_listed(map(str, seeds))}; 95 % intervals over "
        "artists where they are known."
    ]
    if found["folds"] > 1:
        text.append(
            "They are figures of the recipe: of models that were each asked about tracks they had "
            "not heard, not of the very weights in this folder."
        )
    several = found.get("over_seeds")
    if several:
        each = _listed(_number(value) for value in several["top1_each"])
        text.append(
            f"Seeds differ: top-1 is {each}; {_with_interval(several, 'top1')} on average. What "
            f"follows is of `{found['model']}` alone."
        )
    labels = {
        "top1": "top-1",
        "macro_precision": "precision (mean over genres)",
        "macro_recall": "recall (mean over genres)",
        "macro_f1": "F1 (mean over genres)",
        "log_loss": "log loss (nats)",
        "ece": "expected calibration error",
    }
    rows = [(label, _with_interval(found, key)) for key, label in labels.items() if key in found]
    text.append(_table(("figure", "value"), rows))
    per_class = [
        (r["class"], *(_number(r[key]) for key in ("precision", "recall", "f1")), r["support"])
        for r in found["per_class"]
    ]
    text.append(_table(("genre", "precision", "recall", "F1", "tracks"), per_class))
    if found.get("per_fold"):
        folds = [(f["split"], f["n"], _with_interval(f, "top1")) for f in found["per_fold"]]
        text.append(_table(("fold", "tracks", "top-1"), folds))
    text.append(f"Split: {found['split']} {found['leak']}")
    text.append(f"Made by `{found['command']}`")
    return "\n\n".join(text)


def _calibration(model: ModelDescription) -> str:
    found = model.about.get("calibration") or {}
    if model.temperature == 1 and not found and not model.unsure_below:
        return "None: the probabilities are the network's own."
    rows: list[tuple[str, Any]] = [("temperature", f"{model.temperature:.3g}")]
    rows += [("fitted on", found.get("fitted_on")), ("measured on", found.get("measured_on"))]
    rows += [("expected calibration error before", _number(found.get("ece_before")))]
    rows += [("expected calibration error after", _number(found.get("ece_after")))]
    rows += [("unsure below", _number(model.unsure_below) if model.unsure_below else "never")]
    unsure = found.get("unsure") or {}
    if not model.unsure_below:
        if unsure.get("coverage") == 0:
            rows.append(("why", f"no threshold has {unsure['precision']:.4g} of the others right"))
        return _bullets(rows)
    if "precision" in unsure:
        wanted = f"{unsure['precision']:.4g} or more"
        promised = unsure.get("promised")
        if promised:
            wanted += f", which new tracks reach with a probability of {unsure['confidence']:g}"
        elif promised is False:
            wanted += " on the tracks that chose it: no promise for new ones"
        rows.append(("chosen so that the share right of the others is", wanted))
    if "coverage" in unsure:
        rows.append(("answered at that threshold", f"{unsure['coverage']:.0%}"))
    if "share_right" in unsure:
        rows.append(("of these right", f"{unsure['share_right']:.0%}"))
    return _bullets(rows)


def _failures(about: dict[str, Any]) -> str:
    found = about.get("evaluation") or {}
    said = [
        f"{m['truth']} is taken for {m['answer']}: {m['n']} of {m['of']}"
        for m in found.get("mistakes", [])
    ]
    if found.get("per_class"):
        worst = min(found["per_class"], key=lambda row: row["recall"])
        said.append(f"least often found: {worst['class']} (recall {worst['recall']:.2f})")
    int8 = about.get("int8")
    if int8:
        said.append(
            f"rounded to 8 bits: another top genre than in float32 on {1 - int8['agreement']:.1%} "
            f"of {int8['tracks']} tracks"
        )
    return "\n".join(f"- {sentence}" for sentence in said) or "None were measured."


def _files(model: ModelDescription) -> str:
    rows = [
        (
            "model.onnx",
            f"the network, {model.precision}: {_listed(model.inputs)} -> log-probabilities",
            model.sha256,
        ),
        ("model.json", "what it hears, tells and needs", ""),
    ]
    if model.weights_sha256:
        rows.append(
            (
                "model.safetensors",
                "weights in float16, to train on with torch",
                model.weights_sha256,
            )
        )
    return _table(("file", "what", "sha256"), rows)


def _table(columns: tuple[str, ...], rows: Any) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join("" if c is None else _cell(c) for c in line) + " |" for line in lines
    )


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _bullets(rows: list[tuple[str, Any]]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in rows if value not in (None, ""))


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _with_interval(figures: dict[str, Any], key: str) -> str:
    interval = figures.get(f"{key}_ci95")
    return f"{figures[key]:.3f}" + (
        f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    )


def _crossed(figures: dict[str, Any]) -> str:
    return f" in {figures['folds']}-fold cross-validation" if figures["folds"] > 1 else ""


def _listed(names: Any) -> str:
    return ", ".join(names)
