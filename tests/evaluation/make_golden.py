"""Write golden/*.json: predictions, and the figures scikit-learn and pandas make of them.

Nothing of wavemel is imported. Run it again only where a definition changes:

    python tests/evaluation/make_golden.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.calibration import calibration_curve

FOLDER = Path(__file__).parent / "golden"
BINS = 15


def predictions(seed: int, n: int, shares: list[float], skill: float, decimals: int):
    """Return truth and probabilities of a model that favours the truth by ``skill`` nats."""
    rng = np.random.default_rng(seed)
    k = len(shares)
    truth = rng.choice(k, n, p=shares)
    logits = rng.normal(size=(n, k)) + skill * np.eye(k)[truth]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    # Short files; rounding down leaves something for the last class.
    p = np.floor(p * 10**decimals) / 10**decimals
    p[:, -1] = np.round(1 - p[:, :-1].sum(1), decimals)
    return truth, p


def calibration(confidence: np.ndarray, right: np.ndarray, bins: pd.Series, strategy: str) -> float:
    rows = pd.DataFrame({"confidence": confidence, "right": right}).groupby(bins, observed=True)
    mean = rows.mean()
    accuracy, stated = calibration_curve(right, confidence, n_bins=BINS, strategy=strategy)
    np.testing.assert_allclose(mean["right"], accuracy)
    np.testing.assert_allclose(mean["confidence"], stated)
    return float((rows.size() * (mean["right"] - mean["confidence"]).abs()).sum() / len(right))


def figures(truth: np.ndarray, p: np.ndarray) -> dict[str, object]:
    k = p.shape[1]
    labels = list(range(k))
    said = p.argmax(1)
    found: dict[str, object] = {"top1": metrics.accuracy_score(truth, said)}
    for average in ("macro", "micro"):
        values = metrics.precision_recall_fscore_support(
            truth, said, labels=labels, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), values, strict=False):
            found[f"{average}_{name}"] = value
    found["one_vs_rest_accuracy"] = float(
        np.mean([metrics.accuracy_score(truth == c, said == c) for c in labels])
    )
    found["log_loss"] = metrics.log_loss(truth, p, labels=labels)
    one_hot = np.eye(k)[truth]
    found["brier"] = float(metrics.mean_squared_error(one_hot, p)) * k
    confidence, right = p.max(1), said == truth
    equal_width = pd.cut(confidence, np.linspace(0, 1, BINS + 1), include_lowest=True)
    found["ece"] = calibration(confidence, right, equal_width, "uniform")
    inner = np.unique(np.percentile(confidence, np.linspace(0, 100, BINS + 1))[1:-1])
    equal_mass = pd.cut(confidence, [-np.inf, *inner, np.inf], labels=False)
    found["ece_adaptive"] = calibration(confidence, right, equal_mass, "quantile")
    found["confusion"] = metrics.confusion_matrix(truth, said, labels=labels).tolist()
    report = metrics.classification_report(
        truth, said, labels=labels, output_dict=True, zero_division=0
    )
    found["per_class"] = [
        {
            "precision": report[str(c)]["precision"],
            "recall": report[str(c)]["recall"],
            "f1": report[str(c)]["f1-score"],
            "support": int(report[str(c)]["support"]),
        }
        for c in labels
    ]
    return found


CASES = {
    "balanced-8": (1, 120, [1 / 8] * 8, 1.5, 5),
    "unbalanced-4": (2, 90, [0.7, 0.2, 0.08, 0.02], 1.0, 5),
    "absent-from-truth": (3, 60, [0.5, 0.0, 0.3, 0.2], 1.0, 5),
    "two-classes": (4, 50, [0.6, 0.4], 0.8, 5),
    # One decimal: many equal confidences, and equal winners in a row.
    "ties": (5, 80, [0.25] * 4, 0.5, 1),
    "always-wrong": (6, 30, [1 / 3] * 3, -30.0, 5),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, case in CASES.items():
        truth, p = predictions(*case)
        golden = {
            "truth": truth.tolist(),
            "probabilities": p.tolist(),
            "figures": figures(truth, p),
        }
        text = json.dumps(golden, indent=1)
        (FOLDER / f"{name}.json").write_text(_compact(text) + "\n", "utf-8")


def _compact(text: str) -> str:
    """Put every innermost list of numbers on one line."""
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)


if __name__ == "__main__":
    main()
