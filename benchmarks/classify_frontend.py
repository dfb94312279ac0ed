"""Where to compute the mel spectrogram: beside the network, in numpy, or inside its ONNX graph.

    python benchmarks/classify_frontend.py

Both are exported from the same weights and answer the same. One core; the two
take turns, window by window.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from classify_common import ONE_THREAD, arguments, exported, label_of, model_of, pin, table, write

PLACES = ("beside", "inside")


def measure(model: Path, windows: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds a window, and ratios of neighbouring batches."""
    from wavemel.inference.bundle import read_bundle
    from wavemel.inference.probabilities import Windows2Probabilities

    weights = model if model.is_dir() else model.parent
    ask = {
        place: Windows2Probabilities(read_bundle(exported(weights, front_end=place)))
        for place in PLACES
    }
    d = ask["beside"].description
    rng = np.random.default_rng(0)
    samples = 0.1 * rng.standard_normal((windows, d.samples), dtype=np.float32)
    difference = np.abs(ask["beside"](samples) - ask["inside"](samples)).max()
    seconds: dict[str, list[float]] = {place: [] for place in PLACES}
    for _ in range(rounds):
        for place, network in ask.items():
            start = time.perf_counter()
            network(samples)
            seconds[place].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(seconds["inside"], seconds["beside"], strict=True)]
    return {
        "windows": windows,
        "rounds": rounds,
        "ms_a_window": {p: 1000 * statistics.median(of) / windows for p, of in seconds.items()},
        "ratio_inside_to_beside": statistics.median(ratios),
        "difference": float(difference),
    }


def main() -> None:
    """Measure, print, write."""
    os.environ.update(ONE_THREAD)
    parser = arguments(__doc__ or "", "classify_frontend", music=None)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=50)
    args = parser.parse_args()
    pin()
    model = model_of(args)
    found = measure(model, args.windows, args.rounds)
    rows = [(place, f"{ms:.2f}") for place, ms in found["ms_a_window"].items()]
    table("ms a window, spectrogram and network", rows)
    print(f"\ninside takes {found['ratio_inside_to_beside']:.2f} times as long as beside")
    write(args.out, {"model": label_of(model), **found})


if __name__ == "__main__":
    main()
