"""`wavemel classify --out`: killed, interrupted, shared, it does each file once."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tones import write_tone
from typed import paths_in, wait_for


def library(folder: Path, count: int) -> list[str]:
    for i in range(count):
        write_tone(folder / f"{i:02}.wav", i, 1.2)
    return sorted(str(p) for p in folder.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_killed_at_random_points_each_file_is_classified_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Kill the run, and at times its processes, with SIGKILL, until it ends by itself."""
    files = library(tmp_path / "music", 40)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--out", str(out), "--jobs", "2"]  # fmt: skip
    chance = random.Random(0)
    kept: set[str] = set()

    def lines() -> list[str]:
        return out.read_text().splitlines(keepends=True) if out.exists() else []

    for _ in range(10):
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # At any moment: while it starts, between files, within one.
        target = len(kept) + chance.randint(0, 6)
        wait_for(lambda p=process, n=target: len(lines()) >= n or p.poll() is not None)
        time.sleep(chance.uniform(0, 0.05) if target > len(kept) else chance.uniform(0, 1))
        if chance.random() < 0.5 and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
        process.kill()
        process.wait()
        whole = [line for line in lines() if line.endswith("\n")]
        done = {json.loads(line)["path"] for line in whole}
        assert kept <= done  # nothing that was kept is lost
        assert len(done) == len(whole)
        kept = done
    assert kept
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert paths_in(out) == files


def test_several_runs_on_one_store_share_the_work(
    environment: dict[str, str], tmp_path: Path
) -> None:
    files = library(tmp_path / "music", 24)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--out", str(out), "--jobs", "1"]  # fmt: skip
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert paths_in(out) == files
    before = [int(m[1]) if (m := re.search(r"(\d+) done before", s)) else 0 for s in said]
    assert sum(24 - b for b in before) == 24  # each file by one of them


def test_ctrl_c_keeps_what_was_done(environment: dict[str, str], tmp_path: Path) -> None:
    # So many that it is not done before it is told to stop.
    library(tmp_path / "music", 400)
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--out", str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: out.exists() and out.read_text().count("\n") > 2)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert out.read_text().endswith("\n")
