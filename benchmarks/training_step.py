"""A training step of each network against plain PyTorch: same network, same clips, same run.

    python benchmarks/training_step.py --data music.csv

"plain" is what one writes first: Conv1d and Conv2d in the default layout,
float32, the default allocator, and every clip decoded from its file when it is
needed. "ours" is what `wavemel train` does. "ours, float32" is ours without
bf16. Each runs in a process of its own (the allocator's settings are the
process's); the processes take turns, step by step, and the ratios are those of
neighbouring steps. Neither augments.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

VARIANTS = ("plain", "ours", "ours-float32")


def plain_network(name: str, classes: int):
    """Return the paper's network, written plainly."""
    import torch
    from torch import nn

    def wave_blocks() -> nn.Sequential:
        layers: list[nn.Module] = []
        for a, b, k in zip((1, 16, 32, 64), (16, 32, 64, 128), (9, 7, 5, 3), strict=True):
            layers += [
                nn.Conv1d(a, b, k, padding=k // 2),
                nn.Conv1d(b, b, k, padding=k // 2),
                nn.MaxPool1d(4),
                nn.BatchNorm1d(b),
                nn.ReLU(),
            ]
        return nn.Sequential(*layers, nn.Flatten())

    class MelBlocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
            )
            self.rest = nn.Sequential(
                nn.Conv2d(16, 16, 3, padding=1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1, bias=False),
                nn.BatchNorm2d(16),
            )

        def forward(self, x):
            first = self.first(x)
            x = torch.relu(first + self.rest(first))
            return torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1)

    def head(inputs: int, *widths: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [
                nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)
            ]  # fmt: skip
            inputs = width
        return nn.Sequential(*layers, nn.Linear(inputs, classes))

    flat = 128 * (661_500 // 256)

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wave = wave_blocks() if name in ("wave", "combined") else None
            self.mel = MelBlocks() if name in ("mel", "combined") else None
            if name == "wave":
                self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(flat, classes))
            elif name == "mel":
                self.head = head(32, 300, 150)
            else:
                self.head = head(flat + 32, 512, 256, 128, 64)

        def forward(self, wave, mel):
            parts = []
            if self.wave is not None:
                parts.append(self.wave(wave[:, None]))
            if self.mel is not None:
                parts.append(self.mel(mel[:, None]))
            return self.head(torch.cat(parts, 1))

    return Plain()


def worker(variant: str, name: str, table: str, batch: int) -> None:
    """Answer each line on standard input with the seconds of one step, loading included."""
    import numpy as np
    import torch
    from torch.nn import functional as F

    from wavemel.data.cache import ClipSpec, cached_store
    from wavemel.data.scan import scan, usable
    from wavemel.data.sources import open_corpus
    from wavemel.experiment import load_experiment
    from wavemel.features.mel import LogMel
    from wavemel.networks.model import build_model
    from wavemel.runtime import keep_freed_memory

    rows = usable(scan(open_corpus(table)).table)
    classes = sorted(rows["genre"].unique())
    targets = rows["genre"].map({g: i for i, g in enumerate(classes)}).to_numpy(np.int64)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    experiment = load_experiment(f"paper/{name}")
    decay = experiment.training.weight_decay
    if variant == "plain":
        import soundfile
        import soxr

        model = plain_network(name, len(classes))
        mel_of = LogMel(44_100)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=decay)

        def clip(path: str) -> np.ndarray:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            mono = samples.mean(axis=1)
            mono = soxr.resample(mono, rate, 44_100) if rate != 44_100 else mono
            mono = mono[:661_500]
            return np.pad(mono, (0, 661_500 - len(mono)))

        def forward(indices: np.ndarray) -> torch.Tensor:
            x = torch.from_numpy(np.stack([clip(rows["path"].iloc[i]) for i in indices]))
            wave = (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6)
            mel = None
            if name != "wave":
                m = mel_of(x)
                mel = (m - m.mean(2, keepdim=True)) / (m.std(2, keepdim=True) + 1e-6)
            return model(wave, mel)
    else:
        keep_freed_memory()
        store = cached_store(rows, ClipSpec(rate=44_100, seconds=15.0))
        model = build_model(experiment, len(classes))
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=decay, fused=True)

        def forward(indices: np.ndarray) -> torch.Tensor:
            x = torch.from_numpy(store.batch(indices))
            with torch.autocast("cpu", torch.bfloat16, enabled=variant == "ours"):
                return model(x)

    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        indices = rng.choice(len(rows), batch, replace=False)
        loss = F.cross_entropy(forward(indices), torch.from_numpy(targets[indices]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        print(time.perf_counter() - start, flush=True)


def ask(process: subprocess.Popen[str]) -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write("step\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default="demo", help="table or folder, as for wavemel train")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default="wave,mel,combined")
    parser.add_argument(
        "--variants", default=",".join(VARIANTS), help="plain and any of ours, ours-float32"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training_step.json"))
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(*args.worker, args.data, args.batch)
        return
    variants = args.variants.split(",")
    results = {}
    for name in args.networks.split(","):
        processes = {}
        for variant in variants:
            command = [sys.executable, __file__, "--data", args.data, "--batch", str(args.batch)]
            processes[variant] = subprocess.Popen(
                [*command, "--worker", variant, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert processes[variant].stdout.readline().strip() == "ready"  # type: ignore[union-attr]
        for variant, process in processes.items():
            # The first steps warm allocators and kernel caches; plain has none worth the wait.
            for _ in range(1 if variant == "plain" else 3):
                ask(process)
        rounds = []
        for _ in range(args.rounds):
            rounds.append({v: ask(p) for v, p in processes.items()})
        for process in processes.values():
            process.stdin.close()  # type: ignore[union-attr]
            process.wait()
        results[name] = {
            "seconds_a_step": {v: statistics.median(r[v] for r in rounds) for v in variants},
            "ratio_to_plain": {
                v: statistics.median(r["plain"] / r[v] for r in rounds)
                for v in variants
                if v != "plain"
            },
            "rounds": rounds,
        }
        print(name, json.dumps(results[name]["ratio_to_plain"]), flush=True)
        write(args, name, results[name])


def write(args: argparse.Namespace, name: str, result: dict) -> None:
    """Put one network's figures into the results file, beside those of the others."""
    from wavemel.machine import describe_machine

    command = (
        f"python benchmarks/training_step.py --data {Path(args.data).name} --networks {name} "
        f"--variants {args.variants} --rounds {args.rounds} --batch {args.batch}"
    )
    old = json.loads(args.out.read_text()) if args.out.exists() else {"networks": {}}
    found = {"command": command, "batch": args.batch, "machine": describe_machine(), **result}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"networks": {**old["networks"], name: found}}, indent=2) + "\n")


if __name__ == "__main__":
    main()
