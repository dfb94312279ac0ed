"""File -> genre on one core: against the usual path, and where the time goes.

    python benchmarks/classify_speed.py --music emotify library

"usual" is what one writes first: librosa.load, librosa's mel spectrogram of
every window, the same network in torch, the mean. "whole" is `wavemel classify
--whole`, which answers the same; "default" reads as much as the answer needs.
Each runs in a process of its own, pinned to the same core; the processes take
turns, file by file. Imports and loading are done before.

"decode" is the time inside libsndfile (opening, seeking, reading the windows
that were wanted), as a share of all that a file takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from classify_common import ONE_THREAD, arguments, label_of, model_of, music, pin, table, write

VARIANTS = ("usual", "whole", "default")
STAGES = ("decode", "resample", "mel", "network", "rest")
Classify = Callable[[str], list[float]]


def usual(model: str) -> Classify:
    """Return the usual path: a file -> probabilities."""
    import librosa
    import numpy as np
    import torch

    from wavemel.checkpoint import load_checkpoint
    from wavemel.inference.bundle import read_bundle
    from wavemel.pooling import pool

    torch.set_num_threads(1)
    d = read_bundle(model).description
    whole = load_checkpoint(model).model
    network, mel = whole.network, d.mel
    size, step = d.samples, round(d.seconds * (1 - d.overlap) * d.rate)

    def zscore(x: np.ndarray, axes: int | tuple[int, ...] = -1) -> np.ndarray:
        return (x - x.mean(axes, keepdims=True)) / (x.std(axes, keepdims=True) + 1e-6)

    def features(kind: str, window: np.ndarray) -> np.ndarray:
        if kind == "wave":
            return zscore(window)
        assert mel is not None
        power = librosa.feature.melspectrogram(
            y=window,
            sr=d.rate,
            n_fft=mel.n_fft,
            hop_length=mel.hop,
            n_mels=mel.bands,
            fmin=mel.fmin,
            fmax=mel.fmax,
            pad_mode="constant",
        )
        decibels = librosa.power_to_db(power, top_db=mel.top_db)
        return zscore(decibels, (0, 1) if mel.normalise == "spectrogram" else -1)

    def classify(path: str) -> list[float]:
        samples, _ = librosa.load(path, sr=d.rate)
        starts = list(range(0, max(1, len(samples) - size + 1), step))
        if len(samples) - (starts[-1] + size) >= step / 4:
            starts.append(len(samples) - size)
        windows = [
            np.pad(samples[s : s + size], (0, max(0, s + size - len(samples)))) for s in starts
        ]
        with torch.inference_mode():
            if d.inputs == ("samples",):  # a front end that is part of the network
                logits = whole(torch.from_numpy(np.stack(windows)))
            else:
                inputs = [np.stack([features(kind, w) for w in windows]) for kind in d.inputs]
                logits = network(*map(torch.from_numpy, inputs))
            logits = logits.double() / d.temperature
            return pool(torch.softmax(logits, 1).numpy(), d.pooling).tolist()

    return classify


def ours(model: str, whole: bool) -> Classify:
    """Return what a worker of `wavemel classify` does with a file."""
    from wavemel.inference.bundle import read_bundle
    from wavemel.inference.reading import Reading
    from wavemel.library.worker import Job, Worker

    work = Worker(Job(model, Reading(whole=whole)))
    classes = read_bundle(model).description.classes

    def classify(path: str) -> list[float]:
        row = work(path).row  # type: ignore[union-attr]
        if row["error"]:
            raise SystemExit(f"{path}: {row['error']}")
        by_name = {g["genre"]: g["probability"] for g in row["genres"]}
        return [by_name.get(name, 0.0) for name in classes]

    return classify


def worker(variant: str, model: str) -> None:
    """Answer each path on standard input with seconds and probabilities."""
    pin()
    classify = usual(model) if variant == "usual" else ours(model, variant == "whole")
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        probabilities = classify(line.rstrip("\n"))
        print(time.perf_counter() - start, *probabilities, flush=True)


class Racer:
    """A process that classifies files in one way."""

    def __init__(self, variant: str, model: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", variant, str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        self._line()

    def __call__(self, path: str) -> tuple[float, list[float]]:
        """Return the seconds that a file took, and its probabilities."""
        assert self._process.stdin
        self._process.stdin.write(path + "\n")
        self._process.stdin.flush()
        seconds, *probabilities = map(float, self._line().split())
        return seconds, probabilities

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a process has died; what it said stands above")
        return line


def race(files: list[str], model: Path, rounds: int) -> dict[str, Any]:
    """Let the variants take turns; return rates and ratios."""
    racers = {variant: Racer(variant, model) for variant in VARIANTS}
    for path in files[:3]:  # warm caches and just-in-time compilers
        for racer in racers.values():
            racer(path)
    passes: list[dict[str, float]] = []
    differences = []
    for _ in range(rounds):
        passes.append(dict.fromkeys(VARIANTS, 0.0))
        for path in files:
            answers = {}
            for variant, racer in racers.items():
                seconds, answers[variant] = racer(path)
                passes[-1][variant] += seconds
            pairs = zip(answers["usual"], answers["whole"], strict=True)
            differences.append(max(abs(a - b) for a, b in pairs))
    for racer in racers.values():
        racer.close()
    return {
        "files": len(files),
        "files_a_second": {
            v: len(files) / statistics.median(p[v] for p in passes) for v in VARIANTS
        },
        "ratio_to_usual": {
            v: statistics.median(p["usual"] / p[v] for p in passes) for v in VARIANTS[1:]
        },
        # The median, for librosa's decoders and ours differ at the ends of some files.
        "difference_of_whole_from_usual": statistics.median(differences),
        "passes": passes,
    }


class Stopwatch:
    """Time spent in stages; what runs inside of a stage counts for it alone."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES[:-1], 0.0)
        self._inside = False

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        def call(*args: object, **named: object) -> object:
            if self._inside:  # soundfile's read() seeks
                return function(*args, **named)
            self._inside = True
            start = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                self.spent[stage] += time.perf_counter() - start
                self._inside = False

        return call


def breakdown(files: list[str], model: Path, whole: bool, rounds: int) -> dict[str, float]:
    """Return the share of each stage in the time of the files; changes the libraries it watches."""
    import soundfile
    import soxr

    import wavemel
    from wavemel.inference import frontend

    pin()
    classify = ours(str(model), whole)
    watch = Stopwatch()
    for name in ("__init__", "read", "seek", "close"):
        method = getattr(soundfile.SoundFile, name)
        setattr(soundfile.SoundFile, name, watch.timed("decode", method))
    soxr.resample = watch.timed("resample", soxr.resample)
    soxr.ResampleStream.resample_chunk = watch.timed("resample", soxr.ResampleStream.resample_chunk)
    frontend.FrontEnd.__call__ = watch.timed("mel", frontend.FrontEnd.__call__)  # type: ignore[method-assign]
    import onnxruntime

    session = onnxruntime.InferenceSession
    session.run = watch.timed("network", session.run)
    for path in files[:3]:
        classify(path)
    found = []
    for _ in range(rounds):
        watch.spent = dict.fromkeys(watch.spent, 0.0)
        start = time.perf_counter()
        for path in files:
            classify(path)
        total = time.perf_counter() - start
        shares = {stage: seconds / total for stage, seconds in watch.spent.items()}
        rest = 1 - sum(shares.values())
        found.append({**shares, "rest": rest, "ms_a_file": 1000 * total / len(files)})
    results = [wavemel.load(model).classify(path, whole=whole) for path in files]
    read = sum(r.seconds_read for r in results) / sum(r.seconds for r in results)
    medians = {key: statistics.median(f[key] for f in found) for key in found[0]}
    return {"files": len(files), **medians, "share_read": read}


def in_a_process_of_its_own(folder: Path, how: str, model: Path, args: argparse.Namespace) -> dict:
    """Return a breakdown of one folder's MP3 files; empty where there are none."""
    words = [sys.executable, __file__, "--music", str(folder), "--every", str(args.every)]
    words += ["--rounds", str(args.rounds), "--breakdown", how, "--model", str(model)]
    done = subprocess.run(
        words, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def show(folder: Path, found: dict[str, Any]) -> None:
    """Print what was found for one folder."""
    rate, ratio = found["files_a_second"], found["ratio_to_usual"]
    table(
        f"{folder.name}: {found['files']} files, one core",
        [
            ("", "files a second", "ratio to usual"),
            *((v, f"{rate[v]:.2f}", f"{ratio.get(v, 1):.2f}") for v in VARIANTS),
        ],
    )
    shares = {how: found[f"breakdown_{how}"] for how in VARIANTS[1:]}
    if not shares["whole"]:
        return
    rows = [
        (
            how,
            *(f"{of[stage]:.0%}" for stage in STAGES),
            f"{of['ms_a_file']:.1f}",
            f"{of['share_read']:.0%}",
        )
        for how, of in shares.items()
    ]
    table(
        f"share of the time of {shares['whole']['files']} MP3 files",
        [("", *STAGES, "ms a file", "share read"), *rows],
    )


def main() -> None:
    """Measure, print, write."""
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:4])
        return
    parser = arguments(__doc__ or "", "classify_speed", music="folders, each measured for itself")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="take every n-th file of a folder")
    parser.add_argument("--breakdown", choices=VARIANTS[1:], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.breakdown:
        files = [f for f in music(args.music, args.every) if f.lower().endswith(".mp3")]
        whole = args.breakdown == "whole"
        print(json.dumps(breakdown(files, args.model, whole, args.rounds) if files else {}))
        return
    model = model_of(args)
    report: dict[str, Any] = {"model": label_of(model)}
    for folder in args.music:
        found = race(music([folder], args.every), model, args.rounds)
        for how in VARIANTS[1:]:
            found[f"breakdown_{how}"] = in_a_process_of_its_own(folder, how, model, args)
        report[folder.name] = found
        show(folder, found)
    write(args.out, report)


if __name__ == "__main__":
    main()
