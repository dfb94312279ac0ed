"""What the benchmarks of classifying share: the model, the music, the report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
#: One core means one thread, whatever library counts cores for itself.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def arguments(
    doc: str, name: str, *, music: str | None, required: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the options that all have."""
    parser = argparse.ArgumentParser(description=doc.split("\n", 1)[0])
    parser.add_argument(
        "--model",
        "-m",
        help="name or path of an exported model [default: the one of 'wavemel classify']",
    )
    parser.add_argument("--run", type=Path, help="run folder to export, in place of --model")
    if music is not None:
        parser.add_argument(
            "--music", type=Path, nargs="+", required=required, default=[], help=music
        )
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    return parser


def model_of(args: argparse.Namespace) -> Path:
    """Return the exported model that is meant, as a path; a run is exported into a temporary folder."""
    from wavemel.errors import WavemelError
    from wavemel.inference.models import find_model

    try:
        if args.run is not None:
            return exported(args.run)
        graph = find_model(args.model).graph
    except WavemelError as error:
        raise SystemExit(str(error)) from None
    return graph.parent if graph.name == "model.onnx" else graph


def exported(run: Path, **options: Any) -> Path:
    """Export a run, or an exported model's weights, into a temporary folder; return the model's."""
    from wavemel.export import Options, export

    folder = Path(tempfile.mkdtemp(prefix="wavemel-bench-"))
    return export([run], Options(name="bench", weights=True, **options), folder / "bench").folder


def label_of(model: Path) -> str:
    """Return name and id of a model, and its network."""
    from wavemel.inference.bundle import read_bundle

    d = read_bundle(model).description
    return (
        f"{d.label} ({d.about.get('network', 'unknown network')}, {d.seconds:g} s at {d.rate} Hz)"
    )


def music(paths: Sequence[Path], every: int = 1) -> list[str]:
    """Return every n-th of all audio files of the paths."""
    from wavemel.library.find import find

    files = [f.path for f in find(map(str, paths)) if f.reason is None][::every]
    if not files:
        raise SystemExit(f"no music in {', '.join(map(str, paths))}")
    return files


def program() -> list[str]:
    """Return the command line program of this Python."""
    script = Path(sys.executable).parent / "wavemel"
    return [str(script)] if script.is_file() else [sys.executable, "-m", "wavemel"]


def pin() -> None:
    """Keep this process, and those it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def write(out: Path, report: dict[str, Any]) -> None:
    """Write the report with the machine it was made on and the command without its folders; print both."""
    from wavemel.machine import describe_machine

    words = [Path(w).name if "/" in w else w for w in sys.argv[1:]]
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"command": command, "machine": describe_machine(), **report}, indent=2)
    out.write_text(text + "\n")
    print(f"\n{command}\nwritten: {out}")


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print aligned rows."""
    print(f"\n{title}")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
