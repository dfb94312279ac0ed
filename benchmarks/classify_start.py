"""Cold start: one file, from typing the command to its end, against the imports it cannot do without.

    python benchmarks/classify_start.py --music song.mp3

"imports" is `python -c "import numpy, onnxruntime, soundfile"` and decoding
the file from beginning to end; "classify" is `wavemel classify FILE`. They
take turns; the files lie in the system's cache.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from classify_common import arguments, label_of, model_of, music, program, table, write

IMPORTS = "import numpy, onnxruntime, soundfile"
VARIANTS = ("imports", "imports and decoding", "classify")


def commands(path: str, model: Path) -> dict[str, list[str]]:
    """Return what is timed."""
    python = [sys.executable, "-c"]
    decode = f"{IMPORTS}; soundfile.read({path!r}, dtype='float32')"
    classify = [*program(), "classify", path, "--model", str(model)]
    return dict(zip(VARIANTS, ([*python, IMPORTS], [*python, decode], classify), strict=True))


def measure(path: str, model: Path, rounds: int) -> dict[str, Any]:
    """Return seconds and ratios of neighbouring runs."""
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for i in range(rounds + 1):
        for variant, words in commands(path, model).items():
            start = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            if i:  # the first fills the system's cache
                seconds[variant].append(time.perf_counter() - start)
    both = zip(seconds["classify"], seconds["imports and decoding"], strict=True)
    return {
        "file": Path(path).suffix,
        "rounds": rounds,
        "seconds": {variant: statistics.median(of) for variant, of in seconds.items()},
        "ratio": statistics.median(ours / theirs for ours, theirs in both),
    }


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__ or "", "classify_start", music="a file; of a folder, the first")
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args()
    model = model_of(args)
    found = measure(music(args.music)[0], model, args.rounds)
    rows = [(variant, f"{of:.3f}") for variant, of in found["seconds"].items()]
    table("seconds, median", rows)
    print(f"\nclassify takes {found['ratio']:.2f} times as long as imports and decoding")
    write(args.out, {"model": label_of(model), **found})


if __name__ == "__main__":
    main()
