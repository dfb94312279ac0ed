"""Does the default reading give the whole file's answer, within the tolerance that it states?

    python benchmarks/classify_tolerance.py --music emotify library
    python benchmarks/classify_tolerance.py --held-out reports/emotify-strong/runs/mel-res-fold?-seed?

Every file is classified twice: as `wavemel classify` does by default, which
reads windows until every genre's probability is within --tolerance of the
whole file's with 95 % confidence, and with --whole. The figure of a file is
its largest difference of a probability.

--held-out asks runs about their own test tracks, whose genres are known: is what is read by
default right as often? They get the temperature, the threshold and the variation of windows that
--model states, which is trained as they are, on all tracks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classify_common import arguments, exported, label_of, model_of, music, table, write
from wavemel.inference.reading import TOLERANCE

if TYPE_CHECKING:
    from wavemel.inference.classifier import Classifier

QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)


class Readings:
    """Files, each read as it is by default and whole."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.rows: list[dict[str, Any]] = []
        self.skipped = 0

    def add(self, classifier: Classifier, files: Iterable[str], genres: Iterable[str] = ()) -> None:
        """Classify files twice; ``genres`` are their own, where they are known."""
        from wavemel.errors import AudioError
        from wavemel.progress import track

        known = dict(zip(files, genres, strict=False))
        for path in track(list(files), "classifying"):
            try:
                some = classifier.classify(path, tolerance=self.tolerance)
                whole = classifier.classify(path, whole=True)
            except AudioError:
                self.skipped += 1
                continue
            if not whole.genres or not some.genres:  # silence
                self.skipped += 1
                continue
            by_name = {g.genre: g.probability for g in whole.genres}
            self.rows.append(
                {
                    "difference": max(abs(g.probability - by_name[g.genre]) for g in some.genres),
                    "same": some.genre == whole.genre,
                    "sure": not whole.unsure,
                    "read": some.seconds_read,
                    "length": whole.seconds,
                    **(
                        {
                            "right": some.genre == known[path],
                            "whole_right": whole.genre == known[path],
                        }
                        if known
                        else {}
                    ),
                }
            )

    def report(self) -> dict[str, Any]:
        """Return what was found."""
        if not self.rows:
            raise SystemExit("none of the files can be classified")
        found = {key: np.array([row[key] for row in self.rows]) for key in self.rows[0]}
        sure = found["sure"]
        accuracy = {
            f"top1_{name}": float(found[key].mean())
            for name, key in (("default", "right"), ("whole", "whole_right"))
            if key in found
        }
        return {
            "files": len(self.rows),
            "skipped": self.skipped,
            "tolerance": self.tolerance,
            "within_tolerance": float((found["difference"] <= self.tolerance).mean()),
            "same_top_genre": float(found["same"].mean()),
            "sure": int(sure.sum()),
            "same_top_genre_of_sure": float(found["same"][sure].mean()) if sure.any() else None,
            **accuracy,
            "share_read": float(found["read"].sum() / found["length"].sum()),
            "difference": {f"{q:g}": float(np.quantile(found["difference"], q)) for q in QUANTILES},
            "differences": [round(float(d), 4) for d in sorted(found["difference"])],
        }


def held_out(runs: list[Path], like: Path, tolerance: float) -> dict[str, Any]:
    """Ask each run about its own test tracks."""
    import wavemel
    from wavemel.evaluation.runs import run_table

    stated = json.loads((like / "model.json").read_text())
    readings = Readings(tolerance)
    for run in runs:
        folder = exported(run)
        about = folder / "model.json"
        kept = {key: stated[key] for key in ("temperature", "unsure_below", "window_variation")}
        about.write_text(json.dumps(json.loads(about.read_text()) | kept))
        tracks = run_table(run).query("split == 'test'")
        readings.add(wavemel.load(folder), list(tracks["path"]), list(tracks["genre"]))
    return readings.report()


def main() -> None:
    """Measure, print, write."""
    import wavemel

    parser = arguments(
        __doc__ or "",
        "classify_tolerance",
        music="folders, each measured for itself",
        required=False,
    )
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--every", type=int, default=1, help="take every n-th file of a folder")
    parser.add_argument("--held-out", type=Path, nargs="+", default=[], help="run folders")
    args = parser.parse_args()
    if bool(args.music) == bool(args.held_out):
        parser.error("give --music or --held-out")
    model = model_of(args)
    report: dict[str, Any] = {"model": label_of(model)}
    if args.held_out:
        report["held out"] = held_out(args.held_out, model, args.tolerance)
    for folder in args.music:
        readings = Readings(args.tolerance)
        readings.add(wavemel.load(model), music([folder], args.every))
        report[folder.name] = readings.report()
    rows = [
        (
            name,
            str(of["files"]),
            f"{of['share_read']:.0%}",
            f"{of['same_top_genre']:.1%}",
            "-" if not of["sure"] else f"{of['same_top_genre_of_sure']:.1%} of {of['sure']}",
            f"{of['within_tolerance']:.1%}",
            *(f"{of['difference'][f'{q:g}']:.3f}" for q in QUANTILES),
        )
        for name, of in report.items()
        if name != "model"
    ]
    heads = ["median", *(f"{q:.0%}" for q in QUANTILES[1:-1]), "largest"]
    table(
        f"default reading against --whole; largest difference of a probability, stated: {args.tolerance:g}",
        [("", "files", "read", "same top", "where sure", "within", *heads), *rows],
    )
    if args.held_out:
        found = report["held out"]
        print(
            f"right: {found['top1_default']:.3f} as read by default, {found['top1_whole']:.3f} whole"
        )
    write(args.out, report)


if __name__ == "__main__":
    main()
