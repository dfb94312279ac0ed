"""The shape of ``results.json``: what a report is made from, and from nothing else."""

from __future__ import annotations

import math
from typing import Any, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from wavemel.errors import WavemelError
from wavemel.reports.agreement import contradiction

FORMAT = 1


class ResultsError(WavemelError):
    """Results that no report can be made from: a key is missing or wrong, or figures disagree."""


Interval = tuple[float, float]


class Figures(TypedDict):
    """The figures of one model at one level (clips, or tracks); further ones may stand beside them."""

    n: int
    n_groups: int | None
    top1: float
    top1_ci95: Interval | None
    macro_precision: float
    macro_precision_ci95: Interval | None
    macro_recall: float
    macro_recall_ci95: Interval | None
    macro_f1: float
    macro_f1_ci95: Interval | None
    one_vs_rest_accuracy: float
    one_vs_rest_accuracy_ci95: Interval | None
    log_loss: float | None
    ece: float | None
    per_class: list[dict[str, Any]]
    confusion: list[list[int]]


class Stated(TypedDict):
    """What stated probabilities are worth on whole tracks; ``ece_chance``: of a perfect model."""

    top1: float
    log_loss: float
    ece: float
    ece_ci95: Interval | None
    ece_chance: float
    aurc: float
    reliability: list[dict[str, Any]]


class Calibration(TypedDict):
    """A model's calibration; see `wavemel.evaluation.calibrate`."""

    fitted_on: str
    method: str
    temperature: float
    temperatures: list[float]
    at_bound: bool
    before: Stated
    after: Stated
    curve: list[dict[str, float]]
    unsure: dict[str, Any]
    held_out: dict[str, Any] | None


class Overfitting(TypedDict):
    """Top-1 of whole tracks on training clips and on others; see `wavemel.evaluation.overfitting`."""

    training_top1: float
    held_out_top1: float
    gap: float


class OverSeeds(TypedDict):
    """Top-1 of whole tracks over a network's seeds; see `wavemel.evaluation.seeds`."""

    name: str
    seeds: list[int]
    n: int
    top1_each: list[float]
    top1: float
    top1_sd: float | None
    top1_ci95: Interval | None


class Model(Figures):
    """A network or a baseline, its figures at clip level, and how they came about."""

    name: str
    kind: str
    network: dict[str, Any] | None
    experiment: dict[str, Any] | None
    data: str
    split: str
    classes: list[str]
    seeds: list[int]
    precision: str | None
    track: Figures | None
    parameters: int | None
    epochs: int | None
    best_epoch: list[int] | int | None
    seconds: float | None
    history: list[list[dict[str, Any]]]
    calibration: NotRequired[Calibration | None]
    overfitting: NotRequired[Overfitting | None]


class Pair(TypedDict):
    """A paired test between two models on the same clips; ``difference`` is a's top-1 minus b's."""

    a: str
    b: str
    difference: float
    difference_ci95: Interval | None
    mcnemar_p: float | None
    permutation_p: float | None
    holm_p: float | None


class Data(TypedDict):
    """The data set, how it was split and what was left out of it."""

    name: str
    hash: str
    synthetic: bool
    notes: list[str]
    split: str
    counts: dict[str, dict[str, int]]
    leak: str
    left_out: dict[str, int]
    left_out_clips: list[dict[str, Any]]


class Machine(TypedDict):
    """Where the figures were made; see `wavemel.machine.describe_machine`."""

    processor: str
    cores: int | None
    memory_gib: float | None
    accelerators: list[str]
    system: str
    versions: dict[str, str]


class Results(TypedDict):
    """All of ``results.json``."""

    format: int
    title: str
    command: str
    config_set: str | None
    created: str
    data: Data
    folds: int
    machine: Machine
    seconds: float | None
    models: list[Model]
    pairs: list[Pair]
    track_pairs: NotRequired[list[Pair]]
    over_seeds: NotRequired[list[OverSeeds]]


def check_results(results: dict[str, Any]) -> Results:
    """Return plain results, as JSON holds them, once it is certain that a report can be made of them.

    Tuples become lists, numpy's numbers Python's, and figures that are no
    number become null. Keys that the schema does not name are kept.

    Raises
    ------
    ResultsError
        A key is missing or holds something else; it is named.
    """
    plain = _plain(results)
    try:
        TypeAdapter(Results).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise ResultsError(f"the results have no key {key!r}") from error
        raise ResultsError(f"the results' key {key!r}: {first['msg']}") from error
    if plain["format"] != FORMAT:
        raise ResultsError(f"the results are of format {plain['format']!r}, not {FORMAT}")
    if not plain["models"]:
        raise ResultsError("the results hold no models, so there is nothing to report")
    for i, model in enumerate(plain["models"]):
        k = len(model["classes"])
        if [len(row) for row in model["confusion"]] != [k] * k:
            raise ResultsError(
                f"the results' key 'models.{i}.confusion' must be {k} rows of {k} numbers, "
                "one a class"
            )
    return plain


def check_agreement(results: dict[str, Any]) -> None:
    """Raise ResultsError where figures that must agree do not; of results that have the right shape.

    What is written must pass; results of earlier versions, which may hold
    such figures, can still be read.
    """
    wrong = contradiction(results)
    if wrong:
        raise ResultsError(f"the results contradict themselves: {wrong}")


def seeds_of(models: list[dict[str, Any]], network: str) -> list[str]:
    """Return the names of the models that are seeds of one network (a single one among them)."""
    return [m["name"] for m in models if m["experiment"] and m["experiment"]["name"] == network]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
