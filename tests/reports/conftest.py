"""Results that look like real ones: random predictions, and every figure computed from them."""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wavemel.evaluation.evaluate import evaluate
from wavemel.evaluation.paired import holm, paired_test
from wavemel.experiment import load_experiment

GENRES = ["classical", "electronic", "pop", "rock"]


def _levels(truth: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> dict[str, Any]:
    artists = np.arange(len(truth)) // 2
    return evaluate(truth, probabilities, classes, groups=artists, resamples=50)


def _history(rng: np.random.Generator, epochs: int, runs: int, skill: float) -> list[Any]:
    made = []
    for _ in range(runs):
        loss = 1.4 * np.exp(-np.arange(epochs) / 6) + 0.05 * rng.random(epochs)
        made.append(
            [
                {
                    "epoch": e,
                    "training_loss": float(loss[e]),
                    "training_top1": float(1 - loss[e] / 2),
                    "validation_loss": float(
                        1.3 - 0.3 * skill * (1 - loss[e]) + 0.1 * rng.random()
                    ),
                    "validation_top1": float(min(1, 0.25 + skill * (1 - loss[e] / 1.5) * 0.7)),
                    "learning_rate": 1e-3,
                    "seconds": 12.5,
                    "data_wait_seconds": 0.2,
                }
                for e in range(epochs)
            ]
        )
    return made


def make_results(
    *,
    synthetic: bool = False,
    data: str = "emotify",
    skills: dict[str, float] | None = None,
    classes: list[str] | None = None,
    n: int = 82,
    folds: int = 1,
    epochs: int = 25,
    baselines: bool = True,
    experiments: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return results of networks that are right with the given probabilities."""
    rng = np.random.default_rng(7)
    classes = classes or GENRES
    skills = {"wave": 0.45, "mel": 0.6, "combined": 0.55} if skills is None else skills
    truth = rng.integers(0, len(classes), n)

    def answers(skill: float) -> np.ndarray:
        """Return probabilities whose highest is the true class's in about ``skill`` of all rows."""
        said = np.where(rng.random(n) < skill, truth, rng.integers(0, len(classes), n))
        p = rng.random((n, len(classes))) * 0.5
        p[np.arange(n), said] += 0.6
        return p / p.sum(1, keepdims=True)

    at_clip: dict[str, np.ndarray] = {}

    def model(name: str, skill: float, kind: str) -> dict[str, Any]:
        network = kind == "network"
        at_clip[name] = answers(skill)
        config = (experiments or {}).get(name, name)
        experiment = load_experiment(f"demo/{config}").as_dict() if network else None
        if experiment:
            experiment["training"]["epochs"] = epochs
        return {
            "name": name,
            "kind": kind,
            "network": experiment["network"] if experiment else None,
            "experiment": experiment,
            "data": data,
            "split": "test",
            "classes": classes,
            "seeds": [0] if network else [],
            "precision": "bf16-mixed" if network else None,
            **_levels(truth, at_clip[name], classes),
            "track": _levels(truth, answers(min(1, skill + 0.05)), classes) if network else None,
            "parameters": 123_456 if network else None,
            "epochs": epochs if network else None,
            "best_epoch": [int(rng.integers(0, epochs)) for _ in range(folds)] if network else None,
            "seconds": 812.4 if network else 3.1,
            "history": _history(rng, epochs, folds, skill) if network else [],
        }

    models = [model(name, skill, "network") for name, skill in skills.items()]
    if baselines:
        models += [model("majority", 0.05, "baseline"), model("svm-mfcc", 0.5, "baseline")]
    pairs = [
        {"a": a, "b": b, **paired_test(truth, at_clip[a], at_clip[b], resamples=999)}
        for a, b in itertools.combinations(at_clip, 2)
    ]
    corrected = holm([pair["permutation_p"] for pair in pairs])
    pairs = [{**pair, "holm_p": p} for pair, p in zip(pairs, corrected, strict=True)]
    counts = {g: int((truth == i).sum()) for i, g in enumerate(classes)}
    return {
        "format": 1,
        "title": f"The paper's three networks on {data}",
        "command": "wavemel reproduce --data tracks.csv --config-set paper",
        "config_set": "paper",
        "created": "2026-11-23T17:00:00+00:00",
        "data": {
            "name": data,
            "hash": "0123456789abcdef",
            "synthetic": synthetic,
            "notes": ["Songs are <b>one</b> minute long & carry a licence of their own."],
            "split": "folds 0-2 train, 3 validates, 4 tests, as given",
            "counts": {
                "training": {g: 3 * c for g, c in counts.items()},
                "validation": dict(counts),
                "test": dict(counts),
            },
            "leak": "no artist stands on two sides of the split",
            "left_out": {"short": 1, "duplicate": 2},
            "left_out_clips": [
                {"path": "rock/a_1.mp3", "status": "short", "reason": "1.5 s of the 15 s wanted"},
                {
                    "path": "pop/b|2.mp3",
                    "status": "duplicate",
                    "reason": "same samples as pop/c.mp3",
                },
                {
                    "path": "pop/d<3>.mp3",
                    "status": "duplicate",
                    "reason": "same samples as pop/c.mp3",
                },
            ],
        },
        "folds": folds,
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "memory_gib": 23.4,
            "accelerators": [],
            "system": "Linux",
            "versions": {"wavemel": "0.1.0", "python": sys.version.split()[0], "torch": "2.13.0"},
        },
        "seconds": 5025.0,
        "models": models,
        "pairs": pairs,
    }


@pytest.fixture(scope="session")
def build_results() -> Callable[..., dict[str, Any]]:
    """Return `make_results`."""
    return make_results


@pytest.fixture(scope="session")
def _results() -> dict[str, Any]:
    return make_results()


@pytest.fixture
def results(_results: dict[str, Any]) -> dict[str, Any]:
    """Return results of three networks and two baselines, to change at will."""
    return copy.deepcopy(_results)
