"""What `wavemel explain` does with what was typed; nothing here knows how it was parsed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wavemel.errors import AudioError, ConfigError, ModelError

# What is heavy is imported where it is used: every command's help passes through here.
if TYPE_CHECKING:
    from wavemel.checkpoint import Checkpoint
    from wavemel.explain.confusions import Confusions
    from wavemel.explain.track import Explanation, Question


@dataclass(frozen=True)
class Request:
    """The options of `wavemel explain`; see its help."""

    names: tuple[str, ...]
    model: str | None = None
    mistakes: bool = False
    genre: str | None = None
    against: str | None = None
    to: Path | None = None
    method: str = "integrated-gradients"
    steps: int = 50
    limit: float | None = None
    split: str = "test"
    worst: int = 12
    replace: bool = False
    device: str = "cpu"


def run(request: Request) -> int:
    """Explain what was asked for; return the exit code.

    Raises
    ------
    WavemelError
        The call was wrong.
    """
    return _mistakes(request) if request.mistakes else _files(request)


def _files(request: Request) -> int:
    from wavemel.explain.track import Question, check_question, explain_track
    from wavemel.inference.models import find_model

    place = _place(request.model)
    checkpoint = _load(place)
    name = request.model or find_model().description.name
    question = Question(
        request.genre,
        request.against,
        request.method,
        request.steps,
        request.limit,
        _temperature(place),
    )
    check_question(question, checkpoint.classes)
    to = request.to or Path("explained")
    named = _names(request.names)
    _refuse_existing(
        (to / f"{name}{suffix}" for name in named.values() for suffix in (".png", ".json")),
        request.replace,
    )
    failed = 0
    for path in named:
        try:
            explanation = explain_track(checkpoint, path, question, device=request.device)
        except AudioError as error:
            print(f"wavemel: {error}", file=sys.stderr)
            failed += 1
            continue
        to.mkdir(parents=True, exist_ok=True)
        _write(explanation, to, named[path], name)
        _tell(explanation, to / named[path])
    return int(failed > 0)


def _mistakes(request: Request) -> int:
    from wavemel.checkpoint import write_json
    from wavemel.commands.options import this_command
    from wavemel.explain.confusions import as_data, find_confusions, write_table
    from wavemel.explain.track import Question, check_question
    from wavemel.reports.confusion_page import confusion_document
    from wavemel.reports.html import render_html
    from wavemel.whole import write_text

    for given, option in (
        (request.model, "--model"),
        (request.genre, "--genre"),
        (request.against, "--against"),
    ):
        if given is not None:
            raise ConfigError(f"{option} is for files: --mistakes takes run folders")
    if request.split not in ("test", "validation"):
        raise ConfigError(f"--split must be test or validation, not {request.split!r}")
    if request.to is None:
        raise ConfigError("--mistakes writes a page: say where with --to FOLDER")
    to = request.to
    pages = [to / f"confusions.{form}" for form in ("html", "json", "csv")]
    _refuse_existing([*pages, to / "mistakes"], request.replace)
    question = Question(method=request.method, steps=request.steps, limit=request.limit)
    runs = [Path(name) for name in dict.fromkeys(request.names)]
    confusions = find_confusions(runs, request.split, device=request.device)
    check_question(question, confusions.classes)
    named = _names([m.path for m in confusions.mistakes[: request.worst]])
    explained, failed = _explain_worst(confusions, request, question, to / "mistakes", named)

    to.mkdir(parents=True, exist_ok=True)
    document = confusion_document(confusions, explained, this_command())
    files = {path: f"mistakes/{named[path]}" for path in explained}
    write_text(pages[0], render_html(document))
    write_json(pages[1], as_data(confusions, files))
    write_table(confusions, files, pages[2])
    for line in (document.headline, *(f"  {detail}" for detail in document.details)):
        # Not every terminal's encoding has the page's no-break spaces.
        print(line.replace("\u00a0", " "))
    print(f"page: {pages[0]}")
    return int(failed > 0)


def _explain_worst(
    confusions: Confusions,
    request: Request,
    question: Question,
    folder: Path,
    named: dict[str, str],
) -> tuple[dict[str, Explanation], int]:
    """Explain the most confident mistakes; return them by path, and how many could not be."""
    from wavemel.explain.track import explain_track

    explained: dict[str, Explanation] = {}
    failed = 0
    loaded: dict[Path, Checkpoint] = {}
    worst = confusions.mistakes[: request.worst]
    for i, mistake in enumerate(worst, 1):
        if mistake.run not in loaded:
            # One at a time: the folds of a model may be many, and large.
            loaded = {mistake.run: _load(mistake.run)}
        asked = replace(question, genre=mistake.answer, against=mistake.truth)
        try:
            explanation = explain_track(
                loaded[mistake.run],
                mistake.path,
                asked,
                device=request.device,
                label=f"explaining {i} of {len(worst)}",
            )
        except AudioError as error:
            print(f"wavemel: {error}", file=sys.stderr)
            failed += 1
            continue
        folder.mkdir(parents=True, exist_ok=True)
        _write(explanation, folder, named[mistake.path], str(mistake.run))
        explained[mistake.path] = explanation
    return explained, failed


def _place(model: str | None) -> Path:
    """Return the run folder, or the file of weights, that a path or name means; or the default model's."""
    from wavemel.inference.bundle import bundle_files
    from wavemel.inference.models import find_model, list_models

    if model is not None and model not in list_models():
        path = Path(model)
        if path.exists() and not all(file.is_file() for file in bundle_files(path)):
            return path
    return find_model(model).weights


def _load(place: Path) -> Checkpoint:
    """Load a model that has gradients; say so where one has none."""
    from wavemel.checkpoint import load_checkpoint

    if not place.exists():
        raise ModelError(
            f"{place.with_suffix('.onnx')} is an exported model without weights, which has no "
            "gradients to explain it by: give the run folder that it was made from"
        )
    return load_checkpoint(place)


def _temperature(place: Path) -> float:
    """Return what calibration found for a run or an exported model; 1 where it was not calibrated.

    Raises
    ------
    ModelError
        As for 'wavemel export': the run has been trained on since, or the file holds no calibration.
    """
    from wavemel.checkpoint import read_json
    from wavemel.export.describing import calibration

    described = place.with_suffix(".json")
    found = read_json(described) if place.is_file() and described.is_file() else {}
    # The weights of a run are described beside them, but their temperature is found later.
    if "temperature" not in found:
        found = calibration(None, place if place.is_dir() else place.parent)
    return float(found.get("temperature") or 1.0)


def _names(paths: Iterable[str]) -> dict[str, str]:
    """Return path -> name of its files; those of equal names are numbered."""
    from wavemel.reports.saliency import file_name

    named: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        if path in named:
            continue
        stem = name = file_name(path)
        number = 2
        # Without regard to case: some systems' folders have none.
        while name.casefold() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.casefold())
        named[path] = name
    return named


def _refuse_existing(paths: Iterable[Path], allowed: bool) -> None:
    for path in paths:
        if path.exists() and not allowed:
            raise ConfigError(f"{path} exists already: give another --to, or --replace")


def _write(explanation: Explanation, folder: Path, name: str, model: str) -> None:
    """Write one explanation's picture and numbers."""
    from wavemel.checkpoint import write_json
    from wavemel.explain.numbers import as_numbers
    from wavemel.reports.saliency import any_script, description, saliency_figure
    from wavemel.reports.svg import write_figure

    numbers = as_numbers(explanation, model)
    said = f"{explanation.answer}: {os.path.basename(numbers['file'])}"
    with any_script():
        write_figure(
            saliency_figure(explanation), folder / f"{name}.png", said, description(explanation)
        )
    write_json(folder / f"{name}.json", numbers)


def _tell(explanation: Explanation, stem: Path) -> None:
    from wavemel.explain.numbers import summary

    path = explanation.path if explanation.path.isprintable() else ascii(explanation.path)
    print(f"{path}: {explanation.answer} {100 * explanation.probabilities.max():.1f} %")
    for line in summary(explanation):
        print(f"  {line}")
    print(f"  {stem}.png, {stem.name}.json")
