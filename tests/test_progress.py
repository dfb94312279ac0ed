from __future__ import annotations

import io
import re
import sys
import time

import pytest

from wavemel import progress as module
from wavemel.progress import progress, track


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_pipe_gets_plain_lines_with_rate_and_time_left(
    clock: list[float], capsys: pytest.CaptureFixture
) -> None:
    mib = 2**20
    with progress("fetching a.zip", unit="bytes", done=10 * mib) as ticker:
        ticker.total(100 * mib)
        ticker.advance(mib)
        clock[0] += 10
        ticker.advance(19 * mib)
    out, err = capsys.readouterr()
    assert out == ""
    # What was done before counts as done, not as speed.
    assert err == ("fetching a.zip: 30.0 MiB of 100.0 MiB (2.0 MiB a second, 35 s left)\n")


def test_counts_are_told_in_their_unit(clock: list[float], capsys: pytest.CaptureFixture) -> None:
    def slow():
        for i in range(3):
            clock[0] += 6
            yield i

    assert list(track(slow(), "scanning", 3)) == [0, 1, 2]
    assert capsys.readouterr().err == "scanning: 2 of 3 files (0.2 a second, 6 s left)\n"


def test_terminal_gets_a_bar_that_can_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with module.progress("fetching", 100, unit="bytes", done=50) as ticker:
        ticker.total(200)
        ticker.advance(150)
        ticker.advance(-200)
        ticker.advance(40)
    assert "fetching" in screen.getvalue()
    assert "40/200 bytes" in screen.getvalue()


def test_terminal_gets_rate_and_time_left_and_whole_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    row = "path " * 40 + "end"
    with progress("classifying", 20) as ticker:
        for _ in range(10):
            time.sleep(0.03)
            ticker.advance()
        print(row)
        time.sleep(0.2)  # the bar is drawn ten times a second
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert row in said
    assert re.search(r"10/20 files \d+\.\d a second 0:00:0\d", said)
