"""Figures of one comparison that must agree, whatever part of the results tells them."""

from __future__ import annotations

import math
from typing import Any


def contradiction(results: dict[str, Any]) -> str | None:
    """Return what contradicts itself in results that have the right shape, or None.

    Every table and sentence of a report is made from one part of the results
    or another; where the parts agree, so do the tables.
    """
    models = {model["name"]: model for model in results["models"]}
    if len(models) < len(results["models"]):
        return "two models have one name"
    for check in (_tests, _pairs, _seeds):
        found = check(results, models)
        if found:
            return found
    return None


def _tests(results: dict[str, Any], models: dict[str, Any]) -> str | None:
    """All models are asked the same, it is what the data section counts, and figures are of it."""
    first = results["models"][0]
    split, classes = first["split"], first["classes"]
    counted = results["data"]["counts"].get(split, {})
    wanted = [counted.get(genre, 0) for genre in classes]
    for name, model in models.items():
        if (model["split"], model["classes"]) != (split, classes):
            return f"{name} is of another split or other classes than {first['name']}"
        for level, figures in (("clip", model), ("track", model["track"])):
            if figures is None:
                continue
            asked = [sum(row) for row in figures["confusion"]]
            if asked != wanted or sum(wanted) != sum(counted.values()):
                return (
                    f"the {split} clips of {name} at {level} level are {asked} by genre, "
                    f"data.counts has {counted}"
                )
            if figures["n"] != sum(asked):
                return f"{name} has n = {figures['n']} at {level} level and {sum(asked)} answers"
            right = sum(row[i] for i, row in enumerate(figures["confusion"]))
            if not _equal(figures["top1"], right / figures["n"]):
                return f"{name} has top-1 {figures['top1']} at {level} level, {right} answers right"
    return None


def _pairs(results: dict[str, Any], models: dict[str, Any]) -> str | None:
    """A pair's difference is that of the figures of its two models."""
    for key in ("pairs", "track_pairs"):
        for pair in results.get(key) or []:
            sides = [models.get(pair[side]) for side in "ab"]
            if None in sides:
                return f"{key} has {pair['a']} and {pair['b']}, not both of which are models"
            # A baseline hears whole clips: it has one figure for both levels.
            a, b = ((key == "track_pairs" and side["track"]) or side for side in sides if side)
            if not _equal(pair["difference"], a["top1"] - b["top1"]):
                return (
                    f"{key} has {pair['difference']} between {pair['a']} and {pair['b']}, "
                    f"whose top-1 are {a['top1']} and {b['top1']}"
                )
    return None


def _seeds(results: dict[str, Any], models: dict[str, Any]) -> str | None:
    """A mean over seeds is that of the models that are its seeds."""
    for row in results.get("over_seeds") or []:
        seeds = [models.get(f"{row['name']} (seed {seed})") for seed in row["seeds"]]
        if not all(model and model["track"] for model in seeds):
            return (
                f"over_seeds has seeds {row['seeds']} of {row['name']}, not all of which are models"
            )
        each = [model["track"]["top1"] for model in seeds if model]
        mean = sum(each) / len(each)
        agree = len(each) == len(row["top1_each"]) and all(map(_equal, each, row["top1_each"]))
        if not agree or not _equal(row["top1"], mean):
            return f"over_seeds has {row['top1_each']} of {row['name']}, whose seeds have {each}"
        if any(model["track"]["n"] != row["n"] for model in seeds if model):
            return f"over_seeds has n = {row['n']} of {row['name']}, its seeds another"
    return None


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, abs_tol=1e-6)
