"""SIGTERM, by which services and job queues end a program, as an exception."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from wavemel.errors import Terminated


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`: a process that dies of it says nothing and tidies nothing up."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # whoever has an answer of their own keeps it
        return

    def end(*_: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
