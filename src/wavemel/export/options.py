"""What can be asked of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Options:
    """How to export.

    ``front_end``: ``"beside"`` or ``"inside"`` the graph. ``int8``: round the
    weights to 8 bits. ``weights``: also write them for torch, in float16; the
    graph is then made from the rounded ones. ``data``: tracks to measure on;
    the run's validation clips by default. ``calibration``: a file such as the
    run's ``calibration.json``, in its place; ``temperature`` and
    ``unsure_below`` replace what it says. ``results``: a ``results.json``
    whose figures of ``results_model`` go into description and card.
    """

    name: str
    front_end: Literal["beside", "inside"] = "beside"
    int8: bool = False
    weights: bool = False
    data: str | None = None
    calibration: Path | None = None
    temperature: float | None = None
    unsure_below: float | None = None
    results: Path | None = None
    results_model: str | None = None
    licence: str = ""
    data_licence: str = ""
    notes: tuple[str, ...] = ()
    replace: bool = False
