"""What another model costs: the shipped ones side by side, on the same files.

    python benchmarks/classify_models.py --music emotify library

Each classifies as `wavemel classify` does by default, in a process of its own,
pinned to the same core; the processes take turns, file by file.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from classify_common import arguments, label_of, music, table, write
from classify_speed import Racer


def race(files: list[str], models: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Let the models take turns; return their rates, and how many times the first one's time they take."""
    racers = {name: Racer("default", place) for name, place in models.items()}
    for path in files[:3]:
        for racer in racers.values():
            racer(path)
    passes: list[dict[str, float]] = []
    for _ in range(rounds):
        passes.append(dict.fromkeys(racers, 0.0))
        for path in files:
            for name, racer in racers.items():
                passes[-1][name] += racer(path)[0]
    for racer in racers.values():
        racer.close()
    first = next(iter(models))
    return {
        "files": len(files),
        "files_a_second": {
            name: len(files) / statistics.median(p[name] for p in passes) for name in racers
        },
        "times_as_long": {
            name: statistics.median(p[name] / p[first] for p in passes) for name in racers
        },
        "passes": passes,
    }


def main() -> None:
    """Measure, print, write."""
    from wavemel.inference.models import DEFAULT, SHIPPED

    parser = arguments(__doc__ or "", "classify_models", music="folders, each measured for itself")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="take every n-th file of a folder")
    args = parser.parse_args()
    places = sorted(SHIPPED.glob("*/model.onnx"), key=lambda p: p.parent.name != DEFAULT)
    models = {place.parent.name: place.parent for place in places}
    report: dict[str, Any] = {"models": {name: label_of(at) for name, at in models.items()}}
    for folder in args.music:
        found = race(music([folder], args.every), models, args.rounds)
        report[folder.name] = found
        rows = [
            (name, f"{rate:.2f}", f"{found['times_as_long'][name]:.2f}")
            for name, rate in found["files_a_second"].items()
        ]
        head = ("", "files a second", "times as long")
        table(f"{folder.name}: {found['files']} files, one core", [head, *rows])
    write(args.out, report)


if __name__ == "__main__":
    main()
