"""The sentences of a report: what the figures allow to be said, and no more."""

from __future__ import annotations

import re
from typing import Any

#: Accuracy, precision, recall, F1 of the paper's table 1.
PAPER = {
    "wave": (0.89, 0.69, 0.69, 0.69),
    "mel": (0.85, 0.67, 0.67, 0.67),
    "combined": (0.86, 0.68, 0.68, 0.68),
}
PAPER_CLASSES = 8
SIGNIFICANT = 0.05


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure between 0 and 1, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(bounds: list[float] | tuple[float, float] | None, digits: int = 3) -> str:
    """Return a 95 % interval in brackets, or nothing."""
    return (
        "" if not bounds else f"[{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]".replace("-", "−")
    )


def percent(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * value:.1f}\u00a0%"


def p_value(value: float | None) -> str:
    """Return a p value as people write it."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Return a time in the two units that matter."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def listing(items: list[str]) -> str:
    """Return ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def paper_name(model: dict[str, Any]) -> str:
    """Return which of the paper's networks a model is (whatever its seed), or nothing."""
    name = model["name"].partition(" (seed ")[0]
    return name if model["kind"] == "network" and name in PAPER else ""


def is_fma_small(data: dict[str, Any]) -> bool:
    """Return whether the data are the paper's."""
    return not data["synthetic"] and re.sub(r"[^a-z]", "", data["name"].lower()) == "fmasmall"


def pair_p(pair: dict[str, Any]) -> tuple[float | None, str]:
    """Return the p value that a verdict rests on, and its name: the strictest there is."""
    for key, name in (
        ("holm_p", "permutation test, Holm-corrected"),
        ("permutation_p", "permutation test"),
        ("mcnemar_p", "McNemar's test"),
    ):
        if pair.get(key) is not None:
            return pair[key], name
    return None, ""


def is_significant(pair: dict[str, Any]) -> bool:
    """Return whether a difference is one by both its p value and its interval."""
    p, _ = pair_p(pair)
    bounds = pair.get("difference_ci95")
    return p is not None and p < SIGNIFICANT and (not bounds or bounds[0] > 0 or bounds[1] < 0)


def verdict(pair: dict[str, Any]) -> str:
    """Return the verdict of one paired test in a few words."""
    if not is_significant(pair):
        return "no significant difference"
    return f"{pair['a'] if pair['difference'] > 0 else pair['b']} is ahead"


def synthetic_banner(data: str) -> tuple[str, str]:
    """Return title and text of the banner over figures of data that a program made."""
    return (
        "SYNTHETIC DATA",
        f"The data set “{data}” was made by a program, not by musicians. "
        "Its figures show that the whole chain works; they say nothing about real music.",
    )


def known_clips_banner(models: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Return title and text of the banner over figures of clips that training has seen, or None."""
    split = models[0]["split"]
    if split == "training":
        return (
            "TRAINING CLIPS",
            "The networks have learnt from the clips that these figures are of: the figures say how well "
            "they are known by heart, and nothing of music that is new.",
        )
    chosen = [m["name"] for m in models if m["experiment"] and _is_chosen(m["experiment"])]
    if split == "validation" and chosen:
        return (
            "VALIDATION CLIPS",
            f"The epoch whose weights are kept of {listing(chosen)} was picked by the clips that these "
            "figures are of, so they flatter; figures of the test clips do not.",
        )
    return None


def _is_chosen(experiment: dict[str, Any]) -> bool:
    """Return whether validation clips decide which epoch's weights are kept."""
    training = experiment["training"]
    # Runs of earlier versions do not say.
    picked = training.get("select", "validation_loss") != "last"
    return picked or training.get("patience") is not None


def other_data_note(results: dict[str, Any]) -> str:
    """Return that the paper's columns are of other data, where they stand and are."""
    data = results["data"]
    if is_fma_small(data) or not any(paper_name(m) for m in results["models"]):
        return ""
    return (
        f"The paper's columns are of another data set (FMA-small, {PAPER_CLASSES} genres): they "
        f"stand here for reference and cannot be compared with figures on {data['name']}."
    )


def pooling_sentence(models: list[dict[str, Any]]) -> str:
    """Return how a track's windows become its probabilities, of models that hear several."""
    said = {"mean": "the mean", "geometric": "the geometric mean, scaled to sum to 1,"}
    of: dict[str, list[str]] = {}
    for model in models:
        of.setdefault(said[model.get("pooling", "mean")], []).append(model["name"])
    whose = [f"{how} of its windows'" + (f" ({listing(names)})" if len(of) > 1 else "")
             for how, names in of.items()]  # fmt: skip
    return f"A track's probabilities are {listing(whose)}."


def accuracy_note(classes: int) -> str:
    """Return why the paper's accuracy is not top-1, with the figures for this many classes."""

    def for_nothing(k: int) -> str:
        idle, guess = 1 - 1 / k, 1 - 2 * (1 - 1 / k) / k
        return f"answering “no” to every genre scores {number(idle)} and guessing {number(guess)}"

    sets = [f"with the paper's {PAPER_CLASSES} genres {for_nothing(PAPER_CLASSES)}"]
    if classes != PAPER_CLASSES:
        sets.append(f"with the {classes} here {for_nothing(classes)}")
    implied = [f"{1 - PAPER_CLASSES * (1 - row[0]) / 2:.2f}" for row in PAPER.values()]
    return (
        "The paper's accuracy is not top-1. Its equation counts true negatives: it is the "
        "one-vs-rest accuracy, averaged over genres. With K genres and one label a clip that is "
        f"1 − 2 (1 − top-1) / K, high whatever a network does: {'; '.join(sets)}. Its "
        + listing([f"{row[0]:.2f} ({name})" for name, row in PAPER.items()])
        + f" would mean a top-1 of {listing(implied)}, which its precision and recall of 0.67 to "
        "0.69 contradict. So top-1 and macro precision, recall and F1 are the headline here; the "
        "paper's figure stands beside them under its own name."
    )


def lone_genres(figures: dict[str, Any]) -> str:
    """Return why macro figures have no interval, where they have none; earlier results do not say."""
    names = list(figures.get("one_group") or ())
    if not names:
        return ""
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    # Of several genres a clip, a genre is also scored by the clips that it is not of.
    whose = "whose clips, or all others, are" if "n_scored" in figures else "whose clips are all"
    return (
        "Macro figures have no interval, for nobody can know the spread of a genre "
        f"{whose} of one artist (or, of unknown artists, one track): {listing(shown)}."
    )
