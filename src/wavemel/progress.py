"""Progress of long work: a bar on a terminal, a few plain lines in a pipe, nothing when told so."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Ticker:
    """What long work calls to say how far it is; see `progress`."""

    def advance(self, amount: float = 1) -> None:
        """Say that ``amount`` more is done."""

    def total(self, total: float) -> None:
        """Say how much there is, where that was not known at the start."""


class _RichTicker(Ticker):
    def __init__(self, bar: object, task: object) -> None:
        self._bar, self._task = bar, task

    def advance(self, amount: float = 1) -> None:
        self._bar.advance(self._task, amount)  # type: ignore[attr-defined]

    def total(self, total: float) -> None:
        self._bar.update(self._task, total=total)  # type: ignore[attr-defined]


class _PlainTicker(Ticker):
    """Prints a line at most every ten seconds, so that a log stays readable."""

    def __init__(self, what: str, total: float | None, unit: str, done: float = 0) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done, self._before, self._start = done, done, time.monotonic()
        self._last = self._start

    def total(self, total: float) -> None:
        self._total = total

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last >= 10:
            self._last = now
            rate = max(0.0, self._done - self._before) / (now - self._start)
            of = f" of {self._shown(self._total)}" if self._total else ""
            left = ""
            if self._total and rate:
                left = f", {max(0.0, self._total - self._done) / rate:,.0f} s left"
            unit = "" if self._unit == "bytes" else f" {self._unit}"
            print(
                f"{self._what}: {self._shown(self._done)}{of}{unit} ({self._shown(rate, 1)} a second{left})",
                file=sys.stderr,
                flush=True,
            )

    def _shown(self, amount: float, digits: int = 0) -> str:
        return f"{amount / 2**20:,.1f} MiB" if self._unit == "bytes" else f"{amount:,.{digits}f}"


@contextmanager
def progress(
    what: str, total: float | None = None, *, unit: str = "files", done: float = 0
) -> Iterator[Ticker]:
    """Show the progress of one piece of work on standard error.

    Parameters
    ----------
    what : the work, as a person would call it ("scanning").
    total : how much there is, if known.
    unit : what is counted; ``"bytes"`` shows sizes and transfer rates.
    done : how much of it was done before.

    Yields
    ------
    Ticker
        whose ``advance()`` the work calls.
    """
    if not sys.stderr.isatty():
        yield _PlainTicker(what, total, unit, done)
        return
    from rich import progress as rp
    from rich.console import Console

    counts: list[rp.ProgressColumn] = (
        [rp.DownloadColumn(), rp.TransferSpeedColumn()]
        if unit == "bytes"
        else [rp.MofNCompleteColumn(), rp.TextColumn("{task.fields[unit]}"), _rate_column()]
    )
    columns = [rp.TextColumn("{task.description}"), rp.BarColumn(), *counts]
    # What is printed meanwhile stays as it is: a row with a long path must not be cut into lines.
    console = Console(stderr=True, soft_wrap=True)
    with rp.Progress(*columns, rp.TimeRemainingColumn(), console=console, transient=True) as bar:
        yield _RichTicker(bar, bar.add_task(what, total=total, completed=int(done), unit=unit))


def _rate_column() -> Any:
    """Return a column that says how many are done a second."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.1f} a second")

    return Rate()


def track(
    items: Iterable[T], what: str, total: int | None = None, unit: str = "files"
) -> Iterator[T]:
    """Yield ``items`` while showing the progress through them."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress(what, total, unit=unit) as ticker:
        for item in items:
            yield item
            ticker.advance()
