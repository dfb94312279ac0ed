"""Work in processes: everything is done once, and a crash costs one item."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tones import die_on_three, fail_on_three, process_of

from wavemel.workers import Crashed, map_files


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_is_done_once(workers: int) -> None:
    done = dict(map_files(abs, [-3, 2, -1, 0, -9], workers=workers))
    assert done == {0: 3, 1: 2, 2: 1, 3: 0, 4: 9}


def test_nothing_to_do() -> None:
    assert list(map_files(abs, [], workers=2)) == []


def test_a_crash_costs_one_item() -> None:
    done = dict(map_files(die_on_three, list(range(40)), workers=2, chunk=4))
    assert isinstance(done.pop(3), Crashed)
    assert done == {i: 2 * i for i in range(40) if i != 3}


@pytest.mark.parametrize("workers", [0, 2])
def test_what_the_function_raises_ends_the_work(workers: int) -> None:
    with pytest.raises(ValueError, match="three"):
        list(map_files(fail_on_three, list(range(8)), workers=workers))


def alive(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_workers_do_not_outlive_their_parent(tmp_path: Path, how: str) -> None:
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from tones import note_process
from wavemel.workers import map_files
if __name__ == "__main__":
    list(map_files(note_process, [{str(tmp_path)!r}] * 2, workers=2))
"""
    script = tmp_path / "program.py"
    script.write_text(program)
    parent = subprocess.Popen(
        [sys.executable, str(script)], start_new_session=True, stderr=subprocess.PIPE, text=True
    )

    def workers() -> list[int]:
        return [int(f.name) for f in tmp_path.iterdir() if f.name.isdigit()]

    deadline = time.monotonic() + 120
    while len(workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    if how == "kill":
        parent.kill()
    else:
        os.killpg(parent.pid, signal.SIGINT)
    # Ends only when all that share its standard error have gone, the work of 60 s undone.
    _, said = parent.communicate(timeout=45)
    assert len(workers()) == 2
    assert not any(alive(process) for process in workers())
    assert said.count("KeyboardInterrupt") == (how == "interrupt")


def test_a_program_without_a_main_guard_is_told(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "from wavemel.workers import map_files\nprint(list(map_files(abs, [1], workers=1)))\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert "call this below \"if __name__ == '__main__':\"" in ended.stderr.splitlines()[-1]
    assert "Crashed" not in ended.stdout


def test_more_processes_than_help_are_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavemel.workers.cores", lambda: 1)
    monkeypatch.setattr("wavemel.workers._MOST", 2)
    done = list(map_files(process_of, range(40), workers=1000, chunk=1))
    assert len(done) == 40
    assert len({pid for _, pid in done}) <= 2
