"""Which process has taken a file, and whether it may still be at it."""

from __future__ import annotations

import os
import platform
import time
import uuid


def this_process() -> str:
    """Return a name for this process that says which it is, on which machine, started when."""
    pid = os.getpid()
    return f"{platform.node()} {pid} {_start_time(pid)} {uuid.uuid4().hex[:8]}"


def may_be_alive(owner: str, until: float | None) -> bool:
    """Return whether the process that took a file may still be at it.

    Parameters
    ----------
    owner : what `this_process` said there.
    until : for how long another machine's silence is believed, seconds since 1970.
    """
    node, pid, start, _ = owner.rsplit(" ", 3)
    if node == platform.node() and os.name == "posix":
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        # A number is used again; the time of start tells.
        return start in ("", _start_time(int(pid)))
    return until is not None and time.time() < until


def _start_time(pid: int) -> str:
    """Return when a process started, where the system tells (Linux), else ''; '?' where it is dead."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    # A process that was killed stays listed, as "Z", until its parent takes note.
    return "?" if fields[0] == b"Z" else fields[19].decode()
