"""The models at hand, as a list for people and programs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavemel.errors import ModelError
from wavemel.inference import models
from wavemel.inference.bundle import bundle_files, read_bundle


@dataclass(frozen=True)
class Listed:
    """One model at hand.

    ``size`` in bytes, of all its files. ``where``: its folder or graph;
    ``shipped``: it came with wavemel. ``default``: it answers where none is
    named. ``top1`` and ``top1_ci95``, ``data``: what its description says of a
    measurement. ``problem``: why it cannot be used, all else then unknown.
    """

    name: str
    where: str
    shipped: bool
    default: bool
    size: int
    id: str = ""
    classes: tuple[str, ...] = ()
    precision: str = ""
    weights: bool = False
    licence: str = ""
    top1: float | None = None
    top1_ci95: tuple[float, float] | None = None
    data: str | None = None
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return dataclasses.asdict(self)


def catalogue() -> list[Listed]:
    """Return every model at hand, by name; a user's hides a shipped one of the same name."""
    default = models.default_model()
    known = sorted(models.list_models().items())
    return [_listed(name, place, name == default) for name, place in known]


def _listed(name: str, place: Path, default: bool) -> Listed:
    files = list(place.iterdir()) if place.is_dir() else list(bundle_files(place))
    size = sum(file.stat().st_size for file in files if file.is_file())
    listed = Listed(name, str(place), place.parent == models.SHIPPED, default, size)
    try:
        bundle = read_bundle(place)
    except ModelError as error:
        return dataclasses.replace(listed, problem=str(error))
    d = bundle.description
    found = d.about.get("evaluation")
    figures: dict[str, Any] = found if isinstance(found, dict) else {}
    data, several = figures.get("data"), figures.get("over_seeds")
    # One seed of several may be a lucky one.
    told = several if isinstance(several, dict) else figures
    top1, interval = told.get("top1"), told.get("top1_ci95")
    return dataclasses.replace(
        listed,
        id=d.id,
        classes=d.classes,
        precision=d.precision,
        weights=bool(d.weights_sha256) and bundle.weights.is_file(),
        licence=str(d.about.get("licence") or ""),
        # A model from elsewhere may say anything here.
        top1=float(top1) if isinstance(top1, int | float) else None,
        top1_ci95=_interval(interval),
        data=data if isinstance(data, str) else None,
    )


def _interval(given: object) -> tuple[float, float] | None:
    if not isinstance(given, list) or len(given) != 2:
        return None
    low, high = given
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    return (float(low), float(high)) if numbers else None
