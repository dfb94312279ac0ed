"""From nothing to a report on FMA-small, by the commands that a newcomer types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fault_server
import fma_archive
import pytest


@pytest.mark.slow
def test_fetch_scan_reproduce(tmp_path: Path) -> None:
    tracks = fma_archive.make_tracks(25)
    # Three of the 200 are faulty as FMA's are: no audio, too short, silent.
    faults = (fma_archive.NO_AUDIO[0], fma_archive.SHORT[0], fma_archive.SILENT[0])
    for place, number in zip((0, 30, 60), faults, strict=True):
        tracks[place] = replace(tracks[place], id=number)
    offer = fma_archive.build(
        tmp_path / "offer", tracks, lambda t: fma_archive.clip(t, seconds=2.5)
    )
    environment = os.environ | {
        "WAVEMEL_DATA": str(tmp_path / "data"),
        "WAVEMEL_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
    }

    def wavemel(*words: str | Path) -> str:
        call = [sys.executable, "-m", "wavemel", *map(str, words)]
        done = subprocess.run(
            call, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=900
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with fault_server.serve(offer.folder) as server:
        environment["WAVEMEL_FMA_URL"] = server.url
        server.faults = [fault_server.Cut(3000), None, fault_server.Cut(100_000)]
        said = wavemel("data", "fetch", "fma-small", "--checksums", offer.checksums_file())
        assert "complete and checked" in said
        assert server.sent == sum(
            len(server.files[name]) for name in ("fma_small.zip", "fma_metadata.zip")
        )

    said = wavemel("data", "scan", "fma-small", "--out", "scan.csv")
    for number, status in zip(faults, ("unreadable", "short", "silent"), strict=True):
        assert any(f"{number:06d}.mp3" in line and status in line for line in said.splitlines())

    small = ("--set", "training.epochs=1", "--set", "audio.seconds=2")
    wavemel(
        "reproduce", "--data", "fma-small", "--config-set", "demo", *small, "--to", "report"
    )  # fmt: skip
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert {"wave", "mel", "combined"} <= {model["name"] for model in results["models"]}
    counts = results["data"]["counts"]
    assert {side: sum(counts[side].values()) for side in counts} == {
        "training": 165,
        "validation": 16,
        "test": 16,
    }
    assert "official" in results["data"]["split"]
    assert results["data"]["left_out"] == {"unreadable": 1, "short": 1, "silent": 1}
    assert "licence" in " ".join(results["data"]["notes"])
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
