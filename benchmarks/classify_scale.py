"""Many files and long ones: two processes against one, and memory.

    python benchmarks/classify_scale.py --music emotify

Speed: `wavemel classify FOLDER --jobs 1` and `--jobs 2` take turns on the same
files. Memory: the resident memory of every process while 5,000 files (links to
those of --music) are classified into a store, and the largest of one process
on an MP3 of ten hours (one file's frames, repeated), read by default and whole.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from classify_common import ONE_THREAD, arguments, label_of, model_of, music, program, table, write

#: Seconds between looks at memory.
_LOOK = 0.25


def link(files: list[str], count: int, folder: Path) -> Path:
    """Fill a folder with so many links to the files, each under a name of its own."""
    folder.mkdir()
    for i in range(count):
        source = Path(files[i % len(files)]).resolve()
        (folder / f"{i:05}{source.suffix}").symlink_to(source)
    return folder


def classify(path: Path, model: Path, *words: str) -> list[str]:
    """Return the command that classifies a file or folder."""
    return [*program(), "classify", str(path), "--model", str(model), *words]


def speed(folder: Path, model: Path, rounds: int) -> dict[str, Any]:
    """Return files a second with one and with two processes, and the ratio of neighbouring runs."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for jobs, taken in seconds.items():
            words = classify(folder, model, "--format", "jsonl", "--jobs", str(jobs))
            start = time.perf_counter()
            done = subprocess.run(
                words, stdout=subprocess.PIPE, check=True, env={**os.environ, **ONE_THREAD}
            )
            taken.append(time.perf_counter() - start)
    files = done.stdout.count(b"\n")
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    return {
        "files": files,
        "rounds": rounds,
        "files_a_second": {jobs: files / statistics.median(t) for jobs, t in seconds.items()},
        "ratio": statistics.median(ratios),
    }


def resident(pid: int) -> dict[int, float]:
    """Return pid -> resident MiB of a process and all below it (Linux)."""
    found: dict[int, float] = {}
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has ended
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                found[one] = int(line.split()[1]) / 1024
    return found


def watched(words: list[str]) -> dict[str, Any]:
    """Run a command; return the memory of its largest process in MiB: at most, and by fifths of the run."""
    looks: list[float] = []
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
    start = time.perf_counter()
    while process.poll() is None:
        now = resident(process.pid)
        if now:
            looks.append(max(now.values()))
        time.sleep(_LOOK)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    fifths = [looks[len(looks) * i // 5 : len(looks) * (i + 1) // 5] for i in range(5)]
    return {
        "seconds": time.perf_counter() - start,
        "largest_process_mib": max(looks),
        "by_fifths_mib": [max(part) for part in fifths if part],
    }


def long_mp3(source: str, hours: float, path: Path) -> Path:
    """Write an MP3 of so many hours: the frames of another, again and again."""
    import soundfile

    data = Path(source).read_bytes()
    if data.startswith(b"ID3"):
        size = sum(
            (byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)
        )
        data = data[10 + size :]
    if data[-128:].startswith(b"TAG"):
        data = data[:-128]
    for mark in (b"Xing", b"Info"):
        if mark in data[:200]:
            data = data[data.index(b"\xff\xfb", 4) :]  # its count of frames would be wrong
    times = round(hours * 3600 / soundfile.info(source).duration)
    with path.open("wb") as file:
        for _ in range(times):
            file.write(data)
    return path


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__ or "", "classify_scale", music="files and folders; one MP3 at least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--speed-files", type=int, default=600)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--hours", type=float, default=10)
    args = parser.parse_args()
    model = model_of(args)
    files = music(args.music)
    with tempfile.TemporaryDirectory(prefix="wavemel-bench-") as name:
        folder = Path(name)
        some = link(files, args.speed_files, folder / "some")
        found = speed(some, model, args.rounds)
        many = link(files, args.files, folder / "many")
        out = folder / "genres.jsonl"
        memory = {
            f"{args.files} files": watched(classify(many, model, "--jobs", "2", "--out", str(out)))
        }
        rows = out.read_bytes().count(b"\n")
        if rows != args.files:
            raise SystemExit(f"{rows} rows for {args.files} files")
        mp3 = next(f for f in files if f.lower().endswith(".mp3"))
        long = long_mp3(mp3, args.hours, folder / "long.mp3")
        memory[f"{args.hours:g} hours"] = watched(classify(long, model))
        memory[f"{args.hours:g} hours, whole"] = watched(classify(long, model, "--whole"))
    table(
        f"{found['files']} files",
        [
            ("processes", "files a second"),
            *((str(jobs), f"{rate:.1f}") for jobs, rate in found["files_a_second"].items()),
        ],
    )
    print(f"two processes reach {found['ratio']:.2f} times one")
    table(
        "memory of the largest process, MiB",
        [
            ("", "at most", "by fifths of the time", "seconds"),
            *(
                (
                    what,
                    f"{of['largest_process_mib']:.0f}",
                    " ".join(f"{mib:.0f}" for mib in of["by_fifths_mib"]),
                    f"{of['seconds']:.0f}",
                )
                for what, of in memory.items()
            ),
        ],
    )
    write(args.out, {"model": label_of(model), "speed": found, "memory": memory})


if __name__ == "__main__":
    main()
