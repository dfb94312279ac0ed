"""Does the default reading give the whole file's answer, within the tolerance that it states?

    python benchmarks/classify_tolerance.py --music emotify library

Every file is classified twice: as `wavemel classify` does by default, which
reads windows until every genre's probability is within --tolerance of the
whole file's with 95 % confidence, and with --whole. The figure of a file is
its largest difference of a probability.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from classify_common import arguments, label_of, model_of, music, table, write
from wavemel.inference.reading import TOLERANCE

QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)


def measure(files: list[str], model: Path, tolerance: float) -> dict[str, Any]:
    """Return how default and whole reading of files differ."""
    import wavemel
    from wavemel.errors import AudioError
    from wavemel.progress import track

    classifier = wavemel.load(model)
    differences, same, read, length, skipped = [], 0, 0.0, 0.0, 0
    for path in track(files, "classifying"):
        try:
            some = classifier.classify(path, tolerance=tolerance)
            whole = classifier.classify(path, whole=True)
        except AudioError:
            skipped += 1
            continue
        if not whole.genres or not some.genres:  # silence
            skipped += 1
            continue
        by_name = {g.genre: g.probability for g in whole.genres}
        differences.append(max(abs(g.probability - by_name[g.genre]) for g in some.genres))
        same += some.genre == whole.genre
        read, length = read + some.seconds_read, length + whole.seconds
    if not differences:
        raise SystemExit("none of the files can be classified")
    found = np.array(differences)
    return {
        "files": len(found),
        "skipped": skipped,
        "tolerance": tolerance,
        "within_tolerance": float((found <= tolerance).mean()),
        "same_top_genre": same / len(found),
        "share_read": read / length,
        "difference": {f"{q:g}": float(np.quantile(found, q)) for q in QUANTILES},
        "differences": [round(d, 4) for d in sorted(differences)],
    }


def main() -> None:
    """Measure, print, write."""
    parser = arguments(
        __doc__ or "", "classify_tolerance", music="folders, each measured for itself"
    )
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--every", type=int, default=1, help="take every n-th file of a folder")
    args = parser.parse_args()
    model = model_of(args)
    report: dict[str, Any] = {"model": label_of(model)}
    for folder in args.music:
        report[folder.name] = measure(music([folder], args.every), model, args.tolerance)
    rows = [
        (
            folder.name,
            str(of["files"]),
            f"{of['share_read']:.0%}",
            f"{of['same_top_genre']:.1%}",
            f"{of['within_tolerance']:.1%}",
            *(f"{of['difference'][f'{q:g}']:.3f}" for q in QUANTILES),
        )
        for folder in args.music
        if (of := report[folder.name])
    ]
    heads = ["median", *(f"{q:.0%}" for q in QUANTILES[1:-1]), "largest"]
    table(
        f"default reading against --whole; largest difference of a probability, stated: {args.tolerance:g}",
        [("", "files", "read", "same top", "within", *heads), *rows],
    )
    write(args.out, report)


if __name__ == "__main__":
    main()
